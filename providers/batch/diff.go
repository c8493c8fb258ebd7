package batch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// state is a change's Before and After: the launchers by name, each with the beginning of its digest.
type state struct {
	Launchers map[string]string `json:"launchers"`
	RunAs     string            `json:"run_as,omitempty"`
}

func diff(ref config.Ref, s Spec, f remote.Facts) []providers.Change {
	out := make([]providers.Change, 0, len(s.Hosts))
	for _, h := range s.Hosts {
		d := hostDiff{s: s, a: providers.Addr{Ref: ref, Host: h.Name}, wanted: s.wanted(f)}
		out = append(out, d.change(f))
	}
	return out
}

// remove takes all launchers of the block away, and then what is beside them; jobs that run go on.
func remove(ref config.Ref, s Spec, f remote.Facts) []providers.Change {
	names := s.names()
	s.Jobs = nil
	out := make([]providers.Change, 0, len(s.Hosts))
	for _, h := range s.Hosts {
		d := hostDiff{s: s, a: providers.Addr{Ref: ref, Host: h.Name}, wanted: s.wanted(f)}
		d.change(f)
		if d.c.Problem == "" {
			d.tidy(names)
		}
		if len(d.c.Steps) > 0 {
			d.c.Action, d.c.After = providers.Delete, providers.JSON(nil)
		}
		out = append(out, d.c)
	}
	return out
}

// tidy is the last step for what is removed now, and for what an earlier run has left of these jobs and of others of this block.
// Nothing of it can be put back.
func (d *hostDiff) tidy(names []string) {
	all := slices.Clone(d.remove)
	for _, name := range slices.Sorted(maps.Keys(d.t.left)) {
		if owner := d.t.left[name]; owner == d.s.owner() || owner == "" && slices.Contains(names, name) {
			all = append(all, name)
			d.words = append(d.words, "- what is left of job "+name)
		}
	}
	title := "remove what is left of " + listed(all)
	switch {
	case len(all) == 0 && !d.t.empty:
		return
	case len(all) == 0:
		title = "remove " + d.s.path("") + ", which is empty"
		d.words = append(d.words, "- "+d.s.path("")+", which is empty")
	}
	d.c.Line = strings.Join(d.words, "\n")
	var after []providers.StepID
	if len(d.remove) > 0 {
		after = append(after, d.a.Step("launchers"))
	}
	d.c.Steps = append(d.c.Steps, providers.Step{
		ID: d.a.Step("tidy"), Host: d.a.Host, Title: title, Limit: time.Minute, Final: true,
		After: after, Before: []providers.StepID{providers.Addr{Ref: d.s.Release.Ref, Host: d.a.Host}.Step(providers.Prune)},
		Do: remote.Call{Script: scriptTidy, Args: append([]string{d.s.Release.Root}, all...)},
	})
}

// hostDiff is the work on one machine.
type hostDiff struct {
	s      Spec
	a      providers.Addr
	t      there
	wanted string
	c      providers.Change

	write  []Job
	remove []string
	words  []string // what becomes of which launcher, for people
}

func (d *hostDiff) change(f remote.Facts) providers.Change {
	d.c = providers.Change{Addr: d.a, Action: providers.NoOp, Before: providers.JSON(nil), After: providers.JSON(nil)}
	var why string
	if d.t, why = d.s.see(d.a.Host, f); why != "" {
		return d.problem(why)
	}
	d.states()
	d.jobs()
	d.gone()
	if d.c.Problem != "" {
		return d.problem(d.c.Problem)
	}
	if len(d.write)+len(d.remove) == 0 {
		d.c.Line = fmt.Sprintf("%d jobs", len(d.s.Jobs))
		if len(d.s.Jobs) == 1 {
			d.c.Line = "1 job"
		}
		return d.c
	}
	if why := d.unfit(f); why != "" {
		return d.problem(why)
	}
	d.c.Line = strings.Join(d.words, "\n")
	d.step()
	return d.c
}

func (d *hostDiff) problem(why string) providers.Change {
	d.c.Problem, d.c.Action, d.c.Line = why, providers.NoOp, "could not be planned"
	return d.c
}

func (d *hostDiff) blocked(format string, args ...any) {
	if d.c.Problem != "" {
		d.c.Problem += "\n"
	}
	d.c.Problem += fmt.Sprintf(format, args...)
}

// ours says whether a file there is a launcher of this block.
func (d *hostDiff) ours(name string) bool { return d.t.files[name].owner == d.s.owner() }

// states: what is there of this block, and what will be.
func (d *hostDiff) states() {
	before, after := state{Launchers: map[string]string{}}, state{Launchers: map[string]string{}, RunAs: d.s.RunAs}
	for name, x := range d.t.files {
		if d.ours(name) {
			before.Launchers[name] = short(x.sha)
			before.RunAs = d.t.wrote[name].user
		}
	}
	for _, j := range d.s.Jobs {
		after.Launchers[j.Name] = short(digest(d.s.text(j)))
	}
	d.c.Before, d.c.After = providers.JSON(before), providers.JSON(after)
	if len(before.Launchers) == 0 {
		d.c.Before = providers.JSON(nil)
	}
}

func short(sha string) string { return sha[:min(12, len(sha))] }

// jobs decides about each configured one.
func (d *hostDiff) jobs() {
	for _, j := range d.s.Jobs {
		x, is := d.t.files[j.Name]
		last, want := d.t.wrote[j.Name], digest(d.s.text(j))
		switch {
		case is && x.sha == "":
			d.blocked("%s on %s is not a file: it was made by hand. Move it away and plan again.", d.s.path(j.Name), d.a.Host)
			continue
		case is && x.owner == "" && last.sha == "":
			d.blocked("%s on %s is there, and is no launcher of shipctl's. Move it away (mv %s %s.before-shipctl) and plan again.",
				d.s.path(j.Name), d.a.Host, d.s.path(j.Name), d.s.path(j.Name))
			continue
		case is && x.owner != "" && x.owner != d.s.owner():
			d.blocked("%s on %s is the launcher of another batch (%s): give the job another name, or take it out there first.", d.s.path(j.Name), d.a.Host, x.owner)
			continue
		case !is && last.sha != "":
			d.words = append(d.words, "+ job "+j.Name+" (its launcher was removed by hand)")
		case !is:
			d.words = append(d.words, "+ job "+j.Name)
		case x.sha != last.sha:
			d.words = append(d.words, "~ job "+j.Name+" (its launcher was edited by hand)")
		case !x.runs:
			d.words = append(d.words, "~ job "+j.Name+" (its launcher can't be executed)")
		case x.sha != want || last.user != d.s.RunAs:
			d.words = append(d.words, "~ job "+j.Name)
		case d.t.pending[j.Name] != "" && d.t.pending[j.Name] == d.end():
			d.words = append(d.words, "~ job "+j.Name+" (an earlier command is in force with this release)")
		default:
			continue
		}
		d.write = append(d.write, j)
	}
}

// end is the release that is current in the end.
func (d *hostDiff) end() string {
	if d.wanted == "" {
		return d.t.current
	}
	return d.wanted
}

// gone are launchers of this block that the configuration does not have.
func (d *hostDiff) gone() {
	names := d.s.names()
	for _, name := range slices.Sorted(maps.Keys(d.t.files)) {
		if d.ours(name) && !slices.Contains(names, name) {
			d.remove = append(d.remove, name)
			d.words = append(d.words, "- job "+name)
		}
	}
}

// unfit names what the machine lacks for the step.
func (d *hostDiff) unfit(f remote.Facts) string {
	if why := remote.Lacks(f, d.a.Host, "sha256sum"); why != "" {
		return why
	}
	id := f.Get(remote.Identity(d.a.Host))
	lines := strings.Split(id.Text, "\n")
	if id.Sight == remote.Seen && d.s.RunAs != "" && !slices.Contains(lines, "uid 0") && !slices.Contains(lines, "user "+d.s.RunAs) {
		return fmt.Sprintf("only root can write launchers for %s on %s: set sudo = true for this host, or drop run_as.", d.s.RunAs, d.a.Host)
	}
	if len(d.write) > 0 {
		return remote.LacksUser(f, d.a.Host, d.s.RunAs)
	}
	return ""
}

// step: after the release is there, so that nothing is written for one that can't be, and before it is current, so that
// what is likely to fail has been done when it is. Until then jobs run with the command before: see write.sh.
func (d *hostDiff) step() {
	d.c.Action = providers.Update
	if string(d.c.Before) == "null" {
		d.c.Action = providers.Create
	}
	when := "now"
	if d.wanted != "" && d.wanted != d.t.current {
		when = "later"
	}
	var names []string
	undo := remote.Call{Script: scriptUnwrite, Args: []string{d.s.Release.Root}}
	add := func(name, sha string) {
		names = append(names, name)
		before := d.t.files[name].sha
		if before == "" {
			before = "-"
		}
		undo.Args = append(undo.Args, name, sha, before)
	}
	for _, j := range d.write {
		add(j.Name, digest(d.s.text(j)))
	}
	for _, name := range d.remove {
		add(name, "-")
	}
	release := providers.Addr{Ref: d.s.Release.Ref, Host: d.a.Host}
	d.c.Steps = []providers.Step{{
		ID: d.a.Step("launchers"), Host: d.a.Host, Title: title(d.write, d.remove), Limit: time.Minute,
		After: []providers.StepID{release.Step(providers.Publish)}, Before: []providers.StepID{release.Step(providers.Activate)},
		Do: d.s.call(when, d.write, d.remove), Undo: &undo,
	}}
}

// title names up to three jobs.
func title(write []Job, remove []string) string {
	names := make([]string, len(write))
	for i, j := range write {
		names[i] = j.Name
	}
	switch {
	case len(remove) == 0:
		return "write launchers of " + listed(names)
	case len(write) == 0:
		return "remove launchers of " + listed(remove)
	}
	return "write launchers of " + listed(names) + "; remove those of " + listed(remove)
}

func listed(names []string) string {
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}
