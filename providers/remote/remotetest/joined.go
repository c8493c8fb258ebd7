package remotetest

import (
	"io/fs"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/providers/remote"
)

// Joined wants what is sent of each script of a kind to be clean: the script behind the prelude and behind what it shares
// with others, as a question or as a step. Only there can be seen whether a variable is set and used. A shared function may
// go unused, and what it sets may be for another script of the kind.
func Joined(t testing.TB, kind string, scripts fs.FS) {
	t.Helper()
	lib, err := remote.Scripts(map[string]fs.FS{kind: scripts})
	if err != nil {
		t.Fatal(err)
	}
	texts, unused := map[string]string{}, map[string][]string{}
	for name := range lib {
		if !strings.HasPrefix(name, kind+"/") || strings.HasSuffix(name, ".shared") {
			continue
		}
		texts[name] = joined(t, lib, name)
		cmd := exec.Command(need(t, "shellcheck", "shellcheck"), "-s", "sh", "-e", "SC2317", "-f", "gcc", "-")
		cmd.Stdin = strings.NewReader(texts[name])
		out, err := cmd.CombinedOutput()
		if err != nil && len(out) == 0 {
			t.Fatal(name, err)
		}
		for line := range strings.Lines(string(out)) {
			if _, rest, is := strings.Cut(line, ": warning: "); is && strings.Contains(rest, "[SC2034]") {
				v, _, _ := strings.Cut(rest, " ")
				unused[v] = append(unused[v], name)
				continue
			}
			t.Errorf("%s, as it is sent: %s", name, line)
		}
	}
	if len(texts) == 0 {
		t.Errorf("%s has no scripts", kind)
	}
	for v, in := range unused {
		word := regexp.MustCompile(`\b` + v + `\b`)
		used := false
		for name, text := range texts {
			used = used || word.MatchString(text) && !slices.Contains(in, name)
		}
		if !used {
			t.Errorf("%s: %s is set and never used (SC2034)", strings.Join(in, ", "), v)
		}
	}
}

// joined is the text that a machine is sent for a script.
func joined(t testing.TB, lib remote.Library, name string) string {
	t.Helper()
	scene := remote.Scene{Nonce: "0123456789", StateDir: "/state", Project: Project}
	text, err := lib.StepScript(scene, remote.Ticket{Run: "r", Step: "s"}, remote.Call{Script: name, Args: []string{"a"}}, "", time.Minute)
	if _, shared := lib[name+".shared"]; shared {
		text, err = lib.Questions(scene, []remote.Query{{Script: name, Args: []string{"a"}}})
	}
	if err != nil {
		t.Fatal(name, err)
	}
	return text
}
