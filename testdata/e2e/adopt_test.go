package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
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
	for _, v := range []string{"1", "2", "live"} {
		if err := os.CopyFS(filepath.Join(s.dir, "build", name+"-"+v), os.DirFS(s.artifact(v))); err != nil {
			s.t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(s.dir, "build", name+"-"+v, "teatime"), 0o755); err != nil {
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
	_, table, _ := strings.Cut(out, "\n  Steps\n")
	for _, m := range plannedLine.FindAllStringSubmatch(table, -1) {
		all = append(all, m[1]+" "+m[2])
	}
	return all
}

// TestAdoptS1: a program that a script started, and two nginx machines whose include a script wrote.
func TestAdoptS1(t *testing.T) {
	s := newSite(t, []string{"app-1", "web-1", "web-2"}, "")
	old := byHand(s)
	text, _ := s.adopted("app-1", "web-1", "web-2")
	s.has(text, `command = \["./teatime", "--port=\$\{slot.port\}"\]`, `run_as  = "teatime"`, `port = 8081`, `port = 8082`, `file     = "`+include+`"`, `variable = "service_url"`)
	out := s.fails(1, "plan")
	s.has(out, `there is no release in /srv/teatime`, `nothing of service.teatime runs here and no release is given`)
	s.artifacts("teatime")
	s.has(s.fails(1, "plan", "-var", "version=1"), `port 8081.*pid `+old+`: ./teatime --port=8081`, `-take-over=service.teatime`)
	s.has(s.ok("plan", "-var", "version=1", "-take-over=service.teatime"), "XX")
}

var _ = fleet.SiteVariable
