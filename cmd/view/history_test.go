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

// TestHistoryOrder: of runs of the same second each comes after those that a machine lists before it, whatever their IDs
// are, and where nothing is listed, or machines contradict each other, it is the same order each time.
func TestHistoryOrder(t *testing.T) {
	second := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		name      string
		histories map[string]string // by machine: runs; one in capitals began a second later
		want      string
	}{
		{"one machine", map[string]string{"a": "zxy"}, "zxy"},
		{"one that others do not know", map[string]string{"a": "zx", "b": "xc"}, "zxc"},
		{"by way of another machine", map[string]string{"a": "dc", "b": "cb", "c": "ba"}, "dcba"},
		{"of what is not listed together", map[string]string{"a": "z", "b": "a"}, "az"},
		{"contradictions", map[string]string{"a": "zxa", "b": "xz"}, "zxa"},
		{"twice on a machine", map[string]string{"a": "zxz"}, "zx"},
		{"when they began counts more", map[string]string{"a": "Azx"}, "zxA"},
		{"one of another second between", map[string]string{"a": "zAx"}, "zxA"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := planner.Histories{}
			for host, runs := range c.histories {
				for _, id := range strings.Split(runs, "") {
					began := second
					if id < "a" {
						began = began.Add(time.Second)
					}
					h[host] = append(h[host], planner.Entry{Format: 1, Run: id, Began: began, Outcome: planner.Done})
				}
			}
			for range 20 {
				got := ""
				for _, r := range Runs(h) {
					got += r.ID
				}
				if got != c.want {
					t.Fatalf("%s, want %s", got, c.want)
				}
			}
		})
	}
}
