package service

import (
	"fmt"
	"slices"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// status is a line for each process of the service, for each slot without one, and for whoever else is on its ports.
func status(ref config.Ref, s Spec, f remote.Facts) (out []providers.Status) {
	b := &builder{ref: ref, spec: s, live: observe(ref, s, f)}
	hidden := slices.ContainsFunc(s.Nginx.Hosts, func(n config.HostValue) bool { return b.live.routes[n.Name].why != "" })
	for _, h := range s.Hosts {
		l := b.live.hosts[h.Name]
		line := providers.Status{Addr: providers.Addr{Ref: ref, Host: h.Name}, Hidden: hidden}
		if l.why != "" {
			line.Note, line.Unknown = l.why, true
			out = append(out, line)
			continue
		}
		shown := map[string]bool{}
		for _, p := range l.seen.Procs {
			shown[p.Slot] = true
			out = append(out, b.running(line, l, p))
		}
		for _, sl := range s.Slots {
			if !shown[sl.Name] {
				idle := line
				idle.Slot, idle.Port, idle.Health, idle.Note = sl.Name, sl.Port, "-", l.occupant(sl.Port)
				idle.Routes = b.routesTo(h.Name, sl.Port)
				idle.Live = len(idle.Routes) > 0
				if idle.Note == "" && (idle.Live || len(b.spec.Nginx.Hosts) == 0 && len(s.Slots) == 1) {
					idle.Health = "DOWN (not running)"
				}
				out = append(out, idle)
			}
		}
	}
	for _, n := range s.Nginx.Hosts {
		b.down(n.Name, out)
	}
	return out
}

// down notes that an nginx does not run beside what its file leads to, or else at the first line: it has no line of its own.
func (b *builder) down(on string, lines []providers.Status) {
	r := b.live.routes[on]
	if r.why != "" || r.nginx.Up || len(lines) == 0 {
		return
	}
	note := "nginx on " + on + " is not running"
	if len(r.nginx.Strays) > 0 {
		note = fmt.Sprintf("nginx on %s runs as pid %d, but %s", on, r.nginx.Strays[0], r.nginx.PidNote)
	} else if !r.nginx.Installed {
		note = "nginx is not installed on " + on
	}
	at := slices.IndexFunc(lines, func(l providers.Status) bool {
		as := addresses(on, b.spec.host(l.Addr.Host), l.Port)
		return l.Port != 0 && slices.ContainsFunc(r.file, func(a string) bool { return slices.Contains(as, a) })
	})
	l := &lines[max(at, 0)]
	if l.Note != "" {
		note = l.Note + "\n" + note
	}
	l.Note = note
}

func (b *builder) running(line providers.Status, l *hostLive, p Proc) providers.Status {
	line.Slot, line.Release, line.PID = p.Slot, p.Release, p.PID
	line.Port = b.live.portNow(b.spec, line.Addr.Host, p.Slot)
	line.Since = time.Unix(l.seen.Boot+p.Start/l.seen.Hz, 0)
	line.Routes = b.routesTo(line.Addr.Host, line.Port)
	line.Live = len(line.Routes) > 0 || len(b.spec.Nginx.Hosts) == 0
	line.Health = "does not listen"
	for _, sl := range b.spec.Slots {
		if sl.Name != p.Slot || line.Port == 0 {
			continue
		}
		if line.Health = "healthy"; !l.healthy(sl.with(p.Release)) {
			line.Health = "unhealthy: " + itoa(l.seen.Answers[sl.Port].Status)
		}
	}
	if p.Dir != b.spec.dir(p.Release) {
		line.Note = "runs in " + p.Dir
	}
	return line
}

// routesTo are the machines whose nginx sends requests to the port.
func (b *builder) routesTo(host string, port int) (out []string) {
	for _, n := range b.spec.Nginx.Hosts {
		r := b.live.routes[n.Name]
		as := addresses(n.Name, b.spec.host(host), port)
		has := func(a string) bool { return slices.Contains(as, a) }
		switch {
		case r.known && slices.ContainsFunc(r.loaded, has):
			out = append(out, n.Name)
		case !r.known && slices.ContainsFunc(r.file, has):
			out = append(out, n.Name+"?")
		}
	}
	return out
}

func (h *hostLive) occupant(port int) string {
	for _, li := range h.seen.Listeners {
		switch {
		case li.Port == port && li.Owner == "?":
			return "held by a process that this user may not see"
		case li.Port == port:
			return "held by " + li.String()
		}
	}
	return ""
}
