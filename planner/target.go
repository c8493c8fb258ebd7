package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
)

// Select keeps the resources that targets name ("service.teatime", of one with for_each all instances) and those that they refer to. A part of a resource
// is refused, and one without those that are deployed with it: half a service is not a state that anybody wants.
func Select(rs []providers.Resource, targets []string) ([]providers.Resource, error) {
	if len(targets) == 0 {
		return rs, nil
	}
	by := map[string]providers.Resource{}
	for _, r := range rs {
		by[r.Ref.String()] = r
	}
	keep := map[config.Ref]bool{}
	var take func(r providers.Resource)
	take = func(r providers.Resource) {
		keep[r.Ref] = true
		if r.Judge != nil { // a window looks at its jobs: it does not deploy them
			return
		}
		for _, n := range r.Needs {
			if d, ok := by[n.String()]; ok && !keep[n] {
				take(d)
			}
		}
	}
	for _, t := range targets {
		named := Named(rs, t)
		if len(named) == 0 {
			if whole := t[:max(0, strings.LastIndex(t, "["))]; by[whole].Ref.Kind != "" {
				return nil, fmt.Errorf("-target=%s names a part of %s: a resource is planned as a whole; use -target=%s", t, whole, whole)
			}
			return nil, fmt.Errorf("-target=%s: there is no such resource; the configuration has %s", t, names(rs))
		}
		for _, r := range named {
			take(r)
		}
	}
	for _, t := range targets {
		for _, r := range Named(rs, t) {
			if users := without(rs, r.Ref, keep); len(users) > 0 {
				return nil, fmt.Errorf("-target=%s is half of %s, which uses it: use %s", t, names(users), flags(users))
			}
		}
	}
	var out []providers.Resource
	for _, r := range rs {
		if keep[r.Ref] {
			out = append(out, r)
		}
	}
	return out, nil
}

// Named are the resources of an address: one, or all instances of a block with for_each (release.x of release.x["kr"]).
func Named(rs []providers.Resource, addr string) (out []providers.Resource) {
	for _, r := range rs {
		if a := r.Ref.String(); a == addr || strings.HasPrefix(a, addr+`["`) && strings.Count(addr, "[") == 0 {
			out = append(out, r)
		}
	}
	return out
}

// without are the resources that refer to one, and are not kept with it. A window is only asked.
func without(rs []providers.Resource, ref config.Ref, keep map[config.Ref]bool) (out []providers.Resource) {
	for _, r := range rs {
		if r.Judge == nil && !keep[r.Ref] && slices.Contains(r.Needs, ref) {
			out = append(out, r)
		}
	}
	return out
}

func flags(rs []providers.Resource) string {
	var s []string
	for _, r := range rs {
		s = append(s, "-target="+r.Ref.String())
	}
	return strings.Join(s, " ")
}

func names(rs []providers.Resource) string {
	var s []string
	for _, r := range rs {
		s = append(s, r.Ref.String())
	}
	return strings.Join(s, ", ")
}
