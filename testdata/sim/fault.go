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
)

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
}

func (f Fault) String() string {
	what := map[bool]string{true: "undoing "}[f.Undo] + f.Step
	if f.Point != "" {
		return fmt.Sprintf("%s: %s, at %q", what, f.Kind, f.Point)
	}
	return fmt.Sprintf("%s: %s", what, f.Kind)
}

func (f Fault) half() bool { return f.Kind == Half || f.Kind == HalfKill }

func (f Fault) lost() bool { return f.Kind == LostAfter || f.Kind == DownAfter || f.Kind == KillAfter }

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

// Break arms faults; each happens once.
func (w *World) Break(fs ...Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fs...)
}

// Heal ends what is broken, and disarms what did not happen; it says whether everything did.
func (w *World) Heal() (all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all = len(w.faults) == 0
	w.faults, w.dead = nil, false
	clear(w.down)
	return all
}

func (w *World) reachable(h *Host) error {
	switch {
	case w.dead:
		return errDead
	case w.down[h.Name]:
		return errDown
	}
	return nil
}

// fault is what goes wrong with this run of a script.
func (w *World) fault(t remote.Ticket, c remote.Call) Fault {
	i := slices.IndexFunc(w.faults, func(f Fault) bool { return f.Step == t.Step && f.Undo == undoes(t, c) })
	if i < 0 {
		return Fault{}
	}
	f := w.faults[i]
	w.faults = slices.Delete(w.faults, i, i+1)
	return f
}

// undoes says that the call is the step's undoing.
func undoes(t remote.Ticket, c remote.Call) bool {
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
func (w *World) before(h *Host, c remote.Call, f Fault) error {
	switch f.Kind {
	case FailBefore:
		return &remote.ScriptError{Script: c.Script, Status: 1, Output: "injected, before anything was done"}
	case LostBefore:
		return errLost
	case DownBefore:
		w.down[h.Name] = true
		return errDown
	case KillBefore:
		w.dead = true
		return errDead
	}
	return nil
}

// after is what a fault leaves behind.
func (w *World) after(h *Host, f Fault) {
	switch f.Kind {
	case DownAfter:
		w.down[h.Name] = true
	case KillAfter, HalfKill:
		w.dead = true
	}
}
