package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
)

// Select keeps the resources that targets name ("service.teatime") and those that they refer to. A part of a resource
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
		r, ok := by[t]
		if !ok {
			whole, _, isPart := strings.Cut(t, "[")
			if _, known := by[whole]; known && isPart {
				return nil, fmt.Errorf("-target=%s names a part of %s: a resource is planned as a whole; use -target=%s", t, whole, whole)
			}
			return nil, fmt.Errorf("-target=%s: there is no such resource; the configuration has %s", t, names(rs))
		}
		take(r)
	}
	for _, t := range targets {
		if users := without(rs, by[t].Ref, keep); len(users) > 0 {
			return nil, fmt.Errorf("-target=%s is half of %s, which uses it: use %s", t, names(users), flags(users))
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
