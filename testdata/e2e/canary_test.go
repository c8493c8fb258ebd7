package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// canary is what comes into being when a text is run by a shell that ought not to see it.
const canary = "/tmp/canary-of-shipctl"

// shells are texts that a shell runs: in double quotes too, in none, in single ones.
func shells() []string {
	return []string{"$(touch " + canary + ")", "; touch " + canary, "`touch " + canary + "`", "'; touch " + canary + "; '", `"; touch ` + canary + `; "`}
}

// quoted are texts as words of a list in a configuration.
func quoted(texts []string) string {
	var out []string
	for _, s := range texts {
		out = append(out, hclString(s))
	}
	return strings.Join(out, ", ")
}

// TestCanary: shell text in every place that takes any text, applied, by both runners. Programs get it as it is, and nobody
// runs it: neither on the machines nor here.
func TestCanary(t *testing.T) {
	t.Parallel()
	for _, runner := range runners {
		t.Run(runner, func(t *testing.T) { hatch(t, runner) })
	}
}

func hatch(t *testing.T, runner string) {
	all := strings.Join(shells(), " ")
	s := newSite(t, []string{"app-1", "web-1"}, "")
	s.m("web-1").WriteSite(fleet.SiteVariable(include, "service_url"))
	// Files on this machine: the artifacts, the key, the known hosts.
	odd := filepath.Join(s.dir, all)
	if err := os.MkdirAll(odd, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{s.fleet.KeyFile, s.fleet.KnownHosts} {
		copyFile(t, f, filepath.Join(odd, filepath.Base(f)))
	}
	if err := os.Chmod(filepath.Join(odd, filepath.Base(s.fleet.KeyFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(s.dir, "build"), filepath.Join(odd, "build")); err != nil {
		t.Fatal(err)
	}
	hosts := s.hosts(`user = "deploy"`, `sudo = true`)
	for _, f := range []string{s.fleet.KeyFile, s.fleet.KnownHosts} {
		hosts = strings.ReplaceAll(hosts, `"`+f+`"`, hclString(filepath.Join(odd, filepath.Base(f))))
	}
	s.write("hosts.hcl", hosts)
	s.env = []string{"BUILD_URL=https://ci.example/" + all, "USER=" + all, "GIT_COMMIT=" + all}
	s.write("main.hcl", canaries(runner, odd, all))
	s.deploy("1")
	s.hatched("1", all)
	s.settled("1")
	// The other kind of health check, and the other slot.
	exec := "exec {\n      command = [\"sh\", \"-c\", \"printf '%s\\\\n' \\\"$@\\\" >/var/tmp/health-words\", \"sh\", " + quoted(shells()) + "]\n    }"
	hcl := canaries(runner, odd, all)
	from, to := strings.Index(hcl, "    http {"), strings.Index(hcl, "  nginx_upstream")
	s.write("main.hcl", hcl[:from]+"    "+exec+"\n  }\n\n"+hcl[to:])
	s.deploy("2")
	s.hatched("2", all, "health-words")
	for _, args := range [][]string{{"status"}, {"history"}, {"graph"}, {"drift"}, {"rollback", "-auto-approve", "service.teatime"}} {
		s.ok(args...)
	}
	s.hatched("1", all)
}

// canaries is S1's configuration and a job, with shell text wherever text is free.
func canaries(runner, odd, all string) string {
	program := `command = ["sh", "-c", "printf '%s\\n' \"$@\" >/var/tmp/command-words; exec ./teatime \"$1\" \"$2\"", "sh", "--port=${slot.port}", "--version=${slot.version}", ` + quoted(shells()) + "]"
	more := program + `
  runner = "` + runner + `"
  env    = { CANARY = ` + hclString(all) + ` }

  before_start "migrate" {
    command = ["sh", "-c", "printf '%s\\n' \"$@\" >/var/tmp/before-words", "sh", ` + quoted(shells()) + `]
  }`
	if runner == "systemd" {
		more += "\n  systemd {\n    properties = { SyslogIdentifier = " + hclString(all) + " }\n  }"
	}
	var re strings.Builder // each is a regular expression that only needs its own characters
	for _, sh := range shells() {
		re.WriteString("|" + strings.NewReplacer("$", `\\$`, "(", `\\(`, ")", `\\)`, `"`, `\"`).Replace(sh))
	}
	hcl := service(`variable = "service_url"`, more)
	hcl = strings.Replace(hcl, `body = "^${slot.env.SLOT}$"`, `body = "^${slot.env.SLOT}$`+re.String()+`"`, 1)
	hcl = strings.Replace(hcl, `url = "http://127.0.0.1/profile"`, "url = \"http://127.0.0.1/profile\"\n      body = \"^(blue|green)$"+re.String()+`"`, 1)
	hcl = strings.Replace(hcl, `source  = "build/`, `source  = `+strings.TrimSuffix(hclString(odd), `"`)+`/build/`, 1)
	hcl = strings.Replace(hcl, `variable "version" {`, "variable \"version\" {\n  description = "+hclString(all), 1)
	hcl = strings.ReplaceAll(hcl, `env  = { SLOT = "`, `env  = { SLOT_CANARY = `+hclString(all)+`, SLOT = "`)
	return hcl + `
batch "jobs" {
  release = release.teatime
  run_as  = "teatime"

  job "words" {
    command = ["sh", "-c", "printf '%s\\n' \"$@\" >/var/tmp/job-words", "sh", ` + quoted(shells()) + `]
  }
}
`
}

// hatched: the programs have got the texts, and there is no canary.
func (s *site) hatched(version, all string, more ...string) {
	s.t.Helper()
	if v := live(s, "web-1"); v != version {
		s.t.Errorf("version %s answers, not %s", v, version)
	}
	app := s.m("app-1")
	app.Exec("/srv/teatime/jobs/words")
	for _, words := range append([]string{"before-words", "command-words", "job-words"}, more...) {
		if got, want := app.ReadFile("/var/tmp/"+words), strings.Join(shells(), "\n")+"\n"; !strings.HasSuffix(got, want) {
			s.t.Errorf("%s: the program got\n%swant\n%s", words, got, want)
		}
	}
	for _, name := range []string{"CANARY", "SLOT_CANARY"} {
		if got, _ := s.environ(name); got != all {
			s.t.Errorf("%s is %q, want %q", name, got, all)
		}
	}
	for _, m := range s.fleet.Machines {
		if out, err := m.Try("ls -l " + canary); err == nil {
			s.t.Errorf("%s: a text was run: %s", m.Name, out)
		}
	}
	if _, err := os.Lstat(canary); err == nil {
		s.t.Error("a text was run on this machine")
		_ = os.Remove(canary)
	}
}
