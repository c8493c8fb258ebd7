package main

import (
	"context"
	"errors"
	"io"
	"os"
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

// launchers are those of a machine: they keep jobs waiting, unless one runs.
type launchers struct {
	busy   bool
	ran    []string
	epochs []int64
}

func (l *launchers) Ask(context.Context, []remote.Query) ([]remote.Answer, error) { return nil, nil }
func (l *launchers) Close() error                                                 { return nil }

func (l *launchers) Run(_ context.Context, t remote.Ticket, c remote.Call) ([]byte, error) {
	l.ran, l.epochs = append(l.ran, c.Script), append(l.epochs, t.Epoch)
	if c.Script == "hold" && l.busy {
		return nil, &remote.ScriptError{Status: 77, Output: "still running after 30 s: invest." + noStop + "\n"}
	}
	return nil, nil
}

// TestForcedHold: who goes on although a window is closed keeps launchers from starting jobs all the same; a job that goes
// on running is no reason to wait for ever, whenever it began.
func TestForcedHold(t *testing.T) {
	ref := config.Ref{Kind: "batch_window", Name: "night"}
	for _, tt := range []struct {
		name, open string // what the window says, in turn; the last answer stays
		busy       bool
		step       providers.Step
		ran        string
		forced     bool
	}{
		{"closed by the time", "c", false, providers.Step{ID: "x/stop"}, "hold letgo", true},
		{"a job runs", "c", true, providers.Step{ID: "x/stop", Final: true}, "hold anyway letgo", true},
		{"a job began after the look", "oc", true, providers.Step{ID: "x/stop", Final: true}, "hold letgo hold anyway letgo", true},
		{"open", "o", false, providers.Step{ID: "x/stop"}, "hold letgo", false},
		{"a switch stops nothing", "c", true, providers.Step{ID: "x/switch", Group: "switch"}, "", true},
		{"the start neither", "c", true, providers.Step{}, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, answers := &launchers{busy: tt.busy}, tt.open
			gate := providers.Resource{
				Ref: ref, Hold: []providers.Hold{{
					Host: "a", Limit: time.Second, Do: remote.Call{Script: "hold"}, Anyway: remote.Call{Script: "anyway"}, LetGo: remote.Call{Script: "letgo"},
				}},
				Judge: func(providers.Case) providers.Verdict {
					now := answers[0]
					answers = answers[min(1, len(answers)-1):]
					return providers.Verdict{Open: now == 'o', Why: "invest runs"}
				},
			}
			g := gatekeeper{
				windowArgs: windowArgs{forceWindow: "audit"}, resources: []providers.Resource{gate}, run: "r", epoch: func(string) int64 { return 7 },
				dial: func(context.Context, string) (remote.Machine, error) { return m, nil },
			}
			c, said := &cli{now: time.Now}, ""
			windows, letGo, err := c.gate(g, &patience{now: c.now}, func(s string) { said += s + "\n" })(t.Context(), tt.step, []config.Ref{ref})
			if letGo != nil {
				letGo()
			}
			if got := strings.Join(m.ran, " "); err != nil || got != tt.ran {
				t.Errorf("%v: ran %q, want %q", err, got, tt.ran)
			}
			if closed := executor.Closed(windows) != nil; closed != tt.forced || strings.Contains(said, "Forced, for this reason: audit") != tt.forced {
				t.Errorf("closed %v, want %v; said %s", closed, tt.forced, said)
			}
			if strings.Contains(tt.ran, "anyway") != strings.Contains(said, "still running after 30 s: invest. Going on all the same.\n") || strings.Contains(said, noStop) {
				t.Errorf("said %s", said)
			}
			for _, e := range m.epochs {
				if e != 7 {
					t.Errorf("with epoch %d", e)
				}
			}
		})
	}
}

// TestHoldSays: who is refused hears that nothing was stopped, in the words that who goes on does not hear.
func TestHoldSays(t *testing.T) {
	script, err := os.ReadFile("../../providers/batch/hold.sh")
	if err != nil || !strings.Contains(string(script), noStop) {
		t.Errorf("%v: hold.sh does not say %q", err, noStop)
	}
	ref, m := config.Ref{Kind: "batch_window", Name: "night"}, &launchers{busy: true}
	gate := providers.Resource{
		Ref: ref, Hold: []providers.Hold{{Host: "a", Limit: time.Second, Do: remote.Call{Script: "hold"}}},
		Judge: func(providers.Case) providers.Verdict { return providers.Verdict{Open: true} },
	}
	g := gatekeeper{resources: []providers.Resource{gate}, dial: func(context.Context, string) (remote.Machine, error) { return m, nil }}
	c := &cli{now: time.Now}
	_, _, err = c.gate(g, &patience{now: c.now}, func(string) {})(t.Context(), providers.Step{ID: "x/stop", Final: true}, []config.Ref{ref})
	if err == nil || !strings.HasSuffix(err.Error(), noStop) {
		t.Errorf("%v", err)
	}
}

// TestRenewedHold: what is held stays so until it is let go, however long that takes, and not a moment longer.
func TestRenewedHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ref, m := config.Ref{Kind: "batch_window", Name: "night"}, &launchers{}
		gate := providers.Resource{
			Ref: ref, Judge: func(providers.Case) providers.Verdict { return providers.Verdict{Open: true} },
			Hold: []providers.Hold{{
				Host: "a", Limit: time.Second, Renew: 2 * time.Minute,
				Do: remote.Call{Script: "hold"}, Anyway: remote.Call{Script: "anyway"}, LetGo: remote.Call{Script: "letgo"},
			}},
		}
		g := gatekeeper{resources: []providers.Resource{gate}, dial: func(context.Context, string) (remote.Machine, error) { return m, nil }}
		c := &cli{now: time.Now}
		_, letGo, err := c.gate(g, &patience{now: c.now}, func(string) {})(t.Context(), providers.Step{ID: "x/stop"}, []config.Ref{ref})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		letGo()
		time.Sleep(time.Hour)
		if got := strings.Join(m.ran, " "); got != "hold anyway anyway letgo" {
			t.Errorf("ran %q", got)
		}
	})
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

func TestForcedNote(t *testing.T) {
	for _, reason := range []string{"hot fix", "hot fix."} {
		if got, want := forcedNote(reason, errors.New("a window is closed: jobs run")), "Forced, for this reason: hot fix. A window is closed: jobs run"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
