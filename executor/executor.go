// Package executor walks a plan: as many steps at once as the order and -parallelism allow, and back again where one
// fails before its unit's point of no return. It knows no kind and renders nothing. One loop owns all state.
package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// State is what has become of a step.
type State string

// States. Failed includes steps whose outcome is not known.
const (
	Waiting State = ""
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
	Cut     State = "interrupted" // it was told to end early, and did
	Skipped State = "skipped"
	Undoing State = "undoing"
	Undone  State = "undone"
	NotDone State = "not undone" // its undo failed, or must not be tried
)

// Event is told when a step's state changes.
type Event struct {
	Time    time.Time
	Step    providers.Step
	State   State
	Err     error  // of Failed, Cut and NotDone
	Output  string // what the script said, one fact a line
	Elapsed time.Duration
	// Windows were judged just now: before the step, or, where there is none, before the first one of all.
	Windows []planner.Window
}

// Env is what a run needs from outside.
type Env struct {
	Run         string // of this apply: letters and digits
	Dial        planner.Dial
	Gate        Gate // nil: gated steps are never begun
	Emit        func(Event)
	Now         func() time.Time
	Pause       func(context.Context, time.Duration) // between attempts
	Parallelism int
	Epoch       func(host string) int64 // of the lease held there; nil: none is held
	Forced      string                  // why closed windows are not minded; the gate lets them through then
}

// Outcome is how a run ended.
type Outcome struct {
	States map[providers.StepID]State
	Errors []StepError
	// Left are steps that were begun and neither finished nor undone.
	Left        []providers.StepID
	Interrupted bool
	Closed      bool   // a window was, before a step or before the first one of all
	Forced      string // why a closed window was not minded; "" when none was closed, or they were minded
}

// StepError is why a step, or its undoing, failed.
type StepError struct {
	Step providers.Step
	Undo bool
	Err  error
}

func (e StepError) Error() string { return string(e.Step.ID) + ": " + e.Err.Error() }
func (e StepError) Unwrap() error { return e.Err }

// OK says that every step was done.
func (o Outcome) OK() bool { return len(o.Errors) == 0 && !o.Interrupted }

// unit: passed says that a gated step of it was let through, final that it only goes forward.
type unit struct {
	failed, final, passed bool
	asking                context.Context // in which its windows are asked; ends when it fails
	stop                  context.CancelFunc
}

// fail: the unit goes back, unless it only goes forward. Going back waits for no window.
func (u *unit) fail() {
	if u.failed = true; !u.final {
		u.stop()
	}
}

type run struct {
	plan  *planner.Plan
	steps []providers.Step
	env   Env
	units map[string]*unit
	out   Outcome
	begun []int // in the order of their beginning
	// busy machines run a step: a machine's own lock lets one run at a time, so the plan's order is kept there.
	busy map[string]bool
	gate map[string]gateState // by group
	kept []kept
	ways ways
	// sweep: something has failed or was closed, and what can't come any more is to be looked for everywhere.
	sweep bool
}

type result struct {
	i       int
	judged  bool // the gate, not the step; nil error: open
	windows []planner.Window
	letGo   func()
	output  string
	err     error
	elapsed time.Duration
}

// Run executes the plan's steps. When ctx ends, running steps are finished, those that only wait or send are told to
// end, nothing new is begun, and what is not final is undone.
func Run(ctx context.Context, p *planner.Plan, env Env) Outcome {
	r := &run{
		plan: p, steps: p.Steps(), env: env, units: map[string]*unit{}, busy: map[string]bool{}, gate: map[string]gateState{},
		out: Outcome{States: map[providers.StepID]State{}},
	}
	for _, id := range p.Order {
		if u := p.Units[id]; r.units[u] == nil {
			asking, stop := context.WithCancel(ctx)
			defer stop()
			r.units[u] = &unit{asking: asking, stop: stop}
		}
	}
	r.ways = r.lay()
	if r.open(ctx) {
		r.forward(ctx)
		r.back(context.WithoutCancel(ctx))
		r.letGo(func(kept) bool { return true })()
	}
	return r.out
}

func (r *run) unitOf(s providers.Step) *unit { return r.units[r.plan.Units[s.ID]] }

func (r *run) emit(s providers.Step, st State, res result) {
	r.out.States[s.ID] = st
	r.ways.tell(s.ID, st)
	r.env.Emit(Event{Time: r.env.Now(), Step: s, State: st, Err: res.err, Output: res.output, Elapsed: res.elapsed, Windows: res.windows})
}

// forward begins what is ready until nothing runs and nothing can be begun.
func (r *run) forward(ctx context.Context) {
	results := make(chan result)
	running, stop := 0, ctx.Done()
	for {
		running += r.begin(ctx, running, results)
		if running == 0 {
			return
		}
		var res result
		select {
		case <-stop:
			stop = nil
			r.interrupt(ctx)
			continue
		case res = <-results:
		}
		s := r.steps[res.i]
		if res.judged && r.pass(ctx, &res) {
			r.send(ctx, res, results)
			continue
		}
		running--
		delete(r.busy, s.Host)
		if res.judged {
			continue
		}
		if res.err == nil {
			r.emit(s, Done, res)
			continue
		}
		r.unitOf(s).fail()
		r.sweep = true
		if ctx.Err() != nil && breakable(s) {
			r.out.Interrupted = true
			r.emit(s, Cut, res)
			continue
		}
		r.out.Errors = append(r.out.Errors, StepError{Step: s, Err: res.err})
		r.emit(s, Failed, res)
	}
}

// breakable steps leave nothing behind when they end early: they wait, or what they send is put in place at its end.
func breakable(s providers.Step) bool { return s.Waits || s.Do.File != "" }

// interrupt tells the steps that wait to end. Where that does not arrive they end by themselves, later.
func (r *run) interrupt(ctx context.Context) {
	for _, s := range r.steps {
		if r.out.States[s.ID] != Running || !s.Waits {
			continue
		}
		go func() { _ = remote.Guarded(func() { r.tell(ctx, s.Host) }) }()
	}
}

func (r *run) tell(ctx context.Context, host string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if m, err := r.env.Dial(ctx, host); err == nil {
		t := remote.Ticket{Run: r.env.Run, Step: "interrupt"}
		if r.env.Epoch != nil {
			t.Epoch = r.env.Epoch(host)
		}
		_, _ = m.Run(ctx, t, remote.Call{Script: "remote/interrupt", Unlocked: true})
	}
}

// begin starts every step that is ready, in the plan's order, and skips those that can't come any more.
func (r *run) begin(ctx context.Context, running int, results chan<- result) (begun int) {
	if !r.sweep && ctx.Err() == nil {
		begun = r.beginAmong(ctx, &r.ways.open, running, results)
	}
	if r.sweep || ctx.Err() != nil { // what keeps steps from coming is not only what they wait for
		r.sweep = false
		begun += r.beginAmong(ctx, &r.ways.waiting, running+begun, results)
	}
	return begun
}

// beginAmong goes through steps by their place; those that are skipped may bring more of them, further on.
func (r *run) beginAmong(ctx context.Context, among *[]int, running int, results chan<- result) (begun int) {
	*among = slices.DeleteFunc(*among, func(i int) bool { return r.out.States[r.steps[i].ID] != Waiting })
	for k := 0; k < len(*among); k++ {
		i := (*among)[k]
		if among == &r.ways.open && running+begun >= r.env.Parallelism && !r.ways.dead[i] {
			continue
		}
		s := r.steps[i]
		switch ready, dead := r.ready(ctx, i); {
		case dead:
			r.emit(s, Skipped, result{})
		case ready && running+begun < r.env.Parallelism && !r.busy[s.Host] && !r.judging(s):
			begun++
			r.busy[s.Host] = true
			if r.gated(s) {
				r.gate[groupOf(s)] = judging
				go func() { results <- r.judge(r.unitOf(s).asking, i) }()
				continue
			}
			r.start(i)
			r.send(ctx, result{i: i}, results)
		}
	}
	return begun
}

func (r *run) start(i int) {
	s := r.steps[i]
	r.begun = append(r.begun, i)
	u := r.unitOf(s)
	u.final = u.final || s.Final
	r.emit(s, Running, result{})
}

func (r *run) ready(ctx context.Context, i int) (ready, dead bool) {
	s := r.steps[i]
	u := r.unitOf(s)
	if ctx.Err() != nil {
		if !u.final {
			u.fail()
		}
		r.out.Interrupted = true
		return false, true
	}
	dead = r.ways.dead[i] || u.failed && !u.final || len(s.Gates) > 0 && r.gate[groupOf(s)] == shut
	return r.ways.left[i] == 0 && !dead, dead
}

// send runs a step beside the loop, and lets go of what was held until its end.
func (r *run) send(ctx context.Context, res result, results chan<- result) {
	letGo := r.letGo(func(k kept) bool { return k.until == r.steps[res.i].ID })
	go func() {
		done := r.do(ctx, res.i)
		res.release()
		if done.err == nil {
			letGo()
		}
		results <- done
	}()
}

func (r *run) do(ctx context.Context, i int) result {
	s, start := r.steps[i], r.env.Now()
	// An interrupt lets a running step finish.
	out, err := r.call(context.WithoutCancel(ctx), s, s.Do, ctx.Done())
	return result{i: i, output: out, err: err, elapsed: r.env.Now().Sub(start)}
}

const attempts = 3

// call runs a script. Where the outcome is not known (a lost reply, a dropped link) it looks again by running the same
// script: every script checks first what is there. So it does where a machine can't be reached, unless that is hopeless.
func (r *run) call(ctx context.Context, s providers.Step, c remote.Call, stop <-chan struct{}) (string, error) {
	var out []byte
	var err, unknown error
	for try := range attempts {
		if try > 0 {
			r.env.Pause(ctx, time.Duration(try)*time.Second)
		}
		out, err = r.once(ctx, s, c, stop)
		var said *remote.ScriptError
		var bug *remote.Bug
		var hopeless remote.Hopeless
		if err == nil || errors.As(err, &said) || errors.As(err, &bug) || errors.As(err, &hopeless) || errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if !errors.Is(err, remote.ErrNotStarted) {
			unknown = err
		}
	}
	if unknown != nil && errors.Is(err, remote.ErrNotStarted) { // this time; an earlier one may have done it
		err = fmt.Errorf("%w; and then: %s", unknown, err.Error())
	}
	return string(out), err
}

func (r *run) once(ctx context.Context, s providers.Step, c remote.Call, stop <-chan struct{}) (out []byte, err error) {
	defer remote.Caught(&err)
	deadline := r.env.Now().Add(s.Limit)
	ctx, cancel := context.WithTimeout(ctx, s.Limit)
	defer cancel()
	m, err := r.env.Dial(ctx, s.Host)
	if err != nil {
		return nil, err
	}
	t := remote.Ticket{Run: r.env.Run, Step: string(s.ID), Deadline: deadline, Stop: stop}
	if r.env.Epoch != nil {
		t.Epoch = r.env.Epoch(s.Host)
	}
	out, err = m.Run(ctx, t, c)
	return out, held(err)
}

// held marks a script's refusal after another run has taken the lease.
func held(err error) error {
	var said *remote.ScriptError
	if errors.As(err, &said) && said.Status == takenOver {
		return fmt.Errorf("%w: %w", ErrHeld, err)
	}
	return err
}

// takenOver is the status of a step, or of a renewal, after another run has taken the lease.
const takenOver = 76
