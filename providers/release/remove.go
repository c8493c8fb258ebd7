package release

import (
	"fmt"
	"strings"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// Remove takes a release that is given up off its machines: the link current, every release that we published and that
// nothing uses, and our notes. What is shared is the user's data, and stays; so does what is in use, and what somebody
// else put there.
func Remove(ref config.Ref, s Spec, f remote.Facts) []providers.Change {
	out := make([]providers.Change, 0, len(s.Hosts))
	for _, h := range s.Hosts {
		d := hostDiff{s: s, a: providers.Addr{Ref: ref, Host: h.Name}}
		d.remove(f)
		out = append(out, d.c)
	}
	return out
}

func (d *hostDiff) remove(f remote.Facts) {
	d.c = providers.Change{Addr: d.a, Action: providers.NoOp, Before: providers.JSON(nil), After: providers.JSON(nil)}
	var why string
	if d.l, why = d.s.see(d.a.Host, f); why != "" {
		d.problem(why)
		return
	}
	var ours []string
	for _, p := range d.l.Releases {
		if p.SHA256 != "" {
			ours = append(ours, p.ID)
		}
	}
	if len(ours) == 0 && len(d.l.Activated) == 0 && len(d.l.Ready) == 0 {
		return
	}
	if blind(f, d.a.Host) {
		d.problem(fmt.Sprintf("%s on %s can't be removed: we are not root there, and without root it can't be seen whether a process still uses a release. Set sudo = true for this host; or, once nothing runs from there, remove the folder by hand (rm -r %s %s) and plan again.",
			d.s.within("releases"), d.a.Host, d.s.within("releases"), d.s.within("current")))
		return
	}
	d.c.Action = providers.Delete
	d.c.Headline = shown(d.state().Current) + " → none"
	d.c.Before = providers.JSON(d.state())
	d.c.Line = fmt.Sprintf("releases %s leave %s unless in use", strings.Join(ours, ", "), d.s.Root)
	if len(d.s.Shared) > 0 {
		d.c.Line += "; " + d.s.within("shared") + " stays"
	}
	d.add(providers.Step{
		ID: d.a.Step(providers.Prune), Final: true, Limit: 10 * time.Minute,
		Title: fmt.Sprintf("remove %s, current and what nothing uses", d.s.within("releases")),
		Do:    remote.Call{Script: scriptPrune, Args: []string{d.s.Root, d.s.key(), "-all"}},
	})
}
