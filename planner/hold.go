package planner

import (
	"fmt"
	"slices"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
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
func Holding(rs []providers.Resource, rec Records) (out []providers.Resource, held []HeldBack, err error) {
	u := units(rs)
	holds := map[string]bool{}
	for _, r := range rs {
		if rec.held(r.Ref) {
			holds[u[r.Ref]] = true
		}
	}
	for _, r := range rs {
		if !holds[u[r.Ref]] || r.Judge != nil || len(rec.Hosts(r.Ref)) == 0 {
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

// Unheard are the machines of resources whose record can't be read or understood, and why: what is held there is not
// known, so nothing may be put there.
func (r Records) Unheard(rs []providers.Resource) map[string]error {
	out := map[string]error{}
	for _, res := range rs {
		if res.Judge != nil {
			continue
		}
		for _, host := range Hosts(res) {
			if why, unread := r.Unread[host]; unread {
				out[host] = fmt.Errorf("%s: whether a rollback holds something there is not known: %s\nMake the record readable again, or move it away; -clear-hold goes on without it.", host, why)
			}
		}
	}
	return out
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
