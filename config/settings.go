package config

import (
	"github.com/Masterminds/semver/v3"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// checkVersion compares required_version with this shipctl's version, pre-releases counting as their release.
func (w *world) checkVersion() hcl.Diagnostics {
	if w.settings == nil || w.settings.Body.Attributes["required_version"] == nil {
		return nil
	}
	e := w.settings.Body.Attributes["required_version"].Expr
	text, diags := w.text(e, "required_version", nil)
	if diags.HasErrors() {
		return diags
	}
	constraint, err := semver.NewConstraint(text)
	if err != nil {
		return hcl.Diagnostics{fail(e.Range(), "Invalid version constraint", `%q is not a version constraint. Write for example ">= 0.1, < 2".`, text)}
	}
	version, err := semver.NewVersion(w.options.Version)
	if err != nil {
		return nil // a build without a version
	}
	release, err := version.SetPrerelease("")
	if err == nil && !constraint.Check(&release) {
		return hcl.Diagnostics{fail(e.Range(), "Another version of shipctl is required", "This is shipctl %s and the configuration requires %s. Install such a version, or change required_version.", w.options.Version, text)}
	}
	return nil
}

// project is the name that everything on the machines is marked with.
func (w *world) project() (string, hcl.Diagnostics) {
	const write = `shipctl { project = "NAME" }`
	if w.settings == nil {
		return "", hcl.Diagnostics{fail(hcl.Range{}, "No project", "The configuration doesn't say whose it is: write %s. The name marks what shipctl puts on a machine.", write)}
	}
	a := w.settings.Body.Attributes["project"]
	if a == nil {
		return "", hcl.Diagnostics{fail(w.settings.DefRange(), "No project", "Write %s. The name marks what shipctl puts on a machine.", write)}
	}
	if e, ok := a.Expr.(*hclsyntax.ScopeTraversalExpr); ok && e.Traversal.RootName() == "var" && w.varFailed(e.Traversal) {
		return "", nil
	}
	name, diags := w.text(a.Expr, "project", map[string]cty.Value{"var": cty.ObjectVal(w.values)})
	if diags.HasErrors() {
		return "", diags
	}
	if !validProject(name) {
		return "", hcl.Diagnostics{fail(a.Expr.Range(), "Invalid name", "%q can't name a project. A name begins with a lower-case letter or digit and goes on with those, underscores and dashes, %d at most.", name, maxName)}
	}
	return name, nil
}

func (w *world) varFailed(t hcl.Traversal) bool {
	name, ok := step(t)
	return ok && w.variables[name] != nil && !w.values[name].IsWhollyKnown()
}

// text evaluates an expression that must be a string, with nothing but the given names.
func (w *world) text(e hclsyntax.Expression, what string, names map[string]cty.Value) (string, hcl.Diagnostics) {
	ctx := &hcl.EvalContext{Variables: names, Functions: w.functions}
	v, diags := e.Value(ctx)
	if diags.HasErrors() {
		return "", discreet(diags, e, ctx)
	}
	if _, is := sensitive(v); is || v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return "", hcl.Diagnostics{fail(e.Range(), "Text expected", "%s must be text in quotes that is neither null nor sensitive.", what)}
	}
	return v.AsString(), nil
}
