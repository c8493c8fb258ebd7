package service

import (
	"strings"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// remove takes a service off its machines: first out of every nginx, which must need it no longer, then its programs
// are stopped. What stopping would cost answers is refused.
func remove(ref config.Ref, s Spec, f remote.Facts) []providers.Change {
	b := &builder{ref: ref, spec: s, live: observe(ref, s, f), changes: map[string]*change{}, target: map[string]Slot{}}
	b.enter()
	for _, h := range s.Hosts {
		if l := b.live.hosts[h.Name]; l.why != "" {
			b.problem(h.Name, "%s", l.why)
		}
	}
	var gone []providers.StepID
	for _, n := range s.Nginx.Hosts {
		if id := b.unroute(n.Name); id != "" {
			gone = append(gone, id)
		}
	}
	for _, h := range s.Hosts {
		for _, slot := range b.live.hosts[h.Name].present() {
			b.stop(h.Name, slot, "stop", "stop", gone, true)
			b.changes[h.Name].Action = providers.Delete
			b.changes[h.Name].lines = append(b.changes[h.Name].lines[:0], b.leaving(h.Name)+"  →  removed")
		}
	}
	out := make([]providers.Change, 0, len(b.order))
	for _, h := range b.order {
		c := b.changes[h].settled(b.stuck)
		c.Headline = "removed"
		out = append(out, c)
	}
	return out
}

// unroute takes our file out of one nginx: off its disk, and out of its workers, which may serve one that is gone.
func (b *builder) unroute(on string) providers.StepID {
	r := b.live.routes[on]
	switch {
	case r.why != "":
		b.problem(on, "%s", r.why)
	case !r.nginx.Exists && r.known && len(r.loaded) == 0:
	case r.nginx.Up && r.nginx.Used:
		out := "what proxies to it"
		if len(r.nginx.Named) > 0 {
			out += ", and the include in " + strings.Join(r.nginx.Named, ", ") + ","
		}
		b.problem(on, "nginx still uses %s, so removing it would cost answers: take %s out of nginx's configuration, reload, and plan again", b.spec.Nginx.File, out)
	case len(r.nginx.Named) > 0:
		b.problem(on, "nginx can't do without %s, since it is included by its name: take the include in %s out of nginx's configuration, reload, and plan again", b.spec.Nginx.File, strings.Join(r.nginx.Named, ", "))
	default:
		line := b.spec.Nginx.File + "  →  removed"
		if !r.nginx.Exists {
			line = b.spec.Nginx.File + " is gone, and workers of nginx may serve it  →  reloaded"
		}
		b.changes[on].lines = append(b.changes[on].lines, line)
		return b.add(b.spec.route(b.ref, b.spec.nginxHost(on)).Remove(b.id(on, "remove-route")), providers.Delete)
	}
	return ""
}

func (s Spec) nginxHost(name string) config.HostValue {
	for _, h := range s.Nginx.Hosts {
		if h.Name == name {
			return h
		}
	}
	return config.HostValue{}
}
