package ssh

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// TestSilentAgent: one that accepts and says nothing costs no more than the time to connect, and is named.
func TestSilentAgent(t *testing.T) {
	dir, err := os.MkdirTemp("", "agent") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("SSH_AUTH_SOCK", socket)
	for _, wait := range []time.Duration{3 * time.Second, time.Hour} { // ssh -G is over by then
		ctx, cancel := context.WithCancel(t.Context())
		s := Settings{
			Host: "web-3", Address: "127.0.0.1", Port: 1, User: "u", Timeout: wait,
			IdentityFile: remotetest.Keygen(t, "ed25519", ""), KnownHosts: "/nowhere",
		}
		if wait == time.Hour { // an interrupt ends it as well
			go func() {
				c, err := l.Accept()
				if err == nil {
					_, _ = c.Read(make([]byte, 1))
					cancel()
					c.Close()
				}
			}()
		}
		_, err := Dial(ctx, s, setup(t))
		mentions(t, err, "web-3: ", "the SSH agent at "+socket, "ssh-add -l", "identity_file")
		if wait != time.Hour && !errors.Is(err, context.DeadlineExceeded) || wait == time.Hour && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if wait != time.Hour {
			if c, err := l.Accept(); err != nil {
				t.Error(err)
			} else {
				c.Close()
			}
		}
		cancel()
	}
}

// slowServer accepts each session when the test says so, and tells what was wanted in it: "exec COMMAND" or "closed".
func slowServer(t *testing.T, c net.Conn, accept <-chan struct{}) (<-chan string, ssh.PublicKey) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(signer)
	said := make(chan string, 9)
	go func() {
		_, channels, requests, err := ssh.NewServerConn(c, config)
		if err != nil {
			said <- err.Error()
			return
		}
		go ssh.DiscardRequests(requests)
		for n := range channels {
			said <- "open"
			<-accept
			ch, wanted, err := n.Accept()
			if err != nil {
				continue
			}
			go func() {
				defer ch.Close()
				for r := range wanted {
					said <- r.Type + " " + strings.TrimLeft(string(r.Payload), "\x00\x01\x02\x03\x04\x05\x06\x07\x08")
					_ = r.Reply(true, nil)
				}
				said <- "closed"
			}()
		}
	}()
	return said, signer.PublicKey()
}

// TestNotStartedIsNotSent: a session that opens after it was said that nothing was started stays without a command.
func TestNotStartedIsNotSent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	theirs := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		theirs <- c
	}()
	ours, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accept := make(chan struct{})
	said, key := slowServer(t, <-theirs, accept)
	sc, channels, requests, err := ssh.NewClientConn(ours, "x", &ssh.ClientConfig{HostKeyCallback: ssh.FixedHostKey(key)})
	if err != nil {
		t.Fatal(err)
	}
	c := newConn("web-1", &link{client: ssh.NewClient(sc, channels, requests)}, time.Hour)
	run := func(ctx context.Context, command string) <-chan error {
		ended := make(chan error, 1)
		go func() {
			_, err := c.exchange(ctx, remote.Exchange{Command: command, Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard, Done: make(chan struct{})})
			ended <- err
		}()
		return ended
	}
	hear := func(want string) {
		t.Helper()
		if got := <-said; got != want {
			t.Fatalf("the server saw %q, not %q", got, want)
		}
	}
	first := run(t.Context(), "one") // keeps the connection open
	hear("open")
	accept <- struct{}{}
	hear("exec one")
	ctx, cancel := context.WithCancel(t.Context())
	late := run(ctx, "two")
	hear("open")
	cancel()
	if err := <-late; !errors.Is(err, remote.ErrNotStarted) {
		t.Fatalf("%v", err)
	}
	accept <- struct{}{}
	hear("closed")
	c.end()
	if err := <-first; err == nil || errors.Is(err, remote.ErrNotStarted) {
		t.Errorf("%v", err)
	}
	<-c.gone
}

// TestManyMachines: few are connected to at once, and each has its whole time.
func TestManyMachines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDialer(remote.Setup{})
		var mu sync.Mutex
		inside, most := 0, 0
		d.connect = func(ctx context.Context, s Settings) (*link, error) {
			mu.Lock()
			inside++
			most = max(most, inside)
			mu.Unlock()
			defer func() {
				mu.Lock()
				inside--
				mu.Unlock()
			}()
			select {
			case <-time.After(9 * time.Second):
				return &link{}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if _, err := d.link(t.Context(), Settings{Host: "m", Timeout: 10 * time.Second}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if most != connectsAtOnce {
			t.Errorf("%d at once, want %d", most, connectsAtOnce)
		}
	})
}
