package e2e

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// users are hosts whose role says who logs in: application machines plain, without sudo, the others deploy.
func (s *site) users() string {
	out := s.hosts()
	app := "  user    = \"plain\"\n"
	web := "  user    = \"deploy\"\n  sudo    = true\n"
	out = strings.ReplaceAll(out, `  labels  = { role = "app" }`+"\n", app+`  labels  = { role = "app" }`+"\n")
	return strings.ReplaceAll(out, `  labels  = { role = "web" }`+"\n", web+`  labels  = { role = "web" }`+"\n")
}

// TestUsers: a deploy user with sudo, and one without: both deploy. What the second may not see is said, never guessed.
func TestUsers(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"app-1", "web-1", "web-2"}, service(`variable = "service_url"`, program()))
	for _, w := range webs {
		s.m(w).WriteSite(fleet.SiteVariable(include, "service_url"))
	}
	deployed := func(t *testing.T, runsAs string) {
		t.Helper()
		s := s.with(t)
		s.deploy("2")
		through(t, s, webs, "/?ms=300", "1")
		s.settled("1")
		port := 8081
		if s.pid(port) == "" {
			port = 8082
		}
		if who := strings.TrimSpace(s.m("app-1").Exec("stat -c %U /proc/" + s.pid(port))); who != runsAs {
			t.Errorf("the program runs as %s, not %s", who, runsAs)
		}
		s.has(s.ok("status"), `live`, `release 1|\b1\b`)
	}
	t.Run("with sudo", func(t *testing.T) {
		deployed(t, "teatime")
		s.m("app-1").Exec("systemctl disable --now --quiet $(systemctl list-units --plain --no-legend 'shipctl-*' | cut -d' ' -f1); rm -rf /etc/systemd/system/shipctl-* /srv/teatime /var/lib/shipctl; systemctl daemon-reload")
	})
	s.write("hosts.hcl", s.users())
	t.Run("refused", func(t *testing.T) { s.with(t).refusedToPlain() })
	t.Run("without sudo, in its home", func(t *testing.T) {
		s.write("main.hcl", withoutSudo("/home/plain/teatime", process))
		deployed(t, "plain")
	})
	t.Run("without sudo, in a folder of its own", func(t *testing.T) {
		s.m("app-1").Exec("pkill -u plain teatime; install -d -o plain -g plain /srv/teatime; while pgrep teatime; do sleep 0.1; done; rm -rf /home/plain/teatime /home/plain/.local")
		s.write("main.hcl", withoutSudo("/srv/teatime", process))
		deployed(t, "plain")
	})
	t.Run("nginx without sudo", func(t *testing.T) {
		s := s.with(t)
		s.write("hosts.hcl", s.hosts(`user = "plain"`))
		out := s.fails(1, "plan", "-var", "version=2")
		s.has(out, `web-1 .*sudo = true`, `web-2 .*sudo = true`)
		s.write("hosts.hcl", s.hosts(`user = "plain"`, `sudo = true`))
		s.has(s.fails(1, "plan", "-var", "version=2"), `app-1 could not be asked\s[^╵]*sudo -n does not work there for the user that we log in as`)
	})
}

const process = `runner = "process"`

// withoutSudo is S1's configuration for a user who can become nobody else.
func withoutSudo(root, more string) string {
	return strings.NewReplacer("/srv/teatime", root, "  run_as  = \"teatime\"\n", "").Replace(service(`variable = "service_url"`, program()+"\n  "+more))
}

// refusedToPlain is what a user without sudo may not see or do, and is told.
func (s *site) refusedToPlain() {
	s.t.Run("listener of another user", func(t *testing.T) {
		s := s.with(t)
		s.write("main.hcl", withoutSudo("/home/plain/teatime", process))
		s.m("app-1").Exec("setsid python3 -m http.server 8081 >/dev/null 2>&1 </dev/null & until ss -Hltn 'sport = :8081' | grep -q .; do sleep 0.1; done")
		before := s.snapshots()
		out := s.fails(1, "plan", "-var", "version=1")
		s.has(out, `app-1 .*port 8081 is held by a process that this user may not see`)
		s.fails(1, "apply", "-auto-approve", "-var", "version=1")
		// With consent too: whom it would take over is not known.
		s.has(s.fails(1, "plan", "-var", "version=1", "-take-over=service.teatime"), `port 8081 is held by a process that this user may not see`)
		s.untouched(before)
		s.m("app-1").Exec("pkill -f '[h]ttp.server 8081'; while ss -Hltn 'sport = :8081' | grep -q .; do sleep 0.1; done")
	})
	s.t.Run("another user's program", func(t *testing.T) {
		s := s.with(t)
		for _, c := range []struct{ name, hcl, want string }{
			{"run_as", strings.Replace(withoutSudo("/home/plain/teatime", process), "  release = release.teatime\n", "  release = release.teatime\n  run_as  = \"teatime\"\n", 1), `app-1 .*(as|user) teatime.*sudo = true`},
			{"systemd", withoutSudo("/home/plain/teatime", ""), `app-1 .*systemd.*sudo = true`},
		} {
			s.write("main.hcl", c.hcl)
			s.has(s.fails(1, "plan", "-var", "version=1"), c.want)
		}
		s.write("main.hcl", withoutSudo("/srv/elsewhere", process))
		out := s.run("apply", "-auto-approve", "-var", "version=1")
		if out.code != 1 {
			t.Errorf("exit %d", out.code)
		}
		s.has(out.out, `app-1`, `/srv/elsewhere`)
	})
}

// TestHostKeys: a host key that is unknown, or another one, is refused, with what to do about it.
func TestHostKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"app-1", "web-1"}, service(`variable = "service_url"`, program()))
	s.m("web-1").WriteSite(fleet.SiteVariable(include, "service_url"))
	app, web := s.m("app-1"), s.m("web-1")
	known := func(lines ...string) string {
		s.write("known", strings.Join(lines, "\n")+"\n")
		s.write("hosts.hcl", strings.Replace(s.hosts(`user = "deploy"`, `sudo = true`), s.fleet.KnownHosts, s.dir+"/known", 1))
		return s.dir + "/known"
	}
	right := web.Addr + " " + web.HostKey("ssh-ed25519")
	for _, c := range []struct {
		name string
		line string
		want []string
	}{
		{"unknown", "# nobody", []string{`the host key of \S*` + app.Addr + `\S* is not known`, `SHA256:`, `ssh-keyscan`, `Compare that fingerprint`}},
		{"changed", app.Addr + " " + web.HostKey("ssh-ed25519"), []string{`is not the one that was known`, `/known:2 has ssh-ed25519 SHA256:`, `remove that line`, `installed anew`}},
		{"revoked", app.Addr + " " + app.HostKey("ssh-ed25519") + "\n@revoked " + app.Addr + " " + app.HostKey("ssh-ed25519"), []string{`/known:3 marks as revoked`, `do not connect`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := s.with(t)
			known(right, c.line)
			mark := app.Mark()
			for _, args := range [][]string{{"plan", "-var", "version=1"}, {"apply", "-auto-approve", "-var", "version=1"}} {
				s.has(unwrapped(s.fails(1, args...)), append(c.want, `app-1`)...)
			}
			if got := app.Served(mark); got.Logins != 0 {
				t.Errorf("%d logins on a machine that is not known to be the right one", got.Logins)
			}
		})
	}
	t.Run("known by another kind of key only", func(t *testing.T) {
		s := s.with(t)
		known(right, app.Addr+" "+app.HostKey("ecdsa-sha2-nistp256"))
		s.ok("plan", "-var", "version=1")
	})
	t.Run("known", func(t *testing.T) {
		s := s.with(t)
		known(right, app.Addr+" "+app.HostKey("ssh-ed25519"))
		s.ok("plan", "-var", "version=1")
	})
}

// unwrapped is a diagnostic's text without the frame around it.
func unwrapped(out string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(out, "│", " ")), " ")
}

// TestSilentMachine: a machine that accepts connections and says nothing fails at its deadline, by its name; what the
// others said is shown.
func TestSilentMachine(t *testing.T) {
	s := newSite(t, []string{"app-1", "web-1"}, service(`variable = "service_url"`, program()))
	s.m("web-1").WriteSite(fleet.SiteVariable(include, "service_url"))
	s.deploy("1")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	go func() {
		for {
			if _, err := silent.Accept(); err != nil { // kept, and nothing is said
				return
			}
		}
	}()
	mute := fmt.Sprintf("\nhost \"mute-1\" {\n  address = \"127.0.0.1\"\n  port    = %d\n  timeout = \"2s\"\n  labels  = { role = \"mute\" }\n}\n", silent.Addr().(*net.TCPAddr).Port)
	s.write("hosts.hcl", s.hosts(`user = "deploy"`, `sudo = true`)+mute)
	other := strings.NewReplacer(`"teatime" {`, `"other" {`, "release.teatime", "release.other", "/srv/teatime", "/srv/other", "8081", "8091", "8082", "8092",
		`{ role = "app" }`, `{ role = "mute" }`, include, "/etc/nginx/conf.d/other.inc").Replace(service(`variable = "service_url"`, program()))
	_, other, _ = strings.Cut(other, "\nrelease ")
	s.write("other.hcl", "release "+other)
	for _, args := range [][]string{{"plan"}, {"plan", "-json"}, {"apply", "-auto-approve"}, {"plan", "-out=plan.json"}} {
		begin := time.Now()
		out := s.fails(1, append(args, "-var", "version=2")...)
		if took := time.Since(begin); took < 2*time.Second || took > 15*time.Second {
			t.Errorf("%v took %s with a deadline of 2 s", args, took)
		}
		s.has(unwrapped(out), `mute-1 could not be asked`, `127\.0\.0\.1:\d+ accepted the connection, and the SSH handshake was not over in time \(2s at most\)`)
		s.has(out, `service\.teatime`, `live blue :8081`, `release\.other`)
	}
	if _, err := os.Stat(s.dir + "/plan.json"); err == nil {
		t.Error("a plan file was written")
	}
	s.ok("plan", "-var", "version=2", "-target=service.teatime")
	// It answers the handshake and falls silent then: the machine is frozen in the middle.
	s.write("other.hcl", "")
	s.write("hosts.hcl", s.hosts(`user = "deploy"`, `sudo = true`, `timeout = "2s"`))
	s.m("app-1").WriteFile("/home/deploy/.bashrc", "sleep 60\n", 0o644)
	begin := time.Now()
	out := s.fails(1, "plan", "-var", "version=2")
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("took %s with a deadline of 2 s", took)
	}
	s.has(unwrapped(out), `app-1 could not be asked`, `no answer in time`)
}
