package e2e

import (
	"strings"
	"testing"
)

// TestNeverHealthy: at the deadline nothing of nginx has changed, the new slot is stopped, and the old one has served all
// the while.
func TestNeverHealthy(t *testing.T) {
	t.Parallel()
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
			s.write("main.hcl", abrupt(runner))
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
			s.write("main.hcl", fallen(runner))
			t.Run("before the check", func(t *testing.T) {
				s := s.with(t)
				gone := s.between("app-1", "health", untilCrashed)
				release := s.hold(webs...)
				go func() {
					<-gone
					release()
				}()
				s.has(s.undone("2"), `web-1 .*check that nginx accepts green … failed`, `http://10\.77\.\d+\.\d+:8082/profile gave status 000`)
			})
			t.Run("before the switch", func(t *testing.T) {
				s := s.with(t)
				gone := s.between("app-1", "health", untilTold+"\n"+untilCrashed)
				one, two := s.between("web-1", "check", "true"), s.between("web-2", "check", "true")
				go func() {
					<-one
					<-two
					s.tell("app-1")
				}()
				out := s.undone("2")
				s.await(gone)
				s.has(out, `app-1 .*confirm that green still runs … failed`, `green \(release 2\) ended after it was healthy: pid \d+ is gone`)
			})
			s.write("main.hcl", abrupt(runner))
			if runner == "systemd" {
				t.Run("before the switch, and is up again", func(t *testing.T) {
					s := s.with(t)
					up := s.between("app-1", "health", untilAnother)
					release := s.hold(webs...)
					go func() {
						<-up
						release()
					}()
					s.has(s.undone("2"), `web-2 .*check that nginx accepts green`, `confirm that green still runs … failed`,
						`ended after it was healthy: pid \d+ is gone, and pid \d+ runs in its place\. No nginx was switched`)
				})
			}
			s.still(stop(), "1")
			s.idle("green", 8082)
			for _, w := range webs {
				if now := s.nginxFiles(w); now != before[w] {
					t.Errorf("%s: nginx was\n%s\nand is\n%s", w, before[w], now)
				}
			}
			s.write("main.hcl", abrupt(runner))
			s.settled("1")
		})
	}
}

// TestAnotherAnswers: health is the new process's own. Whoever else answers on the port is named, and not believed.
func TestAnotherAnswers(t *testing.T) {
	t.Parallel()
	s := s1(t, "systemd")
	addr := s.m("app-1").Addr
	// squat starts the example by hand, outside of any unit, with what is given of a marker.
	squat := func(marker, flags string) string {
		return `rm -f /tmp/squat.log; setsid env ` + marker + ` SLOT=green sh -c 'cd /srv/teatime/releases/1 && exec ./teatime --port=8082 --version=1 ` + flags + `' </dev/null >/tmp/squat.log 2>&1 9>&- &
until grep -qs listening /tmp/squat.log; do sleep 0.02; done; echo $!`
	}
	for _, c := range []struct {
		name, flags, squat string
		want               []string
		hcl                func(runner string, flags ...string) string
	}{
		{
			// The port is taken between the start and the program's own bind.
			"an old process of ours, of another release", "--boot=8s", squat("SHIPCTL=teatime/teatime/green/1/0123456789ab", ""),
			[]string{`port 8082 is answered by pid \d+ \(\./teatime .*--version=1.*\), which is not release 2 of slot green, but teatime/teatime/green/1/0123456789ab`, `address already in use`},
			abrupt,
		},
		{
			"the same release with other settings", "--boot=8s", squat("SHIPCTL=teatime/teatime/green/2/0123456789ab", ""),
			[]string{`which is not release 2 of slot green, but teatime/teatime/green/2/0123456789ab`},
			abrupt,
		},
		{
			// Ours listens, and is not healthy; the stranger has the address that is asked.
			"a stranger beside it", "--unhealthy --address=" + addr, squat("", "--address=127.0.0.1"),
			[]string{`port 8082 is answered by pid \d+ \(\./teatime .*--address=127.0.0.1 *\), which is not release 2 of slot green`},
			failing,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := s.with(t)
			s.write("main.hcl", c.hcl("systemd", strings.Fields(c.flags)...))
			stop := s.load(webs, "/?ms=5")
			started := s.between("app-1", "start", c.squat)
			out := s.undone("2")
			pid := strings.TrimSpace(s.await(started))
			s.still(stop(), "1")
			s.has(out, append(c.want, `not healthy within 4 s|ended before it was healthy`)...)
			strange := !strings.Contains(c.squat, "SHIPCTL=")
			if _, err := s.m("app-1").Try("kill -0 " + pid); strange && err != nil {
				t.Errorf("the stranger was stopped: %v", err)
			}
			s.m("app-1").Try("kill -9 " + pid)
			s.idle("green", 8082)
			s.write("main.hcl", abrupt("systemd"))
			s.settled("1")
		})
	}
}
