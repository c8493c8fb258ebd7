package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers/all"
)

// TestExamples: every configuration below examples/ is right and laid out as it stands, with no value given.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/*.hcl")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d examples: %v", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(filepath.Dir(name)), func(t *testing.T) {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			formatted, diags := config.Format(src, name)
			if diags.HasErrors() || string(formatted) != string(src) {
				t.Errorf("%s is not formatted: %v", name, diags)
			}
			o := (&cli{}).options(values{})
			o.Dir = filepath.Dir(name)
			p, diags := load(o)
			if len(diags) > 0 {
				t.Fatal(diags)
			}
			for _, r := range p.resources { // what a run writes down can be read again
				if _, err := planner.Load([]planner.Resource{{Ref: r.Ref, Spec: r.Spec}}, all.Kinds()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
