package planner

import (
	"context"
	"strings"
	"testing"

	"github.com/shipctl/shipctl/providers"
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

// TestAskSpare: machines that no resource is on are asked with the others, once, for their record.
func TestAskSpare(t *testing.T) {
	rs := []providers.Resource{{Queries: []remote.Query{{Host: "app", Script: "release/look"}}}}
	asked := make(chan []remote.Query, 10)
	facts, failed := Ask(t.Context(), rs, func(context.Context, string) (remote.Machine, error) { return counting{asked: asked}, nil }, "app", "spare")
	if len(failed) != 0 || len(asked) != 2 {
		t.Errorf("%v, %d commands", failed, len(asked))
	}
	for range 2 {
		qs := <-asked
		if want := map[string]int{"app": 3, "spare": 2}[qs[0].Host]; len(qs) != want {
			t.Errorf("%s is asked %v", qs[0].Host, qs)
		}
	}
	if a := facts.Get(RecordQuery("spare")); a.Sight != remote.Absent {
		t.Errorf("spare: %s", a.Sight)
	}
}

type counting struct {
	remote.Machine
	asked chan []remote.Query
}

func (c counting) Ask(_ context.Context, qs []remote.Query) ([]remote.Answer, error) {
	c.asked <- qs
	out := make([]remote.Answer, len(qs))
	for i := range out {
		out[i].Sight = remote.Absent
	}
	return out, nil
}
