package release

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/local"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// ask collects a spec's facts from a machine.
func ask(t *testing.T, m remote.Machine, s Spec) remote.Facts {
	t.Helper()
	f := remote.Facts{}
	for _, q := range append(facts(config.Ref{}, s), remote.Identity("app-1")) {
		if q.Host == remote.Controller {
			f.Put(q, Kind.Local[q.Script](q.Args))
			continue
		}
		f.Put(q, remotetest.Query(t, m, q.Script, q.Args...))
	}
	return f
}

// What a plan says is what is done, through the text that machines really get: after it the plan is empty, and going
// back takes no upload.
func TestPlanApplyPlan(t *testing.T) {
	lib, err := remote.Scripts(map[string]fs.FS{"release": scripts{files}})
	if err != nil {
		t.Fatal(err)
	}
	ref := config.Ref{Kind: "release", Name: "tea"}
	for _, sh := range shells(t) {
		t.Run(sh.name, func(t *testing.T) {
			dir := t.TempDir()
			argv := sh.argv
			if sh.name == "busybox" {
				argv = []string{filepath.Join(sh.path, "sh")}
			}
			m := local.New(local.Settings{
				Host: sh.name, StateDir: filepath.Join(dir, "state"), Shell: argv, Env: []string{"HOME=" + dir, "PATH=" + sh.path},
			}, remotetest.Setup(lib))
			s := Spec{Name: "tea", Root: filepath.Join(dir, "it's a root"), Pin: PinVersion, Hosts: []config.HostValue{{Name: "app-1"}}, Shared: []string{"log"}}
			for _, now := range []struct{ version, source, steps string }{
				{"1", write(t, "a.jar", []byte("one")), "upload publish activate"},
				{"2", write(t, "b.tar.gz", tarWithEverything(t)), "upload publish activate"},
				{"1", "/nowhere", "activate"},
				{"2", "/nowhere", "activate"},
			} {
				s.Version, s.Source = now.version, now.source
				changes := diff(ref, s, ask(t, m, s))
				var steps []string
				for _, st := range changes[0].Steps {
					steps = append(steps, string(st.ID[strings.LastIndex(string(st.ID), "/")+1:]))
					if out, err := remotetest.Step(t, m, st.Do); err != nil {
						t.Fatalf("%s: %v %s", st.Title, err, out)
					}
				}
				if d := cmp.Diff(now.steps, strings.Join(steps, " ")); d != "" || changes[0].Problem != "" {
					t.Fatalf("%s%s", d, changes[0].Problem)
				}
				again := diff(ref, s, ask(t, m, s))[0]
				if again.Action != providers.NoOp || again.Problem != "" || cmp.Diff(string(changes[0].After), string(again.Before)) != "" {
					t.Errorf("%+v", again)
				}
				if to, err := os.Readlink(filepath.Join(s.Root, "current")); err != nil || to != filepath.Join(s.Root, "releases", now.version) {
					t.Errorf("%s %v", to, err)
				}
			}
			s.Version = "1"
			undo := diff(ref, s, ask(t, m, s))[0]
			if _, err := remotetest.Step(t, m, undo.Steps[0].Do); err != nil {
				t.Fatal(err)
			}
			if _, err := remotetest.Step(t, m, *undo.Steps[0].Undo); err != nil {
				t.Fatal(err)
			}
			s.Version = "2"
			if c := diff(ref, s, ask(t, m, s))[0]; c.Action != providers.NoOp {
				t.Errorf("%+v", c)
			}
		})
	}
}
