package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// hostsWith is the function that looks at all hosts; it is a node of the graph, too.
const hostsWith = "hosts_with"

// walk visits the expressions of a body in the order of the source, with the names that dynamic blocks around them
// bring along.
func walk(body *hclsyntax.Body, iterators []string, visit func(e hclsyntax.Expression, iterators []string)) {
	for _, a := range ordered(body.Attributes) {
		visit(a.Expr, iterators)
	}
	for _, b := range body.Blocks {
		if b.Type != "dynamic" || len(b.Labels) != 1 {
			walk(b.Body, iterators, visit)
			continue
		}
		inner := append(slices.Clip(iterators), iterator(b))
		if a := b.Body.Attributes["for_each"]; a != nil {
			visit(a.Expr, iterators)
		}
		if a := b.Body.Attributes["labels"]; a != nil {
			visit(a.Expr, inner)
		}
		for _, c := range b.Body.Blocks {
			walk(c.Body, inner, visit)
		}
	}
}

// iterator is the name under which a dynamic block's content finds its element.
func iterator(b *hclsyntax.Block) string {
	if a := b.Body.Attributes["iterator"]; a != nil {
		if name := hcl.ExprAsKeyword(a.Expr); name != "" {
			return name
		}
	}
	return b.Labels[0]
}

// references are the traversals of an expression, but those that begin with one of the names.
func references(e hcl.Expression, except []string) []hcl.Traversal {
	var out []hcl.Traversal
	for _, t := range e.Variables() {
		if !slices.Contains(except, t.RootName()) {
			out = append(out, t)
		}
	}
	slices.SortStableFunc(out, func(a, b hcl.Traversal) int {
		ra, rb := a.SourceRange(), b.SourceRange()
		return before(&ra, &rb)
	})
	return out
}

// step is the name after the root: release.teatime or release["teatime"].
func step(t hcl.Traversal) (string, bool) {
	if len(t) < 2 {
		return "", false
	}
	return stepName(t[1])
}

func stepName(s hcl.Traverser) (string, bool) {
	switch s := s.(type) {
	case hcl.TraverseAttr:
		return s.Name, true
	case hcl.TraverseIndex:
		if _, is := sensitive(s.Key); !is && s.Key.IsKnown() && !s.Key.IsNull() && s.Key.Type() == cty.String {
			return s.Key.AsString(), true
		}
	}
	return "", false
}

// link finds what each node refers to and reports names that nobody declares.
func (w *world) link() hcl.Diagnostics {
	var diags hcl.Diagnostics
	all := &node{kind: hostsWith, expanded: true}
	for _, n := range w.sequence {
		if n.kind == "host" {
			all.edges = append(all.edges, edge{to: n, at: n.at})
		}
		visit := func(e hclsyntax.Expression, iterators []string) {
			diags = append(diags, w.linkExpression(n, all, e, iterators)...)
		}
		if n.expr != nil {
			visit(n.expr, nil)
		}
		if n.each != nil {
			visit(n.each, nil)
		}
		if n.body != nil {
			walk(n.body, nil, visit)
		}
	}
	return diags
}

func (w *world) linkExpression(n, all *node, e hclsyntax.Expression, iterators []string) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, t := range references(e, iterators) {
		root := t.RootName()
		switch {
		case root == "each":
			diags = append(diags, checkEach(n, e, t)...)
		case root == "var", root == "local", root == "host", root == pathRoot, w.isKind(root):
			d := w.checkName(n, t)
			diags = append(diags, d...)
			if name, _ := step(t); root != "var" && root != pathRoot && d == nil {
				n.edges = append(n.edges, edge{to: w.nodes[root+"."+name], at: t.SourceRange()})
			}
		}
	}
	_ = hclsyntax.VisitAll(e, func(c hclsyntax.Node) hcl.Diagnostics {
		if f, ok := c.(*hclsyntax.FunctionCallExpr); ok && f.Name == hostsWith {
			n.edges = append(n.edges, edge{to: all, at: f.NameRange})
		}
		return nil
	})
	if len(diags) > 0 {
		w.bad[e.Range()] = true
	}
	return diags
}

// checkName reports a reference whose first two steps name nothing.
func (w *world) checkName(n *node, t hcl.Traversal) hcl.Diagnostics {
	root, at := t.RootName(), t.SourceRange()
	name, ok := step(t)
	if !ok {
		return hcl.Diagnostics{fail(at, "Incomplete reference", "%q alone is not a value: name one of them, %s.NAME. There are %s.", root, root, list(w.names(root)))}
	}
	if n.kind == "host" && w.isKind(root) {
		return hcl.Diagnostics{fail(at, "Reference not possible", "Hosts are read before the blocks that use them: a host can't refer to %s.%s.", root, name)}
	}
	if root == pathRoot && w.paths.Type().HasAttribute(name) || root == "var" && w.variables[name] != nil || root != "var" && w.nodes[root+"."+name] != nil {
		return nil
	}
	what := map[string]string{"var": "variable", "local": "local value", pathRoot: "directory"}[root]
	if what == "" {
		what = root
	}
	hint := suggest(name, w.names(root))
	if group := w.groupOf(name); root == "host" && group != nil {
		hint = " Did you mean host." + group.name + "[" + quote(name) + "]?"
	}
	if hint == "" {
		hint = " There are " + list(w.names(root)) + "."
	}
	return hcl.Diagnostics{fail(at, "Unknown reference", "There is no %s %q.%s", what, name, hint)}
}

// groupOf finds the host block whose for_each spells a machine's name.
func (w *world) groupOf(machine string) *node {
	for _, n := range w.sequence {
		if n.kind != "host" || n.each == nil {
			continue
		}
		object, ok := n.each.(*hclsyntax.ObjectConsExpr)
		if !ok {
			continue
		}
		for _, item := range object.Items {
			if v, d := item.KeyExpr.Value(nil); !d.HasErrors() && v.IsKnown() && !v.IsNull() && v.Type() == cty.String && v.AsString() == machine {
				return n
			}
		}
	}
	return nil
}

func checkEach(n *node, e hclsyntax.Expression, t hcl.Traversal) hcl.Diagnostics {
	name, ok := step(t)
	switch {
	case n.each == nil || e == n.each:
		return hcl.Diagnostics{fail(t.SourceRange(), "No for_each here", "each.key and each.value exist in a block with for_each only.")}
	case !ok || name != "key" && name != "value":
		return hcl.Diagnostics{fail(t.SourceRange(), "Unknown reference", "There are each.key and each.value only.")}
	}
	return nil
}
