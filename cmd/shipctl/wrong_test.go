package main

import (
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/config/configtest"
)

// TestWrong holds whole configurations, through everything that validate does, to the diagnostics that are marked in
// them.
func TestWrong(t *testing.T) {
	configtest.Check(t, "testdata/wrong", 100, func(dir string) (hcl.Diagnostics, map[string]*hcl.File) {
		o := (&cli{}).options(values{})
		o.Dir = dir
		p, diags := load(o)
		return diags, p.config.Files
	})
}
