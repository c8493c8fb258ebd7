package view

import (
	"errors"
	"slices"
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
