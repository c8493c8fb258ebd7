package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/shipctl/shipctl/config"
)

// seeds adds every file of testdata that matches.
func seeds(f *testing.F, pattern string) {
	f.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatal(pattern, err)
	}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
}

// Whatever is written, loading and decoding end in diagnostics and never in a panic.
func FuzzLoad(f *testing.F) {
	seeds(f, "testdata/wrong/*.hcl")
	f.Add(config.Starter())
	f.Fuzz(func(t *testing.T, src []byte) {
		dir := write(t, t.TempDir(), map[string]string{"main.hcl": string(src)})
		load(config.Options{Dir: dir, Environ: []string{"SHIPCTL_VAR_version=1"}})
	})
}

// Formatting a formatted file comes to rest. Once is not always enough: "${"${x}"}" loses a layer each time, as it does
// with terraform.
func FuzzFormat(f *testing.F) {
	seeds(f, "testdata/fmt/*.hcl")
	f.Fuzz(func(t *testing.T, src []byte) {
		out, diags := config.Format(src, "x.hcl")
		if diags.HasErrors() {
			return
		}
		for range 8 {
			again, diags := config.Format(out, "x.hcl")
			if diags.HasErrors() {
				t.Fatalf("what was formatted doesn't parse: %s\n%q", diags, out)
			}
			if bytes.Equal(again, out) {
				return
			}
			out = again
		}
		t.Errorf("never comes to rest: %q", src)
	})
}
