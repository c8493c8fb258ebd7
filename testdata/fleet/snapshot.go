package fleet

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Snapshot is everything on a machine that a plan must leave alone: the files that differ from the base, those in memory
// (/run, /dev/shm), and the processes.
type Snapshot struct {
	Files     map[string]string // path → type, mode, owner, size, mtime, SHA-256; in memory without mtime and content
	Processes map[string]string // "pid start" → command line
}

// Ignored is what may differ between two snapshots although nobody changed anything, with the reason.
func Ignored() map[string]string {
	return map[string]string{
		"/var/log/journal":             "journald writes as long as it lives; logins are logged",
		"/var/log/wtmp":                "logins",
		"/var/log/btmp":                "failed logins",
		"/var/log/lastlog":             "logins",
		"/var/log/auth.log":            "logins, with syslog",
		"/var/log/nginx":               "requests",
		"/var/lib/nginx":               "nginx's temporary files of requests in flight",
		"/var/lib/sudo":                "sudo's first lecture",
		"/var/lib/systemd/timers":      "timers' stamps",
		"/var/lib/private/systemd":     "systemd's own",
		"/run/log":                     "journald",
		"/run/systemd":                 "systemd's own: units, sessions, its journal's streams",
		"/run/sudo":                    "sudo's time stamps",
		"/run/user":                    "logins",
		"/run/utmp":                    "logins",
		"/run/motd.dynamic":            "logins",
		"/run/host":                    "nspawn's own",
		"/run/dbus":                    "connections",
		"/run/udev":                    "the link's",
		"/var/lib/systemd/linger":      "logins",
		"/var/lib/systemd/coredump":    "the kernel's",
		"/var/lib/logrotate":           "logrotate",
		"/var/cache/ldconfig":          "systemd's first boot",
		"/var/lib/systemd/catalog":     "systemd's first boot",
		"/var/lib/systemd/random-seed": "systemd, at shutdown",
	}
}

func ignored(path string, list map[string]string) bool {
	for p := path; p != "/" && p != "."; p = filepath.Dir(p) {
		if _, ok := list[p]; ok {
			return true
		}
	}
	return false
}

// Snapshot looks from outside; it runs nothing on the machine.
func (m *Machine) Snapshot() Snapshot {
	s := Snapshot{Files: map[string]string{}, Processes: map[string]string{}}
	list := Ignored()
	err := walk(m.Upper, "", func(path, at string, i fs.FileInfo) error {
		if ignored(path, list) {
			return nil
		}
		text, err := describe(at, i)
		s.Files[path] = text
		return err
	})
	if pid, e := m.leader(); e == nil && err == nil {
		for _, dir := range []string{"/run", "/dev/shm"} {
			err = walk(fmt.Sprintf("/proc/%d/root%s", pid, dir), dir, func(path, _ string, i fs.FileInfo) error {
				if !ignored(path, list) {
					s.Files[path] = owned(i)
				}
				return nil
			})
		}
	}
	if err != nil {
		m.fleet.fail("%s: %v", m.Name, err)
	}
	for pid, p := range m.processes() {
		if !strings.HasPrefix(p.command, "sshd: ") || strings.Contains(p.command, "[listener]") { // a session on its way out
			s.Processes[fmt.Sprintf("%d %s", pid, p.start)] = p.command
		}
	}
	return s
}

// walk visits what is below dir; a file that vanishes meanwhile is none.
func walk(dir, prefix string, visit func(path, at string, i fs.FileInfo) error) error {
	return filepath.WalkDir(dir, func(at string, e fs.DirEntry, err error) error {
		if err == nil && at != dir {
			var i fs.FileInfo
			if i, err = e.Info(); err == nil {
				err = visit(prefix+strings.TrimPrefix(at, dir), at, i)
			}
		}
		if os.IsNotExist(err) {
			return nil
		}
		return err
	})
}

func owned(i fs.FileInfo) string {
	st := i.Sys().(*syscall.Stat_t)
	if i.Mode()&fs.ModeCharDevice != 0 && st.Rdev == 0 {
		return "removed" // the overlay's mark for a file of the base
	}
	return fmt.Sprintf("%s %d:%d", i.Mode(), st.Uid, st.Gid)
}

func describe(at string, i fs.FileInfo) (string, error) {
	text := owned(i)
	switch {
	case text == "removed":
		return text, nil
	case i.Mode()&fs.ModeSymlink != 0:
		to, err := os.Readlink(at)
		return text + " → " + to, err
	}
	text += " " + i.ModTime().UTC().Format("2006-01-02T15:04:05.000000000")
	if !i.Mode().IsRegular() {
		return text, nil
	}
	f, err := os.Open(at)
	if err != nil {
		return text, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return fmt.Sprintf("%s %d bytes %x", text, n, h.Sum(nil)), err
}

// Diff tells what differs in b: "+ path …", "- path …", "~ path before → after". Empty: nothing.
func (a Snapshot) Diff(b Snapshot) []string {
	out := append(difference(a.Files, b.Files), difference(a.Processes, b.Processes)...)
	slices.Sort(out)
	return out
}

func difference(a, b map[string]string) []string {
	var out []string
	for k, x := range a {
		if y, ok := b[k]; !ok {
			out = append(out, fmt.Sprintf("- %s %s", k, x))
		} else if x != y {
			out = append(out, fmt.Sprintf("~ %s %s → %s", k, x, y))
		}
	}
	for k, y := range b {
		if _, ok := a[k]; !ok {
			out = append(out, fmt.Sprintf("+ %s %s", k, y))
		}
	}
	return out
}

type process struct{ start, command string }

// processes lists what runs on the machine, by its PID there.
func (m *Machine) processes() map[int]process {
	out := map[int]process{}
	init, err := m.leader()
	if err != nil {
		return out
	}
	ns, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", init))
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		if its, err := os.Readlink(dir + "/ns/pid"); err != nil || its != ns {
			continue
		}
		if pid, p, ok := look(dir); ok {
			out[pid] = p
		}
	}
	return out
}

func look(dir string) (int, process, bool) {
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return 0, process{}, false
	}
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	f := strings.Fields(rest) // from field 3, the state, on
	if len(f) < 20 || f[0] == "Z" {
		return 0, process{}, false
	}
	status, _ := os.ReadFile(dir + "/status")
	pid := 0
	for line := range strings.Lines(string(status)) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			all := strings.Fields(ids)
			pid, _ = strconv.Atoi(all[len(all)-1])
		}
	}
	command, alive := commandLine(dir)
	return pid, process{start: f[19], command: command}, alive && pid > 0
}

// commandLine of a process. It is empty for a moment in the middle of an exec, and at the end, when the process has given
// up its program but is no zombie yet: then it is not alive.
func commandLine(dir string) (command string, alive bool) {
	for range 200 {
		b, _ := os.ReadFile(dir + "/cmdline")
		command = strings.TrimSpace(strings.ReplaceAll(string(b), "\x00", " "))
		if command != "" {
			return command, true
		}
		if _, err := os.Readlink(dir + "/exe"); err != nil {
			return "", false
		}
		time.Sleep(time.Millisecond)
	}
	b, err := os.ReadFile(dir + "/comm")
	return "[" + strings.TrimSpace(string(b)) + "]", err == nil
}
