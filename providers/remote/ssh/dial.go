package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/local"
)

const (
	keepaliveEvery = 30 * time.Second
	// More at once and sshd begins to drop them (its MaxStartups).
	dialsAtOnce = 4
	// Of all machines together: each costs an ssh -G and a handshake here.
	connectsAtOnce = 64
	// A jump host may itself be behind others in the SSH configuration.
	deepestJump = 8
)

// ErrRefused says that a machine does not accept our keys. It is never tried again: servers lock out who does.
var ErrRefused = errors.New("not accepted")

// Dialer connects to the machines of one run. It must not be copied.
type Dialer struct {
	setup     remote.Setup
	keepalive time.Duration
	connect   func(context.Context, Settings) (*link, error)
	turns     *gate // of connecting

	mu    sync.Mutex
	gates map[string]*gate // by address
}

// NewDialer is ready to connect.
func NewDialer(setup remote.Setup) *Dialer {
	d := &Dialer{setup: setup, keepalive: keepaliveEvery, turns: newGate(connectsAtOnce), gates: map[string]*gate{}}
	d.connect = func(ctx context.Context, s Settings) (*link, error) { return d.hop(ctx, s, nil, 0) }
	return d
}

// Dial connects to a machine; see Dialer for several.
func Dial(ctx context.Context, s Settings, setup remote.Setup) (remote.Machine, error) {
	return NewDialer(setup).Dial(ctx, s)
}

// Dial connects to a machine. A connection that is lost later is made again when it is next needed.
func (d *Dialer) Dial(ctx context.Context, s Settings) (remote.Machine, error) {
	if s.Connection == Local {
		return local.New(local.Settings{Host: s.Host, Sudo: s.Sudo, StateDir: s.StateDir, Timeout: s.Timeout}, d.setup), nil
	}
	t := newTransport(d, s)
	if _, err := t.connection(ctx); err != nil {
		return nil, err
	}
	return &remote.Shell{Host: s.Host, Sudo: s.Sudo, StateDir: s.StateDir, Timeout: s.timeout(), Setup: d.setup, Over: t}, nil
}

// link is an authenticated connection and those that it goes through.
type link struct {
	client *ssh.Client
	under  *link
	addr   string
}

func (l *link) close() {
	for ; l != nil; l = l.under {
		_ = l.client.Close()
	}
}

// link's time begins when its turn comes: among thousands the last must not be late because of the first.
func (d *Dialer) link(ctx context.Context, s Settings) (*link, error) {
	if err := d.turns.acquire(ctx); err != nil {
		return nil, fmt.Errorf("%s: waiting for connections to other machines: %w", s.Host, err)
	}
	defer d.turns.release()
	ctx, cancel := context.WithTimeout(ctx, s.timeout())
	defer cancel()
	return d.connect(ctx, s)
}

// hop connects to one machine, through via where there is one, else through its own jump hosts.
func (d *Dialer) hop(ctx context.Context, s Settings, via *link, depth int) (*link, error) {
	t, err := resolve(ctx, s)
	if err != nil {
		via.close()
		return nil, err
	}
	if via == nil && t.jump != "" {
		if depth == deepestJump {
			return nil, fmt.Errorf("%s: more than %d jump hosts: do they go through each other?", s.Host, deepestJump)
		}
		if via, err = d.jumps(ctx, s, t, depth); err != nil {
			return nil, err
		}
	}
	client, err := d.client(ctx, s, t, via)
	if err != nil {
		via.close()
		return nil, err
	}
	return &link{client: client, under: via, addr: t.addr()}, nil
}

func (d *Dialer) jumps(ctx context.Context, s Settings, t target, depth int) (*link, error) {
	var via *link
	for _, spec := range strings.Split(t.jump, ",") {
		hop, err := parseJump(spec)
		if err != nil {
			via.close()
			return nil, fmt.Errorf("%s: %w", s.Host, err)
		}
		hop.Host = s.Host + ", on the way through " + spec
		hop.KnownHosts, hop.IdentityFile, hop.Timeout = s.KnownHosts, s.IdentityFile, s.Timeout
		next, err := d.hop(ctx, hop, via, depth+1)
		if err != nil {
			return nil, err
		}
		via = next
	}
	return via, nil
}

// parseJump reads [user@]host[:port], also as ssh://….
func parseJump(spec string) (Settings, error) {
	rest := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(spec), "ssh://"), "/")
	var s Settings
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		s.User, rest = rest[:at], rest[at+1:]
		if !isUser(s.User) {
			return s, fmt.Errorf("the jump host %q has no proper user name", spec)
		}
	}
	s.Address = strings.Trim(rest, "[]")
	if host, port, err := net.SplitHostPort(rest); err == nil {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return s, fmt.Errorf("the jump host %q has no proper port", spec)
		}
		s.Address, s.Port = host, n
	}
	if !isAddress(s.Address) {
		return s, fmt.Errorf("the jump host %q has no proper name", spec)
	}
	return s, nil
}

func (d *Dialer) gate(addr string) *gate {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gates[addr] == nil {
		d.gates[addr] = newGate(dialsAtOnce)
	}
	return d.gates[addr]
}

// client connects, checks the host key and logs in. The end of the context closes the connection, whatever it is busy
// with.
func (d *Dialer) client(ctx context.Context, s Settings, t target, via *link) (*ssh.Client, error) {
	verify, algorithms, err := hostKeys(t)
	if err != nil {
		return nil, err
	}
	offered, err := offer(ctx, t)
	if err != nil {
		return nil, err
	}
	defer offered.close()
	g := d.gate(t.addr())
	if err := g.acquire(ctx); err != nil {
		return nil, fmt.Errorf("%s: waiting for other connections to %s: %w", t.host, t.addr(), err)
	}
	defer g.release()
	conn, err := reach(ctx, t, via)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() {
		_ = conn.Close()
		offered.close()
	})
	defer stop()
	c, channels, requests, err := ssh.NewClientConn(conn, t.addr(), &ssh.ClientConfig{
		User: t.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(offered.signers...)},
		HostKeyCallback: verify, HostKeyAlgorithms: algorithms,
	})
	if err != nil {
		_ = conn.Close()
		return nil, t.handshakeError(ctx, s, offered, algorithms, err)
	}
	if !stop() {
		_ = c.Close()
		return nil, t.handshakeError(ctx, s, offered, algorithms, context.Cause(ctx))
	}
	return ssh.NewClient(c, channels, requests), nil
}

func reach(ctx context.Context, t target, via *link) (net.Conn, error) {
	if via != nil {
		conn, err := via.client.DialContext(ctx, "tcp", t.addr())
		if err != nil {
			return nil, fmt.Errorf("%s: can't connect to %s through %s: %w", t.host, t.addr(), via.addr, err)
		}
		return conn, nil
	}
	var direct net.Dialer
	conn, err := direct.DialContext(ctx, "tcp", t.addr())
	if err != nil {
		return nil, fmt.Errorf("%s: can't connect: %w", t.host, err)
	}
	return conn, nil
}

func (t target) handshakeError(ctx context.Context, s Settings, k *keys, algorithms []string, err error) error {
	var key *keyError
	switch {
	case errors.As(err, &key):
		return key
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s: %s accepted the connection, and the SSH handshake was not over in time (%s at most): is that an SSH server, and is the machine well? (%w)",
			t.host, t.addr(), s.timeout(), ctx.Err())
	case ctx.Err() != nil:
		return fmt.Errorf("%s: connecting to %s: %w", t.host, t.addr(), context.Cause(ctx))
	case strings.Contains(err.Error(), "unable to authenticate"):
		return fmt.Errorf("%s: %s@%s: our keys are %w (%s): put the public key into that user's authorized_keys, or set user or identity_file; it is not tried again",
			t.host, t.user, t.addr(), ErrRefused, strings.Join(k.about, "; "))
	case strings.Contains(err.Error(), "no common algorithm for host key"):
		return fmt.Errorf("%s: %s has no host key of the kinds that are known of it (%s), so it can't be the machine that was known, or its keys were made anew: %w",
			t.host, t.addr(), strings.Join(slices.Compact(algorithms), ", "), err)
	}
	return fmt.Errorf("%s: %s: %w", t.host, t.addr(), err)
}
