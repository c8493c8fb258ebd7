package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// byHand sets S1 up as people did before: a program started by a script with nohup, includes written by a script.
func byHand(s *site) (pid string) {
	s.t.Helper()
	app := s.m("app-1")
	app.CopyFile(teatime, "/opt/teatime/teatime", 0o755)
	app.WriteFile("/opt/teatime/start.sh", `#!/bin/sh
cd /opt/teatime
VERSION=old SLOT=prod1 nohup ./teatime --port=8081 >/tmp/teatime.log 2>&1 </dev/null &
`, 0o755)
	app.Exec("setpriv --reuid=teatime --regid=teatime --clear-groups /opt/teatime/start.sh")
	for range 100 {
		if pid = s.pid(8081); pid != "" {
			break
		}
		time.Sleep(50 * time.Millisecond) // nothing tells when a port opens
	}
	for _, w := range webs {
		s.m(w).WriteFile("/root/switch.sh", `#!/bin/sh
echo "set \$service_url http://$1:$2;" >`+include+`
`, 0o755)
		s.m(w).Exec("/root/switch.sh " + app.Addr + " 8081")
		s.m(w).StartNginx(fleet.SiteVariable(include, "service_url"))
	}
	for _, w := range webs {
		s.m(w).AgeNginx()
	}
	return pid
}

// TestMigration: a machine that was set up by hand as S1. Its program is named and left alone, and taken over on demand
// without losing a request.
func TestMigration(t *testing.T) {
	for _, runner := range runners {
		t.Run(runner, func(t *testing.T) {
			s := newSite(t, []string{"app-1", "web-1", "web-2"}, abrupt(runner, "--boot=500ms"))
			old := byHand(s)
			start := strings.TrimSpace(s.m("app-1").Exec("awk '{ print $22 }' /proc/" + old + "/stat"))
			out := s.fails(1, "plan", "-var", "version=1")
			s.has(out, `app-1 .*port 8081.*pid `+old+`: ./teatime --port=8081`, `-take-over=service\.teatime`, `This plan can't be applied`)
			s.has(s.fails(1, "apply", "-auto-approve", "-var", "version=1"), `port 8081.*pid `+old)
			s.has(s.fails(1, "plan", "-var", "version=1", "-take-over=service.other"), `there is no such resource`)
			if now := s.pid(8081); now != old {
				t.Fatalf("pid %s listens on 8081, it was %s", now, old)
			}
			plan := s.ok("plan", "-var", "version=1", "-take-over=service.teatime")
			s.has(plan, `stop pid `+old+`: ./teatime --port=8081.*taken over`, `live :8081 \(pid `+old+`, ./teatime --port=8081 *\) +→ +green :8082`)
			stop := s.load(webs, "/?ms=300")
			s.deploy("1", "-take-over=service.teatime")
			r := stop()
			s.nothingLost(r)
			if v := r.Versions(); v["old"] == 0 || v["1"] == 0 {
				t.Errorf("answered by %v", v)
			}
			if out, _ := s.m("app-1").Try(fmt.Sprintf("cut -d' ' -f 22 /proc/%s/stat", old)); strings.TrimSpace(out) == start {
				t.Errorf("pid %s is still there", old)
			}
			s.settled("1")
			through(t, s, webs, "/?ms=300", "2")
			s.settled("2")
		})
	}
	t.Run("in somebody else's unit", func(t *testing.T) {
		s := newSite(t, []string{"app-1", "web-1", "web-2"}, abrupt("systemd"))
		byHand(s)
		app := s.m("app-1")
		app.Exec("kill $(pidof teatime); while pidof teatime; do sleep 0.1; done; rm /tmp/teatime.log")
		// The script is a job of something that must survive the take-over: of cron, of sshd, of a CI agent.
		app.WriteFile("/etc/systemd/system/job.service", "[Service]\nType=exec\nExecStart=/bin/sh -c '/opt/teatime/start.sh; exec sleep 9999'\n[Install]\nWantedBy=multi-user.target\n", 0o644)
		app.Exec("systemctl enable --now --quiet job; until ss -Hltn 'sport = :8081' | grep -q .; do sleep 0.1; done")
		old := s.pid(8081)
		s.has(app.Exec("cat /proc/"+old+"/cgroup"), `job\.service`)
		s.deploy("1", "-take-over=service.teatime")
		if out := app.Exec("systemctl is-active job; systemctl is-enabled job"); out != "active\nenabled\n" {
			t.Errorf("job.service is %q", out)
		}
		s.settled("1")
	})
	t.Run("its own unit", func(t *testing.T) {
		s := newSite(t, []string{"app-1", "web-1", "web-2"}, abrupt("systemd"))
		byHand(s)
		app := s.m("app-1")
		app.Exec("kill $(pidof teatime); while pidof teatime; do sleep 0.1; done")
		app.WriteFile("/etc/systemd/system/old-teatime.service", "[Service]\nType=exec\nRestart=always\nRestartSec=100ms\nExecStart=/bin/sh -c '/opt/teatime/teatime --port=8081; :'\n[Install]\nWantedBy=multi-user.target\n", 0o644)
		app.Exec("systemctl enable --now --quiet old-teatime; until ss -Hltn 'sport = :8081' | grep -q .; do sleep 0.1; done")
		s.has(s.fails(1, "plan", "-var", "version=1"), `\(old-teatime\.service\)`)
		s.deploy("1", "-take-over=service.teatime")
		if out, _ := app.Try("systemctl is-active old-teatime; systemctl is-enabled old-teatime; true"); out != "inactive\ndisabled\n" && out != "failed\ndisabled\n" {
			t.Errorf("old-teatime.service is %q", out)
		}
		s.settled("1")
	})
}
