package service

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// diff decides as one unit over all machines of the service: what is to serve where, and the way there.
func diff(ref config.Ref, s Spec, f remote.Facts) []providers.Change {
	b := &builder{
		ref: ref, spec: s, live: observe(ref, s, f), changes: map[string]*change{}, target: map[string]Slot{},
		takeOver: f.Get(takeOver(ref)).Sight == remote.Seen, pending: f.Get(pendingNginx()).Sight == remote.Seen,
	}
	b.enter()
	b.drift()
	b.look()
	if !b.stuck {
		b.choose()
		b.strangers()
	}
	b.inWords(f)
	if !b.stuck {
		b.steps()
		b.units()
	}
	b.preflight(f)
	out := make([]providers.Change, 0, len(b.order))
	for _, h := range b.order {
		out = append(out, b.changes[h].settled(b.stuck))
	}
	return out
}

// builder collects changes by machine.
type builder struct {
	ref      config.Ref
	spec     Spec
	live     *live
	changes  map[string]*change
	order    []string
	target   map[string]Slot // the slot that is to serve, by machine
	gather   map[string]Slot // where traffic is gathered first; nil where nothing has to be
	evict    []eviction
	takeOver bool
	pending  bool // half-edited nginx files may come to life
	stuck    bool // there is a problem: no steps
}

// change is a providers.Change with the lines of what the machine does for the service: application and nginx may be
// on one machine.
type change struct {
	providers.Change
	lines []string
}

type eviction struct {
	host string
	who  Listener
}

func (c *change) settled(stuck bool) providers.Change {
	if stuck {
		c.Action, c.Steps = providers.NoOp, nil
	}
	if c.Action != providers.NoOp || c.Problem != "" || len(c.Steps) > 0 {
		c.Line = strings.Join(c.lines, "\n")
	}
	return c.Change
}

func (b *builder) enter() {
	add := func(h string) {
		if b.changes[h] == nil {
			b.order = append(b.order, h)
			b.changes[h] = &change{Change: providers.Change{Addr: providers.Addr{Ref: b.ref, Host: h}, Action: providers.NoOp}}
		}
	}
	for _, h := range b.spec.Hosts {
		add(h.Name)
	}
	for _, n := range b.spec.Nginx.Hosts {
		add(n.Name)
	}
}

func (b *builder) problem(host, text string, args ...any) {
	c := b.changes[host]
	if c.Problem != "" {
		c.Problem += "\n"
	}
	c.Problem += fmt.Sprintf(text, args...)
	b.stuck = true
}

// look stops at what could not be seen: it is never taken for absent.
func (b *builder) look() {
	for _, h := range b.spec.Hosts {
		l := b.live.hosts[h.Name]
		switch {
		case l.why != "":
			b.problem(h.Name, "%s", l.why)
		case l.id == "" && !h.Retired:
			b.problem(h.Name, "nothing of %s runs here and no release is given: give a version (-var version=…)", b.ref)
		case !h.Retired && l.current != "" && l.current != l.id:
			b.problem(h.Name, "release %s serves here, and %s/current leads to %s: a run was cut off, or somebody has moved it. Say which one is wanted, as with -var version=%s", l.id, b.spec.Release.Root, l.current, l.id)
		case !h.Retired:
			b.rights(h.Name, l.as)
		}
	}
	for _, n := range b.spec.Nginx.Hosts {
		if r := b.live.routes[n.Name]; r.why != "" {
			b.problem(n.Name, "%s", r.why)
		}
	}
}

// rights says what only root can do, before anything is tried.
func (b *builder) rights(h string, as login) {
	switch {
	case as.uid == "" || as.uid == "0":
	case b.spec.Runner == "systemd":
		b.problem(h, "only root can make units for systemd, and we are %s here: set sudo = true for this host, or runner = \"process\" for the service", as.user)
	case b.spec.RunAs != "" && b.spec.RunAs != as.user:
		b.problem(h, "only root can run a program as user %s, and we are %s here: set sudo = true for this host, or drop run_as", b.spec.RunAs, as.user)
	}
}

// choose picks the slot that is to serve on each machine: the one that runs what is wanted, else one that no nginx
// sends requests to. Where both are sent to, traffic is gathered on the healthier one first.
func (b *builder) choose() {
	if b.spec.recreates() {
		for _, h := range active(b.spec.Hosts) {
			b.target[h.Name] = b.spec.Slots[0]
		}
		return
	}
	for _, h := range active(b.spec.Hosts) {
		t, keep := b.pick(h.Name)
		b.target[h.Name] = t
		if keep != nil {
			if b.gather == nil {
				b.gather = map[string]Slot{}
			}
			b.gather[h.Name] = *keep
		}
	}
	for _, h := range active(b.spec.Hosts) {
		b.free(h.Name)
	}
}

func (b *builder) pick(h string) (target Slot, keep *Slot) {
	l := b.live.hosts[h]
	now := func(sl Slot) Slot { // its process may listen where the slot was configured earlier
		if p := b.live.portNow(b.spec, h, sl.Name); p != 0 && b.live.routed(b.spec, h, p) > 0 {
			sl.Port = p
		}
		return sl
	}
	routed := func(sl Slot) int { return b.live.routed(b.spec, h, now(sl).Port) }
	slots := slices.Clone(b.spec.Slots)
	slices.SortStableFunc(slots, func(x, y Slot) int { return routed(y) - routed(x) })
	for i, sl := range slots {
		// The slot that serves is not moved away from for a check that failed once; an idle one must be healthy.
		serves := i == 0 && routed(sl) > 0 && routed(slots[1]) == 0
		if _, ok := l.runs(b.spec, sl); ok && (serves || l.healthy(sl)) {
			return sl, nil
		}
	}
	if routed(slots[1]) > 0 {
		// What serves is judged by the new version's health check, which an older one may not pass: listening is enough.
		serves := func(sl Slot) int {
			switch at := now(sl); {
			case l.healthy(at):
				return 2
			case l.hopeless(at):
				return 0
			case l.listens(at.Name, at.Port), b.takeOver && l.held(sl.Port) && b.live.sends(b.spec, h, sl.Port):
				return 1
			}
			return 0
		}
		if serves(slots[0]) < serves(slots[1]) {
			slots[0], slots[1] = slots[1], slots[0]
		}
		if serves(slots[0]) > 0 {
			k := now(slots[0])
			return slots[1], &k
		}
	}
	if routed(slots[0]) == 0 {
		idle := slices.Clone(b.spec.Slots)
		slices.SortStableFunc(idle, func(x, y Slot) int { return l.busy(x) - l.busy(y) })
		return idle[0], nil
	}
	return slots[1], nil
}

// free: what serves now must neither have the target's name nor listen on its port, which happens where names or ports
// are exchanged. Traffic that is gathered first is on the slot that is kept.
func (b *builder) free(h string) {
	l, t := b.live.hosts[h], b.target[h]
	if _, ok := l.runs(b.spec, t); ok {
		return
	}
	for _, li := range l.seen.Listeners {
		keep, gathered := b.gather[h]
		serves := b.live.routed(b.spec, h, li.Port) > 0 && (!gathered || keep.Port == li.Port)
		if serves && li.Owner != "" && li.Owner != "?" && (li.Owner == t.Name) != (li.Port == t.Port) {
			b.problem(h, "slot %s serves on port %d, and the configuration leaves no slot free beside it: %s :%d has its %s. Give the slots one new name or one new port at a time, with an apply in between",
				li.Owner, li.Port, t.Name, t.Port, map[bool]string{true: "name", false: "port"}[li.Owner == t.Name])
			return
		}
	}
}

// busy is how much has to go before a slot can be used: nothing, a program of ours that may be serving elsewhere, one
// that listens there, a stranger.
func (h *hostLive) busy(sl Slot) int {
	n := 0
	if slices.ContainsFunc(h.seen.Procs, func(p Proc) bool { return p.Slot == sl.Name }) {
		n = 1
	}
	for _, li := range h.seen.Listeners {
		switch {
		case li.Port != sl.Port:
		case li.Owner == "" || li.Owner == "?":
			n = max(n, 3)
		default:
			n = max(n, 2)
		}
	}
	return n
}

// held says that somebody listens on the port.
func (h *hostLive) held(port int) bool {
	return slices.ContainsFunc(h.seen.Listeners, func(l Listener) bool { return l.Port == port })
}

// strangers on our ports: the one that serves today is taken over with the operator's consent; any other is named and
// left alone.
func (b *builder) strangers() {
	for _, h := range b.spec.Hosts {
		t, serving := b.target[h.Name]
		for _, li := range b.live.hosts[h.Name].seen.Listeners {
			routed := b.live.sends(b.spec, h.Name, li.Port)
			mine := serving && t.Port == li.Port
			theirs := li.Project() != "" && (li.managed() || !b.takeOver || !routed && !(mine && b.spec.recreates()))
			switch {
			case li.Owner == "?" && (mine || routed):
				b.problem(h.Name, "port %d is held by a process that this user may not see; with sudo = true for this host it could be told whose it is", li.Port)
			case li.Owner != "":
			case theirs && (mine || routed):
				b.problem(h.Name, "port %d is held by %s. If the project was renamed, write project = %q again, or remove what runs under that name first (apply -destroy); otherwise give the slot another port%s", li.Port, li, li.Project(), b.inherited(li, routed || b.spec.recreates()))
			case theirs:
				b.warn(h.Name, "port %d is held by %s: the next deployment needs it", li.Port, li)
			case b.spec.recreates() && b.takeOver:
				b.evict = append(b.evict, eviction{h.Name, li})
			case b.spec.recreates() && (mine || routed):
				b.problem(h.Name, "port %d, where %s is to run, is held by %s, which shipctl did not start. -take-over=%s makes it a step of the plan to stop it first", li.Port, t.Name, li, b.ref)
			case mine && !routed:
				b.problem(h.Name, "port %d, where %s is to run, is held by %s, which shipctl did not start. It was left alone: stop it, or give the slot another port", li.Port, t.Name, li)
			case routed && b.takeOver && !mine:
				b.evict = append(b.evict, eviction{h.Name, li})
			case routed && b.takeOver:
				b.problem(h.Name, "port %d, where %s is to run, is held by %s, which shipctl did not start, and nginx sends requests there and to another slot: a take-over was interrupted. Finish it first, with the version that runs beside it (%s)",
					li.Port, t.Name, li, b.beside(h.Name, t.Name))
			case routed:
				b.problem(h.Name, "port %d, to which nginx sends requests, is held by %s, which shipctl did not start. -take-over=%s makes it a step of the plan to stop it, after the traffic has moved", li.Port, li, b.ref)
			default:
				b.warn(h.Name, "port %d is held by %s, which shipctl did not start: the next deployment needs it", li.Port, li)
			}
		}
	}
}

// beside are the releases that run in other slots than this one.
func (b *builder) beside(h, slot string) string {
	ids := map[string]bool{}
	for _, p := range b.live.hosts[h].seen.Procs {
		ids[p.Release] = ids[p.Release] || p.Slot != slot
	}
	return keys(ids)
}

func (l Listener) String() string {
	s := fmt.Sprintf("pid %d: %s", l.PID, l.Program)
	if l.Unit != "" {
		s += " (" + l.Unit + ")"
	}
	if m := strings.Split(l.Marker, "/"); len(m) == 5 {
		s = fmt.Sprintf("slot %s of service.%s of the project %s (pid %d)", m[2], m[1], m[0], l.PID)
	}
	return s
}

// Project is the other project whose marker a listener has; "" for none.
func (l Listener) Project() string {
	project, _, _ := strings.Cut(l.Marker, "/")
	return project
}

// managed says that a listener is the main process of a unit of ours: it has not only inherited somebody's marker.
func (l Listener) managed() bool { return strings.HasPrefix(l.Unit, "shipctl-") }

func (b *builder) inherited(l Listener, serves bool) string {
	if l.managed() || b.takeOver || !serves {
		return ""
	}
	return fmt.Sprintf(". If it is no slot, but was started from within one: -take-over=%s makes it a step of the plan to stop it", b.ref)
}

func (b *builder) warn(host, text string, args ...any) {
	b.changes[host].Warnings = append(b.changes[host].Warnings, fmt.Sprintf(text, args...))
}

// addrs are the addresses that nginx on a machine is to send to, in the order of the machines.
func (b *builder) addrs(on string, to map[string]Slot) (out []string) {
	for _, h := range active(b.spec.Hosts) {
		if t, ok := to[h.Name]; ok {
			out = append(out, address(on, h, t.Port))
		}
	}
	return out
}

// settledRoute says that nginx has loaded, and has on disk, just these addresses.
func (b *builder) settledRoute(on string, to map[string]Slot) bool {
	r := b.live.routes[on]
	return r.known && r.nginx.Up && len(r.nginx.Strays) == 0 && sameRoutes(b, on, r.file, to) && sameRoutes(b, on, r.loaded, to)
}

// sameRoutes compares what nginx has with what it is to have, where a machine's own addresses are as good as each
// other.
func sameRoutes(b *builder, on string, have []string, to map[string]Slot) bool {
	var hosts []hostValue
	for _, h := range active(b.spec.Hosts) {
		if _, ok := to[h.Name]; ok {
			hosts = append(hosts, h)
		}
	}
	if len(have) != len(hosts) {
		return false
	}
	for _, h := range hosts { // in whatever order they are written
		as := addresses(on, h, to[h.Name].Port)
		if !slices.ContainsFunc(have, func(a string) bool { return slices.Contains(as, a) }) {
			return false
		}
	}
	return true
}
