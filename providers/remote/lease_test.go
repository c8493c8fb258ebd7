package remote_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// TestLease: one holder at a time, an epoch that only rises, and an expiry that needs nobody.
func TestLeaseScript(t *testing.T) {
	lib, err := remote.Scripts(nil)
	if err != nil {
		t.Fatal(err)
	}
	lib["test/step"] = "echo stepped"
	for _, shell := range remotetest.Shells(t) {
		t.Run(shell, func(t *testing.T) {
			state := filepath.Join(t.TempDir(), "state")
			m := remotetest.Under(t, shell, lib, state)
			lease := func(what, id, ttl string) (string, int) {
				t.Helper()
				out, err := m.Run(t.Context(), remote.Ticket{Run: id, Step: "lease", Deadline: time.Now().Add(time.Minute)}, remote.Call{
					Script: "remote/lease", Unlocked: true, Args: []string{what, id, ttl, "me@here", "https://ci.example/1"},
				})
				var said *remote.ScriptError
				if errors.As(err, &said) {
					return said.Output, said.Status
				}
				if err != nil {
					t.Fatal(err)
				}
				return strings.TrimSpace(string(out)), 0
			}
			step := func(epoch int64) error {
				_, err := m.Run(t.Context(), remote.Ticket{Run: "r", Step: "s", Epoch: epoch, Deadline: time.Now().Add(time.Minute)}, remote.Call{Script: "test/step"})
				return err
			}
			want := func(what, id, ttl, text string, status int) {
				t.Helper()
				if out, s := lease(what, id, ttl); s != status || !strings.Contains(out, text) {
					t.Fatalf("%s %s: status %d, %q; want %d, %q", what, id, s, out, status, text)
				}
			}
			want("acquire", "one", "60000", "1", 0)
			want("acquire", "one", "599000", "1", 0) // a lost reply: the same lease
			want("acquire", "two", "60000", "held by me@here since 2", 74)
			// by the holder's own lease, not that of the one who is refused
			want("acquire", "two", "2000", "); alive: its last sign was ", 74)
			want("acquire", "two", "2000", " s ago; without another it expires in 5", 74)
			file := filepath.Join(state, "projects", remotetest.Project, "lease")
			fresh, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			// ago is the lease as its holder left it when it gave its last sign so long ago; one is due every 200 s.
			ago := func(d time.Duration, ttl string) {
				t.Helper()
				until := regexp.MustCompile(`(?m)^until (\d+)$`).FindSubmatch(fresh)
				was, err := strconv.ParseInt(string(until[1]), 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				raw := bytes.Replace(fresh, until[0], fmt.Appendf(nil, "until %d", was-d.Milliseconds()), 1)
				raw = regexp.MustCompile(`(?m)^ttl .*$`).ReplaceAll(raw, []byte(ttl))
				if err := os.WriteFile(file, raw, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			ago(100*time.Second, "ttl 599000")
			want("acquire", "two", "2000", "); alive: its last sign was 1", 74)
			ago(400*time.Second, "ttl 599000")
			want("acquire", "two", "2000", "); no sign for 4", 74)
			want("acquire", "two", "2000", " s, and one is due every 200 s: probably dead, or cut off; without another it expires in 1", 74)
			ago(0, "")
			want("acquire", "two", "2000", "); how long ago its last sign was is not known; without another it expires in 5", 74)
			ago(0, "ttl 599000")
			want("renew", "one", "60000", "", 0)
			want("renew", "two", "60000", "this run had it before", 76)
			if err := step(1); err != nil {
				t.Fatal(err)
			}
			want("release", "two", "0", "", 0) // not its own: nothing
			want("acquire", "two", "60000", "ID one, https://ci.example/1", 74)
			want("release", "one", "0", "", 0)
			want("renew", "one", "60000", "gave it back since", 76)
			want("acquire", "two", "1", "2", 0)
			if err := step(1); err == nil || !strings.Contains(err.Error(), "another run took over") {
				t.Fatalf("a step of an earlier epoch: %v", err)
			}
			interrupted := func(run string, epoch int64, noted string) {
				t.Helper()
				_, err := m.Run(t.Context(), remote.Ticket{Run: run, Step: "interrupt", Epoch: epoch, Deadline: time.Now().Add(time.Minute)},
					remote.Call{Script: "remote/interrupt", Unlocked: true})
				raw, _ := os.ReadFile(filepath.Join(state, "projects", remotetest.Project, "interrupt"))
				if err != nil || strings.TrimSpace(string(raw)) != noted {
					t.Fatalf("interrupt of %s: %v, noted %q, want %q", run, err, raw, noted)
				}
			}
			interrupted("one", 1, "") // of an earlier epoch: nothing of its own waits here
			interrupted("two", 2, "two")
			half := filepath.Join(state, "projects", remotetest.Project, "record.shipctl-123")
			if err := os.WriteFile(half, []byte("half a rec"), 0o600); err != nil {
				t.Fatal(err)
			}
			want("acquire", "three", "60000", "3", 0) // two has expired
			if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("what a crash had left half written is there still: %v", err)
			}
			want("renew", "two", "60000", "held by", 76)
			want("force", "two", "0", "another ID was given", 74)
			want("force", "three", "0", "was held by", 0)
			want("force", "three", "0", "nobody has the lease", 75)
			if err := step(3); err == nil {
				t.Fatal("a step of a run that was unlocked is not refused")
			}
			want("acquire", "four", "60000", "5", 0)
			// The machine died while it wrote the lease, and the run goes on.
			torn := filepath.Join(state, "projects", remotetest.Project, "lease.shipctl-123")
			for _, boot := range []string{"", "another"} {
				if err := os.WriteFile(torn, []byte("epoch"), 0o600); err != nil {
					t.Fatal(err)
				}
				raw, err := os.ReadFile(filepath.Join(filepath.Dir(torn), "lease"))
				if err != nil {
					t.Fatal(err)
				}
				if boot != "" {
					raw = regexp.MustCompile("(?m)^boot .*$").ReplaceAll(raw, []byte("boot "+boot))
				}
				if err := os.WriteFile(filepath.Join(filepath.Dir(torn), "lease"), raw, 0o600); err != nil {
					t.Fatal(err)
				}
				want("renew", "four", "60000", "", 0)
				if _, err := os.Stat(torn); errors.Is(err, os.ErrNotExist) != (boot != "") {
					t.Errorf("boot %q: %v", boot, err)
				}
			}
			if err := os.WriteFile(filepath.Join(state, "projects", remotetest.Project, "lease"), []byte("epoch x\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			want("acquire", "five", "60000", "can't be understood", 1)
			if err := step(5); err == nil {
				t.Fatal("a step is done although the lease can't be read")
			}
		})
	}
}

// TestLeaseAwaitsStep: who takes a lease over waits for the step that the run before had begun, and keeps the lease alive
// meanwhile; another project's step is no matter.
func TestLeaseAwaitsStep(t *testing.T) {
	lib, err := remote.Scripts(nil)
	if err != nil {
		t.Fatal(err)
	}
	lib["test/slow"] = `echo begun >"$1"; until [ -e "$1.go" ]; do nap; done; echo ended >"$1"`
	for _, shell := range remotetest.Shells(t) {
		t.Run(shell, func(t *testing.T) {
			dir := t.TempDir()
			state, note := filepath.Join(dir, "state"), filepath.Join(dir, "note")
			m := remotetest.Under(t, shell, lib, state)
			acquire := func(id, ttl string) (string, error) {
				out, err := m.Run(t.Context(), remote.Ticket{Run: id, Step: "lease", Deadline: time.Now().Add(time.Minute)}, remote.Call{
					Script: "remote/lease", Unlocked: true, Args: []string{"acquire", id, ttl, "me@here", ""},
				})
				return strings.TrimSpace(string(out)), err
			}
			if epoch, err := acquire("one", "1"); err != nil || epoch != "1" {
				t.Fatal(epoch, err)
			}
			stepped := make(chan error, 1)
			go func() {
				_, err := m.Run(t.Context(), remote.Ticket{Run: "one", Step: "s/slow", Epoch: 1, Deadline: time.Now().Add(time.Minute)},
					remote.Call{Script: "test/slow", Args: []string{note}})
				stepped <- err
			}()
			await(t, note, "begun")
			took := make(chan error, 1)
			go func() {
				_, err := acquire("two", "60000")
				raw, _ := os.ReadFile(note)
				if err == nil && strings.TrimSpace(string(raw)) != "ended" {
					err = errors.New("the lease was given while the step of the run before went on")
				}
				took <- err
			}()
			lease := filepath.Join(state, "projects", remotetest.Project, "lease")
			await(t, lease, "id two")
			if _, err := acquire("three", "60000"); err == nil || !strings.Contains(err.Error(), "held by") {
				t.Errorf("another one, meanwhile: %v", err)
			}
			until := func() string {
				raw, _ := os.ReadFile(lease)
				return regexp.MustCompile("(?m)^id two\n(?s:.*)^until .*$").FindString(string(raw))
			}
			first := until()
			eventually(t, "the lease is kept alive", func() bool { return until() != first })
			if until() == "" {
				t.Error("nobody has the lease")
			}
			if err := os.WriteFile(note+".go", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(<-stepped, <-took); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestLeaseEndsWaiting: a step of the run before that only waits, as for a slot's health, is told to end by who takes the
// lease over: its controller may be dead, and it may wait for minutes.
func TestLeaseEndsWaiting(t *testing.T) {
	lib, err := remote.Scripts(nil)
	if err != nil {
		t.Fatal(err)
	}
	lib["test/waits"] = `echo begun >"$1"; until interrupted; do nap; done; die "told to stop"`
	for _, shell := range remotetest.Shells(t) {
		t.Run(shell, func(t *testing.T) {
			dir := t.TempDir()
			note := filepath.Join(dir, "note")
			m := remotetest.Under(t, shell, lib, filepath.Join(dir, "state"))
			acquire := func(id, ttl string) error {
				_, err := m.Run(t.Context(), remote.Ticket{Run: id, Step: "lease", Deadline: time.Now().Add(time.Minute)}, remote.Call{
					Script: "remote/lease", Unlocked: true, Args: []string{"acquire", id, ttl, "me@here", ""},
				})
				return err
			}
			if err := acquire("one", "1"); err != nil {
				t.Fatal(err)
			}
			stepped := make(chan error, 1)
			go func() {
				_, err := m.Run(t.Context(), remote.Ticket{Run: "one", Step: "s/health", Epoch: 1, Deadline: time.Now().Add(time.Minute)},
					remote.Call{Script: "test/waits", Args: []string{note}})
				stepped <- err
			}()
			await(t, note, "begun")
			begin := time.Now()
			if err := acquire("two", "60000"); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
			if err := <-stepped; err == nil || err.Error() != "told to stop" {
				t.Errorf("the step: %v", err)
			}
		})
	}
}

// await waits until a file has the text.
func await(t *testing.T, name, text string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s says %q", name, text), func() bool {
		raw, _ := os.ReadFile(name)
		return strings.Contains(string(raw), text)
	})
}

// eventually waits for what another process does, which nothing reports.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came: %s", what)
		}
	}
}
