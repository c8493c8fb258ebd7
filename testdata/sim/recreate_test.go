package sim_test

import (
	"testing"

	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/testdata/sim"
)

// batchServers are what recreate is for: without an nginx, behind one, on two machines.
func batchServers() map[string]conf {
	c := base()
	c.Recreate, c.Keep, c.Hook = true, 2, true
	alone, one, two := c, c, c
	alone.Apps, alone.Webs = 1, 0
	one.Apps, one.Webs, one.Runner = 1, 1, "process"
	two.Webs = 1
	return map[string]conf{"no nginx": alone, "one nginx": one, "two machines": two}
}

func recreated(t tb, s shop, c conf) *run {
	t.Helper()
	r := &run{tb: t, shop: s, w: world(c)}
	c.Version = "41"
	r.apply(c)
	r.w.Alone = true
	return r
}

// TestFaultsInRecreate: each step meets each fault. Never do two run at once; what is undone runs again as it did; and
// applying again comes to the same end.
func TestFaultsInRecreate(t *testing.T) {
	s := newShop(t)
	for name, c := range batchServers() {
		t.Run(name, func(t *testing.T) { recreateMatrix(t, s, c) })
	}
	s.cameToAll(t)
}

func recreateMatrix(t *testing.T, s shop, c conf) {
	r := recreated(t, s, c)
	was := r.state(c)
	c.Version = "42"
	steps := r.apply(c).Steps()
	r.settled(c)
	r.safe()
	want := r.w.State(c.routes(), c.Root)
	cases := 0
	for _, step := range steps {
		for _, f := range faultsOf(step, false) {
			t.Run(f.String(), func(t *testing.T) { faulty(recreated(t, s, c), t, c, was, want, f) })
			cases++
		}
		if step.Undo == nil || step.Do.Script == "nginx/check" || step.Do.Script == "nginx/switch" {
			continue
		}
		cause := sim.Fault{Step: string(steps[len(steps)-1].ID), Kind: sim.FailAfter}
		for _, f := range faultsOf(step, true) {
			t.Run("undone: "+f.String(), func(t *testing.T) { faulty(recreated(t, s, c), t, c, was, want, cause, f) })
			cases++
		}
	}
	t.Logf("%d steps, %d cases", len(steps), cases)
}

// TestRecreateNeverHealthy: the old release runs again, and nothing is left of the new one.
func TestRecreateNeverHealthy(t *testing.T) {
	s := newShop(t)
	for name, c := range batchServers() {
		t.Run(name, func(t *testing.T) {
			r := recreated(t, s, c)
			was := r.state(c)
			c.Version = "42"
			r.w.Unhealthy = func(release string) bool { return release == "42" }
			out := r.execute(r.plan(c))
			if out.OK() || len(out.Left) > 0 {
				t.Errorf("errors %v, left %v", out.Errors, out.Left)
			}
			for id, st := range out.States {
				if st == executor.NotDone {
					t.Errorf("%s is not undone", id)
				}
			}
			if now := r.state(c); now != was {
				t.Errorf("it was\n%sand is\n%s", was, now)
			}
			r.safe()
		})
	}
}

// TestToRecreate: from two slots to one, and back.
func TestToRecreate(t *testing.T) {
	s := newShop(t)
	for _, previous := range []string{"stopped", "running"} {
		t.Run(previous, func(t *testing.T) {
			c := base()
			c.Apps, c.Webs, c.Previous = 1, 1, previous
			r := deployed(t, s, c)
			c.Version = "42"
			r.apply(c)
			c.Version, c.Recreate, c.Previous = "43", true, "stopped"
			for range 2 {
				r.apply(c)
				r.settled(c)
				c.Version = "44"
			}
			c.Recreate = false
			r.apply(c)
			r.settled(c)
		})
	}
}
