package view

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
)

// From design.md, to the letter.
const bluegreen = `
  # service.teatime: 41 → 42
  ~ app-1   live blue :8081 (pid 2113, release 41)  →  green :8082
  ~ web-1   service_url http://10.0.0.11:8081 → http://10.0.0.11:8082
  ~ web-2   service_url http://10.0.0.11:8081 → http://10.0.0.11:8082

  Steps
   1  app-1  upload teatime-42.jar, 48.2 MB
   2  app-1  publish release 42                                after 1
   3  app-1  start green on :8082                              after 2
   4  app-1  wait until green is healthy (100 s at most)       after 3
   5  web-1  check that nginx accepts green                    after 4
   6  web-2  check that nginx accepts green                    after 4
   7  web-1  switch to green                                   after 5, 6   window settlement
   8  web-2  switch to green                                   after 5, 6
   9  app-1  activate release 42                               after 7, 8
  10  web-1  drain blue (30 s at most)                         after 7
  11  web-2  drain blue (30 s at most)                         after 8
  12  app-1  stop blue (pid 2113)                              after 9, 10, 11   window settlement   final
  13  app-1  remove release 36 unless in use                   after 12

Plan: 0 to add, 3 to change, 0 to destroy.
`

func TestPlanText(t *testing.T) {
	for _, tt := range []struct {
		name    string
		plan    *planner.Plan
		compact bool
		want    string
	}{
		{"as design.md shows it", teatime(), false, bluegreen},
		{"compact", teatime(), true, bluegreen[:strings.Index(bluegreen, "\n  Steps")] + "\nPlan: 0 to add, 3 to change, 0 to destroy.\n"},
		{
			"nothing to do", made([]providers.Change{{Addr: addr("release", "a", "h"), Action: providers.NoOp}}, nil), false,
			"\nNo changes. The machines are as the configuration describes them.\n",
		},
		{"problems and warnings are shown, also of what is not changed", made([]providers.Change{
			{Addr: addr("service", "a", "app-1"), Action: providers.NoOp, Problem: "port 8082 is held by a stranger:\npid 77 (nc)"},
			{Addr: addr("service", "a", "app-10"), Action: providers.Create, Warnings: []string{"no shutdown timeout"}},
			{Addr: addr("service", "b", "app-1"), Action: providers.Delete, Line: "stop it"},
		}, nil), false, `
  # service.a
  ! app-1    port 8082 is held by a stranger:
             pid 77 (nc)
  + app-10   to be created
    app-10   warning: no shutdown timeout

  # service.b
  - app-1    stop it

Plan: 1 to add, 0 to change, 1 to destroy.
`},
		{"no steps of what can't be applied", made([]providers.Change{
			{Addr: addr("release", "a", "app-1"), Action: providers.Create, Line: "release 1"},
			{Addr: addr("release", "a", "app-2"), Action: providers.NoOp, Problem: planner.Unasked},
		}, []planned{{host: "app-1", verb: "a", title: "publish release 1"}}), false, `
  # release.a
  + app-1   release 1
  ! app-2   could not be asked

  No steps: nothing of this can be applied before what is marked with "!" is solved.

Plan: 1 to add, 0 to change, 0 to destroy.
1 machine could not be asked: nothing of theirs is counted.
`},
		{"Korean names align", made([]providers.Change{
			{Addr: addr("service", "teatime", "서버-1"), Action: providers.Update, Line: "가"},
			{Addr: addr("service", "teatime", "web-1"), Action: providers.Update, Line: "나"},
		}, []planned{
			{host: "서버-1", verb: "a", title: "릴리스 42 게시"},
			{host: "web-1", verb: "b", title: "switch", after: []int{1}},
		}), false, `
  # service.teatime
  ~ 서버-1   가
  ~ web-1    나

  Steps
   1  서버-1  릴리스 42 게시
   2  web-1   switch                                            after 1

Plan: 0 to add, 2 to change, 0 to destroy.
`},
		{"a machine can't forge lines", made([]providers.Change{
			{Addr: addr("service", "teatime", "app-1"), Action: providers.Update, Line: hostile, Problem: hostile + "\nx"},
		}, []planned{{host: "app-1", verb: "a", title: hostile}}), true, `
  # service.teatime
  ~ app-1   ok\x1b[2K\x1b[1A\x0dPlan: 0 to add\u202egnp.\u200b | ` + "`@everyone`" + ` <b>\x00\xff\x9b31m
  ! app-1   ok\x1b[2K\x1b[1A\x0dPlan: 0 to add\u202egnp.\u200b | ` + "`@everyone`" + ` <b>\x00\xff\x9b31m
            x

Plan: 0 to add, 1 to change, 0 to destroy.
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, b := plainText()
			out.Plan(tt.plan, tt.compact)
			if d := cmp.Diff(tt.want, b.String()); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestColourOnTerminalsOnly(t *testing.T) {
	out, b := plainText()
	out.Color = true
	out.Plan(teatime(), false)
	if !strings.Contains(b.String(), "\x1b[33m~\x1b[0m") {
		t.Errorf("no colours: %q", b)
	}
}

func TestMarkdown(t *testing.T) {
	p := teatime()
	p.Changes[1].Warnings = []string{hostile + "\n`x|y"}
	var b strings.Builder
	if err := Markdown(&b, p, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "plan.md", b.String())
	p.Changes[1].Problem, p.Changes[1].Warnings = hostile+"\n`x|y", nil
	b.Reset()
	if err := Markdown(&b, p, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "problem.md", b.String())
	long := made(nil, nil)
	for i := range 3000 {
		id := providers.StepID(strings.Repeat("x", i+1))
		long.Order = append(long.Order, id)
	}
	b.Reset()
	if err := Markdown(&b, long, false); err != nil || b.Len() > commentLimit {
		t.Errorf("%d bytes, %v", b.Len(), err)
	}
}

// TestTitlesOfTwins: what two resources do in the same words on one machine is told apart wherever people read it.
func TestTitlesOfTwins(t *testing.T) {
	p := &planner.Plan{}
	for _, at := range []struct{ name, host string }{{"jobs", "a"}, {"shop", "a"}, {"shop", "b"}} {
		s := providers.Step{ID: addr("release", at.name, at.host).Step("publish"), Host: at.host, Title: "publish release 1"}
		p.Changes = append(p.Changes, providers.Change{Addr: addr("release", at.name, at.host), Action: providers.Create, Steps: []providers.Step{s}})
		p.Order = append(p.Order, s.ID)
	}
	want := []string{"publish release 1 (release.jobs)", "publish release 1 (release.shop)", "publish release 1"}
	var rows, fates, nodes []string
	for _, row := range table(p) {
		rows = append(rows, strings.TrimSpace(row)[6:])
	}
	out, printed := plainText()
	o := executor.Outcome{States: map[providers.StepID]executor.State{p.Order[0]: executor.Done, p.Order[1]: executor.Done, p.Order[2]: executor.Done}}
	for _, row := range out.fates(p, o) {
		fates = append(fates, row[len("done         a  "):])
	}
	for _, n := range StepGraph(p).Nodes {
		nodes = append(nodes, n.Label[3:])
	}
	for where, got := range map[string][]string{"steps": rows, "fates": fates, "graph": nodes} {
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q", where, got)
		}
	}
	v := Plain(Human{Out: out, Err: out}, p)
	v.Event(executor.Event{Step: p.Steps()[0], State: executor.Done})
	v.End(o)
	if !strings.Contains(printed.String(), "a  "+want[0]+" … done") {
		t.Errorf("progress: %s", printed.String())
	}
	failed := executor.Outcome{Errors: []executor.StepError{{Step: p.Steps()[1], Err: errors.New("no")}}}
	if got := failures(p, failed)[0].Summary; got != "a: "+want[1]+": failed" {
		t.Errorf("failure: %s", got)
	}
	if p.Steps()[0].Title != "publish release 1" {
		t.Error("the plan itself was changed")
	}
}
