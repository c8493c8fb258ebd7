package planner

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// gate is a window that looks at a machine of its own, and at those who name it.
func gate(name string, needs ...config.Ref) providers.Resource {
	return providers.Resource{
		Ref: config.Ref{Kind: "batch_window", Name: name}, Needs: needs, Spec: providers.JSON(nil), Queries: []remote.Query{{Host: "batch", Script: "w/look"}},
		Watch: func(ps []providers.Place) (out []remote.Query) {
			for _, p := range ps {
				out = append(out, remote.Query{Host: p.Host, Script: "w/clock"})
			}
			return out
		},
		Judge: func(c providers.Case) providers.Verdict {
			now := time.Unix(0, 0).Add(c.Later) // closed for a minute at each full hour
			next := now.Truncate(time.Hour).Add(time.Hour)
			if now.Minute() == 0 {
				return providers.Verdict{At: now, Until: now.Add(time.Minute), Why: "job"}
			}
			return providers.Verdict{Open: true, At: now, Until: next}
		},
	}
}

func TestGateBinding(t *testing.T) {
	w := gate("night")
	a, b := fixed("service", "a", []config.Ref{w.Ref}, change("app", step("a"))), fixed("service", "b", []config.Ref{w.Ref}, change("app", step("b")))
	a.Places = []providers.Place{{Host: "app", Ports: []int{1, 2}}}
	b.Places = []providers.Place{{Host: "app", Ports: []int{2, 3}}, {Host: "app-2"}}
	a.Queries = []remote.Query{{Host: "app", Script: "s/look"}}
	rs := []providers.Resource{w, a, b}
	bindGates(rs)
	if p := rs[0].Places; len(p) != 2 || !slices.Equal(p[0].Ports, []int{1, 2, 3}) || p[1].Host != "app-2" {
		t.Errorf("places %+v", p)
	}
	if len(rs[0].Queries) != 3 {
		t.Errorf("asks %v", rs[0].Queries)
	}
	p, err := Build(rs, remote.Facts{"app": {}, "batch": {}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.Units["a"] == p.Units["b"] {
		t.Error("two services behind one window are one unit")
	}
	if !slices.Equal(p.Watched, []string{"batch", "app-2"}) {
		t.Errorf("watched %v", p.Watched)
	}
	if hosts, _ := p.Machines(); !slices.Equal(hosts, []string{"app"}) {
		t.Errorf("takes leases on %v", hosts)
	}
	if len(p.Windows) != 1 || p.Windows[0].Ref != w.Ref {
		t.Errorf("windows %+v", p.Windows)
	}
}

// TestTargetsBehindGates: a window is kept with who names it, and what it looks at is not deployed.
func TestTargetsBehindGates(t *testing.T) {
	batch := fixed("batch", "x", nil)
	w := gate("night", batch.Ref)
	got, err := Select([]providers.Resource{batch, w, fixed("service", "a", []config.Ref{w.Ref})}, []string{"service.a"})
	if err != nil || len(got) != 2 || got[0].Ref != w.Ref {
		t.Errorf("%v, %v", got, err)
	}
}

// TestGateOfActivation: a release that becomes current after a switch was judged with it; one that stands alone is judged.
func TestGateOfActivation(t *testing.T) {
	night := []config.Ref{{Kind: "batch_window", Name: "night"}}
	activate := step(`release.a["h"]/activate`)
	activate.Gates, activate.Group = night, "release.a"
	alone, err := Build([]providers.Resource{fixed("release", "a", nil, change("h", activate))}, nil, nil)
	if err != nil || len(alone.Gates()) != 1 {
		t.Errorf("%v, %v", alone.Gates(), err)
	}
	swtch := step("switch")
	swtch.Gates, swtch.Group, swtch.Before = night, "switch", []providers.StepID{activate.ID}
	p, err := Build([]providers.Resource{fixed("release", "a", nil, change("h", activate)), fixed("service", "a", nil, change("h", swtch))}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Steps() {
		if (s.ID == "switch") != (len(s.Gates) > 0) {
			t.Errorf("%s: gates %v", s.ID, s.Gates)
		}
	}
}

func TestClosings(t *testing.T) {
	got := Closings(nil, gate("night"), nil, 3)
	if len(got) != 3 || !got[2].From.Equal(time.Unix(7200, 0)) || !got[2].Until.Equal(time.Unix(7260, 0)) || got[2].Why != "job" {
		t.Errorf("%+v", got)
	}
}

// TestExpected: how long a deployment takes, from the records of what the gate guards, and of what goes with it.
func TestExpected(t *testing.T) {
	ref := func(kind, name string) config.Ref { return config.Ref{Kind: kind, Name: name} }
	gate := providers.Resource{Ref: ref("batch_window", "night"), Judge: func(providers.Case) providers.Verdict { return providers.Verdict{} }, Needs: []config.Ref{ref("batch", "other")}}
	rs := []providers.Resource{
		{Ref: ref("release", "x")},
		{Ref: ref("service", "x"), Needs: []config.Ref{ref("release", "x"), gate.Ref}},
		{Ref: ref("batch", "other")},
		gate,
	}
	took := func(r config.Ref, seconds float64) Record {
		return Record{Format: RecordFormat, Resources: map[string]Recorded{r.String(): {Took: seconds}}}
	}
	for _, c := range []struct {
		name string
		by   map[string]Record
		want time.Duration
	}{
		{"nothing is recorded", nil, 0},
		{"the slowest machine counts", map[string]Record{"a": took(ref("service", "x"), 30), "b": took(ref("service", "x"), 45)}, 50 * time.Second},
		{"what goes with it counts", map[string]Record{"a": took(ref("release", "x"), 100)}, 110 * time.Second},
		{"what the window looks at does not", map[string]Record{"a": took(ref("batch", "other"), 100)}, 0},
		{"nobody deploys for so long", map[string]Record{"a": took(ref("service", "x"), 1e300)}, longestRun + longestRun/10},
		{"nor for less than nothing", map[string]Record{"a": took(ref("service", "x"), -1e300)}, 0},
		{"in a moment", map[string]Record{"a": took(ref("service", "x"), 0.2)}, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := expected(rs, gate.Ref, Records{By: c.by}); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestJudgeNowKnowsRecords: a deployment is expected to take as long by a fresh look at a gate as by a plan: the records of
// all machines that it guards count, and of those only that are needed for how long it takes.
func TestJudgeNowKnowsRecords(t *testing.T) {
	rel, svc := config.Ref{Kind: "release", Name: "x"}, config.Ref{Kind: "service", Name: "x"}
	night := gate("night")
	var ahead time.Duration
	night.Judge = func(c providers.Case) providers.Verdict {
		ahead = c.Ahead
		return providers.Verdict{Open: true}
	}
	night.Queries = []remote.Query{{Host: "app", Script: "clock"}}
	rs := []providers.Resource{
		{Ref: rel, Queries: []remote.Query{{Host: "app", Script: "x"}}},
		{Ref: svc, Needs: []config.Ref{rel, night.Ref}, Queries: []remote.Query{{Host: "app", Script: "x"}, {Host: "web", Script: "x"}}},
		{Ref: config.Ref{Kind: "service", Name: "other"}, Queries: []remote.Query{{Host: "other", Script: "x"}}},
		night,
	}
	rec := providers.JSON(Record{Format: RecordFormat, Resources: map[string]Recorded{svc.String(): {Took: 90}}})
	facts := remote.Facts{}
	facts.Put(RecordQuery("web"), remote.Answer{Sight: remote.Seen, Text: "record " + string(rec)})
	var dialed []string
	var mu sync.Mutex
	dial := func(_ context.Context, host string) (remote.Machine, error) {
		mu.Lock()
		defer mu.Unlock()
		dialed = append(dialed, host)
		return snapshot{facts}, nil
	}
	JudgeNow(t.Context(), rs, []config.Ref{night.Ref}, dial, true)
	slices.Sort(dialed)
	if want := expected(rs, night.Ref, ReadRecords(facts)); ahead != want || want != 100*time.Second || !slices.Equal(dialed, []string{"app", "web"}) {
		t.Errorf("ahead %s, want %s; asked %v", ahead, want, dialed)
	}
	dialed = nil
	if JudgeNow(t.Context(), rs, []config.Ref{night.Ref}, dial, false); !slices.Equal(dialed, []string{"app"}) {
		t.Errorf("before a step asked %v", dialed)
	}
}
