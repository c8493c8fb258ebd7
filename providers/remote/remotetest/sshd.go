package remotetest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// SSHD is a real OpenSSH server on loopback that lets in the user who runs the test, with KeyFile.
type SSHD struct {
	Addr       string // 127.0.0.1:port
	Port       int
	User       string
	KeyFile    string // private key, without a passphrase
	KnownHosts string // with the server's host key
	HostKey    string // the server's private host key

	commands string // log of the command wrapper
	mu       sync.Mutex
	log      strings.Builder
}

// StartSSHD starts a server that ends with the test. Lines are added to its configuration; noise is what the login
// prints before every command.
func StartSSHD(t testing.TB, noise string, lines ...string) *SSHD {
	t.Helper()
	program := need(t, "/usr/sbin/sshd", "openssh-server")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if me.Uid == "0" {
		holdRunDir(t)
	}
	dir := t.TempDir()
	s := &SSHD{User: me.Username, commands: filepath.Join(dir, "commands")}
	s.HostKey, s.KeyFile = Keygen(t, "ed25519", ""), Keygen(t, "ed25519", "")
	wrapper := filepath.Join(dir, "wrapper")
	write(t, filepath.Join(dir, "noise"), noise)
	write(t, wrapper, fmt.Sprintf("#!/bin/sh\nprintf '%%s\\n' \"$SSH_ORIGINAL_COMMAND\" >>%s\ncat %s/noise\nexec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\"\n", s.commands, dir))
	if err := os.Chmod(wrapper, 0o700); err != nil {
		t.Fatal(err)
	}
	s.Port = FreePort(t)
	s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port))
	config := append([]string{
		"ListenAddress " + s.Addr, "HostKey " + s.HostKey, "AuthorizedKeysFile " + s.KeyFile + ".pub", "PidFile none",
		"UsePAM no", "StrictModes no", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin yes",
		"LogLevel VERBOSE", "ForceCommand " + wrapper,
	}, lines...)
	write(t, filepath.Join(dir, "config"), strings.Join(config, "\n")+"\n")
	s.KnownHosts = filepath.Join(dir, "known_hosts")
	write(t, s.KnownHosts, s.KnownHostsLine(t))
	s.start(t, exec.Command(program, "-D", "-e", "-f", filepath.Join(dir, "config")))
	return s
}

// holdRunDir keeps /run/sshd, which a root sshd insists on, until the test ends. The labs of other tests (testdata/lab) remove
// it if one of them made it, or if we did, once nobody has a lock on it.
func holdRunDir(t testing.TB) {
	t.Helper()
	const path = "/run/sshd"
	for {
		err := os.Mkdir(path, 0o755)
		if err == nil {
			err = os.WriteFile(filepath.Join(path, "made-by-shipctl-lab"), nil, 0o644)
		}
		if err != nil && !errors.Is(err, os.ErrExist) && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		dir, err := os.Open(path)
		if err != nil {
			continue // a lab has just removed it
		}
		if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_SH); err != nil {
			t.Fatal(err)
		}
		mine, err := dir.Stat()
		if there, gone := os.Stat(path); err == nil && gone == nil && os.SameFile(there, mine) {
			t.Cleanup(func() { _ = dir.Close() })
			return
		}
		_ = dir.Close()
	}
}

func (s *SSHD) start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan bool, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(errs); lines.Scan(); {
			s.mu.Lock()
			s.log.WriteString(lines.Text() + "\n")
			s.mu.Unlock()
			if strings.HasPrefix(lines.Text(), "Server listening") {
				listening <- true
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // closes the pipe, which what serves a connection still holds
		<-ended
	})
	select {
	case <-listening:
	case <-ended:
		t.Fatalf("sshd ended: %s", s.Log())
	case <-time.After(limit):
		t.Fatalf("sshd does not listen: %s", s.Log())
	}
}

// Log is what the server has logged so far.
func (s *SSHD) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// Connections counts the connections so far.
func (s *SSHD) Connections() int { return strings.Count(s.Log(), "Connection from ") }

// Commands are the command lines that were run so far.
func (s *SSHD) Commands(t testing.TB) []string {
	t.Helper()
	raw, err := os.ReadFile(s.commands)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
}

// KnownHostsLine is the server's line for a known_hosts file.
func (s *SSHD) KnownHostsLine(t testing.TB) string {
	t.Helper()
	public, err := os.ReadFile(s.HostKey + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("[127.0.0.1]:%d %s", s.Port, public)
}

// Keygen makes a private key, and its public half beside it in FILE.pub.
func Keygen(t testing.TB, kind, passphrase string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "id_"+kind)
	out, err := exec.Command(need(t, "ssh-keygen", "openssh-client"), "-q", "-t", kind, "-N", passphrase, "-f", file).CombinedOutput()
	if err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	return file
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Proxy is a link to a server that can be cut or go dead.
type Proxy struct {
	Port int

	mu    sync.Mutex
	conns []net.Conn
	alive *sync.Cond
	dead  bool
}

// StartProxy forwards connections to addr until the test ends.
func StartProxy(t testing.TB, addr string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Port: l.Addr().(*net.TCPAddr).Port}
	p.alive = sync.NewCond(&p.mu)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			here, err := l.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", addr)
			if err != nil {
				_ = here.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, here, there)
			p.mu.Unlock()
			running.Go(func() { p.forward(here, there) })
			running.Go(func() { p.forward(there, here) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.Revive()
		p.Cut()
		running.Wait()
	})
	return p
}

func (p *Proxy) forward(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		for p.dead {
			p.alive.Wait()
		}
		p.mu.Unlock()
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			_ = to.Close()
			_ = from.Close()
			return
		}
	}
}

// Cut closes every connection; new ones are forwarded.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

// Die lets every connection stand and forwards nothing any more.
func (p *Proxy) Die() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
}

// Revive forwards again.
func (p *Proxy) Revive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = false
	p.alive.Broadcast()
}
