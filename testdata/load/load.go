// Package load is an open-loop HTTP client: it sends requests at times fixed beforehand, whatever the answers, and counts
// what was lost. Every scheduled request counts; each has a connection of its own; nothing is tried again. It knows HTTP
// only, nothing of deployments.
package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"
)

// Options say what is sent. Targets are asked in turn, and so are Paths.
type Options struct {
	Targets []string      // base URLs, "http://10.77.1.21"
	Paths   []string      // "/?ms=300"; default "/"
	Host    string        // Host header; default: the target's
	Rate    int           // scheduled requests a second; default 200
	Count   int           // stop after this many; default, and bound, MaxCount
	Timeout time.Duration // of one request, connecting included; default 10 s
}

// MaxCount bounds a run: 200 a second for a quarter of an hour.
const MaxCount = 180_000

// Sample is what came of one scheduled request.
type Sample struct {
	N         int
	Target    string
	Path      string
	Scheduled time.Time
	Sent      time.Time // when it was begun: the connection's first packet
	Done      time.Time // when the whole answer was there, or it was given up
	Status    int       // 0: no answer
	Err       string    // "refused", "reset", "timeout", "cut off" or the error's text
	Version   string    // from a JSON body's "version"
	Slot      string    // likewise
	PID       int       // likewise
}

// Good tells whether the request was answered as it should: a whole 2xx answer.
func (s Sample) Good() bool { return s.Err == "" && s.Status >= 200 && s.Status < 300 }

// Outcome is the sample's row in the table: a status or an error.
func (s Sample) Outcome() string {
	if s.Err != "" {
		return s.Err
	}
	return fmt.Sprint(s.Status)
}

// Meter is a load in progress.
type Meter struct {
	stop    context.CancelFunc
	done    chan struct{}
	mu      sync.Mutex
	samples []Sample
	pending int
}

// Start begins the load and returns at once. It ends at Stop, when ctx ends, or after Count requests.
func Start(ctx context.Context, o Options) (*Meter, error) {
	if len(o.Targets) == 0 {
		return nil, errors.New("load: no target")
	}
	for _, t := range o.Targets {
		if u, err := url.Parse(t); err != nil || u.Scheme != "http" || u.Host == "" {
			return nil, fmt.Errorf("load: target %q is no http://HOST[:PORT]", t)
		}
	}
	if len(o.Paths) == 0 {
		o.Paths = []string{"/"}
	}
	if o.Rate <= 0 {
		o.Rate = 200
	}
	if o.Count <= 0 || o.Count > MaxCount {
		o.Count = MaxCount
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	ctx, stop := context.WithCancel(ctx)
	m := &Meter{stop: stop, done: make(chan struct{})}
	go m.run(ctx, o)
	return m, nil
}

// Run is a whole load of o.Count requests.
func Run(ctx context.Context, o Options) (Result, error) {
	m, err := Start(ctx, o)
	if err != nil {
		return Result{}, err
	}
	return m.Wait(), nil
}

// Stop schedules nothing more, waits for what is in flight (o.Timeout at most) and returns the result.
func (m *Meter) Stop() Result {
	m.stop()
	return m.Wait()
}

// StopAfter is Stop once n requests were sent, at the earliest.
func (m *Meter) StopAfter(n int) Result {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for sent, _ := m.Progress(); sent < n; sent, _ = m.Progress() {
		select {
		case <-m.done:
			return m.Wait()
		case <-tick.C:
		}
	}
	return m.Stop()
}

// Wait returns the result when the load has ended.
func (m *Meter) Wait() Result {
	<-m.done
	return newResult(m.samples)
}

// Progress returns how many requests were sent, and how many of the answered ones were lost, so far.
func (m *Meter) Progress() (sent, lost int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.samples {
		if !s.Good() {
			lost++
		}
	}
	return len(m.samples) + m.pending, lost
}

func (m *Meter) run(ctx context.Context, o Options) {
	defer close(m.done)
	defer m.stop()
	var inFlight sync.WaitGroup
	defer inFlight.Wait()
	begin := time.Now()
	for n := range o.Count {
		at := begin.Add(time.Duration(n) * time.Second / time.Duration(o.Rate))
		if !until(ctx, at) {
			return
		}
		m.mu.Lock()
		m.pending++
		m.mu.Unlock()
		inFlight.Go(func() {
			s := Sample{N: n, Scheduled: at, Target: o.Targets[n%len(o.Targets)], Path: o.Paths[n/len(o.Targets)%len(o.Paths)]}
			send(&s, o)
			m.mu.Lock()
			m.pending--
			m.samples = append(m.samples, s)
			m.mu.Unlock()
		})
	}
}

func until(ctx context.Context, at time.Time) bool {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return ctx.Err() == nil
	}
}

// send makes one request on a connection of its own. net/http's Transport is not used: it may try again.
func send(s *Sample, o Options) {
	s.Sent = time.Now()
	err := exchange(s, o)
	s.Done = time.Now()
	s.Err = reason(err)
}

func exchange(s *Sample, o Options) error {
	deadline := s.Sent.Add(o.Timeout)
	req, err := http.NewRequest(http.MethodGet, s.Target+s.Path, nil)
	if err != nil {
		return err
	}
	if o.Host != "" {
		req.Host = o.Host
	}
	req.Close = true
	d := net.Dialer{Deadline: deadline}
	c, err := d.Dial("tcp", address(req.URL))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(deadline); err != nil {
		return err
	}
	if err := req.Write(c); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	s.Status = resp.StatusCode
	var a struct {
		Version, Slot string
		PID           int
	}
	if json.Unmarshal(body, &a) == nil {
		s.Version, s.Slot, s.PID = a.Version, a.Slot, a.PID
	}
	return nil
}

func address(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), "80")
}

func reason(err error) string {
	var slow net.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &slow) && slow.Timeout():
		return "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "cut off"
	}
	return err.Error()
}
