package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// What one machine says about another counts for nothing: whoever has taken over one must not be able to say what runs on
// the others, nor what they are asked. Each machine's record speaks for itself only.

// Agreed is the record of a resource on which all machines agree that have one, of those given (nil: of all), and which all
// machines have that it names.
func (r Records) Agreed(ref config.Ref, of []string) (Recorded, error) {
	hosts := slices.DeleteFunc(r.Hosts(ref), func(h string) bool { return of != nil && !slices.Contains(of, h) })
	if len(hosts) == 0 {
		return Recorded{}, fmt.Errorf("no machine has a record of %s", ref)
	}
	first := r.By[hosts[0]].Resources[ref.String()]
	if first.Ref != ref {
		return Recorded{}, fmt.Errorf("the record of %s on %s is one of %s", ref, hosts[0], first.Ref)
	}
	for _, h := range hosts {
		if !slices.Contains(first.On, h) {
			return Recorded{}, fmt.Errorf("the records of %s on %s and %s differ", ref, hosts[0], h)
		}
	}
	return first, r.vouched(first, hosts[0], slices.Concat(hosts, first.On))
}

// vouched: each of the machines has this record, which is by's. Those that were not asked, or gave no answer,
// say nothing; nor are they asked anything because of it.
func (r Records) vouched(was Recorded, by string, hosts []string) error {
	for _, h := range hosts {
		if !r.spoke(h) {
			continue
		}
		if why, unread := r.Unread[h]; unread {
			return fmt.Errorf("the record of %s on %s is about %s too, and there none can be read: %s", was.Ref, by, h, why)
		}
		mine, ok := r.By[h].Resources[was.Ref.String()]
		if !ok {
			return fmt.Errorf("the records of %s on %s and %s differ: on %s there is none", was.Ref, by, h, h)
		}
		if string(mine.Spec) != string(was.Spec) || mine.Ref != was.Ref {
			return fmt.Errorf("the records of %s on %s and %s differ (runs %s and %s)", was.Ref, by, h, was.Run, orNone(mine.Run))
		}
	}
	return nil
}

// spoke says that a machine gave an answer when it was asked for its record.
func (r Records) spoke(host string) bool {
	_, has := r.By[host]
	return has || r.answered[host]
}

// everywhere is the record that all of the machines have.
func (r Records) everywhere(ref config.Ref, hosts []string) (Recorded, error) {
	was, err := r.Agreed(ref, hosts)
	if err == nil {
		err = r.vouched(was, r.holder(was), hosts)
	}
	return was, err
}

// left is a resource as the last run left it, where everything that is asked or changed because of it has the same record.
func (r Records) left(ref config.Ref, of []string, kinds []providers.Kind) (providers.Resource, error) {
	was, err := r.Agreed(ref, of)
	if err != nil {
		return providers.Resource{}, err
	}
	by := r.holder(was)
	res, err := loadOne(was.Resource, kinds)
	switch {
	case err != nil:
		return res, fmt.Errorf("the record on %s can't be used: %w", by, err)
	case res.Record == nil || len(Hosts(res)) == 0:
		return res, fmt.Errorf("the record of %s on %s is none that a run leaves", ref, by)
	}
	for _, q := range res.Queries {
		if _, consent := cut(q.Script); q.Host == remote.Controller && !consent {
			return res, fmt.Errorf("the record of %s on %s would have shipctl look at %s where it runs itself", ref, by, strings.Join(q.Args, " "))
		}
	}
	for _, h := range Hosts(res) {
		if _, asked := r.answered[h]; !asked {
			return res, fmt.Errorf("the record of %s on %s is about %s too, for which the configuration has no host block: write it again, with state = \"retired\", or move that record away", ref, by, h)
		}
	}
	return res, r.vouched(was, by, Hosts(res))
}

// holder is the first machine of a record that has it.
func (r Records) holder(was Recorded) string {
	i := slices.IndexFunc(was.On, func(h string) bool { return r.By[h].Resources[was.Ref.String()].Ref == was.Ref })
	return was.On[max(i, 0)]
}

// Left are the resources as the last runs left them. wanted are the configuration's: of what it has its machines' records
// count. What can't be told from the records is in unclear, and keeps nothing else from being told.
func (r Records) Left(wanted []providers.Resource, kinds []providers.Kind) (rs []providers.Resource, unclear map[config.Ref]error) {
	of := map[config.Ref][]string{}
	for _, w := range wanted {
		of[w.Ref] = Hosts(w)
	}
	unclear = map[config.Ref]error{}
	for _, ref := range r.Refs() {
		if hosts := of[ref]; hosts != nil && !slices.ContainsFunc(r.Hosts(ref), func(h string) bool { return slices.Contains(hosts, h) }) {
			continue // it is on other machines now
		}
		res, err := r.left(ref, of[ref], kinds)
		if err != nil {
			unclear[ref] = err
			continue
		}
		rs = append(rs, res)
	}
	return apart(rs), unclear
}

// apart drops references to what is on none of a resource's machines: what is elsewhere is not joined with it because a
// record says so.
func apart(rs []providers.Resource) []providers.Resource {
	on := map[config.Ref][]string{}
	for _, r := range rs {
		on[r.Ref] = Hosts(r)
	}
	for i, r := range rs {
		rs[i].Needs = slices.DeleteFunc(slices.Clone(r.Needs), func(n config.Ref) bool {
			return !slices.ContainsFunc(on[r.Ref], func(h string) bool { return slices.Contains(on[n], h) })
		})
	}
	return rs
}

// Orphans are what the records have and the configuration has not: resources that it dropped, and machines that it no
// longer names for one. gone are those that can be removed.
func Orphans(wanted []providers.Resource, rec Records, kinds []providers.Kind) (out []OrphanOn, gone []providers.Resource) {
	known := map[config.Ref]providers.Resource{}
	for _, r := range wanted {
		known[r.Ref] = r
	}
	left, unclear := rec.Left(wanted, kinds)
	why := map[config.Ref]string{}
	for ref, err := range unclear {
		why[ref] = err.Error()
	}
	for _, r := range left {
		if _, there := known[r.Ref]; there {
			continue
		}
		if why[r.Ref] = taken(r, wanted); why[r.Ref] == "" {
			r.Gone = true
			gone = append(gone, r)
		}
	}
	for _, ref := range rec.Refs() {
		r, there := known[ref]
		for _, host := range rec.Hosts(ref) {
			o := OrphanOn{Ref: ref, Host: host, Why: why[ref]}
			switch {
			case there && slices.Contains(Hosts(r), host):
				continue
			case there:
				o.Why = fmt.Sprintf("the configuration has %s no longer on this machine: to take it off, name the machine again, with state = \"retired\" in its host block", ref)
			}
			out = append(out, o)
		}
	}
	return out, gone
}

// taken says what of a resource that is to go is another one's by now; "" where nothing is.
func taken(gone providers.Resource, wanted []providers.Resource) string {
	owner := map[string]config.Ref{}
	for _, w := range wanted {
		for _, c := range w.Claims {
			owner[c.What] = w.Ref
		}
	}
	for _, c := range gone.Claims {
		if o, is := owner[c.What]; is {
			return fmt.Sprintf("%s is %s's now, so removing %s would take it from that: give %s another, apply, and remove this then", c.What, o, gone.Ref, o)
		}
	}
	return ""
}
