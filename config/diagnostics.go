package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// skipped is the Extra of a diagnostic that only keeps a caller from going on with a block that depends on something
// that has been reported already.
type skipped struct{}

func skip(at hcl.Range) *hcl.Diagnostic {
	d := fail(at, "Not evaluated", "Something that this depends on is wrong.")
	d.Extra = skipped{}
	return d
}

// Skipped is what a kind returns for a block that refers to one with errors of its own: it keeps the caller from going
// on, and Report does not show it.
func Skipped(at hcl.Range) hcl.Diagnostics { return hcl.Diagnostics{skip(at)} }

// unset is the Extra of the diagnostic that says that the variable of this name has no value.
type unset string

// Unset takes out of what Report gave the diagnostics that only say that a variable has no value, and names those
// variables. What depends on them was not evaluated, and is no error: whoever checks a configuration has no values for it.
func Unset(diags hcl.Diagnostics) (left hcl.Diagnostics, names []string) {
	for _, d := range diags {
		if name, ok := d.Extra.(unset); ok {
			names = append(names, string(name))
			continue
		}
		left = append(left, d)
	}
	slices.Sort(names)
	return left, names
}

// Report is what users are shown of the diagnostics of Load and of all Decode and Eval calls together: in the order of
// the files, nothing twice, and without those that only say that something they depend on was reported already. It
// never turns a failure into a success: an error that has no other cause is kept.
func Report(diags hcl.Diagnostics) hcl.Diagnostics {
	var out, quiet hcl.Diagnostics
	seen := map[string]bool{}
	for _, d := range diags {
		if _, ok := d.Extra.(skipped); ok {
			quiet = append(quiet, d)
			continue
		}
		key := fmt.Sprint(d.Severity, d.Summary, d.Detail, d.Subject)
		if !seen[key] {
			seen[key] = true
			out = append(out, d)
		}
	}
	if len(quiet) > 0 && !out.HasErrors() {
		out = append(out, quiet[0])
	}
	slices.SortStableFunc(out, func(a, b *hcl.Diagnostic) int { return before(a.Subject, b.Subject) })
	return out
}

// before orders ranges by file and position; those without a range come first.
func before(a, b *hcl.Range) int {
	if a == nil || b == nil {
		return cmp.Compare(present(a), present(b))
	}
	return cmp.Or(cmp.Compare(a.Filename, b.Filename), cmp.Compare(a.Start.Byte, b.Start.Byte))
}

func present(r *hcl.Range) int {
	if r == nil {
		return 0
	}
	return 1
}

func fail(at hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...)}
	if at != (hcl.Range{}) {
		d.Subject = &at
	}
	return d
}

func warn(at hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	d := fail(at, summary, format, args...)
	d.Severity = hcl.DiagWarning
	return d
}

// discreet takes out of an evaluation's diagnostics what could show a sensitive value: the values that a renderer
// would print beside the snippet, and texts of functions that quote their arguments.
func discreet(diags hcl.Diagnostics, e hcl.Expression, ctx *hcl.EvalContext) hcl.Diagnostics {
	around := marked(e, ctx)
	for _, d := range diags {
		secrets := append(slices.Clip(around), marked(d.Expression, d.EvalContext)...)
		made := marksAnything(e) || marksAnything(d.Expression)
		if len(secrets) == 0 && !made {
			continue
		}
		d.Expression, d.EvalContext = nil, nil
		if call, is := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); is {
			if _, is := errors.AsType[shownError](call.FunctionCallError()); is {
				continue
			}
		}
		if made || strings.Contains(d.Summary, "function") || mentions(d.Detail, secrets) {
			d.Detail = "The details are not shown: the expression uses a sensitive value."
		}
	}
	return diags
}

// spelled adds the attribute that was meant where an object has none of the name that was written.
func spelled(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		e, is := d.Expression.(*hclsyntax.ScopeTraversalExpr)
		if !is || d.Summary != "Unsupported attribute" || d.EvalContext == nil {
			continue
		}
		for i := 1; i < len(e.Traversal); i++ {
			attr, is := e.Traversal[i].(hcl.TraverseAttr)
			v, ds := e.Traversal[:i].TraverseAbs(d.EvalContext)
			if !is || ds.HasErrors() || v.IsMarked() || !v.Type().IsObjectType() {
				break
			}
			if !v.Type().HasAttribute(attr.Name) {
				d.Detail += suggest(attr.Name, sorted(slices.Collect(maps.Keys(v.Type().AttributeTypes()))))
				break
			}
		}
	}
	return diags
}

// widen points at the whole argument of a function where HCL points at its first token.
func widen(diags hcl.Diagnostics, e hcl.Expression) hcl.Diagnostics {
	n := native(e)
	if n == nil {
		return diags
	}
	_ = hclsyntax.VisitAll(n, func(c hclsyntax.Node) hcl.Diagnostics {
		call, ok := c.(*hclsyntax.FunctionCallExpr)
		if !ok {
			return nil
		}
		for _, arg := range call.Args {
			for _, d := range diags {
				if d.Subject != nil && *d.Subject == arg.StartRange() && d.Summary == "Invalid function argument" {
					d.Subject = arg.Range().Ptr()
				}
			}
		}
		return nil
	})
	return diags
}

// marked returns the sensitive values that an expression refers to.
func marked(e hcl.Expression, ctx *hcl.EvalContext) []cty.Value {
	var out []cty.Value
	if e == nil || ctx == nil {
		return nil
	}
	for _, t := range e.Variables() {
		if v, d := t.TraverseAbs(ctx); !d.HasErrors() && v.ContainsMarked() {
			out = append(out, v)
		}
	}
	return out
}

// marksAnything says whether an expression makes a value sensitive itself: which value that is, nobody knows outside of it.
func marksAnything(e hcl.Expression) bool {
	found := false
	if n := native(e); n != nil {
		_ = hclsyntax.VisitAll(n, func(c hclsyntax.Node) hcl.Diagnostics {
			f, ok := c.(*hclsyntax.FunctionCallExpr)
			found = found || ok && f.Name == "sensitive"
			return nil
		})
	}
	return found
}

func mentions(text string, secrets []cty.Value) bool {
	found := false
	for _, s := range secrets {
		plain, _ := s.UnmarkDeep()
		_ = cty.Walk(plain, func(_ cty.Path, v cty.Value) (bool, error) {
			if v.IsKnown() && !v.IsNull() && v.Type() == cty.String && v.AsString() != "" && strings.Contains(text, v.AsString()) {
				found = true
			}
			return true, nil
		})
	}
	return found
}

// native is an expression of the native syntax under whatever wraps it; nil when there is none.
func native(e hcl.Expression) hclsyntax.Expression {
	out, _ := hcl.UnwrapExpressionUntil(e, func(e hcl.Expression) bool {
		_, ok := e.(hclsyntax.Expression)
		return ok
	}).(hclsyntax.Expression)
	return out
}
