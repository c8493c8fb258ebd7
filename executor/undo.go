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
	u := undoing{todo: r.undoable(), over: map[providers.StepID]bool{}, needed: map[providers.StepID]bool{}, built: map[providers.StepID]int{}, busy: map[string]bool{}}
	for _, i := range u.todo {
		r.rests(&u, r.steps[i], 1)
	}
	results := make(chan result)
	for all := len(u.todo); len(u.over) < all; {
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
	needed  map[providers.StepID]bool // by what could not be undone
	built   map[providers.StepID]int  // how many of those still to be undone waited for it
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
	if u.running >= r.env.Parallelism {
		return false
	}
	for len(u.todo) > 0 && u.over[r.steps[u.todo[0]].ID] {
		u.todo = u.todo[1:]
	}
	for _, i := range u.todo {
		id := r.steps[i].ID
		if u.built[id] > 0 || u.over[id] || r.out.States[id] == Undoing {
			continue
		}
		s := r.steps[i]
		switch {
		case u.needed[s.ID]:
			r.undone(u, s, result{err: errNeeded})
		case s.Undo == nil:
			r.settle(u, s)
		case u.busy[s.Host]:
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

// rests counts a step for those that it waited for.
func (r *run) rests(u *undoing, s providers.Step, n int) {
	for _, w := range r.plan.Wait[s.ID] {
		u.built[w] += n
	}
}

func (r *run) settle(u *undoing, s providers.Step) {
	u.over[s.ID] = true
	r.rests(u, s, -1)
}

func (r *run) undone(u *undoing, s providers.Step, res result) {
	r.settle(u, s)
	if res.err == nil {
		r.emit(s, Undone, res)
		return
	}
	r.need(u, s.ID)
	r.out.Left = append(r.out.Left, s.ID)
	r.out.Errors = append(r.out.Errors, StepError{Step: s, Undo: true, Err: res.err})
	r.emit(s, NotDone, res)
}

var errNeeded = errors.New("left as it is: what was built on it could not be undone")

// need: what a step waited for, however indirectly, is left as it is too.
func (r *run) need(u *undoing, id providers.StepID) {
	for _, w := range r.plan.Wait[id] {
		if !u.needed[w] {
			u.needed[w] = true
			r.need(u, w)
		}
	}
}
