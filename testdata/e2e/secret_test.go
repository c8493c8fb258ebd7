package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// The secrets have what shells, systemd, JSON and URLs each treat as special.
const (
	token = `p"a's w$rd \back ` + "`tick`" + ` 100% & <tag> ünï☕=x`
	later = `another 'one' with "quotes", $HOME & gr☃n`
)

// forms are a secret as it is, and as people and programs encode it.
func forms(secret string) map[string]string {
	asJSON, _ := json.Marshal(secret)
	out := map[string]string{
		"plain": secret, "hex": hex.EncodeToString([]byte(secret)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"URL query": url.QueryEscape(secret), "URL path": url.PathEscape(secret),
		"URL, blanks as %20": strings.ReplaceAll(url.QueryEscape(secret), "+", "%20"),
		"shell":              strings.ReplaceAll(secret, "'", `'\''`), "shell, the other way": strings.ReplaceAll(secret, "'", `'"'"'`),
		"double quotes": strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", "$", `\$`).Replace(secret),
		"JSON":          string(asJSON[1 : len(asJSON)-1]), "Go": fmt.Sprintf("%q", secret)[1:],
	}
	for shift := range 3 { // whatever stands before it
		enc := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
		out[fmt.Sprintf("base64, %d", shift)] = enc[4 : len(enc)-4]
	}
	return out
}

// vault is a site with secrets, and all their forms.
type vault struct {
	*site
	needles map[string][]byte
}

func newVault(s *site) *vault {
	v := &vault{s, map[string][]byte{}}
	for i, secret := range []string{token, later} {
		v.needles[fmt.Sprintf("%d: its beginning", i)] = []byte(secret[:12])
		for name, form := range forms(secret) {
			v.needles[fmt.Sprintf("%d: %s", i, name)] = []byte(form)
		}
	}
	return v
}

// in is the vault in a subtest.
func (v *vault) in(t *testing.T) *vault { return &vault{v.with(t), v.needles} }

// leaks names the forms of the secrets that are in a text.
func (v *vault) leaks(text []byte) (out []string) {
	for name, form := range v.needles {
		if bytes.Contains(text, form) {
			out = append(out, name)
		}
	}
	return out
}

// discreet is fails that prints no secret.
func (s *vault) discreet(code int, args ...string) string {
	s.t.Helper()
	out := s.fails(code, args...)
	if l := s.leaks([]byte(out)); len(l) > 0 {
		s.t.Errorf("shipctl %s prints a secret: %v", strings.Join(args, " "), l)
	}
	return out
}

// argv samples the command lines of all processes, the machines' too, until stop is called.
func (s *vault) argv() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	samples, bad := 0, map[string][]string{}
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case <-time.After(5 * time.Millisecond):
			}
			all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, p := range all {
				b, _ := os.ReadFile(p)
				if l := s.leaks(b); len(l) > 0 {
					bad[string(b)] = l
				}
			}
			samples++
		}
	}()
	return func() {
		s.t.Helper()
		close(quit)
		<-done
		s.t.Logf("%d samples of all command lines", samples)
		for line, l := range bad {
			s.t.Errorf("a command line has a secret (%v): %q", l, line)
		}
	}
}

// disks looks for the secrets in everything that is on the machines' disks, in their memory file systems and journals,
// beside the configuration, and in what the controller remembers. Only what is allowed may have one, and must: a file, by
// its pattern, or all in a folder ("…/").
func (s *vault) disks(allowed ...string) {
	s.t.Helper()
	found, looked := map[string]bool{}, 0
	look := func(name string, b []byte) {
		l := s.leaks(b)
		looked++
		for _, a := range allowed {
			if is, _ := path.Match(a, name); len(l) > 0 && (is || strings.HasSuffix(a, "/") && strings.HasPrefix(name, a)) {
				found[a] = true
				return
			}
		}
		if len(l) > 0 {
			s.t.Errorf("%s has a secret: %v", name, l)
		}
	}
	walk := func(root, prefix string) {
		err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return nil
			}
			b, err := os.ReadFile(p)
			if err == nil {
				look(prefix+strings.TrimPrefix(p, root), b)
			}
			return nil
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	for _, m := range s.fleet.Machines {
		walk(m.Upper, m.Name+":")
		look(m.Name+":/run", []byte(m.Exec("find /run /dev/shm -xdev -type f -size -4000k ! -path '/run/log/*' -exec cat {} + 2>/dev/null; true")))
		look(m.Name+"'s journal", []byte(m.Exec("journalctl --all -o export --no-pager")))
	}
	walk(s.dir, "")
	looked = 0
	walk(os.Getenv("XDG_STATE_HOME"), "controller:") // its journals
	if looked == 0 {
		s.t.Error("the controller has no journal; is the search blind?")
	}
	for _, a := range allowed {
		if !found[a] {
			s.t.Errorf("%s has no secret; is the search blind?", a)
		}
	}
}

// secretive is S1's configuration with a sensitive variable in the program's environment.
func secretive(runner string) string {
	hcl := abrupt(runner)
	hcl = strings.Replace(hcl, "\nrelease \"teatime\"", "\nvariable \"token\" {\n  type      = string\n  sensitive = true\n}\n\nrelease \"teatime\"", 1)
	return strings.Replace(hcl, "  release = release.teatime\n", "  release = release.teatime\n  env     = { TOKEN = var.token }\n", 1)
}

// environ is a variable of the process that listens on one of the two ports.
func (s *site) environ(name string) (value, pid string) {
	s.t.Helper()
	for _, port := range []int{8081, 8082} {
		if pid = s.pid(port); pid == "" {
			continue
		}
		for _, e := range strings.Split(s.m("app-1").ReadFile("/proc/"+pid+"/environ"), "\x00") {
			if v, ok := strings.CutPrefix(e, name+"="); ok {
				return v, pid
			}
		}
	}
	return "", pid
}

// given sets the secret for the calls that follow; "" takes it away. All that they do is traced.
func (s *vault) given(secret string) {
	s.env = []string{"SHIPCTL_LOG=trace", "SHIPCTL_LOG_PATH=" + s.trace()}
	if secret != "" {
		s.env = append(s.env, "SHIPCTL_VAR_token="+secret)
	}
}

func (s *vault) trace() string { return filepath.Join(s.dir, "trace.log") }

// TestSecrets: the program gets a sensitive value, and nobody else does.
func TestSecrets(t *testing.T) {
	t.Parallel()
	for _, runner := range runners {
		t.Run(runner, func(t *testing.T) {
			s := newVault(newSite(t, []string{"app-1", "web-1", "web-2"}, secretive(runner)))
			for _, w := range webs {
				s.m(w).WriteSite(fleet.SiteVariable(include, "service_url"))
			}
			stop := s.argv()
			defer func() { stop() }()
			s.given("")
			s.has(s.discreet(1, "plan", "-var", "version=1"), `token`)
			s.given(token)
			s.discreet(0, "plan", "-var", "version=1", "-out=plan.json", "-markdown=plan.md")
			s.discreet(0, "plan", "-var", "version=1", "-json")
			s.discreet(0, "show", "plan.json")
			s.discreet(0, "show", "-json", "plan.json")
			s.discreet(0, "show", "-markdown", "plan.json")
			s.discreet(0, "graph", "-plan=plan.json")
			s.discreet(0, "apply", "-json", "plan.json")
			if got, _ := s.environ("TOKEN"); got != token {
				t.Errorf("the program got %q", got)
			}
			s.discreet(0, "status")
			s.discreet(0, "status", "-json")
			if info, err := os.Stat(s.trace()); err != nil || info.Size() == 0 {
				t.Errorf("no trace was written: %v", err)
			}
			s.discreet(0, "plan", "-detailed-exitcode")
			var file []string
			if runner == "systemd" {
				file = []string{"app-1:/var/lib/shipctl/projects/teatime/services/teatime/blue.env"}
				if mode := s.m("app-1").Exec("stat -c '%a %U' /var/lib/shipctl/projects/teatime/services/teatime/blue.env"); mode != "600 root\n" {
					t.Errorf("the slot's file has %s", mode)
				}
			}
			s.disks(file...)
			t.Run("another value", func(t *testing.T) { s.in(t).changed() })
			t.Run("failing", func(t *testing.T) { s.in(t).spill(runner) })
			stop()
			stop = func() {}
		})
	}
}

// changed: a saved plan asks for the value again, and another value is a change.
func (s *vault) changed() {
	s.t.Helper()
	_, before := s.environ("TOKEN")
	s.given("")
	s.write("later.hclvars", fmt.Sprintf("token = %s\n", hclString(later)))
	s.has(s.discreet(2, "plan", "-detailed-exitcode", "-var-file=later.hclvars", "-out=later.json"), `start green`, `stop blue`)
	s.discreet(1, "plan", "-var", "token="+"short and plain", "-out=never.json")
	s.given(token)
	s.discreet(0, "plan", "-out=same.json", "-var", "version=2")
	s.given("")
	s.has(unwrapped(s.discreet(1, "apply", "same.json")), `plan file holds no secrets.*token.*SHIPCTL_VAR_`)
	s.given(later)
	s.has(unwrapped(s.discreet(1, "apply", "same.json")), `another value now than when the plan was made: token`)
	s.given("")
	if got, pid := s.environ("TOKEN"); got != token || pid != before {
		s.t.Errorf("something was done: pid %s has %q", pid, got)
	}
	s.discreet(0, "apply", "later.json") // the variable file is read again
	if got, pid := s.environ("TOKEN"); got != later || pid == before {
		s.t.Errorf("pid %s, before %s, has %q", pid, before, got)
	}
	if err := os.Remove(filepath.Join(s.dir, "later.hclvars")); err != nil {
		s.t.Fatal(err)
	}
	s.given(later)
	s.discreet(0, "plan", "-detailed-exitcode")
	var file []string
	if _, err := s.m("app-1").Try("test -e /run/systemd/system && test -e /etc/systemd/system/shipctl-teatime-teatime-green.service"); err == nil {
		file = []string{"app-1:/var/lib/shipctl/projects/teatime/services/teatime/green.env"}
	}
	s.disks(file...)
}

func hclString(s string) string {
	b := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", "$${", "%{", "%%{").Replace(s)
	return `"` + b + `"`
}

// spill: programs that print what they were given, and fail.
func (s *vault) spill(runner string) {
	s.t.Helper()
	s.given(token)
	print := `printf 'the token is %s.\n' "$TOKEN"; printf %s "$TOKEN" | base64 -w0; echo; printf 'user:%s' "$TOKEN" | base64 -w0; echo; ` +
		`printf %s "$TOKEN" | od -An -v -tx1 | tr -d ' \n'; echo; export -p | grep TOKEN; bash -c "printf '%q\n' \"\$TOKEN\""; ` +
		`python3 -c 'import os,json,urllib.parse as u; t=os.environ["TOKEN"]; print(json.dumps(t)); print(repr(t)); print(u.quote(t)); print(u.quote_plus(t))'; exit 1`
	sh := func(script string) string { return `["sh", "-c", ` + hclString(script) + `]` }
	hcl := secretive(runner)
	applied := func(hcl, mode string, patterns ...string) {
		s.t.Helper()
		s.write("main.hcl", hcl)
		out := s.discreet(1, "apply", "-auto-approve", "-var", "version=3", mode)
		s.has(out, append(patterns, `\(sensitive\)`)...)
		for _, part := range []string{"tick", "b4c3af", "w$rd", `w\$rd`, "cCJhJ3Mg", "%C3%BC"} { // a piece of it, however it is written
			if strings.Contains(out, part) {
				s.t.Errorf("%q is left of the secret", part)
			}
		}
	}
	applied(strings.Replace(hcl, `"./teatime", "--port=${slot.port}", "--version=${slot.version}"`, strings.Trim(sh(print), "[]"), 1), "-json=true", `the token is`)
	applied(strings.Replace(hcl, "  health {", "  before_start \"migrate\" {\n    command = "+sh(print)+"\n  }\n\n  health {", 1), "-json=false", `the token is`, `migrate failed`)
	// The program answers the health check with it.
	echo := strings.Replace(hcl, "{ TOKEN = var.token }", "{ TOKEN = var.token, VERSION = var.token }", 1)
	echo = strings.NewReplacer(`path = "/profile"`, `path = "/health"`, `, "--version=${slot.version}"`, "").Replace(echo)
	applied(echo, "-json=false", `GET /health: 200 ok`)
	s.has(s.discreet(0, "plan", "-var", "version=1"), `teatime`)
	// The program's own log, of which shipctl knows no secret, and what it is started with.
	const home = "app-1:/var/lib/shipctl/projects/teatime/services/teatime/"
	allowed := []string{home + "*.log*"}
	if runner == "systemd" {
		allowed = []string{"app-1's journal", "app-1:/var/log/journal/", home + "*.env"}
	}
	s.disks(allowed...)
}

// TestSavedPlan: a plan file is applied once, and only to what it was made for.
func TestSavedPlan(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"app-1", "web-1", "web-2"}, abrupt("systemd"))
	for _, w := range webs {
		s.m(w).WriteSite(fleet.SiteVariable(include, "service_url"))
	}
	s.ok("plan", "-var", "version=1", "-out=plan.json")
	if info, err := os.Stat(filepath.Join(s.dir, "plan.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the plan file: %v %v", info, err)
	}
	s.ok("apply", "plan.json")
	s.settled("1")
	before := s.snapshots()
	s.has(s.fails(5, "apply", "-detailed-exitcode", "plan.json"), `stale`, `Nothing was done`)
	s.fails(1, "apply", "plan.json")
	s.untouched(before)

	s.ok("plan", "-var", "version=2", "-out=plan.json")
	app := s.m("app-1")
	old := s.pid(8081)
	app.Exec("systemctl restart shipctl-teatime-teatime-blue.service; until ss -Hltn 'sport = :8081' | grep -q .; do sleep 0.1; done")
	now := s.pid(8081)
	before = s.snapshots()
	s.has(s.fails(5, "apply", "-detailed-exitcode", "plan.json"), `app-1: service\.teatime: slots\.blue\.pid: `+old+` → `+now+`\b`, `Plan again`)
	s.untouched(before)

	s.ok("plan", "-var", "version=2", "-out=plan.json")
	web := s.m("web-2")
	web.Exec("sed -i s/8081/8099/ " + include)
	before = s.snapshots()
	s.has(s.fails(5, "apply", "-detailed-exitcode", "plan.json"), `web-2: service\.teatime: nginx\.file: \["`+app.Addr+`:8081"\] → \["`+app.Addr+`:8099"\]`)
	s.untouched(before)
	web.Exec("sed -i s/8099/8081/ " + include)
	before = s.snapshots()
	s.ok("plan", "-var", "version=2", "-out=plan.json")

	// The artifact has changed since.
	if err := os.WriteFile(filepath.Join(s.dir, "build/teatime-2/VERSION"), []byte("2, but another\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.has(s.fails(5, "apply", "-detailed-exitcode", "plan.json"), `app-1: release\.teatime: content of build/teatime-2: [0-9a-f]{12} → [0-9a-f]{12}`)
	s.untouched(before)
	s.ok("plan", "-var", "version=2", "-out=plan.json")
	s.has(s.fails(1, "apply", "plan.json", "-var", "version=3"), `-var shapes a plan`)
	s.ok("apply", "plan.json")
	s.settled("2")
}
