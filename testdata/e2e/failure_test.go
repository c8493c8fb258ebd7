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

// TestCrashBeforeSwitch: a program that was healthy and crashes before the switch gets no request, and an answer that
// another process gives in its place is not its health.
func TestCrashBeforeSwitch(t *testing.T) {
	for _, runner := range runners {
		t.Run(runner, func(t *testing.T) {
			s := s1(t, runner)
			before := map[string]string{}
			for _, w := range webs {
				before[w] = s.nginxFiles(w)
			}
			stop := s.load(webs, "/?ms=300")
			t.Run("while it must stay healthy", func(t *testing.T) {
				s := s.with(t)
				s.write("main.hcl", failing(runner, "--crash-after=300ms"))
				s.has(s.undone("2"), `was not healthy within 4 s|ended before it was healthy`, `crashing, as told`)
			})
			s.write("main.hcl", failing(runner, "--crash-after=3s"))
			t.Run("before the check", func(t *testing.T) {
				s := s.with(t)
				gone := s.between("app-1", "health", untilFree)
				one, two := s.hold("web-1"), s.hold("web-2")
				go func() {
					<-gone
					one()
					two()
				}()
				s.has(s.undone("2"), `web-1 .*check that nginx accepts green … failed`, `http://10\.77\.\d+\.\d+:8082/profile gave status 000`)
			})
			t.Run("before the switch", func(t *testing.T) {
				s := s.with(t)
				gone := s.between("app-1", "health", untilFree)
				one, two := s.between("web-1", "check", untilTold), s.between("web-2", "check", untilTold)
				go func() {
					<-gone
					s.tell("web-1")
					s.tell("web-2")
				}()
				out := s.undone("2")
				s.await(one)
				s.await(two)
				s.has(out, `web-1 .*switch to green … failed`, `:8082 can't be reached from this machine any more`)
			})
			s.still(stop(), "1")
			s.idle("green", 8082)
			for _, w := range webs {
				if now := s.nginxFiles(w); now != before[w] {
					t.Errorf("%s: nginx was\n%s\nand is\n%s", w, before[w], now)
				}
			}
			s.write("main.hcl", failing(runner))
			s.settled("1")
		})
	}
}
