package executor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// deployment is two machines' start, switch of a group, drain, activate and stop.
func deployment(t *testing.T, unit string) *planner.Plan {
	t.Helper()
	p := plan(t, unit, "start", "switch1<start", "switch2<start", "activate<switch1,switch2", "stop1<activate!", "stop2<activate!", "prune<stop1!")
	gate := []config.Ref{{Kind: "batch_window", Name: "night"}}
	for i, s := range p.Changes[0].Steps {
		switch {
		case strings.HasPrefix(string(s.ID), "switch"):
			p.Changes[0].Steps[i].Gates, p.Changes[0].Steps[i].Group = gate, "switch"
		case strings.HasPrefix(string(s.ID), "stop"):
			p.Changes[0].Steps[i].Gates = gate
		}
	}
	return p
}

// gates answers in turn: "o" open, "c" closed, "?" an error; the last answer stays. asked is who was judged.
type gates struct {
	answers string
	asked   []string
	letGo   []string
}

func (g *gates) judge(_ context.Context, s providers.Step, refs []config.Ref) ([]planner.Window, func(), error) {
	g.asked = append(g.asked, string(s.ID))
	now := g.answers[0]
	if len(g.answers) > 1 {
		g.answers = g.answers[1:]
	}
	w := []planner.Window{{Ref: refs[0], Verdict: providers.Verdict{Open: now == 'o', Why: "invest starts"}}}
	return w, func() { g.letGo = append(g.letGo, string(s.ID)) }, Closed(w)
}

// TestGates: judged before anything is begun, before the first switch of a group, and before each stop. Closed before a
// switch undoes, closed after it holds; undoing asks nobody.
func TestGates(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers string
		at      map[string]func(int) error
		ran     string
		asked   string
		left    string
		closed  bool
	}{
		{name: "open", answers: "o", ran: "start switch1 switch2 activate stop1 stop2 prune", asked: " switch1 stop1 stop2"},
		{name: "closed at the start: nothing is begun", answers: "c", closed: true},
		{name: "closed before the switch: undone", answers: "oc", ran: "start undo start", asked: " switch1", closed: true},
		{name: "closed before the first stop: held", answers: "ooco", ran: "start switch1 switch2 activate stop2", asked: " switch1 stop1 stop2", left: "stop1 prune", closed: true},
		{name: "closed before both stops: held", answers: "ooc", ran: "start switch1 switch2 activate", asked: " switch1 stop1 stop2", left: "stop1 stop2 prune", closed: true},
		{name: "closed before the second stop", answers: "oooc", ran: "start switch1 switch2 activate stop1 prune", asked: " switch1 stop1 stop2", left: "stop2", closed: true},
		{
			name: "undoing is not gated", answers: "ooc", at: map[string]func(int) error{"activate": refuse},
			ran: "start switch1 switch2 activate undo activate undo switch2 undo switch1 undo start", asked: " switch1",
		},
		{
			name: "a switch that fails is undone, its gate open", answers: "o", at: map[string]func(int) error{"switch2": refuse},
			ran: "start switch1 switch2 undo switch2 undo switch1 undo start", asked: " switch1",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, g := &machine{at: c.at, tries: map[string]int{}}, &gates{answers: c.answers}
			var seen []string
			out := Run(t.Context(), deployment(t, "u"), Env{
				Run: "r", Dial: func(context.Context, string) (remote.Machine, error) { return m, nil }, Now: now, Pause: noPause, Parallelism: 1,
				Gate: g.judge, Emit: func(e Event) {
					if len(e.Windows) > 0 {
						seen = append(seen, string(e.Step.ID))
					}
				},
			})
			if got := strings.Join(m.ran, " "); got != c.ran {
				t.Errorf("ran %q, want %q", got, c.ran)
			}
			if got := strings.Join(g.asked, " "); got != c.asked {
				t.Errorf("asked before %q, want %q", got, c.asked)
			}
			if !slices.Equal(seen, g.asked) {
				t.Errorf("told of %q, asked %q", seen, g.asked)
			}
			if got := fmt.Sprint(out.Left); got != "["+c.left+"]" {
				t.Errorf("left %s, want %s", got, c.left)
			}
			if out.Closed != c.closed || out.OK() && c.closed {
				t.Errorf("closed %v, want %v; ok %v", out.Closed, c.closed, out.OK())
			}
			for _, s := range deployment(t, "u").Order {
				if st := out.States[s]; st == Waiting || st == Running {
					t.Errorf("%s ended as %q", s, st)
				}
			}
			for _, id := range g.letGo {
				if id != "" && out.States[providers.StepID(id)] == Skipped {
					t.Errorf("%s was not let through, and let go", id)
				}
			}
			if c.name == "open" && strings.Join(g.letGo, " ") != " switch1 stop1 stop2" {
				t.Errorf("let go %q", g.letGo)
			}
		})
	}
}

// TestKept: what is held before a program is stopped to make room is let go when the new one is healthy, else when the old
// one was started again, or that failed, or nothing is done any more.
func TestKept(t *testing.T) {
	for _, c := range []struct {
		name, until string
		at          map[string]func(int) error
		final       bool
		ran         string
	}{
		{name: "for its own end", ran: "stop letgo start health activate"},
		{name: "for a step that is not planned", until: "gone", ran: "stop letgo start health activate"},
		{name: "healthy", until: "health", ran: "stop start health letgo activate"},
		{name: "not healthy", until: "health", at: map[string]func(int) error{"health": refuse}, ran: "stop start health undo health undo start undo stop letgo"},
		{name: "not started", until: "health", at: map[string]func(int) error{"start": refuse}, ran: "stop start undo start undo stop letgo"},
		{name: "not stopped", until: "health", at: map[string]func(int) error{"stop": refuse}, ran: "stop undo stop letgo"},
		{name: "not revived", until: "health", at: map[string]func(int) error{"health": refuse, "undo stop": refuse}, ran: "stop start health undo health undo start undo stop letgo"},
		{name: "what is kept up", until: "health", at: map[string]func(int) error{"health": refuse, "undo start": refuse}, ran: "stop start health undo health undo start letgo"},
		{name: "only forward", until: "health", final: true, at: map[string]func(int) error{"health": refuse}, ran: "stop start health letgo"},
		{name: "healthy, and undone later", until: "health", at: map[string]func(int) error{"activate": refuse}, ran: "stop start health letgo activate undo activate undo health undo start undo stop"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := plan(t, "u", "stop", "start<stop", "health<start", "activate<health")
			stop := &p.Changes[0].Steps[0]
			stop.Gates, stop.Until, stop.Final = []config.Ref{{Kind: "batch_window", Name: "night"}}, providers.StepID(c.until), c.final
			m := &machine{at: c.at, tries: map[string]int{}}
			Run(t.Context(), p, Env{
				Run: "r", Dial: func(context.Context, string) (remote.Machine, error) { return m, nil }, Now: now, Pause: noPause, Parallelism: 2, Emit: func(Event) {},
				Gate: func(_ context.Context, s providers.Step, _ []config.Ref) ([]planner.Window, func(), error) {
					if s.ID == "" {
						return nil, nil, nil
					}
					return nil, func() { _, _ = m.Run(t.Context(), remote.Ticket{}, remote.Call{Script: "letgo"}) }, nil
				},
			})
			if got := strings.Join(m.ran, " "); got != c.ran {
				t.Errorf("ran %q, want %q", got, c.ran)
			}
		})
	}
}

// TestForced: a run says that a window was forced only where one was closed.
func TestForced(t *testing.T) {
	for answers, want := range map[string]string{"o": "", "c": "hurry", "oc": "hurry", "oooc": "hurry", "co": "hurry"} {
		m, g := &machine{tries: map[string]int{}}, &gates{answers: answers}
		out := Run(t.Context(), deployment(t, "u"), Env{
			Run: "r", Dial: func(context.Context, string) (remote.Machine, error) { return m, nil }, Now: now, Pause: noPause, Parallelism: 1, Emit: func(Event) {}, Forced: "hurry",
			Gate: func(ctx context.Context, s providers.Step, refs []config.Ref) ([]planner.Window, func(), error) {
				windows, _, _ := g.judge(ctx, s, refs)
				return windows, nil, nil
			},
		})
		if out.Forced != want || !out.OK() || out.Closed {
			t.Errorf("%s: forced %q, want %q; %v", answers, out.Forced, want, out.Errors)
		}
	}
	m, g := &machine{tries: map[string]int{}}, &gates{answers: "c"}
	out := Run(t.Context(), deployment(t, "u"), Env{
		Run: "r", Dial: func(context.Context, string) (remote.Machine, error) { return m, nil }, Now: now, Pause: noPause, Parallelism: 1, Emit: func(Event) {}, Forced: "hurry",
		Gate: g.judge,
	})
	if out.Forced != "" || !out.Closed {
		t.Errorf("heeded, and said to be forced: %+v", out)
	}
}

// TestNoGatekeeper: a gated step is never begun when nobody can judge.
func TestNoGatekeeper(t *testing.T) {
	m := &machine{}
	if out := walk(t.Context(), deployment(t, "u"), m, 3); !out.Closed || strings.Join(m.ran, " ") != "start undo start" {
		t.Errorf("%+v, ran %v", out, m.ran)
	}
}

// TestInterruptedAtTheGate: who is told to stop while a window is asked begins nothing and undoes.
func TestInterruptedAtTheGate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := &machine{tries: map[string]int{}}
	out := Run(ctx, deployment(t, "u"), Env{
		Run: "r", Dial: func(context.Context, string) (remote.Machine, error) { return m, nil }, Now: now, Pause: noPause, Parallelism: 1, Emit: func(Event) {},
		Gate: func(_ context.Context, s providers.Step, _ []config.Ref) ([]planner.Window, func(), error) {
			if s.ID == "switch1" {
				cancel()
				return nil, nil, ctx.Err()
			}
			return nil, nil, nil
		},
	})
	if !out.Interrupted || out.Closed || strings.Join(m.ran, " ") != "start undo start" {
		t.Errorf("%+v, ran %v", out, m.ran)
	}
}

func now() time.Time                         { return time.Unix(0, 0) }
func noPause(context.Context, time.Duration) {}

// TestGateOfAFailedUnit: what fails while a gate is asked for another step of its unit is undone at once, whatever the gate
// says then; a unit that only goes forward waits for its gates.
func TestGateOfAFailedUnit(t *testing.T) {
	type verdict struct {
		open     bool
		stubborn bool // it answers although nobody waits any more
	}
	for _, c := range []struct {
		name  string
		steps []string // those called switch… and stop… are gated
		slow  string   // its gate answers when health has failed
		say   verdict
		ran   string
		left  string
	}{
		{name: "it is not waited for", steps: []string{"start", "health<start", "switch<start"}, slow: "switch", ran: "start health undo health undo start"},
		{name: "open", steps: []string{"start", "health<start", "switch<start"}, slow: "switch", say: verdict{true, true}, ran: "start health undo health undo start"},
		{name: "open, before a point of no return", steps: []string{"start", "health<start", "stop<start!"}, slow: "stop", say: verdict{true, true}, ran: "start health undo health undo start"},
		{name: "closed", steps: []string{"start", "health<start", "switch<start"}, slow: "switch", say: verdict{false, true}, ran: "start health undo health undo start"},
		{
			name: "closed, and another was let through", steps: []string{"start", "switch1<start", "health<switch1", "switch2<switch1"}, slow: "switch2",
			say: verdict{false, true}, ran: "start switch1 health undo health undo switch1 undo start",
		},
		{
			name: "only forward", steps: []string{"start!", "health<start", "switch<start", "prune<switch"}, slow: "switch", say: verdict{true, true},
			ran: "start health switch prune", left: "health",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := plan(t, "u", c.steps...)
				for i, s := range p.Changes[0].Steps {
					if strings.HasPrefix(string(s.ID), "switch") || strings.HasPrefix(string(s.ID), "stop") {
						p.Changes[0].Steps[i].Gates = []config.Ref{{Kind: "batch_window", Name: "night"}}
					}
				}
				asked, failed := make(chan struct{}), make(chan struct{})
				m := &machine{tries: map[string]int{}, at: map[string]func(int) error{"health": func(int) error {
					<-asked
					return errNo
				}}}
				held := 0
				out := Run(t.Context(), p, Env{
					Run: "r", Dial: func(context.Context, string) (remote.Machine, error) { return m, nil }, Now: now, Pause: noPause, Parallelism: 9,
					Emit: func(e Event) {
						if e.Step.ID == "health" && e.State == Failed {
							close(failed)
						}
					},
					Gate: func(ctx context.Context, s providers.Step, refs []config.Ref) ([]planner.Window, func(), error) {
						w := []planner.Window{{Ref: refs[0], Verdict: providers.Verdict{Open: true}}}
						if string(s.ID) == c.slow {
							close(asked)
							if <-failed; !c.say.stubborn {
								<-ctx.Done()
								return nil, nil, ctx.Err()
							}
							w[0].Open = c.say.open
						}
						held++
						return w, func() { held-- }, Closed(w)
					},
				})
				if got := strings.Join(m.ran, " "); got != c.ran {
					t.Errorf("ran %q, want %q", got, c.ran)
				}
				if got := fmt.Sprint(out.Left); got != "["+c.left+"]" {
					t.Errorf("left %s, want [%s]", got, c.left)
				}
				if len(out.Errors) != 1 || out.Closed || out.Interrupted || held != 0 {
					t.Errorf("%v, closed %v, interrupted %v, %d held", out.Errors, out.Closed, out.Interrupted, held)
				}
			})
		})
	}
}
