package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/shipctl/shipctl"

// layer is a folder of the house with what it may import of ours. Folders stand from the ground to the top: a layer
// names earlier ones only.
type layer struct {
	folder string
	may    []string
	why    string
}

// house is the table that the tests hold the imports to. .golangci.yml says the same for editors.
func house() []layer {
	ground := []string{"config", "providers", "providers/remote"}
	kinds := []string{"providers/release", "providers/service", "providers/batch", "providers/window"}
	machines := []string{"providers/remote/local", "providers/remote/ssh"}
	return []layer{
		{"config", nil, "the language knows no kinds and no machines, so that each can change without it"},
		{"providers/remote", nil, "what a machine can do is said without configuration: a plan made elsewhere runs the same"},
		{"providers/remote/local", []string{"providers/remote"}, "a machine knows nothing of what runs on it"},
		{"providers/remote/ssh", []string{"config", "providers/remote", "providers/remote/local"}, "it reads host blocks, and connection = \"local\" is one of its settings; it knows nothing of what runs there"},
		{"providers", []string{"config", "providers/remote"}, "the vocabulary of all kinds can't depend on one of them"},
		{"providers/nginx", ground, "it is what services route with: slots and health are theirs"},
		{"providers/release/fetch", nil, "a file over HTTPS, held to a digest: what for is not its concern"},
		{"providers/release", append(ground, "providers/release/fetch"), "kinds don't import each other: they meet in values and in steps"},
		{"providers/service", append(ground, "providers/nginx"), "kinds don't import each other: they meet in values and in steps"},
		{"providers/window/cron", nil, "when a schedule fires is arithmetic: it imports nothing of ours"},
		{"providers/batch", append(ground, "providers/window/cron"), "kinds don't import each other: they meet in values and in steps"},
		{"providers/window", append(ground, "providers/window/cron"), "kinds don't import each other: they meet in values and in steps"},
		{"providers/all", append([]string{"providers"}, kinds...), "the list of kinds, and nothing else"},
		{"planner", ground, "it orders changes of kinds that it doesn't know, on facts that it doesn't fetch"},
		{"executor", append(ground, "planner"), "it walks a plan: what a step means is the step's own"},
		{"cmd/view", append(ground, "planner", "executor"), "a view shows what the work has found, and does none"},
		{"cmd/shipctl", slices.Concat(ground, machines, []string{"providers/nginx", "providers/window/cron", "providers/all", "planner", "executor", "cmd/view"}), "wiring: it names no kind, they come from providers/all"},
	}
}

// props are for tests: nothing that ships may import them.
func props() []layer {
	return []layer{
		{"config/configtest", []string{"config"}, "a harness of tests"},
		{"providers/remote/remotetest", []string{"providers/remote", "providers/remote/local", "providers/remote/ssh"}, "a harness of tests"},
		{"providers/remote/model", nil, "a stand-in for scripts, for tests"},
		{"providers/batch/model", nil, "a stand-in for scripts, for tests"},
		{"providers/nginx/model", []string{"providers", "providers/remote", "providers/nginx"}, "a stand-in for scripts, for tests"},
		{"providers/release/model", []string{"providers", "providers/remote", "providers/release"}, "a stand-in for scripts, for tests"},
		{"providers/service/model", []string{"providers", "providers/remote", "providers/nginx", "providers/nginx/model", "providers/service"}, "a stand-in for scripts, for tests"},
	}
}

// outside are packages of others that one folder alone may use.
type outside struct {
	path string
	only []string
	why  string
}

func outsiders() []outside {
	return []outside{
		{"github.com/spf13/cobra", []string{"cmd/shipctl"}, "flags are read in one place"},
		{"charm.land/bubbletea/v2", []string{"cmd/view"}, "only views draw"},
		{"golang.org/x/term", []string{"cmd/shipctl"}, "only the command asks a terminal"},
		{"golang.org/x/crypto/ssh", []string{"providers/remote/ssh"}, "connections are made in one place, with host keys checked"},
		{"net", []string{"providers/remote/ssh", "cmd/shipctl"}, "nobody else connects to anything; gate -listen answers"},
		{"net/http", []string{"providers/release/fetch", "cmd/shipctl"}, "requests are made on machines, by scripts; gate -listen answers some"},
		{"os/exec", []string{"providers/remote/local", "providers/remote/ssh"}, "nobody else runs a program"},
		{"github.com/hashicorp/hcl/v2/gohcl", []string{"config"}, "it panics on sensitive values: config unmarks them first"},
		{"plugin", nil, "kinds are spelled out in providers/all"},
		{"log", nil, "logs go through the logger that is passed in"},
		{"testing", nil, "what ships is not a test"},
	}
}

// pkg is what go list says of a package.
type pkg struct {
	ImportPath string
	Imports    []string
}

func folder(importPath string) (string, bool) { return strings.CutPrefix(importPath, module+"/") }

// free packages are no part of what ships.
func free(folder string) bool {
	return strings.HasPrefix(folder, "testdata/") || strings.HasPrefix(folder, "examples/")
}

// violations of the house's rules, each with its reason.
func violations(packages []pkg) (out []string) {
	layers := map[string]layer{}
	for _, l := range slices.Concat(house(), props()) {
		layers[l.folder] = l
	}
	test := map[string]string{}
	for _, l := range props() {
		test[l.folder] = l.why
	}
	for _, p := range packages {
		from, _ := folder(p.ImportPath)
		_, isProp := test[from]
		l, known := layers[from]
		if !known && !free(from) {
			out = append(out, from+" has no place in the house: put it into the table, with a reason")
		}
		for _, path := range p.Imports {
			to, ours := folder(path)
			switch {
			case !ours && !isProp && !free(from):
				out = append(out, strangers(from, path)...)
			case !ours || free(from):
			case test[to] != "" && !isProp:
				out = append(out, fmt.Sprintf("%s imports %s: %s", from, to, test[to]))
			case known && !slices.Contains(l.may, to):
				out = append(out, fmt.Sprintf("%s imports %s: %s", from, to, l.why))
			}
		}
	}
	return out
}

func strangers(from, path string) (out []string) {
	for _, o := range outsiders() {
		if path == o.path && !slices.Contains(o.only, from) {
			out = append(out, fmt.Sprintf("%s imports %s: %s", from, path, o.why))
		}
	}
	return out
}

// packages are those of the module, what is below testdata left out.
func packages(t *testing.T) (out []pkg) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = root(t)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	raw, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	for d := json.NewDecoder(bytes.NewReader(raw)); ; {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
}

// root is the module's folder.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLayers(t *testing.T) {
	all := packages(t)
	if len(all) < 10 {
		t.Fatalf("only %d packages found", len(all))
	}
	for _, v := range violations(all) {
		t.Error(v)
	}
}

// The table itself: each layer names earlier ones only.
func TestLayersStandOnEarlierOnes(t *testing.T) {
	for _, layers := range [][]layer{house(), slices.Concat(house(), props())} {
		seen := map[string]bool{}
		for _, l := range layers {
			for _, m := range l.may {
				if !seen[m] {
					t.Errorf("%s may import %s, which stands above it", l.folder, m)
				}
			}
			if l.why == "" {
				t.Errorf("%s: a rule without a reason", l.folder)
			}
			seen[l.folder] = true
		}
	}
}

// A forbidden import is complained about, with the reason.
func TestForbiddenImports(t *testing.T) {
	for _, tt := range []struct{ from, to, want string }{
		{"config", "providers", "knows no kinds"},
		{"config", "providers/remote", "knows no kinds"},
		{"providers/remote", "config", "without configuration"},
		{"providers/remote", "providers", "without configuration"},
		{"providers/remote/ssh", "providers/nginx", "nothing of what runs there"},
		{"providers", "providers/release", "can't depend on one of them"},
		{"providers", "planner", "can't depend on one of them"},
		{"providers/release", "providers/service", "don't import each other"},
		{"providers/service", "providers/release", "don't import each other"},
		{"providers/release", "providers/nginx", "don't import each other"},
		{"providers/nginx", "providers/service", "slots and health are theirs"},
		{"providers/window", "providers/batch", "don't import each other"},
		{"providers/window/cron", "config", "nothing of ours"},
		{"planner", "executor", "doesn't know"},
		{"planner", "providers/service", "doesn't know"},
		{"planner", "providers/remote/ssh", "doesn't fetch"},
		{"executor", "providers/all", "the step's own"},
		{"cmd/view", "providers/remote/ssh", "does none"},
		{"cmd/shipctl", "providers/service", "names no kind"},
		{"planner", "cmd/view", "doesn't know"},
		{"cmd/shipctl", "config/configtest", "harness of tests"},
		{"providers/service", "providers/nginx/model", "for tests"},
		{"planner", "providers/remote/remotetest", "harness of tests"},
		{"cmd/shipctl", "testdata/lab", "names no kind"},
		{"providers/new", "config", "no place in the house"},
	} {
		t.Run(tt.from+" "+tt.to, func(t *testing.T) {
			got := violations([]pkg{{ImportPath: module + "/" + tt.from, Imports: []string{"fmt", module + "/" + tt.to}}})
			if len(got) != 1 || !strings.Contains(got[0], tt.want) {
				t.Errorf("%q, want one with %q", got, tt.want)
			}
		})
	}
	for _, o := range outsiders() {
		got := violations([]pkg{{ImportPath: module + "/planner", Imports: []string{o.path}}})
		if len(got) != 1 || !strings.Contains(got[0], o.why) {
			t.Errorf("planner imports %s: %q", o.path, got)
		}
	}
}

// The same with the packages as they are and one edge more, through the go tool's own output.
func TestLayersNoticeOneImportMore(t *testing.T) {
	all := packages(t)
	for i := range all {
		if all[i].ImportPath == module+"/providers/release" {
			all[i].Imports = append(all[i].Imports, module+"/providers/service")
		}
	}
	if got := violations(all); len(got) != 1 || !strings.Contains(got[0], "providers/release imports providers/service") {
		t.Errorf("%q", got)
	}
}

// graph is who imports whom, by folder: what ships only.
func graph(all []pkg) map[string]map[string]bool {
	test := map[string]bool{}
	for _, l := range props() {
		test[l.folder] = true
	}
	g := map[string]map[string]bool{}
	for _, p := range all {
		from, _ := folder(p.ImportPath)
		if test[from] || free(from) {
			continue
		}
		g[from] = map[string]bool{}
		for _, path := range p.Imports {
			if to, ours := folder(path); ours {
				g[from][to] = true
			}
		}
	}
	return g
}

// reduced leaves out the edges that follow from others: the only such graph that says the same.
func reduced(g map[string]map[string]bool) (out []string) {
	var reaches func(from, to string) bool
	reaches = func(from, to string) bool {
		for next := range g[from] {
			if next == to || reaches(next, to) {
				return true
			}
		}
		return false
	}
	for from, tos := range g {
		for to := range tos {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(tos)), func(other string) bool { return reaches(other, to) }) {
				out = append(out, from+" --> "+to)
			}
		}
	}
	slices.Sort(out)
	return out
}

// drawn are the picture's arrows, by folder.
func drawn(t *testing.T, readme []byte) (out []string) {
	t.Helper()
	_, rest, ok := bytes.Cut(readme, []byte("```mermaid\n"))
	picture, _, closed := bytes.Cut(rest, []byte("```"))
	if !ok || !closed {
		t.Fatal("README.md has no picture")
	}
	names := map[string]string{}
	node := regexp.MustCompile(`(?m)^\s*(\w+)\["([\w/]+)(?:<br/>[^"]*)?"\]$`)
	for _, m := range node.FindAllSubmatch(picture, -1) {
		names[string(m[1])] = string(m[2])
	}
	arrow := regexp.MustCompile(`(?m)^\s*(\w+) --> (\w+)$`)
	for _, m := range arrow.FindAllSubmatch(picture, -1) {
		out = append(out, names[string(m[1])]+" --> "+names[string(m[2])])
	}
	if lines := bytes.Count(bytes.TrimSpace(picture), []byte("\n")); lines != len(names)+len(out) {
		t.Errorf("%d lines in the picture, %d boxes and %d arrows understood", lines, len(names), len(out))
	}
	slices.Sort(out)
	return out
}

func TestReadmePicture(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	g := graph(packages(t))
	want := reduced(g)
	if d := cmp.Diff(want, drawn(t, readme)); d != "" {
		t.Errorf("the picture in README.md is not what the imports say (-imports +picture):\n%s", d)
	}
	// One import more that does not follow from others changes what must be drawn.
	g["providers/remote"]["config"] = true
	if slices.Equal(want, reduced(g)) {
		t.Error("an import more changes nothing")
	}
}
