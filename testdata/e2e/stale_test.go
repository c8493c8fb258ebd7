package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// staleCase is one fact that changes between plan and apply.
type staleCase struct {
	fact   string
	change func(s *site)
	want   string // of what apply says: machine, resource, fact, before and after
	back   func(s *site)
}

// on is a line of shell on a machine.
func on(machine, line string) func(*site) {
	return func(s *site) {
		s.t.Helper()
		s.m(machine).Exec(line)
	}
}

const unitOfGreen = "shipctl-teatime-teatime-green.service"

// staleCases: version 3 is live on green, release 1 is there too, and the plan is for version 2.
func staleCases() []staleCase {
	listening := `; until [ -n "$(ss -Hltn 'sport = :8082')" ]; do sleep 0.02; done`
	version := func(text string) func(*site) {
		return func(s *site) {
			s.t.Helper()
			name := filepath.Join(s.dir, "build", "teatime-2", "VERSION")
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return []staleCase{
		{
			"link", on("app-1", "ln -sfnT /srv/teatime/releases/1 /srv/teatime/current"),
			`app-1: release\.teatime: current: 3 → 1`, on("app-1", "ln -sfnT /srv/teatime/releases/3 /srv/teatime/current"),
		},
		{
			"include", on("web-1", "cp -p "+include+" /root/was; sed -i s/:8082/:8081/ "+include),
			`web-1: service\.teatime: nginx\.file: \["[0-9.]+:8082"\] → \["[0-9.]+:8081"\]`, on("web-1", "cp -p /root/was "+include),
		},
		{
			"port", func(s *site) { s.occupy("app-1", 8081) },
			`app-1: service\.teatime: held\.8081: \(none\) → pid \d+: python3 -m http\.server 8081`,
			on("app-1", `kill $(cat /tmp/other.pid); until [ -z "$(ss -Hltn 'sport = :8081')" ]; do sleep 0.02; done`),
		},
		{
			"PID", on("app-1", "old=$(systemctl show -P MainPID "+unitOfGreen+"); kill -9 $old; while kill -0 $old 2>/dev/null; do sleep 0.02; done"+listening),
			`app-1: service\.teatime: slots\.green\.pid: \d+ → \d+`, nil,
		},
		{
			"unit", on("app-1", "systemctl -q disable "+unitOfGreen),
			`app-1: service\.teatime: slots\.green\.unit: active enabled → active disabled`, on("app-1", "systemctl -q enable "+unitOfGreen),
		},
		{
			"release", on("app-1", "mv /srv/teatime/releases/1 /root/1"),
			`app-1: release\.teatime: releases: \["1","3"\] → \["3"\]`, on("app-1", "mv /root/1 /srv/teatime/releases/1"),
		},
		{
			"nginx", on("web-1", `systemctl restart nginx; until [ "$(pgrep -fc "[n]ginx: worker")" -ge "$(nproc)" ]; do sleep 0.02; done`),
			`web-1: service\.teatime: nginx\.master: \d+ → \d+`, nil,
		},
		{
			"artifact", version("other\n"),
			`app-1: release\.teatime: content of build/teatime-2: [0-9a-f]{12} → [0-9a-f]{12}`, version("2\n"),
		},
	}
}

// TestStalePlan: what a step rests on changes between plan and apply: refused with machine, fact, before and after, exit 5,
// and nothing was changed. What no step rests on does not make the plan stale.
func TestStalePlan(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"app-1", "web-1"}, service(`variable = "service_url"`, program()))
	s.m("web-1").WriteSite(fleet.SiteVariable(include, "service_url"))
	s.deploy("1")
	s.deploy("3")
	s.settled("3")
	for _, c := range staleCases() {
		t.Run(c.fact, func(t *testing.T) {
			s := s.with(t)
			s.ok("plan", "-out=the.plan", "-var", "version=2")
			c.change(s)
			app, web := s.m("app-1").Snapshot(), s.m("web-1").Snapshot()
			out := s.fails(5, "apply", "-detailed-exitcode", "the.plan")
			s.has(out, c.want, `Nothing was done\. What changed:`, `Plan again`)
			for _, d := range append(app.Diff(s.m("app-1").Snapshot()), web.Diff(s.m("web-1").Snapshot())...) {
				t.Errorf("the refusal changed %s", d)
			}
			if c.back != nil {
				c.back(s)
			}
		})
	}
	t.Run("what no step rests on", func(t *testing.T) {
		s := s.with(t)
		s.ok("plan", "-out=the.plan", "-var", "version=2")
		s.m("app-1").WriteFile("/usr/local/bin/date", "#!/bin/sh\nexec /bin/date -d '1 hour ago' \"$@\"\n", 0o755) // the clock: the kernel's is the fleet's
		s.m("app-1").Exec("dd if=/dev/zero of=/srv/room bs=1M count=64 2>/dev/null")                               // free space
		s.m("app-1").Exec(`mkdir -p /srv/other/releases/7 /var/lib/shipctl/projects/other
printf 'epoch 7\nid x\nwho y\nurl \nboot %s\nuntil 99999999999\nsince 2026\n' "$(cat /proc/sys/kernel/random/boot_id)" >/var/lib/shipctl/projects/other/lease
cd /srv/other/releases/7; SHIPCTL=other/api/blue/7/0123456789ab setsid python3 -m http.server 9100 </dev/null >/dev/null 2>&1 &
until [ -n "$(ss -Hltn 'sport = :9100')" ]; do sleep 0.02; done`) // another project: its lease, its files, its program
		out := s.ok("apply", "the.plan")
		if !strings.Contains(out, "Apply complete") && !strings.Contains(out, "done (") {
			t.Errorf("nothing was done:\n%s", out)
		}
		s.m("app-1").Exec(`[ -n "$(ss -Hltn 'sport = :9100')" ]`)
		s.settled("2")
		s.has(s.fails(5, "apply", "-detailed-exitcode", "the.plan"), `This plan was applied already, by run \d{8}T\d{6}Z\w+ of \S+@\S+ at 20\S+Z: done\.`)
	})
	t.Run("the clock, where a window is judged by it", func(t *testing.T) {
		s := s.with(t)
		night := time.Now().UTC().Add(12 * time.Hour)
		s.write("main.hcl", service(`variable = "service_url"`, program()+"\n  windows = [batch_window.night]")+fmt.Sprintf(`
batch_window "night" {
  before = "20m"

  cron "report" {
    schedule  = "%d %d * * *"
    time_zone = "UTC"
  }
}
`, night.Minute(), night.Hour()))
		s.m("app-1").Exec("rm -f /usr/local/bin/date")
		s.has(s.ok("plan", "-out=the.plan", "-var", "version=3"), `window night: open until`)
		for _, m := range []string{"app-1", "web-1"} {
			shift(s.m(m))
			s.clock(m, time.Now().Add(-time.Hour).Format(time.RFC3339))
		}
		s.has(s.ok("apply", "the.plan"), `switch to .* done \(`)
		s.settled("3")
	})
}
