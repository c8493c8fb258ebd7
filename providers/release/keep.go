package release

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// Decision is what becomes of one release, and why.
type Decision struct {
	ID   string
	Keep bool
	Why  string
}

// Keep decides what stays once id is published and activated. A removal is a proposal: what is in use on the machine
// stays in any case, which prune.sh sees at the last moment. Releases that nothing is recorded of are not ours.
func Keep(r Retention, l Look, root, id string) []Decision {
	previous := l.CurrentID(root)
	if previous == id {
		previous = before(l.Activated, id)
	}
	var all []string
	for _, p := range l.Releases {
		if p.ID != id && p.SHA256 != "" {
			all = append(all, p.ID)
		}
	}
	all = append(all, id)
	slices.Reverse(all) // newest first
	out := make([]Decision, 0, len(all))
	good, failed := 0, 0
	for _, x := range all {
		d := Decision{ID: x, Keep: true}
		worked := x == id || slices.Contains(l.Activated, x)
		if worked {
			good++
		} else {
			failed++
		}
		switch {
		case x == id:
			d.Why = "live"
		case x == previous:
			d.Why = "was live before"
		case worked && good <= r.Keep:
			d.Why = fmt.Sprintf("one of the newest %d", r.Keep)
		case worked:
			d.Keep, d.Why = false, fmt.Sprintf("older than the newest %d", r.Keep)
		case failed <= r.KeepFailed:
			d.Why = fmt.Sprintf("one of the newest %d that were never activated", r.KeepFailed)
		default:
			d.Keep, d.Why = false, "never activated"
		}
		out = append(out, d)
	}
	return out
}

// before is the last ID that was activated and is not id.
func before(activated []string, id string) string {
	for _, x := range slices.Backward(activated) {
		if x != id {
			return x
		}
	}
	return ""
}

// prune adds the step that removes what may go, after others.
func (d *hostDiff) prune(after []providers.StepID) {
	if d.s.Retention == nil {
		return
	}
	var gone []string
	d.after.Removes = map[string]string{}
	for _, k := range Keep(*d.s.Retention, d.l, d.s.Root, d.w.ID) {
		if !k.Keep {
			gone = append(gone, k.ID)
			d.after.Removes[k.ID] = k.Why
		}
	}
	if len(gone) == 0 {
		return
	}
	slices.Reverse(gone) // oldest first
	noun := "release"
	if len(gone) > 1 {
		noun = "releases"
	}
	d.add(providers.Step{
		ID: d.a.Step(providers.Prune), Final: true, Limit: 5 * time.Minute,
		Title: fmt.Sprintf("remove %s %s unless in use", noun, strings.Join(gone, ", ")),
		After: after,
		Do:    remote.Call{Script: scriptPrune, Args: append([]string{d.s.Root, d.s.key()}, gone...)},
	})
	d.after.Releases = slices.DeleteFunc(d.after.Releases, func(id string) bool { return slices.Contains(gone, id) })
}
