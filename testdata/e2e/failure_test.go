package e2e

import (
	"strings"
	"testing"
)

// TestNeverHealthy: at the deadline nothing of nginx has changed, the new slot is stopped, and the old one has served all
// the while.
func TestNeverHealthy(t *testing.T) {
	for _, runner := range runners {
		t.Run(runner, func(t *testing.T) {
			s := s1(t, runner)
			before := map[string]string{}
			for _, w := range webs {
				before[w] = s.nginxState(w)
			}
			old := s.pid(8081)
			s.write("main.hcl", failing(runner, "--unhealthy"))
			stop := s.load(webs, "/?ms=300")
			out := s.undone("2")
			s.fails(1, "apply", "-auto-approve", "-var", "version=2")
			s.still(stop(), "1")
			s.has(out, `not healthy within 4 s`, `GET /profile: 503 not healthy: told so`, `\| .*teatime 2 green: listening on .*8082`, `app-1`)
			for _, w := range webs {
				if now := s.nginxState(w); now != before[w] {
					t.Errorf("%s: nginx was\n%s\nand is\n%s", w, before[w], now)
				}
			}
			s.idle("green", 8082)
			if now := s.pid(8081); now != old || old == "" {
				t.Errorf("blue was pid %q and is %q", old, now)
			}
			if at := strings.TrimSpace(s.m("app-1").Exec("readlink /srv/teatime/current")); !strings.HasSuffix(at, "/1") {
				t.Errorf("current is %s", at)
			}
			s.write("main.hcl", failing(runner))
			s.settled("1")
		})
	}
}
