package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// TestRollback: with the previous slot stopped it is started, healthy, switched to; then everything is held there, also
// for a cron that applies the newest version, until somebody clears it. Nothing is lost on the way.
func TestRollback(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"app-1", "web-1", "web-2"}, service(`variable = "service_url"`, program("--boot=300ms")))
	webs := []string{"web-1", "web-2"}
	for _, w := range webs {
		s.m(w).WriteSite(fleet.SiteVariable(include, "service_url"))
	}
	if r := s.run("rollback", "-auto-approve"); r.code != 1 || !strings.Contains(r.out, "nothing to go back to") {
		t.Errorf("a rollback before the first deployment: exit %d", r.code)
	}
	s.deploy("1")
	s.deploy("2")
	stop := s.load(webs, "/?ms=5")
	s.ok("rollback", "-auto-approve")
	s.nothingLost(stop())
	if v := live(s, "web-1"); v != "1" {
		t.Errorf("version %s answers after the rollback", v)
	}
	held := s.ok("apply", "-auto-approve", "-var", "version=2")
	s.has(held, `service\.teatime is held at release 1`, `-clear-hold`, `No changes\.`)
	s.has(s.ok("plan"), `is held at release 1`)
	if v := live(s, "web-1"); v != "1" {
		t.Errorf("version %s answers after a cron's apply: it undid the rollback", v)
	}
	// what breaks meanwhile is repaired where it is held
	s.m("app-1").Exec("systemctl stop 'shipctl-*'")
	s.ok("apply", "-auto-approve", "-var", "version=2")
	if v := live(s, "web-1"); v != "1" {
		t.Errorf("version %s answers after a repair under the hold", v)
	}
	s.ok("apply", "-auto-approve", "-var", "version=2", "-clear-hold")
	if v := live(s, "web-1"); v != "2" {
		t.Errorf("version %s answers after -clear-hold", v)
	}
	s.settled("2")
	s.runs(t, "1", "2", "1", "1", "2")
	if r := s.run("rollback", "-auto-approve", "-to=7"); r.code != 1 || !strings.Contains(r.out, "no good release 7") {
		t.Errorf("a rollback to what never was: exit %d", r.code)
	}
}

// runs compares the history with the releases that were deployed.
func (s *site) runs(t *testing.T, releases ...string) {
	t.Helper()
	var h struct {
		Runs []struct {
			Outcome, Who string
			Ended        *time.Time
			Resources    []struct {
				Ref     struct{ Kind string }
				Release string
			}
		}
	}
	if err := json.Unmarshal([]byte(s.ok("history", "-json", "-limit=0")), &h); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range h.Runs {
		if r.Outcome != "done" || r.Ended == nil || r.Who == "" {
			t.Errorf("run %+v", r)
		}
		for _, a := range r.Resources {
			if a.Ref.Kind == "service" {
				got = append(got, a.Release)
			}
		}
	}
	if strings.Join(got, " ") != strings.Join(releases, " ") {
		t.Errorf("the history has releases %v, want %v", got, releases)
	}
}

// TestRollbackPlan: a rollback is reviewed and applied as any plan is. The command and the environment of then come back with
// it; a closed window refuses it, as it refuses what goes forward.
func TestRollbackPlan(t *testing.T) {
	t.Parallel()
	const closed = `
batch_window "day" {
  before = "20m"

  cron "report" {
    schedule  = "* * * * *"
    time_zone = "UTC"
  }
}
`
	then := program("--boot=300ms")
	now := program("--boot=400ms")
	hcl := s3env(service(`variable = "service_url"`, then), "then")
	s := newSite(t, []string{"app-1", "web-1"}, hcl)
	s.m("web-1").WriteSite(fleet.SiteVariable(include, "service_url"))
	s.deploy("1")
	s.write("main.hcl", s3env(service(`variable = "service_url"`, now+"\n  windows = [batch_window.day]"), "now")+closed)
	s.deploy("2", "-force-window=the test's")
	runs := func(want ...string) {
		t.Helper()
		got := s.m("app-1").Exec(fmt.Sprintf(`tr '\0' ' ' </proc/%[1]s/cmdline; echo; tr '\0' '\n' </proc/%[1]s/environ`, s.pid(map[string]int{"1": 8081, "2": 8082}[live(s, "web-1")])))
		s.has(got, want...)
	}
	runs(`--version=2 --boot=400ms`, `(?m)^ERA=now$`)

	s.ok("rollback", "-out=back.plan")
	before := s.m("app-1").Snapshot()
	s.has(s.ok("show", "back.plan"), `service\.teatime: 2 → 1`, `(?m)^ +\d+  web-1  switch to blue`)
	s.has(s.fails(3, "apply", "-detailed-exitcode", "back.plan"), `window day: closed`, `report`)
	s.has(s.fails(3, "rollback", "-auto-approve", "-detailed-exitcode"), `window day: closed`, `report`)
	for _, d := range before.Diff(s.m("app-1").Snapshot()) {
		if !strings.Contains(d, "/var/lib/shipctl/") {
			t.Errorf("a rollback that a window refuses changed %s", d)
		}
	}
	if v := live(s, "web-1"); v != "2" {
		t.Fatalf("version %s answers", v)
	}
	s.ok("apply", "-force-window=the test's", "back.plan")
	if v := live(s, "web-1"); v != "1" {
		t.Errorf("version %s answers after the rollback", v)
	}
	runs(`--version=1 --boot=300ms`, `(?m)^ERA=then$`)
	s.has(s.ok("plan"), `service\.teatime is held at release 1`)
	s.has(s.ok("history", "-limit=1"), `rollback: done`, `window forced: the test's`)

	open := strings.Replace(closed, `"* * * * *"`, fmt.Sprintf(`"0 %d * * *"`, time.Now().UTC().Add(12*time.Hour).Hour()), 1)
	s.write("main.hcl", s3env(service(`variable = "service_url"`, now+"\n  windows = [batch_window.day]"), "now")+open)
	s.deploy("2", "-clear-hold")
	s.has(s.ok("rollback", "-auto-approve"), `window day: open until`)
	if v := live(s, "web-1"); v != "1" {
		t.Errorf("version %s answers after a rollback through an open window", v)
	}
}

// s3env is the configuration with one more variable in the slots' environment.
func s3env(hcl, era string) string {
	return strings.NewReplacer(`{ SLOT = "blue" }`, fmt.Sprintf(`{ SLOT = "blue", ERA = %q }`, era), `{ SLOT = "green" }`, fmt.Sprintf(`{ SLOT = "green", ERA = %q }`, era)).Replace(hcl)
}

// TestRollbackCommon: the application machines have had different releases. The one that both have had is gone back to, and
// the history says what each of them came from.
func TestRollbackCommon(t *testing.T) {
	t.Parallel()
	hcl := service(`upstream = "teatime"`, program("--boot=300ms"))
	s := newSite(t, []string{"app-1", "app-2", "web-1"}, hcl)
	s.m("web-1").WriteSite(fleet.SiteUpstream(include, "teatime"))
	both := s.hosts(`user = "deploy"`, `sudo = true`)
	s.deploy("1")
	s.write("hosts.hcl", without(both, "app-2"))
	s.deploy("2") // app-1 alone
	s.write("hosts.hcl", both)
	s.deploy("3")
	s.has(s.ok("history", "-limit=1"), `service\.teatime on app-1, web-1 +2 +3 +done`, `service\.teatime on app-2 +1 +3 +done`)
	s.has(s.ok("rollback", "-auto-approve"), `service\.teatime: .*→ 1`)
	for _, app := range []string{"app-1", "app-2"} {
		if got := s.programs(app); got != "1" {
			t.Errorf("%s runs %s", app, got)
		}
	}
	for range 4 { // in turn
		s.serves("web-1", "1")
	}
}

// TestRollbackIsOneSwitch: while the previous slot runs, no request goes to the new version any more a second after the first step,
// by the median of three; nothing is sent, started or stopped (its health is looked at once), and nothing is lost. On a machine that is
// so slow that eight logins with sudo take longer than a second, that is how long it may take.
func TestRollbackIsOneSwitch(t *testing.T) {
	s := newSite(t, []string{"app-1", "web-1", "web-2"}, service(`variable = "service_url"`, program("--boot=300ms")+"\nrollout {\nprevious = \"running\"\n}"))
	webs := []string{"web-1", "web-2"}
	for _, w := range webs {
		s.m(w).WriteSite(fleet.SiteVariable(include, "service_url"))
	}
	s.deploy("1")
	limit := max(time.Second, 8*s.loginTakes("web-1"))
	var all []time.Duration
	for i := range 3 {
		s.ok("apply", "-auto-approve", "-clear-hold", "-var", "version=2")
		stop := s.load(webs, "/?ms=5")
		out := s.ok("rollback", "-auto-approve", "-json")
		r := stop()
		s.nothingLost(r)
		took := r.LastBegun("2").Sub(firstStep(t, out))
		t.Logf("rollback %d: traffic was on the old version %s after the first step", i+1, took)
		all = append(all, took)
		for _, id := range slices.Sorted(maps.Keys(stream(out).planned)) {
			if verb := id[strings.LastIndex(id, "/")+1:]; !slices.ContainsFunc([]string{"health", "check", "confirm", "switch", "activate", "drain"}, func(ok string) bool { return strings.HasPrefix(verb, ok) }) {
				t.Errorf("rollback %d has the step %s", i+1, id)
			}
		}
		if v := live(s, "web-2"); v != "1" {
			t.Fatalf("version %s answers", v)
		}
	}
	slices.Sort(all)
	if all[1] > limit {
		t.Errorf("traffic was on the old version %s after the first step, %s at most: of %v", all[1], limit, all)
	}
}

// loginTakes is the median of five logins with sudo.
func (s *site) loginTakes(machine string) time.Duration {
	s.t.Helper()
	var all []time.Duration
	for range 5 {
		begin := time.Now()
		if err := s.login(s.m(machine)); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, time.Since(begin))
	}
	slices.Sort(all)
	s.t.Logf("a login with sudo takes %s", all[2])
	return all[2]
}

// firstStep is when the first step began.
func firstStep(t *testing.T, stream string) time.Time {
	t.Helper()
	for line := range strings.Lines(stream) {
		if e := event(line); e.Type == "step_start" {
			at, err := time.Parse(time.RFC3339Nano, e.Timestamp)
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
	}
	t.Fatalf("no step:\n%s", stream)
	return time.Time{}
}

// TestRollbackHalfWay: runs that were cut off after the switch, or could not be undone. A rollback is a rollback from its
// first step on: a cron's apply finishes it, and so does a second one. After a deployment a rollback goes to what was good
// before it, and an apply without a version finishes it whole.
func TestRollbackHalfWay(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"app-1", "web-1"}, service(`variable = "service_url"`, program("--boot=300ms")))
	s.m("web-1").WriteSite(fleet.SiteVariable(include, "service_url"))
	for _, v := range []string{"1", "2", "3"} {
		s.deploy(v)
	}
	points := watch(t)
	s.env = append(s.env, points.env)
	fails := func(s *site, step, moment string, args ...string) string {
		s.t.Helper()
		points.at(func(p point) string {
			if strings.Contains(p.Step, step) && p.Moment == moment && !p.Undo {
				return "fail no"
			}
			return ""
		})
		defer points.at(nil)
		return s.fails(7, append(args, "-auto-approve", "-detailed-exitcode")...)
	}
	dies := func(s *site, step string, args ...string) {
		s.t.Helper()
		var cmd *exec.Cmd
		died := make(chan struct{})
		ready := make(chan struct{})
		points.at(once(point{Step: step, Moment: "after"}, func() string {
			<-ready
			_ = cmd.Process.Kill()
			close(died)
			return ""
		}))
		defer points.at(nil)
		cmd, _ = s.begin(append(args, "-auto-approve", "-lease=2s")...)
		close(ready)
		select {
		case <-died:
		case <-time.After(time.Minute):
			s.t.Fatalf("it did not come to %s", step)
		}
		_ = cmd.Wait()
	}
	is := func(s *site, version string) {
		s.t.Helper()
		if v := live(s, "web-1"); v != version {
			s.t.Errorf("version %s answers, want %s", v, version)
		}
	}
	t.Run("a rollback that was not undone", func(t *testing.T) {
		s := s.with(t)
		fails(s, "/stop-", "before", "rollback")
		is(s, "2")
		s.has(s.ok("rollback", "-out=back.plan"), `Going back with service\.teatime to release 2\.`)
		s.has(s.ok("plan", "-var", "version=3"), `service\.teatime is held at release 2`)
		said := s.fails(2, "drift")
		s.has(said, `\(rollback to release 2 by \S+, began \S+\) failed and was not undone: apply goes on from there`)
		if strings.Contains(said, "Changed on the machines") {
			t.Error("it is taken for what somebody changed")
		}
		s.deploy("3") // a cron's
		is(s, "2")
		s.ok("drift")
		s.has(s.deploy("3"), `No changes\.`)
	})
	t.Run("a hold that ends", func(t *testing.T) {
		s := s.with(t)
		fails(s, "/stop-", "before", "apply", "-clear-hold", "-var", "version=3")
		is(s, "3")
		s.deploy("3")
		is(s, "3")
		s.settled("3")
	})
	t.Run("a rollback that was cut off", func(t *testing.T) {
		s := s.with(t)
		dies(s, `service.teatime["web-1"]/switch`, "rollback")
		is(s, "2")
		s.has(s.ok("plan", "-var", "version=3"), `service\.teatime is held at release 2`)
		s.deploy("3", "-lock-timeout=30s")
		is(s, "2")
		s.ok("drift")
		s.deploy("3", "-clear-hold")
		s.settled("3")
	})
	t.Run("a deployment that was cut off, and a rollback", func(t *testing.T) {
		s := s.with(t)
		s.artifact("4")
		dies(s, `service.teatime["web-1"]/switch`, "apply", "-var", "version=4")
		is(s, "4")
		s.has(s.ok("rollback", "-auto-approve", "-lock-timeout=30s"), `Going back with service\.teatime to release 3\.`)
		is(s, "3")
		s.deploy("3", "-clear-hold")
	})
	t.Run("a deployment that was cut off, and no version", func(t *testing.T) {
		s := s.with(t)
		dies(s, `service.teatime["web-1"]/switch`, "apply", "-var", "version=4")
		s.ok("apply", "-auto-approve", "-lock-timeout=30s")
		is(s, "4")
		if to := strings.TrimSpace(s.m("app-1").Exec("readlink /srv/teatime/current")); !strings.HasSuffix(to, "releases/4") {
			t.Errorf("current leads to %s", to)
		}
		s.ok("drift")
		s.settled("4")
	})
	t.Run("a deployment that was not undone", func(t *testing.T) {
		s := s.with(t)
		s.artifact("5")
		fails(s, "/stop-", "before", "apply", "-var", "version=5")
		said := s.fails(2, "drift")
		s.has(said, `\(apply to release 5 by \S+, began \S+\) failed and was not undone`)
		if strings.Contains(said, "Changed on the machines") {
			t.Error("it is taken for what somebody changed")
		}
		s.has(s.ok("rollback", "-auto-approve"), `Going back with service\.teatime to release 4\.`)
		is(s, "4")
	})
	t.Run("what is live is asked for", func(t *testing.T) {
		s := s.with(t)
		s.deploy("4", "-clear-hold")
		s.ok("rollback", "-auto-approve", "-to=4")
		s.has(s.deploy("5"), `service\.teatime is held at release 4`, `No changes\.`)
	})
}
