package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// another puts release 1 in place of what runs in the slot of UNIT, with the marker of a start.
const another = `unit=UNIT
slot=${unit##*-}
slot=${slot%.service}
port=8081
[ "$slot" = blue ] || port=8082
systemctl stop "$unit"
cd /srv/teatime/releases/1 || exit 1
env -i SHIPCTL="teatime/teatime/$slot/1/0123456789ab" SLOT="$slot" setsid ./teatime --port="$port" --version=1 </dev/null >/dev/null 2>&1 &
until ss -Htln "sport = :$port" | grep -q .; do sleep 0.05; done`

// TestDrift: on a clean site nothing is found, without an artifact and without a version; each thing that somebody does to
// a machine is found and named, and apply puts it right.
func TestDrift(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"app-1", "web-1"}, service(`variable = "service_url"`, program()))
	s.m("web-1").WriteSite(fleet.SiteVariable(include, "service_url"))
	s.deploy("1")
	s.deploy("2")
	app, web := s.m("app-1"), s.m("web-1")
	clean := func(when string) {
		t.Helper()
		if r := s.run("drift"); r.code != 0 || !strings.Contains(r.out, "No drift.") {
			t.Fatalf("%s: exit %d", when, r.code)
		}
	}
	clean("after a deployment")
	unit := strings.TrimSpace(app.Exec("ls /etc/systemd/system | grep '^shipctl-teatime-teatime-.*service$'"))
	for _, c := range []struct {
		name, on, do, want string
		plan               bool // apply repairs it
	}{
		{"link moved by hand", "app-1", "ln -sfn /srv/teatime/releases/1 /srv/teatime/current", `release\.teatime\["app-1"\]: .*current.* 1\b.* 2\b`, true},
		{"include edited", "web-1", "sed -i 's/:808[12]/:9999/' " + include, `service-url\.inc was edited: it routes to .*:9999`, true},
		{"nginx not reloaded", "web-1", `sed -i 's/:8081/:X/; s/:8082/:8081/; s/:X/:8082/' ` + include, `nginx has not loaded .*service-url\.inc`, true},
		{"include gone", "web-1", "rm " + include, `service-url\.inc is gone`, true},
		{"slot killed", "app-1", "systemctl stop UNIT", `nothing of it runs`, true},
		{"slot runs another release", "app-1", another, `slot \w+ \(pid \d+\) runs release 1, and 2 was deployed`, true},
		{"unit edited", "app-1", "echo '# mine' >>/etc/systemd/system/UNIT", `the unit of slot \w+ was changed by hand`, true},
		{"unit edited and the program restarted", "app-1", "sleep 3; sed -i 's/^KillMode.*/Nice=5/' /etc/systemd/system/UNIT; systemctl daemon-reload; systemctl restart UNIT", `the unit of slot \w+ was changed by hand.*may have been started with it`, true},
		{"unit edited, the program restarted, and edited once more", "app-1", "sed -i 's/^KillMode.*/Nice=5/' /etc/systemd/system/UNIT; systemctl daemon-reload; systemctl restart UNIT; sleep 3; echo '# mine' >>/etc/systemd/system/UNIT", `the unit of slot \w+ was changed by hand.*may have been started with it`, true},
		{"unit edited, the program restarted, and the unit put back", "app-1", "cp -p /etc/systemd/system/UNIT /tmp/unit; sleep 2; sed -i 's/^KillMode.*/Nice=5/' /etc/systemd/system/UNIT; systemctl daemon-reload; systemctl restart UNIT; cp -p /tmp/unit /etc/systemd/system/UNIT; systemctl daemon-reload", `the unit of slot \w+ was changed by hand: .* was changed and put back; the program may have been started with it`, true},
		{"unit gone", "app-1", "rm /etc/systemd/system/UNIT", `the unit of slot \w+ was changed by hand: UNIT is gone`, true},
		{"unit with a drop-in", "app-1", "mkdir -p /run/systemd/system/UNIT.d; printf '[Service]\\nNice=5\\n' >/run/systemd/system/UNIT.d/x.conf", `x\.conf changes it`, false},
		{"unit not enabled", "app-1", "systemctl disable UNIT", `not enabled`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := s.with(t)
			s.m(c.on).Exec(strings.ReplaceAll(c.do, "UNIT", unit))
			r := s.run("drift")
			if r.code != 2 {
				t.Errorf("exit %d", r.code)
			}
			s.has(r.out, strings.ReplaceAll(c.want, "UNIT", unit))
			main := func() string { return app.Exec("systemctl show -p MainPID --value " + unit) }
			pid := main()
			if !c.plan {
				app.Exec("sed -i '/# mine/d' /etc/systemd/system/" + unit + "; rm -rf /run/systemd/system/" + unit + ".d; systemctl daemon-reload")
			}
			out := s.ok("apply", "-auto-approve", "-var", "version=2")
			if c.name == "unit edited" || c.name == "unit gone" {
				s.has(out, `write the unit of \w+ again`)
				if now := main(); now != pid {
					t.Errorf("pid %s before, %s now", pid, now)
				}
			}
			if out := app.Exec("ls /etc/systemd/system | grep '^shipctl-teatime-teatime-.*service$' || true"); out != "" {
				unit = strings.TrimSpace(out)
			}
			clean("after apply")
		})
	}
	t.Run("deleted directory", func(t *testing.T) {
		s := s.with(t)
		app.Exec("mv /srv/teatime/releases/2 /tmp/was && cp -a /tmp/was /srv/teatime/releases/2 && rm -rf /tmp/was")
		r := s.run("drift")
		s.has(r.out, `runs in a directory that was deleted`)
		if r.code != 2 {
			t.Errorf("exit %d", r.code)
		}
	})
	t.Run("accepted", func(t *testing.T) {
		s := s.with(t)
		s.edit("main.hcl", `project = "teatime"`, "project = \"teatime\"\n  ignore_drift \"service.teatime\" {\n    match  = \"deleted\"\n    reason = \"the disk was moved\"\n    until  = \"2999-12-31\"\n  }")
		r := s.run("drift")
		s.has(r.out, `accepted: the disk was moved`)
		if r.code != 0 {
			t.Errorf("exit %d", r.code)
		}
		s.edit("main.hcl", "2999-12-31", "2020-12-31")
		r = s.run("drift")
		s.has(r.out, `ended with 2020-12-31`)
		if r.code != 2 {
			t.Errorf("an expired rule: exit %d", r.code)
		}
	})
	t.Run("not applied yet", func(t *testing.T) {
		s := s.with(t)
		s.deploy("3") // out of the deleted directory
		clean("after another deployment")
		s.edit("main.hcl", `run_as  = "teatime"`, "run_as  = \"teatime\"\n  env = { NEW = \"yes\" }")
		r := s.run("drift")
		s.has(r.out, `In the configuration, not applied yet`)
		if r.code != 2 || strings.Contains(r.out, "Changed on the machines") {
			t.Errorf("exit %d", r.code)
		}
		s.deploy("3")
		clean("after it was applied")
	})
	t.Run("an apply takes nothing for granted", func(t *testing.T) {
		s := s.with(t)
		app.Exec("ln -sfn /srv/teatime/releases/2 /srv/teatime/current")
		for _, command := range [][]string{{"plan"}, {"apply", "-auto-approve"}} {
			r := s.run(command...)
			s.has(r.out, `/srv/teatime/current on app-1 points to 2, and release 3 was activated last`)
			if r.code != 1 {
				t.Errorf("%s: exit %d", command[0], r.code)
			}
		}
		if r := s.run("drift"); r.code != 2 || !strings.Contains(r.out, "points to 2") {
			t.Errorf("drift afterwards: exit %d", r.code)
		}
		s.deploy("3")
		clean("after it was put back")
		if v := strings.TrimSpace(app.Exec("readlink /srv/teatime/current")); !strings.HasSuffix(v, "/3") {
			t.Errorf("current points to %s", v)
		}
	})
	t.Run("unreachable", func(t *testing.T) {
		s := s.with(t)
		web.Exec("systemctl stop ssh.socket ssh.service 2>/dev/null; sleep 0.2; true")
		app.Exec("ln -sfn /srv/teatime/releases/1 /srv/teatime/current")
		r := s.run("drift")
		s.has(r.out, `web-1 could not be asked`, `release\.teatime\["app-1"\]: .*current`)
		if r.code != 1 {
			t.Errorf("exit %d", r.code)
		}
		var types []string
		for _, line := range strings.Split(s.run("drift", "-json").out, "\n") {
			var e struct{ Type string }
			if json.Unmarshal([]byte(line), &e) == nil {
				types = append(types, e.Type)
			}
		}
		if all := strings.Join(types, " "); !strings.Contains(all, "resource_drift") || !strings.Contains(all, "diagnostic") {
			t.Errorf("-json gives %s", all)
		}
	})
}

// TestPrune: what the configuration dropped is named by plan and drift and left alone, until -prune; what nginx still uses
// is not removed. -destroy takes the rest.
func TestPrune(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"app-1", "web-1"}, service(`variable = "service_url"`, program()))
	web, app := s.m("web-1"), s.m("app-1")
	web.WriteSite(fleet.SiteVariable(include, "service_url"))
	s.deploy("1")
	main := s.read("main.hcl")
	s.write("main.hcl", "shipctl {\n  project = \"teatime\"\n}\nrelease \"other\" {\n  hosts   = [host.app-1, host.web-1]\n  root    = \"/srv/other\"\n  source  = \"build/teatime-1\"\n  version = \"1\"\n}\n")
	r := s.run("apply", "-auto-approve")
	s.has(r.out, `app-1: service\.teatime was put there by an earlier apply.*-prune removes it`)
	if r := s.run("drift"); r.code != 2 || !strings.Contains(r.out, "Not in the configuration any more") {
		t.Errorf("drift: exit %d", r.code)
	}
	if r := s.run("plan", "-prune"); r.code != 1 || !strings.Contains(r.out, "nginx still uses") {
		t.Errorf("plan -prune while nginx routes there: exit %d", r.code)
	}
	web.Exec("rm -f /etc/nginx/sites-enabled/*")
	s.reload("web-1")
	s.ok("apply", "-auto-approve", "-prune")
	if out := app.Exec("ls /etc/systemd/system | grep shipctl-teatime || true; ls /srv/teatime/releases 2>/dev/null || true; pgrep -x teatime || true"); strings.TrimSpace(out) != "" {
		t.Errorf("left on app-1: %s", out)
	}
	if out := web.Exec("ls " + include + " 2>/dev/null || true"); out != "" {
		t.Errorf("left on web-1: %s", out)
	}
	if r := s.run("plan", "-detailed-exitcode", "-prune"); r.code != 0 {
		t.Errorf("a plan after it: exit %d", r.code)
	}
	if r := s.run("drift"); r.code != 0 {
		t.Errorf("drift after it: exit %d", r.code)
	}
	s.ok("apply", "-auto-approve", "-destroy")
	if out := app.Exec("ls /srv/other/releases /srv/other/current 2>/dev/null || true"); strings.TrimSpace(out) != "" {
		t.Errorf("left by -destroy: %s", out)
	}
	s.write("main.hcl", main)
	web.WriteSite(fleet.SiteVariable(include, "service_url"))
	s.deploy("1", "-allow-pending-nginx")
	s.settled("1")
}

func (s *site) read(name string) string {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(raw)
}

// edit replaces the first occurrence of a text in a file of the configuration.
func (s *site) edit(name, old, new string) {
	s.t.Helper()
	text := s.read(name)
	if !strings.Contains(text, old) {
		s.t.Fatalf("%s has no %q", name, old)
	}
	s.write(name, strings.Replace(text, old, new, 1))
}
