package ssh

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

const sshConfig = `
Host web
  HostName %h.example
  User deploy
  Port 2022
  IdentityFile ~/.ssh/deploy
  UserKnownHostsFile /k/one /k/two
  GlobalKnownHostsFile /etc/none
  HostKeyAlias web-alias
  ProxyJump bastion
Host direct
  ProxyCommand nc %h %p
Match host single
  Port 99
Match all
  IdentitiesOnly yes
`

func TestResolve(t *testing.T) {
	home := t.TempDir()
	withSSHConfig(t, sshConfig)
	t.Setenv("HOME", home)
	t.Setenv("SSH_AUTH_SOCK", "/agent")
	check := func(t *testing.T) {
		at := func(s string) string { return filepath.Join(home, s) }
		got, err := resolve(t.Context(), Settings{Host: "web-1", Address: "web"})
		if err != nil {
			t.Fatal(err)
		}
		want := target{
			host: "web-1", address: "web.example", port: 2022, user: "deploy", identities: []identityFile{{path: at(".ssh/deploy")}}, only: true,
			agent: "/agent", knownHosts: []string{"/k/one", "/k/two", "/etc/none"}, keyAlias: "web-alias", jump: "bastion",
		}
		if d := cmp.Diff(want, got, cmp.AllowUnexported(target{}, identityFile{})); d != "" {
			t.Error(d)
		}
		got, err = resolve(t.Context(), Settings{Host: "web-1", Address: "web", Port: 1, User: "u", IdentityFile: "~/k", ProxyJump: "none", KnownHosts: "~/h"})
		if err != nil {
			t.Fatal(err)
		}
		want = target{
			host: "web-1", address: "web.example", port: 1, user: "u", identities: []identityFile{{path: at("k"), named: true}}, only: true,
			agent: "/agent", knownHosts: []string{at("h")}, knownNamed: true, keyAlias: "web-alias",
		}
		if d := cmp.Diff(want, got, cmp.AllowUnexported(target{}, identityFile{})); d != "" {
			t.Error(d)
		}
		_, err = resolve(t.Context(), Settings{Host: "web-2", Address: "direct"})
		mentions(t, err, "web-2: ", "ProxyCommand")
		if got, err := resolve(t.Context(), Settings{Host: "x", Address: "single"}); err != nil || got.port != 99 || got.address != "single" {
			t.Errorf("%+v, %v", got, err)
		}
	}
	t.Run("by ssh -G", check)
	withoutSSH(t, home, sshConfig)
	t.Run("by the parser", check)
}

// withoutSSH leaves no ssh program, and this configuration.
func withoutSSH(t *testing.T, home, text string) {
	t.Helper()
	t.Setenv("PATH", "/nowhere")
	if err := os.MkdirAll(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".ssh/config"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMatchIsRefusedWithoutSSH(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.MkdirAll(filepath.Join(home, ".ssh/more"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".ssh/more/x"), []byte("Match user u\n  Port 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"Match exec true\n Port 1\n":            "config:1",
		"\nMatch host a user b\n Port 1\n":      "config:2",
		"match originalhost a\n Port 1\n":       "config:1",
		"Match host a,b\n Port 1\n":             "config:1",
		"Match host *.example\n Port 1\n":       "config:1",
		"Match !host a\n Port 1\n":              "config:1",
		"Include more/*\n":                      "more/x:1",
		"Host a\n Include ~/.ssh/more/x\n":      "more/x:1",
		"# Match exec x\nMatch Host a\nPort 1":  "",
		"Match all\n Port 1\n":                  "",
		"Include nothing\nHost Match\nPort 1\n": "",
	} {
		withoutSSH(t, home, text)
		_, err := resolve(t.Context(), Settings{Host: "web-1", Address: "b"})
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		mentions(t, err, "web-1: ", want, "openssh-client")
	}
}

func TestAgentSocket(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "/a")
	t.Setenv("OTHER", "/b")
	for setting, want := range map[string]string{"": "/a", "none": "", "SSH_AUTH_SOCK": "/a", "$OTHER": "/b", "${OTHER}": "/b", "/c": "/c"} {
		if got := agentSocket(setting); got != want {
			t.Errorf("%q: %q, want %q", setting, got, want)
		}
	}
}

func TestGate(t *testing.T) {
	g := newGate(2)
	ctx, cancel := context.WithCancel(t.Context())
	for range 2 {
		if err := g.acquire(ctx); err != nil {
			t.Fatal(err)
		}
	}
	waiting := make(chan error)
	go func() { waiting <- g.acquire(ctx) }()
	g.release()
	if err := <-waiting; err != nil {
		t.Fatal(err)
	}
	yielded := make(chan bool)
	go func() {
		waited, err := g.yield(ctx)
		yielded <- waited && err == nil
	}()
	eventually(t, func() bool { g.mu.Lock(); defer g.mu.Unlock(); return g.inside == 1 })
	g.release()
	if !<-yielded || g.limit != 1 || g.inside != 1 {
		t.Errorf("limit %d, %d inside", g.limit, g.inside)
	}
	if waited, err := g.yield(ctx); waited || err != nil {
		t.Errorf("alone, and yet it waited: %v", err)
	}
	cancel()
	if err := g.acquire(ctx); err == nil {
		t.Error("more than the limit are inside")
	}
}

// Few dials at a time go to one address, however many machines are behind it.
func TestDialsAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var accepted atomic.Int32
	var serving, dialling sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			serving.Go(func() {
				buf := make([]byte, 256)
				for err = error(nil); err == nil; {
					_, err = c.Read(buf)
				}
				_ = c.Close()
			})
		}
	})
	d := NewDialer(setup(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	key := remotetest.Keygen(t, "ed25519", "")
	for i := range 12 {
		dialling.Go(func() {
			_, err := d.Dial(ctx, Settings{
				Host: fmt.Sprint("web-", i), Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, User: "u",
				IdentityFile: key, KnownHosts: "/nowhere",
			})
			if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("web-%d: ", i)) {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	eventually(t, func() bool { return accepted.Load() == dialsAtOnce })
	cancel() // those that wait give up, and must not have been let in meanwhile
	dialling.Wait()
	_ = l.Close()
	serving.Wait()
	if n := accepted.Load(); n != dialsAtOnce {
		t.Errorf("%d connections", n)
	}
}

// A machine of connection = "local" needs no server.
func TestLocalConnection(t *testing.T) {
	m := dial(t, NewDialer(setup(t)), Settings{Host: "here", Connection: Local, StateDir: t.TempDir()})
	if out, err := remotetest.Step(t, m, remote.Call{Script: "t/echo", Args: []string{"x"}}); err != nil || out != "|x|" {
		t.Errorf("%q, %v", out, err)
	}
}
