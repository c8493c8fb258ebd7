package view

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
)

// Stream is the view for programs that follow: one JSON object a line, in Terraform's types and ours (planned_step, step_start,
// step_complete, step_errored, and outcome after a failure). Readers ignore what they don't know, and refuse another
// major version of ui.
type Stream struct {
	out io.Writer
	now func() time.Time
	mu  *sync.Mutex
}

// UI is the version of the stream's format.
const UI = "1.0"

// NewStream writes the first line, which says what follows.
func NewStream(out io.Writer, now func() time.Time, version string) Stream {
	s := Stream{out: out, now: now, mu: &sync.Mutex{}}
	s.emit("info", "version", "shipctl "+version, fields{"shipctl": version, "ui": UI})
	return s
}

type fields map[string]any

func (s Stream) emit(level, kind, message string, more fields) {
	rec := fields{
		"@level": level, "@message": line(message), "@module": "shipctl.ui",
		"@timestamp": s.now().Format("2006-01-02T15:04:05.000000Z07:00"), "type": kind,
	}
	for k, v := range more {
		rec[k] = v
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := json.NewEncoder(s.out)
	e.SetEscapeHTML(false)
	_ = e.Encode(rec) // nobody is left to be told that the output is gone
}

type jsonResource struct {
	Addr     string `json:"addr"`
	Module   string `json:"module"`
	Resource string `json:"resource"`
	Provider string `json:"implied_provider"`
	Type     string `json:"resource_type"`
	Name     string `json:"resource_name"`
	Key      string `json:"resource_key"`
}

func resourceOf(a providers.Addr) jsonResource {
	name, key := indexed(a)
	return jsonResource{a.String(), "", a.String(), a.Kind, a.Kind, name, key}
}

// streamed: documents say no-op where streams say noop.
func streamed(action string) string { return strings.ReplaceAll(action, "-", "") }

// announced is a change; what can't be planned has a problem, and nobody knows what would be done.
func announced(c providers.Change) (message string, change fields) {
	change = fields{"resource": resourceOf(c.Addr), "action": streamed(c.Action), "summary": line(strings.ReplaceAll(c.Line, "\n", "; "))}
	if c.Problem == "" {
		return fmt.Sprintf("%s: Plan to %s", c.Addr, c.Action), change
	}
	change["problem"] = line(strings.ReplaceAll(c.Problem, "\n", "; "))
	if len(c.Steps) == 0 {
		change["action"] = "unknown"
	}
	return fmt.Sprintf("%s: can't be planned", c.Addr), change
}

// Plan implements View.
func (s Stream) Plan(p *planner.Plan) {
	for _, g := range groups(p) {
		for _, c := range g {
			message, change := announced(c)
			s.emit("info", "planned_change", message, fields{"change": change})
		}
	}
	for i, st := range steps(p) {
		step := fields{"id": st.ID, "number": i + 1, "host": st.Host, "title": line(st.Title), "after": append([]providers.StepID{}, p.Wait[st.ID]...)}
		s.emit("info", "planned_step", st.Host+": "+st.Title, fields{"step": step})
	}
	s.window(p.Windows, fields{"when": "plan"})
	s.Diagnostics(remarks(p), nil)
	message := Summary(p)
	if p.Empty() {
		message = unchanged(p)
	}
	s.summary(p, message, "plan")
}

// remarks are a plan's problems and warnings, which text shows among the changes.
func remarks(p *planner.Plan) (out hcl.Diagnostics) {
	for _, n := range Notes(p) {
		out = append(out, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: n})
	}
	for _, c := range p.Changes {
		if c.Problem != "" && c.Problem != planner.Unasked { // of a machine there is a diagnostic of its own
			out = append(out, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: c.Addr.String() + " can't be planned", Detail: c.Problem})
		}
		for _, w := range c.Warnings {
			out = append(out, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: c.Addr.String(), Detail: w})
		}
	}
	return out
}

func (s Stream) summary(p *planner.Plan, message, operation string) {
	a, c, d := p.Counts()
	s.emit("info", "change_summary", message, fields{"changes": fields{"add": a, "change": c, "import": 0, "remove": d, "operation": operation}})
}

// Diagnostics implements View.
func (s Stream) Diagnostics(diags hcl.Diagnostics, files map[string]*hcl.File) {
	for _, d := range diags {
		j := toJSON(d, files)
		level := "error"
		if j.Severity == "warning" {
			level = "warn"
		}
		s.emit(level, "diagnostic", strings.ToUpper(j.Severity[:1])+j.Severity[1:]+": "+j.Summary, fields{"diagnostic": j})
	}
}

// Apply implements View.
func (s Stream) Apply(p *planner.Plan) Progress {
	f := &following{Stream: s, plan: p, number: numbers(p), changes: map[providers.StepID]*applying{}}
	for _, c := range p.Changes {
		one := &applying{change: c, left: len(c.Steps)}
		for _, st := range c.Steps {
			f.changes[st.ID] = one
		}
	}
	f.stop = everySecond(f.tick)
	return f
}

// following turns a run's events into the stream.
type following struct {
	Stream
	plan    *planner.Plan
	number  map[providers.StepID]int
	changes map[providers.StepID]*applying
	stop    func()

	lock  sync.Mutex
	ended bool
}

// applying is a change with steps, on its way: a resource is complete with its last step.
type applying struct {
	change         providers.Change
	left           int
	since, said    time.Time
	started, wrong bool
}

func (f *following) hook(c *applying, now time.Time) fields {
	hook := fields{"resource": resourceOf(c.change.Addr), "action": streamed(c.change.Action)}
	if !now.IsZero() {
		hook["elapsed_seconds"] = int(now.Sub(c.since).Seconds())
	}
	return fields{"hook": hook}
}

// Event implements Progress.
func (f *following) Event(e executor.Event) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if !f.ended && len(e.Windows) > 0 {
		when := fields{"when": "start"}
		if e.Step.ID != "" {
			when = fields{"when": "step", "step": e.Step.ID}
		}
		f.window(e.Windows, when)
		return
	}
	c := f.changes[e.Step.ID]
	if f.ended || c == nil {
		return
	}
	addr := c.change.Addr.String()
	if !c.started && e.State == executor.Running {
		c.started, c.since, c.said = true, e.Time, e.Time
		f.emit("info", "apply_start", addr+": Applying...", f.hook(c, time.Time{}))
	}
	f.step(e, addr)
	if e.State == executor.Done {
		c.left--
	}
	failed := e.State == executor.Failed || e.State == executor.Cut || e.State == executor.Undone || e.State == executor.NotDone
	switch {
	case failed && !c.wrong:
		c.wrong = true
		f.emit("error", "apply_errored", addr+": Applying failed", f.hook(c, e.Time))
	case c.left == 0 && e.State == executor.Done:
		f.emit("info", "apply_complete", addr+": Applied after "+took(e.Time.Sub(c.since)), f.hook(c, e.Time))
	}
}

func (f *following) step(e executor.Event, addr string) {
	step := fields{"id": e.Step.ID, "number": f.number[e.Step.ID], "host": e.Step.Host, "title": line(e.Step.Title), "resource": addr}
	undo := e.State == executor.Undoing || e.State == executor.Undone || e.State == executor.NotDone
	if undo {
		step["undo"] = true
	}
	what := e.Step.Host + ": " + e.Step.Title
	switch e.State {
	case executor.Running, executor.Undoing:
		f.emit("info", "step_start", what, fields{"step": step})
	case executor.Done, executor.Undone:
		step["elapsed_seconds"], step["output"] = e.Elapsed.Seconds(), block(e.Output)
		f.emit("info", "step_complete", what+": "+string(e.State), fields{"step": step})
		f.Diagnostics(warned(e), nil)
	case executor.Failed, executor.Cut, executor.NotDone:
		step["elapsed_seconds"] = e.Elapsed.Seconds()
		if e.Err != nil {
			step["error"] = block(e.Err.Error())
		}
		f.emit("error", "step_errored", what+": "+string(e.State), fields{"step": step})
	}
}

func (f *following) tick(now time.Time) {
	f.lock.Lock()
	defer f.lock.Unlock()
	seen := map[*applying]bool{}
	for _, id := range f.plan.Order {
		c := f.changes[id]
		if seen[c] || !c.started || c.wrong || c.left == 0 || now.Sub(c.said) < stillEvery {
			continue
		}
		seen[c], c.said = true, now
		f.emit("info", "apply_progress", fmt.Sprintf("%s: Still applying... [%s elapsed]", c.change.Addr, took(now.Sub(c.since))), f.hook(c, now))
	}
}

// Note implements Progress.
func (f *following) Note(s string) { f.emit("warn", "log", s, nil) }

// End implements Progress. Where not everything was done, Terraform's summary is left out, as there, and a line of ours
// says what became of the steps.
func (f *following) End(o executor.Outcome) {
	f.stop()
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.ended {
		return
	}
	f.ended = true
	if o.Forced != "" {
		f.emit("warn", "window", "Closed windows were not minded: "+o.Forced, fields{"window": fields{"forced": o.Forced, "when": "end"}})
	}
	if o.OK() {
		f.summary(f.plan, applied(f.plan), "apply")
		return
	}
	f.Diagnostics(failures(f.plan, o), nil)
	f.emit("error", "outcome", advice(f.plan, o), fields{"steps": o.States, "unsettled": append([]providers.StepID{}, Unsettled(f.plan, o)...)})
}
