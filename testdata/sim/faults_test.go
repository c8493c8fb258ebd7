package sim_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/testdata/sim"
)

// faultsOf are all that can go wrong with a step's Do, or its undoing.
func faultsOf(s providers.Step, undo bool) (out []sim.Fault) {
	script := s.Do.Script
	if undo {
		if s.Undo == nil {
			return nil
		}
		script = s.Undo.Script
	}
	for _, k := range sim.Kinds() {
		out = append(out, sim.Fault{Step: string(s.ID), Undo: undo, Kind: k})
	}
	for _, after := range []bool{false, true} {
		out = append(out, sim.Fault{Step: string(s.ID), Undo: undo, Kind: sim.Rebooted, Host: s.Host, After: after})
	}
	for _, p := range sim.Points(script) {
		out = append(out, sim.Fault{Step: string(s.ID), Undo: undo, Kind: sim.Half, Point: p}, sim.Fault{Step: string(s.ID), Undo: undo, Kind: sim.HalfKill, Point: p})
	}
	return out
}

// deployed is a world in which 41 runs and is watched. Where one release is kept, 40 goes with the next one.
func deployed(t tb, s shop, c conf) *run {
	t.Helper()
	r := &run{tb: t, shop: s, w: world(c)}
	for _, v := range []string{"40", "41"} {
		if c.Version = v; v == "41" || c.Keep == 1 {
			r.apply(c)
		}
	}
	r.w.Watch(c.routes(), drain, false)
	return r
}

// state is where everything is, without what only takes up room, and without the version before the last: it may have run
// on in the idle slot, which is cleared for good, and its jobs' commands are not needed any more.
func (r *run) state(c conf) string {
	out := strings.ReplaceAll(r.w.State(c.routes(), c.Root), " has 42", "")
	return regexp.MustCompile(` teatime/\w+ :\d+ runs 40/\S+ in \S+ \{\w+ \w+\},?|, pending \w+ 40\b`).ReplaceAllString(out, "")
}

// TestFaults: every step of a deployment with two application machines and two nginx machines, each fault at each of
// them. Whatever happens, requests are answered all the while; what is undone is as it was; and applying again comes to
// the same end as if nothing had happened.
func TestFaults(t *testing.T) {
	s := newShop(t)
	for _, previous := range []string{"stopped", "running"} {
		for _, runner := range []string{"systemd", "process"} {
			c := base()
			c.Previous, c.Runner, c.Keep, c.Hook = previous, runner, 1, true
			t.Run(previous+" "+runner, func(t *testing.T) { matrix(t, s, c) })
		}
	}
	s.cameToAll(t)
}

// TestFaultsWithJobs: the same with jobs on the release, whose launchers change with it.
func TestFaultsWithJobs(t *testing.T) {
	s, c := newShop(t), base()
	c.Keep, c.Jobs = 1, true
	matrix(t, s, c)
	s.cameToAll(t)
}

// TestFaultsOfRelease: the same of a release with retention, which no service runs.
func TestFaultsOfRelease(t *testing.T) {
	s, c := newShop(t), base()
	c.Webs, c.Keep, c.Bare = 0, 1, true
	matrix(t, s, c)
	s.cameToAll(t)
}

// cameToAll: at each of its points, each script that has some was killed at least once. A fault that is armed and never
// met would pass for one that does no harm.
func (s shop) cameToAll(t *testing.T) {
	t.Helper()
	some := false
	s.points.Range(func(point, met any) bool {
		if some = true; met == false {
			t.Errorf("no script was killed at %s", point)
		}
		return true
	})
	if !some {
		t.Error("no script was killed half way")
	}
}

// met remembers at which points scripts were to be killed, and whether they came to them.
func (r *run) met() {
	for point, met := range r.w.Points() {
		if _, known := r.points.LoadOrStore(point, met); known && met {
			r.points.Store(point, true)
		}
	}
}

func matrix(t *testing.T, s shop, c conf) {
	r := deployed(t, s, c)
	was := r.state(c)
	c.Version = "42"
	steps := r.apply(c).Steps()
	want := r.w.State(c.routes(), c.Root)
	if !slices.ContainsFunc(steps, func(s providers.Step) bool { return strings.HasSuffix(string(s.ID), "/prune") }) || strings.Contains(want, "has 40") {
		t.Fatalf("no old release goes: %s", want)
	}
	cases := 0
	for _, step := range steps {
		for _, f := range faultsOf(step, false) {
			t.Run(f.String(), func(t *testing.T) { faulty(deployed(t, s, c), t, c, was, want, f) })
			cases++
		}
	}
	t.Logf("%d steps, %d cases", len(steps), cases)
}

// faulty deploys 42 with faults, and again without.
func faulty(r *run, t *testing.T, c conf, was, want string, fs ...sim.Fault) {
	r.w.Break(fs...)
	out := r.execute(r.plan(c))
	if !r.w.Heal() && r.parallel <= 1 { // several at a time come in no order
		t.Errorf("it never came to %v", fs)
	}
	r.met()
	// Nobody starts a program again that ran without a unit: then another slot may be next.
	gone := c.Runner == "process" && slices.ContainsFunc(fs, func(f sim.Fault) bool { return f.Kind == sim.Rebooted && strings.HasPrefix(f.Host, "app-") })
	r.w.Pass(5) // what boots is up again
	if undone(out) && r.state(c) != was && !gone {
		t.Errorf("undone, but\n%swas\n%s", r.state(c), was)
	}
	r.apply(c)
	r.safe()
	r.settled(c)
	if got := r.w.State(c.routes(), c.Root); got != want && !gone {
		t.Errorf("ends in\n%swant\n%s", got, want)
	}
}

// undone says that the run failed and everything was put back.
func undone(o executor.Outcome) bool {
	if o.OK() || len(o.Left) > 0 {
		return false
	}
	for id, st := range o.States {
		if st == executor.Done && strings.Contains(string(id), "/stop-") {
			return false
		}
	}
	return true
}

// TestFaultsInUndo: the second nginx refuses, and then each undoing, one or several at a time, meets each
// fault.
func TestFaultsInUndo(t *testing.T) {
	s := newShop(t)
	c := base()
	r := deployed(t, s, c)
	was := r.state(c)
	c.Version = "42"
	p := r.apply(c)
	want := r.w.State(c.routes(), c.Root)
	cases := 0
	for _, first := range []string{"switch", "drain"} {
		cause := sim.Fault{Step: fmt.Sprintf(`service.teatime["web-2"]/%s`, first), Kind: sim.FailAfter}
		for _, step := range p.Steps() {
			if step.Final || first == "switch" && strings.Contains(string(step.ID), "/activate") {
				continue // it is never begun
			}
			for _, f := range faultsOf(step, true) {
				for _, parallel := range []int{1, 4} {
					t.Run(fmt.Sprintf("%s fails, %s, %d at a time", first, f, parallel), func(t *testing.T) {
						r := deployed(t, s, c)
						r.parallel = parallel
						faulty(r, t, c, was, want, cause, f)
					})
					cases++
				}
			}
		}
	}
	t.Logf("%d cases", cases)
	s.cameToAll(t)
}

// TestFaultsInGather: the nginx machines disagree and no slot is idle; then each step meets each fault.
func TestFaultsInGather(t *testing.T) {
	s := newShop(t)
	c := base()
	c.Previous = "running"
	apart := func(t tb) *run {
		r := &run{tb: t, shop: s, w: world(c)}
		for _, v := range []string{"40", "41"} {
			c := c
			c.Version = v
			r.apply(c)
		}
		n := r.w.Host("web-2").Nginx
		n.Write(include, "upstream teatime {\n server 10.0.0.11:8081;\n server 10.0.0.12:8081;\n}\n")
		n.Reload()
		r.w.Watch(c.routes(), drain, false)
		return r
	}
	c.Version = "42"
	p := apart(t).plan(c)
	if !strings.Contains(said(p), "gather-switch") {
		t.Fatalf("nothing is gathered:\n%s", said(p))
	}
	cases := 0
	for _, step := range p.Steps() {
		for _, f := range faultsOf(step, false) {
			t.Run(f.String(), func(t *testing.T) {
				r := apart(t)
				r.w.Break(f)
				r.execute(r.plan(c))
				r.w.Heal()
				r.met()
				r.w.Pass(5)
				r.apply(c)
				r.safe()
				r.settled(c)
			})
			cases++
		}
	}
	t.Logf("%d cases", cases)
	s.cameToAll(t)
}

// TestKilledThenOther: the controller is killed at each step, and then another version is wanted.
func TestKilledThenOther(t *testing.T) {
	s := newShop(t)
	for _, previous := range []string{"stopped", "running"} {
		c := base()
		c.Previous, c.Version = previous, "42"
		for _, step := range deployed(t, s, c).plan(c).Steps() {
			for _, other := range []string{"43", "41", ""} {
				t.Run(fmt.Sprintf("%s, %s, then %q", previous, step.ID, other), func(t *testing.T) {
					c := c
					r := deployed(t, s, c)
					r.w.Break(sim.Fault{Step: string(step.ID), Kind: sim.KillAfter})
					r.execute(r.plan(c))
					r.w.Heal()
					c.Version = other
					r.apply(c)
					r.safe()
					r.settled(c)
				})
			}
		}
	}
}
