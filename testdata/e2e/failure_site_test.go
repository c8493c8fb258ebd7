package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
	"github.com/shipctl/shipctl/testdata/load"
)

var webs = []string{"web-1", "web-2"}

// runners are what each failure is tried with.
var runners = []string{"systemd", "process"}

// abrupt is S1's configuration with a short grace.
func abrupt(runner string, flags ...string) string {
	return service(`variable = "service_url"`, program(flags...)+fmt.Sprintf("\n  runner = %q\n  stop {\n    grace = \"2s\"\n  }", runner))
}

// failing is abrupt for a program that is not to become healthy: its deadline is soon over.
func failing(runner string, flags ...string) string {
	return strings.Replace(abrupt(runner, flags...), `deadline    = "20s"`, `deadline    = "4s"`, 1)
}

// fallen is abrupt for a program that is to crash: it stays down, however long it takes until somebody looks.
func fallen(runner string) string {
	down := "\n  systemd {\n    properties = { RestartSec = \"60\" }\n  }"
	return strings.Replace(abrupt(runner), "\n  runner = \"systemd\"", "\n  runner = \"systemd\""+down, 1)
}

// s1 is S1 with version 1 deployed and serving.
func s1(t *testing.T, runner string, flags ...string) *site {
	t.Helper()
	s := newSite(t, []string{"app-1", "web-1", "web-2"}, abrupt(runner, flags...))
	for _, w := range webs {
		s.m(w).WriteSite(fleet.SiteVariable(include, "service_url"))
	}
	s.deploy("1")
	return s
}

// nginxState is everything of nginx on a machine: its files to the byte, with mode, owner and time, and its workers.
func (s *site) nginxState(web string) string {
	s.t.Helper()
	serving, leaving := s.m(web).NginxWorkers()
	slices.Sort(serving)
	return s.nginxFiles(web) + fmt.Sprintf("serving %v, leaving %v", serving, leaving)
}

func (s *site) nginxFiles(web string) string {
	s.t.Helper()
	return s.m(web).Exec(`find /etc/nginx ! -type d -printf '%p %M %u %g %l %TY-%Tm-%Td %TT\n' | sort; find /etc/nginx -type f -exec sha256sum {} + | sort`)
}

// ran is what came of a command that runs beside the test.
type ran struct {
	out string
	err error
}

// between runs a line of shell on a machine right after the step with that verb, before the next one can begin: it
// waits for the step and then for the machine's step lock, which the step holds to its end. What it starts must not
// inherit the lock (9>&-). A step that never came in a test that failed is not waited for in the next one.
func (s *site) between(machine, verb, line string) <-chan ran {
	s.t.Helper()
	const state = "/var/lib/shipctl"
	m := s.m(machine)
	m.Exec("mkdir -p " + state + " && rm -f /tmp/between.over " + state + "/step.holder && touch " + state + "/step.lock")
	done, over := make(chan ran, 1), make(chan struct{})
	s.t.Cleanup(func() {
		if s.t.Failed() {
			_, _ = m.Try("touch /tmp/between.over")
			<-over
		}
	})
	go func() {
		defer close(over)
		out, err := m.Try(fmt.Sprintf(`n=0
until grep -q '/%s$' %s/step.holder 2>/dev/null; do n=$((n+1)); [ $n -lt 6000 ] && [ ! -e /tmp/between.over ] || exit 3; sleep 0.01; done
exec 9>>%s/step.lock
flock 9
%s`, verb, state, state, line))
		done <- ran{out, err}
	}()
	return done
}

// What is done between two steps.
const (
	who = `who() { ss -Hltnp 'sport = :8082' | sed -n 's/.*pid=\([0-9]*\).*/\1/p'; }` + "\n"
	// green is gone.
	untilCrashed = who + `kill -9 $(who); until [ -z "$(who)" ]; do sleep 0.02; done`
	// It crashed, and systemd has started it again.
	untilAnother = who + `old=$(who); kill -9 $old; until now=$(who); [ -n "$now" ] && [ "$now" != "$old" ]; do sleep 0.02; done`
	untilTold    = `n=0; until [ -e /tmp/go ]; do n=$((n+1)); [ $n -lt 1500 ] || exit 4; sleep 0.02; done; rm /tmp/go`
)

func (s *site) tell(machine string) { _, _ = s.m(machine).Try("touch /tmp/go") }

// hold keeps every step from beginning on machines, from right after app-1's start until release is called. (From the
// beginning would be too early: the lease is taken as a step is.)
func (s *site) hold(machines ...string) (release func()) {
	s.t.Helper()
	app := s.m("app-1")
	started := s.between("app-1", "start", "touch /tmp/here; "+untilTold)
	held := make(chan struct{})
	var ended []<-chan ran
	go func() {
		defer close(held)
		_, _ = app.Try("n=0; until [ -e /tmp/here ]; do n=$((n+1)); [ $n -lt 3000 ] || exit 1; sleep 0.02; done; rm /tmp/here")
		for _, name := range machines {
			m, done := s.m(name), make(chan ran, 1)
			go func() {
				out, err := m.Try("exec 9>>/var/lib/shipctl/step.lock; flock 9; touch /tmp/held; " + untilTold)
				done <- ran{out, err}
			}()
			ended = append(ended, done)
			_, _ = m.Try("until [ -e /tmp/held ]; do sleep 0.02; done; rm /tmp/held")
		}
		s.tell("app-1")
		<-started
	}()
	return func() {
		<-held
		for i, name := range machines {
			s.tell(name)
			<-ended[i]
		}
	}
}

// await returns what a line of shell between steps printed.
func (s *site) await(c <-chan ran) string {
	s.t.Helper()
	select {
	case r := <-c:
		if r.err != nil {
			s.t.Fatal(r.err)
		}
		return r.out
	case <-time.After(2 * time.Minute):
		s.t.Fatal("the step never came")
		return ""
	}
}

// fails is run that must exit with the code.
func (s *site) fails(code int, args ...string) string {
	s.t.Helper()
	r := s.run(args...)
	if r.code != code {
		s.t.Fatalf("shipctl %s: exit %d, want %d", strings.Join(args, " "), r.code, code)
	}
	return r.out
}

// undone applies a version that must fail and be undone.
func (s *site) undone(version string) string {
	s.t.Helper()
	return s.fails(6, "apply", "-auto-approve", "-detailed-exitcode", "-var", "version="+version)
}

// still checks that nothing was lost, and that only that version answered.
func (s *site) still(r load.Result, version string) {
	s.t.Helper()
	s.nothingLost(r)
	s.t.Logf("lag %s", r.Lag())
	for v, n := range r.Versions() {
		if v != version {
			s.t.Errorf("version %s answered %d requests", v, n)
		}
	}
}

// idle checks that nothing of ours is left in the slot on app-1: no process, no unit, no listener.
func (s *site) idle(slot string, port int) {
	s.t.Helper()
	out := s.m("app-1").Exec(fmt.Sprintf(`grep -lzs '^SHIPCTL=teatime/teatime/%s/' /proc/[0-9]*/environ
ls /etc/systemd/system/shipctl-teatime-teatime-%s.service 2>/dev/null
ss -Hltn 'sport = :%d'; true`, slot, slot, port))
	if out != "" {
		s.t.Errorf("left in %s:\n%s", slot, out)
	}
}

// pid is the process of the slot on app-1 that listens on the port.
func (s *site) pid(port int) string {
	s.t.Helper()
	out := s.m("app-1").Exec(fmt.Sprintf(`ss -Hltnp 'sport = :%d' | sed -n 's/.*pid=\([0-9]*\).*/\1/p' | head -n 1`, port))
	return strings.TrimSpace(out)
}
