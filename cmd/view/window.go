package view

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
)

// ClosedError is an apply that was not begun.
type ClosedError struct {
	Windows []planner.Window
	Waited  time.Duration
	Apart   string // flags for what does not wait for them; "" where there is nothing
}

func (e ClosedError) Error() string {
	var b strings.Builder
	b.WriteString("The window is closed: nothing was begun")
	if e.Waited > 0 {
		fmt.Fprintf(&b, ", after waiting for %s", e.Waited)
	}
	for _, w := range e.Windows {
		if !w.Open {
			fmt.Fprintf(&b, "\n%s", windowLine(w))
		}
	}
	b.WriteString("\nWait until then (-wait-window=DURATION does), or go on all the same with -force-window=REASON, which is recorded.")
	if e.Apart != "" {
		b.WriteString("\nWhat has nothing to do with that can be applied on its own: " + e.Apart)
	}
	return b.String()
}

func (e ClosedError) Unwrap() error { return executor.ErrClosed }

// windowLine: "window settlement: closed until 2026-03-01T13:00:00+09:00: …".
func windowLine(w planner.Window) string {
	out := gateName(w.Ref) + ": open"
	if !w.Open {
		out = gateName(w.Ref) + ": closed"
	}
	switch {
	case !w.Until.IsZero() && w.Open:
		return fmt.Sprintf("%s until %s (%s)", out, w.Until.Format(time.RFC3339), line(w.Why))
	case !w.Until.IsZero():
		return fmt.Sprintf("%s until %s at the earliest: %s", out, w.Until.Format(time.RFC3339), line(w.Why))
	case w.Open:
		return fmt.Sprintf("%s (%s)", out, line(w.Why))
	}
	return out + ": " + line(w.Why)
}

// windows prints what windows say.
func (t Text) windows(ws []planner.Window) {
	for _, w := range ws {
		color := green
		if !w.Open {
			color = yellow
		}
		t.printf("  %s\n", t.paint(color, windowLine(w)))
	}
}

// Windows prints what windows say, for status and gate.
func (t Text) Windows(ws []planner.Window) { t.windows(ws) }

func isAdvisory(p *planner.Plan, g config.Ref) bool {
	return slices.ContainsFunc(p.Windows, func(w planner.Window) bool { return w.Ref == g && w.Advisory })
}

// advisory explains a word among the steps.
func advisory(p *planner.Plan) string {
	for _, s := range p.Steps() {
		if s.Group == "" && slices.ContainsFunc(s.Gates, func(g config.Ref) bool { return isAdvisory(p, g) }) {
			return "advisory: a job that something else than a launcher starts may start between the last look and the stop."
		}
	}
	return ""
}

// judged is a window for programs.
func judged(w planner.Window) fields {
	f := fields{"addr": w.Ref.String(), "open": w.Open, "why": w.Why, "advisory": w.Advisory, "reasons": w.Reasons}
	if !w.Until.IsZero() {
		f["until"] = w.Until.Format(time.RFC3339)
	}
	if !w.At.IsZero() {
		f["at"] = w.At.Format(time.RFC3339)
	}
	return f
}

// window is the stream's event: when is "plan", "start" or the step that waits.
func (s Stream) window(ws []planner.Window, when fields) {
	for _, w := range ws {
		f := judged(w)
		for k, v := range when {
			f[k] = v
		}
		level := "info"
		if !w.Open {
			level = "warn"
		}
		s.emit(level, "window", windowLine(w), fields{"window": f})
	}
}

// closedFailure words a window that was closed in the middle, or at the last moment.
func closedFailure(e executor.StepError) *hcl.Diagnostic {
	if !errors.Is(e.Err, executor.ErrClosed) {
		return nil
	}
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "The window is closed", Detail: e.Err.Error() + "."}
	if e.Step.ID != "" {
		d.Summary = fmt.Sprintf("%s: %s: the window is closed", e.Step.Host, e.Step.Title)
		d.Detail = "The step was not begun. " + d.Detail
	}
	return d
}

// GateDocument writes whether a deployment may begin: all windows are open.
func GateDocument(out io.Writer, ws []planner.Window) error {
	d := struct {
		Format  string   `json:"format_version"`
		Open    bool     `json:"open"`
		Windows []fields `json:"windows"`
	}{documentFormat, executor.Closed(ws) == nil, []fields{}}
	for _, w := range ws {
		d.Windows = append(d.Windows, judged(w))
	}
	return document(out, d)
}

// Closings prints when windows are closed next, a line each.
func (t Text) Closings(all []planner.Closing) {
	for _, c := range all {
		until := "until nobody knows when"
		if !c.Until.IsZero() {
			until = "until " + c.Until.Format(time.RFC3339)
		}
		from := "now"
		if !c.From.IsZero() {
			from = c.From.Format(time.RFC3339)
		}
		t.printf("%s: closed from %s %s: %s\n", gateName(c.Ref), from, until, line(c.Why))
	}
}

// ClosingsDocument writes the same as JSON, and which machines gave no answers.
func ClosingsDocument(out io.Writer, all []planner.Closing, failed []Unasked) error {
	closings := []fields{}
	for _, c := range all {
		f := fields{"addr": c.Ref.String(), "why": c.Why}
		if !c.From.IsZero() {
			f["from"] = c.From.Format(time.RFC3339)
		}
		if !c.Until.IsZero() {
			f["until"] = c.Until.Format(time.RFC3339)
		}
		closings = append(closings, f)
	}
	return document(out, fields{"format_version": documentFormat, "closings": closings, "unreachable": append([]Unasked{}, failed...)})
}
