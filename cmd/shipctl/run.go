package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shipctl/shipctl/cmd/view"
	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
)

// run is an apply under way, as the interrupts need to know it.
type run struct {
	plan     *planner.Plan
	progress view.Progress

	mu     sync.Mutex
	kept   map[string]int // machines whose launchers are kept from starting jobs, by how many steps
	states map[providers.StepID]executor.State
	traces map[providers.StepID]planner.Trace
	ended  *executor.Outcome // nil while steps may run
}

func (r *run) emit(e executor.Event) {
	if e.Step.ID != "" && len(e.Windows) == 0 {
		r.mu.Lock()
		r.states[e.Step.ID] = e.State
		r.trace(e)
		r.mu.Unlock()
	}
	r.progress.Event(e)
}

func (c *cli) execute(ctx context.Context, m *made, l *executor.Lease, a applyArgs, windows *patience) error {
	b := c.books(m, l)
	if a.forceWindow != "" && executor.Closed(of(b.seen().Windows, m.plan.Gates())) != nil {
		b.entry.Forced = a.forceWindow // unless they are open by then
	}
	if err := b.begin(ctx); err != nil {
		b.abandon(context.WithoutCancel(ctx))
		return fmt.Errorf("the run can't be written down, so nothing was begun\n%w", err)
	}
	r := &run{plan: m.plan, progress: c.journaled(m.plan, l.ID, c.view(a.compact).Apply(m.plan)), kept: map[string]int{}, states: map[providers.StepID]executor.State{}, traces: map[providers.StepID]planner.Trace{}}
	c.mu.Lock()
	c.run = r
	c.mu.Unlock()
	g := m.gatekeeper(a.windowArgs)
	g.run, g.epoch = l.ID, l.Epoch
	stops, before := c.checkpoints(), windows.waited() // at the start
	out := executor.Run(ctx, m.plan, executor.Env{
		Run: l.ID, Epoch: l.Epoch, Dial: stops.dial(m.machines), Gate: r.keeping(m.resources, c.gate(g, windows, r.progress.Note)), Emit: stops.emit(r.emit), Now: c.now, Pause: pause,
		Parallelism: a.parallelism, Forced: a.forceWindow,
	})
	for _, e := range out.Errors {
		c.whence(e.Err)
	}
	b.entry.Forced, b.waited = out.Forced, windows.waited()-before
	if err := b.end(context.WithoutCancel(ctx), out, r.traced()); err != nil {
		r.progress.Note("What was done could not be written down everywhere; the next apply does that: " + err.Error())
	}
	r.over(out)
	r.progress.End(out)
	return ending(m.plan, out)
}

// over: what interrupts the rest does not change how it ended.
func (r *run) over(out executor.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = &out
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// ending: an undone failure is a failure, and one that is not undone is a worse one.
func ending(p *planner.Plan, o executor.Outcome) error {
	switch {
	case o.OK():
		return nil
	case slices.ContainsFunc(o.Errors, func(e executor.StepError) bool { return errors.Is(e.Err, executor.ErrHeld) }):
		return errTakenOver // what is to be done or undone is the other run's
	case len(view.Unsettled(p, o)) > 0:
		return errLeft
	case o.Closed && !o.Interrupted && !slices.ContainsFunc(o.Errors, func(e executor.StepError) bool { return e.Undo || !errors.Is(e.Err, executor.ErrClosed) }):
		return errClosed // and nothing else: a later try may do
	}
	return errUndone
}

// interrupted says what the first interrupt does.
func (c *cli) interrupted() {
	if r := c.running(); r != nil {
		r.progress.Note("Interrupted: the steps that run are being waited for; what only waits is cut short, nothing new is begun, and then what can be undone is undone. A second interrupt leaves at once.")
	}
}

func (c *cli) running() *run {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.run
}

// abandon is the second interrupt: it says what is left as it is. The scripts that run go on to their end on the
// machines.
func (c *cli) abandon() error {
	r := c.running()
	if r == nil {
		if leases := c.leases(); leases != "" {
			return errors.New("Interrupted\nNothing was changed." + leases)
		}
		return context.Canceled
	}
	out, ended := r.snapshot()
	if ended {
		r.progress.End(out) // if it is not said yet
		return ending(r.plan, out)
	}
	text := "Left at once: the steps that run go on to their end on the machines, and nobody waits for them." + c.leases() + r.waiting()
	r.progress.Note(text)
	r.progress.End(out)
	return ending(r.plan, out)
}

// holds says which lease the interrupts leave.
func (c *cli) holds(l *executor.Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lease = l
}

// leases says which leases are left where nobody gives them back.
func (c *cli) leases() string {
	c.mu.Lock()
	l := c.lease
	c.mu.Unlock()
	if l == nil || len(l.Held()) == 0 {
		return ""
	}
	return fmt.Sprintf(" The lease ends by itself within %s; it is held on %s, and shipctl force-unlock %s ends it sooner.", l.Last, strings.Join(l.Held(), ", "), l.ID)
}

// keeping notes where a gate keeps launchers from starting jobs.
func (r *run) keeping(rs []providers.Resource, gate executor.Gate) executor.Gate {
	return func(ctx context.Context, s providers.Step, refs []config.Ref) ([]planner.Window, func(), error) {
		var hosts []string
		if s.ID != "" && s.Group == "" {
			for _, g := range planner.Gates(rs, refs) {
				for _, h := range g.Hold {
					hosts = append(hosts, h.Host)
				}
			}
		}
		r.keep(hosts, 1) // it may be cut off while it holds
		windows, letGo, err := gate(ctx, s, refs)
		if letGo == nil {
			r.keep(hosts, -1)
			return windows, nil, err
		}
		return windows, func() {
			letGo()
			r.keep(hosts, -1)
		}, err
	}
}

func (r *run) keep(hosts []string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range hosts {
		r.kept[h] += n
	}
}

// waiting says where jobs are still kept from starting.
func (r *run) waiting() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var hosts []string
	for _, h := range slices.Sorted(maps.Keys(r.kept)) {
		if r.kept[h] > 0 {
			hosts = append(hosts, h)
		}
	}
	if len(hosts) == 0 {
		return ""
	}
	return fmt.Sprintf(" Jobs on %s are kept from starting for a while yet: that ends by itself, within ten minutes (docs/windows.md).", strings.Join(hosts, ", "))
}

// snapshot is the outcome: of a run that has not ended what it would be if nobody came back. In a unit that is not
// complete, all that was begun and not undone is left.
func (r *run) snapshot() (out executor.Outcome, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended != nil {
		return *r.ended, true
	}
	out = executor.Outcome{States: maps.Clone(r.states), Interrupted: true}
	open := map[string]bool{}
	for _, id := range r.plan.Order {
		if out.States[id] != executor.Done {
			open[r.plan.Units[id]] = true
		}
	}
	for _, id := range r.plan.Order {
		switch out.States[id] {
		case executor.Waiting, executor.Skipped, executor.Undone:
		default:
			if open[r.plan.Units[id]] {
				out.Left = append(out.Left, id)
			}
		}
	}
	return out, false
}
