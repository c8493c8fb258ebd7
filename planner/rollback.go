package planner

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// Histories are the machines' histories, by machine.
type Histories map[string][]Entry

// good are the releases of a resource that a machine can go back to, the newest last, each once: a deployment that
// succeeded adds one, a rollback takes off those above it (unless whatever succeeded is wanted), and a release that failed
// when it was last tried is none.
func good(entries []Entry, ref config.Ref, whatever bool) (stack []Applied) {
	drop := func(release string) {
		stack = slices.DeleteFunc(stack, func(a Applied) bool { return a.Release == release })
	}
	for _, e := range entries {
		back := e.Command == "rollback"
		for _, a := range e.Resources {
			switch {
			case a.Ref != ref || a.Release == "":
			case a.Outcome == Left && back: // it is half way to what was good, and is to get there
			case a.Outcome == Undone || a.Outcome == Left:
				if n := len(stack); n == 0 || stack[n-1].Release != a.Release {
					drop(a.Release)
				}
			case a.Outcome != Done:
			case back && !whatever:
				i := slices.IndexFunc(stack, func(x Applied) bool { return x.Release == a.Release })
				if i >= 0 {
					stack = stack[:i]
				}
				stack = append(stack, a)
			default:
				drop(a.Release)
				stack = append(stack, a)
			}
		}
	}
	return stack
}

// unsettled is what a machine's last run with a resource was about to do, where it was cut off or could not be undone.
func unsettled(entries []Entry, ref config.Ref) (what Applied, back, is bool) {
	for _, e := range entries {
		for _, a := range e.Resources {
			if a.Ref == ref && a.Outcome != NotBegun {
				what, back, is = a, e.Command == "rollback", a.Outcome == Begun || a.Outcome == Left
			}
		}
	}
	return what, back, is
}

// Earlier finds what a resource, and all of its unit, goes back to: the one that is asked for, or the last good release
// that all machines it stands on know with the same spec, other than the one that was last carried out. After a run that
// was cut off or could not be undone it is the last good one, and after such a rollback where that was going.
func Earlier(rs []providers.Resource, ref config.Ref, to string, h Histories) ([]providers.Resource, string, error) {
	all := Unit(rs, ref)
	var r providers.Resource
	for _, x := range all {
		if x.Ref == ref {
			r = x
		}
	}
	target, err := common(standing(r), ref, to, h)
	if err != nil {
		return nil, "", err
	}
	out := gatesOf(rs, all)
	for _, x := range all {
		if x.Judge != nil || len(Hosts(x)) == 0 {
			out = append(out, x)
			continue
		}
		then := target
		if x.Ref != ref {
			if then, err = common(standing(x), x.Ref, target.Release, h); err != nil {
				return nil, "", err
			}
		}
		back, err := earlier(x, then.Spec)
		if err != nil {
			return nil, "", err
		}
		out = append(out, back)
	}
	return out, target.Release, nil
}

// gatesOf are the gates that some of the resources name: they are judged for a rollback as for any plan.
func gatesOf(rs, of []providers.Resource) (out []providers.Resource) {
	for _, r := range rs {
		named := func(x providers.Resource) bool { return slices.Contains(x.Needs, r.Ref) }
		if r.Judge != nil && slices.ContainsFunc(of, named) {
			out = append(out, r)
		}
	}
	return out
}

// common is the newest release below the last one, or the one asked for, that is good on every machine.
func common(hosts []string, ref config.Ref, to string, h Histories) (Applied, error) {
	if len(hosts) == 0 {
		return Applied{}, fmt.Errorf("%s is on no machine", ref)
	}
	first, both := agreedOn(hosts, ref, to != "", h)
	live := ""
	if n := len(first); n > 0 {
		live = first[n-1].Release
	}
	want, settled := to, true
	for _, host := range hosts {
		if what, back, is := unsettled(h[host], ref); is && to == "" {
			settled = false
			if back {
				want = what.Release
			}
		}
	}
	var known []string
	for _, a := range both {
		if want == a.Release || want == "" && (a.Release != live || !settled) {
			return a, nil
		}
		known = append(known, a.Release)
	}
	switch {
	case len(first) == 0:
		return Applied{}, fmt.Errorf("there is no earlier release of %s to go back to: none is recorded as good on %s", ref, hosts[0])
	case want == "":
		return Applied{}, fmt.Errorf("there is no earlier release of %s to go back to: on %s none other than %s is recorded as good on every machine", ref, strings.Join(hosts, ", "), orNone(live))
	}
	return Applied{}, fmt.Errorf("%s has no good release %s on all of %s: there are %s", ref, want, strings.Join(hosts, ", "), orNone(strings.Join(known, ", ")))
}

// agreedOn: what is good on the first of the machines, the newest last, and what of it is good on every one with the same
// spec, the newest first.
func agreedOn(hosts []string, ref config.Ref, whatever bool, h Histories) (first, all []Applied) {
	stacks := map[string][]Applied{}
	for _, host := range hosts {
		stacks[host] = good(h[host], ref, whatever)
	}
	first = stacks[hosts[0]]
	for _, a := range slices.Backward(first) {
		missing := func(host string) bool {
			return !slices.ContainsFunc(stacks[host], func(x Applied) bool { return x.Release == a.Release && string(x.Spec) == string(a.Spec) })
		}
		if !slices.ContainsFunc(hosts[1:], missing) {
			all = append(all, a)
		}
	}
	return first, all
}

// standing are the machines that what a resource deploys is on: those that only send requests there know no releases.
func standing(r providers.Resource) (out []string) {
	for _, p := range r.Places {
		out = append(out, p.Host)
	}
	if len(out) == 0 {
		return Hosts(r)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Hosts are the machines that a resource looks at, sorted.
func Hosts(r providers.Resource) (out []string) {
	for _, q := range r.Queries {
		if q.Host != remote.Controller && !slices.Contains(out, q.Host) {
			out = append(out, q.Host)
		}
	}
	slices.Sort(out)
	return out
}

// earlier is a resource with the release, the command and the environment of a recorded spec. A machine wrote that: it
// gets no secret that the configuration does not give this resource anyway.
func earlier(r providers.Resource, then json.RawMessage) (providers.Resource, error) {
	may := secretNames(r.Spec)
	for name := range secretNames(then) {
		if !may[name] {
			return providers.Resource{}, fmt.Errorf("%s used the sensitive variable %s then, and the configuration does not give it to it now: give it to it, or go forward", r.Ref, name)
		}
	}
	back, err := r.Rollback(then)
	if err != nil {
		return providers.Resource{}, fmt.Errorf("the record of %s can't be used: %w", r.Ref, err)
	}
	return back, nil
}

// secretNames are the sensitive variables that a spec names, wherever in it.
func secretNames(spec json.RawMessage) map[string]bool {
	out := map[string]bool{}
	var v any
	if json.Unmarshal(spec, &v) == nil {
		collect(v, out)
	}
	return out
}

func collect(v any, out map[string]bool) {
	switch x := v.(type) {
	case map[string]any:
		if name, ok := x["var"].(string); ok && name != "" {
			out[name] = true
		}
		for _, e := range x {
			collect(e, out)
		}
	case []any:
		for _, e := range x {
			collect(e, out)
		}
	}
}
