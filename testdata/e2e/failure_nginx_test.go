package e2e

import (
	"fmt"
	"slices"
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
	t.Parallel()
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
	s.m(web).Exec(c.repair)
	s.reload(web)
}

// reload has nginx read its configuration as anybody would, and waits until none of the workers that were there is left.
func (s *site) reload(web string) {
	s.t.Helper()
	m := s.m(web)
	before, leaving := m.NginxWorkers()
	before = append(before, leaving...)
	m.Exec("nginx -t -q && nginx -s reload")
	for range 1200 {
		now, leaving := m.NginxWorkers()
		if len(now) > 0 && len(leaving) == 0 && !slices.ContainsFunc(now, func(w string) bool { return slices.Contains(before, w) }) {
			return
		}
		time.Sleep(50 * time.Millisecond) // nothing tells when the earlier ones stop accepting
	}
	s.t.Fatalf("%s: nginx does not reload, or earlier workers are left", web)
}

// occupy lets a program that is not ours listen on a port; its PID is in /tmp/other.pid.
func (s *site) occupy(machine string, port int) {
	s.t.Helper()
	s.m(machine).Exec(fmt.Sprintf(`cd /tmp && { setsid python3 -m http.server %d </dev/null >/dev/null 2>&1 9>&- & echo $! >/tmp/other.pid; }
until [ -n "$(ss -Hltn 'sport = :%d')" ]; do sleep 0.02; done`, port, port))
}

// TestForeignReload: nginx is never alone with us.
func TestForeignReload(t *testing.T) {
	t.Parallel()
	s := s1(t, "systemd")
	for _, c := range []struct {
		name string
		run  func(*site)
	}{
		{"a worker killed between deployments", (*site).killedBetween},
		{"a worker killed during a deployment", (*site).killedDuring},
		{"a respawned worker serves the old file", (*site).respawnedOld},
		{"reloads between deployments", (*site).reloadedBetween},
		{"reloads during a deployment", (*site).reloadedDuring},
		{"reloads during a deployment that fails", (*site).reloadedFailing},
		{"a reload while the check has its file in place", (*site).reloadedInCheck},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := s.with(t)
			c.run(s)
			s.unchanged(live(s, "web-1"))
		})
	}
}

// unchanged: a plan sees nothing to do.
func (s *site) unchanged(version string) {
	s.t.Helper()
	s.has(s.fails(0, "plan", "-detailed-exitcode", "-var", "version="+version), `No changes\.`)
}

// other is a version that does not serve.
func (s *site) other() string {
	s.t.Helper()
	if live(s, "web-1") == "1" {
		return "2"
	}
	return "1"
}

// killWorker kills one of nginx's workers and waits for its successor. It prints when, in nanoseconds.
const killWorker = `p=$(pgrep -f 'nginx: worker process$' | head -n 1); date +%s%N; kill -9 $p
n=0; while kill -0 $p 2>/dev/null || ! pgrep -f 'nginx: worker process$' >/dev/null; do n=$((n+1)); [ $n -lt 200 ] || exit 5; sleep 0.02; done; date +%s%N`

func (s *site) killedBetween() {
	for _, w := range webs {
		s.m(w).Exec(killWorker)
	}
	s.unchanged(live(s, "web-1"))
	stop := s.load(webs, "/?ms=300")
	s.deploy(s.other())
	s.nothingLost(stop())
}

// killedDuring: requests that the killed worker had are lost with it, whoever deploys; no other is.
func (s *site) killedDuring() {
	stop := s.load(webs, "/?ms=5")
	kills := []<-chan ran{s.between("web-1", "check", killWorker), s.between("web-2", "switch", killWorker)}
	s.deploy(s.other())
	var spans [][2]time.Time
	for _, k := range kills {
		var a, b int64
		if _, err := fmt.Sscan(s.await(k), &a, &b); err != nil {
			s.t.Fatal(err)
		}
		spans = append(spans, [2]time.Time{time.Unix(0, a), time.Unix(0, b)})
	}
	r := stop()
	s.t.Logf("%s", r)
	for _, bad := range r.Bad() {
		its := false
		for _, k := range spans {
			its = its || bad.Sent.Before(k[1]) && bad.Done.After(k[0]) && bad.Status == 0
		}
		if !its {
			s.t.Errorf("lost, and not with a killed worker: sent %s, done %s: %s", bad.Sent.Format("05.000"), bad.Done.Format("05.000"), bad.Outcome())
		}
	}
	if n := r.Lost(); n > 50 { // two workers have fewer, on a slow machine too
		s.t.Errorf("%d requests were lost: more than two workers can have had", n)
	}
}

// respawnedOld: the file names a slot that nobody has loaded, and the worker is newer than the file.
func (s *site) respawnedOld() {
	m := s.m("web-1")
	m.Exec("sed -i 's/:8081/:8082/' " + include)
	m.Exec(killWorker)
	stop := s.load(webs, "/?ms=300")
	out := s.fails(2, "plan", "-detailed-exitcode")
	s.has(out, `web-1 .*switch to blue`)
	if strings.Contains(out, "stop blue") || strings.Contains(out, "start ") {
		s.t.Error("the plan touches the program that serves")
	}
	s.ok("apply", "-auto-approve")
	s.still(stop(), "1")
}

func (s *site) reloadedBetween() {
	for _, w := range webs {
		s.reload(w)
	}
	s.unchanged(live(s, "web-1"))
	stop := s.load(webs, "/?ms=300")
	s.deploy(s.other())
	s.nothingLost(stop())
	for _, w := range webs {
		s.reload(w)
	}
}

// reloads reloads the nginx of all machines over and over until stop is called; some must have worked. After a last one that
// is waited for, nothing of theirs is under way.
func (s *site) reloads() (stop func()) {
	s.t.Helper()
	var all []<-chan ran
	for _, w := range webs {
		done := make(chan ran, 1)
		m := s.m(w)
		m.Exec("rm -f /tmp/enough") // of one that had ended by itself
		go func() {
			out, err := m.Try("n=0; k=0; until [ -e /tmp/enough ] || [ $n -gt 100 ]; do nginx -s reload 2>/dev/null && k=$((k+1)); n=$((n+1)); sleep 0.3; done; rm -f /tmp/enough; echo $k")
			done <- ran{out, err}
		}()
		all = append(all, done)
	}
	return func() {
		for i, w := range webs {
			s.m(w).Exec("touch /tmp/enough")
			n := strings.TrimSpace(s.await(all[i]))
			s.t.Logf("%s: %s reloads", w, n)
			if n == "0" || n == "" {
				s.t.Errorf("%s: nobody reloaded nginx", w)
			}
			s.reload(w)
		}
	}
}

func (s *site) reloadedDuring() {
	stop := s.load(webs, "/?ms=300")
	enough := s.reloads()
	s.deploy(s.other())
	enough()
	s.nothingLost(stop())
}

func (s *site) reloadedFailing() {
	stop := s.load(webs, "/?ms=300")
	enough := s.reloads()
	const other = "/etc/nginx/conf.d/other.conf"
	broken := s.between("web-2", "check", "echo 'server { lisen 81; }' >"+other)
	out := s.undone("2")
	s.await(broken)
	s.m("web-2").Exec("rm " + other)
	enough()
	s.nothingLost(stop())
	s.has(out, `web-2 .*switch to green … failed`, `unknown directive "lisen"`)
	s.idle("green", 8082)
}

// reloadedInCheck: web-1's nginx reads the file that the check only tries, and web-2's check fails. Nobody may be left
// on the slot that is stopped then.
func (s *site) reloadedInCheck() {
	stop := s.load(webs, "/?ms=300")
	before := s.nginxFiles("web-1")
	release := s.hold("web-2")
	reloaded := make(chan ran, 1)
	m := s.m("web-1")
	go func() {
		out, err := m.Try("n=0; until grep -q :8082 " + include + "; do n=$((n+1)); [ $n -lt 100000 ] || exit 6; done; kill -HUP $(cat /run/nginx.pid)")
		reloaded <- ran{out, err}
	}()
	checked := s.between("web-1", "check", "true")
	go func() {
		<-checked
		_, _ = s.m("web-2").Try("echo 'server { lisen 81; }' >/etc/nginx/conf.d/other.conf")
		release()
	}()
	out := s.undone("2")
	s.await(reloaded)
	s.m("web-2").Exec("rm /etc/nginx/conf.d/other.conf")
	time.Sleep(time.Second) // some load on what was put back
	s.nothingLost(stop())
	s.has(out, `web-2 .*check that nginx accepts green … failed`)
	s.idle("green", 8082)
	if now := s.nginxFiles("web-1"); now != before {
		s.t.Errorf("web-1: nginx was\n%s\nand is\n%s", before, now)
	}
}
