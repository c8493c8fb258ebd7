package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// hollow marks the scope of a block that stands for no instance: each.key and each.value are unknown.
type hollow struct {
	partial bool // defaults: what is required need not be in them
	found   hcl.Diagnostics
}

// Found is what decoding one of the Hollow blocks showed to be wrong, whatever its for_each will give.
func (b Block) Found() hcl.Diagnostics {
	if b.scope == nil || b.scope.hollow == nil {
		return nil
	}
	return b.scope.hollow.found
}

// keep notes what does not come from there being nothing, and stops whoever decodes from looking at the values.
func (h *hollow) keep(diags hcl.Diagnostics, at hcl.Range) hcl.Diagnostics {
	for _, d := range diags {
		call, is := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
		nobody := is && call.CalledFunctionName() == hostsWith && call.FunctionCallError() != nil
		if _, quiet := d.Extra.(skipped); !quiet && !nobody {
			h.found = append(h.found, d)
		}
	}
	return append(diags, skip(at))
}

// hollowKey stands where a key would be.
const hollowKey = "KEY"

// empty makes the block of a node whose for_each is empty, so that what is in it is checked all the same.
func (w *world) empty(n *node, c *Configuration) hcl.Diagnostics {
	return w.hollowOf(n, c, &hollow{})
}

// unused makes a block of the defaults of each kind of which there is no block.
func (w *world) unused(c *Configuration) (diags hcl.Diagnostics) {
	for _, kind := range append([]string{"host"}, w.options.Kinds...) {
		b := w.defaults[kind]
		if b == nil || len(w.names(kind)) > 0 {
			continue
		}
		each := &hclsyntax.LiteralValueExpr{Val: cty.EmptyObjectVal, SrcRange: b.DefRange()}
		n := &node{kind: kind, name: hollowKey, at: b.DefRange(), body: without(b.Body, "for_each"), each: each, expanded: true}
		walk(n.body, nil, func(e hclsyntax.Expression, iterators []string) {
			diags = append(diags, w.linkExpression(n, &node{kind: hostsWith}, e, iterators)...)
		})
		diags = append(diags, w.hollowOf(n, c, &hollow{partial: true})...)
	}
	return diags
}

func (w *world) hollowOf(n *node, c *Configuration, h *hollow) (diags hcl.Diagnostics) {
	walk(n.body, nil, func(e hclsyntax.Expression, _ []string) { diags = append(diags, w.noFunctions(e)...) })
	b := Block{Ref: n.ref(hollowKey), Range: n.at, Body: n.body, Project: c.Project, scope: &scope{world: w, node: n, key: hollowKey, hollow: h}}
	if n.kind != "host" {
		c.Hollow = append(c.Hollow, b)
		return diags
	}
	host, _ := w.host(b)
	c.HollowHosts = append(c.HollowHosts, host)
	return diags
}

// noFunctions reports calls of functions that there are not: what a kind evaluates itself is not evaluated without a value.
func (w *world) noFunctions(e hclsyntax.Expression) (diags hcl.Diagnostics) {
	_ = hclsyntax.VisitAll(e, func(c hclsyntax.Node) hcl.Diagnostics {
		if f, is := c.(*hclsyntax.FunctionCallExpr); is {
			if _, there := w.functions[f.Name]; !there {
				_, ds := f.Value(&hcl.EvalContext{Functions: w.functions})
				diags = append(diags, ds...)
			}
		}
		return nil
	})
	return diags
}
