package release

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/release/fetch"
	"github.com/shipctl/shipctl/providers/remote"
)

// state is a release's Before and After.
type state struct {
	Current  string   `json:"current,omitempty"` // ID, or the link's target where it is none of ours
	Releases []string `json:"releases"`          // IDs by time of publication
	// Removes says which releases may go, and why; those in use stay.
	Removes map[string]string `json:"removes,omitempty"`
	// Due are commands that should have run after the activation of what is live.
	Due []string `json:"due,omitempty"`
}

// want is what the configuration asks for, seen from the controller.
type want struct {
	ID       string
	Artifact Artifact
	Why      string // there is no artifact, because …
	Broken   bool   // there is one, which can't be sent
}

func (s Spec) want(f remote.Facts) want {
	w := want{ID: s.Version}
	switch s.Pin {
	case PinLive:
		return w
	case PinRecorded:
		w.Why = "it is an earlier one, of which nothing is sent: deploy it from its source again"
		return w
	}
	if remoteSource(s.Source) {
		var err error
		if w.Artifact, err = declared(s.Source, s.SHA256); err != nil {
			w.Why, w.Broken = fmt.Sprintf("the source %s: %v", shownSource(s.Source), err), true
		}
		return w
	}
	a := f.Get(s.artifact())
	var err error
	switch a.Sight {
	case remote.Seen:
		if w.Artifact, err = parseArtifact(a.Text); err != nil {
			w.Why = fmt.Sprintf("the source %s: %v", s.Source, err)
			w.Broken = true
		}
	case remote.Absent:
		w.Why = fmt.Sprintf("the source %s is not there: build it, or correct source or version", s.Source)
	case remote.Unreachable: // the controller looked itself
		w.Why, w.Broken = "the source can't be used: "+a.Why, true
	default:
		w.Why = fmt.Sprintf("the source can't be used: %s%s", a.Sight, because(a.Why))
		w.Broken = a.Sight != remote.NotAsked
	}
	if s.Pin == PinContent && w.Why == "" {
		w.ID = w.Artifact.ID()
	}
	return w
}

func diff(ref config.Ref, s Spec, f remote.Facts) []providers.Change {
	w := s.want(f)
	out := make([]providers.Change, 0, len(s.Hosts))
	before, after := []string{}, []string{}
	var hosts []*hostDiff
	for _, h := range s.Hosts {
		d := &hostDiff{s: s, w: w, a: providers.Addr{Ref: ref, Host: h.Name}}
		d.change(f)
		hosts = append(hosts, d)
		before, after = appendNew(before, d.from), appendNew(after, d.to)
	}
	together(s, hosts, f)
	for _, d := range hosts {
		d.users(f)
		out = append(out, d.c)
	}
	headline := strings.Join(after, ", ")
	if b := strings.Join(before, ", "); b != headline {
		headline = b + " → " + headline
	}
	for i := range out {
		out[i].Headline = headline
	}
	return out
}

func appendNew(to []string, s string) []string {
	if slices.Contains(to, s) {
		return to
	}
	return append(to, s)
}

// hostDiff is the work on one machine. from and to are what current is, for people.
type hostDiff struct {
	s        Spec
	w        want
	a        providers.Addr
	l        Look
	c        providers.Change
	from, to string
	// moves says that current changes, to a release that is there or that (publishes) comes now.
	moves, publishes bool
	after            state
}

// change looks at what is there and brings the release to the machine. What depends on other machines follows later.
func (d *hostDiff) change(f remote.Facts) {
	d.c = providers.Change{Addr: d.a, Action: providers.NoOp}
	var why string
	if d.l, why = d.s.see(d.a.Host, f); why != "" {
		d.from, d.to = "?", "?"
		d.problem(why)
		return
	}
	b := d.state()
	d.from = shown(b.Current)
	d.to = d.from
	d.c.Before, d.c.After = providers.JSON(b), providers.JSON(b)
	if why := d.inTheWay(); why != "" {
		d.c.Drift = []string{why}
		d.problem(why)
		return
	}
	if why := d.foreign(); why != "" {
		d.problem(why)
		return
	}
	d.drift(b)
	if d.s.Pin == PinLive {
		d.live(b, f.Get(providers.Serves(d.a.Host, d.s.Root)).Text)
		return
	}
	have, why := d.have()
	if why == "" {
		why = d.lacks(f, have)
	}
	if why != "" {
		d.problem(why)
		return
	}
	d.to = d.w.ID
	d.steps(b, have)
}

func (d *hostDiff) problem(why string) providers.Change {
	d.c.Problem = why
	if d.c.Before == nil {
		d.c.Before, d.c.After = providers.JSON(nil), providers.JSON(nil)
	}
	d.c.Line = "could not be planned"
	return d.c
}

func shown(current string) string {
	if current == "" {
		return "none"
	}
	return current
}

func (d *hostDiff) state() state {
	b := state{Current: d.l.CurrentID(d.s.Root), Releases: []string{}}
	if b.Current == "" {
		b.Current = d.l.Current.Target
	}
	for _, p := range d.l.Releases {
		b.Releases = append(b.Releases, p.ID)
	}
	b.Due = d.left()
	return b
}

// inTheWay: current is something that we neither made nor may replace.
func (d *hostDiff) inTheWay() string {
	link := d.s.within("current")
	switch d.l.Current.Kind {
	case "directory", "file":
		return fmt.Sprintf("%s on %s is a %s, not a symbolic link: it was made by hand. Move it away (mv %s %s.before-shipctl) and plan again.",
			link, d.a.Host, d.l.Current.Kind, link, link)
	case "odd":
		return fmt.Sprintf("%s on %s points to a name that can't be printed. Remove it and plan again.", link, d.a.Host)
	}
	return ""
}

// foreign: another project has published here. Two of them would move each other's current.
func (d *hostDiff) foreign() string {
	for _, p := range d.l.Releases {
		if p.Project != "" {
			return fmt.Sprintf("%s on %s belongs to another project: release %s there was published by %s. If the project was renamed, write project = %q again, or remove what is there under that name first (apply -destroy); otherwise give this release another root.",
				d.s.Root, d.a.Host, p.ID, p.Project, p.Project)
		}
	}
	return ""
}

// drift: current, or a release, is not as it was left.
func (d *hostDiff) drift(b state) {
	if d.w.ID == "" {
		return
	}
	if _, there := d.l.find(d.w.ID); !there {
		d.c.Drift = append(d.c.Drift, fmt.Sprintf("release %s is no longer in %s", d.w.ID, d.s.within("releases")))
	}
	if d.l.CurrentID(d.s.Root) != d.w.ID {
		d.c.Drift = append(d.c.Drift, fmt.Sprintf("%s points to %s, and release %s was activated", d.s.within("current"), orNothing(b.Current), d.w.ID))
	}
}

func orNothing(current string) string {
	if current == "" {
		return "nothing"
	}
	return current
}

// live keeps what is there. Where another release serves, a run was cut off before it moved current, and that is done now.
func (d *hostDiff) live(b state, serves string) {
	last, is := d.l.last(), d.l.CurrentID(d.s.Root)
	_, here := d.l.find(is)
	switch {
	case d.l.Current.Kind == "none" && len(d.l.Releases) == 0:
		d.problem(fmt.Sprintf("there is no release in %s on %s yet: say which one to deploy, as with -var version=…", d.s.Root, d.a.Host))
		return
	case d.l.Current.Kind == "none":
		d.problem(fmt.Sprintf("%s on %s is gone: say which one to deploy, as with -var version=…", d.s.within("current"), d.a.Host))
		return
	case is != "" && !here:
		d.c.Drift = append(d.c.Drift, fmt.Sprintf("release %s is no longer in %s", is, d.s.within("releases")))
		d.problem(fmt.Sprintf("%s on %s leads to release %s, which is not there any more: deploy it anew, or another one, as with -var version=%s.", d.s.within("current"), d.a.Host, is, is))
		return
	}
	if _, there := d.l.find(serves); there && is != "" && (is != serves && last == is || is == serves && last != "" && last != is) {
		d.w.ID, d.to = serves, serves
		d.steps(b, true)
		d.c.Line = fmt.Sprintf("release %s (it serves already, and current leads to %s)", serves, is)
		return
	}
	if last != "" && last != b.Current {
		d.problem(fmt.Sprintf("%s on %s points to %s, and release %s was activated last: somebody has moved it, or a run was cut off. Say which one is wanted, as with -var version=%s.",
			d.s.within("current"), d.a.Host, b.Current, last, last))
		return
	}
	d.c.Line = "release " + b.Current
	d.w.ID = is
	d.after = b
	d.after.Due = nil
}

// have says whether the wanted release is published, or why it can't be.
func (d *hostDiff) have() (published bool, why string) {
	w, host := d.w, d.a.Host
	if w.Broken || w.ID == "" {
		return false, w.Why + "."
	}
	p, ok := d.l.find(w.ID)
	switch {
	case !ok && w.Why != "":
		return false, fmt.Sprintf("release %s is not on %s yet, and %s.", w.ID, host, w.Why)
	case !ok && w.Artifact.Form == FormFile && slices.Contains(d.s.Shared, w.Artifact.Name):
		return false, fmt.Sprintf("the source is called %s, and so is something shared: leave it out of shared.", w.Artifact.Name)
	case !ok:
		return false, ""
	case p.SHA256 == "" && d.l.CurrentID(d.s.Root) == w.ID: // another tool's, which adopt describes: it is live already
		if w.Why == "" {
			d.c.Warnings = append(d.c.Warnings, fmt.Sprintf("release %s on %s was not published by shipctl: its content is not recorded, and was not compared with %s", w.ID, host, d.s.Source))
		}
		return true, ""
	case p.SHA256 == "":
		return false, fmt.Sprintf("%s on %s is there, but this project did not publish it: nothing is recorded of its content. Move it away or choose another version.",
			d.s.within("releases", w.ID), host)
	case w.Why == "" && p.SHA256 != w.Artifact.SHA256:
		return false, fmt.Sprintf("release %s on %s has other content: SHA-256 %s there, %s in %s. A release never changes: give the new content another version.",
			w.ID, host, p.SHA256, w.Artifact.SHA256, shownSource(d.s.Source))
	case w.Why == "" && p.Form == FormFile && p.Name != w.Artifact.Name:
		return false, fmt.Sprintf("release %s on %s holds this content as %s, and the source is called %s now. A release never changes: give it another version.",
			w.ID, host, p.Name, w.Artifact.Name)
	}
	return true, ""
}

// lacks names what the machine needs for the steps and does not have, as far as it was asked.
func (d *hostDiff) lacks(f remote.Facts, published bool) string {
	id := f.Get(remote.Identity(d.a.Host))
	if published || id.Sight != remote.Seen {
		return ""
	}
	need := [][2]string{{"sha256sum", "coreutils"}}
	if d.w.Artifact.Form != FormFile {
		need = append(need, [2]string{"tar", "tar"})
	}
	if d.w.Artifact.Form == FormTarGz {
		need = append(need, [2]string{"gzip", "gzip"})
	}
	lines := strings.Split(id.Text, "\n")
	for _, n := range need {
		if !slices.Contains(lines, "has "+n[0]) {
			return fmt.Sprintf("there is no %s on %s, which publishing a release needs: install the package %s.", n[0], d.a.Host, n[1])
		}
	}
	return ""
}

func (d *hostDiff) steps(b state, published bool) {
	id, art := d.w.ID, d.w.Artifact
	d.c.Line = "release " + id
	d.after = state{Current: id, Releases: slices.Clone(b.Releases)}
	if !published {
		d.publishes = true
		d.c.Action = providers.Create
		d.c.Line = fmt.Sprintf("release %s (%s)", id, d.extent())
		d.after.Releases = append(d.after.Releases, id)
		sent := slices.Contains(d.l.Ready, art.SHA256)
		if same := d.same(); !sent && same.ID != "" {
			d.c.Line = fmt.Sprintf("release %s (the content of %s)", id, same.ID)
			d.link(same)
		} else if !sent {
			d.upload()
		} else {
			d.c.Line = fmt.Sprintf("release %s (%s, sent already)", id, d.extent())
		}
		d.publish(!sent)
	}
	if last := d.l.last(); d.l.CurrentID(d.s.Root) != id || last != "" && last != id {
		d.moves = true
		if d.l.CurrentID(d.s.Root) == id {
			d.c.Action = providers.Update
			d.c.Line = fmt.Sprintf("release %s (current points to it already, and release %s was activated last)", id, last)
		} else if published {
			d.c.Action = providers.Update
			d.c.Line = fmt.Sprintf("release %s (there already)", id)
		}
	}
}

func (d *hostDiff) add(st providers.Step) {
	st.Host = d.a.Host
	d.c.Steps = append(d.c.Steps, st)
}

// extent is how much a release is, or where it comes from.
func (d *hostDiff) extent() string {
	if d.w.Artifact.Remote {
		return "from " + shownSource(d.s.Source)
	}
	return Size(d.w.Artifact.Size)
}

func (d *hostDiff) upload() {
	art := d.w.Artifact
	st := providers.Step{
		ID: d.a.Step("upload"), Title: fmt.Sprintf("upload %s, %s", art.Name, Size(art.Size)),
		// Ten minutes, and as long as it takes at 256 KiB a second.
		Limit: 10*time.Minute + time.Duration(art.Size/(256<<10))*time.Second,
		Do: remote.Call{
			Script: scriptUpload, File: d.s.Source, FileSHA256: art.SHA256, FileSize: art.Size,
			Args: []string{d.s.Root, d.s.key(), d.w.ID, art.SHA256, strconv.FormatInt(art.Size, 10), strconv.FormatInt(art.room(), 10)},
		},
	}
	if art.Remote {
		st.Title, st.Limit = fmt.Sprintf("upload %s from %s", art.Name, shownSource(d.s.Source)), fetch.Deadline+2*time.Hour
		st.Do.File, st.Do.FileSize = fetched(d.s.Source, art.SHA256), 0
		st.Do.Args = append(st.Do.Args[:4], "-", "-")
	}
	d.add(st)
}

// same is a release of another name whose content is what is wanted, and can be proved to be: of an archive the machine
// has what came out of it only.
func (d *hostDiff) same() Published {
	art := d.w.Artifact
	for _, p := range slices.Backward(d.l.Releases) {
		if art.Form == FormFile && p.Form == FormFile && p.SHA256 == art.SHA256 && p.Name != "" && !strings.Contains(p.Name, "/") {
			return p
		}
	}
	return Published{}
}

func (d *hostDiff) link(from Published) {
	art := d.w.Artifact
	d.add(providers.Step{
		ID: d.a.Step("upload"), Title: fmt.Sprintf("take %s from release %s", art.Name, from.ID), Limit: 10 * time.Minute,
		Do: remote.Call{Script: scriptLink, Args: []string{d.s.Root, d.s.key(), art.SHA256, from.ID, from.Name}},
	})
}

func (d *hostDiff) publish(sent bool) {
	art := d.w.Artifact
	paths := art.Paths
	if paths == "" {
		paths = "-" // an empty argument is easily lost
	}
	limit := 5*time.Minute + time.Duration(art.Unpacked/10e6)*time.Second
	if art.Remote {
		limit = time.Hour
	}
	st := providers.Step{
		ID: d.a.Step(providers.Publish), Title: "publish release " + d.w.ID,
		// Unpacking and writing to the disk, at 10 MB a second.
		Limit: limit,
		Do: remote.Call{
			Script: scriptPublish,
			Args:   append([]string{d.s.Root, d.s.key(), d.w.ID, art.SHA256, art.Form, art.Name, paths}, d.s.Shared...),
		},
	}
	if sent {
		st.After = []providers.StepID{d.a.Step("upload")}
	}
	d.add(st)
}

// Size prints bytes for people, in decimal units: 48.2 MB.
func Size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), 0
	for v >= 999.95 && unit < 4 {
		v /= 1000
		unit++
	}
	return fmt.Sprintf("%.1f %s", v, []string{"B", "kB", "MB", "GB", "TB"}[unit])
}
