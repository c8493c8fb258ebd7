package view

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// film plays events: seconds after the one before, the number of the step, and what became of it.
type frame struct {
	after time.Duration
	step  int
	state executor.State
	out   string
	err   error
}

func play(p *planner.Plan, to Progress, frames []frame) executor.Outcome {
	o := executor.Outcome{States: map[providers.StepID]executor.State{}}
	begun := map[int]time.Time{}
	for _, f := range frames {
		time.Sleep(f.after)
		s := p.Steps()[f.step-1]
		if f.state == executor.Running || f.state == executor.Undoing {
			begun[f.step] = time.Now()
		}
		o.States[s.ID] = f.state
		switch f.state {
		case executor.Failed:
			o.Errors = append(o.Errors, executor.StepError{Step: s, Err: f.err})
		case executor.NotDone:
			o.Errors = append(o.Errors, executor.StepError{Step: s, Err: f.err, Undo: true})
			o.Left = append(o.Left, s.ID)
		}
		to.Event(executor.Event{Time: time.Now(), Step: s, State: f.state, Err: f.err, Output: f.out, Elapsed: time.Since(begun[f.step])})
	}
	return o
}

func stages(n int, more ...frame) (out []frame) {
	for i := 1; i <= n; i++ {
		out = append(out, frame{0, i, executor.Running, "", nil}, frame{1200 * time.Millisecond, i, executor.Done, "", nil})
	}
	return append(out, more...)
}

var errUnhealthy = &remote.ScriptError{Script: "service/healthy", Status: 1, Output: "not healthy after 100 s\nlast answer: 503 " + hostile + "\nlog: boom\n"}

func stories() map[string][]frame {
	return map[string][]frame{
		"done": stages(13),
		"undone": stages(3, frame{0, 4, executor.Running, "", nil}, frame{25 * time.Second, 4, executor.Failed, "", errUnhealthy},
			frame{0, 5, executor.Skipped, "", nil}, frame{0, 3, executor.Undoing, "", nil}, frame{11 * time.Second, 3, executor.Undone, "stopped pid 7\nfreed :8082", nil}),
		"left": stages(6, frame{0, 7, executor.Running, "", nil}, frame{0, 8, executor.Running, "", nil},
			frame{time.Second, 8, executor.Failed, "", fmt.Errorf("web-2: connection lost")}, frame{0, 7, executor.Done, "", nil},
			frame{0, 7, executor.Undoing, "", nil}, frame{2 * time.Second, 7, executor.NotDone, "", errors.New("web-1: no route to host")}),
		"late": stages(11, frame{0, 12, executor.Running, "", nil}, frame{100 * time.Second, 12, executor.Failed, "", context.DeadlineExceeded}),
	}
}

func TestPlainProgress(t *testing.T) {
	for name, frames := range stories() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out, errs strings.Builder
				v := Human{Out: Text{Out: &out}, Err: Text{Out: &errs}}.Apply(teatime())
				o := play(teatime(), v, frames)
				v.End(o)
				v.Event(executor.Event{Step: teatime().Steps()[0], State: executor.Done})
				golden(t, "apply-"+name+".txt", out.String()+"--- standard error\n"+errs.String())
			})
		})
	}
}

func TestStream(t *testing.T) {
	for name, frames := range stories() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				s := NewStream(&out, func() time.Time { return time.Now().UTC() }, "0.1.0")
				p := teatime()
				s.Plan(p)
				v := s.Apply(p)
				v.End(play(p, v, frames))
				golden(t, "apply-"+name+".jsonl", out.String())
			})
		})
	}
}

func TestInterruptedForwardOnly(t *testing.T) {
	p := teatime()
	o := executor.Outcome{States: map[providers.StepID]executor.State{}, Interrupted: true}
	for _, id := range p.Order[:12] {
		o.States[id] = executor.Done
	}
	o.States[p.Order[12]] = executor.Skipped
	if got := Unsettled(p, o); len(got) != 1 || got[0] != p.Order[12] {
		t.Errorf("after the final step began, what is still to do is left: %v", got)
	}
	for _, id := range p.Order[11:] {
		o.States[id] = executor.Skipped
	}
	if got := Unsettled(p, o); len(got) != 0 {
		t.Errorf("before it, all is undone: %v", got)
	}
}

// The live view is held to what a terminal would show: the busiest steps below, what ended above.
func TestLiveScreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &screen{total: 13, host: 5, width: 60, start: time.Now()}
		p := teatime()
		send := func(n int, st executor.State) {
			m.Update(executor.Event{Time: time.Now(), Step: p.Steps()[n-1], State: st})
		}
		for n := 1; n <= 10; n++ {
			send(n, executor.Running)
		}
		time.Sleep(12 * time.Second)
		send(1, executor.Done)
		m.Update(tick(time.Now()))
		want := `app-1  publish release 42 … 12s
app-1  start green on :8082 … 12s
app-1  wait until green is healthy (100 s at most) … 12s
web-1  check that nginx accepts green … 12s
web-2  check that nginx accepts green … 12s
web-1  switch to green … 12s
web-2  switch to green … 12s
app-1  activate release 42 … 12s
… and 1 more
1 of 13 steps, 12s`
		if d := cmp.Diff(want, m.View().Content); d != "" {
			t.Error(d)
		}
		m.Update(over{})
		if got := m.View().Content; got != "" {
			t.Errorf("at the end nothing stays below: %q", got)
		}
	})
}

func TestLiveEnds(t *testing.T) {
	var out, errs strings.Builder
	p := teatime()
	v := Live(Human{Out: Text{Out: &out}, Err: Text{Out: &errs}}, p)
	o := executor.Outcome{States: map[providers.StepID]executor.State{}}
	for _, s := range p.Steps() {
		v.Event(executor.Event{Time: time.Now(), Step: s, State: executor.Running})
		v.Event(executor.Event{Time: time.Now(), Step: s, State: executor.Done})
		o.States[s.ID] = executor.Done
	}
	v.End(o)
	v.Note("too late")
	if got := strings.Count(out.String(), "done"); got != len(p.Steps()) {
		t.Errorf("%d steps were shown as done: %q", got, out.String())
	}
	if !strings.HasSuffix(out.String(), "\nApply complete! Resources: 0 added, 3 changed, 0 destroyed.\n") {
		t.Errorf("%q", out.String())
	}
}

// TestTickBug: a panic in a line of progress costs that line, not the apply.
func TestTickBug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ticks := 0
		stop := everySecond(func(time.Time) {
			ticks++
			panic("no such step")
		})
		time.Sleep(2500 * time.Millisecond)
		stop()
		if ticks != 2 {
			t.Errorf("%d ticks", ticks)
		}
	})
}

// TestNotesAreNoEscapes: what is remarked may quote a machine.
func TestNotesAreNoEscapes(t *testing.T) {
	const evil = "Waiting: cron \x1b]0;x\x07 runs"
	for name, start := range map[string]func(Human, *planner.Plan) Progress{"plain": Plain, "live": Live} {
		t.Run(name, func(t *testing.T) {
			var out, errs strings.Builder
			p := teatime()
			v := start(Human{Out: Text{Out: &out}, Err: Text{Out: &errs}, Environ: []string{"TERM=xterm"}}, p)
			v.Note(evil)
			v.End(executor.Outcome{})
			if !strings.Contains(out.String(), `Waiting: cron \x1b]0;x\x07 runs`) || strings.Contains(out.String(), "\x1b]0;x") {
				t.Errorf("%q", out.String())
			}
		})
	}
}

// TestEndedWithoutLead: a line that is shown alone does not end in the announcement of others.
func TestEndedWithoutLead(t *testing.T) {
	out, _ := plainText()
	for said, want := range map[string]string{
		"blue was not healthy within 100 s. Last answers:\n  503": "blue was not healthy within 100 s.",
		"migrate failed with exit status 3. Its last lines:\n":    "migrate failed with exit status 3.",
		"nginx does not accept this:\n  line 3":                   "nginx does not accept this:",
		"no. It was not stopped":                                  "no. It was not stopped",
	} {
		got := ended(out, executor.Event{Step: providers.Step{Host: "a", Title: "t"}, State: executor.Failed, Err: errors.New(said)}, 1)
		if !strings.HasSuffix(got, "\n     "+want) {
			t.Errorf("%q: %q", said, got)
		}
	}
}
