package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// Build compares resources with facts and orders the steps. scripts gives the SHA-256 (hex) of each script, so that
// apply can refuse to run another tool's. The plan's header (tool, project, hosts …) is the caller's.
func Build(rs []providers.Resource, f remote.Facts, scripts map[string]string) (*Plan, error) {
	p := &Plan{Format: Format, Facts: f, Units: map[providers.StepID]string{}, Wait: Waits{}}
	unit := units(rs)
	serving(rs, f)
	for _, r := range rs {
		p.Resources = append(p.Resources, Resource{r.Ref, r.Needs, r.Spec, r.Gone})
		switch {
		case r.Gone && r.Remove != nil:
			p.Changes = append(p.Changes, ungated(r.Remove(f), rs)...)
		case !r.Gone && r.Diff != nil:
			p.Changes = append(p.Changes, r.Diff(f)...)
		}
	}
	p.preflight(unit, clashes(rs, f))
	var steps []providers.Step
	for _, c := range p.Changes {
		for i := range c.Steps {
			sign(&c.Steps[i], scripts)
			p.Units[c.Steps[i].ID] = unit[c.Addr.Ref]
		}
		steps = append(steps, c.Steps...)
	}
	var err error
	if p.Order, p.Wait, err = order(steps); err != nil {
		return p, err
	}
	p.once()
	p.Windows, p.Watched = Judge(rs, f, true), watched(rs)
	return p, nil
}

// serving puts among the facts which releases serve, where all that run one of a root agree.
func serving(rs []providers.Resource, f remote.Facts) {
	said := map[providers.Served]string{} // by machine and root
	for _, r := range rs {
		if r.Serving == nil || r.Gone {
			continue
		}
		for _, s := range r.Serving(f) {
			at := providers.Served{Host: s.Host, Root: s.Root}
			if id, known := said[at]; known && id != s.ID {
				s.ID = ""
			}
			said[at] = s.ID
		}
	}
	for at, id := range said {
		a := remote.Answer{Sight: remote.Absent}
		if id != "" {
			a = remote.Answer{Sight: remote.Seen, Text: id}
		}
		f.Put(providers.Serves(at.Host, at.Root), a)
	}
}

// ungated drops the gates that the configuration has no longer, of what it has no longer: nobody could open them.
func ungated(cs []providers.Change, rs []providers.Resource) []providers.Change {
	for i := range cs {
		for j := range cs[i].Steps {
			st := &cs[i].Steps[j]
			st.Gates = slices.DeleteFunc(slices.Clone(st.Gates), func(g config.Ref) bool {
				return !slices.ContainsFunc(rs, func(r providers.Resource) bool { return r.Ref == g })
			})
		}
	}
	return cs
}

// preflight: where a machine can't run a step at all, or is two of the configuration's, nothing of the unit is begun.
func (p *Plan) preflight(unit map[config.Ref]string, clash map[providers.Addr]string) {
	stuck := map[string]bool{}
	for i, c := range p.Changes {
		why := clash[c.Addr]
		if unfit := remote.Unfit(p.Facts, c.Addr.Host); why == "" && len(c.Steps) > 0 {
			why = unfit
		}
		if why != "" {
			p.Changes[i].Problem = why
			stuck[unit[c.Addr.Ref]] = true
		}
	}
	for i, c := range p.Changes {
		if stuck[unit[c.Addr.Ref]] {
			p.Changes[i].Action, p.Changes[i].Steps = providers.NoOp, nil
		}
	}
}

func sign(s *providers.Step, scripts map[string]string) {
	s.Do.ScriptSHA256 = scripts[s.Do.Script]
	if s.Undo != nil {
		u := *s.Undo
		u.ScriptSHA256 = scripts[u.Script]
		s.Undo = &u
	}
}

// units joins resources that refer to each other: what fails together is undone together. A gate joins nothing: what it
// looks at is not deployed with what it guards.
func units(rs []providers.Resource) map[config.Ref]string {
	u, gate := map[config.Ref]string{}, map[config.Ref]bool{}
	for _, r := range rs {
		u[r.Ref], gate[r.Ref] = r.Ref.String(), r.Judge != nil
	}
	for changed := true; changed; {
		changed = false
		for _, r := range rs {
			for _, n := range r.Needs {
				if gate[r.Ref] || gate[n] {
					continue
				}
				if _, known := u[n]; known && u[n] != u[r.Ref] {
					m := min(u[n], u[r.Ref])
					u[n], u[r.Ref], changed = m, m, true
				}
			}
		}
	}
	return u
}

// order sorts the steps so that each comes after all that it waits for: by the length of the longest way to it, then
// as the kinds gave them. It returns what each step waits for, in that order.
func order(steps []providers.Step) ([]providers.StepID, Waits, error) {
	place := map[providers.StepID]int{}
	for i, s := range steps {
		if _, twice := place[s.ID]; twice {
			return nil, nil, fmt.Errorf("two steps are called %s", s.ID)
		}
		place[s.ID] = i
	}
	wait, err := waits(steps, place)
	if err != nil {
		return nil, nil, err
	}
	depth := make([]int, len(steps))
	state := make([]int, len(steps))
	for i := range steps {
		if err := descend(i, steps, wait, depth, state); err != nil {
			return nil, nil, err
		}
	}
	idx := make([]int, len(steps))
	for i := range idx {
		idx[i] = i
	}
	slices.SortStableFunc(idx, func(a, b int) int { return depth[a] - depth[b] })
	out, rank := make([]providers.StepID, len(steps)), make([]int, len(steps))
	for i, x := range idx {
		out[i], rank[x] = steps[x].ID, i
	}
	ranked := make([][]int, len(steps)) // by rank, of ranks
	for i, x := range idx {
		for _, w := range wait[x] {
			ranked[i] = append(ranked[i], rank[w])
		}
		slices.Sort(ranked[i])
		ranked[i] = slices.Compact(ranked[i])
	}
	return out, reduce(out, ranked), nil
}

// reduce drops a wait that another one implies: what is left is what a person needs to read. wait is by rank, of ranks.
func reduce(order []providers.StepID, wait [][]int) Waits {
	behind := make([][]uint64, len(order)) // by rank: the ranks that come before, however indirectly, a bit each
	out := Waits{}
	for i, id := range order {
		if i > 0 && slices.Equal(wait[i], wait[i-1]) { // as it is with machines of a kind
			behind[i] = behind[i-1]
			if same := out[order[i-1]]; len(same) > 0 {
				out[id] = slices.Clone(same)
			}
			continue
		}
		implied := make([]uint64, i/64+1)
		for _, w := range wait[i] {
			for k, word := range behind[w] {
				implied[k] |= word
			}
		}
		for _, r := range wait[i] {
			if implied[r/64]&(1<<(r%64)) == 0 {
				out[id] = append(out[id], order[r])
			}
		}
		for _, r := range wait[i] {
			implied[r/64] |= 1 << (r % 64)
		}
		behind[i] = implied
	}
	return out
}

// waits are what each step comes after, by place; one that is said more than once is there more than once.
func waits(steps []providers.Step, place map[providers.StepID]int) ([][]int, error) {
	wait := make([][]int, len(steps))
	add := func(i int, other providers.StepID, after bool) error {
		o, ok := place[other]
		switch {
		case !ok && shared(other):
		case !ok:
			return fmt.Errorf("step %s names %s, which is not in the plan", steps[i].ID, other)
		case after:
			wait[i] = append(wait[i], o)
		default:
			wait[o] = append(wait[o], i)
		}
		return nil
	}
	for i, s := range steps {
		for _, a := range s.After {
			if err := add(i, a, true); err != nil {
				return nil, err
			}
		}
		for _, b := range s.Before {
			if err := add(i, b, false); err != nil {
				return nil, err
			}
		}
	}
	return wait, nil
}

// shared verbs may be named where there is no such step: the release is there already.
func shared(id providers.StepID) bool {
	v := verb(id)
	return v == providers.Publish || v == providers.Activate || v == providers.Prune
}

func verb(id providers.StepID) string { return string(id[strings.LastIndexByte(string(id), '/')+1:]) }

func descend(i int, steps []providers.Step, wait [][]int, depth, state []int) error {
	switch state[i] {
	case 2:
		return nil
	case 1:
		return fmt.Errorf("steps wait for each other: %s", steps[i].ID)
	}
	state[i] = 1
	for _, w := range wait[i] {
		if err := descend(w, steps, wait, depth, state); err != nil {
			return fmt.Errorf("%w ← %s", err, steps[i].ID)
		}
		depth[i] = max(depth[i], depth[w]+1)
	}
	state[i] = 2
	return nil
}

// Steps are the plan's steps in order.
func (p *Plan) Steps() []providers.Step {
	by := map[providers.StepID]providers.Step{}
	for _, c := range p.Changes {
		for _, s := range c.Steps {
			by[s.ID] = s
		}
	}
	out := make([]providers.Step, 0, len(p.Order))
	for _, id := range p.Order {
		out = append(out, by[id])
	}
	return out
}

// Problems are the changes that can't be planned; a plan with one can't be applied.
func (p *Plan) Problems() (out []providers.Change) {
	for _, c := range p.Changes {
		if c.Problem != "" {
			out = append(out, c)
		}
	}
	return out
}

// Unasked is the problem of what is on a machine that gave no answer.
const Unasked = "could not be asked"

// Unasked makes short what the changes say of machines that gave no answer: why is said once, of the machine.
func (p *Plan) Unasked(failed map[string]error) {
	for i, c := range p.Changes {
		p.Changes[i].Problem = Unanswered(c.Problem, failed[c.Addr.Host])
	}
}

// Unanswered is the text, or Unasked where it is about that a machine gave no answer.
func Unanswered(text string, why error) string {
	if why != nil && strings.Contains(text, why.Error()) {
		return Unasked
	}
	return text
}

// Apart are the resources that have something to do and nothing to do with any problem: each can be planned on its own,
// with what it refers to. A gate is none of them, and joins nothing; what names one that is closed has a problem.
func (p *Plan) Apart(closed ...config.Ref) (out []config.Ref) {
	busy, stuck, needed, gate := map[config.Ref]bool{}, map[config.Ref]bool{}, map[config.Ref]bool{}, map[config.Ref]bool{}
	for _, w := range p.Windows {
		gate[w.Ref] = true
	}
	for _, c := range p.Changes {
		busy[c.Addr.Ref] = busy[c.Addr.Ref] || len(c.Steps) > 0
		stuck[c.Addr.Ref] = stuck[c.Addr.Ref] || c.Problem != ""
	}
	for _, r := range p.Resources {
		stuck[r.Ref] = stuck[r.Ref] || slices.ContainsFunc(r.Needs, func(n config.Ref) bool { return slices.Contains(closed, n) })
	}
	pairs := func(each func(r, n config.Ref)) {
		for _, r := range p.Resources {
			for _, n := range r.Needs {
				if !gate[r.Ref] && !gate[n] {
					each(r.Ref, n)
				}
			}
		}
	}
	for changed := true; changed; {
		changed = false
		pairs(func(r, n config.Ref) {
			if stuck[n] != stuck[r] {
				stuck[n], stuck[r], changed = true, true, true
			}
			if busy[n] && !busy[r] {
				busy[r], changed = true, true
			}
		})
	}
	pairs(func(r, n config.Ref) { needed[n] = needed[n] || busy[r] })
	for _, r := range p.Resources {
		if busy[r.Ref] && !stuck[r.Ref] && !needed[r.Ref] && !gate[r.Ref] && !r.Gone {
			out = append(out, r.Ref)
		}
	}
	return out
}

// Counts of what the plan does, for the summary line.
func (p *Plan) Counts() (add, change, destroy int) {
	for _, c := range p.Changes {
		switch c.Action {
		case providers.Create:
			add++
		case providers.Update:
			change++
		case providers.Delete:
			destroy++
		}
	}
	return add, change, destroy
}

// Empty says that there is nothing to do and nothing in the way.
func (p *Plan) Empty() bool {
	a, c, d := p.Counts()
	return a+c+d == 0 && len(p.Order) == 0 && len(p.Problems()) == 0
}
