package view

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// golden compares with testdata/name; UPDATE_GOLDEN=1 writes it instead.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, d)
	}
}

func addr(kind, name, host string) providers.Addr {
	return providers.Addr{Ref: config.Ref{Kind: kind, Name: name}, Host: host}
}

// planned makes a plan of steps given in their order: what each waits for are numbers of earlier ones.
type planned struct {
	host, verb, title string
	after             []int
	final, gated      bool
}

func made(changes []providers.Change, steps []planned) *planner.Plan {
	p := &planner.Plan{
		Format: planner.Format, Tool: "0.1.0", Project: "teatime", Made: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Variables: map[string]planner.Value{"version": {Value: json.RawMessage(`"42"`)}, "password": {Sensitive: true}},
		Units:     map[providers.StepID]string{}, Wait: map[providers.StepID][]providers.StepID{}, Changes: changes,
	}
	for _, s := range steps {
		id := addr("service", "teatime", s.host).Step(s.verb)
		step := providers.Step{
			ID: id, Host: s.host, Title: s.title, Final: s.final, Limit: 100 * time.Second,
			Do: remote.Call{Script: "service/" + s.verb},
		}
		if s.gated {
			step.Gates = []config.Ref{{Kind: "batch_window", Name: "settlement"}}
		}
		if !s.final {
			step.Undo = &remote.Call{Script: "service/undo"}
		}
		for _, n := range s.after {
			p.Wait[id] = append(p.Wait[id], p.Order[n-1])
		}
		p.Order = append(p.Order, id)
		p.Units[id] = "service.teatime"
		for i := range p.Changes {
			if p.Changes[i].Addr == addr("service", "teatime", s.host) {
				p.Changes[i].Steps = append(p.Changes[i].Steps, step)
			}
		}
	}
	return p
}

// teatime is design.md's example.
func teatime() *planner.Plan {
	routes := "service_url http://10.0.0.11:8081 → http://10.0.0.11:8082"
	state := func(slot, release string) json.RawMessage {
		return providers.JSON(map[string]any{"live": slot, "release": release, "env": map[string]any{"PASSWORD": remote.Part{Var: "password"}}})
	}
	return made([]providers.Change{
		{Addr: addr("release", "teatime", "app-1"), Action: providers.NoOp, Line: "42 is there"},
		{
			Addr: addr("service", "teatime", "app-1"), Action: providers.Update, Headline: "41 → 42",
			Line: "live blue :8081 (pid 2113, release 41)  →  green :8082", Before: state("blue", "41"), After: state("green", "42"),
		},
		{Addr: addr("service", "teatime", "web-1"), Action: providers.Update, Headline: "41 → 42", Line: routes},
		{Addr: addr("service", "teatime", "web-2"), Action: providers.Update, Headline: "41 → 42", Line: routes},
	}, []planned{
		{host: "app-1", verb: "upload", title: "upload teatime-42.jar, 48.2 MB"},
		{host: "app-1", verb: "publish", title: "publish release 42", after: []int{1}},
		{host: "app-1", verb: "start", title: "start green on :8082", after: []int{2}},
		{host: "app-1", verb: "healthy", title: "wait until green is healthy (100 s at most)", after: []int{3}},
		{host: "web-1", verb: "check", title: "check that nginx accepts green", after: []int{4}},
		{host: "web-2", verb: "check", title: "check that nginx accepts green", after: []int{4}},
		{host: "web-1", verb: "switch", title: "switch to green", after: []int{5, 6}, gated: true},
		{host: "web-2", verb: "switch", title: "switch to green", after: []int{5, 6}},
		{host: "app-1", verb: "activate", title: "activate release 42", after: []int{7, 8}},
		{host: "web-1", verb: "drain", title: "drain blue (30 s at most)", after: []int{7}},
		{host: "web-2", verb: "drain", title: "drain blue (30 s at most)", after: []int{8}},
		{host: "app-1", verb: "stop", title: "stop blue (pid 2113)", after: []int{9, 10, 11}, gated: true, final: true},
		{host: "app-1", verb: "prune", title: "remove release 36 unless in use", after: []int{12}},
	})
}

// hostile is what a machine might say to be misread.
const hostile = "ok\x1b[2K\x1b[1A\rPlan: 0 to add\u202egnp.\u200b | `@everyone` <b>\x00\xff\u009b31m"

func plainText() (Text, *strings.Builder) {
	var b strings.Builder
	return Text{Out: &b}, &b
}
