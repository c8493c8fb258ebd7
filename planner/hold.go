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
		if !r.Gone && rec.held(r.Ref) {
			holds[u[r.Ref]] = true
		}
	}
	for _, r := range rs {
		if r.Gone || !holds[u[r.Ref]] || r.Judge != nil || len(rec.Hosts(r.Ref)) == 0 {
			out = append(out, r)
			continue
		}
		was, err := rec.Agreed(r.Ref)
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

func (r Records) held(ref config.Ref) bool {
	for _, host := range r.Hosts(ref) {
		if r.By[host].Resources[ref.String()].Hold != nil {
			return true
		}
	}
	return false
}

// Orphans are what the records have and the configuration has not: resources that it dropped, and machines that it no
// longer names for one.
func Orphans(rs []providers.Resource, rec Records) (out []OrphanOn) {
	known := map[config.Ref]providers.Resource{}
	for _, r := range rs {
		known[r.Ref] = r
	}
	for _, ref := range rec.Refs() {
		r, there := known[ref]
		_, unclear := rec.Agreed(ref)
		for _, host := range rec.Hosts(ref) {
			o := OrphanOn{Ref: ref, Host: host}
			switch {
			case there && slices.Contains(Hosts(r), host):
				continue
			case there:
				o.Why = fmt.Sprintf("the configuration has %s no longer on this machine: to take it off, name the machine again, with state = \"retired\" in its host block", ref)
			case unclear != nil:
				o.Why = unclear.Error()
			}
			out = append(out, o)
		}
	}
	return out
}
