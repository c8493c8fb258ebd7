package executor

import (
	"context"
	"errors"
	"slices"

	"github.com/shipctl/shipctl/providers"
)

// back undoes, last begun first, what was begun in each unit that failed before its point of no return. A step is not
// undone while something that was built on it could not be: a slot is not stopped while an nginx may still route to it.
func (r *run) back(ctx context.Context) {
	kept := map[providers.StepID]bool{}
	for _, i := range slices.Backward(r.begun) {
		s := r.steps[i]
		u := r.unitOf(s)
		if !u.failed {
			continue
		}
		if u.final {
			if r.out.States[s.ID] == Failed {
				r.out.Left = append(r.out.Left, s.ID)
			}
			continue
		}
		if err := r.undo(ctx, s, r.needed(s, kept)); err != nil {
			kept[s.ID] = true
			r.out.Left = append(r.out.Left, s.ID)
			r.out.Errors = append(r.out.Errors, StepError{Step: s, Undo: true, Err: err})
		}
	}
	slices.Reverse(r.out.Left)
}

var errNeeded = errors.New("left as it is: what was built on it could not be undone")

func (r *run) undo(ctx context.Context, s providers.Step, needed bool) error {
	if needed {
		r.emit(s, NotDone, result{err: errNeeded})
		return errNeeded
	}
	if s.Undo == nil {
		return nil
	}
	r.emit(s, Undoing, result{})
	start := r.env.Now()
	out, err := r.call(ctx, s, *s.Undo)
	res := result{output: out, err: err, elapsed: r.env.Now().Sub(start)}
	if err != nil {
		r.emit(s, NotDone, res)
		return err
	}
	r.emit(s, Undone, res)
	return nil
}

// needed says whether a step that waited for s, however indirectly, is kept.
func (r *run) needed(s providers.Step, kept map[providers.StepID]bool) bool {
	if len(kept) == 0 {
		return false
	}
	above := map[providers.StepID]bool{s.ID: true}
	for _, id := range r.plan.Order {
		if slices.ContainsFunc(r.plan.Wait[id], func(w providers.StepID) bool { return above[w] }) {
			above[id] = true
			if kept[id] {
				return true
			}
		}
	}
	return false
}
