package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// TestFirstWeek is what a team meets in its first week. The subtests of a fleet follow one another on it: each begins
// with a service that serves and nothing left to do.
func TestFirstWeek(t *testing.T) {
	t.Parallel()
	t.Run("Apps", firstWeekApps)
	t.Run("Box", firstWeekBox)
	t.Run("Bare", firstWeekBare)
}

// carefully does something under load and checks that nothing was lost by it.
func (s *site) carefully(webs []string, do func()) {
	s.t.Helper()
	stop := s.load(webs, "/?ms=300")
	do()
	s.nothingLost(stop())
}

// refused is a call that must fail with 1 and say why.
func (s *site) refused(args []string, patterns ...string) string {
	s.t.Helper()
	r := s.run(args...)
	if r.code != 1 {
		s.t.Errorf("shipctl %s: exit %d, not 1", strings.Join(args, " "), r.code)
	}
	s.has(r.out, patterns...)
	return r.out
}

func apply(version string, more ...string) []string {
	return append([]string{"apply", "-auto-approve", "-var", "version=" + version}, more...)
}

// answer is who answers at an URL: the example program's JSON.
type answer struct {
	Version, Slot string
	PID           int
}

func (s *site) ask(machine, rest string) (a answer) {
	s.t.Helper()
	c := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get("http://" + s.m(machine).Addr + rest)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(b, &a) != nil {
		s.t.Fatalf("%s%s: %d: %v: %.200q", machine, rest, r.StatusCode, err, b)
	}
	return a
}

// serves checks which version answers.
func (s *site) serves(machine, version string) {
	s.t.Helper()
	if a := s.ask(machine, "/"); a.Version != version {
		s.t.Errorf("%s: version %s answers, not %s", machine, a.Version, version)
	}
}

// programs are the versions of the example program that run on a machine.
func (s *site) programs(machine string) string {
	s.t.Helper()
	out := s.m(machine).Exec(`for p in /proc/[0-9]*; do tr '\0' '\n' <$p/environ 2>/dev/null | sed -n 's/^SHIPCTL_RELEASE=//p'; done | sort -u`)
	return strings.Join(strings.Fields(out), " ")
}

// swap writes main.hcl with texts replaced; each must be there.
func (s *site) swap(hcl string, oldnew ...string) string {
	s.t.Helper()
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(hcl, oldnew[i]) {
			s.t.Fatalf("%q is not in the configuration", oldnew[i])
		}
	}
	hcl = strings.NewReplacer(oldnew...).Replace(hcl)
	s.write("main.hcl", hcl)
	return hcl
}

// without takes a host's block out of hosts.hcl.
func without(hosts, name string) string {
	return regexp.MustCompile(`(?s)host "`+name+`" \{.*?\n\}\n`).ReplaceAllString(hosts, "")
}

// firstWeekApps: two application machines behind one nginx, the upstream form.
func firstWeekApps(t *testing.T) {
	hcl := service(`upstream = "teatime"`, program("--boot=200ms"))
	s := newSite(t, []string{"app-1", "app-2", "web-1"}, hcl)
	webs := []string{"web-1"}
	hosts := s.hosts(`user = "deploy"`, `sudo = true`)
	s.m("web-1").WriteSite(fleet.SiteUpstream(include, "teatime"))
	step := func(name string, do func(s *site)) {
		t.Run(name, func(t *testing.T) { do(s.with(t)) })
	}
	step("FirstDeploymentFails", func(s *site) {
		s.swap(hcl, `url = "http://127.0.0.1/profile"`, `url = "http://127.0.0.1/profile"
      status = [204]`)
		s.refused(apply("1"), `(?i)nginx is down: it is started`, `status 200.*expected status 204`, `is as it was, and nginx is down again`)
		s.m("web-1").Exec("! test -e " + include)
		s.m("web-1").Exec("! pgrep nginx")
		for _, a := range []string{"app-1", "app-2"} {
			if p := s.programs(a); p != "" {
				s.t.Errorf("%s: release %s was left running", a, p)
			}
		}
	})
	step("FirstDeployment", func(s *site) {
		s.write("main.hcl", hcl)
		s.has(s.deploy("1"), `nginx is down: it is started`, `upstream teatime \(none\) → `)
		s.serves("web-1", "1")
		s.settled("1")
	})
	step("MigrationFails", func(s *site) {
		s.swap(hcl, `run_as  = "teatime"`, `run_as  = "teatime"
  before_start "migrate" {
    command = ["/bin/sh", "-c", "echo adding a column; echo there is no table tea >&2; exit 3"]
    once    = true
  }`)
		s.carefully(webs, func() {
			s.refused(apply("2"), `migrate failed with exit status 3`, `adding a column`, `there is no table tea`)
		})
		s.serves("web-1", "1")
		s.settled("1")
	})
	step("Migration", func(s *site) {
		s.swap(hcl, `run_as  = "teatime"`, `run_as  = "teatime"
  before_start "migrate" {
    command = ["/bin/sh", "-c", "echo ${slot.version} as $(id -un) in $(pwd) with $SLOT >>/var/tmp/migrated"]
    once    = true
  }
  before_start "warm" {
    command = ["/bin/sh", "-c", "echo ${slot.version} >>/var/tmp/warmed"]
  }`)
		s.carefully(webs, func() { s.deploy("2") })
		s.has(s.m("app-1").ReadFile("/var/tmp/migrated"), `^2 as teatime in /srv/teatime/releases/2 with (blue|green)\n$`)
		s.m("app-2").Exec("! test -e /var/tmp/migrated")
		for _, a := range []string{"app-1", "app-2"} {
			s.has(s.m(a).ReadFile("/var/tmp/warmed"), `^2\n$`)
		}
		s.serves("web-1", "2")
		s.settled("2")
		s.write("main.hcl", hcl)
		s.settled("2")
	})
	step("HostRetired", func(s *site) {
		s.write("hosts.hcl", strings.Replace(hosts, `host "app-2" {`, "host \"app-2\" {\n  state = \"retired\"", 1))
		s.carefully(webs, func() { s.has(s.ok("apply", "-auto-approve"), `1 to destroy`) })
		if p := s.programs("app-2"); p != "" {
			s.t.Errorf("app-2: release %s still runs", p)
		}
		s.m("app-2").Exec("! ls /etc/systemd/system/shipctl-*")
		s.onlyRoutesTo("web-1", "app-1")
		s.settled("2")
	})
	step("HostBack", func(s *site) {
		s.write("hosts.hcl", hosts)
		s.carefully(webs, func() { s.deploy("2") })
		s.onlyRoutesTo("web-1", "app-1", "app-2")
		s.settled("2")
	})
	step("HostRemoved", func(s *site) {
		s.write("hosts.hcl", without(hosts, "app-2"))
		before := s.m("app-2").Snapshot()
		s.carefully(webs, func() { s.ok("apply", "-auto-approve") })
		s.onlyRoutesTo("web-1", "app-1")
		s.settled("2")
		s.carefully(webs, func() { s.deploy("3") })
		s.serves("web-1", "3")
		s.settled("3")
		// Nobody has asked the machine that is not named any more: its program goes on, and nobody is sent there.
		for _, line := range before.Diff(s.m("app-2").Snapshot()) {
			s.t.Errorf("app-2: %s", line)
		}
		if p := s.programs("app-2"); p != "2" {
			s.t.Errorf("app-2 runs %q, not 2", p)
		}
	})
}

// onlyRoutesTo checks an upstream include's addresses.
func (s *site) onlyRoutesTo(web string, apps ...string) {
	s.t.Helper()
	want := `^# .*\nupstream teatime \{\n`
	for _, a := range apps {
		want += `    server ` + regexp.QuoteMeta(s.m(a).Addr) + `:808[12];\n`
	}
	s.has(s.m(web).ReadFile(include), want+`\}\n$`)
}

// firstWeekBox: nginx and the program on one machine, the variable form.
func firstWeekBox(t *testing.T) {
	hcl := strings.NewReplacer(`{ role = "app" }`, `{ role = "box" }`, `{ role = "web" }`, `{ role = "box" }`).
		Replace(service(`variable = "service_url"`, program("--boot=200ms")))
	s := newSite(t, []string{"box-1"}, hcl)
	b := &box{s, hcl}
	s.m("box-1").WriteSite(fleet.SiteVariable(include, "service_url"))
	s.deploy("1")
	s.settled("1")
	for _, step := range []struct {
		name string
		do   func(*box)
	}{
		{"Environment", environmentChanged},
		{"Properties", propertiesChanged},
		{"Artifacts", artifactForms},
		{"OtherContent", otherContent},
		{"Ports", portsChanged},
		{"Names", slotsRenamed},
		{"Root", rootMoved},
		{"PendingNginx", pendingNginx},
		{"HTTPS", redirectingNginx},
		{"TwoServices", twoServices},
	} {
		t.Run(step.name, func(t *testing.T) { step.do(&box{s.with(t), b.hcl}) })
	}
}

// box is the site of one machine with its usual configuration.
type box struct {
	*site
	hcl string
}

// deploys under load; "" is no version given.
func (b *box) deploys(version string) string {
	b.t.Helper()
	args := []string{"apply", "-auto-approve"}
	if version != "" {
		args = append(args, "-var", "version="+version)
	}
	var out string
	b.carefully([]string{"box-1"}, func() { out = b.ok(args...) })
	return out
}

// back goes on with the usual configuration.
func (b *box) back(version string) {
	b.t.Helper()
	b.write("main.hcl", b.hcl)
	b.deploys(version)
	b.serves("box-1", version)
	b.settled(version)
}

func environmentChanged(b *box) {
	was := b.ask("box-1", "/")
	b.swap(b.hcl, `run_as  = "teatime"`, `run_as  = "teatime"
  env     = { TZ = "Asia/Seoul", "GREETING" = "a \"b\" 'c' $HOME %h \\ ${slot.version}" }`)
	if r := b.run("plan", "-detailed-exitcode"); r.code != 2 {
		b.t.Errorf("exit %d, not 2: a changed variable is a change", r.code)
	}
	b.deploys("")
	is := b.ask("box-1", "/")
	if is.Slot == was.Slot || is.Version != was.Version {
		b.t.Errorf("%+v answers after %+v: the same release on the other slot was expected", is, was)
	}
	env := b.m("box-1").Exec(fmt.Sprintf(`tr '\0' '\n' </proc/%d/environ`, is.PID))
	b.has(env, `(?m)^TZ=Asia/Seoul$`, `(?m)^GREETING=a "b" 'c' \$HOME %h \\ 1$`)
	b.settled("1")
}

func propertiesChanged(b *box) {
	b.swap(b.hcl, `run_as  = "teatime"`, `run_as  = "teatime"
  systemd {
    properties = { MemoryMax = "200M", LimitNOFILE = "12345" }
  }`)
	b.deploys("1")
	out := b.m("box-1").Exec(fmt.Sprintf(`systemctl show 'shipctl-teatime-teatime-*' -p MemoryMax -p LimitNOFILE; grep 'open files' /proc/%d/limits`, b.ask("box-1", "/").PID))
	b.has(out, `MemoryMax=209715200\n`, `LimitNOFILE=12345\n`, `Max open files +12345 `)
	b.settled("1")
}

// artifactForms deploys a .tar.gz, a .zip and a single file.
func artifactForms(b *box) {
	const source = `source  = "build/teatime-${coalesce(var.version, "live")}"`
	build := filepath.Join(b.dir, "build")
	for i, form := range []struct{ version, ext string }{{"5", ".tar.gz"}, {"6", ".zip"}} {
		dir := b.artifact(form.version)
		if err := []func(string, string) error{tarGz, zipped}[i](dir, dir+form.ext); err != nil {
			b.t.Fatal(err)
		}
		b.swap(b.hcl, source, strings.TrimSuffix(source, `"`)+form.ext+`"`)
		b.has(b.deploys(form.version), `upload teatime-`+form.version+regexp.QuoteMeta(form.ext))
		b.serves("box-1", form.version)
		b.settled(form.version)
	}
	copyFile(b.t, teatime, filepath.Join(build, "single-7"))
	b.swap(b.hcl, source, `source  = "build/single-${coalesce(var.version, "live")}"`, `"./teatime"`, `"./single-${slot.version}"`)
	b.has(b.deploys("7"), `upload single-7`)
	b.serves("box-1", "7")
	b.settled("7")
}

// otherContent: a release never changes.
func otherContent(b *box) {
	name := filepath.Join(b.dir, "build", "single-7")
	if err := os.WriteFile(name, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		b.t.Fatal(err)
	}
	for _, args := range [][]string{{"plan", "-var", "version=7"}, apply("7")} {
		b.refused(args, `release 7 on box-1 has other content: SHA-256 [0-9a-f]{64} there, [0-9a-f]{64} in build/single-7`)
	}
	b.serves("box-1", "7")
	copyFile(b.t, teatime, name)
	b.settled("7")
}

func portsChanged(b *box) {
	b.write("main.hcl", b.hcl)
	b.deploys("1")
	b.swap(b.hcl, "8081", "8091", "8082", "8092")
	b.deploys("")
	b.has(b.m("box-1").ReadFile(include), `:809[12];`)
	b.settled("1")
	// One port alone, the live one's.
	live := regexp.MustCompile(`809[12]`).FindString(b.m("box-1").ReadFile(include))
	other := map[string]string{"8091": "8092", "8092": "8091"}[live]
	old := map[string]string{"8091": "8081", "8092": "8082"}
	b.swap(b.hcl, old[live], "8099", old[other], other)
	b.deploys("2")
	b.has(b.m("box-1").ReadFile(include), ":"+other+";")
	b.settled("2")
	// Exchanged: no slot is free.
	b.swap(b.hcl, old[live], other, old[other], "8099")
	b.refused(apply("2"), `serves on port `+other+`, and the configuration leaves no slot free beside it`)
	b.serves("box-1", "2")
	b.back("1")
}

func slotsRenamed(b *box) {
	b.swap(b.hcl, `"blue"`, `"left"`, `"green"`, `"right"`)
	b.deploys("2")
	if a := b.ask("box-1", "/"); a.Slot != "left" && a.Slot != "right" || a.Version != "2" {
		b.t.Errorf("%+v answers", a)
	}
	b.settled("2")
	if p := b.programs("box-1"); p != "2" {
		b.t.Errorf("releases %s run, not 2 alone", p)
	}
	b.back("1")
	b.m("box-1").Exec("! ls /etc/systemd/system/shipctl-*left* /etc/systemd/system/shipctl-*right* 2>/dev/null")
}

func rootMoved(b *box) {
	b.swap(b.hcl, "/srv/teatime", "/srv/elsewhere/tea")
	b.refused([]string{"plan"}, `there is no release in /srv/elsewhere/tea on box-1 yet`)
	b.deploys("1")
	b.has(b.m("box-1").Exec(fmt.Sprintf("readlink /srv/elsewhere/tea/current /proc/%d/cwd", b.ask("box-1", "/").PID)), `^/srv/elsewhere/tea/releases/1\n/srv/elsewhere/tea/releases/1\n$`)
	b.settled("1")
	b.back("2")
}

// pendingNginx: somebody's file in conf.d that our reload would bring to life.
func pendingNginx(b *box) {
	const file = "/etc/nginx/conf.d/marketing.conf"
	m := b.m("box-1")
	b.write("main.hcl", b.hcl)
	m.WriteFile(file, "server { listen 8100; return 200 half; \n", 0o644)
	b.refused(apply("3"), `nginx does not accept the configuration that is on the disk now, before any change of ours`, regexp.QuoteMeta(file))
	b.serves("box-1", "2")
	m.WriteFile(file, "server { listen 8100; return 200 half; }\n", 0o644)
	b.refused(apply("3"), `a reload would bring to life what others have changed since nginx loaded its configuration: `+regexp.QuoteMeta(file), `-allow-pending-nginx`)
	m.Exec("! curl -s http://127.0.0.1:8100/")
	b.serves("box-1", "2")
	b.settled("2") // with nothing to reload for, it is nobody's business
	b.carefully([]string{"box-1"}, func() { b.deploy("3", "-allow-pending-nginx") })
	b.has(m.Exec("curl -s http://127.0.0.1:8100/"), `^half$`)
	b.settled("3")
	m.Exec("rm " + file)
	b.reload("box-1")
	b.settled("3")
}

// redirectingNginx: port 80 leads to 443, which has a certificate of its own.
func redirectingNginx(b *box) {
	m := b.m("box-1")
	cert, key := selfSigned(b.t)
	m.WriteFile("/etc/nginx/tea.crt", cert, 0o644)
	m.WriteFile("/etc/nginx/tea.key", key, 0o600)
	plain := m.ReadFile("/etc/nginx/sites-enabled/teatime")
	m.WriteSite(strings.Replace(plain, "listen 80 default_server;", `listen 443 ssl default_server;
	listen 8100; # for the meter
	ssl_certificate tea.crt;
	ssl_certificate_key tea.key;`, 1) + `server {
	listen 80 default_server;
	return 301 https://$host$request_uri;
}
`)
	b.reload("box-1")
	b.refused(apply("1"), `http://127.0.0.1/profile gave status 301`)
	careful := func(do func()) {
		stop := b.loadAt(":8100", "/?ms=300")
		do()
		b.nothingLost(stop())
	}
	b.swap(b.hcl, `"http://127.0.0.1/profile"`, `"https://127.0.0.1/profile"
      host = "teatime.example"`)
	careful(func() { b.refused(apply("1"), `https://127.0.0.1/profile.*(?i)certificate`) })
	b.swap(b.hcl, `"http://127.0.0.1/profile"`, `"https://127.0.0.1/profile"
      host     = "teatime.example"
      insecure = true`)
	careful(func() { b.deploy("1") })
	b.settled("1")
	careful(func() { b.deploy("2") })
	if a := b.ask("box-1", ":8100/"); a.Version != "2" {
		b.t.Errorf("%+v answers", a)
	}
	b.settled("2")
	m.WriteSite(plain)
	b.reload("box-1")
	b.write("main.hcl", b.hcl)
	b.settled("2")
}

// twoServices run one release: current moves after both, and neither stays ahead of the other.
func twoServices(b *box) {
	m := b.m("box-1")
	const second = "/etc/nginx/conf.d/second-url.inc"
	m.WriteFile("/etc/nginx/sites-enabled/second", strings.NewReplacer("listen 80 default_server", "listen 8100").Replace(fleet.SiteVariable(second, "second_url")), 0o644)
	_, one, _ := strings.Cut(b.hcl, `service "teatime"`)
	two := strings.NewReplacer("8081", "8083", "8082", "8084", include, second, "service_url", "second_url", "http://127.0.0.1/profile", "http://127.0.0.1:8100/profile").Replace(`service "second"` + one)
	b.write("main.hcl", b.hcl+two)
	b.deploy("2", "-allow-pending-nginx")
	b.settled("2")

	var out string
	b.carefully([]string{"box-1"}, func() { out = b.deploy("1", "-json") })
	var order []string
	for line := range strings.Lines(out) {
		if e := event(line); e.Type == "step_complete" || e.Type == "step_start" {
			order = append(order, e.Type+" "+e.Step.ID)
		}
	}
	b.has(strings.Join(order, "\n"),
		`(?s)step_complete service.teatime\["box-1"\]/switch\n.*step_start release.teatime\["box-1"\]/activate\n`,
		`(?s)step_complete service.second\["box-1"\]/switch\n.*step_start release.teatime\["box-1"\]/activate\n`)
	for _, at := range []string{"/", ":8100/"} {
		if a := b.ask("box-1", at); a.Version != "1" {
			b.t.Errorf("%s: %+v answers", at, a)
		}
	}
	b.settled("1")

	// The second one never gets healthy: the first one is not left ahead.
	b.write("main.hcl", b.hcl+strings.NewReplacer(`"--boot=200ms"`, `"--boot=200ms", "--unhealthy"`, `"20s"`, `"3s"`).Replace(two))
	b.carefully([]string{"box-1"}, func() { b.refused(apply("3"), `was not healthy within 3 s`) })
	b.serves("box-1", "1")
	b.has(m.Exec("readlink /srv/teatime/current"), `/1\n$`)
	b.write("main.hcl", b.hcl+two)
	b.settled("1")
}
