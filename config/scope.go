package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// scope is where expressions of one block instance are evaluated; those of locals and of for_each have no node.
type scope struct {
	world  *world
	node   *node
	key    string   // of for_each
	hidden []string // arguments that the language reads itself, for suggestions
	hollow *hollow  // there is no instance
}

// context holds the values of what the traversals refer to. What is wrong, or not known yet, is unknown in it.
func (s *scope) context(ts []hcl.Traversal) (*hcl.EvalContext, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	w := s.world
	roots := map[string]map[string]cty.Value{}
	for _, t := range ts {
		root := t.RootName()
		if !w.isRoot(root) {
			continue
		}
		if roots[root] == nil {
			roots[root] = map[string]cty.Value{}
		}
		name, ok := step(t)
		if _, done := roots[root][name]; !ok || done {
			continue
		}
		v, d := s.lookup(root, name)
		diags = append(diags, d...)
		roots[root][name] = v
	}
	vars := map[string]cty.Value{}
	for root, values := range roots {
		vars[root] = cty.ObjectVal(values)
	}
	return &hcl.EvalContext{Variables: vars, Functions: w.functions}, diags
}

func (w *world) isRoot(name string) bool {
	return slices.Contains([]string{"var", "local", "host", "each", pathRoot}, name) || w.isKind(name)
}

func (s *scope) lookup(root, name string) (cty.Value, hcl.Diagnostics) {
	w := s.world
	switch root {
	case pathRoot:
		if w.paths.Type().HasAttribute(name) {
			return w.paths.GetAttr(name), nil
		}
		return cty.DynamicVal, nil // said already
	case "var":
		if v, ok := w.values[name]; ok {
			return v, nil
		}
		return cty.DynamicVal, nil
	case "each":
		if s.node == nil || s.node.each == nil {
			return cty.DynamicVal, nil
		}
		if s.hollow != nil {
			return map[string]cty.Value{"key": cty.UnknownVal(cty.String), "value": cty.DynamicVal}[name], nil
		}
		if name == "key" {
			return cty.StringVal(s.key), nil
		}
		return s.eachValue()
	}
	n := w.nodes[root+"."+name]
	if n == nil {
		return cty.DynamicVal, nil
	}
	if root == "local" {
		return w.local(n)
	}
	if s.hollow != nil && n.hollow() { // as empty as this one, for now
		return cty.DynamicVal, nil
	}
	return w.valueOf(n), nil
}

// eachValue reads for_each again: elements that come from other blocks are known only once those are decoded.
func (s *scope) eachValue() (cty.Value, hcl.Diagnostics) {
	outer := &scope{world: s.world}
	v, diags := outer.value(s.node.each)
	if diags.HasErrors() || !v.IsKnown() || v.IsNull() || !v.CanIterateElements() {
		return cty.DynamicVal, diags
	}
	key := cty.StringVal(s.key)
	switch t := v.Type(); {
	case t.IsSetType():
		return key, nil
	case t.IsObjectType() && t.HasAttribute(s.key):
		return v.GetAttr(s.key), nil
	case t.IsMapType() && v.HasIndex(key).True():
		return v.Index(key), nil
	}
	return cty.DynamicVal, nil
}

// local evaluates a local value; it is kept as soon as everything in it is known.
func (w *world) local(n *node) (cty.Value, hcl.Diagnostics) {
	if n.failed {
		return cty.DynamicVal, nil
	}
	if n.value != cty.NilVal {
		return n.value, nil
	}
	v, diags := (&scope{world: w}).value(n.expr)
	if diags.HasErrors() {
		n.failed = true
		return cty.DynamicVal, diags
	}
	if v.IsWhollyKnown() {
		n.value = v
	}
	return v, nil
}

// value evaluates an expression that has no names but the common ones.
func (s *scope) value(e hcl.Expression) (cty.Value, hcl.Diagnostics) {
	if s.world.bad[e.Range()] {
		return cty.DynamicVal, hcl.Diagnostics{skip(e.Range())}
	}
	ctx, diags := s.context(e.Variables())
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return s.valueIn(e, ctx, nil)
}

// valueIn evaluates an expression after having checked its references, for better texts than "unsupported attribute".
func (s *scope) valueIn(e hcl.Expression, ctx *hcl.EvalContext, local map[string]cty.Value) (cty.Value, hcl.Diagnostics) {
	if s.world.bad[e.Range()] {
		return cty.DynamicVal, hcl.Diagnostics{skip(e.Range())}
	}
	var diags hcl.Diagnostics
	for _, t := range references(e, nil) {
		if _, ok := local[t.RootName()]; !ok {
			diags = append(diags, s.checkRoot(t, local)...)
			diags = append(diags, s.checkSteps(t)...)
		}
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if local != nil {
		ctx = ctx.NewChild()
		ctx.Variables = local
	}
	v, diags := e.Value(ctx)
	if diags.HasErrors() {
		return cty.DynamicVal, widen(discreet(spelled(diags), e, ctx), e)
	}
	return v, nil
}

// checkRoot reports a reference that begins with nothing we know.
func (s *scope) checkRoot(t hcl.Traversal, local map[string]cty.Value) hcl.Diagnostics {
	w, root := s.world, t.RootName()
	if w.isRoot(root) {
		return nil
	}
	candidates := append([]string{"var", "local", "host", pathRoot}, w.options.Kinds...)
	for name := range local {
		candidates = append(candidates, name)
	}
	if s.node != nil && s.node.each != nil {
		candidates = append(candidates, "each")
	}
	hint := suggest(root, sorted(candidates))
	if len(t) == 1 {
		hint = " Text is written in quotes: " + quote(root) + "."
	}
	for _, n := range w.sequence {
		if n.name == root {
			hint = " Did you mean " + n.String() + "?"
			break
		}
	}
	if hint == "" {
		hint = " A reference begins with " + list(sorted(candidates)) + "."
	}
	return hcl.Diagnostics{fail(t.SourceRange(), "Unknown reference", "There is no %q here.%s", root, hint)}
}

// checkSteps reports a reference to a host or a block that names an instance or an attribute which it doesn't have.
func (s *scope) checkSteps(t hcl.Traversal) hcl.Diagnostics {
	w := s.world
	name, ok := step(t)
	n := w.nodes[t.RootName()+"."+name]
	if !ok || n == nil || n.kind == "local" || n.failed || !n.expanded || len(t) < 3 || s.hollow != nil && n.hollow() {
		return nil
	}
	rest, key, at := t[2:], "", t.SourceRange()
	first, named := stepName(rest[0])
	if _, index := rest[0].(hcl.TraverseIndex); n.each == nil && index {
		return hcl.Diagnostics{fail(at, "Unknown instance", "%s has no for_each: there is one of it, %s.", n, n)}
	}
	if n.each != nil {
		if !named || !slices.Contains(n.keys, first) {
			return hcl.Diagnostics{fail(at, "Unknown instance", "%s has for_each: an instance is written %s.%s", n, w.example(n), instances(n, first))}
		}
		key, rest = first, rest[1:]
	}
	v := w.instance(n, key)
	if len(rest) == 0 || !v.IsKnown() || v.IsNull() || !v.Type().IsObjectType() {
		return nil
	}
	attr, named := stepName(rest[0])
	if named && !v.Type().HasAttribute(attr) {
		attrs := []string{}
		for a := range v.Type().AttributeTypes() {
			attrs = append(attrs, a)
		}
		hint := suggest(attr, sorted(attrs))
		if hint == "" {
			hint = " It has " + list(sorted(attrs)) + "."
		}
		return hcl.Diagnostics{fail(at, "Unknown attribute", "%s has no attribute %q.%s", n.ref(key), attr, hint)}
	}
	return nil
}

func (w *world) example(n *node) string {
	key := "KEY"
	if len(n.keys) > 0 {
		key = n.keys[0]
	}
	return n.ref(key).String()
}

func instances(n *node, given string) string {
	if hint := suggest(given, n.keys); hint != "" {
		return hint
	}
	if len(n.keys) == 0 {
		return " There are no instances: its for_each is empty."
	}
	return " The keys are " + strings.Join(n.keys, ", ") + "."
}

// blames says whether an expression is unknown for a reason that was reported: something in it is wrong, or nothing in
// it would become known later.
func (w *world) blames(e hclsyntax.Expression) bool {
	later, wrong := false, false
	seen := map[*node]bool{}
	var visit func(n *node)
	visit = func(n *node) {
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		wrong = wrong || n.failed
		later = later || w.isKind(n.kind)
		if n.kind == "local" {
			for _, e := range n.edges {
				visit(e.to)
			}
		}
	}
	for _, t := range e.Variables() {
		if name, ok := step(t); ok {
			visit(w.nodes[t.RootName()+"."+name])
		}
	}
	return wrong || !later
}
