package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/local"
)

// output may be read while it is written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// waiting is a plan of two steps on this machine. The first says that it runs and ends when the file "go" is there; it
// can be undone.
func waiting(dir string) (*planner.Plan, planner.Dial) {
	addr := providers.Addr{Ref: config.Ref{Kind: "test", Name: "a"}, Host: "here"}
	step := func(verb, script string, after ...providers.StepID) providers.Step {
		return providers.Step{
			ID: addr.Step(verb), Host: "here", Title: verb, After: after, Limit: time.Minute,
			Do: remote.Call{Script: script, Args: []string{dir}}, Undo: &remote.Call{Script: "test/undo", Args: []string{dir}},
		}
	}
	first := step("wait", "test/wait")
	r := providers.Resource{Ref: addr.Ref, Diff: func(remote.Facts) []providers.Change {
		return []providers.Change{{Addr: addr, Action: providers.Update, Steps: []providers.Step{first, step("then", "test/undo", first.ID)}}}
	}}
	p, err := planner.Build([]providers.Resource{r}, nil, nil)
	if err != nil {
		panic(err)
	}
	m := local.New(local.Settings{Host: "here", StateDir: filepath.Join(dir, "state")}, remote.Setup{Project: "test", Library: remote.Library{
		"remote/identity": "exit 0",
		"test/wait":       `: >"$1/running"; while [ ! -e "$1/go" ]; do nap; done`,
		"test/undo":       `: >"$1/undone"`,
	}})
	return p, func(context.Context, string) (remote.Machine, error) { return m, nil }
}

func there(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
	t.Fatalf("%s did not appear", path)
}

// applying runs the plan until its first step is under way.
func applying(t *testing.T) (dir string, c *cli, out *output, cancel func(), ended <-chan error) {
	dir = t.TempDir()
	out = &output{}
	c = &cli{out: out, err: out, now: time.Now, log: hclog.NewNullLogger(), detailed: true}
	p, dial := waiting(dir)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- c.execute(ctx, &made{plan: p, machines: dial}, &executor.Lease{ID: "test"}, applyArgs{planning: planning{parallelism: 1}}, c.patience(applyArgs{}))
	}()
	there(t, filepath.Join(dir, "running"))
	return dir, c, out, stop, done
}

func release(t *testing.T, dir string) {
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFirstInterruptFinishesTheStepAndUndoes(t *testing.T) {
	dir, c, out, cancel, ended := applying(t)
	cancel()
	c.interrupted()
	release(t, dir)
	err := <-ended
	there(t, filepath.Join(dir, "undone"))
	if code := exitCode(err, true); code != 6 {
		t.Errorf("exit code %d: %v", code, err)
	}
	for _, want := range []string{"are being waited for", "A second interrupt leaves at once", "here  wait … done", "here  wait … undone", "Error: Interrupted", "1 step not begun"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("not said: %s\n%s", want, out)
		}
	}
}

func TestSecondInterruptLeavesAtOnce(t *testing.T) {
	dir, c, out, cancel, ended := applying(t)
	cancel()
	c.interrupted()
	err := c.abandon() // while the step runs
	if code := exitCode(err, true); code != 7 {
		t.Errorf("exit code %d: %v", code, err)
	}
	if !strings.Contains(out.String(), "RUNNING      here  wait") {
		t.Errorf("what is left is not said:\n%s", out)
	}
	said := out.String()
	release(t, dir)
	<-ended
	if out.String() != said {
		t.Errorf("something was said after the end:\n%s", out)
	}
}

// TestSecondInterruptNamesTheLeases that were, or were being, taken before the first step.
func TestSecondInterruptNamesTheLeases(t *testing.T) {
	c := &cli{}
	taking, ctx := make(chan struct{}), t.Context()
	l := &executor.Lease{ID: "me", Last: 30 * time.Second, Dial: func(context.Context, string) (remote.Machine, error) {
		close(taking)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	c.holds(l)
	if err := c.abandon(); !errors.Is(err, context.Canceled) {
		t.Errorf("before any was taken: %v", err)
	}
	go func() { _ = l.Take(ctx, []string{"app-1", "web-1"}, func(error) {}) }()
	<-taking
	err := c.abandon()
	if err == nil || err.Error() != "Interrupted\nNothing was changed. The lease ends by itself within 30s; it is held on app-1, and shipctl force-unlock me ends it sooner." {
		t.Errorf("%v", err)
	}
}

// TestSecondInterruptNamesKeptJobs: while a stop is held, and no longer.
func TestSecondInterruptNamesKeptJobs(t *testing.T) {
	ref := config.Ref{Kind: "batch_window", Name: "night"}
	rs := []providers.Resource{{
		Ref: ref, Judge: func(providers.Case) providers.Verdict { return providers.Verdict{Open: true} },
		Hold: []providers.Hold{{Host: "batch-1"}, {Host: "batch-2"}},
	}}
	r := &run{kept: map[string]int{}}
	during := ""
	gate := r.keeping(rs, func(context.Context, providers.Step, []config.Ref) ([]planner.Window, func(), error) {
		during = r.waiting()
		return nil, func() {}, nil
	})
	_, letGo, _ := gate(t.Context(), providers.Step{ID: "x/stop"}, []config.Ref{ref})
	held := r.waiting()
	letGo()
	if !strings.Contains(during, "Jobs on batch-1, batch-2 are kept") || held != during || r.waiting() != "" {
		t.Errorf("during %q, held %q, after %q", during, held, r.waiting())
	}
	if _, _, _ = gate(t.Context(), providers.Step{ID: "x/switch", Group: "g"}, []config.Ref{ref}); during != "" {
		t.Errorf("a switch holds nothing: %q", during)
	}
}

// TestInterruptsAfterTheEnd: what comes while the leases are given back changes nothing about how the run ended.
func TestInterruptsAfterTheEnd(t *testing.T) {
	dir, c, out, _, ended := applying(t)
	release(t, dir)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	said := out.String()
	c.interrupted()
	if code := exitCode(c.abandon(), true); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if out.String() != said {
		t.Errorf("something was said after the end:\n%s", out)
	}
}

// TestNotWrittenDown: a run that can't be written down is none, to the screen and to the interrupts.
func TestNotWrittenDown(t *testing.T) {
	var out output
	c := &cli{out: &out, err: &out, now: time.Now, log: hclog.NewNullLogger()}
	p, dial := waiting(t.TempDir())
	rs := []providers.Resource{{Ref: p.Changes[0].Addr.Ref}}
	p.Facts = remote.Facts{"here": {}}
	err := c.execute(t.Context(), &made{plan: p, machines: dial, resources: rs}, &executor.Lease{ID: "test"}, applyArgs{planning: planning{parallelism: 1}}, c.patience(applyArgs{}))
	if err == nil || !strings.Contains(err.Error(), "nothing was begun") {
		t.Fatalf("%v", err)
	}
	if c.running() != nil || out.String() != "" {
		t.Errorf("running: %v; said:\n%s", c.running(), out.String())
	}
}

// TestEnding: CI tries again later only where windows are the only reason.
func TestEnding(t *testing.T) {
	p := &planner.Plan{}
	closed := executor.StepError{Err: fmt.Errorf("x: %w", executor.ErrClosed)}
	failed, undo := executor.StepError{Err: errors.New("no")}, executor.StepError{Err: executor.ErrClosed, Undo: true}
	for _, c := range []struct {
		name string
		out  executor.Outcome
		code int
	}{
		{"done", executor.Outcome{}, 0},
		{"closed", executor.Outcome{Closed: true, Errors: []executor.StepError{closed, closed}}, 3},
		{"closed, and another failed", executor.Outcome{Closed: true, Errors: []executor.StepError{closed, failed}}, 6},
		{"closed, and undoing failed", executor.Outcome{Closed: true, Errors: []executor.StepError{closed, undo}}, 6},
		{"failed", executor.Outcome{Errors: []executor.StepError{failed}}, 6},
		{"interrupted", executor.Outcome{Interrupted: true}, 6},
		{"taken over", executor.Outcome{Closed: true, Errors: []executor.StepError{closed, {Err: executor.ErrHeld}}}, 4},
	} {
		if code := exitCode(ending(p, c.out), true); code != c.code {
			t.Errorf("%s: %d, want %d", c.name, code, c.code)
		}
	}
}

func TestSnapshot(t *testing.T) {
	p := &planner.Plan{Units: map[providers.StepID]string{"a": "1", "b": "1", "c": "2", "d": "1"}, Order: []providers.StepID{"a", "b", "c", "d"}}
	r := &run{plan: p, states: map[providers.StepID]executor.State{"a": executor.Done, "b": executor.Undone, "c": executor.Done}}
	out, _ := r.snapshot()
	if d := cmp.Diff([]providers.StepID{"a"}, out.Left); d != "" {
		t.Error(d)
	}
}

func TestAgreedIsReadBackFromThePlan(t *testing.T) {
	f := remote.Facts{}
	want := planner.Consents{"take-over": {"service.a", `service.c["x y"]`}, "pending-nginx": {"*"}}
	machine := planner.NewController(nil, want)
	queries := []remote.Query{providers.Consent("take-over", "service.a"), providers.Consent("take-over", `service.c["x y"]`), providers.Consent("take-over", "service.b"), providers.Consent("pending-nginx", "*")}
	answers, err := machine.Ask(t.Context(), queries)
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range queries {
		f.Put(q, answers[i])
	}
	got := agreed(f)
	slices.Sort(got["take-over"])
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
