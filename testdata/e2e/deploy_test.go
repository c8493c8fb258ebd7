package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
	"github.com/shipctl/shipctl/testdata/load"
)

// durations of the requests that deployments are run under.
var durations = []string{"/?ms=5", "/?ms=300", "/?ms=2000"}

// through deploys versions one after the other under load, and checks that none was lost and that the old version
// answers nothing that was begun after the last nginx machine has verified.
func through(t *testing.T, s *site, webs []string, path string, versions ...string) {
	t.Helper()
	for _, v := range versions {
		before := live(s, webs[0])
		stop := s.load(webs, path)
		deployed := timed(s, v)
		r := settle(stop)
		s.nothingLost(r)
		if rate := r.Rate(); rate < 150 || rate > 250 { // the first or the last one may be late
			t.Errorf("%.0f requests a second, not 200", rate)
		}
		if late := r.BegunAfter(before, deployed.verified); before != v && len(late) > 0 {
			t.Errorf("%d requests begun after the last nginx had verified were answered by version %s, the last %s later", len(late), before, late[len(late)-1].Sent.Sub(deployed.verified))
		}
		if r.Versions()[v] == 0 {
			t.Errorf("version %s never answered", v)
		}
	}
}

// settle lets requests in flight end and stops the load.
func settle(stop func() load.Result) load.Result { return stop() }

type deployed struct{ verified time.Time }

// timed deploys with -json and notes when the last switch was done.
func timed(s *site, version string) (d deployed) {
	s.t.Helper()
	for _, line := range strings.Split(s.deploy(version, "-json"), "\n") {
		e := event(line)
		if e.Type == "step_complete" && strings.Contains(e.Step.ID, "/switch") {
			if at, err := time.Parse(time.RFC3339Nano, e.Timestamp); err == nil && at.After(d.verified) {
				d.verified = at
			}
		}
	}
	if d.verified.IsZero() {
		s.t.Error("no switch was reported")
	}
	return d
}

// live is the version that answers through a machine's nginx.
func live(s *site, web string) string {
	s.t.Helper()
	out := s.m(web).Exec("curl -sS http://127.0.0.1/")
	_, rest, _ := strings.Cut(out, `"version":"`)
	v, _, ok := strings.Cut(rest, `"`)
	if !ok {
		s.t.Fatalf("no version in %q", out)
	}
	return v
}

// TestS1: one application machine, two nginx machines, the variable form.
func TestS1(t *testing.T) {
	s := newSite(t, []string{"app-1", "web-1", "web-2"}, service(`variable = "service_url"`, program("--boot=500ms", "--abrupt")))
	webs := []string{"web-1", "web-2"}
	for _, w := range webs {
		s.m(w).WriteSite(fleet.SiteVariable(include, "service_url"))
	}
	s.deploy("1")
	s.settled("1")
	for _, path := range durations {
		t.Run(strings.TrimPrefix(path, "/?"), func(t *testing.T) {
			s := s.with(t)
			through(t, s, webs, path, "2", "3", "2")
			s.settled("2")
			s.deploy("1")
		})
	}
}

// TestTwoApps: two application machines behind two nginx machines, the upstream form; also when app-1 is on blue and
// app-2 on green.
func TestTwoApps(t *testing.T) {
	s := newSite(t, []string{"app-1", "app-2", "web-1", "web-2"}, service(`upstream = "teatime"`, program("--boot=500ms", "--abrupt")))
	webs := []string{"web-1", "web-2"}
	for _, w := range webs {
		s.m(w).WriteSite(fleet.SiteUpstream(include, "teatime"))
	}
	s.deploy("1")
	s.settled("1")
	for _, path := range durations {
		t.Run(strings.TrimPrefix(path, "/?"), func(t *testing.T) {
			s := s.with(t)
			through(t, s, webs, path, "2", "3", "2")
			s.settled("2")
			s.deploy("1")
		})
	}
	t.Run("mixed", func(t *testing.T) {
		s := s.with(t)
		// app-2 joins late: it begins with blue while app-1 is on green.
		s.write("hosts.hcl", strings.Replace(s.hosts(`user = "deploy"`, `sudo = true`), `labels  = { role = "app" }`, `labels  = { role = "app", first = "yes" }`, 1))
		s.write("main.hcl", strings.ReplaceAll(service(`upstream = "teatime"`, program("--boot=500ms", "--abrupt")), `{ role = "app" }`, `{ first = "yes" }`))
		s.deploy("2")
		s.m("app-2").Exec("cd /etc/systemd/system && systemctl disable --now $(ls -d shipctl-*.service) && rm shipctl-*.service && systemctl daemon-reload")
		s.write("main.hcl", service(`upstream = "teatime"`, program("--boot=500ms", "--abrupt")))
		s.deploy("2")
		slots := map[string]bool{}
		for _, a := range []string{"app-1", "app-2"} {
			slots[strings.TrimSpace(s.m(a).Exec("systemctl list-units --plain --no-legend 'shipctl-*' | sed 's/.*teatime-teatime-\\([a-z]*\\).service.*/\\1/'"))] = true
		}
		if len(slots) != 2 {
			t.Fatalf("both machines are on the same slot: %v", slots)
		}
		s.settled("2")
		for _, path := range durations {
			through(t, s, webs, path, "3", "2")
		}
		s.settled("2")
	})
}

// TestS3: everything on one machine, the variable form, systemd. After a reboot the live slot serves and nothing is to
// be done.
func TestS3(t *testing.T) {
	hcl := strings.NewReplacer(`{ role = "app" }`, `{ role = "box" }`, `{ role = "web" }`, `{ role = "box" }`).Replace(service(`variable = "service_url"`, program("--boot=500ms", "--abrupt")))
	s := newSite(t, []string{"box-1"}, hcl)
	box := s.m("box-1")
	box.WriteSite(fleet.SiteVariable(include, "service_url"))
	s.deploy("1")
	s.settled("1")
	for _, path := range durations {
		t.Run(strings.TrimPrefix(path, "/?"), func(t *testing.T) {
			s := s.with(t)
			through(t, s, []string{"box-1"}, path, "2", "3", "2")
			s.settled("2")
			s.deploy("1")
		})
	}
	t.Run("reboot", func(t *testing.T) {
		s := s.with(t)
		s.deploy("2")
		box.Exec("systemctl enable nginx")
		box.Reboot()
		for range 300 {
			if out, _ := box.Try("curl -sS http://127.0.0.1/"); strings.Contains(out, `"version":"2"`) {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if v := live(s, "box-1"); v != "2" {
			t.Errorf("version %s answers after the reboot", v)
		}
		s.settled("2")
	})
}

// with is the site in a subtest.
func (s *site) with(t *testing.T) *site {
	t.Helper()
	s.fleet.Use(t)
	sub := *s
	sub.t = t
	return &sub
}

var _ = fmt.Sprint
