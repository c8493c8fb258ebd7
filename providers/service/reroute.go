package service

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/nginx"
)

// route is the file on one nginx machine.
func (s Spec) route(ref config.Ref, n hostValue) nginx.Route {
	r := nginx.Route{
		Host: n.Name, File: s.Nginx.File, Variable: s.Nginx.Variable, Upstream: s.Nginx.Upstream, Binary: s.Nginx.Binary,
		Config: s.Nginx.Config, Prefix: s.Nginx.Prefix, Drain: s.Nginx.Drain, Project: s.Project, Owner: ref.String(),
	}
	if v := s.Nginx.Verify; v != nil {
		r.VerifyURL, r.VerifyHost, r.VerifyInsecure = v.URL, v.Host, v.Insecure
	}
	return r
}

// reroute moves every nginx that does not lead to the slots yet: all checks, then a last look at the programs, then all
// switches, then each drains. It returns the drains.
func (b *builder) reroute(to map[string]Slot, prefix string, after []providers.StepID) (drained []providers.StepID) {
	var checks, confirmed []providers.StepID
	var switches, drains []providers.Step
	for _, n := range b.spec.Nginx.Hosts {
		route, live := b.spec.route(b.ref, n), b.live.routes[n.Name]
		addrs := b.addrs(n.Name, to)
		if prefix == "" && b.settledRoute(n.Name, to) {
			if len(live.nginx.Leaving) > 0 && b.retires() { // an earlier apply ended between switch and drain
				_, _, drain := route.Steps(nginx.Move{To: addrs, Label: b.label(to), Left: "the earlier workers", ID: func(verb string) providers.StepID { return b.id(n.Name, verb) }})
				drain.After = after
				drains = append(drains, drain)
			}
			continue
		}
		if !b.movable(route, live.nginx, addrs) {
			continue
		}
		move := nginx.Move{
			To: addrs, From: b.from(live), Label: b.label(to), Left: b.left(n.Name, to),
			ID: func(verb string) providers.StepID { return b.id(n.Name, prefix+verb) },
		}
		if prefix == "" { // traffic is gathered on what serves already, which may be of an earlier configuration
			move.Direct, move.Through = b.direct(to), b.through(to)
		}
		check, swtch, drain := route.Steps(move)
		if prefix != "" { // what it came from may have been cleared since; where it is now is healthy
			swtch.Undo = nil
		}
		check.After = append(check.After, after...)
		swtch.Gates, swtch.Before = b.spec.Windows, append(swtch.Before, b.release(providers.Activate)...)
		b.routeLine(n.Name, prefix, addrs)
		checks = append(checks, b.add(check, b.routeAction(n.Name)))
		switches, drains = append(switches, swtch), append(drains, drain)
	}
	if prefix == "" {
		confirmed = b.confirm(checks)
	}
	for i := range switches {
		if len(switches[i].Gates) > 0 {
			switches[i].Group = string(switches[0].ID)
		}
		switches[i].After = append(append(switches[i].After, checks...), confirmed...)
		b.add(switches[i], providers.Update)
	}
	for i := range drains {
		drained = append(drained, b.add(drains[i], providers.Update))
	}
	return drained
}

// movable stops the whole service where one nginx can't be moved, and says what its plan should warn of.
func (b *builder) movable(r nginx.Route, l nginx.Live, to []string) bool {
	problems := nginx.Problems(r, l, to, b.pending)
	if len(b.unproven()) > 0 && l.Installed && l.Included && !l.Used && len(l.Unread) == 0 {
		problems = append(problems, fmt.Sprintf("nothing in nginx uses what %s sets, so requests would go on to where they go now while its slot is stopped: use it (proxy_pass %s;), or give verify a body that only one slot answers with", r.File, use(r)))
	}
	for _, p := range problems {
		b.problem(r.Host, "%s", p)
	}
	for _, w := range slices.Concat(b.unproven(), nginx.Warnings(r, l), b.redirected(l.Probe)) {
		if c := b.changes[r.Host]; !slices.Contains(c.Warnings, w) {
			c.Warnings = append(c.Warnings, w)
		}
	}
	return len(problems) == 0
}

// redirected: verify follows no redirect, and what nginx answers by itself it answers after the switch too.
func (b *builder) redirected(p *nginx.Probe) []string {
	v := b.spec.Nginx.Verify
	if v == nil || p == nil || p.Status < 301 || p.Status > 308 || slices.Contains(b.spec.expected(b.spec.Slots[0]).status, p.Status) {
		return nil
	}
	write := "give verify the url that this one leads to"
	if at, plain := strings.CutPrefix(v.URL, "http:"); plain {
		host := ""
		if v.Host == "" {
			host = ", host = the name that the server has"
		}
		write += fmt.Sprintf("; for https, url = \"https:%s\"%s and insecure = true, since the certificate is for another name", at, host)
	}
	return []string{fmt.Sprintf("nginx answers %s with a redirect (status %d), which is not followed: if it does so after the switch too, that is put back. So %s", v.URL, p.Status, write)}
}

// use is how nginx names what the route sets.
func use(r nginx.Route) string {
	if r.Variable != "" {
		return "$" + r.Variable
	}
	return "http://" + r.Upstream
}

// unproven: without an answer that only the new slot gives, nothing shows that requests follow the file.
func (b *builder) unproven() []string {
	e := func(sl Slot) string { return b.spec.expected(sl).body }
	switch {
	case b.spec.recreates(): // there is one place only that requests may go to
	case b.spec.Nginx.Verify == nil:
		return []string{"no verify block: nothing proves that nginx sends requests where this file says; if proxy_pass names a fixed address, the slot in use is stopped"}
	case e(b.spec.Slots[0]) == e(b.spec.Slots[1]):
		return []string{"verify can't tell the slots apart: give health.http or verify a body that only one slot answers with"}
	}
	return nil
}

// from is what to go back to: what workers have loaded, or at least what the file says.
func (b *builder) from(r *routeLive) []string {
	if r.known {
		return r.loaded
	}
	return r.file
}

func (b *builder) routeAction(on string) string {
	if r := b.live.routes[on]; !r.nginx.Exists && len(r.loaded) == 0 {
		return providers.Create
	}
	return providers.Update
}

func (b *builder) routeLine(on, prefix string, to []string) {
	r := b.live.routes[on]
	name := b.spec.Nginx.Variable
	show := func(as []string) string {
		if len(as) == 0 {
			return "(none)"
		}
		if b.spec.Nginx.Variable != "" {
			return "http://" + as[0]
		}
		return strings.Join(as, ", ")
	}
	if name == "" {
		name = "upstream " + b.spec.Nginx.Upstream
	}
	line := fmt.Sprintf("%s %s → %s", name, show(b.from(r)), show(to))
	same := slices.Equal(b.from(r), to)
	if same { // an arrow between equal addresses tells nothing
		line = name + " " + show(to)
	}
	switch {
	case !r.nginx.Up:
		line += "  (nginx is down: it is started)"
	case !r.known && same:
		line += fmt.Sprintf("  (what its workers serve is not known: %s; nginx is reloaded and verified, so that they serve this file)", r.nginx.Why)
	case !r.known:
		line += fmt.Sprintf("  (what its workers serve is not known: %s)", r.nginx.Why)
	case slices.Equal(r.file, to) && !same:
		line += fmt.Sprintf("  (%s says so already, and nginx has not loaded it)", b.spec.Nginx.File)
	case same && !r.nginx.Exists:
		line += fmt.Sprintf("  (nginx serves it, and %s is gone: it is written again)", b.spec.Nginx.File)
	case same && len(r.nginx.Strange) > 0:
		line += fmt.Sprintf("  (nginx serves it, and %s was changed since: it is written again)", b.spec.Nginx.File)
	case same && !slices.Equal(r.file, to):
		line += fmt.Sprintf("  (nginx serves it, and %s says %s, which nginx has not loaded: it is written again)", b.spec.Nginx.File, show(r.file))
	}
	if prefix != "" {
		line += "  (gathered first)"
	}
	b.changes[on].lines = append(b.changes[on].lines, line)
}

// left names what nginx moves away from.
func (b *builder) left(on string, to map[string]Slot) string {
	var names []string
	r := b.live.routes[on]
	for _, h := range active(b.spec.Hosts) {
		for _, sl := range b.spec.Slots {
			routed := slices.ContainsFunc(addresses(on, h, sl.Port), func(a string) bool { return slices.Contains(r.loaded, a) })
			if routed && sl.Name != to[h.Name].Name && !slices.Contains(names, sl.Name) {
				names = append(names, sl.Name)
			}
		}
	}
	if len(names) == 0 {
		return "the earlier workers"
	}
	return strings.Join(names, ", ")
}

// direct is what each new address must answer before anybody is sent there, through what is common to the slots.
func (b *builder) direct(to map[string]Slot) nginx.Expect {
	var e nginx.Expect
	for _, h := range active(b.spec.Hosts) {
		t, ok := to[h.Name]
		if !ok {
			continue
		}
		t = t.with(b.live.hosts[h.Name].id)
		if t.Health.Kind != "http" {
			return nginx.Expect{}
		}
		e.Path, e.Host, e.Status = t.Health.Path, t.Health.Host, t.Health.Status
		e.Body = either(e.Body, t.Health.Body)
	}
	return e
}

// through is what the answer through nginx must be: that of one of the slots that it is to lead to.
func (b *builder) through(to map[string]Slot) nginx.Expect {
	var e nginx.Expect
	if b.spec.Nginx.Verify == nil {
		return e
	}
	for _, h := range active(b.spec.Hosts) {
		if t, ok := to[h.Name]; ok {
			x := b.spec.expected(t.with(b.live.hosts[h.Name].id))
			e.Status, e.Body = x.status, either(e.Body, x.body)
		}
	}
	return e
}

// either matches one or the other regular expression.
func either(a, b string) string {
	if a == "" || a == b {
		return b
	}
	return "(" + a + ")|(" + b + ")"
}
