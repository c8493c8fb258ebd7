// Package proxy is a TCP proxy to put in front of a machine's sshd: it delays, stalls, cuts, resets and refuses, and
// counts connections and bytes. What runs inside SSH it cannot see; package fleet counts that at the server.
package proxy

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// Direction is one half of a connection.
type Direction int

// Up is from the client to the server.
const (
	Up Direction = iota
	Down
)

// Proxy listens on a loopback port and forwards to one target. Its faults hold for connections that are open and for new
// ones, until they are taken back.
type Proxy struct {
	listener net.Listener
	target   string
	done     sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond
	links   map[*link]struct{}
	delay   time.Duration
	stalled [2]bool
	refuse  bool
	closed  bool
	cutAt   [2]int64 // reset a connection once this many bytes have passed; 0: never
	count   int
	bytes   [2]int64
}

type link struct{ client, server *net.TCPConn }

// New starts a proxy for target, "HOST:PORT".
func New(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, target: target, links: map[*link]struct{}{}}
	p.changed = sync.NewCond(&p.mu)
	p.done.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens, "127.0.0.1:PORT".
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Port is Addr's port.
func (p *Proxy) Port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// Connections counts the connections accepted so far.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// Open counts the connections that are open now.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// Bytes counts what was passed on in a direction so far.
func (p *Proxy) Bytes(d Direction) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes[d]
}

// Delay makes every byte arrive this much later, in each direction. The throughput stays.
func (p *Proxy) Delay(d time.Duration) { p.change(func() { p.delay = d }) }

// Stall keeps back what goes in a direction, with the connections open, as a dead link does. Stall(Down) loses replies.
func (p *Proxy) Stall(d ...Direction) {
	p.change(func() {
		for _, x := range d {
			p.stalled[x] = true
		}
	})
}

// Resume lets go what Stall kept back.
func (p *Proxy) Resume() { p.change(func() { p.stalled = [2]bool{} }) }

// Refuse makes new connections end with a reset at once.
func (p *Proxy) Refuse(yes bool) { p.change(func() { p.refuse = yes }) }

// CutAfter resets each connection once n more bytes have passed in a direction in all; 0 takes it back.
func (p *Proxy) CutAfter(d Direction, n int64) {
	p.change(func() {
		p.cutAt[d] = 0
		if n > 0 {
			p.cutAt[d] = p.bytes[d] + n
		}
	})
}

// Reset ends all open connections with a TCP reset.
func (p *Proxy) Reset() {
	p.change(func() {
		for l := range p.links {
			l.reset()
		}
	})
}

// Wait returns when at least n connections have been accepted and at least sent bytes gone up, or an error after the
// timeout. It is for cutting a link in the middle of something.
func (p *Proxy) Wait(n int, sent int64, timeout time.Duration) error {
	late := false
	t := time.AfterFunc(timeout, func() { p.change(func() { late = true }) })
	defer t.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.count < n || p.bytes[Up] < sent {
		if late {
			return fmt.Errorf("proxy: %d connections and %d bytes after %s, not %d and %d", p.count, p.bytes[Up], timeout, n, sent)
		}
		p.changed.Wait()
	}
	return nil
}

// Close ends the proxy and its connections.
func (p *Proxy) Close() error {
	p.change(func() {
		p.closed = true
		for l := range p.links {
			l.reset()
		}
	})
	err := p.listener.Close()
	p.done.Wait()
	return err
}

func (p *Proxy) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.changed.Broadcast()
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.done.Go(func() { p.serve(c.(*net.TCPConn)) })
	}
}

func (p *Proxy) serve(client *net.TCPConn) {
	p.mu.Lock()
	p.count++
	refuse := p.refuse || p.closed
	p.changed.Broadcast()
	p.mu.Unlock()
	l := &link{client: client}
	if refuse {
		l.reset()
		return
	}
	s, err := net.DialTimeout("tcp", p.target, 10*time.Second)
	if err != nil {
		l.reset()
		return
	}
	l.server = s.(*net.TCPConn)
	p.change(func() {
		p.links[l] = struct{}{}
		if p.closed {
			l.reset()
		}
	})
	var both sync.WaitGroup
	both.Go(func() { p.pass(Up, l, client, l.server) })
	both.Go(func() { p.pass(Down, l, l.server, client) })
	both.Wait()
	l.client.Close()
	l.server.Close()
	p.change(func() { delete(p.links, l) })
}

func (l *link) reset() {
	for _, c := range []*net.TCPConn{l.client, l.server} {
		if c != nil {
			_ = c.SetLinger(0)
			c.Close()
		}
	}
}

type chunk struct {
	data []byte
	due  time.Time
}

// pass copies one direction. Reading goes on while chunks wait for their time, so a delay does not cut the throughput.
func (p *Proxy) pass(d Direction, l *link, from, to *net.TCPConn) {
	queue := make(chan chunk, 256)
	go func() {
		defer close(queue)
		for {
			b := make([]byte, 32<<10)
			n, err := from.Read(b)
			if n > 0 {
				p.mu.Lock()
				due := time.Now().Add(p.delay)
				p.mu.Unlock()
				queue <- chunk{b[:n], due}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range queue {
		time.Sleep(time.Until(c.due))
		if !p.admit(d, l) {
			continue // closed: drain the queue so that the reader ends
		}
		if n := p.room(d, int64(len(c.data))); n < int64(len(c.data)) {
			_, _ = to.Write(c.data[:n])
			p.sent(d, n)
			l.reset()
			continue
		}
		if _, err := to.Write(c.data); err != nil {
			l.reset()
			continue
		}
		p.sent(d, int64(len(c.data)))
	}
	if p.admit(d, l) {
		_ = to.CloseWrite()
	}
}

// admit waits while the direction is stalled and tells whether the proxy still lives.
func (p *Proxy) admit(d Direction, l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.stalled[d] && !p.closed {
		p.changed.Wait()
	}
	_, open := p.links[l]
	return open && !p.closed
}

func (p *Proxy) room(d Direction, n int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cutAt[d] == 0 {
		return n
	}
	return max(0, min(n, p.cutAt[d]-p.bytes[d]))
}

func (p *Proxy) sent(d Direction, n int64) { p.change(func() { p.bytes[d] += n }) }
