package config

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// ignored are the ignore_drift blocks: each names what is accepted, why, and until when.
func (w *world) ignored() (out []Ignore, diags hcl.Diagnostics) {
	if w.settings == nil {
		return nil, nil
	}
	for _, b := range w.settings.Body.Blocks {
		if b.Type != "ignore_drift" {
			continue
		}
		d := append(labels(b, 1), only(b.Body, "An ignore_drift block", []string{"match", "reason", "until"}, nil)...)
		if !d.HasErrors() {
			var i Ignore
			i, d = w.ignore(b)
			out = append(out, i)
		}
		diags = append(diags, d...)
	}
	return out, diags
}

func (w *world) ignore(b *hclsyntax.Block) (i Ignore, diags hcl.Diagnostics) {
	i = Ignore{Addr: b.Labels[0], Range: b.DefRange(), label: b.LabelRanges[0]}
	text := func(name string) (string, *hclsyntax.Attribute) {
		a := b.Body.Attributes[name]
		if a == nil {
			return "", nil
		}
		s, d := w.text(a.Expr, name, nil)
		diags = append(diags, d...)
		return s, a
	}
	reason, at := text("reason")
	switch i.Reason = reason; {
	case at == nil:
		diags = append(diags, fail(b.DefRange(), "No reason", "An ignore_drift block says why: write reason = \"…\"."))
	case reason == "" && !diags.HasErrors():
		diags = append(diags, fail(at.Expr.Range(), "No reason", "Say why this difference is accepted."))
	}
	if match, at := text("match"); at != nil {
		re, err := regexp.Compile(match)
		if err != nil {
			diags = append(diags, fail(at.Expr.Range(), "Invalid regular expression", "%s.", err))
		}
		i.Match = re
	}
	if until, at := text("until"); at != nil && !diags.HasErrors() {
		day, err := time.Parse(time.DateOnly, until)
		if err != nil {
			diags = append(diags, fail(at.Expr.Range(), "Invalid date", "%q is not a day. Write for example \"2030-12-31\": the last day on which this counts.", until))
		}
		i.Until = day.AddDate(0, 0, 1)
	}
	return i, diags
}

// ignorable: each rule is about something that drift can speak of. What an earlier apply left and the configuration has dropped
// is spoken of too, on the machines that have a host block.
func (c *Configuration) ignorable() (diags hcl.Diagnostics) {
	var refs, hosts []string
	for _, b := range c.Blocks {
		refs = append(refs, b.Ref.String())
	}
	for _, h := range c.Hosts {
		hosts = append(hosts, h.Name)
	}
	for _, i := range c.Ignored {
		ref, host, part := strings.Cut(i.Addr, "[")
		kind, name, _ := strings.Cut(ref, ".")
		bare := strings.TrimSuffix(strings.TrimPrefix(host, `"`), `"]`)
		switch {
		case !ValidName(name) || part && host != quote(bare)+"]":
			diags = append(diags, fail(i.label, "Invalid address", "%q is no address. Write service.shop, or for one machine of it service.shop[\"app-1\"].%s", i.Addr, suggest(i.Addr, refs)))
		case !c.world.isKind(kind):
			diags = append(diags, fail(i.label, "Unknown resource", "There are no %s blocks.%s", kind, suggest(ref, refs)))
		case part && !slices.Contains(hosts, bare):
			diags = append(diags, fail(i.label, "Unknown host", "There is no host %q.%s", bare, suggest(bare, hosts)))
		case !slices.Contains(refs, ref):
			diags = append(diags, warn(i.label, "Unknown resource", "There is no %s %q.%s This counts for what an earlier apply left under that name, if it did, and for nothing else.", kind, name, suggest(ref, refs)))
		}
	}
	return diags
}
