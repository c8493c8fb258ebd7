package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// expand evaluates a local, or makes the hosts or blocks of a node. What it refers to was expanded before.
func (w *world) expand(n *node, c *Configuration) hcl.Diagnostics {
	if n.kind == "local" {
		_, diags := w.local(n)
		return diags
	}
	if n.failed && n.each != nil {
		w.hostless = w.hostless || n.kind == "host"
		return nil
	}
	var diags hcl.Diagnostics
	n.keys = []string{""}
	if n.each != nil {
		if n.keys, diags = w.forEach(n); diags.HasErrors() {
			n.failed = true
			w.hostless = w.hostless || n.kind == "host"
			return diags
		}
	}
	n.expanded = true
	n.instances = map[string]cty.Value{}
	if n.hollow() {
		return w.empty(n, c)
	}
	for _, key := range n.keys {
		b := Block{Ref: n.ref(key), Range: n.at, Body: n.body, Project: c.Project, scope: &scope{world: w, node: n, key: key}}
		if n.kind == "host" {
			h, d := w.host(b)
			diags = append(diags, d...)
			c.Hosts = append(c.Hosts, h)
			continue
		}
		b.Needs = b.scope.needs(n.body)
		c.Blocks = append(c.Blocks, b)
	}
	return diags
}

const eachWants = "for_each takes a map, or a set of strings (toset([…])); each key names an instance."

// forEach gives the keys of a node's for_each, in order.
func (w *world) forEach(n *node) ([]string, hcl.Diagnostics) {
	at := n.each.Range()
	v, diags := (&scope{world: w}).value(n.each)
	if diags.HasErrors() {
		return nil, diags
	}
	wrong := func(format string, args ...any) ([]string, hcl.Diagnostics) {
		return nil, hcl.Diagnostics{fail(at, "Invalid for_each", format, args...)}
	}
	v, marks := v.Unmark()
	t := v.Type()
	switch {
	case len(marks) > 0:
		return wrong("The value is sensitive, and keys become names that are shown. Take the keys from something that is not sensitive.")
	case v.IsNull():
		return wrong("The value is null. " + eachWants)
	case !v.IsKnown() || t.IsSetType() && !v.IsWhollyKnown():
		if w.blames(n.each) {
			return nil, hcl.Diagnostics{skip(at)}
		}
		return wrong("The keys depend on the values of other blocks, which are read later. Use variables, locals and hosts, or another block's for_each as a whole.")
	case t.IsSetType() && v.LengthInt() > 0 && t.ElementType() != cty.String && t.ElementType() != cty.DynamicPseudoType: // of that are nulls only
		return wrong("This is a set of %s. "+eachWants, t.ElementType().FriendlyName())
	case !t.IsMapType() && !t.IsObjectType() && !t.IsSetType():
		return wrong("This is %s. "+eachWants, article(t))
	}
	keys := []string{}
	for it := v.ElementIterator(); it.Next(); {
		k, _ := it.Element()
		if k.IsNull() || k.IsMarked() {
			return wrong("A key is null or sensitive. " + eachWants)
		}
		keys = append(keys, k.AsString())
	}
	slices.Sort(keys)
	for _, k := range keys {
		if !ValidName(k) && (n.kind != "host" || !validHost(k)) {
			return nil, hcl.Diagnostics{badName(n.kind, k, at)}
		}
	}
	return keys, nil
}

// needs lists the blocks of kinds that a body refers to, through locals and for_each too, in the order of appearance.
// An instance that is named counts alone; otherwise all instances do.
func (s *scope) needs(body *hclsyntax.Body) []Ref {
	var out []Ref
	add := func(r Ref) {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	walk(body, nil, func(e hclsyntax.Expression, iterators []string) {
		s.needsOf(e, iterators, map[*node]bool{}, add)
	})
	return out
}

func (s *scope) needsOf(e hclsyntax.Expression, except []string, seen map[*node]bool, add func(Ref)) {
	w := s.world
	exact := s.indexed(e)
	for _, t := range references(e, except) {
		name, _ := step(t)
		n := w.nodes[t.RootName()+"."+name]
		switch {
		case t.RootName() == "each" && name == "value" && s.node != nil && s.node.each != nil:
			s.needsOfEach(seen, add)
		case n == nil:
		case n.kind == "local" && !seen[n]:
			seen[n] = true
			(&scope{world: w}).needsOf(n.expr, nil, seen, add)
		case w.isKind(n.kind):
			key, ok := exact[t.SourceRange()]
			if !ok && n.each != nil && len(t) > 2 {
				key, ok = stepName(t[2])
			}
			for _, k := range n.keys {
				if !ok || n.each == nil || k == key {
					add(n.ref(k))
				}
			}
		}
	}
}

// needsOfEach: for_each over another block's instances gives each its own one.
func (s *scope) needsOfEach(seen map[*node]bool, add func(Ref)) {
	if t, ok := s.node.each.(*hclsyntax.ScopeTraversalExpr); ok && len(t.Traversal) == 2 {
		name, _ := step(t.Traversal)
		n := s.world.nodes[t.Traversal.RootName()+"."+name]
		if n != nil && n.each != nil && s.world.isKind(n.kind) && slices.Contains(n.keys, s.key) {
			add(n.ref(s.key))
			return
		}
	}
	(&scope{world: s.world}).needsOf(s.node.each, nil, seen, add)
}

// indexed finds references whose instance is computed, release.app[each.key], and computes it.
func (s *scope) indexed(e hclsyntax.Expression) map[hcl.Range]string {
	out := map[hcl.Range]string{}
	_ = hclsyntax.VisitAll(e, func(c hclsyntax.Node) hcl.Diagnostics {
		index, ok := c.(*hclsyntax.IndexExpr)
		if !ok {
			return nil
		}
		of, ok := index.Collection.(*hclsyntax.ScopeTraversalExpr)
		if !ok || len(of.Traversal) != 2 {
			return nil
		}
		v, diags := s.value(index.Key)
		if !diags.HasErrors() && !v.IsMarked() && v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
			out[of.Traversal.SourceRange()] = v.AsString()
		}
		return nil
	})
	return out
}
