package config

import (
	"fmt"
	"reflect"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/gocty"
)

// decoder fills structs from bodies. It reads gohcl's tags and does what gohcl does, but with texts that name the
// argument, and without panicking on marked values.
type decoder struct {
	scope   *scope
	ctx     *hcl.EvalContext
	diags   hcl.Diagnostics
	skipped bool
}

// partial: what is required may stand elsewhere.
func (d *decoder) partial() bool { return d.scope.hollow != nil && d.scope.hollow.partial }

func (b Block) decode(into any) hcl.Diagnostics {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("config: Decode needs a pointer to a struct, not %T", into))
	}
	raw, ok := b.Body.(*hclsyntax.Body)
	if !ok {
		return hcl.Diagnostics{fail(b.Range, "Empty block", "%s has no body.", b.Ref)}
	}
	var ts []hcl.Traversal
	walk(raw, nil, func(e hclsyntax.Expression, iterators []string) { ts = append(ts, references(e, iterators)...) })
	ctx, diags := b.scope.context(ts)
	d := &decoder{scope: b.scope, ctx: ctx, diags: diags}
	raw = d.names(raw, v.Elem().Type(), blockOf(b.Kind))
	d.fill(dynblock.Expand(raw, ctx, dynblock.OptCheckForEach(d.checkDynamic)), b.Range, v.Elem())
	if d.skipped && !d.diags.HasErrors() {
		d.diags = append(d.diags, skip(b.Range))
	}
	if h := b.scope.hollow; h != nil {
		return h.keep(d.diags, b.Range)
	}
	return d.diags
}

func (b Block) eval(e hcl.Expression, local map[string]cty.Value) (cty.Value, hcl.Diagnostics) {
	v, diags := b.value(e, local)
	return b.known(v, diags, v.IsWhollyKnown(), e, local)
}

func (b Block) evalByName(e hcl.Expression, local map[string]cty.Value) (cty.Value, hcl.Diagnostics) {
	v, diags := b.value(e, local)
	return b.known(v, diags, v.IsKnown() && knownByName(v), e, local)
}

func (b Block) value(e hcl.Expression, local map[string]cty.Value) (cty.Value, hcl.Diagnostics) {
	ctx, diags := b.scope.context(e.Variables())
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if local == nil {
		local = map[string]cty.Value{}
	}
	v, diags := b.scope.valueIn(e, ctx, local)
	return spread(v), diags
}

// known keeps who evaluates from going on with what is not known, unless that is how it is meant.
func (b Block) known(v cty.Value, diags hcl.Diagnostics, is bool, e hcl.Expression, local map[string]cty.Value) (cty.Value, hcl.Diagnostics) {
	if diags.HasErrors() || is {
		return v, diags
	}
	for _, l := range local {
		if !l.IsWhollyKnown() {
			return v, nil // unknown as the caller wants it
		}
	}
	return v, hcl.Diagnostics{skip(e.Range())}
}

// fields of a struct, by what they are filled with.
type fields struct {
	attrs, blocks map[string]int
	labels        []string
	remain        bool
	schema        *hcl.BodySchema
}

func fieldsOf(t reflect.Type) fields {
	f := fields{attrs: map[string]int{}, blocks: map[string]int{}}
	for i := range t.NumField() {
		name, kind, ok := tag(t.Field(i))
		switch {
		case !ok:
		case kind == "" || kind == "attr" || kind == "optional":
			f.attrs[name] = i
		case kind == "block":
			f.blocks[name] = i
		case kind == "label":
			f.labels = append(f.labels, name)
		case kind == "remain":
			f.remain = true
		}
	}
	f.schema, _ = gohcl.ImpliedBodySchema(reflect.New(t).Interface())
	return f
}

func (f fields) attrNames() []string {
	out := []string{}
	for n := range f.attrs {
		out = append(out, n)
	}
	return sorted(out)
}

func (f fields) blockNames() []string {
	out := []string{}
	for n := range f.blocks {
		out = append(out, n)
	}
	return sorted(out)
}

// target is the struct behind a field that holds a block, a pointer to one or a slice of either.
func target(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// names reports arguments and blocks that the structs have no place for, wrong numbers of labels and bad names. It
// returns the body without the blocks whose labels are wrong.
func (d *decoder) names(raw *hclsyntax.Body, t reflect.Type, what string) *hclsyntax.Body {
	if t.Kind() != reflect.Struct {
		return raw
	}
	f := fieldsOf(t)
	attrs := append(f.attrNames(), d.scope.hidden...)
	for _, a := range ordered(raw.Attributes) {
		if _, ok := f.attrs[a.Name]; !ok && !f.remain {
			d.diags = append(d.diags, unknownArgument(a, what, attrs, f.blockNames()))
		}
	}
	out := without(raw)
	out.Blocks = nil
	for _, b := range raw.Blocks {
		kind, at := b.Type, b.TypeRange
		if isDynamic(b) {
			kind, at = b.Labels[0], b.LabelRanges[0]
		}
		i, ok := f.blocks[kind]
		switch {
		case ok:
			if b = d.nestedNames(b, target(t.Field(i).Type), kind); b != nil {
				out.Blocks = append(out.Blocks, b)
			}
		case f.remain:
			out.Blocks = append(out.Blocks, b)
		default:
			d.diags = append(d.diags, unknownBlock(kind, at, what, attrs, f.blockNames()))
		}
	}
	return out
}

func isDynamic(b *hclsyntax.Block) bool { return b.Type == "dynamic" && len(b.Labels) == 1 }

// nestedNames looks into a nested block; nil when it can't be read.
func (d *decoder) nestedNames(b *hclsyntax.Block, t reflect.Type, kind string) *hclsyntax.Block {
	c := *b
	if !isDynamic(b) {
		if t.Kind() == reflect.Struct {
			diags := checkLabels(b, len(fieldsOf(t).labels))
			d.diags = append(d.diags, diags...)
			if diags.HasErrors() {
				return nil
			}
		}
		c.Body = d.names(b.Body, t, blockOf(kind))
		return &c
	}
	c.Body = without(b.Body)
	c.Body.Blocks = nil
	for _, inner := range b.Body.Blocks {
		i := *inner
		if inner.Type == "content" {
			i.Body = d.names(inner.Body, t, blockOf(kind))
		}
		c.Body.Blocks = append(c.Body.Blocks, &i)
	}
	return &c
}

func checkLabels(b *hclsyntax.Block, want int) hcl.Diagnostics {
	diags := labels(b, want)
	for i, l := range b.Labels {
		if !diags.HasErrors() && !ValidName(l) {
			diags = append(diags, badName(b.Type, l, b.LabelRanges[i]))
		}
	}
	return diags
}

func (d *decoder) fill(body hcl.Body, header hcl.Range, v reflect.Value) {
	f := fieldsOf(v.Type())
	schema := &hcl.BodySchema{Blocks: f.schema.Blocks}
	for name := range f.attrs {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: name})
	}
	content, rest, diags := body.PartialContent(schema)
	d.report(diags)
	required := map[string]bool{}
	for _, a := range f.schema.Attributes {
		required[a.Name] = a.Required
	}
	for _, name := range f.attrNames() {
		d.argument(argument{name, content.Attributes[name], required[name]}, v.Field(f.attrs[name]), header)
	}
	for _, name := range f.blockNames() {
		d.blocks(name, content.Blocks.OfType(name), v.Field(f.blocks[name]), header)
	}
	fillRest(v, body, rest, content)
}

// fillRest fills fields that hold bodies and ranges.
func fillRest(v reflect.Value, body, rest hcl.Body, content *hcl.BodyContent) {
	for i := range v.NumField() {
		name, kind, _ := tag(v.Type().Field(i))
		a := content.Attributes[name]
		switch {
		case kind == "remain":
			v.Field(i).Set(reflect.ValueOf(rest))
		case kind == "body":
			v.Field(i).Set(reflect.ValueOf(body))
		case kind == "attr_range" && a != nil:
			v.Field(i).Set(reflect.ValueOf(a.Range))
		case kind == "attr_name_range" && a != nil:
			v.Field(i).Set(reflect.ValueOf(a.NameRange))
		case kind == "attr_value_range" && a != nil:
			v.Field(i).Set(reflect.ValueOf(a.Expr.Range()))
		}
	}
}

// argument is what fills a field; nil: it is not given. In an optional text field the empty text is an error. What a
// required one may be, its kind says.
type argument struct {
	name string
	*hcl.Attribute
	required bool
}

// argument fills one field. null counts as absent.
func (d *decoder) argument(arg argument, into reflect.Value, header hcl.Range) {
	name, a := arg.name, arg.Attribute
	expression := reflect.TypeFor[hcl.Expression]()
	if g, is := into.Addr().Interface().(interface{ parts() (any, *hcl.Range) }); is {
		value, at := g.parts()
		if a != nil {
			*at = a.Expr.Range()
		}
		d.argument(arg, reflect.ValueOf(value).Elem(), header)
		return
	}
	switch {
	case into.Type() == reflect.TypeFor[*hcl.Attribute]():
		if a != nil {
			into.Set(reflect.ValueOf(a))
		}
		return
	case into.Type() == expression && a == nil:
		into.Set(reflect.ValueOf(hcl.StaticExpr(cty.NullVal(cty.DynamicPseudoType), header)))
		return
	case into.Type() == expression:
		into.Set(reflect.ValueOf(a.Expr))
		d.skipped = d.skipped || d.scope.world.bad[a.Expr.Range()]
		return
	}
	if a != nil {
		v, diags := d.scope.valueIn(a.Expr, d.ctx, nil)
		if d.report(diags) {
			return
		}
		if !v.IsNull() {
			d.convert(arg, v, into)
			return
		}
	}
	if arg.required && !d.partial() {
		at, why := header, ""
		if a != nil {
			at, why = a.Expr.Range(), ", and null is none"
		}
		d.diags = append(d.diags, fail(at, "Argument missing", "%q is required%s.", name, why))
	}
}

func (d *decoder) convert(a argument, v cty.Value, into reflect.Value) {
	name, at := a.name, a.Expr.Range()
	if of, is := sensitive(v); is {
		what := "a sensitive value"
		if of != "" {
			what = fmt.Sprintf("the sensitive variable %q", of)
		}
		d.diags = append(d.diags, fail(at, "Sensitive value not possible here", "%q would show %s, in plans and on machines. It may only stand as a whole where values travel by name, as in environments and files.", name, what))
		return
	}
	if !v.IsWhollyKnown() {
		d.skipped = true
		return
	}
	t, err := gocty.ImpliedType(reflect.New(into.Type()).Interface())
	if err != nil {
		panic(fmt.Sprintf("config: field of %q: %s", name, err)) // the struct's type is wrong
	}
	c, err := convert.Convert(v, t)
	if err == nil && t == cty.String && c.AsString() == "" && !a.required { // most often a variable that somebody forgot
		d.diags = append(d.diags, fail(at, "Empty text", "%q is the empty text, which means nothing here. Leave it out, or give null, where nothing is meant.", name))
		return
	}
	if err == nil {
		err = gocty.FromCtyValue(c, into.Addr().Interface())
	}
	if err != nil {
		d.diags = append(d.diags, wrongType(name, a.Expr, v, t, err))
	}
}

// wrongType points at the element that doesn't fit.
func wrongType(name string, e hcl.Expression, v cty.Value, want cty.Type, err error) *hcl.Diagnostic {
	at, hint := e.Range(), ""
	text := fmt.Sprintf("%q is %s, and this is %s: %s", name, describe(want), article(v.Type()), err)
	if given := v.Type(); (want.IsListType() || want.IsSetType()) && !given.IsTupleType() && !given.IsCollectionType() {
		text = fmt.Sprintf("%q is %s, and this is %s", name, describe(want), article(v.Type()))
		if _, err := convert.Convert(v, want.ElementType()); err == nil {
			hint = " A list is written in brackets, one of a single element too: [ … ]."
		}
	}
	if want == cty.Number && v.Type() == cty.Number {
		text = fmt.Sprintf("%q is a whole number, and this one is not", name)
		if v.AsBigFloat().IsInt() {
			text = fmt.Sprintf("%q: this number is out of range", name)
		}
	}
	if n := native(e); n != nil {
		if inner, part, of := culprit(n, v, want); inner != n {
			at, v = inner.Range(), part
			text = fmt.Sprintf("%q is %s, and this element is %s", name, describe(want), article(v.Type()))
			want = of
		}
	}
	if isReference(want) && v.Type() == cty.String {
		hint += " A reference is written without quotes."
	}
	return fail(at, "Wrong type", "%s.%s", text, hint)
}

// culprit follows literal lists and objects down to the element that can't be converted.
func culprit(e hclsyntax.Expression, v cty.Value, want cty.Type) (hclsyntax.Expression, cty.Value, cty.Type) {
	if !v.Type().IsTupleType() && !v.Type().IsObjectType() || !want.IsCollectionType() {
		return e, v, want
	}
	of := want.ElementType()
	for it := v.ElementIterator(); it.Next(); {
		k, x := it.Element()
		if _, err := convert.Convert(x, of); err == nil {
			continue
		}
		if inner := element(e, indexName(k)); inner != nil {
			return culprit(inner, x, of)
		}
	}
	return e, v, want
}

func indexName(key cty.Value) string {
	if key.Type() == cty.String {
		return key.AsString()
	}
	return key.AsBigFloat().Text('f', 0)
}

// blocks fills a field that holds nested blocks of one type.
func (d *decoder) blocks(name string, found hcl.Blocks, into reflect.Value, header hcl.Range) {
	t := into.Type()
	if t.Kind() == reflect.Slice {
		out := reflect.MakeSlice(t, 0, len(found))
		for _, b := range found {
			out = reflect.Append(out, d.block(b, t.Elem()))
		}
		if len(found) > 0 {
			into.Set(out)
		}
		d.twice(name, found)
		return
	}
	switch {
	case len(found) > 1:
		d.diags = append(d.diags, fail(found[1].DefRange, "Block given twice", "There is one %s block at most; the other one is at %s.", name, place(found[0].DefRange)))
	case len(found) == 1:
		into.Set(d.block(found[0], t))
	case t.Kind() != reflect.Pointer && !d.partial():
		d.diags = append(d.diags, fail(header, "Block missing", "A block %s { … } is required.", name))
	}
}

// twice reports blocks of one type with the same labels.
func (d *decoder) twice(name string, found hcl.Blocks) {
	first := map[string]*hcl.Block{}
	for _, b := range found {
		key := fmt.Sprintf("%q", b.Labels)
		if other := first[key]; len(b.Labels) > 0 && other != nil {
			d.diags = append(d.diags, fail(b.DefRange, "Block given twice", "There is %s %q already, at %s.", name, b.Labels[0], place(other.DefRange)))
		}
		first[key] = b
	}
}

func (d *decoder) block(b *hcl.Block, t reflect.Type) reflect.Value {
	pointer := t.Kind() == reflect.Pointer
	if pointer {
		t = t.Elem()
	}
	v := reflect.New(t)
	d.fill(b.Body, b.DefRange, v.Elem())
	labels := 0
	for i := range t.NumField() {
		_, kind, _ := tag(t.Field(i))
		switch kind {
		case "label":
			if labels < len(b.Labels) {
				v.Elem().Field(i).SetString(b.Labels[labels])
				d.dynamicLabel(b, labels)
			}
			labels++
		case "def_range":
			v.Elem().Field(i).Set(reflect.ValueOf(b.DefRange))
		case "type_range":
			v.Elem().Field(i).Set(reflect.ValueOf(b.TypeRange))
		case "label_range":
			if labels > 0 && labels <= len(b.LabelRanges) {
				v.Elem().Field(i).Set(reflect.ValueOf(b.LabelRanges[labels-1]))
			}
		}
	}
	if pointer {
		return v
	}
	return v.Elem()
}

// dynamicLabel checks a label that was computed; those in the source were checked with the names.
func (d *decoder) dynamicLabel(b *hcl.Block, i int) {
	if !ValidName(b.Labels[i]) {
		bad := badName(b.Type, b.Labels[i], b.LabelRanges[i])
		for _, o := range d.diags {
			if o.Detail == bad.Detail {
				return
			}
		}
		d.diags = append(d.diags, bad)
	}
}

// checkDynamic looks at the for_each of a dynamic block.
func (d *decoder) checkDynamic(v cty.Value, e hcl.Expression, _ *hcl.EvalContext) hcl.Diagnostics {
	if _, is := sensitive(v); is {
		return hcl.Diagnostics{fail(e.Range(), "Invalid for_each", "The value is sensitive, and what blocks there are is shown. Take it from something that is not sensitive.")}
	}
	if d.scope.world.bad[e.Range()] || !v.IsWhollyKnown() {
		return hcl.Diagnostics{skip(e.Range())}
	}
	return nil
}

// report keeps diagnostics; skips are counted only. It says whether there were errors.
func (d *decoder) report(diags hcl.Diagnostics) bool {
	for _, one := range diags {
		if _, ok := one.Extra.(skipped); ok {
			d.skipped = true
			continue
		}
		d.diags = append(d.diags, discreet(hcl.Diagnostics{one}, nil, nil)...)
	}
	return diags.HasErrors()
}
