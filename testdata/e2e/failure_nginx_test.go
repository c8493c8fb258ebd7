package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// refusal is a way in which web-2's nginx does not take the switch. shell breaks it; repair undoes that.
type refusal struct {
	name, shell, repair string
	planned             string   // what a plan says that is made afterwards; "": it can't see it
	flags               []string // of apply
	want                string   // what the failed switch says
}

// site2 is where the fleet has its nginx site.
const site2 = "/etc/nginx/sites-enabled/teatime"

func refusals(appAddr string) []refusal {
	nobody := strings.ReplaceAll(fleet.SiteVariable(include, "service_url"), "include "+include, "set $service_url http://"+appAddr+":8081")
	return []refusal{
		{
			name: "a syntax error in another file", shell: "echo 'server { lisen 81; }' >/etc/nginx/conf.d/other.conf",
			repair:  "rm /etc/nginx/conf.d/other.conf",
			planned: `nginx does not accept the configuration that is on the disk now(.|\n)*unknown directive "lisen" in /etc/nginx/conf.d/other.conf:1`,
			want:    `nginx does not accept its configuration:(.|\n)*unknown directive "lisen" in /etc/nginx/conf.d/other.conf:1`,
		},
		{
			name:    "the file is included by nobody",
			shell:   fmt.Sprintf("cp -p %s /root/site && printf %%s '%s' >%s", site2, nobody, site2),
			repair:  "mv /root/site " + site2,
			planned: `no server of nginx includes ` + include,
			want:    `nobody includes ` + include,
		},
		{
			name:   "a port conflict that nginx -t does not see",
			shell:  "true",
			repair: "rm /etc/nginx/conf.d/admin.conf; kill $(cat /tmp/other.pid)",
			flags:  []string{"-allow-pending-nginx"},
			want:   `nginx did not take the reload(.|\n)*bind\(\) to 0.0.0.0:9090 failed`,
		},
	}
}

// TestSecondNginxRefuses: the first one is put back and drained, and nothing is lost.
func TestSecondNginxRefuses(t *testing.T) {
	s := s1(t, "systemd")
	for _, c := range refusals(s.m("app-1").Addr) {
		t.Run(c.name, func(t *testing.T) {
			s := s.with(t)
			if c.planned != "" {
				s.refusedEarly(c)
			} else {
				time.Sleep(3 * time.Second) // a change is told from a reload only when it is two seconds apart
				s.occupy("web-2", 9090)
				s.m("web-2").WriteFile("/etc/nginx/conf.d/admin.conf", "server { listen 9090; }\n", 0o644)
				s.has(s.fails(1, "plan", "-var", "version=2"), `web-2.*a reload would bring to life what others have changed.*admin.conf`)
			}
			s.refusedLate(c)
		})
	}
}

// refusedEarly: the plan says it; a plan that was made before is stale.
func (s *site) refusedEarly(c refusal) {
	s.t.Helper()
	s.ok("plan", "-var", "version=2", "-out=early.plan")
	before := s.nginxState("web-1")
	s.m("web-2").Exec(c.shell)
	s.has(s.fails(5, "apply", "-detailed-exitcode", "early.plan"), `stale`, `web-2: service.teatime: problem: \(none\) → `+c.planned)
	s.has(s.fails(1, "plan", "-var", "version=2"), `web-2`, c.planned)
	if now := s.nginxState("web-1"); now != before {
		s.t.Errorf("web-1: nginx was\n%s\nand is\n%s", before, now)
	}
	s.repair("web-2", c)
}

// refusedLate: it comes up after web-2's check, and web-1 has switched when web-2 refuses.
func (s *site) refusedLate(c refusal) {
	s.t.Helper()
	one, two := s.nginxFiles("web-1"), s.m("web-2").ReadFile(include)
	stop := s.load(webs, "/?ms=300")
	broken := s.between("web-2", "check", c.shell+"\n"+untilTold)
	go func() {
		for range 600 {
			if out, _ := s.m("web-1").Try("curl -sS http://127.0.0.1/"); strings.Contains(out, `"version":"2"`) {
				break
			}
			time.Sleep(50 * time.Millisecond) // there is no event for what nginx serves
		}
		s.tell("web-2")
	}()
	out := s.fails(6, append([]string{"apply", "-auto-approve", "-detailed-exitcode", "-var", "version=2"}, c.flags...)...)
	s.await(broken)
	r := stop()
	s.nothingLost(r)
	s.t.Logf("lag %s, versions %v", r.Lag(), r.Versions())
	if r.Versions()["2"] == 0 {
		s.t.Error("web-1 never switched: nothing had to be put back")
	}
	s.has(out, `web-2 .*switch to green … failed`, c.want, `web-1 .*switch to green … undone`, `nothing was cut off`, `start green on :8082 … undone`,
		`What had been begun and failed was undone`)
	if now := s.nginxFiles("web-1"); now != one {
		s.t.Errorf("web-1: nginx was\n%s\nand is\n%s", one, now)
	}
	if now := s.m("web-2").ReadFile(include); now != two {
		s.t.Errorf("web-2's include was %q and is %q", two, now)
	}
	for _, w := range webs {
		if _, leaving := s.m(w).NginxWorkers(); len(leaving) > 0 {
			s.t.Errorf("%s: earlier workers are left: %v", w, leaving)
		}
	}
	s.idle("green", 8082)
	s.repair("web-2", c)
	s.settled("1")
}

// repair ends what is broken, and has nginx read its configuration: what a person would do.
func (s *site) repair(web string, c refusal) {
	s.t.Helper()
	s.m(web).Exec(c.repair + "\nnginx -t -q && nginx -s reload")
	s.turnedOver(web)
}

// turnedOver waits until no worker of nginx leaves any more.
func (s *site) turnedOver(web string) {
	s.t.Helper()
	for range 200 {
		if _, leaving := s.m(web).NginxWorkers(); len(leaving) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Fatalf("%s: earlier workers are left", web)
}

// occupy lets a program that is not ours listen on a port; its PID is in /tmp/other.pid.
func (s *site) occupy(machine string, port int) {
	s.t.Helper()
	s.m(machine).Exec(fmt.Sprintf(`cd /tmp && { setsid python3 -m http.server %d </dev/null >/dev/null 2>&1 9>&- & echo $! >/tmp/other.pid; }
until [ -n "$(ss -Hltn 'sport = :%d')" ]; do sleep 0.02; done`, port, port))
}
