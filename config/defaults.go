package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// mergeDefaults lays the defaults of a kind under each of its blocks and takes out what belongs to the language.
func (w *world) mergeDefaults() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, n := range w.sequence {
		if n.body == nil {
			continue
		}
		for _, name := range []string{"count", "depends_on"} {
			if a := n.body.Attributes[name]; a != nil {
				diags = append(diags, unknownArgument(a, "A "+n.kind+" block", nil, nil))
			}
		}
		if d := w.defaults[n.kind]; d != nil {
			n.body = merge(n.body, d.Body)
		}
		n.body = without(n.body, "for_each", "count", "depends_on")
	}
	return diags
}

// merge lays one body under another: arguments that are missing above come from below, and so do blocks. A block that
// stands once on both sides, with the same labels, is merged in turn; where there are several of a type without labels
// nobody can say which belongs to which, and those above stand alone.
func merge(above, below *hclsyntax.Body) *hclsyntax.Body {
	out := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}, SrcRange: above.SrcRange, EndRange: above.EndRange}
	for name, a := range below.Attributes {
		out.Attributes[name] = a
	}
	for name, a := range above.Attributes {
		out.Attributes[name] = a
	}
	for _, b := range above.Blocks {
		if same := twins(below, b); len(same) == 1 && len(twins(above, b)) == 1 {
			c := *b
			c.Body = merge(b.Body, same[0].Body)
			b = &c
		}
		out.Blocks = append(out.Blocks, b)
	}
	for _, b := range below.Blocks {
		if len(twins(above, b)) == 0 {
			out.Blocks = append(out.Blocks, b)
		}
	}
	return out
}

func twins(body *hclsyntax.Body, b *hclsyntax.Block) []*hclsyntax.Block {
	var out []*hclsyntax.Block
	for _, o := range body.Blocks {
		if o.Type == b.Type && slices.Equal(o.Labels, b.Labels) {
			out = append(out, o)
		}
	}
	return out
}

// without is a body without some of its arguments.
func without(body *hclsyntax.Body, names ...string) *hclsyntax.Body {
	out := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}, Blocks: body.Blocks, SrcRange: body.SrcRange, EndRange: body.EndRange}
	for name, a := range body.Attributes {
		if !slices.Contains(names, name) {
			out.Attributes[name] = a
		}
	}
	return out
}

// onlyArguments is a body's choice of arguments, without blocks.
func onlyArguments(body *hclsyntax.Body, names ...string) *hclsyntax.Body {
	out := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}, SrcRange: body.SrcRange, EndRange: body.EndRange}
	for name, a := range body.Attributes {
		if slices.Contains(names, name) {
			out.Attributes[name] = a
		}
	}
	return out
}
