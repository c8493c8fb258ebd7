package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/shipctl/shipctl/cmd/view"
	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/all"
	"github.com/shipctl/shipctl/providers/remote"
)

func (c *cli) driftCommand() *cobra.Command {
	var v values
	cmd := &cobra.Command{
		Use:   "drift [flags]",
		Short: "Show what somebody changed on the machines since the last apply",
		Long: "drift compares the machines with what the last apply left there, and tells apart what was changed on a machine since, what of the\n" +
			"configuration was not applied yet, what the configuration dropped, and machines that can't be asked. It changes nothing and needs\n" +
			"no artifact and no version. Exit codes: 0 nothing, 1 error or a machine that could not be asked, 2 something differs.",
		Annotations: speaks(jsonStream),
		Args:        noArguments,
	}
	v.add(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c.detailed = true
		return c.drift(cmd.Context(), v)
	}
	return cmd
}

func (c *cli) drift(ctx context.Context, v values) error {
	p, diags := load(c.options(v))
	if err := c.check(diags, p.config.Files); err != nil {
		return err
	}
	s, err := opening{p.config.Project, p.settings, p.config.Variables, nil, c.log}.session()
	if err != nil {
		return err
	}
	defer s.close()
	m := &made{session: s, machines: s.dial, wanted: p.resources, how: how{command: "apply", whole: true}}
	d, err := m.drift(ctx)
	if err != nil {
		return err
	}
	d.Project = p.config.Project
	d.Ignore(p.config.Ignored, c.now())
	c.view(false).Drift(d)
	if diags := unreachable(m.failed); len(diags) > 0 {
		return diagnosed{diags: diags}
	}
	if d.Any() {
		return errDiffers
	}
	return nil
}

// drift asks the machines and compares: with their records, and with the configuration.
func (m *made) drift(ctx context.Context) (view.Drift, error) {
	spare := m.spares()
	facts, failed := planner.Ask(ctx, m.wanted, m.dial(), spare...)
	m.failed = failed
	for _, h := range planner.Again(spare, facts) {
		delete(facts, h)
	}
	dial := sparing(m.dial(), failed)
	records := planner.ReadRecords(facts)
	d := view.Drift{}
	d.Orphans, _ = planner.Orphans(m.wanted, records, all.Kinds())
	for host, why := range records.Unread {
		if failed[host] == nil {
			failed[host] = unreadError{why}
		}
	}
	left, unclear := records.Left(m.wanted, all.Kinds())
	for _, ref := range records.Refs() {
		why, known := unclear[ref], slices.ContainsFunc(m.wanted, func(r providers.Resource) bool { return r.Ref == ref })
		switch {
		case why != nil && known:
			d.Unclear = append(d.Unclear, why.Error()+": apply writes them anew")
		case why != nil:
			d.Unclear = append(d.Unclear, why.Error())
		}
	}
	wanted, held, err := planner.Holding(m.wanted, records)
	if err != nil {
		wanted = m.wanted
		d.Unclear = append(d.Unclear, err.Error())
	}
	maps.Copy(failed, planner.AskMore(ctx, left, facts, dial))
	maps.Copy(failed, planner.AskMore(ctx, wanted, facts, dial))
	if err := ctx.Err(); err != nil {
		return d, fmt.Errorf("asking the machines: %w", err)
	}
	was, err := planner.Build(left, facts, m.session.scripts)
	if err != nil {
		return d, err
	}
	now, err := planner.Build(wanted, facts, m.session.scripts)
	if err != nil {
		return d, err
	}
	delete(failed, "") // artifacts: drift needs none
	d.Held, d.Missing, d.Nothing = held, slices.Sorted(maps.Keys(failed)), len(records.Refs()) == 0
	d.Unrecorded = len(records.By)+len(records.Open)+len(failed) == 0
	d.Find(was, now, records, failed, specs(wanted, facts))
	return d, nil
}

// unreadError is about a machine that was asked, and whose record says nothing.
type unreadError struct{ why string }

func (e unreadError) Error() string { return e.why }

// specs are the configuration's, as they would be recorded.
func specs(rs []providers.Resource, f remote.Facts) map[config.Ref]string {
	out := map[config.Ref]string{}
	for _, r := range rs {
		out[r.Ref] = string(r.Spec)
		if r.Record != nil {
			spec, _ := r.Record(f)
			out[r.Ref] = string(spec)
		}
	}
	return out
}
