package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/shipctl/shipctl/cmd/view"
	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// windowArgs are the flags about closed windows.
type windowArgs struct {
	forceWindow string
	waitWindow  time.Duration
}

func (a *windowArgs) addWindow(f *pflag.FlagSet) {
	f.StringVar(&a.forceWindow, "force-window", "", "go on although a window is closed, for this `REASON`, which is recorded")
	f.DurationVar(&a.waitWindow, "wait-window", 0, "how long to wait for a closed window, at the start and before the first switch or stop")
}

func (a windowArgs) checkWindow() error {
	switch {
	case a.waitWindow < 0:
		return fmt.Errorf("-wait-window=%s: not less than nothing", a.waitWindow)
	case a.forceWindow != "" && (strings.TrimSpace(a.forceWindow) == "" || strings.ContainsFunc(a.forceWindow, unicode.IsControl) || len(a.forceWindow) > 500):
		return errors.New("-force-window takes a reason: a line of text, 500 bytes at most")
	}
	return nil
}

// gatekeeper asks windows again and again.
type gatekeeper struct {
	windowArgs
	resources []providers.Resource
	dial      planner.Dial
	run       string // of this apply
	epoch     func(host string) int64
}

func (m *made) gatekeeper(a windowArgs) gatekeeper {
	return gatekeeper{windowArgs: a, resources: m.resources, dial: m.machines}
}

func (g gatekeeper) ask(ctx context.Context, refs []config.Ref, begin bool) []planner.Window {
	return planner.JudgeNow(ctx, g.resources, refs, g.dial, begin)
}

// Windows that are closed are asked again after this long, or when they may open, if that is sooner.
const askAgain = 10 * time.Second

// awaitWindows does not even take a lease while a window is closed: those who hold a lease keep jobs waiting. seen is the
// plan whose judgement is fresh.
func (c *cli) awaitWindows(ctx context.Context, m *made, seen *planner.Plan, a applyArgs, w *patience) error {
	refs := m.plan.Gates()
	windows := of(seen.Windows, refs)
	if len(refs) == 0 || a.forceWindow != "" || executor.Closed(windows) == nil {
		return nil
	}
	windows, err := c.open(ctx, m.gatekeeper(a.windowArgs), windows, refs, w, true, func(s string) { c.text(c.err).Say(printable(s)) })
	if errors.Is(err, executor.ErrClosed) {
		var closed []config.Ref
		for _, w := range windows {
			if !w.Open {
				closed = append(closed, w.Ref)
			}
		}
		return view.ClosedError{Windows: windows, Waited: a.waitWindow, Apart: m.alone(closed...)}
	}
	return err
}

func of(all []planner.Window, refs []config.Ref) (out []planner.Window) {
	for _, ref := range refs {
		for _, w := range all {
			if w.Ref == ref {
				out = append(out, w)
			}
		}
	}
	return out
}

// forcedNote are two sentences: the operator's reason, and what is not minded.
func forcedNote(reason string, why error) string {
	text := allTheSame(why)
	first, size := utf8.DecodeRuneInString(text)
	return fmt.Sprintf("Forced, for this reason: %s. %c%s", strings.TrimRight(reason, ". "), unicode.ToUpper(first), text[size:])
}

// gate is how the executor asks: freshly, each time, and of several units at once. It waits at the start and before a
// switch, and before a stop that comes before it: never before one that is final, when requests go to the new version
// and a later apply stops the old one. Before a stop, launchers are kept from starting jobs, and then it is judged.
func (c *cli) gate(g gatekeeper, w *patience, note func(string)) executor.Gate {
	var forced sync.Once
	force := func(ctx context.Context, s providers.Step, refs []config.Ref, why error) func() {
		forced.Do(func() { note(forcedNote(g.forceWindow, why)) })
		if s.ID == "" || s.Group != "" {
			return nil
		}
		end := w.wait()
		defer end()
		return g.holdAnyway(ctx, s, refs, note)
	}
	return func(ctx context.Context, s providers.Step, refs []config.Ref) ([]planner.Window, func(), error) {
		begin := s.ID == ""
		windows := g.ask(ctx, refs, begin)
		err := executor.Closed(windows)
		switch {
		case err != nil && g.forceWindow != "":
			return windows, force(ctx, s, refs, err), nil
		case begin || s.Group != "":
			windows, err = c.open(ctx, g, windows, refs, w, begin, note)
			return windows, nil, err
		}
		for {
			if err != nil && !s.Final { // nothing was switched: what serves can go on serving
				windows, err = c.open(ctx, g, windows, refs, w, begin, note)
			}
			if err != nil {
				return windows, nil, err
			}
			end := w.wait()
			letGo, held, why := g.hold(ctx, s, refs)
			end()
			if held && why == nil || why != nil && g.forceWindow != "" { // who waited for a job looks again
				windows = g.ask(ctx, refs, begin)
				why = errors.Join(why, executor.Closed(windows))
			}
			if why == nil {
				return windows, letGo, nil
			}
			letGo()
			left := w.left()
			switch {
			case g.forceWindow != "":
				return windows, force(ctx, s, refs, why), nil
			case s.Final || left <= 0 || !errors.Is(why, executor.ErrClosed):
				return windows, nil, why
			}
			note(fmt.Sprintf("Waiting up to %s: %s", left.Round(time.Second), why))
			end = w.wait()
			pause(ctx, min(askAgain, left))
			end()
			if ctx.Err() != nil {
				return windows, nil, ctx.Err()
			}
			windows = g.ask(ctx, refs, begin)
			err = executor.Closed(windows)
		}
	}
}

// patience of an apply: at the start and before its steps together.
func (c *cli) patience(a applyArgs) *patience { return &patience{all: a.waitWindow, now: c.now} }

// patience is how long an apply waits for windows in all. What waits at the same time counts once.
type patience struct {
	all time.Duration
	now func() time.Time

	mu      sync.Mutex
	spent   time.Duration
	waiting int
	since   time.Time // while somebody waits
}

// wait counts until end is called.
func (p *patience) wait() (end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == 0 {
		p.since = p.now()
	}
	p.waiting++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.waiting--; p.waiting == 0 {
			p.spent += p.now().Sub(p.since)
		}
	}
}

// waited is how long that was until now.
func (p *patience) waited() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting > 0 {
		return p.spent + p.now().Sub(p.since)
	}
	return p.spent
}

func (p *patience) left() time.Duration { return p.all - p.waited() }

// hold keeps launchers from starting jobs. What could not be held counts as closed.
func (g gatekeeper) hold(ctx context.Context, s providers.Step, refs []config.Ref) (letGo func(), held bool, err error) {
	k := &keeper{g: g, s: s}
	letGo = func() { k.letGo(context.WithoutCancel(ctx)) }
	for _, gate := range planner.Gates(g.resources, refs) {
		for _, h := range gate.Hold {
			k.tried = append(k.tried, h)
			if err := k.keep(ctx, h, h.Do); err != nil {
				return letGo, true, fmt.Errorf("%w: %s: jobs on %s could not be kept waiting: %w", executor.ErrClosed, gate.Ref, h.Host, err)
			}
		}
	}
	return letGo, len(k.tried) > 0, nil
}

// holdAnyway is hold for who goes on in any case: jobs that go on running are no reason not to keep others from starting,
// and where that fails it is said.
func (g gatekeeper) holdAnyway(ctx context.Context, s providers.Step, refs []config.Ref, note func(string)) (letGo func()) {
	k := &keeper{g: g, s: s}
	for _, gate := range planner.Gates(g.resources, refs) {
		for _, h := range gate.Hold {
			k.tried = append(k.tried, h)
			err := k.keep(ctx, h, h.Do)
			if err == nil {
				continue
			}
			note(fmt.Sprintf("%s: not all jobs on %s are kept from what is stopped: %s. Going on all the same.", gate.Ref, h.Host, strings.TrimRight(allTheSame(err), ". ")))
			if err := k.keep(ctx, h, h.Anyway); err != nil {
				note(fmt.Sprintf("%s: jobs on %s start meanwhile: %s", gate.Ref, h.Host, err))
			}
		}
	}
	return func() { k.letGo(context.WithoutCancel(ctx)) }
}

// noStop is what a machine says to those who stop nothing while a job runs.
const noStop = " Nothing was stopped."

// allTheSame is why nothing should be stopped, for who goes on to do so.
func allTheSame(why error) string { return strings.ReplaceAll(why.Error(), noStop, "") }

// keeper holds, and makes it last until it lets go: where this program dies, or does not reach the machine, it ends by itself.
type keeper struct {
	g     gatekeeper
	s     providers.Step
	tried []providers.Hold // one that failed may have been done
	ends  []func()
}

// keep does not end early: the script would go on without us, and hold after it was let go.
func (k *keeper) keep(ctx context.Context, h providers.Hold, what remote.Call) error {
	if err := k.g.call(context.WithoutCancel(ctx), k.s, h, what); err != nil || h.Renew <= 0 {
		return err
	}
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-over:
				return
			case <-time.After(h.Renew):
			}
			_ = k.g.call(context.WithoutCancel(ctx), k.s, h, h.Anyway) // again after a while
		}
	}()
	k.ends = append(k.ends, func() {
		close(over)
		<-ended // what is being renewed would outlast being let go
	})
	return nil
}

func (k *keeper) letGo(ctx context.Context) {
	for _, end := range k.ends {
		end()
	}
	k.ends = nil
	for _, h := range k.tried {
		_ = k.g.call(ctx, k.s, h, h.LetGo)
	}
}

func (g gatekeeper) call(ctx context.Context, s providers.Step, h providers.Hold, what remote.Call) error {
	ctx, cancel := context.WithTimeout(ctx, h.Limit)
	defer cancel()
	m, err := g.dial(ctx, h.Host)
	if err != nil {
		return err
	}
	t := remote.Ticket{Run: g.run, Step: string(s.ID) + "/hold"}
	if g.epoch != nil {
		t.Epoch = g.epoch(h.Host)
	}
	_, err = m.Run(ctx, t, what)
	return err
}

// open waits until windows are open, for as long as there is patience.
func (c *cli) open(ctx context.Context, g gatekeeper, windows []planner.Window, refs []config.Ref, p *patience, begin bool, note func(string)) ([]planner.Window, error) {
	said := ""
	for {
		err, left := executor.Closed(windows), p.left()
		if err == nil || left <= 0 {
			return windows, err
		}
		if err.Error() != said {
			said = err.Error()
			note(fmt.Sprintf("Waiting up to %s: %s", left.Round(time.Second), said))
		}
		nap := min(askAgain, left)
		for _, w := range windows {
			if d := w.Until.Sub(w.At); !w.Open && !w.Until.IsZero() && !w.At.IsZero() && d > 0 {
				nap = min(nap, max(d, time.Second))
			}
		}
		end := p.wait()
		pause(ctx, nap)
		if ctx.Err() == nil {
			windows = g.ask(ctx, refs, begin)
		}
		end()
		if ctx.Err() != nil {
			return windows, ctx.Err()
		}
	}
}

// closings prints when the configured windows are closed next.
func (c *cli) closings(ctx context.Context, p preview) error {
	if p.from != "" {
		return errors.New("-from goes with -expr: the windows are judged from now on, by the machines' clocks")
	}
	if p.count < 1 || p.count > maxPreview {
		return fmt.Errorf("-count is from 1 to %d, not %d", maxPreview, p.count)
	}
	from, diags := load(c.options(p.values))
	if err := c.check(diags, from.config.Files); err != nil {
		return err
	}
	if _, err := chosen(from.resources, nil); err != nil {
		return err
	}
	s, err := opening{from.config.Project, from.settings, from.config.Variables, nil, c.log}.session()
	if err != nil {
		return err
	}
	defer s.close()
	gates := planner.Gates(from.resources, nil)
	facts, failed := planner.AskGates(ctx, from.resources, gates, s.dial)
	var all []planner.Closing
	for _, g := range gates {
		all = append(all, planner.Closings(from.resources, g, facts, p.count)...)
	}
	if c.document() {
		err = view.ClosingsDocument(c.out, all, unasked(failed))
	} else {
		c.text(c.out).Closings(all)
	}
	if err = errors.Join(err, ctx.Err()); err == nil && len(failed) > 0 {
		return diagnosed{diags: unreachable(failed)}
	}
	return err
}
