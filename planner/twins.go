package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// twins finds host blocks that lead to one machine: the same machine-id and the same boot. Clones of one image share
// the first and not the second. It returns for each host the name of the first one of its machine.
func twins(order []string, f remote.Facts) map[string]string {
	first, out := map[string]string{}, map[string]string{}
	for _, h := range order {
		out[h] = h
		id := identity(f.Get(remote.Identity(h)))
		if id == "" {
			continue
		}
		if _, known := first[id]; !known {
			first[id] = h
		}
		out[h] = first[id]
	}
	return out
}

// Again are those of the spare machines that are one of the others, or one before them, under another name, with the same
// records: what is there is said of that.
func Again(spare []string, f remote.Facts) (out []string) {
	same := func(h string) string {
		a := f.Get(remote.Identity(h))
		if id := identity(a); id != "" {
			return id + " " + field(a, "state")
		}
		return ""
	}
	known := map[string]bool{}
	for h := range f {
		if h != remote.Controller && !slices.Contains(spare, h) {
			known[same(h)] = true
		}
	}
	for _, h := range spare {
		id := same(h)
		if id != "" && known[id] {
			out = append(out, h)
		}
		known[id] = true
	}
	return out
}

func identity(a remote.Answer) string {
	machine, boot := field(a, "machine"), field(a, "boot")
	if machine == "" || boot == "" {
		return ""
	}
	return machine + " " + boot
}

// field is what an answer to who a machine is says under a key.
func field(a remote.Answer, key string) (value string) {
	for line := range strings.Lines(a.Text) {
		if k, v, _ := strings.Cut(strings.TrimSpace(line), " "); k == key {
			value = v
		}
	}
	return value
}

// clashes are the things that two resources, or one under two names, claim on what is one machine. The answer is by
// resource and host.
func clashes(rs []providers.Resource, f remote.Facts) map[providers.Addr]string {
	var order []string
	for _, r := range rs {
		for _, q := range r.Queries {
			order = append(order, q.Host)
		}
	}
	one := twins(order, f)
	type owner struct {
		host string
		ref  string
	}
	owners, out := map[string]owner{}, map[providers.Addr]string{}
	for _, r := range rs {
		for _, c := range r.Claims {
			host, what, ok := strings.Cut(c.What, " ")
			if !ok || one[host] == "" {
				continue
			}
			key := one[host] + " " + what
			was, taken := owners[key]
			if !taken {
				owners[key] = owner{host, r.Ref.String()}
				continue
			}
			if was.host != host {
				out[providers.Addr{Ref: r.Ref, Host: host}] = fmt.Sprintf("%s and %s are one machine, and %s is wanted there twice, by %s and by %s: keep one of the two host blocks", was.host, host, what, was.ref, r.Ref)
			}
		}
	}
	return out
}

// Machines are the machines that the plan looked at, each once under the name of its first host block, in the order of
// their machine-ids: whoever takes leases takes them in this order. first gives that name for every host.
func (p *Plan) Machines() (hosts []string, first map[string]string) {
	var all []string
	for h := range p.Facts {
		if h != remote.Controller && !slices.Contains(p.Watched, h) {
			all = append(all, h)
		}
	}
	slices.Sort(all)
	first = twins(all, p.Facts)
	for _, h := range all {
		if first[h] == h {
			hosts = append(hosts, h)
		}
	}
	id := func(h string) string { return identity(p.Facts.Get(remote.Identity(h))) }
	slices.SortStableFunc(hosts, func(a, b string) int { return strings.Compare(id(a), id(b)) })
	return hosts, first
}
