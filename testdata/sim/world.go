// Package sim is machines in memory, made of the kinds' models: files, processes, nginx with its workers and the requests
// that they have, a clock, and what goes wrong on the way. It stands in for a planner.Dial. A World watches what no
// deployment may do, and remembers each time it happened.
package sim

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shipctl/shipctl/planner"
	batchmodel "github.com/shipctl/shipctl/providers/batch/model"
	"github.com/shipctl/shipctl/providers/nginx"
	nginxmodel "github.com/shipctl/shipctl/providers/nginx/model"
	releasemodel "github.com/shipctl/shipctl/providers/release/model"
	"github.com/shipctl/shipctl/providers/remote"
	leasemodel "github.com/shipctl/shipctl/providers/remote/model"
	servicemodel "github.com/shipctl/shipctl/providers/service/model"
)

// Host is one machine.
type Host struct {
	Name, IP string
	Release  *releasemodel.Model
	Service  *servicemodel.Model
	Nginx    *nginxmodel.Model
	Batch    *batchmodel.Model

	lease   leasemodel.Lease
	boot    int
	changer *changer // who holds the step lock
}

// World is all machines, and the load on them. Its methods may be called while steps run.
type World struct {
	mu    sync.Mutex
	hosts map[string]*Host
	order []*Host // by name
	byIP  map[netip.Addr]*Host
	// places are addresses that were read.
	places map[string]netip.AddrPort
	now    time.Time
	rnd    *rand.Rand

	// Boot is how many seconds programs take until they listen.
	Boot int
	// Unhealthy says that a release's programs answer 503. nil: none does.
	Unhealthy func(release string) bool
	// Alone: two programs of a service must never run at once on a machine.
	Alone bool
	// Consents are the operator's.
	Consents planner.Consents

	// Named are the releases that somebody's plan names: requests may be sent to no other. nil: anything.
	Named map[string]bool
	// AcquireAtOnce does not wait for the last step of the run before, to show what happens then.
	AcquireAtOnce bool

	load        load
	main        *Controller
	controllers []*Controller
	sched       *schedule
	gods        bool // what happens now is nobody's deployment
	ran         []string
	bad         []string
	points      map[string]bool // of armed faults, by script: whether the script came to it
}

// New is machines on which nothing is, by name and IP address.
func New(project string, ips map[string]string) *World {
	w := &World{
		hosts: map[string]*Host{}, byIP: map[netip.Addr]*Host{}, places: map[string]netip.AddrPort{}, now: time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC), rnd: rand.New(rand.NewPCG(1, 2)),
		Boot: 2, points: map[string]bool{},
	}
	w.main = w.controller("main")
	w.load = load{w: w, begun: map[string]bool{}, excused: map[string]*excuse{}, useless: map[string]bool{}}
	for name, ip := range ips {
		h := &Host{Name: name, IP: ip, Release: releasemodel.New(), Service: servicemodel.New(project), Nginx: nginxmodel.New(project), Batch: batchmodel.New(), boot: 1}
		w.hosts[name] = h
		w.byIP[netip.MustParseAddr(ip)] = h
		h.Release.Busy = func(dir string) bool {
			return slices.ContainsFunc(h.Service.Procs, func(p *servicemodel.Process) bool { return p.Dir == dir })
		}
		h.Batch.Current = h.Release.CurrentID
		h.Nginx.Answer = func(addr string) (int, string) { return w.answer(h, addr) }
		h.Nginx.Wait = func(seconds int) { w.drain(h, seconds) }
		h.Service.Around = w.around(h)
	}
	return w
}

func (w *World) around(h *Host) servicemodel.Around {
	return servicemodel.Around{
		Boot: func(servicemodel.Process) int { return w.Boot },
		Answer: func(p servicemodel.Process, _ string) (int, string) {
			if w.Unhealthy != nil && w.Unhealthy(p.Release) {
				return 503, "not ready"
			}
			return 200, p.Env["SLOT"]
		},
		Stranger: func(servicemodel.Stranger, string) (int, string) { return 200, "a stranger" },
		Peers:    func(port int) []string { return w.load.peers(h, port) },
		Exists: func(dir string) bool {
			root, id := path.Dir(path.Dir(dir)), path.Base(dir)
			return h.Release.Published(root, id)
		},
		Ends: func(pid int) { w.load.ends(h, pid) },
		Wait: func(seconds int) { w.pass(seconds) },
	}
}

// Host is a machine, for tests that change it by hand.
func (w *World) Host(name string) *Host { return w.hosts[name] }

// Now is the world's time.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// Bad is what happened that must not.
func (w *World) Bad() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.bad)
}

// Ran are the steps that were run, in their order.
func (w *World) Ran() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.ran)
}

// violation remembers what must not happen, and after which step.
func (w *World) violation(format string, args ...any) {
	last := "the beginning"
	if len(w.ran) > 0 {
		last = w.ran[len(w.ran)-1]
	}
	w.bad = append(w.bad, fmt.Sprintf(format, args...)+", in or after "+last)
}

// note remembers what is no step, for who reads a history.
func (w *World) note(format string, args ...any) {
	w.ran = append(w.ran, fmt.Sprintf(format, args...))
}

// pass lets seconds pass, with requests all the while.
func (w *World) pass(seconds int) {
	if w.sched != nil {
		w.sched.sleep(w, seconds)
		return
	}
	for range seconds {
		w.second()
	}
}

func (w *World) second() {
	w.now = w.now.Add(time.Second)
	for _, h := range w.inOrder() {
		h.Service.Pass(1)
		h.Nginx.Pass()
		if n := len(h.Service.Procs); w.Alone && n > 1 {
			w.violation("%d programs run at once on %s", n, h.Name)
		}
	}
	w.load.tick()
	for _, c := range w.controllers {
		c.beat()
	}
}

// Pass lets seconds pass while nothing is deployed.
func (w *World) Pass(seconds int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pass(seconds)
}

// drain waits as an nginx does: until its earlier workers have no requests, at most so many seconds.
func (w *World) drain(h *Host, seconds int) {
	for range seconds {
		if !slices.ContainsFunc(h.Nginx.Workers, func(x *nginxmodel.Worker) bool { return x.Leaving && len(x.Requests) > 0 }) {
			return
		}
		w.pass(1)
	}
}

func (w *World) inOrder() []*Host {
	if len(w.order) != len(w.hosts) {
		w.order = slices.SortedFunc(maps.Values(w.hosts), func(a, b *Host) int { return strings.Compare(a.Name, b.Name) })
	}
	return w.order
}

// at is the machine and port that an address means on a machine.
func (w *World) at(from *Host, addr string) (*Host, int) {
	a, known := w.places[addr]
	if !known {
		a, _ = netip.ParseAddrPort(addr)
		w.places[addr] = a
	}
	if !a.IsValid() {
		return nil, 0
	}
	if a.Addr().IsLoopback() {
		return from, int(a.Port())
	}
	return w.byIP[a.Addr()], int(a.Port())
}

func (w *World) answer(from *Host, addr string) (int, string) {
	h, port := w.at(from, addr)
	if h == nil {
		return 0, ""
	}
	return h.Service.Request(port, "/profile")
}

// Dial is a planner.Dial, of the controller that a world has anyhow.
func (w *World) Dial(ctx context.Context, host string) (remote.Machine, error) {
	return w.main.Dial(ctx, host)
}

// Break is the same controller's.
func (w *World) Break(fs ...Fault) { w.main.Break(fs...) }

// Heal is the same controller's.
func (w *World) Heal() (all bool) { return w.main.Heal() }

// Points are those at which a fault was armed, "SCRIPT: POINT", and whether the script came to it.
func (w *World) Points() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.points)
}

// Name says that a plan names a release.
func (w *World) Name(release string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Named[release] = true
}

// Seed makes the requests, and the order of actors, those of a seed.
func (w *World) Seed(seed uint64) { w.rnd = rand.New(rand.NewPCG(seed, 3)) }

// State is what must be the same at the end, whatever happened on the way: no PIDs, no times.
func (w *World) State(rs []nginx.Route, roots ...string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, h := range w.inOrder() {
		fmt.Fprintf(&b, "%s:", h.Name)
		var procs []string
		for _, p := range h.Service.Procs {
			u, _ := h.Service.Unit(p.Service, p.Slot)
			procs = append(procs, fmt.Sprintf(" %s/%s :%d runs %s/%s in %s %v", p.Service, p.Slot, p.Port, p.Release, p.Digest, p.Dir, u))
		}
		slices.Sort(procs)
		b.WriteString(strings.Join(procs, ","))
		for _, root := range roots {
			b.WriteString(w.files(h, root))
			if text, status := h.Batch.Ask("batch/files", []string{root}); status == 0 {
				b.WriteString(" jobs " + strings.ReplaceAll(text, "\n", ", "))
			}
		}
		for _, r := range rs {
			if r.Host == h.Name {
				fmt.Fprintf(&b, " nginx up %v, file %q, serves %v", h.Nginx.Up, h.Nginx.Disk[r.File], serves(h.Nginx, r))
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// files are the releases of a root, without the numbers of their order.
func (w *World) files(h *Host, root string) (out string) {
	text, _ := h.Release.Ask("release/look", []string{root, ""})
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) > 1 && f[0] == "release":
			out += " has " + f[1]
		case len(f) > 2 && f[0] == "current":
			out += " current " + path.Base(f[2])
		}
	}
	return out
}

func serves(n *nginxmodel.Model, r nginx.Route) (out []string) {
	for _, x := range n.Workers {
		if !x.Leaving {
			out = append(out, n.Parse(r, x.Loaded[r.File])...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
