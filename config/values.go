package config

import (
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

const envPrefix = "SHIPCTL_VAR_"

// Flag is a -var, or a -var-file.
type Flag struct {
	Text string // NAME=VALUE, or the path of a *.hclvars file
	File bool
}

// assignment gives a variable a value: text from the environment or a flag, or an expression in a file.
type assignment struct {
	text   string
	source string // of text, for messages
	expr   hclsyntax.Expression
	at     hcl.Range
}

// given collects what is assigned to each variable, in rising precedence: environment, shipctl.hclvars,
// *.auto.hclvars, then what the command line says, in its order.
func (w *world) given(decls map[string]*declaration) (map[string][]assignment, hcl.Diagnostics) {
	out := map[string][]assignment{}
	for _, kv := range w.options.Environ {
		key, text, _ := strings.Cut(kv, "=")
		if name, ok := strings.CutPrefix(key, envPrefix); ok && decls[name] != nil {
			out[name] = append(out[name], assignment{text: text, source: key})
		}
	}
	files, diags := w.valueFiles()
	show := true // a line of a file may hold a secret that a snippet would print
	for _, d := range decls {
		show = show && !d.Sensitive
	}
	for _, path := range files {
		diags = append(diags, w.fromFile(path, show, out)...)
	}
	for _, g := range w.options.Flags {
		if g.File {
			diags = append(diags, w.fromFile(g.Text, show, out)...)
		} else {
			diags = append(diags, w.fromFlag(g.Text, out)...)
		}
	}
	return out, diags
}

// valueFiles lists the files that assign variables without being named, in rising precedence.
func (w *world) valueFiles() ([]string, hcl.Diagnostics) {
	var out []string
	if _, err := os.Stat(w.path(varsFile)); err == nil {
		out = append(out, w.path(varsFile))
	}
	auto, err := w.dir(varsSuffix)
	if err != nil {
		return nil, hcl.Diagnostics{fail(hcl.Range{}, "Can't read a file", "%s.", reason(err))}
	}
	return append(out, auto...), nil
}

func (w *world) fromFlag(flag string, out map[string][]assignment) hcl.Diagnostics {
	name, text, ok := strings.Cut(flag, "=")
	plain := strings.TrimSpace(name)
	switch {
	case !ok:
		return hcl.Diagnostics{fail(hcl.Range{}, "Invalid -var", "-var %q is not NAME=VALUE.", plain)}
	case plain != name: // a space behind the = too would be a part of the value
		return hcl.Diagnostics{fail(hcl.Range{}, "Invalid -var", "-var %q: there is no space around the name. Write -var '%s=…'.", name+"=…", plain)}
	case w.variables[name] == nil:
		return hcl.Diagnostics{fail(hcl.Range{}, "Undeclared variable", "-var gives %q a value, and there is no such variable.%s Declare it: variable %q { … }", name, suggest(name, w.names("var")), name)}
	}
	out[name] = append(out[name], assignment{text: text, source: "-var " + name})
	return nil
}

func (w *world) fromFile(path string, show bool, out map[string][]assignment) hcl.Diagnostics {
	body, diags := w.parse(path, show)
	if body == nil {
		return diags
	}
	for _, b := range body.Blocks {
		diags = append(diags, fail(b.TypeRange, "Block in a file of values", "A file of values has lines NAME = VALUE only. Declarations belong in a *%s file.", suffix))
	}
	for _, a := range ordered(body.Attributes) {
		if w.variables[a.Name] == nil {
			diags = append(diags, warn(a.NameRange, "Undeclared variable", "There is no variable %q: the value is not used.%s", a.Name, suggest(a.Name, w.names("var"))))
			continue
		}
		out[a.Name] = append(out[a.Name], assignment{expr: a.Expr, at: a.Expr.Range()})
	}
	return diags
}

// value evaluates an assignment. Text for a variable of a simple type, or of none, is taken as it is; for other types
// it is an expression.
func (g assignment) value(d *declaration) (cty.Value, hcl.Diagnostics) {
	if g.expr != nil {
		v, diags := g.expr.Value(nil)
		if diags.HasErrors() {
			return cty.DynamicVal, hcl.Diagnostics{fail(g.place(d), "Not a constant", "The value of %q must be a constant: text in quotes, a number, true, false, null, a list or an object.%s", d.Name, g.elsewhere(d))}
		}
		return v, nil
	}
	if !d.typed || d.Type == cty.String {
		return cty.StringVal(g.text), nil
	}
	if d.Type.IsPrimitiveType() {
		if v, err := convert.Convert(cty.StringVal(g.text), d.Type); err == nil {
			return v, nil
		}
	}
	e, diags := hclsyntax.ParseExpression([]byte(g.text), g.source, hcl.InitialPos)
	if !diags.HasErrors() {
		var v cty.Value
		if v, diags = e.Value(nil); !diags.HasErrors() {
			return v, nil
		}
	}
	return cty.DynamicVal, hcl.Diagnostics{fail(d.at, "Invalid value", "%s: the variable %q is %s, and what is given is not an expression of that type. Mind the quotes: -var '%s=[\"a\", \"b\"]'.", g.source, d.Name, typeName(d.Type), d.Name)}
}

// place is where to point: never at a line that may hold a secret.
func (g assignment) place(d *declaration) hcl.Range {
	if d.Sensitive || g.expr == nil {
		return d.at
	}
	return g.at
}

// elsewhere says where the value was given, where that is not what is pointed to.
func (g assignment) elsewhere(d *declaration) string {
	switch {
	case g.expr == nil:
		return fmt.Sprintf(" The value of %q is that of %s.", d.Name, g.source)
	case g.place(d) != g.at:
		return fmt.Sprintf(" The value of %q is that of %s.", d.Name, place(g.at))
	}
	return ""
}
