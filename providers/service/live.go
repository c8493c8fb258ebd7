package service

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/nginx"
	"github.com/shipctl/shipctl/providers/remote"
)

// live is the whole service as seen.
type live struct {
	hosts  map[string]*hostLive
	routes map[string]*routeLive
}

// hostLive is one application machine. id is the release that it is to run.
type hostLive struct {
	seen Seen
	id   string
	why  string // could not look
	as   login
	// current is the release that <root>/current leads to; "" where that is not known, or does not matter.
	current string
}

// login is whom we are on a machine; nobody where that was not asked.
type login struct{ uid, user string }

func loggedIn(a remote.Answer) (l login) {
	for line := range strings.Lines(a.Text) {
		switch key, value, _ := strings.Cut(strings.TrimSpace(line), " "); key {
		case "uid":
			l.uid = value
		case "user":
			l.user = value
		}
	}
	return l
}

// routeLive is one nginx machine. known says that loaded is what its workers serve.
type routeLive struct {
	nginx  nginx.Live
	file   []string // addresses on disk
	loaded []string
	known  bool
	why    string // could not look
}

func observe(ref config.Ref, s Spec, f remote.Facts) *live {
	l := &live{hosts: map[string]*hostLive{}, routes: map[string]*routeLive{}}
	for _, h := range s.Hosts {
		l.hosts[h.Name] = observeHost(s, h.Name, f)
	}
	for _, n := range s.Nginx.Hosts {
		l.routes[n.Name] = observeRoute(s.route(ref, n), f)
	}
	for _, h := range s.Hosts {
		here := l.hosts[h.Name]
		here.id = s.release(l, h.Name, f)
		if current := s.current(h.Name, f); s.Release.Pin == "live" && f.Get(providers.Serves(h.Name, s.Release.Root)).Text != here.id {
			here.current = current // the release does not follow
		}
	}
	for _, n := range s.Nginx.Hosts {
		l.judge(s, n.Name)
	}
	return l
}

// couldNot puts into words why there is nothing to go by.
func couldNot(a remote.Answer) string {
	if a.Why == "" {
		return "could not look: " + a.Sight.String()
	}
	return "could not look: " + a.Sight.String() + ": " + a.Why
}

func observeHost(s Spec, host string, f remote.Facts) *hostLive {
	a := f.Get(s.look(host))
	if a.Sight != remote.Seen {
		return &hostLive{why: couldNot(a)}
	}
	seen, err := parse(a.Text)
	if err != nil {
		return &hostLive{why: "could not look: " + err.Error()}
	}
	for i, li := range seen.Listeners {
		if li.Project() == s.Project || !config.ValidName(li.Project()) || strings.Count(li.Marker, "/") != 4 {
			seen.Listeners[i].Marker = ""
		}
	}
	return &hostLive{seen: seen, as: loggedIn(f.Get(remote.Identity(host)))}
}

func observeRoute(r nginx.Route, f remote.Facts) *routeLive {
	n, err := r.Live(f)
	if err != nil {
		return &routeLive{why: "could not look: " + err.Error()}
	}
	return &routeLive{nginx: n, file: n.File, loaded: n.Loaded, known: n.LoadedKnown}
}

// release is the id that the machine is to run: the version given, the content's digest, or what is live there.
func (s Spec) release(l *live, host string, f remote.Facts) string {
	switch s.Release.Pin {
	case "content":
		var a struct {
			SHA256 string `json:"sha256"`
		}
		if err := json.Unmarshal([]byte(f.Get(artifact(s)).Text), &a); err == nil && len(a.SHA256) >= 12 {
			return a.SHA256[:12]
		}
		id, _ := l.liveRelease(s, host)
		return id
	case "live":
		id, serves := l.liveRelease(s, host)
		if current := s.current(host, f); id == "" || !serves && current != "" {
			return current
		}
		return id
	default:
		return s.Release.ID
	}
}

// current is the release that <root>/current leads to, as the release's own look saw it: what was live where nothing runs any
// more. "" where there is none.
func (s Spec) current(host string, f remote.Facts) string {
	for key, a := range f[host] {
		if a.Sight != remote.Seen || !strings.HasPrefix(key, "release/look "+s.Release.Root+" ") {
			continue
		}
		for line := range strings.Lines(a.Text) {
			target, is := strings.CutPrefix(strings.TrimSpace(line), "current link ")
			if is && path.Base(path.Dir(target)) == "releases" && strings.Contains(a.Text, "\nrelease "+path.Base(target)+" ") {
				return path.Base(target)
			}
		}
	}
	return ""
}

// liveRelease is the release of the process that most routes lead to; of any of ours where none does. serves says that
// requests are known to come to it, or that it needs none.
func (l *live) liveRelease(s Spec, host string) (release string, serves bool) {
	most := -1
	for _, p := range l.hosts[host].seen.Procs {
		n, known := 0, len(s.Nginx.Hosts) == 0
		for _, li := range l.hosts[host].seen.Listeners {
			if li.Owner == p.Slot {
				n = max(n, l.routed(s, host, li.Port))
				known = known || l.sends(s, host, li.Port) || l.strays(s, li.Port)
			}
		}
		if n > most {
			release, most, serves = p.Release, n, known
		}
	}
	return release, serves
}

// serving: of a release that nobody named, what serves on each machine.
func serving(ref config.Ref, s Spec, f remote.Facts) (out []providers.Served) {
	if s.Release.Pin != "live" {
		return nil
	}
	l := observe(ref, s, f)
	for _, h := range active(s.Hosts) {
		if id, serves := l.liveRelease(s, h.Name); serves && l.hosts[h.Name].why == "" {
			out = append(out, providers.Served{Host: h.Name, Root: s.Release.Root, ID: id})
		}
	}
	return out
}

// strays says that some nginx is known to send to this port of an address that no host block has.
func (l *live) strays(s Spec, port int) bool {
	return slices.ContainsFunc(s.Nginx.Hosts, func(on config.HostValue) bool {
		r := l.routes[on.Name]
		return s.unplaced(on.Name, r.file, port) || r.known && s.unplaced(on.Name, r.loaded, port)
	})
}

// addresses of one port on a machine, as nginx on another (or the same) machine may name it.
func addresses(on string, h config.HostValue, port int) []string {
	var out []string
	if on == h.Name {
		out = append(out, "127.0.0.1:"+strconv.Itoa(port))
	}
	for _, a := range []string{h.PrivateAddress, h.Address} {
		if ip, err := netip.ParseAddr(a); err == nil {
			out = append(out, netip.AddrPortFrom(ip, uint16(port)).String())
		}
	}
	return out
}

// address is how nginx on a machine is to reach the port.
func address(on string, h config.HostValue, port int) string { return addresses(on, h, port)[0] }

// routed counts how strongly nginx sends requests to a port of a machine: 2 for what workers have loaded, 1 for what
// the file says; a machine of which nothing is known may send them anywhere.
func (l *live) routed(s Spec, host string, port int) (n int) {
	h := s.host(host)
	for _, on := range s.Nginx.Hosts {
		r := l.routes[on.Name]
		as := addresses(on.Name, h, port)
		has := func(list []string) bool {
			return slices.ContainsFunc(list, func(a string) bool { return slices.Contains(as, a) })
		}
		if !r.known || has(r.loaded) || s.unplaced(on.Name, r.loaded, port) {
			n += 2
		}
		if has(r.file) || s.unplaced(on.Name, r.file, port) {
			n++
		}
	}
	return n
}

// unplaced says that nginx sends to this port of an address that no host block has: it may be a machine that was dropped
// or one of ours by a name that was changed since.
func (s Spec) unplaced(on string, list []string, port int) bool {
	return slices.ContainsFunc(list, func(a string) bool {
		at, err := netip.ParseAddrPort(a)
		return err == nil && int(at.Port()) == port && !slices.ContainsFunc(s.Hosts, func(h config.HostValue) bool {
			return slices.Contains(addresses(on, h, port), a)
		})
	})
}

// sends says that some nginx is known to send requests to a port of a machine, or has it on disk.
func (l *live) sends(s Spec, host string, port int) bool {
	return slices.ContainsFunc(s.Nginx.Hosts, func(on config.HostValue) bool {
		as := addresses(on.Name, s.host(host), port)
		has := func(a string) bool { return slices.Contains(as, a) }
		r := l.routes[on.Name]
		return slices.ContainsFunc(r.file, has) || r.known && slices.ContainsFunc(r.loaded, has)
	})
}

// portNow is where a slot's process serves: on its configured port, else on one that nginx sends requests to, else on
// any. 0 where it does not listen.
func (l *live) portNow(s Spec, host, slot string) (port int) {
	for _, li := range l.hosts[host].seen.Listeners {
		if li.Owner != slot {
			continue
		}
		if slices.ContainsFunc(s.Slots, func(sl Slot) bool { return sl.Name == slot && sl.Port == li.Port }) {
			return li.Port
		}
		if port == 0 || l.routed(s, host, li.Port) > l.routed(s, host, port) {
			port = li.Port
		}
	}
	return port
}

func (s Spec) host(name string) config.HostValue {
	for _, h := range s.Hosts {
		if h.Name == name {
			return h
		}
	}
	return config.HostValue{}
}

// judge settles what an nginx of unknown state has loaded, where the answer to a request through it tells: it must be
// one that only the file's slot gives. Where only another gives it, what was taken for known is not. Of an upstream one answer
// tells nothing about the other addresses.
func (l *live) judge(s Spec, on string) {
	r := l.routes[on]
	if s.Nginx.Variable == "" || r.why != "" || r.nginx.Upgrade != 0 || s.Nginx.Verify == nil || r.nginx.Probe == nil || r.nginx.Probe.Status == 0 || len(r.file) == 0 {
		return
	}
	var inFile, elsewhere bool
	for _, h := range s.Hosts { // one that was taken out may be served still
		for _, sl := range s.Slots {
			if !s.expected(sl.with(l.hosts[h.Name].id)).matches(r.nginx.Probe.Status, r.nginx.Probe.Body) {
				continue
			}
			is := slices.ContainsFunc(l.hosts[h.Name].ports(sl), func(port int) bool {
				return slices.ContainsFunc(addresses(on, h, port), func(a string) bool { return slices.Contains(r.file, a) })
			})
			inFile, elsewhere = inFile || is, elsewhere || !is
		}
	}
	switch {
	case !r.known && inFile && !elsewhere:
		r.loaded, r.known = r.file, true
	case r.known && elsewhere && !inFile:
		r.loaded, r.known = nil, false
		r.nginx.Why = "its answer is not that of the slot that its files name"
	}
}

// ports are where a slot's program listens, which may be other ones than it is to have; its own where none does.
func (h *hostLive) ports(sl Slot) (out []int) {
	for _, l := range h.seen.Listeners {
		if l.Owner == sl.Name {
			out = append(out, l.Port)
		}
	}
	if len(out) == 0 {
		return []int{sl.Port}
	}
	return out
}

// expect is the answer through nginx that shows a slot.
type expect struct {
	status []int
	body   string
}

func (s Spec) expected(sl Slot) expect {
	e := expect{sl.Health.Status, sl.Health.Body}
	if v := s.Nginx.Verify; v != nil {
		if len(v.Status) > 0 {
			e.status = v.Status
		}
		if v.Body != "" {
			e.body = v.Body
		}
		if sl.Verify != "" {
			e.body = sl.Verify
		}
	}
	if len(e.status) == 0 {
		e.status = []int{200}
	}
	return e
}

func (e expect) matches(status int, body string) bool {
	if !slices.Contains(e.status, status) {
		return false
	}
	re, err := regexp.CompilePOSIX(e.body)
	return err == nil && slices.ContainsFunc(strings.Split(body, "\n"), re.MatchString)
}

// healthy is what the last look says of a port: the health path where there is one, else that somebody listens.
func (h *hostLive) healthy(sl Slot) bool {
	a, asked := h.seen.Answers[sl.Port]
	if sl.Health.Kind != "http" || !asked {
		return h.listens(sl.Name, sl.Port)
	}
	return expect{sl.Health.Status, sl.Health.Body}.matches(a.Status, a.Body)
}

// hopeless: it answers as a gateway does whose program is gone. No nginx is proved to be well by such an answer, whatever an
// earlier version's health check was.
func (h *hostLive) hopeless(sl Slot) bool {
	a, asked := h.seen.Answers[sl.Port]
	return asked && h.listens(sl.Name, sl.Port) && a.Status > 501
}

func (h *hostLive) listens(slot string, port int) bool {
	return slices.ContainsFunc(h.seen.Listeners, func(l Listener) bool { return l.Port == port && l.Owner == slot })
}

// runs is the process of a slot that is exactly what is wanted there: release, settings, and it listens.
func (h *hostLive) runs(s Spec, sl Slot) (Proc, bool) {
	for _, p := range h.seen.Procs {
		if p.Slot == sl.Name && p.Release == h.id && p.Digest == s.digest(sl, h.id) && h.listens(sl.Name, sl.Port) && h.enabled(s, sl) && h.edited(sl.Name) != "used" {
			return p, true
		}
	}
	return Proc{}, false
}

// edited is what of a slot's unit was changed by hand: Edit.What, "" for nothing.
func (h *hostLive) edited(slot string) string {
	for _, e := range h.seen.Edited {
		if e.Slot == slot {
			return e.What
		}
	}
	return ""
}

// enabled: after a reboot the live slot must come back. A unit that is to be written again gets so.
func (h *hostLive) enabled(s Spec, sl Slot) bool {
	return s.Runner != "systemd" || h.edited(sl.Name) == "file" || slices.ContainsFunc(h.seen.Units, func(u Unit) bool { return u.Slot == sl.Name && u.Enabled == "enabled" })
}

func (p Proc) String() string { return fmt.Sprintf("pid %d, release %s", p.PID, p.Release) }
