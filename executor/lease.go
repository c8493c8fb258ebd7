package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers/remote"
)

// ErrHeld says that somebody else has the lease of a machine.
var ErrHeld = errors.New("another run holds the lease")

// Lease is what an apply holds on every machine of its plan, so that it is the only one to change them.
type Lease struct {
	ID   string        // of the run
	Who  string        // user@machine
	URL  string        // of the CI job; may be empty
	Last time.Duration // without being renewed; it is renewed three times as often
	Wait time.Duration // how long to wait for a holder to end
	Dial planner.Dial
	// First is the host under whose name a machine's lease is taken, where it has several.
	First map[string]string
	// Note tells the user that it waits, once a machine.
	Note  func(text string)
	Pause func(context.Context, time.Duration)

	mu     sync.Mutex
	hosts  []string // that are held, or may be, in the order of taking them
	epochs map[string]int64
	stop   context.CancelFunc
	beats  sync.WaitGroup
}

// Take takes the lease on each machine, always in the same order so that two runs never wait for each other. When it
// fails, nothing is held. Afterwards it is renewed until Release; lost is called once when it was taken over.
func (l *Lease) Take(ctx context.Context, hosts []string, lost func(error)) error {
	l.epochs = map[string]int64{}
	beat, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	var once sync.Once
	for _, h := range hosts {
		l.mu.Lock()
		l.hosts = append(l.hosts, h) // before: what is cut off may take it all the same
		l.mu.Unlock()
		epoch, err := l.takeOne(ctx, h)
		if err != nil {
			l.untaken(h, err)
			return errors.Join(err, l.Release(context.WithoutCancel(ctx)))
		}
		l.mu.Lock()
		l.epochs[h] = epoch
		l.mu.Unlock()
		l.beats.Go(func() { l.renew(beat, h, &once, lost) })
	}
	return nil
}

// untaken forgets a machine of which it is certain that the lease was not taken there.
func (l *Lease) untaken(host string, err error) {
	var said *remote.ScriptError
	if errors.As(err, &said) || errors.Is(err, remote.ErrNotStarted) {
		l.mu.Lock()
		l.hosts = slices.DeleteFunc(l.hosts, func(h string) bool { return h == host })
		l.mu.Unlock()
	}
}

// Held are the machines whose lease is held, or may be.
func (l *Lease) Held() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.hosts)
}

// undialled is an error of connecting: nothing was started.
type undialled struct{ error }

func (u undialled) Unwrap() error      { return u.error }
func (undialled) Is(target error) bool { return target == remote.ErrNotStarted }

// Epoch is that of the lease on a machine, 0 where none is held.
func (l *Lease) Epoch(host string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first, ok := l.First[host]; ok {
		host = first
	}
	return l.epochs[host]
}

func (l *Lease) takeOne(ctx context.Context, host string) (int64, error) {
	begin, told := time.Now(), false
	for {
		out, err := l.run(ctx, host, "acquire")
		var said *remote.ScriptError
		if errors.As(err, &said) && said.Status == 74 {
			if time.Since(begin) >= l.Wait || ctx.Err() != nil {
				return 0, fmt.Errorf("%s: %w: %s\nWait for it to end. If it is certain that it is dead, it expires by itself; shipctl force-unlock ID takes it away at once.", host, ErrHeld, said.Output)
			}
			if !told {
				l.Note(fmt.Sprintf("%s: waiting up to %s: %s", host, l.Wait, said.Output))
				told = true
			}
			l.Pause(ctx, time.Second)
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("%s: the lease: %w", host, err)
		}
		epoch, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
		if err != nil || epoch < 1 {
			return 0, fmt.Errorf("%s: the lease: %q is not an epoch", host, out)
		}
		return epoch, nil
	}
}

func (l *Lease) run(ctx context.Context, host, what string) (said string, err error) {
	defer remote.Caught(&err)
	limit := 30 * time.Second
	if what == "renew" { // one that hangs is given up in time for another try
		limit = min(limit, l.Last/3)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	m, err := l.Dial(ctx, host)
	if err != nil {
		return "", undialled{err}
	}
	out, err := m.Run(ctx, remote.Ticket{Run: l.ID, Step: "lease/" + what}, remote.Call{
		Script: "remote/lease", Unlocked: true,
		Args: []string{what, l.ID, strconv.FormatInt(l.Last.Milliseconds(), 10), l.Who, l.URL},
	})
	return string(out), err
}

// renew is the heartbeat of one machine, on its own, so that a slow one does not cost another its lease.
func (l *Lease) renew(ctx context.Context, host string, once *sync.Once, lost func(error)) {
	pause := l.Last / 3
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		_, err := l.run(ctx, host, "renew")
		var said *remote.ScriptError
		if errors.As(err, &said) && said.Status == takenOver {
			once.Do(func() { lost(fmt.Errorf("%s: %w: %s", host, ErrHeld, said.Output)) })
			return
		}
		if pause = l.Last / 3; err != nil {
			pause = min(pause, time.Second)
		}
	}
}

// Release gives the leases back. A machine that can't be reached loses its lease by itself.
func (l *Lease) Release(ctx context.Context) error {
	if l.stop != nil {
		l.stop()
		l.beats.Wait()
		l.stop = nil
	}
	l.mu.Lock()
	hosts := slices.Clone(l.hosts)
	l.hosts = nil
	l.mu.Unlock()
	errs := make([]error, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() { _, errs[i] = l.run(ctx, h, "release") })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// ErrOther says that a machine has another lease than the one that was to be taken away, or none.
var ErrOther = errors.New("there is no lease with this ID")

// Unlock takes the lease with that ID away, whoever holds it: its steps are refused from then on. With ErrOther nothing
// was done, and the text says who has the machine.
func (l *Lease) Unlock(ctx context.Context, host string) (string, error) {
	out, err := l.run(ctx, host, "force")
	var said *remote.ScriptError
	if errors.As(err, &said) && (said.Status == 74 || said.Status == 75) {
		return said.Output, ErrOther
	}
	return out, err
}
