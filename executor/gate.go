package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// ErrClosed says that a window is closed, or that nobody knows.
var ErrClosed = errors.New("a window is closed")

// Gate judges windows just now. The step is the one that waits for them; the zero step stands for all of the plan,
// before the first is begun. An error that wraps ErrClosed says that they are closed. Where it is not nil, letGo is
// called when the step has ended, or the one that it names with Until: until then nothing starts that could be kept from it.
type Gate func(context.Context, providers.Step, []config.Ref) (windows []planner.Window, letGo func(), err error)

// Closed is the error of windows that are closed.
func Closed(windows []planner.Window) error {
	var why []string
	for _, w := range windows {
		if !w.Open {
			why = append(why, fmt.Sprintf("%s is closed%s: %s", w.Ref, until(w), w.Why))
		}
	}
	if len(why) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrClosed, strings.Join(why, "; "))
}

func until(w planner.Window) string {
	if w.Until.IsZero() {
		return ""
	}
	return " until " + w.Until.Format("2006-01-02T15:04:05Z07:00") + " at the earliest"
}

type gateState int

const (
	unjudged gateState = iota
	judging
	passed
	shut
)

// groupOf is what shares one judgement: the steps of a switch, else the step alone.
func groupOf(s providers.Step) string {
	if s.Group != "" {
		return "group " + s.Group
	}
	return "step " + string(s.ID)
}

// gated says that the step waits for windows that were not judged for it. The second machine of a switch does not: half
// a switch is worse than a whole one that takes a moment longer.
func (r *run) gated(s providers.Step) bool {
	return len(s.Gates) > 0 && r.gate[groupOf(s)] != passed
}

func (r *run) judging(s providers.Step) bool {
	return len(s.Gates) > 0 && r.gate[groupOf(s)] == judging
}

func (r *run) judge(ctx context.Context, i int) (res result) {
	defer remote.Caught(&res.err)
	res = result{i: i, judged: true, err: fmt.Errorf("%w: nobody can judge it", ErrClosed)}
	if r.env.Gate != nil {
		res.windows, res.letGo, res.err = r.env.Gate(ctx, r.steps[i], r.steps[i].Gates)
	}
	return res
}

// pass begins a step whose windows are open. Closed before anything of the unit was switched, all of it is undone;
// closed after that, what is done stays and what waits for the step is left for a later apply.
func (r *run) pass(ctx context.Context, res *result) bool {
	s := r.steps[res.i]
	u := r.unitOf(s)
	if u.failed && !u.final { // skipped by now, and its unit goes back, whatever the windows say
		res.release()
		return false
	}
	r.overridden(res.windows, res.err)
	if len(res.windows) > 0 {
		r.env.Emit(Event{Time: r.env.Now(), Step: s, State: Waiting, Windows: res.windows})
	}
	switch {
	case res.err == nil && ctx.Err() == nil:
		r.gate[groupOf(s)], u.passed = passed, true
		r.keep(res)
		r.start(res.i)
		return true
	case res.err == nil:
		res.release()
		fallthrough
	case ctx.Err() != nil: // it was told to stop while it waited
		r.gate[groupOf(s)] = unjudged
		return false
	}
	r.gate[groupOf(s)] = shut // for the rest of its group too
	r.sweep = true
	r.out.Closed = r.out.Closed || errors.Is(res.err, ErrClosed)
	r.out.Errors = append(r.out.Errors, StepError{Step: s, Err: res.err})
	r.emit(s, Skipped, result{err: res.err})
	if u.passed || u.final {
		u.final = true
		r.hold(s)
	} else {
		u.fail()
	}
	return false
}

// overridden notes that a gate let something through although a window was closed.
func (r *run) overridden(windows []planner.Window, err error) {
	if err == nil && Closed(windows) != nil {
		r.out.Forced = r.env.Forced
	}
}

// hold leaves a step, and what comes after it, for later.
func (r *run) hold(s providers.Step) {
	todo := []int{r.ways.at[s.ID]}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !r.ways.held[i] {
			r.ways.held[i] = true
			r.out.Left = append(r.out.Left, r.steps[i].ID)
			todo = append(todo, r.ways.behind[i]...)
		}
	}
}

// kept is what a gate holds for longer than its step.
type kept struct {
	step, until providers.StepID
	letGo       func() // more than once is once
}

// keep takes over from the step what its gate holds, where that is to outlast it.
func (r *run) keep(res *result) {
	s := r.steps[res.i]
	if _, planned := r.plan.Units[s.Until]; res.letGo == nil || !planned {
		return
	}
	r.kept = append(r.kept, kept{s.ID, s.Until, sync.OnceFunc(res.letGo)})
	res.letGo = nil
}

// letGo returns what ends what is kept, as far as it is.
func (r *run) letGo(is func(kept) bool) func() {
	var all []func()
	for _, k := range r.kept {
		if is(k) {
			all = append(all, k.letGo)
		}
	}
	return func() {
		for _, f := range all {
			f()
		}
	}
}

// release ends what the gate holds.
func (r result) release() {
	if r.letGo != nil {
		r.letGo()
	}
}

// open judges all windows of the plan before anything is begun.
func (r *run) open(ctx context.Context) bool {
	refs := r.plan.Gates()
	if len(refs) == 0 || r.env.Gate == nil {
		return true
	}
	windows, letGo, err := r.env.Gate(ctx, providers.Step{}, refs)
	result{letGo: letGo}.release()
	r.overridden(windows, err)
	r.env.Emit(Event{Time: r.env.Now(), Windows: windows})
	if err == nil {
		return true
	}
	r.out.Interrupted = ctx.Err() != nil
	if !r.out.Interrupted {
		r.out.Closed = errors.Is(err, ErrClosed)
		r.out.Errors = append(r.out.Errors, StepError{Err: err})
	}
	for _, s := range r.steps {
		r.emit(s, Skipped, result{})
	}
	return false
}
