package executor

import (
	"slices"

	"github.com/shipctl/shipctl/providers"
)

// ways are the order of the steps as it is walked: of each step, by its place, what comes behind it, and how much of what
// it waits for is not done yet. Thousands of machines wait for each other: nothing is gone through again for each event.
type ways struct {
	at      map[providers.StepID]int
	behind  [][]int
	left    []int
	dead    []bool // something that it waits for can't come any more
	held    []bool // left for a later apply
	waiting []int  // all that may be, in the plan's order
	open    []int  // those of them that wait for nothing any more, or in vain
}

func (r *run) lay() ways {
	n := len(r.steps)
	w := ways{at: make(map[providers.StepID]int, n), behind: make([][]int, n), left: make([]int, n), dead: make([]bool, n), held: make([]bool, n)}
	for i, s := range r.steps {
		w.at[s.ID] = i
		w.waiting = append(w.waiting, i)
		if len(r.plan.Wait[s.ID]) == 0 {
			w.open = append(w.open, i)
		}
		for _, first := range r.plan.Wait[s.ID] {
			w.left[i]++
			if f, ok := w.at[first]; ok { // else it is none of the plan, and never done
				w.behind[f] = append(w.behind[f], i)
			}
		}
	}
	return w
}

// tell hands on what became of a step.
func (w *ways) tell(id providers.StepID, st State) {
	at, ok := w.at[id]
	if !ok {
		return
	}
	for _, i := range w.behind[at] {
		switch st {
		case Done:
			w.left[i]--
		case Failed, Cut, Skipped:
			w.dead[i] = true
		}
		if w.left[i] == 0 || w.dead[i] {
			if k, there := slices.BinarySearch(w.open, i); !there {
				w.open = slices.Insert(w.open, k, i)
			}
		}
	}
}
