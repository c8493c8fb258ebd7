package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/cmd/view"
	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
)

// kept are how many journals of a project stay on the controller.
const kept = 50

// journalDir is where this machine keeps what its own runs did; "" where there is no place for it.
func (c *cli) journalDir(project string) string {
	base := c.env("XDG_STATE_HOME")
	if home := c.env("HOME"); base == "" && home != "" {
		base = filepath.Join(home, ".local", "state")
	}
	if !filepath.IsAbs(base) || project == "" {
		return ""
	}
	return filepath.Join(base, "shipctl", project)
}

// journaled writes a run's events into a file of this machine, too, while they happen: when the machines can't be reached
// any more, or shipctl was killed, it says how far it came. A run is never stopped for want of it.
func (c *cli) journaled(p *planner.Plan, run string, shown view.Progress) view.Progress {
	dir := c.journalDir(p.Project)
	if dir == "" || len(p.Order) == 0 {
		return shown
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		c.log.Warn("no journal", "error", err)
		return shown
	}
	prune(dir)
	f, err := os.OpenFile(filepath.Join(dir, run+".jsonl"), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		c.log.Warn("no journal", "error", err)
		return shown
	}
	s := view.NewStream(f, c.now, version)
	s.Plan(p)
	return both{shown, s.Apply(p), f}
}

// prune removes the oldest journals; their names begin with the time.
func prune(dir string) {
	old, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(old) < kept {
		return
	}
	slices.Sort(old)
	for _, name := range old[:len(old)-kept+1] {
		_ = os.Remove(name) // the next run tries again
	}
}

// journalOf is the file that this machine has of a run, "" for none.
func (c *cli) journalOf(project, run string) string {
	dir := c.journalDir(project)
	if dir == "" || strings.ContainsRune(run, filepath.Separator) {
		return ""
	}
	name := filepath.Join(dir, run+".jsonl")
	if _, err := os.Stat(name); err != nil {
		return ""
	}
	return name
}

// both shows a run, and writes it down.
type both struct {
	shown, written view.Progress
	file           *os.File
}

func (b both) Event(e executor.Event) {
	b.written.Event(e) // first: what is shown has been written
	b.shown.Event(e)
}

func (b both) Note(s string) {
	b.written.Note(s)
	b.shown.Note(s)
}

func (b both) End(o executor.Outcome) {
	b.written.End(o)
	_ = b.file.Close()
	b.shown.End(o)
}
