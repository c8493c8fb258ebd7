package executor

import (
	"context"
	"errors"
	"slices"

	"github.com/shipctl/shipctl/providers"
)

// back undoes what was begun in each unit that failed before its point of no return: what was built on a step first,
// and what does not depend on each other at once, as going forward does. A step is not undone while something that was
// built on it could not be: a slot is not stopped while an nginx may still route to it.
func (r *run) back(ctx context.Context) {
	u := undoing{todo: r.undoable(), over: map[providers.StepID]bool{}, kept: map[providers.StepID]bool{}, busy: map[string]bool{}}
	results := make(chan result)
	for len(u.over) < len(u.todo) {
		if r.beginUndo(ctx, &u, results) {
			continue
		}
		res := <-results
		u.running--
		s := r.steps[res.i]
		delete(u.busy, s.Host)
		r.undone(&u, s, res)
	}
	rank := map[providers.StepID]int{}
	for i, id := range r.plan.Order {
		rank[id] = i
	}
	slices.SortFunc(r.out.Left, func(a, b providers.StepID) int { return rank[a] - rank[b] })
}

type undoing struct {
	todo    []int // last begun first
	over    map[providers.StepID]bool
	kept    map[providers.StepID]bool // could not be undone
	busy    map[string]bool
	running int
}

// undoable are the steps that go back. What failed in a unit that only goes forward is left.
func (r *run) undoable() (todo []int) {
	for _, i := range slices.Backward(r.begun) {
		s := r.steps[i]
		switch u := r.unitOf(s); {
		case !u.failed:
		case u.final:
			if st := r.out.States[s.ID]; st == Failed || st == Cut {
				r.out.Left = append(r.out.Left, s.ID)
			}
		default:
			todo = append(todo, i)
		}
	}
	return todo
}

// beginUndo begins or settles one step that nothing is built on any more, and says whether there was one.
func (r *run) beginUndo(ctx context.Context, u *undoing, results chan<- result) bool {
	for _, i := range u.todo {
		s := r.steps[i]
		if u.over[s.ID] || r.out.States[s.ID] == Undoing || r.builtOn(u, s) {
			continue
		}
		switch {
		case r.needed(s, u.kept):
			r.undone(u, s, result{err: errNeeded})
		case s.Undo == nil:
			u.over[s.ID] = true
		case u.running >= r.env.Parallelism || u.busy[s.Host]:
			continue
		default:
			u.running++
			u.busy[s.Host] = true
			r.emit(s, Undoing, result{})
			letGo := r.letGo(func(k kept) bool { return k.step == s.ID })
			go func() {
				start := r.env.Now()
				out, err := r.call(ctx, s, *s.Undo, nil)
				letGo()
				results <- result{i: i, output: out, err: err, elapsed: r.env.Now().Sub(start)}
			}()
		}
		return true
	}
	return false
}

// builtOn says that a step that waited for s is still to be undone.
func (r *run) builtOn(u *undoing, s providers.Step) bool {
	return slices.ContainsFunc(u.todo, func(i int) bool {
		id := r.steps[i].ID
		return !u.over[id] && slices.Contains(r.plan.Wait[id], s.ID)
	})
}

func (r *run) undone(u *undoing, s providers.Step, res result) {
	u.over[s.ID] = true
	if res.err == nil {
		r.emit(s, Undone, res)
		return
	}
	u.kept[s.ID] = true
	r.out.Left = append(r.out.Left, s.ID)
	r.out.Errors = append(r.out.Errors, StepError{Step: s, Undo: true, Err: res.err})
	r.emit(s, NotDone, res)
}

var errNeeded = errors.New("left as it is: what was built on it could not be undone")

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
