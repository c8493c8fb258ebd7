package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/shipctl/shipctl/config"
)

// place is a text in a configuration: an argument's value, a part of one, or a label.
type place struct {
	name string
	at   hcl.Range
}

// places are all texts of a file.
func places(body *hclsyntax.Body, prefix string) (out []place) {
	for name, a := range body.Attributes {
		_ = hclsyntax.VisitAll(a.Expr, func(n hclsyntax.Node) hcl.Diagnostics {
			if t, ok := n.(*hclsyntax.TemplateExpr); ok {
				out = append(out, place{prefix + name, t.Range()})
			}
			return nil
		})
	}
	for _, b := range body.Blocks {
		for _, l := range b.LabelRanges {
			out = append(out, place{prefix + b.Type + " label", l})
		}
		out = append(out, places(b.Body, prefix+b.Type+".")...)
	}
	return out
}

// loaded loads a text as a configuration in a directory of its own.
func loaded(t *testing.T, text []byte) hcl.Diagnostics {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	o := (&cli{}).options(values{})
	o.Dir = dir
	_, diags := load(o)
	return diags
}

// TestNothingIsRun puts shell into every text of a configuration that uses everything there is. Loading it runs nothing;
// and it is accepted only where a text may be anything, because it is handed on as it is and no shell reads it.
func TestNothingIsRun(t *testing.T) {
	text, err := os.ReadFile("testdata/full/main.hcl")
	if err != nil {
		t.Fatal(err)
	}
	if diags := loaded(t, text); diags.HasErrors() {
		t.Fatal(diags)
	}
	// A secret's slow hash would be computed hundreds of times.
	text = bytes.ReplaceAll(text, []byte("PASSWORD = var.password"), []byte("PASSWORD = local.zone"))
	file, diags := hclsyntax.ParseConfig(text, "main.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	all := places(file.Body.(*hclsyntax.Body), "")
	if len(all) < 75 {
		t.Errorf("only %d texts found", len(all))
	}
	t.Chdir(t.TempDir())
	var accepted []string
	for _, shell := range []string{"$(touch canary)", "`touch canary`", "x; touch canary", "x' ; touch canary '", "x\\n touch canary", "-x"} {
		for _, p := range all {
			changed := slices.Concat(text[:p.at.Start.Byte], []byte(`"`+shell+`"`), text[p.at.End.Byte:])
			if diags := loaded(t, changed); !diags.HasErrors() && !slices.Contains(accepted, p.name) {
				accepted = append(accepted, p.name)
			}
		}
	}
	if there, _ := filepath.Glob("*"); len(there) > 0 {
		t.Errorf("something was run: %v", there)
	}
	slices.Sort(accepted)
	want := []string{
		// names of files on this machine
		"host.identity_file", "host.known_hosts", "release.source",
		// what a program gets, word by word
		"locals.zone", "service.before_start.command", "service.command", "service.env", "service.health.exec.command", "service.slot.env",
		// regular expressions, and a line of a systemd unit
		"service.health.http.body", "service.nginx_upstream.verify.body", "service.systemd.properties",
		// for people; and a value that is never used as anything else
		"variable.default", "variable.description", "variable.validation.error_message",
	}
	slices.Sort(want)
	if d := cmp.Diff(want, accepted); d != "" {
		t.Errorf("texts that may be anything (-want +got):\n%s", d)
	}
}

// TestControlCharacters: they are accepted only in what goes to no machine.
func TestControlCharacters(t *testing.T) {
	text, err := os.ReadFile("testdata/full/main.hcl")
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte("PASSWORD = var.password"), []byte("PASSWORD = local.zone"))
	file, diags := hclsyntax.ParseConfig(text, "main.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var accepted []string
	for _, odd := range []string{`\n`, `\u0000`, `\r`, `\u001b`, `\u0085`} {
		for _, p := range places(file.Body.(*hclsyntax.Body), "") {
			// Behind what is right there, so that nothing else is wrong.
			changed := slices.Concat(text[:p.at.End.Byte-1], []byte(odd), text[p.at.End.Byte-1:])
			if diags := loaded(t, changed); !diags.HasErrors() && !slices.Contains(accepted, p.name) {
				accepted = append(accepted, p.name)
			}
		}
	}
	slices.Sort(accepted)
	want := []string{"release.source", "shipctl.required_version", "variable.default", "variable.description", "variable.validation.error_message"}
	if d := cmp.Diff(want, accepted); d != "" {
		t.Errorf("texts that may have control characters (-want +got):\n%s", d)
	}
}

// A variable's value is data wherever it comes from.
func TestNothingOfAVariableIsRun(t *testing.T) {
	full, err := filepath.Abs("testdata/full")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	const shell = "$(touch canary)`touch canary`"
	for _, o := range []config.Options{
		{Flags: []config.Flag{{Text: "version=" + shell}}},
		{Environ: []string{"SHIPCTL_VAR_version=" + shell}},
	} {
		base := (&cli{}).options(values{})
		base.Dir, base.Flags, base.Environ = full, o.Flags, o.Environ
		_, diags := load(base)
		if !diags.HasErrors() || !strings.Contains(diags.Error(), "version") {
			t.Errorf("%+v: %v", o, diags)
		}
	}
	if there, _ := filepath.Glob("*"); len(there) > 0 {
		t.Errorf("something was run: %v", there)
	}
}
