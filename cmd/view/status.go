package view

import (
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/shipctl/shipctl/providers"
)

// Status prints what runs, a line for each slot and machine.
func (t Text) Status(rows []providers.Status, now time.Time) {
	if len(rows) == 0 {
		t.Say("Nothing in this configuration has a status to show.")
		return
	}
	cells := [][]string{{"RESOURCE", "MACHINE", "SLOT", "LIVE", "RELEASE", "PID", "PORT", "SINCE", "HEALTH", "ROUTED FROM"}}
	for _, s := range rows {
		cells = append(cells, statusCells(s, now))
	}
	width := make([]int, len(cells[0]))
	for _, row := range cells {
		for i, c := range row {
			width[i] = max(width[i], measure(c))
		}
	}
	for n, row := range cells {
		var b strings.Builder
		for i, c := range row {
			b.WriteString(t.statusPaint(n, i, c, pad(c, width[i])) + "  ")
		}
		t.Say(strings.TrimRight(b.String(), " "))
		if n > 0 && rows[n-1].Note != "" {
			t.Say("  " + indent(block(rows[n-1].Note), "  "))
		}
	}
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
func (t Text) statusPaint(row, col int, text, padded string) string {
	switch {
	case row == 0:
		return t.paint(bold, padded)
	case col == 3 && text == "live", col == 8 && text == "healthy":
		return t.paint(green, padded)
	case col == 8 && text != "-":
		return t.paint(red, padded)
	}
	return padded
}

type statusRow struct {
	Address  string     `json:"address"`
	Resource string     `json:"resource"`
	Machine  string     `json:"machine"`
	Slot     string     `json:"slot"`
	Live     bool       `json:"live"`
	Release  string     `json:"release"`
	PID      int        `json:"pid"`
	Port     int        `json:"port"`
	Since    *time.Time `json:"since"`
	Health   string     `json:"health"`
	Routes   []string   `json:"routes"`
	Note     string     `json:"note,omitempty"`
}

// Unasked is a machine that gave no answers.
type Unasked struct {
	Machine string `json:"machine"`
	Why     string `json:"why"`
}

// StatusDocument writes the same as JSON. What a machine could not be asked is in unreachable, never left out.
func StatusDocument(out io.Writer, project string, rows []providers.Status, failed []Unasked) error {
	d := struct {
		Format      string      `json:"format_version"`
		Project     string      `json:"project"`
		Status      []statusRow `json:"status"`
		Unreachable []Unasked   `json:"unreachable"`
	}{documentFormat, project, []statusRow{}, append([]Unasked{}, failed...)}
	for _, s := range rows {
		r := statusRow{
			Address: s.Addr.String(), Resource: s.Addr.Ref.String(), Machine: s.Addr.Host, Slot: s.Slot, Live: s.Live, Release: s.Release,
			PID: s.PID, Port: s.Port, Health: s.Health, Routes: append([]string{}, s.Routes...), Note: s.Note,
		}
		if !s.Since.IsZero() {
			since := s.Since.UTC()
			r.Since = &since
		}
		d.Status = append(d.Status, r)
	}
	return document(out, d)
}
