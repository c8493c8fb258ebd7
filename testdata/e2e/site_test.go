// Package e2e deploys to real machines: systemd, sshd and nginx of their own, with shipctl as a user calls it, under
// load. Each test has a fleet to itself; those that measure time or losses closely run alone, before the others.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
	"github.com/shipctl/shipctl/testdata/load"
)

var shipctl, teatime string // the programs, built once

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "shipctl-e2e-")
	if err != nil {
		panic(err)
	}
	if err := os.Setenv("XDG_STATE_HOME", filepath.Join(dir, "state")); err != nil { // journals
		panic(err)
	}
	shipctl, teatime = filepath.Join(dir, "shipctl"), filepath.Join(dir, "teatime")
	for out, pkg := range map[string]string{shipctl: "cmd/shipctl", teatime: "examples/teatime"} {
		cmd := exec.Command("go", "build", "-o", out, "github.com/shipctl/shipctl/"+pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if b, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n%s", pkg, err, b)
			os.Exit(1)
		}
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

const include = "/etc/nginx/conf.d/service-url.inc"

// site is a fleet with a configuration for it.
type site struct {
	t     *testing.T
	fleet *fleet.Fleet
	dir   string   // of the configuration
	env   []string // further NAME=value for shipctl
}

// newSite boots machines and writes a configuration: how they are reached, and what the test adds. In it "${build}" is
// the folder of the artifacts: ${build}/teatime-N holds the example program in version N.
func newSite(t *testing.T, names []string, hcl string) *site {
	t.Helper()
	s := &site{t: t, fleet: fleet.Up(t, names...), dir: t.TempDir()}
	for _, v := range []string{"1", "2", "3"} {
		s.artifact(v)
	}
	for _, m := range s.fleet.Machines {
		// 400 requests of 2 s at once, from both sides, are more than the 768 connections that Debian gives a worker.
		m.Exec("sed -i 's/worker_connections 768/worker_connections 8192/' /etc/nginx/nginx.conf")
	}
	s.write("hosts.hcl", s.hosts(`user = "deploy"`, `sudo = true`))
	s.write("main.hcl", hcl)
	return s
}

// artifact makes build/teatime-VERSION: the program, and a file that says which version it is.
func (s *site) artifact(version string) string {
	s.t.Helper()
	dir := filepath.Join(s.dir, "build", "teatime-"+version)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	// One file for all tests: it is never written to.
	if err := os.Link(teatime, filepath.Join(dir, "teatime")); err != nil && !errors.Is(err, os.ErrExist) {
		raw, err := os.ReadFile(teatime)
		if err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "teatime"), raw, 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "VERSION"), []byte(version+"\n"), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return dir
}

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// hosts are host blocks for all machines, labelled with the part of their name before the dash; settings go to all.
func (s *site) hosts(settings ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "defaults {\n  host {\n    identity_file = %q\n    known_hosts   = %q\n    %s\n  }\n}\n", s.fleet.KeyFile, s.fleet.KnownHosts, strings.Join(settings, "\n    "))
	for _, m := range s.fleet.Machines {
		role, _, _ := strings.Cut(m.Name, "-")
		fmt.Fprintf(&b, "\nhost %q {\n  address = %q\n  labels  = { role = %q }\n}\n", m.Name, m.Addr, role)
	}
	return b.String()
}

func (s *site) m(name string) *fleet.Machine { return s.fleet.Machine(name) }

// result is what a call of shipctl came to.
type result struct {
	code int
	out  string // standard output and error
}

// run calls shipctl in the configuration's folder.
func (s *site) run(args ...string) result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, shipctl, args...)
	cmd.Dir = s.dir
	cmd.Env = append(append(os.Environ(), "SHIPCTL_IN_AUTOMATION=1"), s.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	r := result{cmd.ProcessState.ExitCode(), out.String()}
	s.t.Logf("$ shipctl %s  (exit %d, %s)\n%s", strings.Join(args, " "), r.code, time.Since(begin).Round(time.Millisecond), r.out)
	s.asPlanned(args, r)
	return r
}

// ok is run that must exit with 0.
func (s *site) ok(args ...string) string {
	s.t.Helper()
	r := s.run(args...)
	if r.code != 0 {
		s.t.Fatalf("shipctl %s: exit %d", strings.Join(args, " "), r.code)
	}
	return r.out
}

// deploy applies a version.
func (s *site) deploy(version string, flags ...string) string {
	s.t.Helper()
	return s.ok(append([]string{"apply", "-auto-approve", "-var", "version=" + version}, flags...)...)
}

// settled: nothing is to do, with the version given and without, and apply runs no step.
func (s *site) settled(version string) {
	s.t.Helper()
	for _, args := range [][]string{{"-var", "version=" + version}, nil} {
		if r := s.run(append([]string{"plan", "-detailed-exitcode"}, args...)...); r.code != 0 || !strings.Contains(r.out, "No changes.") {
			s.t.Errorf("plan %v after apply: exit %d", args, r.code)
		}
		if r := s.run(append([]string{"apply", "-auto-approve"}, args...)...); r.code != 0 || strings.Contains(r.out, "done (") {
			s.t.Errorf("apply %v once more: exit %d, or it ran a step", args, r.code)
		}
	}
}

// has fails the test unless the text matches each regular expression.
func (s *site) has(text string, patterns ...string) {
	s.t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(text) {
			s.t.Errorf("no match for %q in:\n%s", p, text)
		}
	}
}

// load is an open-loop load on machines' nginx until stop is called: 200 requests a second, each on a connection of its
// own, none retried.
func (s *site) load(machines []string, paths ...string) (stop func() load.Result) {
	s.t.Helper()
	var targets []string
	for _, m := range machines {
		targets = append(targets, "http://"+s.m(m).Addr)
	}
	m, err := load.Start(context.Background(), load.Options{Targets: targets, Paths: paths, Rate: 200})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { m.Stop() })
	return m.Stop
}

// late is how far the load itself may fall behind: a client that waits for the machine hides what is lost meanwhile.
const late = time.Second

// nothingLost fails the test when a request was, or when the load did not keep its pace.
func (s *site) nothingLost(r load.Result) {
	s.t.Helper()
	s.t.Logf("%s", r)
	if r.Lag() > late {
		s.t.Errorf("a request was sent %s too late: so slow a load proves nothing", r.Lag().Round(time.Millisecond))
	}
	if r.Lost() == 0 {
		return
	}
	for i, bad := range r.Bad() {
		if i == 10 {
			break
		}
		s.t.Logf("lost: sent %s, done %s: %s", bad.Sent.Format("05.000"), bad.Done.Format("05.000"), bad.Outcome())
	}
	s.t.Errorf("%d of %d requests were lost", r.Lost(), r.Requests())
}

// service is S1's configuration: a program behind the nginx of the machines with the role "web". more goes into the
// service block, route into nginx_upstream.
func service(route, more string) string {
	return fmt.Sprintf(`
shipctl {
  project = "teatime"
}

variable "version" {
  type    = string
  default = null
}

release "teatime" {
  hosts   = hosts_with({ role = "app" })
  root    = "/srv/teatime"
  source  = "build/teatime-${coalesce(var.version, "live")}"
  version = var.version
}

service "teatime" {
  release = release.teatime
  run_as  = "teatime"
  %s

  slot "blue" {
    port = 8081
    env  = { SLOT = "blue" }
  }
  slot "green" {
    port = 8082
    env  = { SLOT = "green" }
  }

  health {
    interval    = "200ms"
    deadline    = "20s"
    healthy_for = "500ms"
    http {
      path = "/profile"
      body = "^${slot.env.SLOT}$"
    }
  }

  nginx_upstream {
    hosts = hosts_with({ role = "web" })
    file  = %q
    drain = "10s"
    %s
    verify {
      url = "http://127.0.0.1/profile"
    }
  }
}
`, more, include, route)
}

// program is the usual command of the example, with flags of a test's own.
func program(flags ...string) string {
	words := `"./teatime", "--port=${slot.port}", "--version=${slot.version}"`
	for _, f := range flags {
		words += fmt.Sprintf(", %q", f)
	}
	return "command = [" + words + "]"
}
