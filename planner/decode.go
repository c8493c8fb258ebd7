package planner

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
)

// Decode turns blocks into resources, referenced ones first, so that each sees the values of those before it. Two
// owners of one thing on one machine are a diagnostic.
func Decode(c *config.Configuration, kinds []providers.Kind) ([]providers.Resource, hcl.Diagnostics) {
	var out []providers.Resource
	var diags hcl.Diagnostics
	for _, b := range c.Blocks {
		kind, ok := find(kinds, b.Kind)
		if !ok {
			continue
		}
		r, d := kind.Decode(b)
		diags = append(diags, d...)
		if d.HasErrors() {
			continue
		}
		c.Set(b.Ref, r.Value)
		out = append(out, r)
	}
	for _, b := range c.Hollow {
		if kind, ok := find(kinds, b.Kind); ok {
			_, _ = kind.Decode(b)
			diags = append(diags, b.Found()...)
		}
	}
	bindGates(out)
	return out, append(diags, claimedOnce(out)...)
}

func find(kinds []providers.Kind, name string) (providers.Kind, bool) {
	for _, k := range kinds {
		if k.Name == name {
			return k, true
		}
	}
	return providers.Kind{}, false
}

func claimedOnce(rs []providers.Resource) (diags hcl.Diagnostics) {
	type owner struct {
		ref config.Ref
		at  *hcl.Range
	}
	owners := map[string]owner{}
	for _, r := range rs {
		for _, c := range r.Claims {
			first, taken := owners[c.What]
			if !taken {
				owners[c.What] = owner{r.Ref, c.At}
				continue
			}
			detail := fmt.Sprintf("%s is claimed by %s", c.What, first.ref)
			if first.at != nil {
				detail += fmt.Sprintf(" (%s)", first.at)
			}
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Two owners of one thing",
				Detail:  detail + fmt.Sprintf(" and by %s. Give one of them another.", r.Ref),
				Subject: c.At,
			})
		}
	}
	return diags
}

// Load makes resources from a plan's records.
func Load(recorded []Resource, kinds []providers.Kind) ([]providers.Resource, error) {
	out := make([]providers.Resource, 0, len(recorded))
	for _, rec := range recorded {
		r, err := loadOne(rec, kinds)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	bindGates(out)
	return out, nil
}

func loadOne(rec Resource, kinds []providers.Kind) (providers.Resource, error) {
	kind, ok := find(kinds, rec.Ref.Kind)
	if !ok {
		return providers.Resource{}, fmt.Errorf("%s: this shipctl knows no kind %q", rec.Ref, rec.Ref.Kind)
	}
	r, err := kind.Load(rec.Ref, rec.Needs, rec.Spec)
	r.Gone = rec.Gone
	return r, err
}
