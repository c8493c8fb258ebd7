package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shipctl/shipctl/config"
)

// The expected files are terraform's own: see testdata/fmt/README.md.
func TestFormatIsTerraforms(t *testing.T) {
	inputs, err := filepath.Glob("testdata/fmt/*.in.hcl")
	if err != nil || len(inputs) < 100 {
		t.Fatalf("%d inputs, %v; want at least 100", len(inputs), err)
	}
	for _, in := range inputs {
		t.Run(strings.TrimSuffix(filepath.Base(in), ".in.hcl"), func(t *testing.T) {
			src, err := os.ReadFile(in)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(in, ".in.hcl") + ".out.hcl")
			if err != nil {
				t.Fatal(err)
			}
			got, diags := config.Format(src, in)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("- terraform + shipctl\n%s", cmp.Diff(string(want), string(got)))
			}
		})
	}
}

// Terraform writes `a = # why` and leaves the 1 behind; likewise `b = (1) +`.
func TestFormatKeepsFilesValid(t *testing.T) {
	const src = "a = \"${\n# why\n1}\"\nb=\"${(1) +\n(2)}\"\ncc=\"${x}\"\n"
	out, diags := config.Format([]byte(src), "x.hcl")
	if want := "a = \"${\n  # why\n1}\"\nb = \"${(1) +\n(2)}\"\ncc = x\n"; diags.HasErrors() || string(out) != want {
		t.Errorf("%v\n%s", diags, cmp.Diff(want, string(out)))
	}
}

func TestFormatRefusesSyntaxErrors(t *testing.T) {
	for _, src := range []string{"a =", "block {", "a = \"", "}", "a b c"} {
		if out, diags := config.Format([]byte(src), "x.hcl"); out != nil || !diags.HasErrors() {
			t.Errorf("%q: %q, %v", src, out, diags)
		}
	}
}
