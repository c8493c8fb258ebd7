package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/shipctl/shipctl/providers/remote"
)

const (
	// OpenSSH's server refuses the 11th session of a connection.
	sessionsAtOnce = 8
	// How long a command is given to end once it has printed everything that was wanted.
	patience = time.Second
	// A refused session is tried again a few times, the pauses doubling: the server may not yet have noticed that
	// another one has ended.
	refusedTries = 6
	refusedPause = 20 * time.Millisecond
)

// errLostBefore: the connection was lost before the command was sent.
var errLostBefore = errors.New("the connection was lost")

// conn is a live connection with its sessions.
type conn struct {
	host     string
	link     *link
	sessions *gate
	gone     chan struct{} // closed when the connection has ended

	mu      sync.Mutex
	active  int
	retired bool // no new sessions; closed with the last one
}

func newConn(host string, l *link, keepalive time.Duration) *conn {
	c := &conn{host: host, link: l, sessions: newGate(sessionsAtOnce), gone: make(chan struct{})}
	go func() {
		_ = l.client.Wait()
		l.close()
		close(c.gone)
	}()
	go c.keepAlive(keepalive)
	return c
}

func (c *conn) end() { c.link.close() }

func (c *conn) usable() bool {
	select {
	case <-c.gone:
		return false
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.retired
}

// keepAlive closes a connection whose other side no longer answers: nothing else would notice.
func (c *conn) keepAlive(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-c.gone:
			return
		case <-tick.C:
		}
		answered := make(chan error, 1)
		go func() {
			_, _, err := c.link.client.SendRequest("keepalive@openssh.com", true, nil)
			answered <- err
		}()
		select {
		case <-c.gone:
			return
		case err := <-answered:
			if err == nil {
				continue
			}
		case <-tick.C:
		}
		c.end()
		return
	}
}

func (c *conn) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.retired {
		return false
	}
	c.active++
	return true
}

// leave ends a session's part in the connection. One that was abandoned in the middle makes the connection suspect:
// it takes no new session and is closed as soon as nobody else uses it.
func (c *conn) leave(abandoned bool) {
	c.mu.Lock()
	c.active--
	c.retired = c.retired || abandoned
	over := c.retired && c.active == 0
	c.mu.Unlock()
	if over {
		c.end()
	}
}

// exchange runs one command in a session of its own. Everything that can block on a dead link happens in a goroutine,
// so the context always ends it.
func (c *conn) exchange(ctx context.Context, x remote.Exchange) (int, error) {
	if err := c.sessions.acquire(ctx); err != nil {
		return -1, fmt.Errorf("%s: %w: waiting for a free session: %w", c.host, remote.ErrNotStarted, err)
	}
	defer c.sessions.release()
	if !c.enter() {
		return -1, c.lostBefore()
	}
	s := &session{conn: c, x: x, abandoned: make(chan struct{})}
	result := make(chan error, 1)
	go func() { result <- s.run(ctx) }()
	select {
	case err := <-result:
		c.leave(errors.Is(err, errLostBefore)) // gone may be told a moment later only
		return int(s.status.Load()), err
	case <-ctx.Done():
		close(s.abandoned)
		unsent := s.fate.CompareAndSwap(undecided, unsendable)
		c.leave(true)
		if unsent {
			return -1, fmt.Errorf("%s: %w: no session in time: %w", c.host, remote.ErrNotStarted, context.Cause(ctx))
		}
		return -1, fmt.Errorf("%s: no answer in time: %w", c.host, context.Cause(ctx))
	}
}

func (c *conn) lostBefore() error {
	return fmt.Errorf("%s: %w: %w", c.host, remote.ErrNotStarted, errLostBefore)
}

// open opens a session; where the server refuses, after another of ours has ended, or a little later.
func (c *conn) open(ctx context.Context) (ssh.Channel, <-chan *ssh.Request, error) {
	pause := refusedPause
	for try := 1; ; try++ {
		ch, requests, err := c.link.client.OpenChannel("session", nil)
		if err == nil {
			return ch, requests, nil
		}
		var refused *ssh.OpenChannelError
		if !errors.As(err, &refused) {
			return nil, nil, c.lostBefore()
		}
		waited, giveUp := c.sessions.yield(ctx)
		if giveUp != nil {
			return nil, nil, fmt.Errorf("%s: %w: waiting for a free session: %w", c.host, remote.ErrNotStarted, giveUp)
		}
		if waited {
			continue
		}
		if try >= refusedTries {
			return nil, nil, fmt.Errorf("%s: %w: the server refuses a session (%w): what does MaxSessions say in its sshd_config?", c.host, remote.ErrNotStarted, err)
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// What is known of a session's command.
const (
	undecided int32 = iota
	sent
	unsendable
)

// session is one command.
type session struct {
	conn      *conn
	x         remote.Exchange
	abandoned chan struct{}
	fate      atomic.Int32 // of the command: who says first that it is not sent, or sends it, is right
	status    atomic.Int32
}

func (s *session) run(ctx context.Context) (err error) {
	defer remote.Caught(&err)
	s.status.Store(-1)
	ch, requests, err := s.conn.open(ctx)
	if err != nil {
		return err
	}
	defer ch.Close()
	ended := make(chan struct{})
	go s.requests(requests, ended)
	if !s.fate.CompareAndSwap(undecided, sent) {
		return nil // nobody waits for it
	}
	ok, err := ch.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{s.x.Command}))
	if err != nil {
		return fmt.Errorf("%s: the connection was lost", s.conn.host)
	}
	if !ok {
		return fmt.Errorf("%s: %w: the server does not run commands for this user", s.conn.host, remote.ErrNotStarted)
	}
	go func() {
		_ = remote.Guarded(func() { _, _ = io.Copy(ch, s.x.Stdin) }) // a script may end without reading all of it
		_ = ch.CloseWrite()
	}()
	var printing sync.WaitGroup
	printing.Go(func() { _ = remote.Guarded(func() { _, _ = io.Copy(s.x.Stdout, ch) }) })
	printing.Go(func() { _ = remote.Guarded(func() { _, _ = io.Copy(s.x.Stderr, ch.Stderr()) }) })
	select {
	case <-s.abandoned:
		return nil
	case <-s.x.Done:
		s.wait(ended)
		return nil
	case <-ended:
	}
	printing.Wait() // the channel is closed: nothing blocks
	select {
	case <-s.x.Done:
		return nil
	default:
	}
	if s.status.Load() < 0 {
		return fmt.Errorf("%s: the connection was lost", s.conn.host)
	}
	return nil
}

func (s *session) wait(ended <-chan struct{}) {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-ended:
	case <-s.abandoned:
	case <-t.C:
	}
}

// requests reads what the server says about the session until it is closed.
func (s *session) requests(in <-chan *ssh.Request, ended chan<- struct{}) {
	defer close(ended)
	for r := range in {
		switch r.Type {
		case "exit-status":
			var m struct{ Status uint32 }
			if ssh.Unmarshal(r.Payload, &m) == nil {
				s.status.Store(int32(m.Status & 0xff))
			}
		case "exit-signal":
			s.status.Store(128)
		}
		if r.WantReply {
			_ = r.Reply(false, nil)
		}
	}
}
