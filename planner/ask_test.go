package planner

import (
	"context"
	"strings"
	"testing"

	"github.com/shipctl/shipctl/providers/remote"
)

type broken struct{ remote.Machine }

func (broken) Ask(context.Context, []remote.Query) ([]remote.Answer, error) { panic("no such fact") }

// TestAskBug: a panic while one machine is asked is that machine's error; the others' answers are there.
func TestAskBug(t *testing.T) {
	facts, failed := AskHosts(t.Context(), []string{"web-1", "web-2"}, RecordQuery, func(_ context.Context, host string) (remote.Machine, error) {
		if host == "web-1" {
			return broken{}, nil
		}
		return absent{}, nil
	})
	if len(failed) != 1 || failed["web-1"] == nil || !strings.Contains(failed["web-1"].Error(), "this is a bug in shipctl: no such fact") {
		t.Errorf("%v", failed)
	}
	if a := facts.Get(RecordQuery("web-1")); a.Sight != remote.Unreachable {
		t.Errorf("web-1: %s", a.Sight)
	}
	if a := facts.Get(RecordQuery("web-2")); a.Sight != remote.Absent {
		t.Errorf("web-2: %s", a.Sight)
	}
}

type absent struct{ remote.Machine }

func (absent) Ask(context.Context, []remote.Query) ([]remote.Answer, error) {
	return []remote.Answer{{Sight: remote.Absent}}, nil
}
