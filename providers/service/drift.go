package service

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/config"
)

// drift says in what the machines are not as a deployment leaves them, one thing each, whatever is planned.
func (b *builder) drift() {
	for _, h := range b.spec.Hosts {
		if l := b.live.hosts[h.Name]; l.why == "" && !h.Retired {
			b.driftOfHost(h, l)
		}
	}
	for _, n := range b.spec.Nginx.Hosts {
		if r := b.live.routes[n.Name]; r.why == "" {
			b.driftOfRoute(n.Name, r)
		}
	}
}

func (b *builder) drifted(host, text string, args ...any) {
	c := b.changes[host]
	c.Drift = append(c.Drift, fmt.Sprintf(text, args...))
}

func (b *builder) driftOfHost(h config.HostValue, l *hostLive) {
	serving := b.served(h)
	for _, p := range l.seen.Procs {
		sl, ours := b.slot(p.Slot)
		switch {
		case strings.HasSuffix(p.Dir, " (deleted)"):
			b.drifted(h.Name, "slot %s (pid %d) runs in a directory that was deleted: %s", p.Slot, p.PID, strings.TrimSuffix(p.Dir, " (deleted)"))
		case p.Dir != b.spec.dir(p.Release):
			b.drifted(h.Name, "slot %s (pid %d, release %s) runs in %s", p.Slot, p.PID, p.Release, p.Dir)
		}
		if !slices.Contains(serving, p.Slot) || !ours {
			continue
		}
		switch {
		case p.Release != l.id:
			b.drifted(h.Name, "slot %s (pid %d) runs release %s, and %s was deployed", p.Slot, p.PID, p.Release, l.id)
		case p.Digest != b.spec.digest(sl, l.id):
			b.drifted(h.Name, "slot %s (pid %d) runs with another command, environment or settings than were deployed", p.Slot, p.PID)
		}
		if !l.listens(sl.Name, sl.Port) {
			b.drifted(h.Name, "slot %s (pid %d) does not listen on port %d", p.Slot, p.PID, sl.Port)
		} else if !l.enabled(b.spec, sl) {
			b.drifted(h.Name, "the unit of slot %s is not enabled: it would not come back after a reboot", p.Slot)
		}
	}
	for _, e := range l.seen.Edited {
		since := map[string]string{"used": "; the program may have been started with it"}[e.What]
		b.drifted(h.Name, "the unit of slot %s was changed by hand: %s%s", e.Slot, e.How, since)
	}
	for _, sl := range b.spec.Slots {
		if !l.has(sl.Name) && slices.Contains(serving, sl.Name) {
			b.driftOfEmpty(h, l, sl)
		}
	}
	if len(serving) == 0 && len(l.seen.Procs) == 0 {
		b.drifted(h.Name, "nothing of %s runs here", b.ref)
	}
}

// driftOfEmpty is about a slot of which nothing runs, and that an nginx serves, or has on disk only.
func (b *builder) driftOfEmpty(h config.HostValue, l *hostLive, sl Slot) {
	leads := func(on string, list []string) bool {
		as := addresses(on, h, sl.Port)
		return slices.ContainsFunc(list, func(a string) bool { return slices.Contains(as, a) })
	}
	served := slices.ContainsFunc(b.spec.Nginx.Hosts, func(n config.HostValue) bool {
		r := b.live.routes[n.Name]
		return r.known && leads(n.Name, r.loaded)
	})
	there := "of which nothing runs"
	switch held := l.held(sl.Port); {
	case held && served:
		b.drifted(h.Name, "nginx sends requests to port %d of slot %s, which is %s", sl.Port, sl.Name, l.occupant(sl.Port))
	case served:
		b.drifted(h.Name, "nginx sends requests to slot %s on port %d, and nothing of it runs", sl.Name, sl.Port)
	case held:
		there = "which is " + l.occupant(sl.Port)
	}
	for _, n := range b.spec.Nginx.Hosts {
		r := b.live.routes[n.Name]
		if served || !leads(n.Name, r.file) {
			continue
		}
		named := fmt.Sprintf("%s on %s names slot %s on port %d, %s", b.spec.Nginx.File, n.Name, sl.Name, sl.Port, there)
		switch {
		case !r.nginx.Up:
			b.drifted(h.Name, "%s: once nginx runs, it sends requests there", named)
		case r.known:
			b.drifted(h.Name, "%s: nginx was not reloaded and still sends requests to %s, and a reload would send them there", named, b.called(n.Name, r.loaded))
		default:
			b.drifted(h.Name, "%s: whether nginx sends requests there already is not known, and a reload would send them there", named)
		}
	}
}

// called are addresses by the slots that they are.
func (b *builder) called(on string, as []string) string {
	if len(as) == 0 {
		return "nowhere"
	}
	names := make([]string, len(as))
	for i, a := range as {
		names[i] = a
		for _, h := range b.spec.Hosts {
			for _, sl := range b.spec.Slots {
				if slices.Contains(addresses(on, h, sl.Port), a) {
					names[i] = fmt.Sprintf("slot %s (%s)", sl.Name, a)
				}
			}
		}
	}
	return strings.Join(names, ", ")
}

// served are the slots of a machine to which an nginx is known to send requests, or would with its next reload.
func (b *builder) served(h config.HostValue) (out []string) {
	for _, sl := range b.spec.Slots {
		if b.live.sends(b.spec, h.Name, sl.Port) {
			out = append(out, sl.Name)
		}
	}
	return out
}

func (b *builder) slot(name string) (Slot, bool) {
	for _, sl := range b.spec.Slots {
		if sl.Name == name {
			return sl, true
		}
	}
	return Slot{}, false
}

func (b *builder) driftOfRoute(on string, r *routeLive) {
	file := b.spec.Nginx.File
	list := func(as []string) string {
		if len(as) == 0 {
			return "nowhere"
		}
		return strings.Join(as, ", ")
	}
	switch {
	case !r.nginx.Installed:
		b.drifted(on, "nginx is not installed any more")
		return
	case !r.nginx.Up:
		b.drifted(on, "nginx is not running")
	case !r.nginx.Exists:
		b.drifted(on, "%s is gone", file)
	case !r.nginx.Included:
		b.drifted(on, "%s is not included by nginx's configuration any more", file)
	}
	for _, s := range r.nginx.Strange {
		b.drifted(on, "%s was edited: %s", file, s)
	}
	if len(r.nginx.Strays) > 0 {
		b.drifted(on, "another nginx with this configuration runs, which the pidfile does not name: pid %d", r.nginx.Strays[0])
	}
	for _, a := range r.file {
		if !b.ours(on, a) {
			b.drifted(on, "%s was edited: it routes to %s, which is no slot of %s", file, a, b.ref)
		}
	}
	for _, o := range r.nginx.Others {
		b.drifted(on, "%s has the last word over %s", o, file)
	}
	switch {
	case !r.nginx.Up:
	case r.nginx.Upgrade != 0:
		b.drifted(on, "%s", r.nginx.Why)
	case r.known && !slices.Equal(slices.Sorted(slices.Values(r.file)), slices.Sorted(slices.Values(r.loaded))):
		b.drifted(on, "nginx has not loaded %s: it serves %s, and the file says %s", file, list(r.loaded), list(r.file))
	case !r.known && r.nginx.Probe == nil:
		b.drifted(on, "nginx was reloaded by somebody else: what it serves is not known")
	case !r.known:
		b.drifted(on, "nginx was reloaded by somebody else, and does not answer as the deployed slot: status %d", r.nginx.Probe.Status)
	}
	if r.nginx.Broken != "" {
		b.drifted(on, "nginx does not accept its configuration: %s", r.nginx.Broken)
	}
}

// ours says that an address is a slot of one of our machines.
func (b *builder) ours(on, address string) bool {
	return slices.ContainsFunc(b.spec.Hosts, func(h config.HostValue) bool {
		return slices.ContainsFunc(b.spec.Slots, func(sl Slot) bool { return slices.Contains(addresses(on, h, sl.Port), address) })
	})
}
