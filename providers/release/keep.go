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

// Keep decides what stays once id, of so many bytes, is published and activated; newest first, by the recorded order of
// publication. A removal is a proposal: what is in use on the machine stays in any case, which prune.sh sees at the last
// moment. Releases that nothing is recorded of are not ours. Those of unknown size count as nothing.
func Keep(r Retention, l Look, root, id string, size int64) []Decision {
	previous := l.CurrentID(root)
	if previous == id {
		previous = before(l.Activated, id)
	}
	all := []Published{}
	for _, p := range l.Releases {
		if p.ID == id {
			size = p.Size
		} else if p.SHA256 != "" {
			all = append(all, p)
		}
	}
	all = append(all, Published{ID: id, Size: size})
	slices.Reverse(all)
	out := make([]Decision, 0, len(all))
	good, failed, total := 0, 0, int64(0)
	for _, p := range all { // what stays in any case counts first
		if p.ID == id || p.ID == previous {
			total += p.Size
		}
	}
	for _, p := range all {
		d := Decision{ID: p.ID, Keep: true}
		// What is live worked, recorded or not: the next activation records it.
		worked := p.ID == id || p.ID == l.CurrentID(root) || slices.Contains(l.Activated, p.ID)
		if worked {
			good++
		} else {
			failed++
		}
		switch {
		case p.ID == id:
			d.Why = "live"
		case p.ID == previous:
			d.Why = "was live before"
		case worked && good > r.Keep:
			d.Keep, d.Why = false, fmt.Sprintf("older than the newest %d", r.Keep)
		case !worked && failed > r.KeepFailed:
			d.Keep, d.Why = false, "never activated"
		case r.MaxSize > 0 && total+p.Size > r.MaxSize:
			d.Keep, d.Why = false, fmt.Sprintf("with it there would be more than %s", Size(r.MaxSize))
		case worked:
			d.Why = fmt.Sprintf("one of the newest %d", r.Keep)
		default:
			d.Why = fmt.Sprintf("one of the newest %d that were never activated", r.KeepFailed)
		}
		if d.Keep && p.ID != id && p.ID != previous {
			total += p.Size
		}
		out = append(out, d)
	}
	return out
}

// blind says that we are an ordinary user on the machine, who does not see what other users' processes have open.
func blind(f remote.Facts, host string) bool {
	a := f.Get(remote.Identity(host))
	if a.Sight != remote.Seen {
		return false
	}
	lines := strings.Split(a.Text, "\n")
	return !slices.Contains(lines, "uid 0") && slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "uid ") })
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
func (d *hostDiff) prune(f remote.Facts, after []providers.StepID) {
	if d.s.Retention == nil {
		return
	}
	if blind(f, d.a.Host) {
		d.c.Warnings = append(d.c.Warnings, "retention: nothing is removed there, since without root it can't be seen what uses a release: set sudo = true for this host, or remove old releases by hand")
	}
	var gone []string
	d.after.Removes = map[string]string{}
	for _, k := range Keep(*d.s.Retention, d.l, d.s.Root, d.w.ID, d.w.Artifact.Unpacked) {
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
