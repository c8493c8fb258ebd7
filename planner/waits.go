package planner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/providers"
)

// Waits of each step: the steps that it comes after. In a file, steps that wait for the same are together: on a thousand
// machines each "stop" waits for a thousand others.
type Waits map[providers.StepID][]providers.StepID

// waitGroup is steps that wait for the same ones.
type waitGroup struct {
	Steps []providers.StepID `json:"steps"`
	For   []providers.StepID `json:"for"`
}

// MarshalJSON gives [{"steps": [...], "for": [...]}, ...], by their first steps.
func (w Waits) MarshalJSON() ([]byte, error) {
	place := map[string]int{}
	groups := []waitGroup{}
	for _, id := range slices.Sorted(maps.Keys(w)) {
		var key strings.Builder
		for _, other := range w[id] {
			fmt.Fprintf(&key, "%s\n", other)
		}
		i, is := place[key.String()]
		if !is {
			i = len(groups)
			place[key.String()] = i
			groups = append(groups, waitGroup{For: w[id]})
		}
		groups[i].Steps = append(groups[i].Steps, id)
	}
	return json.Marshal(groups)
}

// UnmarshalJSON reads what MarshalJSON wrote. It refuses unknown fields, and a step that is there twice.
func (w *Waits) UnmarshalJSON(raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var groups []waitGroup
	if err := d.Decode(&groups); err != nil {
		return fmt.Errorf("wait: %w", err)
	}
	*w = Waits{}
	for _, g := range groups {
		for _, id := range g.Steps {
			if _, twice := (*w)[id]; twice {
				return fmt.Errorf("wait: step %q is there twice", id)
			}
			(*w)[id] = slices.Clip(g.For)
		}
	}
	return nil
}
