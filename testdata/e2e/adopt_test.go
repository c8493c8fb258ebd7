package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// adopted runs adopt in an empty folder for machines named as ssh names them, checks that nothing was changed there, and
// moves the site into a folder with what was printed.
func (s *site) adopted(hosts ...string) (text, complaint string) {
	s.t.Helper()
	for _, m := range s.fleet.Machines { // the first login makes files of its own on a machine
		if _, err := m.SSH("deploy", "sudo -n true"); err != nil {
			s.t.Fatal(err)
		}
	}
	before := s.snapshots()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	args := []string{"adopt", "-sudo", "-identity-file=" + s.fleet.KeyFile, "-known-hosts=" + s.fleet.KnownHosts}
	for _, h := range hosts {
		args = append(args, "deploy@"+s.m(h).Addr)
	}
	dir := s.t.TempDir()
	cmd := exec.CommandContext(ctx, shipctl, args...)
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	s.t.Logf("$ shipctl adopt %s: %v\n%s%s", strings.Join(hosts, " "), err, out.String(), errs.String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.untouched(before)
	if err := os.Rename(filepath.Join(s.dir, "build"), filepath.Join(dir, "build")); err != nil {
		s.t.Fatal(err)
	}
	s.dir = dir
	s.write("main.hcl", out.String())
	s.ok("validate")
	s.ok("fmt", "-check")
	return out.String(), errs.String()
}

// artifacts gives what a configuration of adopt calls NAME-VERSION.
func (s *site) artifacts(name string) {
	s.t.Helper()
	for _, v := range []string{"1", "2"} {
		from := s.artifact(v)
		if name == "teatime" {
			continue
		}
		if err := os.Rename(from, filepath.Join(s.dir, "build", name+"-"+v)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// change puts a text of the printed configuration in another's place, as a person who fills it in.
func (s *site) change(old, text string) {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.dir, "main.hcl"))
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(string(raw), old) {
		s.t.Fatalf("there is no %q in what adopt printed", old)
	}
	s.write("main.hcl", strings.Replace(string(raw), old, text, 1))
}

// steps are the lines of a plan's table of steps, without their numbers.
func steps(out string) (all []string) {
	plannedLine := regexp.MustCompile(`(?m)^ +\d+  (\S+) +(.+?)(?:   .*)?$`)
	_, table, _ := strings.Cut(out, "\n  Steps\n")
	for _, m := range plannedLine.FindAllStringSubmatch(table, -1) {
		all = append(all, m[1]+" "+m[2])
	}
	return all
}

// planned fails the test unless the plan's steps are these, a regular expression for each.
func (s *site) planned(out string, want ...string) {
	s.t.Helper()
	got := steps(out)
	ok := len(got) == len(want)
	for i := range min(len(got), len(want)) {
		ok = ok && regexp.MustCompile("^"+want[i]+"$").MatchString(got[i])
	}
	if !ok {
		s.t.Errorf("the plan has the steps\n  %s\nand is to have\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// TestAdoptS1: a program that a script started, and two nginx machines whose include a script wrote.
func TestAdoptS1(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"app-1", "web-1", "web-2"}, "")
	old := byHand(s)
	text, complaint := s.adopted("app-1", "web-1", "web-2")
	s.has(text, `command = \["./teatime", "--port=\$\{slot.port\}"\]`, `run_as = "teatime"`, `port = 8081`, `port = 8082`,
		`file     = "`+include+`"`, `variable = "service_url"`, `SLOT +=`)
	if strings.Contains(text+complaint, "prod1") {
		t.Error("the value of a variable of the environment was printed")
	}
	out := s.fails(1, "plan")
	s.has(out, `there is no release in /srv/teatime`, `nothing of service.teatime runs here and no release is given`)
	s.artifacts("teatime")
	s.has(s.fails(1, "plan", "-var", "version=1"), `port 8081.*pid `+old+`: ./teatime --port=8081`, `-take-over=service.teatime`)
	s.planned(s.ok("plan", "-var", "version=1", "-take-over=service.teatime"),
		`\S+ upload teatime-1, .*`, `\S+ publish release 1`, `\S+ start green on :8082`, `\S+ wait until green is healthy \(100 s at most\)`,
		`\S+ check that nginx accepts green`, `\S+ check that nginx accepts green`, `\S+ confirm that green still runs`, `\S+ switch to green`, `\S+ switch to green`, `\S+ activate release 1`,
		`\S+ drain blue \(30 s at most\)`, `\S+ drain blue \(30 s at most\)`, `\S+ stop pid `+old+`: ./teatime --port=8081, which is taken over`)
	s.change("tcp {}", "http {\n      path = \"/profile\"\n    }")
	stop := s.load(webs, "/")
	s.deploy("1", "-take-over=service.teatime")
	s.nothingLost(stop())
	s.settled("1")
}

// TestAdoptS3: one machine, nginx and the same program on two ports, each with its profile.
func TestAdoptS3(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"app-1"}, "")
	app := s.m("app-1")
	app.CopyFile(teatime, "/home/deploy/app/service", 0o755)
	app.WriteFile("/home/deploy/app/start.sh", `#!/bin/sh
cd /home/deploy/app
SPRING_PROFILES_ACTIVE=$2 DB_PASSWORD=hunter2hunter2 nohup /home/deploy/app/service --port=$1 --version=old >/dev/null 2>&1 </dev/null &
`, 0o755)
	app.Exec("chmod 755 /home/deploy /home/deploy/app")
	for _, args := range []string{"8081 real1", "8082 real2"} {
		app.Exec("setpriv --reuid=deploy --regid=deploy --clear-groups /home/deploy/app/start.sh " + args)
		app.Exec("for i in $(seq 60); do ss -Hltn 'sport = :" + args[:4] + "' | grep -q . && exit; sleep 0.5; done; exit 1")
	}
	app.WriteFile(include, "set $service_url http://127.0.0.1:8081;\n", 0o644)
	app.StartNginx(fleet.SiteVariable(include, "service_url"))
	app.Exec("sleep 3; echo 'set $service_url http://127.0.0.1:8082;' >" + include)
	s.reload("app-1") // as the script does: nothing tells what is loaded
	text, complaint := s.adopted("app-1")
	s.has(text, `"./service", "--port=\$\{slot.port\}", "--version=old"`)
	for _, secret := range []string{"hunter", "SPRING_PROFILES_ACTIVE=real"} {
		if strings.Contains(text+complaint, secret) {
			t.Errorf("%q was printed", secret)
		}
	}
	s.artifacts("app")
	// The previous version is up on the idle port, as S3 leaves it: nobody but a person may stop it.
	out := s.fails(1, "plan", "-var", "version=1", "-take-over=service.app")
	s.has(out, `port 8081, where blue is to run, is held by pid \d+: /home/deploy/app/service --port=8081 --version=old, which shipctl did not start`)
	app.Exec("p=" + s.pid(8081) + "; kill $p; while kill -0 $p 2>/dev/null; do sleep 0.02; done")
	s.planned(s.ok("plan", "-var", "version=1", "-take-over=service.app"),
		`\S+ upload app-1, .*`, `\S+ check that nginx accepts green`, `\S+ publish release 1`, `\S+ switch to green`, `\S+ drain the earlier workers .*`,
		`\S+ start blue on :8081`, `\S+ wait until blue is healthy .*`, `\S+ check that nginx accepts blue`, `\S+ confirm that blue still runs`, `\S+ switch to blue`, `\S+ activate release 1`,
		`\S+ drain green .*`, `\S+ stop pid \d+: /home/deploy/app/service --port=8082 --version=old, which is taken over`)
}

// capistrano lays out releases as Capistrano does; the newest is live.
func capistrano(m *fleet.Machine, root string, ids ...string) {
	for _, id := range ids {
		dir := root + "/releases/" + id
		m.CopyFile(teatime, dir+"/teatime", 0o755)
		m.WriteFile(dir+"/public/index.html", id+"\n", 0o644)
		m.WriteFile(dir+"/REVISION", "8f3c0de\n", 0o644)
		m.Exec("mkdir -p " + root + "/shared/log && ln -s " + root + "/shared/log " + dir + "/log && ln -sfn " + dir + " " + root + "/current")
		m.Exec("echo 'Branch main (at 8f3c0de) deployed as release " + id + " by ann' >>" + root + "/revisions.log")
	}
	m.Exec("chown -R deploy: " + root)
}

// TestAdoptCapistrano: a static site, and a program under systemd behind an upstream.
func TestAdoptCapistrano(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"app-1"}, "")
	app := s.m("app-1")
	capistrano(app, "/var/www/site", "20240101000000", "20240102030405")
	capistrano(app, "/var/www/shop", "20240505050505", "20240606060606")
	app.WriteFile("/etc/systemd/system/shop.service", "[Service]\nUser=teatime\nWorkingDirectory=/var/www/shop/current\nEnvironment=PORT=8081\nExecStart=/var/www/shop/current/teatime --port=8081 --version=20240606060606\n[Install]\nWantedBy=multi-user.target\n", 0o644)
	app.Exec("systemctl enable --now --quiet shop; until ss -Hltn 'sport = :8081' | grep -q .; do sleep 0.1; done")
	app.WriteFile("/etc/nginx/conf.d/shop.conf", "upstream shop {\n    server 127.0.0.1:8081;\n}\n", 0o644)
	app.StartNginx("server { listen 80; location / { proxy_pass http://shop; } location /site/ { alias /var/www/site/current/public/; } }")
	app.AgeNginx()
	text, _ := s.adopted("app-1")
	s.has(text, `root += "/var/www/site"`, `root += "/var/www/shop"`, `shared += \["log"\]`, `upstream = "shop"`, `PORT = slot.port`, `"--version=\$\{slot.version\}"`)
	s.has(s.ok("plan", "-target=release.site"), "No changes.")
	s.has(s.ok("plan", "-target=release.site", "-var", "site_version=20240102030405"), "No changes.")
	s.has(s.fails(1, "plan", "-var", "shop_version=20240606060606", "-target=service.shop"), `-take-over=service.shop`)
	s.planned(s.ok("plan", "-var", "shop_version=20240606060606", "-target=service.shop", "-take-over=service.shop"),
		`\S+ start green on :8082`, `\S+ wait until green is healthy \(100 s at most\)`, `\S+ check that nginx accepts green`,
		`\S+ confirm that green still runs`, `\S+ switch to green`, `\S+ drain blue \(30 s at most\)`, `\S+ stop pid \d+: /var/www/shop/current/teatime .*\(shop.service\), which is taken over`)
	stop := s.load([]string{"app-1"}, "/")
	s.ok("apply", "-auto-approve", "-var", "shop_version=20240606060606", "-take-over=service.shop")
	s.nothingLost(stop())
	s.has(s.ok("plan"), "No changes.")
	s.has(app.Exec("readlink /var/www/shop/current; ls /var/www/shop/releases"), "20240505050505\n20240606060606\n")
	if err := os.Rename(s.artifact("1"), filepath.Join(s.dir, "build", "shop-1")); err != nil {
		t.Fatal(err)
	}
	stop = s.load([]string{"app-1"}, "/")
	s.ok("apply", "-auto-approve", "-var", "shop_version=1")
	s.nothingLost(stop())
	s.has(s.ok("plan"), "No changes.")
}

// TestAdoptS0: directories that are named after a time, behind two links, and a job that runs there.
func TestAdoptS0(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"batch-1"}, "")
	m := s.m("batch-1")
	m.Exec("mkdir -p /data/batch_20240101000000 /data/batch_20240102030405 && ln -s /data/batch_20240102030405 /data/batch && ln -s /data/batch_20240101000000 /data/batch-deploy")
	text, _ := s.adopted("batch-1")
	s.has(text, `2 directories with a time in their name in /data`, `/data/batch -> batch_20240102030405`, `root += "/srv/batch"`)
	s.has(s.fails(1, "plan"), `there is no release in /srv/batch`)
	s.artifacts("batch")
	s.planned(s.ok("plan", "-var", "version=1"), `\S+ upload batch-1, .*`, `\S+ publish release 1`, `\S+ activate release 1`)
}
