package executor

import (
	"errors"
	"testing"

	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers/remote"
)

// TestJournalHeld: a history that can't be written because another run has the lease says that, and is not tried again.
func TestJournalHeld(t *testing.T) {
	m := &machine{tries: map[string]int{}, at: map[string]func(int) error{"remote/journal": func(int) error {
		return &remote.ScriptError{Status: 76, Output: "another run took over"}
	}}}
	err := Journal{Run: "r", Dial: m.dial}.Begin(t.Context(), map[string]planner.Entry{"web-1": {}}, nil)
	if !errors.Is(err, ErrHeld) || m.tries["remote/journal"] != 1 {
		t.Errorf("%v after %d tries", err, m.tries["remote/journal"])
	}
}
