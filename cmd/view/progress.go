package view

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// Progress follows an apply. Its methods may be called at once; after End the others do nothing.
type Progress interface {
	Event(executor.Event)
	Note(string) // a remark of ours
	End(executor.Outcome)
}

// stillEvery: a log that is quiet for longer looks as if it hung.
const stillEvery = 10 * time.Second

type begun struct {
	step  providers.Step
	since time.Time
	said  time.Time
	undo  bool
}

// plain prints a line for each step that ended, and one every ten seconds for one that runs.
type plain struct {
	Human
	plan  *planner.Plan
	title func(providers.Step) providers.Step
	host  int

	mu      sync.Mutex
	running []*begun
	stop    func()
}

// Plain follows an apply line by line.
func Plain(h Human, p *planner.Plan) Progress {
	v := &plain{Human: h, plan: p, title: titles(p), host: widestHost(p)}
	v.stop = everySecond(v.tick)
	return v
}

func widestHost(p *planner.Plan) (w int) {
	for _, s := range p.Steps() {
		w = max(w, measure(line(s.Host)))
	}
	return w
}

// everySecond calls f until the function that it returns is called; f does not run after that.
func everySecond(f func(time.Time)) (stop func()) {
	ticker, quit, gone := time.NewTicker(time.Second), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for {
			select {
			case <-quit:
				return
			case now := <-ticker.C:
				_ = remote.Guarded(func() { f(now) }) // a line less
			}
		}
	}()
	return sync.OnceFunc(func() {
		ticker.Stop()
		close(quit)
		<-gone
	})
}

// Event implements Progress.
func (v *plain) Event(e executor.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.stop == nil {
		return
	}
	if len(e.Windows) > 0 {
		if e.Step.ID == "" {
			v.Out.windows(e.Windows)
		}
		return
	}
	e.Step = v.title(e.Step)
	v.running = track(v.running, e)
	if text := ended(v.Out, e, v.host); text != "" {
		v.Out.Say(text)
	}
}

// track keeps the list of what runs, longest first.
func track(running []*begun, e executor.Event) []*begun {
	var out []*begun
	for _, b := range running {
		if b.step.ID != e.Step.ID {
			out = append(out, b)
		}
	}
	if e.State == executor.Running || e.State == executor.Undoing {
		out = append(out, &begun{step: e.Step, since: e.Time, said: e.Time, undo: e.State == executor.Undoing})
	}
	return out
}

// ended is the text for an event that ends something: "app-1  start green on :8082 … done (1.2s)".
func ended(t Text, e executor.Event, host int) string {
	lead := pad(line(e.Step.Host), host) + "  " + line(e.Step.Title) + " … "
	hang := "\n" + strings.Repeat(" ", host+4)
	took := " (" + took(e.Elapsed) + ")"
	var text string
	switch e.State {
	case executor.Done:
		text = lead + t.paint(green, "done") + took
	case executor.Undone:
		text = lead + t.paint(yellow, "undone") + took
	case executor.Failed:
		text = lead + t.paint(red, "failed") + took
	case executor.Cut:
		text = lead + t.paint(yellow, "interrupted") + took
	case executor.NotDone:
		text = lead + t.paint(red, "NOT UNDONE")
	default:
		return ""
	}
	if out := block(e.Output); out != "" {
		text += hang + said(t, out, hang)
	}
	if e.Err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(e.Err.Error()), "\n")
		text += hang + t.paint(red, line(withoutLead(first)))
	}
	return text
}

// withoutLead is a text without its last sentence where that one announces what is not shown here: "Its last lines:".
func withoutLead(s string) string {
	if i := strings.LastIndex(s, ". "); i >= 0 && strings.HasSuffix(s, ":") {
		return s[:i+1]
	}
	return s
}

func (v *plain) tick(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, b := range v.running {
		if now.Sub(b.said) < stillEvery {
			continue
		}
		b.said = now
		doing := "still running"
		if b.undo {
			doing = "still being undone"
		}
		v.Out.Say(fmt.Sprintf("%s  %s … %s, %s", pad(line(b.step.Host), v.host), line(b.step.Title), doing, took(now.Sub(b.since))))
	}
}

// Note implements Progress.
func (v *plain) Note(s string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.stop != nil {
		v.Out.Say(v.Out.paint(yellow, block(s)))
	}
}

// End implements Progress.
func (v *plain) End(o executor.Outcome) {
	v.mu.Lock()
	stop := v.stop
	v.stop, v.running = nil, nil
	v.mu.Unlock()
	if stop == nil {
		return
	}
	stop() // waits for a tick, which takes the lock
	v.Out.outcome(v.Err, v.plan, o)
}
