package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	nginxmodel "github.com/shipctl/shipctl/providers/nginx/model"
	"github.com/shipctl/shipctl/providers/remote"
	servicemodel "github.com/shipctl/shipctl/providers/service/model"
)

// Kind is what goes wrong.
type Kind string

// What may go wrong with a step. Before and after are the effect.
const (
	FailBefore Kind = "fails before"
	FailAfter  Kind = "fails after" // all was done, and the script says no
	LostBefore Kind = "lost before" // the reply, once: nothing was done
	LostAfter  Kind = "lost after"  // the reply, once
	DownBefore Kind = "link down before"
	DownAfter  Kind = "link down after"
	KillBefore Kind = "controller killed before"
	KillAfter  Kind = "controller killed after"
	Half       Kind = "script killed half way" // at Point
	HalfKill   Kind = "script and controller killed half way"

	FrozenBefore Kind = "controller frozen before" // for Seconds, then it goes on
	FrozenAfter  Kind = "controller frozen during" // the script ends meanwhile
	Delayed      Kind = "delivery delayed"         // by Seconds
	Slow         Kind = "script slow"              // by Seconds
	SlowKill     Kind = "script slow, controller killed"
	Rebooted     Kind = "machine rebooted" // Host: before the script, at Point, or after it where After is set; so the next three
	Crashed      Kind = "program crashed"
	Respawned    Kind = "nginx worker respawned"
	Reloaded     Kind = "foreign reload"
)

// All are all kinds, as the columns of a table.
func All() []Kind {
	return append(Kinds(), Half, HalfKill, FrozenBefore, FrozenAfter, Delayed, Slow, SlowKill, Rebooted, Crashed, Respawned, Reloaded)
}

// isEvent says that it happens on a machine, whatever the controller does.
func (k Kind) isEvent() bool { return k == Rebooted || k == Crashed || k == Respawned || k == Reloaded }

// Kinds are those that need no Point.
func Kinds() []Kind {
	return []Kind{FailBefore, FailAfter, LostBefore, LostAfter, DownBefore, DownAfter, KillBefore, KillAfter}
}

// Fault goes wrong once: at a step's Do, or where Undo is set at its undoing.
type Fault struct {
	Step  string // its ID
	Undo  bool
	Kind  Kind
	Point string // of Half and HalfKill: one of Points
	// Seconds that it lasts; of a link that is down, 0 is until Heal.
	Seconds int
	// Host of an event, and whether it happens after the script. Port of the program that crashes.
	Host  string
	Port  int
	After bool
}

func (f Fault) String() string {
	what := map[bool]string{true: "undoing "}[f.Undo] + f.Step
	if f.Point != "" {
		on := map[bool]string{true: " (" + f.Host + ")"}[f.Host != ""]
		return fmt.Sprintf("%s: %s%s, at %q", what, f.Kind, on, f.Point)
	}
	more := ""
	if f.Seconds > 0 {
		more += fmt.Sprintf(" for %d s", f.Seconds)
	}
	if f.Host != "" {
		more += fmt.Sprintf(" (%s", f.Host)
		if f.Port > 0 {
			more += fmt.Sprintf(" :%d", f.Port)
		}
		more += map[bool]string{true: ", after", false: ""}[f.After] + ")"
	}
	return fmt.Sprintf("%s: %s%s", what, f.Kind, more)
}

func (f Fault) half() bool { return f.Kind == Half || f.Kind == HalfKill }

func (f Fault) lost() bool {
	switch f.Kind {
	case LostAfter, DownAfter, KillAfter, SlowKill:
		return true
	case Rebooted:
		return f.After
	}
	return false
}

// Points are the moments at which a script may be killed; "" where it has none of its own but can be half done.
func Points(script string) (out []string) {
	kind, verb, _ := strings.Cut(script, "/")
	if kind == "release" || kind == "batch" {
		return []string{"half"}
	}
	if verb == "revive" { // it is a start
		verb = "start"
	}
	for _, p := range slices.Concat(nginxmodel.Points(), servicemodel.Points()) {
		if strings.HasPrefix(p, verb+" ") {
			out = append(out, p)
		}
	}
	return out
}

var (
	errLost = errors.New("the reply was lost")
	errDown = errors.New("no route to host")
	errDead = errors.New("the controller is dead")
)

// fault is what goes wrong with this run of a script.
func (c *Controller) fault(t remote.Ticket, call remote.Call) Fault {
	i := slices.IndexFunc(c.faults, func(f Fault) bool { return f.Step == t.Step && f.Undo == Undoes(t, call) })
	if i < 0 {
		return Fault{}
	}
	f := c.faults[i]
	c.faults = slices.Delete(c.faults, i, i+1)
	if c.fired != nil {
		c.fired(f)
	}
	return f
}

// Undoes says that the call is the step's undoing.
func Undoes(t remote.Ticket, c remote.Call) bool {
	verb := t.Step[strings.LastIndexByte(t.Step, '/')+1:]
	switch c.Script {
	case "nginx/restore", "release/deactivate", "batch/unwrite", "service/revive":
		return true
	case "service/stop":
		return verb == "start"
	}
	return false
}

// before is a fault that comes before anything was done.
func (m *machine) before(c remote.Call, f Fault) error {
	w := m.c.w
	switch f.Kind {
	case FailBefore:
		return &remote.ScriptError{Script: c.Script, Status: 1, Output: "injected, before anything was done"}
	case LostBefore:
		return errLost
	case DownBefore:
		m.c.cut(m.h, f.Seconds)
		return errDown
	case KillBefore:
		m.c.dead = true
		return errDead
	case FrozenBefore:
		m.c.frozen = true
		w.pass(f.Seconds)
		m.c.frozen = false
	case Delayed:
		w.pass(f.Seconds)
	case FrozenAfter:
		m.c.frozen = true
	case SlowKill:
		m.c.dead = true
	case Rebooted, Crashed, Respawned, Reloaded:
		if f.Point == "" && !f.After {
			w.event(f)
			if f.Kind == Rebooted && f.Host == m.h.Name {
				return errDown
			}
		}
	}
	return nil
}

// cut takes the link down.
func (c *Controller) cut(h *Host, seconds int) {
	c.down[h.Name] = forever
	if seconds > 0 {
		c.down[h.Name] = c.w.load.now + seconds
	}
}

// after is what a fault leaves behind.
func (m *machine) after(f Fault) {
	switch f.Kind {
	case DownAfter:
		m.c.cut(m.h, f.Seconds)
	case KillAfter, HalfKill:
		m.c.dead = true
	case FrozenAfter:
		m.c.w.pass(f.Seconds)
		m.c.frozen = false
	case Rebooted, Crashed, Respawned, Reloaded:
		if f.Point == "" && f.After {
			m.c.w.event(f)
		}
	}
}

// event is a machine's, a program's or somebody else's doing. What it costs is not the deployment's fault.
func (w *World) event(f Fault) {
	h := w.hosts[f.Host]
	w.gods = true
	defer func() { w.gods = false }()
	switch f.Kind {
	case Rebooted:
		w.reboot(h)
	case Crashed:
		for _, p := range slices.Clone(h.Service.Procs) {
			if p.Port == f.Port {
				w.load.excuse(h, p.Port)
				h.Service.Kill(p.PID)
			}
		}
	case Respawned:
		w.load.forget(func(q request) bool { return q.nginx == h })
		h.Nginx.Respawn()
	case Reloaded:
		if h.Nginx.Up {
			h.Nginx.Reload()
		}
	}
}

// StopStrangers is an administrator's: what stands in the way and is not ours.
func (w *World) StopStrangers() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gods = true
	for _, h := range w.inOrder() {
		for _, s := range slices.Clone(h.Service.Strangers) {
			w.load.excuse(h, s.Port)
			h.Service.Kill(s.PID)
		}
	}
	w.gods = false
}

func (w *World) reboot(h *Host) {
	for _, p := range h.Service.Procs {
		w.load.excuse(h, p.Port)
	}
	for _, s := range h.Service.Strangers {
		w.load.excuse(h, s.Port)
	}
	w.load.forget(func(q request) bool { return q.nginx == h || q.app == h })
	h.boot++
	h.Service.Reboot()
	if h.Nginx.Up {
		h.Nginx.Stop()
		if err := h.Nginx.Start(); err != nil {
			w.load.begun[h.Name+" is down"], w.load.useless[h.Name] = true, true
		}
	}
}
