package planner

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// Unit are the resources that are deployed and rolled back together with one: those that it refers to, those that refer
// to it, and so on. Gates belong to nobody's unit.
func Unit(rs []providers.Resource, ref config.Ref) (out []providers.Resource) {
	u := units(rs)
	for _, r := range rs {
		if u[r.Ref] == u[ref] {
			out = append(out, r)
		}
	}
	return out
}

// Holding puts what was rolled back in the place of what the configuration wants, by unit, until somebody clears the hold.
// What is to be removed is not held by anything.
func Holding(rs []providers.Resource, rec Records) (out []providers.Resource, held []HeldBack, err error) {
	u := units(slices.DeleteFunc(slices.Clone(rs), func(r providers.Resource) bool { return r.Gone }))
	holds := map[string]bool{}
	for _, r := range rs {
		if !r.Gone && rec.held(r) {
			holds[u[r.Ref]] = true
		}
	}
	for _, r := range rs {
		if r.Gone || !holds[u[r.Ref]] || r.Judge != nil || len(rec.on(r)) == 0 {
			out = append(out, r)
			continue
		}
		was, err := rec.everywhere(r.Ref, Hosts(r))
		if err != nil {
			return nil, nil, fmt.Errorf("%s was rolled back, and what it is held at is not clear: %w\nRoll it back again, or go forward with -clear-hold.", r.Ref, err)
		}
		back, err := earlier(r, was.Spec)
		if err != nil {
			return nil, nil, err
		}
		if was.Hold != nil {
			held = append(held, HeldBack{r.Ref, *was.Hold})
		}
		out = append(out, back)
	}
	return out, held, nil
}

// Unheard gives the resources back with a problem on the machines whose record can't be read or understood: what is held
// there is not known, so nothing of their unit may be begun. Machines in failed gave no answer at all, which is said
// elsewhere.
func (r Records) Unheard(rs []providers.Resource, failed map[string]error) []providers.Resource {
	u, stuck := units(rs), map[string]bool{}
	of := make([]map[string]string, len(rs)) // of each resource: why, by machine
	for i, res := range rs {
		if res.Judge != nil || res.Gone {
			continue
		}
		of[i] = map[string]string{}
		for _, host := range Hosts(res) {
			if why, unread := r.Unread[host]; unread && failed[host] == nil {
				of[i][host] = fmt.Sprintf("whether a rollback holds something there is not known: %s\nMake the record readable again, or move it away; -clear-hold goes on without it.", why)
				stuck[u[res.Ref]] = true
			}
		}
	}
	out := slices.Clone(rs)
	for i, res := range rs {
		if of[i] != nil && stuck[u[res.Ref]] && res.Diff != nil {
			out[i].Diff = func(f remote.Facts) []providers.Change { return withhold(res.Diff(f), of[i]) }
		}
	}
	return out
}

// withhold takes the steps out of changes, and says why at those on the machines that it is about, or at the first one.
func withhold(cs []providers.Change, why map[string]string) []providers.Change {
	for i := range cs {
		cs[i].Action, cs[i].Steps = providers.NoOp, nil
	}
	for _, host := range slices.Sorted(maps.Keys(why)) {
		i := slices.IndexFunc(cs, func(c providers.Change) bool { return c.Addr.Host == host })
		switch {
		case i >= 0:
			cs[i].Problem = why[host]
		case len(cs) > 0:
			cs[0].Problem = strings.TrimPrefix(cs[0].Problem+"\n"+host+": "+why[host], "\n")
		}
	}
	return cs
}

// held says that one of the resource's machines has a hold on it; what others say of it does not count.
func (r Records) held(res providers.Resource) bool {
	return slices.ContainsFunc(r.on(res), func(host string) bool { return r.By[host].Resources[res.Ref.String()].Hold != nil })
}

// on are those of the resource's machines that have a record of it.
func (r Records) on(res providers.Resource) []string {
	return slices.DeleteFunc(Hosts(res), func(host string) bool {
		_, ok := r.By[host].Resources[res.Ref.String()]
		return !ok
	})
}
