package view

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
)

// TestFatesOfAFailure: which step failed is said also when it was undone afterwards.
func TestFatesOfAFailure(t *testing.T) {
	first, second := providers.Step{ID: "1", Host: "a", Title: "start"}, providers.Step{ID: "2", Host: "a", Title: "switch"}
	p := &planner.Plan{Order: []providers.StepID{"1", "2"}, Changes: []providers.Change{{Steps: []providers.Step{first, second}}}}
	out, _ := plainText()
	got := out.fates(p, executor.Outcome{
		States: map[providers.StepID]executor.State{"1": executor.Undone, "2": executor.Undone},
		Errors: []executor.StepError{{Step: second, Err: errors.New("no")}},
	})
	if want := []string{"undone          a  start", "failed, undone  a  switch"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestAdviceNothingServed: where nothing served before, nothing is said to serve still.
func TestAdviceNothingServed(t *testing.T) {
	for _, tt := range []struct {
		name, release, service, want string
	}{
		{"the first deployment", `{"releases":[]}`, `{}`, "undone: all is as it was."},
		{"the program was killed", `{"current":"41","releases":["41"]}`, `{"slots":{"blue":{"pid":0}}}`, "undone: all is as it was."},
		{"a program is live", `{"current":"41"}`, `{"live":"blue","slots":{"blue":{"pid":7}}}`, "undone: what served before still serves."},
		{"a stranger serves", `{"releases":[]}`, `{"held":{"8081":"pid 7: java"}}`, "undone: what served before still serves."},
		{"no service", `{"current":"41"}`, "", "undone: what served before still serves."},
		{"no service, and no release yet", `{"releases":[]}`, "", "undone: all is as it was."},
	} {
		step := providers.Step{ID: "1", Host: "a"}
		p := &planner.Plan{Order: []providers.StepID{"1"}, Changes: []providers.Change{{Addr: addr("release", "shop", "a"), Before: []byte(tt.release), Steps: []providers.Step{step}}}}
		if tt.service != "" {
			p.Changes = append(p.Changes, providers.Change{Addr: addr("service", "shop", "a"), Before: []byte(tt.service)})
		}
		for _, o := range []executor.Outcome{{Errors: []executor.StepError{{Step: step, Err: errors.New("no")}}}, {Interrupted: true}} {
			o.States = map[providers.StepID]executor.State{"1": executor.Undone}
			if got := advice(p, o); !strings.Contains(got, tt.want) {
				t.Errorf("%s: %s", tt.name, got)
			}
		}
	}
}

// TestFatesInCapitals: the advice names the words in capitals: each step that is left has one.
func TestFatesInCapitals(t *testing.T) {
	p := &planner.Plan{Units: map[providers.StepID]string{}}
	o := executor.Outcome{States: map[providers.StepID]executor.State{}}
	for i, st := range []executor.State{executor.Failed, executor.Cut, executor.Done, executor.NotDone} {
		id := providers.StepID(string(rune('1' + i)))
		p.Order, o.Left, o.States[id] = append(p.Order, id), append(o.Left, id), st
		p.Changes = append(p.Changes, providers.Change{Steps: []providers.Step{{ID: id, Host: "a", Title: "stop"}}})
	}
	out, _ := plainText()
	want := []string{"FAILED       a  stop", "INTERRUPTED  a  stop", "DONE, STAYS  a  stop", "NOT UNDONE   a  stop"}
	if got := out.fates(p, o); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
