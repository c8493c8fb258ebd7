package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// depguard is the house's table as rules for the linter, which shows them in editors.
func depguard() string {
	var b strings.Builder
	rule := func(name string, files []string, deny, why string, allow []string) {
		fmt.Fprintf(&b, "        %s:\n          list-mode: lax\n          files:\n", strings.NewReplacer("/", "-", ".", "-").Replace(name))
		for _, f := range append(files, "!$test") {
			fmt.Fprintf(&b, "            - %q\n", f)
		}
		fmt.Fprintf(&b, "          deny:\n            - pkg: %s\n              desc: %q\n", deny, why)
		if len(allow) > 0 {
			b.WriteString("          allow:\n")
		}
		for _, a := range allow {
			fmt.Fprintf(&b, "            - %s/%s$\n", module, a)
		}
	}
	for _, l := range append(house(), props()...) {
		rule(l.folder, []string{"**/" + l.folder + "/*.go"}, module+"/", l.why, l.may)
	}
	for _, o := range outsiders() {
		files := []string{"$all", "!**/testdata/**", "!**/examples/**"}
		for _, f := range o.only {
			files = append(files, "!**/"+f+"/*.go")
		}
		for _, p := range props() {
			files = append(files, "!**/"+p.folder+"/*.go")
		}
		rule("only-"+o.path, files, o.path+"$", o.why, nil)
	}
	return b.String()
}

// TestLinterKnowsTheLayers holds .golangci.yml to the table. UPDATE_GOLDEN=1 writes it.
func TestLinterKnowsTheLayers(t *testing.T) {
	const begin, end = "      rules: # as in cmd/shipctl/layers_test.go; UPDATE_GOLDEN=1 go test ./cmd/shipctl writes them\n", "      # end of rules\n"
	path := filepath.Join(root(t), ".golangci.yml")
	text := read(t, ".golangci.yml")
	head, rest, ok := strings.Cut(text, begin)
	have, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("the rules' place is not found")
	}
	want := depguard()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("-table +.golangci.yml:\n%s", d)
	}
}
