package service

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// moved is the bench's machine with its units in a folder of the test's own.
func (b *bench) moved(shell, units string) { b.with(shell, "/etc/systemd/system", units) }

// with replaces one text by another in every script.
func (b *bench) with(shell, text, by string) {
	b.t.Helper()
	lib := fstest.MapFS{}
	names, err := fs.Glob(files, "*.sh")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, name := range names {
		script, err := scripts{files}.ReadFile(name)
		if err != nil {
			b.t.Fatal(err)
		}
		lib[name] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(string(script), text, by))}
	}
	library, err := remote.Scripts(map[string]fs.FS{"service": lib})
	if err != nil {
		b.t.Fatal(err)
	}
	b.m = remotetest.Under(b.t, shell, library, filepath.Join(b.root, "state"))
}

// TestUnitUsed: a program counts as started with an edited unit unless it is the very process that we started; neither a
// further edit nor putting the unit back, with whatever times, makes that forgotten.
func TestUnitUsed(t *testing.T) {
	for _, shell := range remotetest.Shells(t) {
		t.Run(shell, func(t *testing.T) {
			b := newBench(t, shell)
			units := t.TempDir()
			b.moved(shell, units)
			home := filepath.Join(b.root, "state", "projects", remotetest.Project, "services", b.name)
			unit := filepath.Join(units, "shipctl-"+remotetest.Project+"-"+b.name+"-green.service")
			copied := filepath.Join(home, "green.unit")
			put := func(name, text string, age time.Duration) {
				t.Helper()
				at := time.Now().Add(-age)
				if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				if err := os.Chtimes(name, at, at); err != nil {
					t.Fatal(err)
				}
			}
			const ours = "ExecStart=ours\n"
			if err := os.MkdirAll(home, 0o755); err != nil {
				t.Fatal(err)
			}
			is := func(when, what, how string) {
				t.Helper()
				got := b.look().Edited
				if what == "" && len(got) == 0 {
					return
				}
				if len(got) != 1 || got[0].What != what || !strings.Contains(got[0].How, how) {
					t.Errorf("%s: %+v, not %q, %q", when, got, what, how)
				}
			}
			put(copied, ours, 0)
			put(unit, "ExecStart=edited\n", 0)
			is("edited, and nothing runs", "file", "not as it was written")
			if out, err := b.start(); err != nil {
				t.Fatal(out, err)
			}
			is("started by somebody", "used", "not as it was written")
			put(unit, "ExecStart=edited\n# once more\n", -time.Minute)
			is("edited once more", "used", "not as it was written")
			put(unit, "ExecStart=a backup\n", 2*time.Hour)
			is("a backup with its times", "used", "not as it was written")
			put(unit, ours, 2*time.Hour)
			is("put back", "used", "changed and put back")
			put(copied+".due", "", 0)
			is("our writing was interrupted", "used", "has not read it")
			if err := os.Remove(copied + ".due"); err != nil {
				t.Fatal(err)
			}

			info, err := os.Stat(unit)
			if err != nil {
				t.Fatal(err)
			}
			stat := info.Sys().(*syscall.Stat_t)
			put(copied+".at", fmt.Sprintf("%d %d\n", stat.Ino, stat.Ctim.Sec), 0)
			is("written by us, and started again by systemd since", "", "")

			boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
			if err != nil {
				t.Fatal(err)
			}
			p := b.look().Procs[0]
			note := func(boot string, start int64) {
				put(filepath.Join(home, "green.started"), fmt.Sprintf("%s %d %d %s\n", strings.TrimSpace(boot), p.PID, start, "mark"), 0)
			}
			put(copied+".at", "1 1\n", 0)
			note(string(boot), p.Start+1)
			is("another process than ours", "used", "put back")
			note("another-boot", p.Start)
			is("of another boot", "used", "put back")
			note(string(boot), p.Start)
			is("ours, and touched since", "", "")
			put(unit, "ExecStart=edited\n", 0)
			is("ours, and edited since", "file", "not as it was written")
			put(copied+".due", "", 0)
			is("ours, and our writing was interrupted", "file", "has not read it")
			if err := os.Remove(unit); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(copied + ".due"); err != nil {
				t.Fatal(err)
			}
			is("ours, and removed", "file", "is gone")
			if out, err := b.stop(5 * time.Second); err != nil {
				t.Fatal(out, err)
			}
			put(copied, ours, 0)
			is("removed, and nothing runs", "file", "is gone")
			if out, err := b.stop(5 * time.Second); err != nil || !strings.Contains(out, "nothing runs") {
				t.Fatal(out, err)
			}
			is("cleared away", "", "")
		})
	}
}

// TestStopUnseen: where it can't be seen who is connected, that is not nobody.
func TestStopUnseen(t *testing.T) {
	for _, shell := range remotetest.Shells(t) {
		t.Run(shell, func(t *testing.T) {
			b := newBench(t, shell)
			if out, err := b.start(); err != nil {
				t.Fatal(out, err)
			}
			seeing := b.m
			b.with(shell, "sockets 01", "denied 'may not look';:")
			if out, err := b.stop(time.Second); err == nil || !strings.Contains(err.Error(), "could not be seen") {
				t.Errorf("%q, %v", out, err)
			}
			if len(b.look().Procs) != 1 {
				t.Error("it was stopped")
			}
			b.m = seeing
		})
	}
}
