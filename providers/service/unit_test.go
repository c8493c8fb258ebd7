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

	"github.com/google/go-cmp/cmp"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// moved is the bench's machine with its units in a folder of the test's own.
func (b *bench) moved(shell, units string) { b.with(shell, "/etc/systemd/system", units) }

// with replaces texts by others in every script.
func (b *bench) with(shell string, pairs ...string) {
	b.t.Helper()
	lib, changed := fstest.MapFS{}, strings.NewReplacer(pairs...)
	names, err := fs.Glob(files, "*.sh")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, name := range names {
		script, err := scripts{files}.ReadFile(name)
		if err != nil {
			b.t.Fatal(err)
		}
		lib[name] = &fstest.MapFile{Data: []byte(changed.Replace(string(script)))}
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

// TestDropIns: each file beside a unit that systemd reads with it is named, wherever it lies; clearing the slot away leaves
// them, as somebody's own, and names them no longer.
func TestDropIns(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		etc, run := filepath.Join(t.TempDir(), "etc"), filepath.Join(t.TempDir(), "run")
		b.with(filepath.Base(t.Name()), "/etc/systemd/system", etc, "/run/systemd/system", run)
		home := filepath.Join(b.root, "state", "projects", remotetest.Project, "services", b.name)
		unit := "shipctl-" + remotetest.Project + "-" + b.name + "-green.service"
		put := func(name string) {
			t.Helper()
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte("[Service]\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		put(filepath.Join(home, "green.unit"))
		put(filepath.Join(etc, unit))
		put(filepath.Join(etc+".control", "another.service.d", "50-MemoryMax.conf"))
		put(filepath.Join(etc, unit+".d", "notes.txt"))
		if got := b.look().Edited; len(got) > 0 {
			t.Errorf("nothing changes it, and yet: %+v", got)
		}
		var want []Edit
		for _, file := range []string{
			etc + "/" + unit + ".d/a.conf", etc + "/" + unit + ".d/override.conf", run + "/" + unit + ".d/x.conf",
			etc + ".control/" + unit + ".d/50-MemoryMax.conf", run + ".control/" + unit + ".d/50-CPUQuota.conf",
		} {
			put(file)
			want = append(want, Edit{"green", "more", file + " changes it"})
		}
		if d := cmp.Diff(want, b.look().Edited); d != "" {
			t.Error(d)
		}
		if out, err := b.stop(time.Second); err != nil {
			t.Fatal(out, err)
		}
		if got := b.look().Edited; len(got) > 0 {
			t.Errorf("cleared away, and yet: %+v", got)
		}
		for _, e := range want {
			if _, err := os.Stat(strings.TrimSuffix(e.How, " changes it")); err != nil {
				t.Error(err)
			}
		}
	})
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

// systemctl is a stand-in: it notes what it is told, says what is in the files beside it, and fails, or lets the program be
// started again, where it reads its configuration.
const systemctl = `#!/bin/sh
cd "${0%/*}" || exit 1
echo "$*" >>told
case $1 in
is-enabled) cat enabled ;;
show) echo "MainPID=$(cat main)" ;;
enable) echo enabled >enabled ;;
daemon-reload)
	[ ! -e fails ] || exit 1
	[ ! -e again ] || cat again >main
	;;
esac
`

// TestUnit: a unit that somebody changed is written again as it was, read and enabled; not where its program may have been
// started with the change; and what was not finished is not taken for done.
func TestUnit(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		shell := filepath.Base(t.Name())
		units, tools := t.TempDir(), t.TempDir()
		b.with(shell, "/etc/systemd/system", units, "systemctl", filepath.Join(tools, "systemctl"))
		home := filepath.Join(b.root, "state", "projects", remotetest.Project, "services", b.name)
		file := filepath.Join(units, "shipctl-"+remotetest.Project+"-"+b.name+"-green.service")
		copied := filepath.Join(home, "green.unit")
		write := func(name, text string) {
			t.Helper()
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		read := func(name string) string {
			raw, _ := os.ReadFile(name) // "" where it is not
			return string(raw)
		}
		const ours, edited = "[Service]\nExecStart=ours\n", "[Service]\nExecStart=edited\n"
		write(filepath.Join(tools, "systemctl"), systemctl)
		boot := strings.TrimSpace(read("/proc/sys/kernel/random/boot_id"))
		me, err := startOf(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name, copied, file, enabled, main, started string
			due, fails                                 bool
			again                                      string // what is the main process once systemd has read the unit
			says, err                                  string
			after                                      string
			dueAfter                                   bool
		}{
			{name: "no copy", file: edited, enabled: "enabled", main: "0", err: "is not recorded", after: edited},
			{name: "as it was", copied: ours, file: ours, enabled: "enabled", main: "7", says: "it is as it was written", after: ours},
			{name: "edited, nothing runs", copied: ours, file: edited, enabled: "enabled", main: "0", after: ours},
			{name: "gone", copied: ours, enabled: "disabled", main: "0", after: ours},
			{name: "not enabled", copied: ours, file: ours, enabled: "disabled", main: "0", after: ours},
			{name: "not read", copied: ours, file: ours, enabled: "enabled", main: "0", due: true, after: ours},
			{name: "edited, ours runs", copied: ours, file: edited, enabled: "enabled", main: fmt.Sprint(os.Getpid()), started: fmt.Sprintf("%s %d %s mark\n", boot, os.Getpid(), me), after: ours},
			{name: "edited, another runs", copied: ours, file: edited, enabled: "enabled", main: "7", started: fmt.Sprintf("%s %d %s mark\n", boot, os.Getpid(), me), err: "was started again meanwhile", after: edited},
			{name: "edited, of another boot", copied: ours, file: edited, enabled: "enabled", main: fmt.Sprint(os.Getpid()), started: fmt.Sprintf("other %d %s mark\n", os.Getpid(), me), err: "was started again meanwhile", after: edited},
			{name: "it can't be read", copied: ours, file: edited, enabled: "enabled", main: "0", fails: true, err: "daemon-reload failed", after: ours, dueAfter: true},
			{name: "started again while it is read", copied: ours, file: edited, enabled: "enabled", main: "0", again: "7", err: "was started again meanwhile", after: ours, dueAfter: true},
		} {
			for _, dir := range []string{home, units} {
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range []string{"told", "fails", "again"} {
				_ = os.Remove(filepath.Join(tools, f))
			}
			for name, text := range map[string]string{copied: tt.copied, file: tt.file, filepath.Join(home, "green.started"): tt.started, filepath.Join(tools, "again"): tt.again} {
				if text != "" {
					write(name, text)
				}
			}
			for name, is := range map[string]bool{copied + ".due": tt.due, filepath.Join(tools, "fails"): tt.fails} {
				if is {
					write(name, "")
				}
			}
			write(filepath.Join(tools, "enabled"), tt.enabled+"\n")
			write(filepath.Join(tools, "main"), tt.main+"\n")
			if err := os.MkdirAll(units, 0o755); err != nil {
				t.Fatal(err)
			}
			out, err := remotetest.Step(t, b.m, remote.Call{Script: "service/unit", Args: []string{b.name, "green"}})
			switch {
			case tt.err == "" && (err != nil || !strings.Contains(out, tt.says)), tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("%s: %q, %v", tt.name, out, err)
			}
			if got := read(file); got != tt.after {
				t.Errorf("%s: the unit is %q", tt.name, got)
			}
			if _, err := os.Stat(copied + ".due"); (err == nil) != tt.dueAfter {
				t.Errorf("%s: what is due: %v", tt.name, err)
			}
			told := read(filepath.Join(tools, "told"))
			done := tt.err == "" && tt.says == ""
			if done && !strings.Contains(told, "daemon-reload\nenable --quiet") || tt.after == edited && strings.Contains(told, "daemon-reload") {
				t.Errorf("%s: systemctl was told\n%s", tt.name, told)
			}
			if done {
				info, err := os.Stat(file)
				if err != nil {
					t.Fatal(err)
				}
				stat := info.Sys().(*syscall.Stat_t)
				if at := read(copied + ".at"); at != fmt.Sprintf("%d %d\n", stat.Ino, stat.Ctim.Sec) {
					t.Errorf("%s: it is noted as %q", tt.name, at)
				}
			}
		}
	})
}

// startOf is a process's start in ticks, as the scripts know it.
func startOf(pid int) (string, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	f := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	return f[19], nil
}

// TestLookUnits: each unit of ours with its state, and whether it is started at boot; a file of that name that is somebody
// else's is none.
func TestLookUnits(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		units, tools := t.TempDir(), t.TempDir()
		b.with(filepath.Base(t.Name()), "/etc/systemd/system", units, "systemctl", filepath.Join(tools, "systemctl"))
		home := filepath.Join(b.root, "state", "projects", remotetest.Project, "services", b.name)
		unit := func(slot string) string {
			return "shipctl-" + remotetest.Project + "-" + b.name + "-" + slot + ".service"
		}
		wants := filepath.Join(units, "multi-user.target.wants")
		for _, dir := range []string{home, wants} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for name, text := range map[string]string{
			filepath.Join(tools, "systemctl"):   "#!/bin/sh\n[ \"$1 $2\" = 'is-active --' ] || exit 0\nshift 2\nfor u in \"$@\"; do case $u in *-green.service) echo active ;; *) echo failed ;; esac; done\nexit 3\n",
			filepath.Join(units, unit("green")): "EnvironmentFile=" + home + "/green.env\n", filepath.Join(home, "green.env"): "",
			filepath.Join(units, unit("old")): "EnvironmentFile=" + home + "/old.env\n", filepath.Join(home, "old.env"): "",
			filepath.Join(units, unit("other")): "EnvironmentFile=/etc/other\n", filepath.Join(home, "other.env"): "",
		} {
			if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(filepath.Join(units, unit("green")), filepath.Join(wants, unit("green"))); err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprint(b.look().Units), "[{green active enabled} {old failed disabled}]"; got != want {
			t.Errorf("%s, not %s", got, want)
		}
	})
}
