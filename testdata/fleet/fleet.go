// Package fleet boots real Debian machines on this one, in seconds: systemd, sshd and nginx of their own, on an overlay over
// one base and a bridge of their own. It needs root. It owns machines and what a test does to them; it knows nothing of
// shipctl.
//
//	f := fleet.Up(t, "app-1", "web-1")
//	f.Machine("web-1").StartNginx(fleet.SiteVariable("/etc/nginx/conf.d/service-url.inc", "service_url"))
//
// Each fleet has a number N, free on this machine: addresses 10.77.N.0/24, bridge sfN, folder <dir>/N, control groups
// shipctl-fleet/N. That is how a crashed run is found and cleaned up by the next one, or by "cmd down".
package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// Environment variables that move the two folders.
const (
	CacheEnv = "SHIPCTL_FLEET_CACHE" // of the base; default /var/cache/shipctl-fleet
	DirEnv   = "SHIPCTL_FLEET_DIR"   // of the machines; default /var/lib/shipctl-fleet
)

// Fleet is a set of machines that see each other and this one, and nothing else.
type Fleet struct {
	Number     int
	Dir        string // of this run
	KeyFile    string // private key that root, deploy and plain accept on every machine
	KnownHosts string // the machines' ed25519 keys, by name and by address
	SSHConfig  string // for ssh -F: each machine by its name, as deploy
	Machines   []*Machine

	host *host
	lock *os.File
	tb   testing.TB
}

// Options of New.
type Options struct {
	Names []string
	Keep  bool // outlive the process, until the function Down; the method does nothing then
	Log   func(format string, args ...any)
}

// Up boots the named machines and takes them down when the test ends. Anything that goes wrong, in helpers without an
// error result too, fails the test.
func Up(t testing.TB, names ...string) *Fleet {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute) // a missing base is built first
	defer cancel()
	f, err := New(ctx, Options{Names: names, Log: t.Logf})
	if err != nil {
		t.Fatalf("fleet: %v", err)
	}
	t.Cleanup(func() {
		if err := f.Down(); err != nil {
			t.Errorf("fleet: %v", err)
		}
	})
	f.Use(t)
	return f
}

// Use makes t, a subtest for instance, the test that helpers fail, until it ends. Helpers without an error result are
// for that test's own goroutine.
func (f *Fleet) Use(t testing.TB) {
	old := f.tb
	f.tb = t
	t.Cleanup(func() { f.tb = old })
}

// New boots machines. On an error nothing is left.
func New(ctx context.Context, o Options) (*Fleet, error) {
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	if err := checkNames(o.Names); err != nil {
		return nil, err
	}
	h, err := newHost(ctx, o.Log)
	if err != nil {
		return nil, err
	}
	base, err := Base(ctx, o.Log)
	if err != nil {
		return nil, err
	}
	f, err := h.claim()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := f.build(ctx, base, o.Names); err != nil {
		return nil, errors.Join(err, f.Down())
	}
	if err := f.record(o.Keep); err != nil {
		return nil, errors.Join(err, f.Down())
	}
	if o.Keep {
		f.lock.Close()
		f.lock = nil
	}
	o.Log("fleet %d: %s up in %s", f.Number, strings.Join(o.Names, ", "), time.Since(begin).Round(time.Millisecond))
	return f, nil
}

func checkNames(names []string) error {
	if len(names) == 0 || len(names) > 200 {
		return fmt.Errorf("%d machines: from 1 to 200 can be booted", len(names))
	}
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n] || n == "" || len(n) > 40 || strings.Trim(n, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || n[0] == '-' {
			return fmt.Errorf("machine name %q: lower-case letters, digits and dashes, each once", n)
		}
		seen[n] = true
	}
	return nil
}

func (f *Fleet) build(ctx context.Context, base string, names []string) error {
	if err := f.network(ctx); err != nil {
		return err
	}
	pub, err := f.clientKey()
	if err != nil {
		return err
	}
	for i, n := range names {
		f.Machines = append(f.Machines, f.machine(i, n))
	}
	for _, m := range f.Machines {
		if err := m.create(base, pub); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	if err := f.writeSSH(); err != nil {
		return err
	}
	return f.each(func(m *Machine) error { return m.boot(ctx) })
}

// each does it to all machines at once.
func (f *Fleet) each(do func(*Machine) error) error {
	errs := make([]error, len(f.Machines))
	var all sync.WaitGroup
	for i, m := range f.Machines {
		all.Go(func() {
			if err := do(m); err != nil {
				errs[i] = fmt.Errorf("%s: %w", m.Name, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// Machine returns a machine by name.
func (f *Fleet) Machine(name string) *Machine {
	for _, m := range f.Machines {
		if m.Name == name {
			return m
		}
	}
	f.fail("no machine %q in the fleet", name)
	return nil
}

// Down ends all machines and removes everything of theirs. It may be called twice.
func (f *Fleet) Down() error {
	if f.lock == nil {
		return nil
	}
	err := f.host.clean(f.Number, f.Dir)
	for _, m := range f.Machines {
		m.wait()
	}
	if err == nil {
		err = f.lock.Truncate(0)
	}
	f.lock.Close()
	f.lock = nil
	return err
}

func (f *Fleet) fail(format string, args ...any) {
	if f.tb == nil {
		panic("fleet: " + fmt.Sprintf(format, args...))
	}
	f.tb.Helper()
	f.tb.Fatalf("fleet: "+format, args...)
}
