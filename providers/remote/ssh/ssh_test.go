package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripts of these tests. "fifo" says that it is there, and waits for somebody to open its first argument.
var scripts = map[string]string{
	"echo":   `printf '%s|' "$INPUT" "$@"`,
	"fifo":   `: >"$1.there"; read -r line <"$1"; echo "read $line"`,
	"fail":   `echo "no good: $INPUT" >&2; exit 5`,
	"digest": `sha256sum | cut -d ' ' -f 1`,
	"child":  `sleep 60 9>&- & echo $!`,
}

func setup(t *testing.T) remote.Setup {
	t.Helper()
	folder := fstest.MapFS{}
	for name, text := range scripts {
		folder[name+".sh"] = &fstest.MapFile{Data: []byte(text)}
	}
	lib, err := remote.Scripts(map[string]fs.FS{"t": folder})
	if err != nil {
		t.Fatal(err)
	}
	return remotetest.Setup(lib)
}

func to(t *testing.T, s *remotetest.SSHD) Settings {
	t.Helper()
	return Settings{
		Host: "web-1", Address: "127.0.0.1", Port: s.Port, User: s.User, IdentityFile: s.KeyFile, KnownHosts: s.KnownHosts,
		StateDir: filepath.Join(t.TempDir(), "state"), Timeout: time.Minute,
	}
}

func dial(t *testing.T, d *Dialer, s Settings) remote.Machine {
	t.Helper()
	m, err := d.Dial(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func TestOneConnectionAndOneCommand(t *testing.T) {
	server := remotetest.StartSSHD(t, "Welcome!\n@0123456789abcdef 0 begin\nno newline")
	m := dial(t, NewDialer(setup(t)), to(t, server))
	var queries []remote.Query
	for i := range 50 {
		queries = append(queries, remote.Query{Script: "t/echo", Args: []string{fmt.Sprint(i)}})
	}
	answers, err := m.Ask(t.Context(), queries)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range answers {
		if want := fmt.Sprintf("|%d|", i); a.Sight != remote.Seen || a.Text != want {
			t.Errorf("%d: %v", i, a)
		}
	}
	if n, c := server.Connections(), server.Commands(t); n != 1 || len(c) != 1 || c[0] != "sh -s" {
		t.Errorf("%d connections, commands %q", n, c)
	}
}

func TestStep(t *testing.T) {
	server := remotetest.StartSSHD(t, "noise\n")
	m := dial(t, NewDialer(setup(t)), to(t, server))
	out, err := remotetest.Step(t, m, remote.Call{Script: "t/echo", Args: []string{"a b"}, Stdin: []remote.Part{{Text: "in"}}})
	if err != nil || out != "in|a b|" {
		t.Errorf("%q, %v", out, err)
	}
	_, err = remotetest.Step(t, m, remote.Call{Script: "t/fail", Stdin: []remote.Part{{Var: "password"}}})
	var se *remote.ScriptError
	if !errors.As(err, &se) || se.Status != 5 || se.Output != "no good: (sensitive)" {
		t.Errorf("%v", err)
	}
	payload := strings.Repeat("\x00\xff\n'\\$(id)\r", 400_000)
	file := filepath.Join(t.TempDir(), "payload")
	if err := os.WriteFile(file, []byte(payload), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = remotetest.Step(t, m, remote.Call{Script: "t/digest", File: file})
	if err != nil || out != remotetest.SHA256(payload)+"\n" {
		t.Errorf("payload: %q, %v", out, err)
	}
	if n := server.Connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// A program that a step leaves behind and that holds the session's output does not hold up the step.
func TestChildHoldsOutput(t *testing.T) {
	server := remotetest.StartSSHD(t, "")
	m := dial(t, NewDialer(setup(t)), to(t, server))
	begun := time.Now()
	out, err := remotetest.Step(t, m, remote.Call{Script: "t/child"})
	if err != nil {
		t.Fatal(err)
	}
	kill(t, out)
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestSilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := Settings{
		Host: "web-2", Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, User: "u", Timeout: 3 * time.Second, // ssh -G is over by then
		IdentityFile: remotetest.Keygen(t, "ed25519", ""), KnownHosts: "/nowhere",
	}
	_, err = Dial(t.Context(), s, setup(t))
	mentions(t, err, "web-2: ", "handshake", "is that an SSH server")
}

func TestHostKeys(t *testing.T) {
	server := remotetest.StartSSHD(t, "")
	other := remotetest.StartSSHD(t, "")
	line := server.KnownHostsLine(t)
	wrong := fmt.Sprintf("[127.0.0.1]:%d %s", server.Port, strings.SplitN(other.KnownHostsLine(t), " ", 2)[1])
	rsa, err := os.ReadFile(remotetest.Keygen(t, "rsa", "") + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	const none = "no file"
	tests := []struct {
		name, known string
		want        []string
	}{
		{"known", line, nil},
		{"unknown", "", []string{"web-1: ", "is not known", "ssh-ed25519 SHA256:", "looked in FILE)", "add it by connecting once (ssh -o UserKnownHostsFile=FILE -p ", "ssh-keyscan -p", ">> FILE"}},
		{"no file", none, []string{"web-1: ", "is not known", "ssh-ed25519 SHA256:", "FILE does not exist)", "make the file by connecting once (ssh -o UserKnownHostsFile=FILE -p ", "ssh-keyscan -p", ">> FILE"}},
		{"changed", "# first\n" + wrong, []string{"web-1: ", "not the one that was known", "known:2 has ssh-ed25519 SHA256:", "listening in"}},
		{"revoked", "@revoked " + line, []string{"web-1: ", "revoked", "known:1"}},
		{"another type alone is known", fmt.Sprintf("[127.0.0.1]:%d %s", server.Port, rsa), []string{"web-1: ", "no host key of the kinds"}},
		{"two types are known", fmt.Sprintf("[127.0.0.1]:%d %s%s", server.Port, rsa, line), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := to(t, server)
			s.KnownHosts = filepath.Join(t.TempDir(), "known")
			if err := os.WriteFile(s.KnownHosts, []byte(tt.known), 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.known == none {
				s.KnownHosts = filepath.Join(filepath.Dir(s.KnownHosts), "khx")
			}
			m, err := Dial(t.Context(), s, setup(t))
			if tt.want != nil {
				for i, w := range tt.want {
					tt.want[i] = strings.ReplaceAll(w, "FILE", s.KnownHosts)
				}
				mentions(t, err, tt.want...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAuthentication(t *testing.T) {
	server := remotetest.StartSSHD(t, "")
	locked := remotetest.Keygen(t, "ed25519", "passphrase")
	stranger := remotetest.Keygen(t, "ed25519", "")
	tests := []struct {
		name, identity string
		agent          string // a key that it holds; "": no agent
		want           []string
	}{
		{"identity file", server.KeyFile, "", nil},
		{"agent", server.KeyFile + ".pub.moved", server.KeyFile, []string{"can't be read"}},
		{"agent has the named key", server.KeyFile, server.KeyFile, nil},
		{"no such file", "/nowhere/key", "", []string{"web-1: ", "/nowhere/key"}},
		{"passphrase", locked, "", []string{"web-1: ", "has a passphrase", "ssh-add " + locked}},
		{"refused", stranger, "", []string{"web-1: ", "not accepted", "authorized_keys", stranger}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			serveAgent(t, tt.agent)
			s := to(t, server)
			s.IdentityFile = tt.identity
			m, err := Dial(t.Context(), s, setup(t))
			if tt.want != nil {
				mentions(t, err, tt.want...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("agent alone", func(t *testing.T) {
		serveAgent(t, server.KeyFile)
		withSSHConfig(t, "IdentityFile /nowhere/none\n")
		s := to(t, server)
		s.IdentityFile = ""
		if out, err := remotetest.Step(t, dial(t, NewDialer(setup(t)), s), remote.Call{Script: "t/echo"}); err != nil || out != "|" {
			t.Errorf("%q, %v", out, err)
		}
	})
	t.Run("no key at all", func(t *testing.T) {
		serveAgent(t, "")
		withSSHConfig(t, "IdentityFile /nowhere/none\n")
		s := to(t, server)
		s.IdentityFile = ""
		_, err := Dial(t.Context(), s, setup(t))
		mentions(t, err, "web-1: ", "no key to log in with", "ssh-add")
	})
}

// A machine that does not accept our keys is asked once only.
func TestRefusedIsNotRetried(t *testing.T) {
	server := remotetest.StartSSHD(t, "")
	s := to(t, server)
	s.IdentityFile = remotetest.Keygen(t, "ed25519", "")
	transport := newTransport(NewDialer(setup(t)), s)
	for range 3 {
		if _, err := transport.connection(t.Context()); !errors.Is(err, ErrRefused) {
			t.Fatal(err)
		}
	}
	if n := server.Connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// waiting runs the step fifo in the background until it waits; the returned function lets it go on.
func waiting(t *testing.T, m remote.Machine, limit time.Duration) (release func(), result <-chan error) {
	t.Helper()
	fifo := filepath.Join(t.TempDir(), "fifo")
	mkfifo(t, fifo)
	r := make(chan error, 1)
	go func() {
		_, err := m.Run(context.WithoutCancel(t.Context()), remote.Ticket{Run: "r", Step: "waiting", Deadline: time.Now().Add(limit)},
			remote.Call{Script: "t/fifo", Args: []string{fifo}, Stdin: []remote.Part{{Var: "password"}}})
		r <- err
	}()
	eventually(t, func() bool { _, err := os.Stat(fifo + ".there"); return err == nil })
	var once sync.Once
	release = func() {
		once.Do(func() {
			f, err := os.OpenFile(fifo, os.O_RDWR, 0)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(f, "on\n")
			t.Cleanup(func() { _ = f.Close() })
		})
	}
	t.Cleanup(release)
	return release, r
}

func TestDroppedLink(t *testing.T) {
	server := remotetest.StartSSHD(t, "")
	proxy := remotetest.StartProxy(t, server.Addr)
	s := to(t, server)
	s.Port, s.KnownHosts = proxy.Port, known(t, server, proxy.Port)
	m := dial(t, NewDialer(setup(t)), s)
	release, result := waiting(t, m, time.Minute)
	proxy.Cut()
	err := <-result
	mentions(t, err, "web-1: ", "connection was lost", "waiting", "not known")
	if errors.Is(err, remote.ErrNotStarted) || errors.As(err, new(*remote.ScriptError)) {
		t.Errorf("%v is taken for a known outcome", err)
	}
	release()
	if out, err := remotetest.Step(t, m, remote.Call{Script: "t/echo"}); err != nil || out != "|" {
		t.Errorf("after the loss: %q, %v", out, err)
	}
	if n := server.Connections(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestDeadLink(t *testing.T) {
	server := remotetest.StartSSHD(t, "")
	for _, tt := range []struct {
		name      string
		keepalive time.Duration
		limit     time.Duration
		want      string
	}{
		{"keepalive", time.Second, time.Minute, "connection was lost"},
		{"deadline", time.Hour, 5 * time.Second, "no answer in time"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			proxy := remotetest.StartProxy(t, server.Addr)
			s := to(t, server)
			s.Port, s.KnownHosts = proxy.Port, known(t, server, proxy.Port)
			d := NewDialer(setup(t))
			d.keepalive = tt.keepalive
			m := dial(t, d, s)
			_, result := waiting(t, m, tt.limit)
			proxy.Die()
			mentions(t, <-result, "web-1: ", tt.want, "not known")
			proxy.Revive()
		})
	}
}

func TestMaxSessions(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			server := remotetest.StartSSHD(t, "", fmt.Sprintf("MaxSessions %d", n))
			m := dial(t, NewDialer(setup(t)), to(t, server))
			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() {
					answers, err := m.Ask(t.Context(), []remote.Query{{Script: "t/echo", Args: []string{fmt.Sprint(i)}}})
					if err != nil {
						t.Error(err)
						return
					}
					if want := fmt.Sprintf("|%d|", i); answers[0].Text != want {
						t.Errorf("%v, want %s", answers[0], want)
					}
				})
			}
			all.Wait()
			if n := server.Connections(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

func TestProxyJump(t *testing.T) {
	inner, outer := remotetest.StartSSHD(t, ""), remotetest.StartSSHD(t, "")
	middle := remotetest.StartSSHD(t, "")
	key := inner.KeyFile
	authorize(t, key, outer, middle)
	s := to(t, inner)
	s.KnownHosts = filepath.Join(t.TempDir(), "known")
	all := inner.KnownHostsLine(t) + outer.KnownHostsLine(t) + middle.KnownHostsLine(t)
	if err := os.WriteFile(s.KnownHosts, []byte(all), 0o600); err != nil {
		t.Fatal(err)
	}
	s.ProxyJump = fmt.Sprintf("%s@127.0.0.1:%d,%s@127.0.0.1:%d", outer.User, outer.Port, middle.User, middle.Port)
	m := dial(t, NewDialer(setup(t)), s)
	if out, err := remotetest.Step(t, m, remote.Call{Script: "t/echo", Args: []string{"far"}}); err != nil || out != "|far|" {
		t.Errorf("%q, %v", out, err)
	}
	for name, server := range map[string]*remotetest.SSHD{"inner": inner, "middle": middle, "outer": outer} {
		if n := server.Connections(); n != 1 {
			t.Errorf("%s: %d connections", name, n)
		}
	}
	if err := os.WriteFile(s.KnownHosts, []byte(inner.KnownHostsLine(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Dial(t.Context(), s, setup(t))
	mentions(t, err, "web-1, on the way through", "is not known")
}

func authorize(t *testing.T, key string, servers ...*remotetest.SSHD) {
	t.Helper()
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range servers {
		if err := os.WriteFile(s.KeyFile+".pub", public, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A secret is on no command line, ours or theirs, while the step that has it runs.
func TestSecretNotInArgv(t *testing.T) {
	server := remotetest.StartSSHD(t, "")
	only := fmt.Sprintf("known to this test %d", time.Now().UnixNano())
	with := setup(t)
	with.Secret = func(string) (string, bool) { return only, true }
	m := dial(t, NewDialer(with), to(t, server))
	release, result := waiting(t, m, time.Minute)
	for _, file := range []string{"cmdline", "environ"} {
		all, err := filepath.Glob("/proc/[0-9]*/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			raw, err := os.ReadFile(f)
			if err == nil && strings.Contains(string(raw), only) {
				t.Errorf("%s: %q", f, raw)
			}
		}
	}
	release()
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func serveAgent(t *testing.T, keyFile string) {
	t.Helper()
	if keyFile == "" {
		t.Setenv("SSH_AUTH_SOCK", "")
		return
	}
	raw, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	private, err := ssh.ParseRawPrivateKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "agent") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				_ = agent.ServeAgent(ring, c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("SSH_AUTH_SOCK", socket)
}

// TestBug: a panic in what is sent, or in what takes the output, ends in a word, and not in the end of the process.
func TestBug(t *testing.T) {
	s := remotetest.StartSSHD(t, "")
	m := dial(t, NewDialer(setup(t)), to(t, s)).(*remote.Shell)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	status, err := m.Over.Exchange(ctx, remote.Exchange{Command: "cat; exit 3", Stdin: blown{}, Stdout: io.Discard, Stderr: io.Discard})
	if status != 3 || err != nil {
		t.Errorf("what is sent: %d, %v", status, err)
	}
	if _, err := m.Over.Exchange(ctx, remote.Exchange{Command: "echo", Stdin: strings.NewReader(""), Stdout: blown{}, Stderr: io.Discard}); err != nil {
		t.Errorf("what takes the output: %v", err)
	}
}

type blown struct{}

func (blown) Read([]byte) (int, error)  { panic("no such entry") }
func (blown) Write([]byte) (int, error) { panic("no such frame") }
