package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// declare sorts the files' top-level blocks into what they declare.
func (w *world) declare() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, body := range w.bodies {
		for _, a := range ordered(body.Attributes) {
			diags = append(diags, fail(a.NameRange, "Argument outside of a block", "%q belongs in a block: %s.", a.Name, list(w.types())))
		}
		for _, b := range body.Blocks {
			diags = append(diags, w.declareBlock(b)...)
		}
	}
	return diags
}

// types of top-level blocks.
func (w *world) types() []string {
	return append([]string{"shipctl", "variable", "locals", "defaults", "host"}, w.options.Kinds...)
}

func (w *world) declareBlock(b *hclsyntax.Block) hcl.Diagnostics {
	switch {
	case b.Type == "shipctl":
		return w.declareSettings(b)
	case b.Type == "variable":
		return w.declareVariable(b)
	case b.Type == "locals":
		return w.declareLocals(b)
	case b.Type == "defaults":
		return w.declareDefaults(b)
	case b.Type == "host", w.isKind(b.Type):
		return w.declareNode(b)
	}
	hint := suggest(b.Type, w.types())
	if hint == "" {
		hint = " There are " + list(w.types()) + "."
	}
	return hcl.Diagnostics{fail(b.TypeRange, "Unknown block", "There is no block type %q.%s", b.Type, hint)}
}

func (w *world) declareSettings(b *hclsyntax.Block) hcl.Diagnostics {
	if w.settings != nil {
		return duplicate(b, "the shipctl block", w.settings.DefRange())
	}
	w.settings = b
	return append(labels(b, 0), only(b.Body, "A shipctl block", []string{"project", "required_version"}, []string{"ignore_drift"})...)
}

func (w *world) declareVariable(b *hclsyntax.Block) hcl.Diagnostics {
	if diags := labels(b, 1); diags.HasErrors() {
		return diags
	}
	name := b.Labels[0]
	if !hclsyntax.ValidIdentifier(name) {
		return hcl.Diagnostics{fail(b.LabelRanges[0], "Invalid name", "%q can't name a variable. A name begins with a letter and goes on with letters, digits, underscores and dashes.", name)}
	}
	if other := w.variables[name]; other != nil {
		return duplicate(b, "variable "+quote(name), other.DefRange())
	}
	w.variables[name] = b
	return nil
}

func (w *world) declareLocals(b *hclsyntax.Block) hcl.Diagnostics {
	diags := append(labels(b, 0), only(b.Body, "A locals block", nil, nil)...)
	for _, a := range ordered(b.Body.Attributes) {
		if other := w.nodes["local."+a.Name]; other != nil {
			diags = append(diags, fail(a.NameRange, "Declared twice", "local.%s is declared at %s already. Each name is declared once, whatever the file.", a.Name, place(other.at)))
			continue
		}
		w.add(&node{kind: "local", name: a.Name, at: a.NameRange, expr: a.Expr, expanded: true})
	}
	return diags
}

func (w *world) declareDefaults(b *hclsyntax.Block) hcl.Diagnostics {
	kinds := append([]string{"host"}, w.options.Kinds...)
	diags := append(labels(b, 0), only(b.Body, "A defaults block", nil, kinds)...)
	for _, inner := range b.Body.Blocks {
		if !slices.Contains(kinds, inner.Type) {
			continue
		}
		diags = append(diags, labels(inner, 0)...)
		if other := w.defaults[inner.Type]; other != nil {
			diags = append(diags, duplicate(inner, "the defaults of "+inner.Type+" blocks", other.DefRange())...)
			continue
		}
		if a := inner.Body.Attributes["for_each"]; a != nil {
			diags = append(diags, fail(a.NameRange, "Not a default", "for_each says how many instances one block has: it can't be a default."))
		}
		w.defaults[inner.Type] = inner
	}
	return diags
}

func (w *world) declareNode(b *hclsyntax.Block) hcl.Diagnostics {
	if diags := labels(b, 1); diags.HasErrors() {
		return diags
	}
	name := b.Labels[0]
	if !ValidName(name) && (b.Type != "host" || !validHost(name)) {
		return hcl.Diagnostics{badName(b.Type, name, b.LabelRanges[0])}
	}
	n := &node{kind: b.Type, name: name, at: b.DefRange(), body: b.Body}
	if other := w.nodes[n.String()]; other != nil {
		return duplicate(b, b.Type+" "+quote(name), other.at)
	}
	if a := b.Body.Attributes["for_each"]; a != nil {
		n.each = a.Expr
	}
	w.add(n)
	return nil
}

func (w *world) add(n *node) {
	w.nodes[n.String()] = n
	w.sequence = append(w.sequence, n)
}

func duplicate(b *hclsyntax.Block, what string, other hcl.Range) hcl.Diagnostics {
	return hcl.Diagnostics{fail(b.DefRange(), "Declared twice", "There is %s at %s already. Each is declared once, whatever the file.", what, place(other))}
}

// labels checks the number of a block's labels: none or one.
func labels(b *hclsyntax.Block, want int) hcl.Diagnostics {
	switch {
	case len(b.Labels) > want:
		return hcl.Diagnostics{fail(b.LabelRanges[want], "Label not expected", "Write %s.", header(b.Type, want))}
	case len(b.Labels) < want:
		return hcl.Diagnostics{fail(b.TypeRange, "Name missing", "A %s block has a name: write %s.", b.Type, header(b.Type, want))}
	}
	return nil
}

func header(kind string, labels int) string {
	return kind + strings.Repeat(` "NAME"`, labels) + " { … }"
}

// only reports arguments and blocks that a body can't have.
func only(body *hclsyntax.Body, what string, attrs, blocks []string) hcl.Diagnostics {
	var diags hcl.Diagnostics
	if attrs != nil || blocks != nil {
		for _, a := range ordered(body.Attributes) {
			if !slices.Contains(attrs, a.Name) {
				diags = append(diags, unknownArgument(a, what, attrs, blocks))
			}
		}
	}
	for _, b := range body.Blocks {
		if !slices.Contains(blocks, b.Type) {
			diags = append(diags, unknownBlock(b.Type, b.TypeRange, what, attrs, blocks))
		}
	}
	return diags
}

func unknownArgument(a *hclsyntax.Attribute, what string, attrs, blocks []string) *hcl.Diagnostic {
	hint := suggest(a.Name, attrs)
	switch {
	case slices.Contains(blocks, a.Name):
		hint = " " + quote(a.Name) + " is a block: write " + a.Name + " { … } without an equals sign."
	case a.Name == "count":
		hint = " Use for_each with a map or a set of strings: each key names an instance."
	case a.Name == "depends_on":
		hint = " The order follows from what blocks refer to."
	case hint == "" && nearest(a.Name, blocks) != "":
		hint = " Did you mean the block " + nearest(a.Name, blocks) + " { … }?"
	case hint == "" && len(attrs) > 0:
		hint = " There are " + list(sorted(attrs)) + "."
	}
	return fail(a.NameRange, "Unknown argument", "%s has no argument %q.%s", what, a.Name, hint)
}

func unknownBlock(kind string, at hcl.Range, what string, attrs, blocks []string) *hcl.Diagnostic {
	hint := suggest(kind, blocks)
	switch {
	case slices.Contains(attrs, kind):
		hint = " " + quote(kind) + " is an argument: write " + kind + " = …"
	case hint == "" && nearest(kind, attrs) != "":
		hint = " Did you mean the argument " + nearest(kind, attrs) + " = …?"
	case hint == "" && len(blocks) > 0:
		hint = " There are " + list(sorted(blocks)) + "."
	}
	return fail(at, "Unknown block", "%s has no block %q.%s", what, kind, hint)
}

// ordered gives attributes in the order of the source.
func ordered(attrs hclsyntax.Attributes) []*hclsyntax.Attribute {
	out := make([]*hclsyntax.Attribute, 0, len(attrs))
	for _, a := range attrs {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *hclsyntax.Attribute) int { return before(&a.SrcRange, &b.SrcRange) })
	return out
}

// place is a position for a message: main.hcl:12.
func place(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }
