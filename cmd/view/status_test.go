package view

import (
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
)

func rows() []providers.Status {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	return []providers.Status{
		{Addr: addr("service", "teatime", "app-1"), Slot: "blue", Live: true, Release: "41", PID: 2113, Port: 8081, Since: at, Health: "healthy", Routes: []string{"web-1", "web-2"}},
		{Addr: addr("service", "teatime", "서버-2"), Slot: "green", Port: 8082, Health: "unhealthy: " + hostile, Note: "a stranger:\npid 7"},
		{Addr: addr("batch", "settlement", "batch-1"), Job: "auto-invest", Health: "running", Release: "41", PID: 77, Since: at, Runs: []providers.Run{
			{Start: at.Add(-time.Hour), End: at.Add(-50 * time.Minute), Exit: 1, Release: "41"}, {Start: at.Add(-2 * time.Hour), Exit: -1, Release: "40"},
		}},
		{Addr: addr("batch", "settlement", "batch-1"), Job: "report", Health: "idle"},
		{Addr: addr("service", "teatime", "app-2"), Slot: "green", Release: "41", PID: 2113, Port: 8082, Hidden: true, Health: "healthy"},
		{Addr: addr("service", "teatime", "app-3"), Unknown: true, Note: "could not look: no route"},
		{Addr: addr("batch", "settlement", "batch-2"), Job: "report", Health: "not known", Unknown: true, Note: "may not look"},
	}
}

func TestStatus(t *testing.T) {
	out, b := plainText()
	out.Status(rows(), time.Date(2026, 3, 1, 12, 5, 0, 0, time.UTC))
	out.Status(nil, time.Time{})
	golden(t, "status.txt", b.String())
}

func TestStatusDocument(t *testing.T) {
	var b strings.Builder
	if err := StatusDocument(&b, Standing{Project: "teatime", Rows: rows(), Open: cutOff(), Failed: []Unasked{{"app-3", "no route"}}}); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.json", b.String())
}

func cutOff() map[string]planner.Entry {
	return map[string]planner.Entry{"app-1": {Run: "r7", Command: "apply", Who: "anna@ci", Began: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
}

func TestUnderWay(t *testing.T) {
	out, b := plainText()
	out.UnderWay(nil)
	out.UnderWay(cutOff())
	if want := "  app-1: run r7 (apply by anna@ci, began 2026-03-01T12:00:00Z) is under way, or was cut off: apply finishes what it left\n"; b.String() != want {
		t.Errorf("%q", b.String())
	}
}
