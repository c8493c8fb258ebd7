package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/cmd/view"
	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers/remote"
)

// already refuses a saved plan that was carried out before, also where the machines are again as they were: an approval is
// for once. Of one that is stale because of that, it says so. Machines whose history can't be read refuse nothing: what the
// others say counts, all machines are as they were, and a damaged history must not keep one from being repaired. It is said.
func (c *cli) already(ctx context.Context, m *made, stale error) error {
	if m.plan.Digest == "" || stale == nil && len(m.plan.Order) == 0 {
		return stale
	}
	h, failed := runsOf(ctx, m)
	for _, r := range slices.Backward(view.Runs(h)) {
		if r.Plan != m.plan.Digest {
			continue
		}
		applied := fmt.Sprintf("This plan was applied already, by run %s of %s at %s: %s.",
			printable(r.ID), printable(r.Who), r.Began.UTC().Format(time.RFC3339), printable(r.Outcome))
		switch {
		case stale != nil:
			return fmt.Errorf("%w\n\n%s", stale, applied)
		case carriedOut(m.plan, h, r.ID):
			return fmt.Errorf("%w: it was carried out before\nNothing was done. %s\nThe machines are again as they were before that.\n\nPlan again, and look at what it says now.", errStale, applied)
		}
	}
	if stale == nil && len(failed) > 0 && !m.unclear {
		m.unclear = true
		why := ""
		for _, d := range unreachable(failed) {
			why += "\n" + d.Summary + ": " + d.Detail
		}
		c.view(false).Diagnostics(hcl.Diagnostics{{
			Severity: hcl.DiagWarning, Summary: "Whether this plan was applied before is not known everywhere",
			Detail: "It is carried out, since all machines are as they were when it was made." + printable(why),
		}}, nil)
	}
	return stale
}

// runsOf asks a saved plan's machines for the runs of it, and for what came after them.
func runsOf(ctx context.Context, m *made) (planner.Histories, map[string]error) {
	query := func(host string) remote.Query {
		q := planner.HistoryQuery(host)
		q.Args = []string{m.plan.Digest}
		return q
	}
	hosts, _ := m.plan.Machines()
	facts, failed := planner.AskHosts(ctx, hosts, query, m.dial())
	out := planner.Histories{}
	for _, host := range hosts {
		switch a := facts.Get(query(host)); a.Sight {
		case remote.Seen:
			out[host], _ = planner.ReadHistory(a.Text)
		case remote.Absent:
		default:
			if failed[host] == nil {
				failed[host] = fmt.Errorf("its history: %s: %s", a.Sight, a.Why)
			}
		}
	}
	return out, failed
}

// carriedOut says that a run of the plan did what is in it, all or a part: it may be tried again only where nothing was
// begun, or all was undone. Of a run of which nobody knows how it ended nothing can be left, as the machines are as before
// it: but where another one came after it, that one may be why.
func carriedOut(p *planner.Plan, h planner.Histories, run string) bool {
	steps := map[config.Ref]bool{}
	for _, c := range p.Changes {
		steps[c.Addr.Ref] = steps[c.Addr.Ref] || len(c.Steps) > 0
	}
	for _, entries := range h {
		for i, e := range entries {
			switch {
			case e.Run != run:
			case e.Outcome == planner.Begun:
				if slices.ContainsFunc(entries[i+1:], func(x planner.Entry) bool { return x.Plan != e.Plan && x.Outcome != planner.NotBegun }) {
					return true
				}
			case e.Outcome != planner.Undone && e.Outcome != planner.NotBegun:
				return true
			case slices.ContainsFunc(e.Resources, func(a planner.Applied) bool {
				return steps[a.Ref] && slices.Contains([]string{planner.Done, planner.Removed, planner.Left}, a.Outcome)
			}):
				return true
			}
		}
	}
	return false
}
