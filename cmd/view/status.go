package view

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
)

// Status prints what runs, a line for each slot and machine.
func (t Text) Status(rows []providers.Status, now time.Time) {
	if len(rows) == 0 {
		t.Say("Nothing in this configuration has a status to show.")
		return
	}
	programs := slices.DeleteFunc(slices.Clone(rows), func(s providers.Status) bool { return s.Job != "" })
	jobs := slices.DeleteFunc(slices.Clone(rows), func(s providers.Status) bool { return s.Job == "" })
	if len(programs) > 0 {
		cells := [][]string{{"RESOURCE", "MACHINE", "SLOT", "LIVE", "RELEASE", "PID", "PORT", "SINCE", "HEALTH", "ROUTED FROM"}}
		for _, s := range programs {
			cells = append(cells, statusCells(s, now))
		}
		t.statusTable(programs, cells, 8)
	}
	if len(programs) > 0 && len(jobs) > 0 {
		t.Say("")
	}
	if len(jobs) > 0 {
		cells := [][]string{{"RESOURCE", "MACHINE", "JOB", "STATE", "RELEASE", "PID", "SINCE", "LAST RUNS"}}
		for _, s := range jobs {
			cells = append(cells, jobCells(s, now))
		}
		t.statusTable(jobs, cells, 3)
	}
}

// statusTable prints cells, the first line of which is their head; below a row its note. health is a column.
func (t Text) statusTable(rows []providers.Status, cells [][]string, health int) {
	width := make([]int, len(cells[0]))
	for _, row := range cells {
		for i, c := range row {
			width[i] = max(width[i], measure(c))
		}
	}
	for n, row := range cells {
		var b strings.Builder
		for i, c := range row {
			b.WriteString(t.statusPaint(n == 0, i == health, c, pad(c, width[i])) + "  ")
		}
		t.Say(strings.TrimRight(b.String(), " "))
		if n > 0 && rows[n-1].Note != "" {
			t.Say("  " + indent(block(rows[n-1].Note), "  "))
		}
	}
}

// How many runs of a job fit into a line.
const runsShown = 3

func jobCells(s providers.Status, now time.Time) []string {
	c := statusCells(s, now)
	var runs []string
	for _, r := range s.Runs[:min(runsShown, len(s.Runs))] {
		runs = append(runs, runCell(r))
	}
	last := "-"
	if len(runs) > 0 {
		last = strings.Join(runs, "; ")
	}
	return []string{c[0], c[1], line(s.Job), c[8], c[4], c[5], c[7], last}
}

func runCell(r providers.Run) string {
	begun := r.Start.UTC().Format("2006-01-02T15:04:05Z")
	if r.Exit < 0 {
		return begun + " end not seen"
	}
	return begun + " exit " + strconv.Itoa(r.Exit) + " (" + took(max(0, r.End.Sub(r.Start))) + ", " + line(r.Release) + ")"
}

func statusCells(s providers.Status, now time.Time) []string {
	orDash := func(v string) string {
		if v == "" {
			return "-"
		}
		return line(v)
	}
	number := func(n int) string {
		if n == 0 {
			return "-"
		}
		return strconv.Itoa(n)
	}
	live, since := "-", "-"
	if s.Live {
		live = "live"
	}
	if !s.Since.IsZero() {
		since = s.Since.UTC().Format("2006-01-02T15:04:05Z") + " (" + took(max(0, now.Sub(s.Since))) + ")"
	}
	return []string{
		line(s.Addr.Ref.String()), orDash(s.Addr.Host), orDash(s.Slot), live, orDash(s.Release), number(s.PID), number(s.Port),
		since, orDash(s.Health), orDash(strings.Join(s.Routes, ", ")),
	}
}

// statusPaint colours what a glance looks for: what is live, and what is not healthy.
func (t Text) statusPaint(head, health bool, text string, padded string) string {
	switch {
	case head:
		return t.paint(bold, padded)
	case text == "live", health && (text == "healthy" || text == "running"):
		return t.paint(green, padded)
	case health && text != "-" && text != "idle":
		return t.paint(red, padded)
	}
	return padded
}

// statusRow has null for what is not known, as nobody could look.
type statusRow struct {
	Address  string     `json:"address"`
	Resource string     `json:"resource"`
	Machine  string     `json:"machine"`
	Slot     string     `json:"slot"`
	Live     *bool      `json:"live"`
	Release  *string    `json:"release"`
	PID      *int       `json:"pid"`
	Port     *int       `json:"port"`
	Since    *time.Time `json:"since"`
	Health   *string    `json:"health"`
	Routes   []string   `json:"routes"`
	Note     string     `json:"note,omitempty"`
	Job      string     `json:"job,omitempty"`
	Runs     []runRow   `json:"runs,omitempty"` // of a job, the last one first
}

type runRow struct {
	Start   time.Time  `json:"start"`
	End     *time.Time `json:"end"`  // null: nobody saw it
	Exit    *int       `json:"exit"` // likewise
	Seconds *int       `json:"seconds"`
	Release string     `json:"release"`
}

func runRows(runs []providers.Run) (out []runRow) {
	for _, r := range runs {
		row := runRow{Start: r.Start.UTC(), Release: r.Release}
		if r.Exit >= 0 {
			end, took := r.End.UTC(), int(r.End.Sub(r.Start).Seconds())
			row.End, row.Exit, row.Seconds = &end, &r.Exit, &took
		}
		out = append(out, row)
	}
	return out
}

// Unasked is a machine that gave no answers.
type Unasked struct {
	Machine string `json:"machine"`
	Why     string `json:"why"`
}

// Standing is what status found.
type Standing struct {
	Project string
	Rows    []providers.Status
	Windows []planner.Window
	Open    map[string]planner.Entry // by machine: a run that began there and did not end
	Failed  []Unasked
}

// UnderWay prints the runs that did not end.
func (t Text) UnderWay(open map[string]planner.Entry) {
	for _, host := range slices.Sorted(maps.Keys(open)) {
		t.printf("  %s\n", t.paint(yellow, line(underWay(host, open[host]))))
	}
}

func underWay(host string, e planner.Entry) string {
	return fmt.Sprintf("%s: run %s (%s by %s, began %s) is under way, or was cut off: apply finishes what it left", host, e.Run, e.Command, e.Who, e.Began.UTC().Format(time.RFC3339))
}

type openRow struct {
	Machine string    `json:"machine"`
	Run     string    `json:"run"`
	Command string    `json:"command"`
	Who     string    `json:"who"`
	Began   time.Time `json:"began"`
}

// StatusDocument writes the same as JSON. What a machine could not be asked is in unreachable, never left out.
func StatusDocument(out io.Writer, st Standing) error {
	d := struct {
		Format      string      `json:"format_version"`
		Project     string      `json:"project"`
		Status      []statusRow `json:"status"`
		Windows     []fields    `json:"windows,omitempty"`
		Open        []openRow   `json:"under_way,omitempty"`
		Unreachable []Unasked   `json:"unreachable"`
	}{documentFormat, st.Project, []statusRow{}, nil, nil, append([]Unasked{}, st.Failed...)}
	for _, w := range st.Windows {
		d.Windows = append(d.Windows, judged(w))
	}
	for _, host := range slices.Sorted(maps.Keys(st.Open)) {
		e := st.Open[host]
		d.Open = append(d.Open, openRow{host, e.Run, e.Command, e.Who, e.Began.UTC()})
	}
	for _, s := range st.Rows {
		r := statusRow{
			Address: s.Addr.String(), Resource: s.Addr.Ref.String(), Machine: s.Addr.Host, Slot: s.Slot, Note: s.Note, Job: s.Job, Runs: runRows(s.Runs),
		}
		if !s.Unknown || s.Job != "" { // of a job, "not known" is said
			r.Health = &s.Health
		}
		if !s.Unknown {
			r.Live, r.Release, r.PID, r.Port = &s.Live, &s.Release, &s.PID, &s.Port
			r.Routes = append([]string{}, s.Routes...)
		}
		if s.Hidden && !s.Live {
			r.Live = nil
		}
		if !s.Since.IsZero() {
			since := s.Since.UTC()
			r.Since = &since
		}
		d.Status = append(d.Status, r)
	}
	return document(out, d)
}
