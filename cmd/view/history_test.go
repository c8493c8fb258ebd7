package view

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
)

// TestHistorySplit: machines that came from different releases, or ended differently, each have their line; those that
// agree share one, and connections that were cut off are counted once a step.
func TestHistorySplit(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	entry := func(from, outcome string, steps ...planner.Trace) planner.Entry {
		a := planner.Applied{On: []string{"app-1", "app-2", "app-3"}, From: from, Release: "3", Outcome: outcome}
		a.Ref = config.Ref{Kind: "service", Name: "shop"}
		b := planner.Applied{On: []string{"app-1", "app-2", "app-3"}, From: "2", Release: "3", Outcome: planner.Done}
		b.Ref = config.Ref{Kind: "release", Name: "shop"}
		return planner.Entry{Format: 1, Run: "r1", Command: "apply", Who: "me@here", Began: began, Ended: began.Add(time.Minute), Outcome: outcome, Resources: []planner.Applied{b, a}, Steps: steps}
	}
	runs := Runs(planner.Histories{
		"app-1": {entry("1", planner.Done, planner.Trace{Step: "s/stop", CutOff: 2})},
		"app-2": {entry("2", planner.Done, planner.Trace{Step: "s/stop-2", CutOff: 1}, planner.Trace{Step: "s/stop", CutOff: 2})},
		"app-3": {entry("1", planner.Done)},
	})
	if len(runs) != 1 || runs[0].CutOff != 3 {
		t.Fatalf("%+v", runs)
	}
	var got []string
	for _, a := range runs[0].Resources {
		got = append(got, a.Ref.String()+" "+strings.Join(a.On, ",")+" "+a.From)
	}
	if want := "release.shop app-1,app-2,app-3 2|service.shop app-1,app-3 1|service.shop app-2 2"; strings.Join(got, "|") != want {
		t.Errorf("%s, want %s", strings.Join(got, "|"), want)
	}
	var out strings.Builder
	Text{Out: &out}.History(runs)
	for _, want := range []string{"service.shop on app-1, app-3  1 ", "service.shop on app-2 ", "release.shop   ", "3 connections cut off"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if raw, err := json.Marshal(runs[0]); err != nil || !strings.Contains(string(raw), `"cut_off":3`) {
		t.Errorf("%v: %s", err, raw)
	}
}
