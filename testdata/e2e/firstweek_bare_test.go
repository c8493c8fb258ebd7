package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// firstWeekBare: the runner "process" on a machine with little on it, and with a login shell that talks.
func firstWeekBare(t *testing.T) {
	hcl := strings.NewReplacer(`{ role = "app" }`, `{ role = "box" }`, `{ role = "web" }`, `{ role = "box" }`).
		Replace(service(`variable = "service_url"`, program("--boot=200ms")+"\n  runner = \"process\""))
	s := newSite(t, []string{"box-1"}, hcl)
	m := s.m("box-1")
	m.WriteSite(fleet.SiteVariable(include, "service_url"))
	box := []string{"box-1"}
	step := func(name string, do func(s *site)) {
		t.Run(name, func(t *testing.T) { do(s.with(t)) })
	}
	step("ProcessRunner", func(s *site) {
		s.deploy("1")
		s.settled("1")
		for _, v := range []string{"2", "3"} {
			s.carefully(box, func() { s.deploy(v) })
			s.serves("box-1", v)
			s.settled(v)
			if p := s.programs("box-1"); p != v {
				s.t.Errorf("releases %s run, not %s alone", p, v)
			}
		}
	})
	step("NoisyBash", func(s *site) {
		for _, f := range []string{".bashrc", ".bash_profile", ".profile"} {
			m.WriteFile("/home/deploy/"+f, "echo Welcome to $(hostname); echo 'be careful' >&2; printf 'no newline'\n", 0o644)
		}
		out, err := m.SSH("deploy", "true")
		if err != nil || !strings.Contains(out, "no newline") {
			s.t.Fatalf("the login shell does not print: %q %v", out, err)
		}
		s.settled("3")
		s.carefully(box, func() { s.deploy("1") })
		s.settled("1")
	})
	step("NoisyCsh", func(s *site) {
		m.CopyFile(installed(s.t, "tcsh"), "/usr/bin/tcsh", 0o755)
		m.WriteFile("/home/deploy/.cshrc", "echo Welcome\nsh -c 'echo careful >&2'\n", 0o644)
		m.Exec("echo /usr/bin/tcsh >>/etc/shells && usermod -s /usr/bin/tcsh deploy")
		out, err := m.SSH("deploy", "echo $version")
		if err != nil || !strings.Contains(out, "Welcome") || !strings.Contains(out, "tcsh") {
			s.t.Fatalf("tcsh is not the login shell: %q %v", out, err)
		}
		s.settled("1")
		s.carefully(box, func() { s.deploy("2") })
		s.settled("2")
		m.Exec("usermod -s /bin/bash deploy")
	})
	step("NoCurlNoUnzip", func(s *site) {
		m.Remove("curl", "unzip", "zip", "wget", "rsync", "perl")
		for _, v := range []string{"4", "5"} {
			if dir := s.artifact(v); zipped(dir, dir+".zip") != nil {
				s.t.Fatal("no zip")
			}
		}
		s.swap(hcl, `coalesce(var.version, "live")}"`, `coalesce(var.version, "live")}.zip"`)
		s.carefully(box, func() { s.deploy("4") })
		s.serves("box-1", "4")
		s.settled("4")
		s.swap(hcl, `coalesce(var.version, "live")}"`, `coalesce(var.version, "live")}.zip"`, "http://127.0.0.1/", "https://127.0.0.1/")
		s.refused([]string{"plan", "-var", "version=5"}, `there is no curl on box-1: install the package curl`)
	})
	step("NoFlock", func(s *site) {
		s.write("main.hcl", hcl)
		m.Remove("flock")
		for _, args := range [][]string{{"plan", "-var", "version=3"}, apply("3")} {
			s.refused(args, `there is no flock on box-1: install the package util-linux`)
		}
		s.serves("box-1", "4")
		if p := s.programs("box-1"); p != "4" {
			s.t.Errorf("releases %s run, not 4 alone", p)
		}
	})
}

// installed is where a program of this host's is; the Debian package of the same name is installed where it is missing.
func installed(t *testing.T, program string) string {
	t.Helper()
	if p, err := exec.LookPath(program); err == nil {
		return p
	}
	c := exec.Command("sh", "-c", `apt-get -qq update && apt-get -qq install --no-install-recommends "$1"`, "sh", program)
	c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	p, err := exec.LookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
