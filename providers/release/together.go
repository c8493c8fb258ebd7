package release

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// together adds what the machines of a release do in step: commands before, once the release is everywhere; current
// moves, once these have worked; commands after; and nothing is removed, which can't be taken back, before all that.
func together(s Spec, hosts []*hostDiff, f remote.Facts) {
	var there, moved, over []providers.StepID
	var moving []*hostDiff
	for _, d := range hosts {
		d.unshareable()
		if d.publishes {
			there = append(there, d.a.Step(providers.Publish))
		}
		if d.moves {
			moving = append(moving, d)
			moved = append(moved, d.a.Step(providers.Activate))
		}
	}
	ready := slices.Clone(there)
	for _, h := range s.BeforeActivate {
		on := moving
		if h.Once {
			on = moving[:min(1, len(moving))]
		}
		var these []providers.StepID
		for _, d := range on {
			these = append(these, d.hook(hookBefore, h, ready))
		}
		ready = append(ready, these...)
	}
	for _, d := range moving {
		d.activate(ready, s.due(d, moving))
	}
	for _, h := range s.AfterActivate {
		var these []providers.StepID
		for _, d := range afterwards(h, hosts) {
			after := moved
			if !h.Once && d.moves { // each machine for itself
				after = []providers.StepID{d.a.Step(providers.Activate)}
			}
			these = append(these, d.hook(hookAfter, h, slices.Concat(after, sameHost(over, d, h.Once))))
		}
		over = append(over, these...)
	}
	for _, d := range hosts {
		if len(d.c.Steps) > 0 || d.owes() {
			d.prune(f, slices.Concat(moved, there, over))
		}
		if d.c.Action == providers.NoOp && len(d.c.Steps) > 0 {
			d.c.Action = providers.Update
			d.c.Line += " (older ones are still to be removed)"
		}
		if d.c.Problem == "" {
			d.c.After = providers.JSON(d.after)
		}
	}
}

// unshareable refuses what the machine would refuse after the upload. A release that is there already was published.
func (d *hostDiff) unshareable() {
	if d.publishes && d.w.Artifact.Brings != "" {
		d.publishes, d.moves, d.c.Steps, d.c.Action = false, false, nil, providers.NoOp
		d.problem(d.w.Artifact.Brings)
	}
}

// owes says that a run ended after it had activated the release, and before it removed what may go.
func (d *hostDiff) owes() bool {
	return d.l.PruneDue && d.c.Problem == "" && d.w.ID != "" && d.l.CurrentID(d.s.Root) == d.w.ID
}

// afterwards are the machines on which a hook runs after an activation: now, or after one that was broken off.
func afterwards(h Hook, hosts []*hostDiff) (on []*hostDiff) {
	first := true
	for _, d := range hosts {
		left := slices.Contains(d.left(), h.Name)
		if left && d.c.Action == providers.NoOp {
			d.c.Action = providers.Update
			d.c.Line += " (its activation was broken off: commands after it are still to run)"
		}
		if d.moves && (first || !h.Once) || left {
			on = append(on, d)
		}
		first = first && !d.moves
	}
	return on
}

// left are the configured hooks that should have run after the activation of what is live, and did not.
func (d *hostDiff) left() (names []string) {
	live := d.l.CurrentID(d.s.Root)
	if d.c.Problem != "" || d.moves || live == "" {
		return nil
	}
	for _, h := range d.s.AfterActivate {
		if slices.Contains(d.l.Due[live], h.Name) {
			names = append(names, h.Name)
		}
	}
	return names
}

// due are the hooks that run on this machine after it was activated.
func (s Spec) due(d *hostDiff, moving []*hostDiff) (out []Hook) {
	for _, h := range s.AfterActivate {
		if !h.Once || d == moving[0] {
			out = append(out, h)
		}
	}
	return out
}

// sameHost are the steps that run on the machine, or all.
func sameHost(ids []providers.StepID, d *hostDiff, all bool) (out []providers.StepID) {
	for _, id := range ids {
		if all || strings.HasPrefix(string(id), d.a.String()+"/") {
			out = append(out, id)
		}
	}
	return out
}

func (d *hostDiff) activate(after []providers.StepID, hooks []Hook) {
	id := d.w.ID
	st := providers.Step{
		ID: d.a.Step(providers.Activate), Title: "activate release " + id, Limit: time.Minute, After: after,
		Do:   remote.Call{Script: scriptActivate, Args: []string{d.s.Root, d.s.key(), id}},
		Undo: &remote.Call{Script: scriptDeactivate, Args: []string{d.s.Root, d.s.key(), id}},
	}
	if d.l.Current.Kind == "link" || len(hooks) > 0 {
		st.Undo.Args = append(st.Undo.Args, d.l.Current.Target)
	}
	for _, h := range hooks {
		st.Do.Args = append(st.Do.Args, h.Name)
	}
	d.undoes(&st, hooks)
	d.gate(&st)
	d.add(st)
}

// hook adds the step that runs a hook on this machine.
func (d *hostDiff) hook(when string, h Hook, after []providers.StepID) providers.StepID {
	id := d.a.Step(when + "-" + h.Name)
	args := []string{d.s.Root, d.s.key(), d.w.ID, when, h.Name, h.RunAs, h.seconds()}
	d.add(providers.Step{
		ID: id, Title: fmt.Sprintf("run %s (%s)", h.Name, strings.Join(h.Command, " ")), After: slices.Clone(after), Limit: h.limit(),
		Do: remote.Call{Script: scriptHook, Args: append(args, h.Command...), Stdin: h.environment("")},
	})
	return id
}

// undoes makes the undoing of an activation run its hooks again, in what is live then: what they did (a reload of
// php-fpm) was done for the release that is being left.
func (d *hostDiff) undoes(st *providers.Step, hooks []Hook) {
	for _, h := range hooks {
		st.Undo.Args = append(append(st.Undo.Args, h.Name, h.RunAs, h.seconds(), fmt.Sprint(len(h.Command))), h.Command...)
		st.Undo.Stdin = append(st.Undo.Stdin, h.environment(h.Name+" ")...)
		st.Limit += h.limit()
	}
}
