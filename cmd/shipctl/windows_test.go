package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// TestPatience: what waits at the same time counts once.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &patience{all: time.Minute, now: time.Now}
		first := p.wait()
		time.Sleep(10 * time.Second)
		second := p.wait()
		time.Sleep(10 * time.Second)
		first()
		time.Sleep(10 * time.Second)
		if got := p.left(); got != 30*time.Second {
			t.Errorf("%s left while one waits, want 30s", got)
		}
		second()
		time.Sleep(time.Hour)
		if got := p.waited(); got != 30*time.Second {
			t.Errorf("waited %s, want 30s", got)
		}
	})
}

// TestHoldThatFails: where launchers can't be kept waiting the window counts as closed, and is asked again every now and
// then, for as long as -wait-window says: not before a stop that is final.
func TestHoldThatFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		final bool
		took  time.Duration
	}{{"before anything is switched", false, time.Minute}, {"when requests go to the new version", true, 0}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ref := config.Ref{Kind: "batch_window", Name: "night"}
				gate := providers.Resource{
					Ref: ref, Hold: []providers.Hold{{Host: "a", Limit: time.Second}},
					Judge: func(providers.Case) providers.Verdict { return providers.Verdict{Open: true} },
				}
				asked := 0
				g := gatekeeper{windowArgs: windowArgs{waitWindow: time.Minute}, resources: []providers.Resource{gate}, dial: func(context.Context, string) (remote.Machine, error) {
					asked++
					return nil, errors.New("no way there")
				}}
				c := &cli{now: time.Now}
				begin := time.Now()
				_, _, err := c.gate(g, &patience{all: g.waitWindow, now: c.now}, func(string) {})(t.Context(), providers.Step{ID: "service.x/stop", Final: tt.final}, []config.Ref{ref})
				if !errors.Is(err, executor.ErrClosed) || !strings.Contains(err.Error(), "no way there") {
					t.Errorf("%v", err)
				}
				if took := time.Since(begin); took != tt.took || asked > 20 {
					t.Errorf("it took %s and asked %d times, want %s", took, asked, tt.took)
				}
			})
		})
	}
}

// TestOnePatience: what was waited at the start is not waited again before a step.
func TestOnePatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ref := config.Ref{Kind: "batch_window", Name: "night"}
		opens := time.Now().Add(45 * time.Second)
		gate := providers.Resource{Ref: ref, Judge: func(providers.Case) providers.Verdict { return providers.Verdict{Open: !time.Now().Before(opens)} }}
		step := providers.Step{ID: "service.x/switch", Host: "a", Gates: []config.Ref{ref}, Group: "switch"}
		p := &planner.Plan{Order: []providers.StepID{step.ID}, Changes: []providers.Change{{Steps: []providers.Step{step}}}, Windows: []planner.Window{{Ref: ref}}}
		c := &cli{now: time.Now, err: io.Discard}
		m, a := &made{plan: p, resources: []providers.Resource{gate}}, applyArgs{windowArgs: windowArgs{waitWindow: time.Minute}}
		w, begin := c.patience(a), time.Now()
		if err := c.awaitWindows(t.Context(), m, p, a, w); err != nil {
			t.Fatal(err)
		}
		opens = time.Now().Add(time.Hour)
		_, _, err := c.gate(m.gatekeeper(a.windowArgs), w, func(string) {})(t.Context(), step, p.Gates())
		if took := time.Since(begin); !errors.Is(err, executor.ErrClosed) || took != time.Minute {
			t.Errorf("waited %s in all: %v", took, err)
		}
	})
}
