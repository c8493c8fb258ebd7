package view

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// Unsettled are the steps that leave the machines half way: begun and neither finished nor undone, or still to come in a
// unit that only goes forward. Nothing there: all is done, or as it was.
func Unsettled(p *planner.Plan, o executor.Outcome) []providers.StepID {
	forward := map[string]bool{}
	for _, s := range p.Steps() {
		if st := o.States[s.ID]; s.Final && st != executor.Waiting && st != executor.Skipped {
			forward[p.Units[s.ID]] = true
		}
	}
	var out []providers.StepID
	for _, id := range p.Order {
		open := forward[p.Units[id]] && o.States[id] != executor.Done
		if open || slices.Contains(o.Left, id) {
			out = append(out, id)
		}
	}
	return out
}

// proseWidth is enough for a sentence to be read at a glance.
const proseWidth = 110

// outcome prints how an apply ended: what failed to errs, the rest to t.
func (t Text) outcome(errs Text, p *planner.Plan, o executor.Outcome) {
	if o.OK() {
		t.printf("\n%s\n", t.paint(bold+";"+green, applied(p)))
		return
	}
	errs.Diagnostics(failures(p, o), nil)
	t.printf("\n  %s\n", t.paint(bold, "What became of the steps"))
	for _, row := range t.fates(p, o) {
		t.printf("  %s\n", row)
	}
	t.printf("\n%s\n", wrap(advice(p, o), min(cmp.Or(t.Width, proseWidth), proseWidth)))
}

func applied(p *planner.Plan) string {
	a, c, d := p.Counts()
	return fmt.Sprintf("Apply complete! Resources: %d added, %d changed, %d destroyed.", a, c, d)
}

func failures(p *planner.Plan, o executor.Outcome) (out hcl.Diagnostics) {
	title := titles(p)
	for _, e := range o.Errors {
		e.Step = title(e.Step)
		out = append(out, failure(e))
	}
	if o.Interrupted {
		d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Interrupted", Detail: "The apply was told to stop. No step was begun after that."}
		if left := Unsettled(p, o); len(left) > 0 {
			d.Detail += " Not finished and not undone: " + plural(len(left), "step") + "."
		}
		out = append(out, d)
	}
	return out
}

// failure says which machine and step, what was seen and what was expected.
func failure(e executor.StepError) *hcl.Diagnostic {
	if d := closedFailure(e); d != nil {
		return d
	}
	what, expected := "failed", fmt.Sprintf("The step %s was expected to succeed", e.Step.ID)
	if e.Undo {
		what, expected = "could not be undone", fmt.Sprintf("Undoing the step %s was expected to succeed", e.Step.ID)
	}
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: fmt.Sprintf("%s: %s: %s", e.Step.Host, e.Step.Title, what)}
	var said *remote.ScriptError
	seen := "  " + indent(block(e.Err.Error()), "  ")
	switch {
	case errors.As(e.Err, &said):
		if strings.TrimSpace(said.Output) == "" {
			seen = fmt.Sprintf("  (nothing; the script %s ended with status %d)", said.Script, said.Status)
		}
		d.Detail = fmt.Sprintf("%s. Seen on %s:\n\n%s", expected, e.Step.Host, seen)
	case errors.Is(e.Err, remote.ErrNotStarted):
		d.Detail = fmt.Sprintf("%s. Nothing was begun on %s:\n\n%s", expected, e.Step.Host, seen)
	case errors.Is(e.Err, context.DeadlineExceeded):
		d.Detail = fmt.Sprintf("%s within %s. It did not end in that time, so what it did is not known:\n\n%s", expected, took(e.Step.Limit), seen)
	default:
		d.Detail = fmt.Sprintf("%s. What it did on %s is not known:\n\n%s", expected, e.Step.Host, seen)
	}
	return d
}

func fateWord(st executor.State) (word string, begun bool) {
	switch st {
	case executor.Running:
		return "RUNNING", true
	case executor.Done:
		return "done", true
	case executor.Failed:
		return "failed", true
	case executor.Cut:
		return "interrupted", true
	case executor.Undoing:
		return "UNDOING", true
	case executor.Undone:
		return "undone", true
	case executor.NotDone:
		return "NOT UNDONE", true
	}
	return "", false
}

// fates lists the steps that were begun, and counts the others.
func (t Text) fates(p *planner.Plan, o executor.Outcome) (rows []string) {
	left := Unsettled(p, o)
	host, idle, width := 0, 0, 11
	failed := map[providers.StepID]bool{}
	for _, e := range o.Errors {
		failed[e.Step.ID] = failed[e.Step.ID] || !e.Undo
	}
	const both = "failed, undone"
	for _, s := range p.Steps() {
		host = max(host, measure(line(s.Host)))
		if failed[s.ID] && o.States[s.ID] == executor.Undone {
			width = len(both)
		}
	}
	for _, s := range named(p) {
		word, begun := fateWord(o.States[s.ID])
		open := slices.Contains(left, s.ID)
		if failed[s.ID] && o.States[s.ID] == executor.Undone {
			word = both
		}
		code := ""
		switch {
		case open && !begun:
			word, code = "STILL TO DO", red
		case !begun:
			idle++
			continue
		case open:
			word, code = strings.ToUpper(word), red
			if o.States[s.ID] == executor.Done {
				word = "DONE, STAYS"
			}
		}
		word = pad(word, width)
		if code != "" {
			word = t.paint(code, word)
		}
		rows = append(rows, fmt.Sprintf("%s  %s  %s", word, pad(line(s.Host), host), line(s.Title)))
	}
	if idle > 0 {
		rows = append(rows, plural(idle, "step")+" not begun")
	}
	return rows
}

// advice says what to do next.
func advice(p *planner.Plan, o executor.Outcome) string {
	told, next := o.Interrupted && len(o.Errors) == 0, "Once the cause is removed, run"
	if told {
		next = "When you want to go on, run"
	}
	if slices.ContainsFunc(o.Errors, func(e executor.StepError) bool { return errors.Is(e.Err, executor.ErrHeld) }) {
		return "Another run took over while this one did not answer: everything after that was refused, and nothing of its work was touched. Run \"shipctl plan\" to see where the machines stand."
	}
	if len(Unsettled(p, o)) > 0 && o.Closed && len(o.Errors) == 1 {
		return "The window closed on the way. What was switched stays switched, and what is marked in capitals above is left: run \"shipctl apply\" again when the window is open."
	}
	if len(Unsettled(p, o)) > 0 {
		return "Not everything could be finished or undone: see the words in capitals above. " + next + " \"shipctl plan\": it reads from the machines where they stand, and \"shipctl apply\" goes on from there."
	}
	done := false
	for _, id := range p.Order {
		st := o.States[id]
		done = done || st == executor.Done || st == executor.Undone || st == executor.Failed || st == executor.Cut
	}
	if !done {
		return "No step was begun: nothing has changed."
	}
	is := "what served before still serves"
	if !served(p) {
		is = "all is as it was"
	}
	if told {
		return "What had been begun was undone: " + is + ". " + next + " \"shipctl apply\" again."
	}
	return "What had been begun and failed was undone: " + is + ". Remove the cause, then run \"shipctl plan\" and \"shipctl apply\" again."
}

// served says that something of what the plan is about served before it, as the kinds say it in Before: a program, ours or
// not; where there are no services, a release.
func served(p *planner.Plan) bool {
	programs, releases, services := false, false, false
	for _, c := range p.Changes {
		var b struct {
			Live, Current string
			Slots         map[string]struct{ PID int }
			Held          map[string]string
		}
		if json.Unmarshal(c.Before, &b) != nil {
			continue
		}
		services = services || c.Addr.Kind == "service"
		releases = releases || b.Current != ""
		programs = programs || b.Live != "" || len(b.Held) > 0
		for _, sl := range b.Slots {
			programs = programs || sl.PID != 0
		}
	}
	return programs || releases && !services
}
