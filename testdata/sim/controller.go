package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers/all"
	"github.com/shipctl/shipctl/providers/remote"
	leasemodel "github.com/shipctl/shipctl/providers/remote/model"
)

// leaseSeconds is how long a lease lasts without being renewed, whatever the holder says.
const leaseSeconds = 30

// Controller is one shipctl at work: its links, the leases that it renews, and what goes wrong with it.
type Controller struct {
	w      *World
	name   string
	faults []Fault
	down   map[string]int // machines that it can't reach, until that second
	dead   bool
	frozen bool
	held   map[string]held
	lost   func(error)
	fired  func(Fault)
}

type held struct {
	id  string
	due int
}

// Controller is another shipctl. lost is told once when a lease of its was taken over; fired of each fault that happens.
// Both may be nil.
func (w *World) Controller(name string, lost func(error), fired func(Fault)) *Controller {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.controller(name)
	c.lost, c.fired = lost, fired
	return c
}

func (w *World) controller(name string) *Controller {
	c := &Controller{w: w, name: name, down: map[string]int{}, held: map[string]held{}}
	w.controllers = append(w.controllers, c)
	return c
}

// Dial is a planner.Dial.
func (c *Controller) Dial(_ context.Context, host string) (remote.Machine, error) {
	if host == remote.Controller {
		return planner.NewController(all.Kinds(), c.w.Consents), nil
	}
	h := c.w.hosts[host]
	if h == nil {
		return nil, fmt.Errorf("there is no machine %s", host)
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if err := c.reachable(h); err != nil {
		return nil, err
	}
	return &machine{c, h}, nil
}

func (c *Controller) reachable(h *Host) error {
	switch until, is := c.down[h.Name]; {
	case c.dead:
		return errDead
	case is && (until == forever || until > c.w.load.now):
		return errDown
	}
	return nil
}

// forever is until the faults end.
const forever = -1

// Break arms faults; each happens once.
func (c *Controller) Break(fs ...Fault) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.faults = append(c.faults, fs...)
}

// Heal ends what is broken, and disarms what did not happen; it says whether everything did.
func (c *Controller) Heal() (all bool) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	all = len(c.faults) == 0
	c.faults, c.dead = nil, false
	clear(c.down)
	return all
}

// End is its process's: it renews nothing any more.
func (c *Controller) End() {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.faults, c.held = nil, nil
	c.w.controllers = slices.DeleteFunc(slices.Clone(c.w.controllers), func(o *Controller) bool { return o == c })
}

// Dead says that it was killed.
func (c *Controller) Dead() bool {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.dead
}

// beat renews the leases that are due.
func (c *Controller) beat() {
	if c.dead || c.frozen || len(c.held) == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.held)) {
		h, x := c.w.hosts[name], c.held[name]
		if x.due > c.w.load.now {
			continue
		}
		if c.reachable(h) != nil {
			x.due = c.w.load.now + 1
			c.held[name] = x
			continue
		}
		_, status := h.lease.Run(c.w.uptime(), h.boot, []string{"renew", x.id, fmt.Sprint(leaseSeconds * 1000)})
		if status == leasemodel.TakenOver {
			delete(c.held, name)
			if c.lost != nil {
				c.lost(errors.New(name + ": the lease was taken over"))
			}
			continue
		}
		c.held[name] = held{x.id, c.w.load.now + leaseSeconds/3}
	}
}

func (w *World) uptime() int64 { return int64(w.load.now) * 1000 }

// lease runs lease.sh.
func (m *machine) lease(t remote.Ticket, c remote.Call) ([]byte, error) {
	w, h := m.c.w, m.h
	args := slices.Clone(c.Args)
	args[2] = fmt.Sprint(leaseSeconds * 1000)
	fail := func(status int, text string) error {
		return &remote.ScriptError{Script: c.Script, Status: status, Output: text}
	}
	was := h.lease
	out, status := h.lease.Run(w.uptime(), h.boot, args)
	switch args[0] {
	case "acquire":
		if status != 0 {
			return nil, fail(status, "held by "+was.ID)
		}
		if was.ID != args[1] && !w.AcquireAtOnce { // the last step of the run before is waited for
			for waited := 0; h.changer != nil; waited++ {
				if waited >= 20 {
					h.lease.Drop()
					return nil, fail(leasemodel.Held, "a step of the run before still runs: "+h.changer.step)
				}
				w.pass(1)
				if out, status = h.lease.Run(w.uptime(), h.boot, args); status != 0 {
					return nil, fail(status, "held by "+h.lease.ID)
				}
			}
		}
		if m.c.held == nil {
			m.c.held = map[string]held{}
		}
		m.c.held[h.Name] = held{args[1], w.load.now + leaseSeconds/3}
	case "release":
		delete(m.c.held, h.Name)
	}
	if status != 0 {
		return nil, fail(status, "the lease: "+strings.TrimSpace(out))
	}
	w.note("%s: lease %s by %s (%s)", h.Name, args[0], t.Run, h.lease.String())
	return []byte(out), nil
}

// changer is a script that changes a machine.
type changer struct{ run, step string }

// enter waits for the machine's step lock, and checks the epoch.
func (m *machine) enter(t remote.Ticket, c remote.Call, limit int) error {
	w, h := m.c.w, m.h
	for waited := 0; h.changer != nil; waited++ {
		if waited >= limit {
			return &remote.ScriptError{Script: c.Script, Status: 75, Output: "another step held this machine"}
		}
		w.pass(1)
	}
	if status := h.lease.Step(t.Epoch); status != 0 {
		return &remote.ScriptError{Script: c.Script, Status: status, Output: "another run took over this machine"}
	}
	h.changer = &changer{t.Run, t.Step}
	for _, o := range w.inOrder() {
		if o.changer != nil && o.changer.run != t.Run {
			w.violation("two change at once: %s (%s) on %s, and %s (%s) on %s", o.changer.step, o.changer.run, o.Name, t.Step, t.Run, h.Name)
		}
	}
	return nil
}
