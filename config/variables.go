package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// declaration is a variable block, read.
type declaration struct {
	Variable
	typed    bool // has a type
	defaults *typeexpr.Defaults
	fallback *cty.Value // default; nil: required
	nullable bool
	checks   []*hclsyntax.Block
	at       hcl.Range
	from     *assignment // its value's; nil: the default, or none
}

// readVariables reads the declarations, gives each variable its value and checks it.
func (w *world) readVariables() (map[string]Variable, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	decls := map[string]*declaration{}
	for _, name := range w.names("var") {
		d, ds := readDeclaration(name, w.variables[name])
		diags = append(diags, ds...)
		decls[name] = d
	}
	given, ds := w.given(decls)
	diags = append(diags, ds...)
	out := map[string]Variable{}
	for _, name := range w.names("var") {
		d := decls[name]
		v, ds := d.settle(given[name], w.options.Environ)
		diags = append(diags, ds...)
		d.Value = v
		if d.Sensitive { // where it has no value too: where it may not stand does not depend on that
			d.Value = v.Mark(&secret{name: name, value: v})
		}
		w.values[name] = d.Value
		out[name] = d.Variable
	}
	for _, name := range w.names("var") {
		diags = append(diags, w.validate(decls[name])...)
	}
	return out, diags
}

// otherType suggests a type for a word that is none by itself.
func otherType(word string) string {
	plain, of := []string{"string", "number", "bool", "any"}, []string{"list", "set", "map"}
	switch {
	case word == "" || slices.Contains(plain, word) || word == "object" || word == "tuple":
		return ""
	case slices.Contains(of, word):
		return " Write " + word + "(string), for example."
	case word == "text":
		return ` Did you mean "string"?`
	}
	return suggest(word, append(plain, append(of, "object", "tuple")...))
}

// readDeclaration never returns nil; what is wrong counts as absent.
func readDeclaration(name string, b *hclsyntax.Block) (*declaration, hcl.Diagnostics) {
	d := &declaration{Variable: Variable{Name: name, Type: cty.DynamicPseudoType, Range: b.DefRange()}, nullable: true, at: b.DefRange()}
	diags := only(b.Body, "A variable", []string{"type", "default", "description", "sensitive", "nullable"}, []string{"validation"})
	attrs := b.Body.Attributes
	if a := attrs["type"]; a != nil {
		t, defaults, ds := typeexpr.TypeConstraintWithDefaults(a.Expr)
		for _, wrong := range ds {
			wrong.Detail += otherType(hcl.ExprAsKeyword(a.Expr))
		}
		diags = append(diags, ds...)
		if !ds.HasErrors() {
			d.Type, d.defaults, d.typed = t, defaults, true
		}
	}
	for name, into := range map[string]any{"description": &d.Description, "sensitive": &d.Sensitive, "nullable": &d.nullable} {
		if a := attrs[name]; a != nil {
			diags = append(diags, gohcl.DecodeExpression(a.Expr, nil, into)...)
		}
	}
	for _, c := range b.Body.Blocks {
		if c.Type == "validation" {
			diags = append(diags, labels(c, 0)...)
			d.checks = append(d.checks, c)
		}
	}
	if a := attrs["default"]; a != nil {
		unknown := cty.DynamicVal
		d.fallback = &unknown
		v, ds := a.Expr.Value(nil)
		if ds.HasErrors() {
			return d, append(diags, constant(a, ds)...)
		}
		v, ds = d.fit(v, a.Expr.Range())
		if !ds.HasErrors() && v.IsNull() && !d.nullable {
			ds = append(ds, fail(a.Expr.Range(), "Invalid default", "The variable %q is not nullable: its default can't be null.", name))
		}
		diags = append(diags, ds...)
		if !ds.HasErrors() {
			d.fallback = &v
		}
	}
	return d, diags
}

// constant words the mistake of referring to something where only a constant can stand.
func constant(a *hclsyntax.Attribute, diags hcl.Diagnostics) hcl.Diagnostics {
	if len(a.Expr.Variables()) == 0 && !calls(a.Expr) {
		return diags
	}
	return hcl.Diagnostics{fail(a.Expr.Range(), "Not a constant", "A variable's default is a constant: it can't refer to anything or call functions. Compute it in locals from var.…")}
}

func calls(e hclsyntax.Expression) bool {
	found := false
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		if _, ok := n.(*hclsyntax.FunctionCallExpr); ok {
			found = true
		}
		return nil
	})
	return found
}

// fit converts a value to the variable's type.
func (d *declaration) fit(v cty.Value, at hcl.Range) (cty.Value, hcl.Diagnostics) {
	if d.defaults != nil && !v.IsNull() {
		v = d.defaults.Apply(v)
	}
	out, err := convert.Convert(v, d.Type)
	if err != nil {
		if d.Sensitive {
			at = d.at // the snippet must not show the value
		}
		return cty.DynamicVal, hcl.Diagnostics{fail(at, "Wrong type", "The variable %q is %s: %s.", d.Name, typeName(d.Type), conversion(err))}
	}
	return out, nil
}

// typeName is a type as it is written in a configuration, with its article.
func typeName(t cty.Type) string { return "of type " + typeexpr.TypeString(t) }

// settle picks the value of a variable, the last one given winning.
func (d *declaration) settle(given []assignment, environ []string) (cty.Value, hcl.Diagnostics) {
	if len(given) == 0 {
		if d.fallback != nil {
			return *d.fallback, nil
		}
		none := fail(d.at, "Variable without a value", "Give %q a value: a default here, `%s = …` in %s, -var '%s=…', -var-file, or %s%s in the environment.", d.Name, d.Name, varsFile, d.Name, envPrefix, d.Name)
		none.Extra = unset(d.Name)
		return cty.UnknownVal(d.Type), hcl.Diagnostics{none}
	}
	last := given[len(given)-1]
	d.from = &last
	v, diags := last.value(d)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	v, diags = d.fit(v, last.place(d))
	if diags.HasErrors() {
		for _, wrong := range diags {
			wrong.Detail += last.elsewhere(d)
		}
		return v, diags
	}
	if v.IsNull() && !d.nullable {
		if d.fallback != nil {
			return *d.fallback, nil
		}
		return cty.DynamicVal, hcl.Diagnostics{fail(last.place(d), "Variable is null", "The variable %q is not nullable and has no default: give it a value.%s", d.Name, last.elsewhere(d))}
	}
	return v, nil
}

// validate evaluates a variable's own conditions.
func (w *world) validate(d *declaration) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, c := range d.checks {
		ds := only(c.Body, "A validation", []string{"condition", "error_message"}, nil)
		for _, name := range []string{"condition", "error_message"} {
			if c.Body.Attributes[name] == nil {
				ds = append(ds, fail(c.DefRange(), "Argument missing", "A validation has a condition and an error_message; %s is missing.", name))
			}
		}
		if !ds.HasErrors() {
			ds = append(ds, w.evaluable(c)...)
		}
		if !ds.HasErrors() && d.Value.IsWhollyKnown() {
			ds = append(ds, w.holds(d, c)...)
		}
		diags = append(diags, ds...)
	}
	return diags
}

// evaluable reports what is wrong with a validation whatever the values are: names, functions, types.
func (w *world) evaluable(c *hclsyntax.Block) hcl.Diagnostics {
	values := map[string]cty.Value{}
	for name, v := range w.values {
		values[name] = cty.UnknownVal(v.Type())
	}
	ctx := w.validating(values)
	var diags hcl.Diagnostics
	for name, what := range map[string]string{"condition": "A condition", "error_message": "An error message"} {
		e := c.Body.Attributes[name].Expr
		ds := w.onlyVar(e, what)
		var v cty.Value
		if !ds.HasErrors() {
			v, ds = e.Value(ctx)
		}
		if name == "error_message" && !ds.HasErrors() && (v.IsNull() || convert.GetConversionUnsafe(v.Type(), cty.String) == nil && v.Type() != cty.String) {
			ds = append(ds, fail(e.Range(), "Text expected", "An error message is text in quotes."))
		}
		diags = append(diags, ds...)
	}
	return diags
}

// validating is what a validation may use.
func (w *world) validating(values map[string]cty.Value) *hcl.EvalContext {
	return &hcl.EvalContext{Variables: map[string]cty.Value{"var": cty.ObjectVal(values), pathRoot: w.paths}, Functions: w.functions}
}

func (w *world) holds(d *declaration, c *hclsyntax.Block) hcl.Diagnostics {
	ctx := w.validating(w.values)
	e := c.Body.Attributes["condition"].Expr
	v, diags := e.Value(ctx)
	if diags.HasErrors() {
		return discreet(diags, e, ctx)
	}
	v, _ = v.UnmarkDeep()
	ok, err := convert.Convert(v, cty.Bool)
	if err != nil || ok.IsNull() {
		return hcl.Diagnostics{fail(e.Range(), "Not a condition", "A condition gives true or false.")}
	}
	if !ok.IsKnown() || ok.True() {
		return nil
	}
	at, from := d.at, ""
	if d.from != nil {
		at, from = d.from.place(d), d.from.elsewhere(d)
	}
	text, diags := message(c.Body.Attributes["error_message"].Expr, ctx)
	return append(diags, fail(at, "Invalid value for variable", "%s\n\nThis is checked by the validation at %s.%s", text, place(c.DefRange()), from))
}

// message is what a validation says. What keeps it from being said is said, too.
func message(e hclsyntax.Expression, ctx *hcl.EvalContext) (string, hcl.Diagnostics) {
	v, diags := e.Value(ctx)
	if diags.HasErrors() {
		return "The error message can't be shown: it can't be evaluated.", discreet(diags, e, ctx)
	}
	if v.ContainsMarked() {
		return "The error message can't be shown: it is sensitive.", nil
	}
	text, err := convert.Convert(v, cty.String)
	if err != nil || text.IsNull() || !text.IsKnown() {
		return "The error message can't be shown: it is not text.", nil
	}
	return text.AsString(), nil
}

// onlyVar reports references of a validation to anything but variables.
func (w *world) onlyVar(e hclsyntax.Expression, what string) hcl.Diagnostics {
	var diags hcl.Diagnostics
	names := w.names("var")
	for _, t := range e.Variables() {
		name, ok := step(t)
		switch {
		case t.RootName() == pathRoot:
		case t.RootName() != "var":
			diags = append(diags, fail(t.SourceRange(), "Unknown reference", "%s can refer to variables only (var.NAME), and %q is none.", what, t.RootName()))
		case ok && !slices.Contains(names, name):
			diags = append(diags, fail(t.SourceRange(), "Unknown reference", "There is no variable %q.%s", name, suggest(name, names)))
		}
	}
	return diags
}

// conversion is a conversion's error with the path inside the value.
func conversion(err error) string {
	var path cty.Path
	if p, ok := err.(cty.PathError); ok { //nolint:errorlint // convert returns it bare
		path = p.Path
	}
	at := ""
	for _, s := range path {
		switch s := s.(type) {
		case cty.GetAttrStep:
			at += "." + s.Name
		case cty.IndexStep:
			at += "[" + indexText(s.Key) + "]"
		}
	}
	if at == "" {
		return err.Error()
	}
	return fmt.Sprintf("at %s, %s", at, err)
}

func indexText(key cty.Value) string {
	switch {
	case !key.IsKnown() || key.IsNull() || key.IsMarked():
		return "…"
	case key.Type() == cty.String:
		return quote(key.AsString())
	case key.Type() == cty.Number:
		return key.AsBigFloat().Text('f', -1)
	}
	return "…"
}
