package view

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
)

// Run is one run, put together from what the machines have of it.
type Run struct {
	ID        string            `json:"run"`
	Command   string            `json:"command"`
	Who       string            `json:"who"`
	URL       string            `json:"url,omitempty"`
	Began     time.Time         `json:"began"`
	Ended     *time.Time        `json:"ended"` // null: nobody knows
	Outcome   string            `json:"outcome"`
	Forced    string            `json:"forced,omitempty"`
	Plan      string            `json:"plan,omitempty"` // SHA-256 of the saved plan
	CutOff    int               `json:"cut_off"`        // connections, on all machines
	Machines  []string          `json:"machines"`
	Resources []planner.Applied `json:"resources"` // several of one, where it was not the same on all machines
	Steps     []planner.Trace   `json:"steps"`

	on map[config.Ref][]string // which machines a resource was about, those that say nothing now too
}

// worst first: what one machine says outweighs what the others say.
func gravity(outcome string) int {
	return slices.Index([]string{planner.Left, planner.Begun, planner.Undone, planner.NotBegun, planner.Done}, outcome)
}

// Runs are the runs in the machines' histories, oldest first.
func Runs(histories planner.Histories) (out []Run) {
	by := map[string]*Run{}
	for _, host := range slices.Sorted(maps.Keys(histories)) {
		for _, e := range histories[host] {
			r := by[e.Run]
			if r == nil {
				r = &Run{ID: e.Run, Command: e.Command, Who: e.Who, URL: e.URL, Began: e.Began, Outcome: e.Outcome, Forced: e.Forced, Plan: e.Plan, on: map[config.Ref][]string{}}
				by[e.Run] = r
			}
			r.add(host, e)
		}
	}
	for _, r := range by {
		for i, a := range r.Resources {
			if !r.split(a) {
				r.Resources[i].On = r.on[a.Ref]
			}
		}
		out = append(out, *r)
	}
	place := places(histories, by)
	slices.SortFunc(out, func(a, b Run) int {
		return cmp.Or(a.Began.Compare(b.Began), place[a.ID]-place[b.ID])
	})
	return out
}

// places are the places of runs that began in the same second, which is all that is written down: each comes after those
// that stand before it in a machine's history, and where none does in the order of their IDs. Where machines contradict
// each other, the first one counts.
func places(histories planner.Histories, by map[string]*Run) map[string]int {
	behind, waits := map[string][]string{}, map[string]int{}
	var listed []string // by machine, in order
	for _, host := range slices.Sorted(maps.Keys(histories)) {
		last, seen := map[int64]string{}, map[string]bool{} // last: of a second
		for _, e := range histories[host] {
			if seen[e.Run] {
				continue
			}
			seen[e.Run], listed = true, append(listed, e.Run)
			began := by[e.Run].Began.UnixNano()
			if l, is := last[began]; is {
				behind[l] = append(behind[l], e.Run)
				waits[e.Run]++
			}
			last[began] = e.Run
		}
	}
	out, left := map[string]int{}, slices.Sorted(maps.Keys(by))
	placed := func(id string) bool { _, is := out[id]; return is }
	for len(left) > 0 {
		i := slices.IndexFunc(left, func(id string) bool { return waits[id] == 0 })
		if i < 0 {
			listed = slices.DeleteFunc(listed, placed)
			i = slices.Index(left, listed[0])
		}
		id := left[i]
		left = slices.Delete(left, i, i+1)
		out[id] = len(out)
		for _, next := range behind[id] {
			waits[next]--
		}
	}
	return out
}

func (r *Run) add(host string, e planner.Entry) {
	r.Machines = append(r.Machines, host)
	if gravity(e.Outcome) < gravity(r.Outcome) {
		r.Outcome = e.Outcome
	}
	if !e.Ended.IsZero() && (r.Ended == nil || e.Ended.After(*r.Ended)) {
		r.Ended = &e.Ended
	}
	for _, a := range e.Resources {
		r.apply(host, a)
	}
	for _, t := range e.Steps {
		if !slices.ContainsFunc(r.Steps, func(x planner.Trace) bool { return x.Step == t.Step }) {
			r.Steps = append(r.Steps, t)
			r.CutOff += t.CutOff
		}
	}
}

// apply adds what a machine says of a resource: to what others say, where it is the same.
func (r *Run) apply(host string, a planner.Applied) {
	r.on[a.Ref], a.On = a.On, []string{host}
	i := slices.IndexFunc(r.Resources, func(x planner.Applied) bool {
		return x.Ref == a.Ref && x.From == a.From && x.Release == a.Release && x.Outcome == a.Outcome
	})
	if i >= 0 {
		r.Resources[i].On = append(r.Resources[i].On, host)
		return
	}
	last := -1 // beside the others of it
	for i, x := range r.Resources {
		if x.Ref == a.Ref {
			last = i
		}
	}
	if last < 0 {
		r.Resources = append(r.Resources, a)
		return
	}
	r.Resources = slices.Insert(r.Resources, last+1, a)
}

// split says that the machines say different things of a resource.
func (r *Run) split(a planner.Applied) bool {
	return slices.ContainsFunc(r.Resources, func(x planner.Applied) bool {
		return x.Ref == a.Ref && (x.From != a.From || x.Release != a.Release || x.Outcome != a.Outcome)
	})
}

// HistoryDocument writes runs for programs, oldest first. What a machine could not be asked is in unreachable, never left out.
func HistoryDocument(out io.Writer, project string, runs []Run, failed []Unasked) error {
	if runs == nil {
		runs = []Run{}
	}
	return document(out, struct {
		Format      string    `json:"format_version"`
		Project     string    `json:"project"`
		Runs        []Run     `json:"runs"`
		Unreachable []Unasked `json:"unreachable"`
	}{documentFormat, project, runs, append([]Unasked{}, failed...)})
}

// History prints runs, the newest first, a line for each thing that they were about.
func (t Text) History(runs []Run) {
	if len(runs) == 0 {
		t.Say("No run has written anything down on these machines.")
		return
	}
	cells := [][]string{{"WHEN", "RUN", "WHAT", "FROM", "TO", "OUTCOME", "TOOK", "WHO"}}
	for _, r := range slices.Backward(runs) {
		rows := shownApplied(r)
		for i, a := range rows {
			what := a.Ref.String()
			if r.split(a) {
				what += " on " + strings.Join(a.On, ", ")
			}
			row := []string{"", "", line(what), orDash(a.From), orDash(a.Release), line(a.Outcome), "", ""}
			if i == 0 {
				row[0], row[1], row[6], row[7] = r.Began.UTC().Format("2006-01-02T15:04:05Z"), line(r.ID), duration(r), line(r.Who)
			}
			if r.Command != "apply" {
				row[5] = line(r.Command + ": " + a.Outcome)
			}
			cells = append(cells, row)
		}
		if r.Forced != "" {
			cells = append(cells, []string{"", "", "window forced: " + line(r.Forced), "", "", "", "", ""})
		}
		if r.CutOff > 0 {
			cells = append(cells, []string{"", "", plural(r.CutOff, "connection") + " cut off", "", "", "", "", ""})
		}
	}
	t.columns(cells)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return line(s)
}

func duration(r Run) string {
	if r.Ended == nil {
		return "?"
	}
	return took(r.Ended.Sub(r.Began))
}

// shownApplied leaves out what a run was not about.
func shownApplied(r Run) []planner.Applied {
	var out []planner.Applied
	for _, a := range r.Resources {
		if a.From != a.Release || a.Outcome != planner.Done {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		out = r.Resources
	}
	if len(out) == 0 {
		out = []planner.Applied{{Outcome: r.Outcome}}
	}
	return out
}

func (t Text) columns(cells [][]string) {
	width := make([]int, len(cells[0]))
	for _, row := range cells {
		for i, c := range row {
			width[i] = max(width[i], measure(c))
		}
	}
	for n, row := range cells {
		var b strings.Builder
		for i, c := range row {
			b.WriteString(pad(c, width[i]) + "  ")
		}
		text := strings.TrimRight(b.String(), " ")
		if n == 0 {
			text = t.paint(bold, text)
		}
		t.Say(text)
	}
}

// RunDetails prints the steps of runs, and what they said.
func (t Text) RunDetails(runs []Run) {
	if len(runs) == 0 {
		t.Say("No run with this ID has written anything down on these machines.")
	}
	for _, r := range runs {
		t.Say(t.paint(bold, line(fmt.Sprintf("%s: %s by %s, %s, %s", r.ID, r.Command, r.Who, r.Began.UTC().Format("2006-01-02T15:04:05Z"), r.Outcome))))
		if r.URL != "" {
			t.Say("  " + line(r.URL))
		}
		if r.Forced != "" {
			t.Say("  a closed window was not heeded: " + line(r.Forced))
		}
		if r.CutOff > 0 {
			t.Say("  " + plural(r.CutOff, "connection") + " cut off")
		}
		for _, a := range r.Resources {
			t.Say("  " + line(fmt.Sprintf("%s on %s: %s → %s: %s", a.Ref, strings.Join(a.On, ", "), orDash(a.From), orDash(a.Release), a.Outcome)))
		}
		for _, s := range r.Steps {
			t.Say("    " + line(fmt.Sprintf("%-10s %6.1f s  %s  %s", s.State, s.Took, s.Step, s.Title)))
			if s.Said != "" {
				t.Say("      " + indent(block(strings.TrimSpace(s.Said)), "      "))
			}
		}
	}
}

// UnreadLines says that a machine's history has lines that can't be understood.
func UnreadLines(host string, n int) string {
	return line(fmt.Sprintf("%s: %s of the history there can't be understood and were left out.", host, plural(n, "line")))
}
