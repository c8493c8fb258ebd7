package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// records is where each fleet has its record, which is also its lock. One place for this host, because numbers, and with
// them addresses and links, are one for this host too. It is empty after a boot, and so are the fleets.
const records = "/run/shipctl-fleet"

// Record is what is known of a fleet from outside. A fleet whose record is neither locked nor kept is a leftover.
type Record struct {
	Dir      string
	Keep     bool
	Owner    int               // PID
	Machines map[string]string // name → address
}

func lockRecord(n int) (*os.File, Record, error) {
	var r Record
	if err := os.MkdirAll(records, 0o755); err != nil {
		return nil, r, err
	}
	lock, err := lockFile(filepath.Join(records, strconv.Itoa(n)), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		return nil, r, err
	}
	b, err := io.ReadAll(lock)
	if err != nil {
		lock.Close()
		return nil, r, err
	}
	_ = json.Unmarshal(b, &r) // none, or half of one: a leftover like any other
	return lock, r, nil
}

// record writes the fleet's record, in place: the file is the lock.
func (f *Fleet) record(keep bool) error {
	r := Record{Dir: f.Dir, Keep: keep, Owner: os.Getpid(), Machines: map[string]string{}}
	for _, m := range f.Machines {
		r.Machines[m.Name] = m.Addr
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err = f.lock.WriteAt(b, 0); err != nil {
		return err
	}
	return f.lock.Truncate(int64(len(b)))
}

// Status returns the fleets that are there, by number.
func Status() (map[int]Record, error) {
	out := map[int]Record{}
	files, err := os.ReadDir(records)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for _, e := range files {
		b, err := os.ReadFile(filepath.Join(records, e.Name()))
		if err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(e.Name())
		if len(b) == 0 || err != nil {
			continue
		}
		var r Record
		_ = json.Unmarshal(b, &r)
		out[n] = r
	}
	return out, nil
}

// Down removes fleets by number, or all; kept ones and those of crashed runs. Those that a living test uses stay. It returns
// the numbers of those that it removed.
func Down(numbers ...int) ([]int, error) {
	h, err := newHost(context.Background(), func(string, ...any) {})
	if err != nil {
		return nil, err
	}
	if len(numbers) == 0 {
		all, err := Status()
		if err != nil {
			return nil, err
		}
		numbers = slices.Sorted(maps.Keys(all))
	}
	var gone []int
	var errs []error
	for _, n := range numbers {
		lock, r, err := lockRecord(n)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			continue
		}
		if err == nil {
			err = errors.Join(h.clean(n, r.Dir), lock.Truncate(0), lock.Close())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("fleet %d: %w", n, err))
			continue
		}
		gone = append(gone, n)
	}
	return gone, errors.Join(errs...)
}

// String is a line for people.
func (r Record) String() string {
	var out []string
	for _, n := range slices.Sorted(maps.Keys(r.Machines)) {
		out = append(out, n+" "+r.Machines[n])
	}
	return fmt.Sprintf("%s, by process %d, kept: %t: %s", r.Dir, r.Owner, r.Keep, strings.Join(out, ", "))
}
