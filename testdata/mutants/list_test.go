package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestList: each fault is still to be made at one place, and its test is there. Whether that test notices it is what
// "make mutants" finds out.
func TestList(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	for _, m := range mutants() {
		if seen[m.name] {
			t.Errorf("%s: two of that name", m.name)
		}
		seen[m.name] = true
		raw, err := os.ReadFile(filepath.Join(root, m.file))
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		if n := strings.Count(string(raw), m.old); n != 1 {
			t.Errorf("%s: %s has this %d times:\n%s", m.name, m.file, n, m.old)
		}
		name, _, _ := strings.Cut(m.test, "/")
		for name := range strings.SplitSeq(name, "|") {
			if !hasTest(t, filepath.Join(root, m.pkg), name) {
				t.Errorf("%s: %s has no test %s", m.name, m.pkg, name)
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("%d faults only", len(seen))
	}
}

func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if regexp.MustCompile(`(?m)^func ` + name + `\(`).Match(raw) {
			return true
		}
	}
	return false
}
