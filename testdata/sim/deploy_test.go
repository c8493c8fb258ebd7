package sim_test

import (
	"testing"
)

// TestDeploy: first deployment, three versions, each settled, nothing lost.
func TestDeploy(t *testing.T) {
	for name, c := range map[string]conf{
		"two and two": base(),
		"one machine, by variable": func() conf {
			c := base()
			c.Apps, c.Webs, c.Together, c.Upstream = 1, 0, true, false
			return c
		}(),
		"kept running": func() conf { c := base(); c.Previous = "running"; return c }(),
		"process":      func() conf { c := base(); c.Runner = "process"; return c }(),
	} {
		t.Run(name, func(t *testing.T) {
			r := &run{tb: t, shop: newShop(t), w: world(c), parallel: 4}
			c.Version = "41"
			r.apply(c)
			r.settled(c)
			r.w.Watch(c.routes(), drain, false)
			for _, v := range []string{"42", "43", "42"} {
				c.Version = v
				p := r.apply(c)
				t.Logf("\n%s", said(p))
				r.safe()
				r.settled(c)
				c.Version = ""
				r.settled(c)
			}
			if r.w.Requests() < 50 {
				t.Errorf("%d requests only", r.w.Requests())
			}
		})
	}
}
