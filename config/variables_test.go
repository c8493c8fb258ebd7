package config_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/shipctl/shipctl/config"
)

// Each place wins over the ones before it.
func TestPrecedenceOfValues(t *testing.T) {
	declared := project + "variable \"v\" {\n  type = string\n  default = \"default\"\n}\n"
	files := map[string]string{"main.hcl": declared}
	dir := t.TempDir()
	o := config.Options{Dir: dir, Kinds: kinds()}
	steps := []struct {
		name string
		add  func()
	}{
		{"default", func() {}},
		{"env", func() { o.Environ = []string{"SHIPCTL_VAR_v=env", "SHIPCTL_VAR_unknown=x"} }},
		{"hclvars", func() { files["shipctl.hclvars"] = `v = "hclvars"` }},
		{"auto-a", func() { files["a.auto.hclvars"] = `v = "auto-a"` }},
		{"auto-b", func() { files["b.auto.hclvars"] = `v = "auto-b"` }},
		{"file-1", func() {
			files["1.hclvars"] = `v = "file-1"`
			o.Flags = append(o.Flags, config.Flag{Text: filepath.Join(dir, "1.hclvars"), File: true})
		}},
		{"file-2", func() {
			files["2.hclvars"] = `v = "file-2"`
			o.Flags = append(o.Flags, config.Flag{Text: filepath.Join(dir, "2.hclvars"), File: true})
		}},
		{"flag-1", func() { o.Flags = append(o.Flags, config.Flag{Text: "v=flag-1"}) }},
		{"file-3", func() {
			files["3.hclvars"] = `v = "file-3"`
			o.Flags = append(o.Flags, config.Flag{Text: filepath.Join(dir, "3.hclvars"), File: true})
		}},
		{"flag=2", func() { o.Flags = append(o.Flags, config.Flag{Text: "v=flag=2"}) }},
	}
	for _, s := range steps {
		s.add()
		write(t, dir, files)
		c, diags := config.Load(o)
		if len(diags) > 0 {
			t.Fatal(s.name, diags)
		}
		if got := c.Variables["v"].Value; !got.RawEquals(cty.StringVal(s.name)) {
			t.Errorf("%s: got %#v", s.name, got)
		}
		alone, diags := config.Values(o)
		if len(diags) > 0 || !alone["v"].Value.RawEquals(cty.StringVal(s.name)) {
			t.Errorf("Values, %s: %#v, %v", s.name, alone["v"], diags)
		}
	}
}

func TestTextBecomesTheVariablesType(t *testing.T) {
	for _, c := range []struct {
		declared, text string
		want           cty.Value // NilVal: an error
	}{
		{`type = string`, `null`, cty.StringVal("null")},
		{`type = string`, `"q"`, cty.StringVal(`"q"`)},
		{`type = string`, `${x}`, cty.StringVal(`${x}`)},
		{``, `1`, cty.StringVal("1")},
		{`type = number`, `1`, cty.NumberIntVal(1)},
		{`type = number`, `null`, cty.NullVal(cty.Number)},
		{`type = number`, `x`, cty.NilVal},
		{`type = bool`, `true`, cty.True},
		{`type = list(string)`, `["a", 1]`, cty.ListVal([]cty.Value{cty.StringVal("a"), cty.StringVal("1")})},
		{`type = list(string)`, `a`, cty.NilVal},
		{`type = any`, `[true]`, cty.TupleVal([]cty.Value{cty.True})},
		{"type = number\n nullable = false\n default = 7", `null`, cty.NumberIntVal(7)},
		{"type = number\n nullable = false", `null`, cty.NilVal},
		{`type = object({ a = string, b = optional(number, 5) })`, `{ a = "x" }`, cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal("x"), "b": cty.NumberIntVal(5)})},
		{`type = map(number)`, `{ a = "x" }`, cty.NilVal},
		{"type = number\n validation {\n condition = var.v > 1\n error_message = \"Above ${var.v}.\"\n }", `1`, cty.NilVal},
		{"type = number\n validation {\n condition = var.v > 1\n error_message = \"Above 1.\"\n }", `2`, cty.NumberIntVal(2)},
	} {
		dir := write(t, t.TempDir(), map[string]string{"main.hcl": project + "variable \"v\" {\n" + c.declared + "\n}\n"})
		for how, o := range map[string]config.Options{
			"-var": {Dir: dir, Flags: []config.Flag{{Text: "v=" + c.text}}},
			"env":  {Dir: dir, Environ: []string{"SHIPCTL_VAR_v=" + c.text}},
		} {
			got, diags := config.Load(o)
			switch {
			case c.want == cty.NilVal && !diags.HasErrors():
				t.Errorf("%s, %s %s: %#v; want an error", c.declared, how, c.text, got.Variables["v"].Value)
			case c.want != cty.NilVal && (diags.HasErrors() || !got.Variables["v"].Value.RawEquals(c.want)):
				t.Errorf("%s, %s %s: %#v, %v", c.declared, how, c.text, got.Variables["v"].Value, diags)
			}
		}
	}
}

// TestWrongValueIsPlaced: what is wrong with a value names where it was given, also where that may not be shown.
func TestWrongValueIsPlaced(t *testing.T) {
	const checked = "type = number\n validation {\n condition = var.v > 1\n error_message = \"Above 1.\"\n }"
	for _, c := range []struct {
		name, declared string
		files          map[string]string
		environ, flags []string
		at, says       string
	}{
		{"checked", checked, map[string]string{"shipctl.hclvars": "# first\nv = 1\n"}, nil, nil, "shipctl.hclvars:2", ""},
		{"checked, of another file", checked, map[string]string{"shipctl.hclvars": "v = 2\n", "b.auto.hclvars": "\n\nv = 0\n"}, nil, nil, "b.auto.hclvars:3", ""},
		{"checked, sensitive", "sensitive = true\n" + checked, map[string]string{"shipctl.hclvars": "# first\nv = 1\n"}, nil, nil, "main.hcl:4", "shipctl.hclvars:2."},
		{"checked, of a flag", checked, nil, nil, []string{"v=1"}, "main.hcl:4", "-var v."},
		{"checked, of the environment", checked, nil, []string{"SHIPCTL_VAR_v=1"}, nil, "main.hcl:4", "SHIPCTL_VAR_v."},
		{"checked, the default", "default = 1\n" + checked, nil, nil, nil, "main.hcl:4", ""},
		{"type", "type = number", map[string]string{"shipctl.hclvars": "\nv = \"x\"\n"}, nil, nil, "shipctl.hclvars:2", ""},
		{"type, sensitive", "sensitive = true\ntype = number", map[string]string{"shipctl.hclvars": "\nv = \"x\"\n"}, nil, nil, "main.hcl:4", "shipctl.hclvars:2."},
		{"null, sensitive", "sensitive = true\nnullable = false", map[string]string{"shipctl.hclvars": "\nv = null\n"}, nil, nil, "main.hcl:4", "shipctl.hclvars:2."},
		{"no constant, sensitive", "sensitive = true", map[string]string{"shipctl.hclvars": "\nv = var.x\n"}, nil, nil, "main.hcl:4", "shipctl.hclvars:2."},
	} {
		files := map[string]string{"main.hcl": project + "variable \"v\" {\n" + c.declared + "\n}\n"}
		maps.Copy(files, c.files)
		dir := write(t, t.TempDir(), files)
		o := config.Options{Dir: dir, Environ: c.environ}
		for _, f := range c.flags {
			o.Flags = append(o.Flags, config.Flag{Text: f})
		}
		_, diags := config.Load(o)
		if len(diags) != 1 || diags[0].Subject == nil {
			t.Errorf("%s: %v", c.name, diags)
			continue
		}
		d := diags[0]
		if at := fmt.Sprintf("%s:%d", filepath.Base(d.Subject.Filename), d.Subject.Start.Line); at != c.at {
			t.Errorf("%s: at %s, not %s", c.name, at, c.at)
		}
		if _, from, _ := strings.Cut(d.Detail, ` The value of "v" is that of `); strings.TrimPrefix(from, dir+"/") != c.says {
			t.Errorf("%s: %q does not end with %q", c.name, d.Detail, c.says)
		}
	}
}

func TestUndeclaredFlag(t *testing.T) {
	dir := write(t, t.TempDir(), map[string]string{"main.hcl": project + "variable \"version\" {\n default = null\n}\n"})
	for flag, want := range map[string]string{"verison=1": `Did you mean "version"?`, "version": "is not NAME=VALUE", "version = cli": "Write -var 'version=…'", " version=1": "no space around the name"} {
		_, diags := config.Load(config.Options{Dir: dir, Flags: []config.Flag{{Text: flag}}})
		if len(diags) != 1 || !strings.Contains(diags.Error(), want) {
			t.Errorf("-var %s: %v", flag, diags)
		}
	}
}

func TestSensitiveVariable(t *testing.T) {
	dir := write(t, t.TempDir(), map[string]string{
		"main.hcl":        project + "variable \"pw\" {\n type = string\n sensitive = true\n}\nlocals {\n x = parseint(var.pw, 10)\n}\n",
		"shipctl.hclvars": "pw = \"hunter2\"\n",
	})
	c, diags := config.Load(config.Options{Dir: dir})
	if !diags.HasErrors() || strings.Contains(diags.Error(), "hunter2") {
		t.Errorf("%v", diags)
	}
	if name, is := config.Sensitive(c.Variables["pw"].Value); name != "pw" || !is {
		t.Errorf("Sensitive = %q, %v", name, is)
	}
	for name := range c.Files {
		if strings.HasSuffix(name, ".hclvars") {
			t.Errorf("%s could be shown in a snippet", name)
		}
	}
}

// TestEvalByName: where a sensitive variable has no value, what uses it as a whole can be evaluated, and nothing else.
func TestEvalByName(t *testing.T) {
	for text, want := range map[string]bool{
		`{ A = var.pw }`: true,
		`{ A = var.pin, B = "plain", C = [var.pw] }`: true,
		`merge({ A = var.pw }, { B = "plain" })`:     true,
		`local.env`:                                  true,
		`{ A = "x-${var.pw}" }`:                      false,
		`{ A = "${var.pw}${var.pin}" }`:              false,
		`{ A = nonsensitive(var.pw) }`:               false,
		`{ A = length(var.all) }`:                    false,
		`{ A = var.plain }`:                          false,
		`{ A = var.pw, B = var.plain }`:              false,
		`var.all`:                                    false,
		`{ for k in var.all : k => "x" }`:            false,
		`{ "${var.pw}" = "x" }`:                      false,
		`{ A = var.pw == "x" ? "a" : "b" }`:          false,
	} {
		dir := write(t, t.TempDir(), map[string]string{"main.hcl": project + `
variable "pw" {
  type      = string
  sensitive = true
}
variable "pin" {
  type      = number
  sensitive = true
}
variable "all" {
  type      = map(string)
  sensitive = true
}
variable "plain" {
  type = string
}
locals {
  env = { A = var.pw }
}
release "a" {
  env = ` + text + `
}
`})
		c, diags := config.Load(config.Options{Dir: dir, Kinds: kinds()})
		if _, unset := config.Unset(diags); len(unset) != 4 || len(c.Blocks) != 1 {
			t.Fatalf("%s: %v", text, diags)
		}
		var in struct {
			Env hcl.Expression `hcl:"env"`
		}
		diags = c.Blocks[0].Decode(&in)
		if diags.HasErrors() {
			t.Errorf("%s: %v", text, diags)
			continue
		}
		_, diags = c.Blocks[0].EvalByName(in.Env, nil)
		if diags.HasErrors() == want {
			t.Errorf("%s: %v", text, diags)
		}
		if _, diags = c.Blocks[0].Eval(in.Env, nil); !diags.HasErrors() {
			t.Errorf("%s is known", text)
		}
	}
}
