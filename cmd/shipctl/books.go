package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/shipctl/shipctl/cmd/view"
	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
)

// books is what a run writes down on the machines: one entry of their history for each, and their record.
type books struct {
	m       *made
	journal executor.Journal
	was     planner.Records
	entry   planner.Entry // what all machines' entries have in common
	now     func() time.Time
	began   time.Time
	waited  time.Duration             // for windows
	meant   map[string]planner.Record // by machine, while the run is under way: where it is another one than before
}

// books of a run that does nothing, and of which all is recorded, stay empty.
func (c *cli) books(m *made, l *executor.Lease) *books {
	command := m.plan.Command
	if command == "" {
		command = "apply"
	}
	b := &books{m: m, journal: executor.Journal{Run: l.ID, Dial: c.checkpoints().dial(m.machines), Epoch: l.Epoch}, now: c.now, began: c.now()}
	b.was = planner.ReadRecords(b.seen().Facts)
	b.entry = planner.Entry{Format: planner.RecordFormat, Run: l.ID, Command: command, Who: l.Who, URL: l.URL, Began: b.began.UTC().Truncate(time.Second), Plan: m.plan.Digest}
	return b
}

// seen is the plan of the last look.
func (b *books) seen() *planner.Plan {
	if b.m.now != nil {
		return b.m.now
	}
	return b.m.plan
}

// begin says on every machine what is about to be done there.
func (b *books) begin(ctx context.Context) error {
	if len(b.m.plan.Order) == 0 {
		return nil
	}
	e := b.entry
	e.Outcome = planner.Begun
	entries, applied := b.entries(e, func(string) string { return planner.Begun }, nil)
	b.meant = map[string]planner.Record{}
	run := planner.Recorded{Run: e.Run, Who: e.Who, URL: e.URL, At: e.Began}
	for host, as := range applied {
		meant, changed := b.was.By[host].Meant(as, run, e.Command, b.m.plan.ClearHold, b.hold)
		if _, unread := b.was.Unread[host]; changed && !unread {
			b.meant[host] = meant
		}
	}
	return b.journal.Begin(ctx, entries, b.meant)
}

// abandon says that nothing was begun after all, where that can be written.
func (b *books) abandon(ctx context.Context) {
	e := b.entry
	e.Outcome, e.Ended = planner.NotBegun, b.now().UTC().Truncate(time.Second)
	entries, _ := b.entries(e, func(string) string { return planner.NotBegun }, nil)
	records := map[string]planner.Record{}
	for host := range b.meant {
		records[host] = b.was.By[host].Keeping(planner.Record{}, nil)
	}
	_ = b.journal.End(ctx, entries, records)
}

// end says what became of it.
func (b *books) end(ctx context.Context, out executor.Outcome, traces []planner.Trace) error {
	p := b.m.plan
	if p.Empty() && len(p.Unrecorded(b.m.resources)) == 0 {
		return nil
	}
	e := b.entry
	now := b.now()
	e.Ended = now.UTC().Truncate(time.Second)
	left := view.Unsettled(p, out)
	switch {
	case out.OK():
		e.Outcome = planner.Done
	case len(left) > 0:
		e.Outcome = planner.Left
	default:
		e.Outcome = planner.Undone
	}
	entries, applied := b.entries(e, func(unit string) string { return unitOutcome(p, out, left, unit) }, traces)
	run := planner.Recorded{Run: e.Run, Who: e.Who, URL: e.URL, At: e.Ended, Took: max(0, now.Sub(b.began)-b.waited).Round(time.Millisecond).Seconds()}
	records := map[string]planner.Record{}
	for host, as := range applied {
		if _, unread := b.was.Unread[host]; unread {
			continue // it is not overwritten by who can't read it
		}
		records[host] = b.was.By[host].Keeping(b.meant[host], as).Next(as, run, e, b.was.Open[host], b.hold)
	}
	return b.journal.End(ctx, entries, records)
}

// entries are the entry of each machine, with what is its own: its resources and its steps.
func (b *books) entries(e planner.Entry, outcome func(unit string) string, traces []planner.Trace) (map[string]planner.Entry, map[string][]planner.Applied) {
	p := b.m.plan
	applied := p.Applications(b.m.resources, b.was, outcome)
	_, first := p.Machines()
	host := map[providers.StepID]string{}
	for _, s := range p.Steps() {
		host[s.ID] = first[s.Host]
	}
	out := map[string]planner.Entry{}
	for h := range maps.Keys(applied) {
		mine := e
		mine.Resources = applied[h]
		for _, t := range traces {
			if host[t.Step] == h {
				mine.Steps = append(mine.Steps, t)
				mine.CutOff += t.CutOff
			}
		}
		out[h] = mine
	}
	return out, applied
}

// hold: what was rolled back stays there, and what was held stays held.
func (b *books) hold(a planner.Applied) *planner.Hold {
	if b.entry.Command == "rollback" {
		return &planner.Hold{Release: a.Release, From: a.From, Who: b.entry.Who, Since: b.entry.Began, Run: b.entry.Run}
	}
	i := slices.IndexFunc(b.m.plan.Held, func(h planner.HeldBack) bool { return h.Ref == a.Ref })
	if i < 0 {
		return nil
	}
	return &b.m.plan.Held[i].Hold
}

// unitOutcome is how it went for what is undone together.
func unitOutcome(p *planner.Plan, out executor.Outcome, left []providers.StepID, unit string) string {
	done, begun, open := true, false, false
	for _, id := range p.Order {
		if p.Units[id] != unit {
			continue
		}
		st := out.States[id]
		done = done && st == executor.Done
		begun = begun || st != executor.Waiting && st != executor.Skipped
		open = open || slices.Contains(left, id)
	}
	switch {
	case done:
		return planner.Done
	case open:
		return planner.Left
	case begun:
		return planner.Undone
	}
	return planner.NotBegun
}

// trace keeps what a step came to; its undoing is added to it.
func (r *run) trace(e executor.Event) {
	if e.State == executor.Running || e.State == executor.Undoing || e.State == executor.Skipped {
		return
	}
	t := planner.Trace{Step: e.Step.ID, Title: e.Step.Title, State: string(e.State), Took: e.Elapsed.Seconds(), Said: e.Output, CutOff: planner.CutOff(e.Output)}
	if e.Err != nil {
		t.Said = e.Err.Error()
	}
	if was, ok := r.traces[e.Step.ID]; ok && was.Said != "" {
		t.Said, t.CutOff = was.Said+"\n"+t.Said, was.CutOff+t.CutOff
	}
	const most = 2000
	if len(t.Said) > most {
		t.Said = t.Said[:most] + "…"
	}
	r.traces[e.Step.ID] = t
}

// traced are the traces in the plan's order.
func (r *run) traced() (out []planner.Trace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range r.plan.Order {
		if t, ok := r.traces[id]; ok {
			out = append(out, t)
		}
	}
	return out
}
