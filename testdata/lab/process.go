package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// program finds a server, which an ordinary user's PATH may not have.
func program(name, pkg string) (string, error) {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/local/sbin", "/usr/sbin", "/sbin") {
		path := filepath.Join(dir, name)
		if i, err := os.Stat(path); err == nil && i.Mode().IsRegular() && i.Mode()&0o111 != 0 {
			return filepath.Abs(path)
		}
	}
	return "", fmt.Errorf("no %s here: install %s (Debian)", name, pkg)
}

// server is a child of ours.
type server struct {
	name   string
	cmd    *exec.Cmd
	log    string
	exited chan struct{}
}

func (l *Lab) command(args ...string) *exec.Cmd {
	c := exec.Command(args[0], args[1:]...)
	c.Dir = l.Dir
	c.Env = append(os.Environ(), mark+"="+l.Dir)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // an interrupt at the terminal is for us, who then close
	return c
}

func (l *Lab) launch(name string, args ...string) (*server, error) {
	s := &server{name: name, cmd: l.command(args...), log: l.path(name + ".log"), exited: make(chan struct{})}
	log, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	l.servers = append(l.servers, s)
	go func() { _ = s.cmd.Wait(); close(s.exited) }()
	return s, nil
}

// await polls, since nothing tells when a port opens, until ok or the server's end.
func (s *server) await(ok func() error) error {
	err := eventually(func() error {
		select {
		case <-s.exited:
			return nil
		default:
			return ok()
		}
	})
	select {
	case <-s.exited:
		err = errors.New("it ended")
	default:
	}
	if err == nil {
		return nil
	}
	b, _ := os.ReadFile(s.log)
	return fmt.Errorf("%s: %w\n%s", s.name, err, b)
}

func eventually(ok func() error) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := ok()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// stop kills the server and what it forked of itself: sshd's sessions outlive their listener, and write over their
// environment. What they started is left to sweep.
func (s *server) stop() {
	var forks []int
	for pid, p := range s.family() {
		if p.name == s.name && pid != s.cmd.Process.Pid {
			forks = append(forks, pid)
		}
	}
	_ = s.cmd.Process.Kill()
	<-s.exited
	for _, pid := range forks {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

type relative struct {
	name   string
	parent int
}

// family is the server and its descendants.
func (s *server) family() map[int]relative {
	everybody := map[int]relative{}
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, p := range all {
		var r relative
		var pid int
		b, _ := os.ReadFile(p)
		open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
		if open < 0 || end < open {
			continue
		}
		r.name = string(b[open+1 : end])
		var state string
		_, _ = fmt.Sscan(string(b[:open]), &pid)
		_, _ = fmt.Sscan(string(b[end+1:]), &state, &r.parent)
		everybody[pid] = r
	}
	out := map[int]relative{}
	for pid, r := range everybody {
		for p, steps := pid, 0; p > 1 && steps < 64; p, steps = everybody[p].parent, steps+1 {
			if p == s.cmd.Process.Pid {
				out[pid] = r
				break
			}
		}
	}
	return out
}

// ours tells whether a living process belongs to the lab: by the mark in its environment, or because it runs in or from
// its folder.
func (l *Lab) ours(pid int) bool {
	dir := fmt.Sprintf("/proc/%d/", pid)
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return false
	}
	if i := bytes.LastIndexByte(stat, ')'); i < 0 || i+2 >= len(stat) || stat[i+2] == 'Z' {
		return false
	}
	env := environment(dir)
	if bytes.Contains(append([]byte{0}, env...), []byte("\x00"+mark+"="+l.Dir+"\x00")) {
		return true
	}
	for _, link := range []string{"cwd", "exe"} {
		if to, err := os.Readlink(dir + link); err == nil && (to == l.Dir || strings.HasPrefix(to, l.Dir+"/")) {
			return true
		}
	}
	command, _ := os.ReadFile(dir + "cmdline") // nginx writes over its environment
	return bytes.HasPrefix(command, []byte("nginx: master process ")) && bytes.Contains(command, []byte(l.Dir+"/"))
}

// environment reads a process's environment. In the middle of an exec it looks empty: then once more, a little later.
func environment(dir string) []byte {
	var env []byte
	for range 10 {
		env, _ = os.ReadFile(dir + "environ")
		if _, err := os.Readlink(dir + "exe"); len(env) > 0 || err != nil { // no program: the kernel's own
			break
		}
		time.Sleep(time.Millisecond)
	}
	return env
}

// Processes lists the lab's own processes, this one apart.
func (l *Lab) Processes() []int {
	var out []int
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range all {
		pid, err := strconv.Atoi(filepath.Base(p))
		if err == nil && pid != os.Getpid() && pid != os.Getppid() && l.ours(pid) {
			out = append(out, pid)
		}
	}
	return out
}

// sweep kills what is left: programs that were started over the lab's sshd.
func (l *Lab) sweep() error {
	return eventually(func() error {
		left := l.Processes()
		if len(left) == 0 {
			return nil
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		return fmt.Errorf("processes %v do not die", left)
	})
}
