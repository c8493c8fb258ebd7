package config

import (
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// at follows a path of argument names, block types, labels, object keys and list indexes as far as it leads.
func (b Block) at(path []string) *hcl.Range {
	out := b.Range
	body, ok := b.Body.(*hclsyntax.Body)
	for ok && len(path) > 0 {
		if a := body.Attributes[path[0]]; a != nil {
			return inside(a.Expr, path[1:]).Ptr()
		}
		inner, used := nested(body, path)
		if inner == nil {
			break
		}
		out, body, path = inner.DefRange(), content(inner), path[used:]
	}
	return &out
}

// nested finds the block that a path begins with; a dynamic one where it may have been made by that.
func nested(body *hclsyntax.Body, path []string) (*hclsyntax.Block, int) {
	var partial *hclsyntax.Block
	for _, b := range body.Blocks {
		n := len(b.Labels)
		switch {
		case b.Type == "dynamic" && n == 1 && b.Labels[0] == path[0]:
			if partial == nil {
				partial = b
			}
		case b.Type != path[0] || n > len(path)-1:
		case slices.Equal(b.Labels, path[1:1+n]):
			return b, 1 + n
		}
	}
	if partial == nil {
		return nil, 0
	}
	used := 1
	if partial.Body.Attributes["labels"] != nil {
		used = min(2, len(path))
	}
	return partial, used
}

// content is the body that holds a block's arguments.
func content(b *hclsyntax.Block) *hclsyntax.Body {
	if b.Type == "dynamic" {
		for _, c := range b.Body.Blocks {
			if c.Type == "content" {
				return c.Body
			}
		}
	}
	return b.Body
}

// inside narrows an expression to one of its elements.
func inside(e hclsyntax.Expression, path []string) hcl.Range {
	for len(path) > 0 {
		next := element(e, path[0])
		if next == nil {
			break
		}
		e, path = next, path[1:]
	}
	return e.Range()
}

// element finds an object's value by its key, or a list's element by its index; nil where it isn't written out.
func element(e hclsyntax.Expression, name string) hclsyntax.Expression {
	switch e := e.(type) {
	case *hclsyntax.ObjectConsExpr:
		for _, item := range e.Items {
			v, d := item.KeyExpr.Value(nil)
			if !d.HasErrors() && v.IsKnown() && !v.IsNull() && v.Type() == cty.String && v.AsString() == name {
				return item.ValueExpr
			}
		}
	case *hclsyntax.TupleConsExpr:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(e.Exprs) {
			return e.Exprs[i]
		}
	}
	return nil
}
