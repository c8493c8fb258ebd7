package sim_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
)

// TestRollbackWithJobs: any deployments of a service with jobs, each with the version given or without; and then any way
// back. The launchers are those of then, plan is empty, and what is recorded is the same as then.
func TestRollbackWithJobs(t *testing.T) {
	s := newShop(t)
	rapid.Check(t, func(t *rapid.T) {
		c := base()
		c.Apps, c.Webs, c.Jobs = rapid.IntRange(1, 2).Draw(t, "apps"), 1, true
		r := &run{tb: t, shop: s, w: world(c), parallel: 1}
		b := books{run: r, past: planner.Histories{}, launchers: map[string]string{}, specs: map[string]string{}}
		n := rapid.IntRange(2, 4).Draw(t, "deployments")
		for i := range n {
			c.Version = fmt.Sprint(40 + i)
			c.Command = rapid.SampledFrom([]string{"one", "two", "three"}).Draw(t, "command")
			c.Flag = rapid.SampledFrom([]string{"", "--new"}).Draw(t, "flag")
			b.deploy(c)
		}
		if rapid.Bool().Draw(t, "live") {
			c.Version = ""
		}
		to := fmt.Sprint(40 + rapid.IntRange(0, n-2).Draw(t, "to"))
		ref := rapid.SampledFrom([]config.Ref{{Kind: "batch", Name: "night"}, {Kind: "service", Name: "teatime"}}).Draw(t, "what")
		b.back(c, ref, to)
	})
}

// books are what runs wrote down.
type books struct {
	*run
	past             planner.Histories
	launchers, specs map[string]string // by release
}

// deploy applies, and looks whether an apply of what is live would write anything else down.
func (b *books) deploy(c conf) {
	b.Helper()
	p := b.apply(c)
	applied := b.applied(b.load(b.tb, c), p)
	for host, as := range applied {
		b.past[host] = append(b.past[host], planner.Entry{Format: planner.RecordFormat, Run: fmt.Sprint(b.runs), Command: "apply", Outcome: planner.Done, Resources: as})
	}
	b.launchers[c.Version], b.specs[c.Version] = b.there(c), specs(applied)
	live := c
	live.Version = ""
	for _, again := range []conf{live, c} {
		p := b.plan(again)
		if now := specs(b.applied(b.load(b.tb, again), p)); !p.Empty() || now != b.specs[c.Version] {
			b.Fatalf("version %q would be recorded as\n%s\nand was as\n%s\n%s", again.Version, now, b.specs[c.Version], said(p))
		}
	}
}

func (b *books) applied(rs []providers.Resource, p *planner.Plan) map[string][]planner.Applied {
	return p.Applications(rs, planner.Records{}, func(string) string { return planner.Done })
}

// specs are those of the jobs and of what they run. A rollback of a service keeps some of what is today's.
func specs(applied map[string][]planner.Applied) string {
	var out strings.Builder
	for _, host := range []string{"app-1", "app-2"} {
		for _, a := range applied[host] {
			if a.Ref.Kind != "service" {
				fmt.Fprintf(&out, "%s %s %s %s\n", host, a.Ref, a.Release, a.Spec)
			}
		}
	}
	return out.String()
}

func (b *books) there(c conf) (out string) {
	for i := range c.Apps {
		text, _ := b.w.Host(fmt.Sprintf("app-%d", i+1)).Batch.Ask("batch/files", []string{c.Root})
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "pending") { // a word about the past
				out += line
			}
		}
	}
	return out
}

// back rolls back, twice: the second time there is nothing to do.
func (b *books) back(c conf, ref config.Ref, to string) {
	b.Helper()
	rs, release, err := planner.Earlier(b.load(b.tb, c), ref, to, b.past)
	if err != nil || release != to {
		b.Fatalf("to %q: %v", release, err)
	}
	for i := range 2 {
		facts, failed := planner.Ask(context.Background(), rs, b.w.Dial)
		p, err := planner.Build(rs, facts, nil)
		if err != nil || len(failed) > 0 || p.Empty() != (i == 1) {
			b.Fatalf("run %d: %v %v\n%s", i, err, failed, said(p))
		}
		b.sound(p)
		if out := b.execute(p); !out.OK() {
			b.Fatalf("%v", out.Errors)
		}
		if now := specs(b.applied(rs, p)); now != b.specs[to] {
			b.Fatalf("recorded as\n%s\nand was as\n%s", now, b.specs[to])
		}
		if now := b.there(c); now != b.launchers[to] {
			b.Fatalf("the launchers are\n%s\nand were\n%s", now, b.launchers[to])
		}
	}
	b.safe()
}
