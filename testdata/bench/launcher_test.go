package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers/all"
	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/local"
)

// What a launcher may add to a run of its job, by the median.
const launcherLimit = 10 * time.Millisecond

// BenchmarkLauncher: a job that is "true" through its launcher, and the floor: "true" itself, one after the other; and
// where root starts it for another user. Fails when the launcher adds more than it may.
func BenchmarkLauncher(b *testing.B) {
	for _, tt := range []struct{ shell, runAs string }{{"", ""}, {"dash", ""}, {"busybox", ""}, {"", "daemon"}} {
		if tt.runAs != "" && os.Getuid() != 0 {
			continue // only root becomes another user
		}
		launcher, shell := deployedJob(b, tt.runAs), tt.shell
		b.Run("shell="+shell+"/run_as="+tt.runAs, func(b *testing.B) {
			argv := map[string][]string{"": {launcher}, "dash": {"dash", launcher}, "busybox": {"busybox", "sh", launcher}}[shell]
			var floor, through []time.Duration
			took := func(argv ...string) time.Duration {
				begin := time.Now()
				if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil || len(out) > 0 {
					b.Fatalf("%v %s", err, out)
				}
				return time.Since(begin)
			}
			for b.Loop() {
				floor = append(floor, took("true"))
				through = append(through, took(argv...))
			}
			added := median(through) - median(floor)
			b.ReportMetric(float64(added.Microseconds())/1000, "added-ms")
			if added > launcherLimit {
				b.Errorf("the launcher adds %s to %s, the median of %d runs", added, median(floor), len(floor))
			}
		})
	}
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

// deployedJob is the launcher of a job "true" on this machine, which runs as a user; "" as whoever starts it.
func deployedJob(b *testing.B, runAs string) string {
	b.Helper()
	dir := b.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // the user has to get there
		if err := os.Chmod(d, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	root := filepath.Join(dir, "root")
	release := filepath.Join(root, "releases", "1")
	if err := os.MkdirAll(release, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.Symlink(release, filepath.Join(root, "current")); err != nil {
		b.Fatal(err)
	}
	as := ""
	if runAs != "" {
		as = fmt.Sprintf("run_as = %q", runAs)
	}
	text := fmt.Sprintf("shipctl {\n  project = \"bench\"\n}\nhost \"here\" {}\nrelease \"r\" {\n  hosts = [host.here]\n  root = %q\n  source = \"x\"\n  version = null\n}\n"+
		"batch \"b\" {\n  release = release.r\n  %s\n  job \"job\" {\n    command = [\"true\"]\n  }\n}\n", root, as)
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	c, diags := config.Load(config.Options{Dir: dir, Kinds: []string{"release", "service", "batch"}})
	rs, d := planner.Decode(c, all.Kinds())
	if diags = config.Report(append(diags, d...)); diags.HasErrors() {
		b.Fatal(diags)
	}
	controller := planner.NewController(all.Kinds(), nil)
	setup := remote.Setup{Library: library(b), Project: "bench"}
	m := local.New(local.Settings{Host: "here", StateDir: filepath.Join(dir, "state")}, setup)
	f, failed := planner.Ask(b.Context(), rs, func(_ context.Context, host string) (remote.Machine, error) {
		if host == remote.Controller {
			return controller, nil
		}
		return m, nil
	})
	if len(failed) > 0 {
		b.Fatal(failed)
	}
	p, err := planner.Build(rs, f, nil)
	if err != nil || len(p.Problems()) > 0 {
		b.Fatal(err, p.Problems())
	}
	for _, st := range p.Steps() {
		if _, err := m.Run(b.Context(), remote.Ticket{Run: "bench", Step: string(st.ID), Deadline: time.Now().Add(time.Minute)}, st.Do); err != nil {
			b.Fatal(err)
		}
	}
	return filepath.Join(root, "jobs", "job")
}
