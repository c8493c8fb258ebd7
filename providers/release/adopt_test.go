package release

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// TestAdoptLook: directories as Capistrano and as S0 lay them out, and what is shipctl's own is known as that.
func TestAdoptLook(t *testing.T) {
	script, err := os.ReadFile("adopt.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, shell := range remotetest.Shells(t) {
		t.Run(shell, func(t *testing.T) {
			top, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			shop, data := top+"/shop", top+"/data"
			for _, d := range []string{
				shop + "/releases/20240101000000", shop + "/releases/20240102030405/config", shop + "/shared/log", top + "/real/current", top + "/real/releases",
				top + "/odd/releases/a\nb", top + "/pipe/releases/1", top + "/zero/releases/1", data + "/batch_20240101000000", data + "/batch_20240102030405", data + "/batch_old", top + "/out/x",
			} {
				if err := os.MkdirAll(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range []string{shop + "/releases/20240102030405/REVISION", shop + "/shared/db.yml"} {
				if err := os.WriteFile(f, []byte("8f3c0de\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := syscall.Mkfifo(top+"/pipe/releases/1/REVISION", 0o644); err != nil {
				t.Fatal(err)
			}
			for at, to := range map[string]string{
				top + "/pipe/current": "releases/1", top + "/zero/current": "releases/1", top + "/zero/releases/1/REVISION": "/dev/zero",
				shop + "/current": "releases/20240102030405", shop + "/releases/20240102030405/log": shop + "/shared/log",
				shop + "/releases/20240102030405/config/db.yml": "../../../shared/db.yml", shop + "/releases/20240102030405/x": "/etc/passwd",
				top + "/odd/current": "releases/a\nb", top + "/out/releases": "x", top + "/out/current": "../real",
				data + "/batch": data + "/batch_20240102030405", data + "/deploy": "batch_20240101000000", data + "/other": "batch_old",
			} {
				if err := os.Symlink(to, at); err != nil {
					t.Fatal(err)
				}
			}
			ours := top + "/state/projects/teatime/releases/" + (Spec{Root: top + "/zero"}).key()
			if err := os.MkdirAll(ours, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(ours+"/1", nil, 0o644); err != nil {
				t.Fatal(err)
			}
			r := remotetest.Run(t, shell, string(script), []string{shop, data, top + "/real", top + "/odd", top + "/out", top + "/none", top + "/pipe", top + "/zero"}, "STATE="+top+"/state")
			var lines []string
			for line := range strings.Lines(r.Stdout) {
				if strings.Contains(line, top) || line == "end\n" {
					lines = append(lines, strings.TrimSpace(strings.ReplaceAll(line, top, "T")))
				}
			}
			want := []string{
				"dated\tT/data\tT/data/batch\tbatch_20240102030405\t2", "dated\tT/data\tT/data/deploy\tbatch_20240101000000\t2",
				"ours\tT/zero\tteatime", "root\tT/pipe\t1\t1\t-", "root\tT/shop\t20240102030405\t2\t8f3c0de", "root\tT/zero\t1\t1\t-", "shared\tT/shop\tconfig/db.yml", "shared\tT/shop\tlog", "end",
			}
			if got := strings.Join(lines, "\n"); r.Status != 0 || got != strings.Join(want, "\n") {
				t.Errorf("status %d, %s\n%s\nwant\n%s", r.Status, r.Stderr, got, strings.Join(want, "\n"))
			}
			roots, _ := parseAdopt(&providers.Adoption{}, "app-1", r.Stdout, nil, nil)
			for _, l := range roots {
				if of := map[string]string{top + "/zero": "teatime"}[l.root]; strings.HasPrefix(l.root, top) && l.project != of {
					t.Errorf("%s is of project %q, not %q", l.root, l.project, of)
				}
			}
		})
	}
}
