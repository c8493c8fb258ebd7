package sim

import (
	"fmt"
	"slices"

	"github.com/shipctl/shipctl/providers/nginx"
)

// load is requests without end through every nginx that is watched: each has a worker, and a program that answers it.
type load struct {
	w      *World
	routes []nginx.Route
	drain  int // seconds: a request that takes longer may be cut off
	now    int // seconds
	open   []request
	// begun is what was bad when the watch began: an undoing may make it so again.
	begun map[string]bool
	// excused is what nobody is to blame for since something crashed by itself, until it answers well again; and again once the
	// start that made it well is undone. By what is bad.
	excused map[string]*excuse
	// useless are nginx that answered nobody well when the watch began: undone may make them so again in another way.
	useless map[string]bool
	undone  bool // something was, since the watch began
	// strangers may be stopped: there is consent.
	consent bool

	Requests int
	Lost     int
}

type request struct {
	nginx  *Host
	worker int
	addr   string
	app    *Host
	pid    int
	ends   int
	long   bool
}

// Watch begins the load on routes, and from now on remembers what must not happen. What is bad now may be so later on.
// Requests that take longer than drain may be cut off; strangers may be stopped where there is consent.
func (w *World) Watch(routes []nginx.Route, drain int, consent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := &w.load
	l.routes, l.drain, l.consent = routes, drain, consent
	clear(l.begun)
	clear(l.excused)
	clear(l.useless)
	l.undone = false
	for _, r := range routes {
		h := w.hosts[r.Host]
		if !h.Nginx.Up {
			l.begun[r.Host+" is down"], l.useless[r.Host] = true, true
			continue
		}
		to := serves(h.Nginx, r)
		if len(to) == 0 {
			l.begun[r.Host+" routes nowhere"] = true
		}
		well := false
		for _, a := range to {
			status, _ := w.answer(h, a)
			well = well || status == 200
			l.begun[w.names(h, a)] = status != 200
		}
		l.useless[r.Host] = !well
		for _, a := range h.Nginx.Parse(r, h.Nginx.Disk[r.File]) { // where it will lead after a reboot
			if app, port := w.at(h, a); app != nil {
				if status, _ := w.answer(h, a); status != 200 {
					l.excuse(app, port)
				}
			}
		}
	}
}

// names says where an address on a machine leads, whichever of the addresses of that place it is.
func (w *World) names(from *Host, addr string) string {
	if h, port := w.at(from, addr); h != nil {
		addr = fmt.Sprintf("%s :%d", h.Name, port)
	}
	return fmt.Sprintf("%s leads to %s, where nobody answers well", from.Name, addr)
}

// Requests is how many there were.
func (w *World) Requests() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.load.Requests
}

// tick is a second of load.
func (l *load) tick() {
	l.now++
	l.finish()
	l.blame()
	for _, r := range l.routes {
		h := l.w.hosts[r.Host]
		l.check(h, r)
		for range 2 {
			l.begin(h, r)
		}
	}
	l.ports()
	l.files()
}

// files: what runs has its files.
func (l *load) files() {
	for _, h := range l.w.inOrder() {
		for _, p := range h.Service.Procs {
			if p.Service == "teatime" && !h.Service.Exists(p.Dir) {
				l.w.violation("%s: the files of pid %d are gone: %s", h.Name, p.PID, p.Dir)
			}
		}
	}
}

func (l *load) finish() {
	for _, q := range l.open {
		if q.ends <= l.now && !q.nginx.Nginx.End(q.worker, q.addr) && !q.long && !l.useless[q.nginx.Name] {
			l.Lost++
			l.w.violation("a request on %s was lost: its worker is gone", q.nginx.Name)
		}
	}
	l.open = slices.DeleteFunc(l.open, func(q request) bool { return q.ends <= l.now })
}

// check looks at every address that a serving worker may choose.
func (l *load) check(h *Host, r nginx.Route) {
	bad := func(what string, is bool) {
		if is && !l.allowed(h, what) {
			l.w.violation("%s", what)
		}
	}
	bad(h.Name+" is down", !h.Nginx.Up)
	if !h.Nginx.Up {
		return
	}
	to := serves(h.Nginx, r)
	bad(h.Name+" routes nowhere", len(to) == 0)
	for _, a := range to {
		status, _ := l.w.answer(h, a)
		bad(l.w.names(h, a), status != 200)
		if app, port := l.w.at(h, a); app != nil && l.w.Named != nil {
			if p, _ := app.Service.On(port); p != nil && !l.w.Named[p.Release] {
				bad(fmt.Sprintf("%s sends requests to release %s, which nobody's plan names", h.Name, p.Release), true)
			}
		}
	}
}

func (l *load) begin(h *Host, r nginx.Route) {
	if !h.Nginx.Up {
		return
	}
	worker, addr := h.Nginx.Begin(r)
	if worker == 0 || addr == "" {
		return
	}
	app, port := l.w.at(h, addr)
	if app == nil {
		h.Nginx.End(worker, addr)
		return
	}
	p, s := app.Service.On(port)
	pid := 0
	switch {
	case p != nil:
		pid = p.PID
	case s != nil:
		pid = s.PID
	default:
		h.Nginx.End(worker, addr)
		return
	}
	l.Requests++
	d := []int{1, 1, 2, 5, l.drain, 3 * l.drain}[l.w.rnd.IntN(6)]
	l.open = append(l.open, request{h, worker, addr, app, pid, l.now + d, d > l.drain})
}

// peers are the machines whose nginx has requests to a port of a machine.
func (l *load) peers(app *Host, port int) (out []string) {
	for _, q := range l.open {
		if h, p := l.w.at(q.nginx, q.addr); h == app && p == port {
			from := q.nginx.IP
			if q.nginx == app {
				from = "127.0.0.1"
			}
			out = append(out, from)
		}
	}
	return out
}

// excuse is an address that an nginx may lead to.
type excuse struct {
	nginx, app *Host
	addr       string
	port       int
	over       bool
	undoing    bool // the start that made it well
}

// excuse: nobody is to blame for what a port answers, which crashed by itself, until it answers well again.
func (l *load) excuse(app *Host, port int) {
	for _, r := range l.routes {
		n, addr := l.w.hosts[r.Host], fmt.Sprintf("%s:%d", app.IP, port)
		l.excused[l.w.names(n, addr)] = &excuse{nginx: n, app: app, addr: addr, port: port}
	}
}

// blame ends the excuse of whatever answers well again.
func (l *load) blame() {
	for _, e := range l.excused {
		switch status, _ := l.w.answer(e.nginx, e.addr); {
		case status != 200 && e.undoing:
			e.over, e.undoing = false, false
		case status == 200:
			e.over = true
		}
	}
}

// unstarted: a start is undone, and what was dead before it is dead again.
func (l *load) unstarted(app *Host, port string) {
	for _, e := range l.excused {
		e.undoing = e.undoing || e.app == app && fmt.Sprint(e.port) == port
	}
}

// allowed says that something bad about an nginx was so when the watch began, or came by itself.
func (l *load) allowed(n *Host, what string) bool {
	e := l.excused[what]
	return l.begun[what] || l.useless[n.Name] && l.undone || e != nil && (!e.over || e.undoing)
}

// forget drops requests that nobody is to blame for.
func (l *load) forget(which func(request) bool) {
	l.open = slices.DeleteFunc(l.open, func(q request) bool {
		gone := which(q)
		if gone {
			q.nginx.Nginx.End(q.worker, q.addr)
		}
		return gone
	})
}

// ends: a program is about to be stopped.
func (l *load) ends(h *Host, pid int) {
	if l.routes == nil {
		return
	}
	if l.w.gods {
		l.forget(func(q request) bool { return q.app == h && q.pid == pid })
		return
	}
	for _, p := range h.Service.Procs {
		if p.PID == pid && p.Service != "teatime" {
			l.w.violation("%s: %s, another's program, was stopped", h.Name, p.Service)
		}
	}
	for _, s := range h.Service.Strangers {
		if s.PID == pid && !l.consent {
			l.w.violation("%s: the stranger %s on port %d was stopped", h.Name, s.Program, s.Port)
		}
		if s.PID == pid {
			l.served(h, s.Port)
		}
	}
	for _, p := range h.Service.Procs {
		if p.PID == pid && p.Boot == 0 {
			l.served(h, p.Port)
		}
	}
	for _, q := range l.open {
		if q.app == h && q.pid == pid && !q.long && !l.allowed(q.nginx, l.w.names(q.nginx, q.addr)) {
			l.Lost++
			l.w.violation("a request on %s was lost: pid %d of %s was stopped %d s before its end", q.nginx.Name, pid, h.Name, q.ends-l.now)
		}
	}
	l.open = slices.DeleteFunc(l.open, func(q request) bool {
		gone := q.app == h && q.pid == pid
		if gone {
			q.nginx.Nginx.End(q.worker, q.addr)
		}
		return gone
	})
}

// served: a healthy program to which an nginx sends requests must not be stopped.
func (l *load) served(h *Host, port int) {
	if status, _ := h.Service.Request(port, "/profile"); status != 200 {
		return
	}
	for _, r := range l.routes {
		n := l.w.hosts[r.Host]
		for _, a := range serves(n.Nginx, r) {
			if app, p := l.w.at(n, a); app == h && p == port && !l.allowed(n, l.w.names(n, a)) {
				l.w.violation("%s: port %d was stopped while %s sends requests there", h.Name, port, n.Name)
			}
		}
	}
}

// ports: two programs want one port.
func (l *load) ports() {
	for _, h := range l.w.inOrder() {
		on := map[int]int{}
		for _, p := range h.Service.Procs {
			on[p.Port]++
		}
		for _, s := range h.Service.Strangers {
			on[s.Port]++
		}
		for port, n := range on {
			if n > 1 {
				l.w.violation("%s: %d programs on port %d", h.Name, n, port)
			}
		}
	}
}
