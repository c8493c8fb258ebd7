package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// machine runs steps as the test says; everything that was run is kept in order.
type machine struct {
	mu    sync.Mutex
	ran   []string
	at    map[string]func(try int) error // by script
	tries map[string]int
	now   int
	most  int
	takes time.Duration
}

func (m *machine) Ask(context.Context, []remote.Query) ([]remote.Answer, error) { return nil, nil }
func (m *machine) Close() error                                                 { return nil }

func (m *machine) Run(_ context.Context, _ remote.Ticket, c remote.Call) ([]byte, error) {
	m.mu.Lock()
	m.ran = append(m.ran, c.Script)
	m.now++
	m.most = max(m.most, m.now)
	try := m.tries[c.Script]
	m.tries[c.Script]++
	f := m.at[c.Script]
	m.mu.Unlock()
	time.Sleep(m.takes)
	m.mu.Lock()
	m.now--
	m.mu.Unlock()
	if f != nil {
		return nil, f(try)
	}
	return nil, nil
}

// plan reads "a", "b<a" (b after a), "b<a!" (final), "b<a-" (without an undo).
func plan(t *testing.T, unit string, texts ...string) *planner.Plan {
	t.Helper()
	p := &planner.Plan{Units: map[providers.StepID]string{}, Wait: map[providers.StepID][]providers.StepID{}}
	var steps []providers.Step
	for _, text := range texts {
		final, keep := strings.HasSuffix(text, "!"), strings.HasSuffix(text, "-")
		name, after, _ := strings.Cut(strings.TrimRight(text, "!-"), "<")
		s := providers.Step{ID: providers.StepID(name), Host: "h-" + name, Do: remote.Call{Script: name}, Final: final, Limit: time.Minute}
		if !final && !keep {
			s.Undo = &remote.Call{Script: "undo " + name}
		}
		for _, a := range strings.FieldsFunc(after, func(r rune) bool { return r == ',' }) {
			p.Wait[s.ID] = append(p.Wait[s.ID], providers.StepID(a))
		}
		p.Order, p.Units[s.ID] = append(p.Order, s.ID), unit
		steps = append(steps, s)
	}
	p.Changes = []providers.Change{{Steps: steps}}
	return p
}

var (
	errNo   = &remote.ScriptError{Output: "no"}
	errLost = errors.New("the link is gone")
)

func walk(ctx context.Context, p *planner.Plan, m *machine, parallelism int) Outcome {
	m.tries = map[string]int{}
	return Run(ctx, p, Env{
		Run: "r", Dial: func(context.Context, string) (remote.Machine, error) { return m, nil }, Emit: func(Event) {}, Now: time.Now,
		Pause: func(context.Context, time.Duration) {}, Parallelism: parallelism,
	})
}

func refuse(int) error { return errNo }

func TestRun(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []string
		at    map[string]func(int) error
		ran   string
		left  string
		fails int
	}{
		{name: "in order", steps: []string{"a", "b<a", "c<b!"}, ran: "a b c"},
		{
			name: "a failure is undone in reverse, the failed step included", steps: []string{"a", "b<a", "c<b"},
			at: map[string]func(int) error{"b": refuse}, ran: "a b undo b undo a", fails: 1,
		},
		{
			name: "what waits for a failed step is skipped, however far", steps: []string{"a", "b<a-", "c<b", "d<c"},
			at: map[string]func(int) error{"a": refuse}, ran: "a undo a", fails: 1,
		},
		{
			name: "after the point of no return it only goes forward", steps: []string{"a", "b<a!", "c<b", "d<b", "e<d"},
			at: map[string]func(int) error{"c": refuse}, ran: "a b c d e", left: "c", fails: 1,
		},
		{
			name: "after it too, what waits for a failed step is skipped, however far", steps: []string{"a!", "b<a", "c<b", "d<c"},
			at: map[string]func(int) error{"b": refuse}, ran: "a b", left: "b", fails: 1,
		},
		{
			name: "nothing new is begun in a unit that failed", steps: []string{"a", "b"},
			at: map[string]func(int) error{"a": refuse}, ran: "a undo a", fails: 1,
		},
		{
			name: "what an undo that failed rests on is left alone", steps: []string{"start", "switch<start", "drain<switch"},
			at: map[string]func(int) error{"drain": refuse, "undo switch": refuse}, ran: "start switch drain undo drain undo switch", left: "start switch", fails: 3,
		},
		{
			name: "a lost reply is looked at again", steps: []string{"a"},
			at: map[string]func(int) error{"a": func(try int) error {
				if try == 0 {
					return errLost
				}
				return nil
			}}, ran: "a a",
		},
		{
			name: "a lost link in the end is a failure, and undone", steps: []string{"a"},
			at: map[string]func(int) error{"a": func(int) error { return errLost }}, ran: "a a a undo a", fails: 1,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &machine{at: c.at}
			out := walk(t.Context(), plan(t, "u", c.steps...), m, 1)
			if got := strings.Join(m.ran, " "); got != c.ran {
				t.Errorf("ran %q, want %q", got, c.ran)
			}
			var left []string
			for _, id := range out.Left {
				left = append(left, string(id))
			}
			if strings.Join(left, " ") != c.left {
				t.Errorf("left %v, want %q", left, c.left)
			}
			for _, s := range c.steps {
				id := providers.StepID(strings.TrimRight(strings.Split(s, "<")[0], "!-"))
				if st := out.States[id]; st == Waiting || st == Running || st == Undoing {
					t.Errorf("%s ended as %q", id, st)
				}
			}
			if len(out.Errors) != c.fails {
				t.Errorf("errors %v, want %d", out.Errors, c.fails)
			}
			if len(out.States) != len(c.steps) {
				t.Errorf("of %d steps only %v have come to something", len(c.steps), out.States)
			}
		})
	}
}

// TestUnitsApart: what fails in one unit neither stops nor undoes another.
func TestUnitsApart(t *testing.T) {
	p, q := plan(t, "u", "a", "b<a"), plan(t, "v", "x", "y<x")
	p.Order, p.Changes = append(p.Order, q.Order...), append(p.Changes, q.Changes...)
	for id, u := range q.Units {
		p.Units[id], p.Wait[id] = u, q.Wait[id]
	}
	m := &machine{at: map[string]func(int) error{"a": refuse}}
	out := walk(t.Context(), p, m, 1)
	if out.States["y"] != Done || out.States["b"] != Skipped || slices.Contains(m.ran, "undo x") {
		t.Errorf("%v, ran %v", out.States, m.ran)
	}
}

// TestParallelism: as many at once as allowed, and no more.
func TestParallelism(t *testing.T) {
	for _, most := range []int{1, 3, 10} {
		synctest.Test(t, func(t *testing.T) {
			var steps []string
			for i := range 12 {
				steps = append(steps, fmt.Sprint("s", i))
			}
			m := &machine{takes: time.Second}
			begin := time.Now()
			walk(t.Context(), plan(t, "u", steps...), m, most)
			if m.most != most {
				t.Errorf("%d at once, want %d", m.most, most)
			}
			if want := time.Duration((12+most-1)/most) * time.Second; time.Since(begin) != want {
				t.Errorf("took %s, want %s", time.Since(begin), want)
			}
		})
	}
}

// TestOneStepPerMachine: a machine runs one step at a time, in the plan's order.
func TestOneStepPerMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan(t, "u", "a", "b", "c")
		for i := range p.Changes[0].Steps {
			p.Changes[0].Steps[i].Host = "h"
		}
		m := &machine{takes: time.Second}
		walk(t.Context(), p, m, 10)
		if got := strings.Join(m.ran, " "); m.most != 1 || got != "a b c" {
			t.Errorf("%d at once, ran %q", m.most, got)
		}
	})
}

// TestUndoAtOnce: machines that have nothing to do with each other are put back at once, one that hangs holds up none.
func TestUndoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{takes: time.Second, at: map[string]func(int) error{"last": refuse}}
		begin := time.Now()
		walk(t.Context(), plan(t, "u", "a", "b", "c", "last<a,b,c"), m, 10)
		if took := time.Since(begin); took != 4*time.Second { // a b c, last, undo last, undo a b c
			t.Errorf("took %s", took)
		}
		slices.Sort(m.ran[5:])
		if got := strings.Join(m.ran[4:], " "); got != "undo last undo a undo b undo c" {
			t.Errorf("undone as %q", got)
		}
	})
}

// TestInterrupt: the running step ends, nothing new is begun, what is not final is undone.
func TestInterrupt(t *testing.T) {
	for _, c := range []struct {
		steps []string
		at    string
		ran   string
	}{
		{[]string{"a", "b<a", "c<b"}, "b", "a b undo b undo a"},
		{[]string{"a", "b<a!", "c<b"}, "b", "a b"},
		{[]string{"a", "b<a"}, "b", "a b"}, // the last step ended: all is done
	} {
		ctx, cancel := context.WithCancel(t.Context())
		m := &machine{at: map[string]func(int) error{c.at: func(int) error {
			cancel()
			return nil
		}}}
		walk(ctx, plan(t, "u", c.steps...), m, 1)
		if got := strings.Join(m.ran, " "); got != c.ran {
			t.Errorf("%v interrupted in %s: ran %q, want %q", c.steps, c.at, got, c.ran)
		}
	}
}

// TestInterruptCutsWaiting: a step that only waits is told to end, on its machine; then its unit is undone. What fails
// then is no failure.
func TestInterruptCutsWaiting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	told := make(chan struct{})
	m := &machine{at: map[string]func(int) error{
		"b":                func(int) error { cancel(); <-told; return errNo },
		"remote/interrupt": func(int) error { close(told); return nil },
	}}
	p := plan(t, "u", "a", "b<a-", "c<b")
	p.Changes[0].Steps[1].Waits = true
	out := walk(ctx, p, m, 1)
	if got := strings.Join(m.ran, " "); got != "a b remote/interrupt undo a" {
		t.Errorf("ran %q", got)
	}
	if len(out.Errors) > 0 || !out.Interrupted || out.States["b"] != Cut || out.States["a"] != Undone || len(out.Left) > 0 {
		t.Errorf("%+v", out)
	}
}

// TestDeadline: a step that takes longer than its limit is not run again: nobody knows what it does.
func TestDeadline(t *testing.T) {
	m := &machine{at: map[string]func(int) error{"a": func(int) error { return fmt.Errorf("h: %w", context.DeadlineExceeded) }}}
	walk(t.Context(), plan(t, "u", "a"), m, 1)
	if got := strings.Join(m.ran, " "); got != "a undo a" {
		t.Errorf("ran %q", got)
	}
}

// TestLostThenDown: the first attempt may have done it. That later ones found no way there does not say that nothing was
// begun.
func TestLostThenDown(t *testing.T) {
	down := fmt.Errorf("no route: %w", remote.ErrNotStarted)
	for name, c := range map[string]struct {
		at   func(try int) error
		none bool
	}{
		"down all the while": {func(int) error { return down }, true},
		"lost, then down": {func(try int) error {
			if try == 0 {
				return errLost
			}
			return down
		}, false},
	} {
		out := walk(t.Context(), plan(t, "u", "a"), &machine{at: map[string]func(int) error{"a": c.at}}, 1)
		if len(out.Errors) == 0 || errors.Is(out.Errors[0].Err, remote.ErrNotStarted) != c.none || !strings.Contains(out.Errors[0].Error(), "no route") {
			t.Errorf("%s: %v", name, out.Errors)
		}
	}
}

// What trying again does not change is not tried again: nothing was begun, and the rest is undone.
func TestHopeless(t *testing.T) {
	gone := fmt.Errorf("app-1: %w: %w", remote.ErrNotStarted, remote.Hopeless{Err: errors.New("the server answered 404 Not Found")})
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{{"hopeless", gone, 1}, {"down", fmt.Errorf("no route: %w", remote.ErrNotStarted), attempts}} {
		m := &machine{at: map[string]func(int) error{"a": func(int) error { return tt.err }}}
		out := walk(t.Context(), plan(t, "u", "a"), m, 1)
		if m.tries["a"] != tt.want || len(out.Errors) == 0 || !errors.Is(out.Errors[0].Err, remote.ErrNotStarted) {
			t.Errorf("%s: tried %d times, want %d: %v", tt.name, m.tries["a"], tt.want, out.Errors)
		}
	}
}
