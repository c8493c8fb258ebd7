package executor

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

const bug = "this is a bug in shipctl: no such slot"

func blow(int) error { panic("no such slot") }

// TestBugs: a panic in a step, in its undoing, or in the judging of a window is that step's failure. It is not tried again,
// and what else was begun is undone.
func TestBugs(t *testing.T) {
	p := plan(t, "u", "a", "b<a", "c<b")
	m := &machine{at: map[string]func(int) error{"b": blow, "undo b": blow}}
	out := walk(t.Context(), p, m, 4)
	if ran := strings.Join(m.ran, " "); ran != "a b undo b" {
		t.Errorf("ran %s", ran) // what b was built on stays, since b could not be undone
	}
	if len(out.Errors) < 2 || !strings.Contains(out.Errors[0].Error(), bug) || !out.Errors[1].Undo || !strings.Contains(out.Errors[1].Error(), bug) {
		t.Errorf("%v", out.Errors)
	}
	if out.States["b"] != NotDone || out.States["c"] != Skipped {
		t.Errorf("%v", out.States)
	}

	p, m = plan(t, "u", "a", "b<a"), &machine{tries: map[string]int{}}
	p.Changes[0].Steps[1].Gates = []config.Ref{{Kind: "batch_window", Name: "night"}}
	out = Run(t.Context(), p, Env{
		Run: "r", Dial: m.dial, Emit: func(Event) {}, Now: time.Now, Pause: func(context.Context, time.Duration) {}, Parallelism: 4,
		Gate: func(_ context.Context, s providers.Step, _ []config.Ref) ([]planner.Window, func(), error) {
			if s.ID == "b" {
				panic("no such slot")
			}
			return nil, nil, nil
		},
	})
	if ran := strings.Join(m.ran, " "); ran != "a undo a" || out.Closed || len(out.Errors) != 1 || !strings.Contains(out.Errors[0].Error(), bug) {
		t.Errorf("judging: ran %s, %+v", ran, out)
	}
}

func (m *machine) dial(context.Context, string) (remote.Machine, error) { return m, nil }

// TestBugsBeside: the same for what a run does beside its steps, each on goroutines of its own.
func TestBugsBeside(t *testing.T) {
	m := &machine{tries: map[string]int{}, at: map[string]func(int) error{"remote/journal": blow, "remote/lease": blow}}
	err := Journal{Run: "r", Dial: m.dial}.Begin(t.Context(), map[string]planner.Entry{"web-1": {}, "web-2": {}}, nil)
	if err == nil || strings.Count(err.Error(), bug) != 2 || !strings.Contains(err.Error(), "web-2: the history: ") {
		t.Errorf("the journal: %v", err)
	}
	l := Lease{ID: "r", Last: time.Minute, Dial: m.dial, Note: func(string) {}, Pause: func(context.Context, time.Duration) {}}
	if err := l.Take(t.Context(), []string{"web-1"}, func(error) {}); err == nil || !strings.Contains(err.Error(), "web-1: the lease: "+bug) {
		t.Errorf("the lease: %v", err)
	}
	l.hosts = []string{"web-1"}
	if err := l.Release(t.Context()); err == nil || !strings.Contains(err.Error(), bug) {
		t.Errorf("giving it back: %v", err)
	}
}
