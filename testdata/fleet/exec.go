package fleet

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// execTimeout bounds a helper's command.
const execTimeout = 2 * time.Minute

// command runs a line of shell as root inside the machine, by entering its namespaces: no SSH, so nothing is counted.
func (m *Machine) command(ctx context.Context, line string) *exec.Cmd {
	pid, err := m.leader()
	if err != nil {
		return exec.CommandContext(ctx, "/bin/sh", "-c", "echo "+err.Error()+" >&2; exit 1")
	}
	inner := m.inGroups("nsenter", "-t", strconv.Itoa(pid), "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--", "/bin/sh", "-c", line)
	c := exec.CommandContext(ctx, inner.Path, inner.Args[1:]...)
	c.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/bash", "LANG=C.UTF-8",
	}
	c.WaitDelay = 2 * time.Second // what the command left behind may hold its output
	return c
}

// Try runs a line of shell as root inside the machine and returns what it printed. The error has its standard error too.
func (m *Machine) Try(line string) (string, error) { return m.feed(line, nil) }

func (m *Machine) feed(line string, input []byte) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), execTimeout)
	defer cancel()
	var out, errs bytes.Buffer
	c := m.command(ctx, line)
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(input), &out, &errs
	if err := c.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %s: %w\n%s", m.Name, line, err, errs.String())
	}
	return out.String(), nil
}

// Exec is Try that must succeed.
func (m *Machine) Exec(line string) string {
	out, err := m.Try(line)
	if err != nil {
		m.fleet.fail("%v", err)
	}
	return out
}

// SSH runs a line of shell over SSH, as a user of the machine's, and returns what it printed.
func (m *Machine) SSH(user, line string) (string, error) {
	return run(context.Background(), "ssh", "-F", m.fleet.SSHConfig, "-l", user, m.Name, line)
}

// WriteFile writes a file of root's and its folders, on a machine that is on or off.
func (m *Machine) WriteFile(name, text string, mode fs.FileMode) {
	var err error
	if m.Running() {
		q := shellQuote(name)
		_, err = m.feed(fmt.Sprintf("mkdir -p %s && cat >%s && chmod %o %s", shellQuote(path.Dir(name)), q, mode.Perm(), q), []byte(text))
	} else {
		err = m.place(file{name, text, mode})
	}
	if err != nil {
		m.fleet.fail("%s: %v", m.Name, err)
	}
}

// ReadFile returns a file's content.
func (m *Machine) ReadFile(name string) string { return m.Exec("cat " + shellQuote(name)) }

// CopyFile copies a file of this host's to the machine, for root and readable by all.
func (m *Machine) CopyFile(from, to string, mode fs.FileMode) {
	b, err := os.ReadFile(from)
	if err != nil {
		m.fleet.fail("%v", err)
	}
	m.WriteFile(to, string(b), mode)
}

// Remove takes programs off the machine, wherever PATH has them: Remove("curl", "flock", "unzip").
func (m *Machine) Remove(programs ...string) {
	for _, p := range programs {
		for _, dir := range []string{"usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin"} { // /bin and /sbin are links
			if err := os.Remove(filepath.Join(m.Root, dir, path.Base(p))); err != nil && !os.IsNotExist(err) {
				m.fleet.fail("%s: %v", m.Name, err)
			}
		}
	}
}

// LimitDisk puts a file system of that many bytes at a folder; what was there is hidden. It is gone after a reboot.
func (m *Machine) LimitDisk(dir string, size int64) {
	q := shellQuote(dir)
	m.Exec(fmt.Sprintf("mkdir -p %s && mount -t tmpfs -o size=%d,mode=755 tmpfs %s", q, size, q))
}

// Trust lets root on the machine log in as root on all machines, with "ssh NAME", as S1's script wants.
func (m *Machine) Trust() {
	for _, f := range []struct {
		from, to string
		mode     fs.FileMode
	}{
		{m.fleet.KeyFile, "/root/.ssh/id_ed25519", 0o600},
		{m.fleet.KnownHosts, "/root/.ssh/known_hosts", 0o600},
	} {
		m.CopyFile(f.from, f.to, f.mode)
	}
}

// shellQuote is for names that tests make up; shipctl's own quoting is elsewhere, and under test.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
