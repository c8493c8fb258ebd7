package release

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
)

// windows are the gates of activation.
func (c *checker) windows(e hcl.Expression) (out []config.Ref) {
	v, diags := c.b.Eval(e, nil)
	c.diags = append(c.diags, diags...)
	if diags.HasErrors() || v.IsNull() || !v.IsWhollyKnown() {
		return nil
	}
	wrong := func() []config.Ref {
		c.wrong(e.Range().Ptr(), "Not a list of windows", "windows = [batch_window.NAME, …] is expected.")
		return nil
	}
	if !v.CanIterateElements() {
		return wrong()
	}
	for it := v.ElementIterator(); it.Next(); {
		_, x := it.Element()
		if x.IsNull() || !x.Type().IsObjectType() || !x.Type().HasAttribute("addr") || x.GetAttr("addr").Type() != cty.String {
			return wrong()
		}
		kind, name, ok := strings.Cut(x.GetAttr("addr").AsString(), ".")
		if !ok || kind != "batch_window" {
			return wrong()
		}
		out = append(out, config.Ref{Kind: kind, Name: name})
	}
	return out
}

// places are where windows that the release names are asked: the machines' clocks.
func places(s Spec) (out []providers.Place) {
	for _, h := range s.Hosts {
		out = append(out, providers.Place{Host: h.Name})
	}
	return out
}

// gate puts the windows before a step: machines activate as a group, of which the first is judged.
func (d *hostDiff) gate(st *providers.Step) {
	if len(d.s.Windows) > 0 {
		st.Gates, st.Group = d.s.Windows, d.a.Ref.String()+"/"+providers.Activate
	}
}
