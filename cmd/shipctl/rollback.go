package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

type rollbackArgs struct {
	applyArgs
	out, to, what string
}

func (c *cli) rollbackCommand() *cobra.Command {
	var a rollbackArgs
	cmd := &cobra.Command{
		Use:   "rollback [flags] [ADDR]",
		Short: "Go back to an earlier release",
		Long: "rollback plans the way back to the last good release that all machines have, or to the one given with -to, with the command and\n" +
			"the environment that it ran with then, and carries it out as apply does. Until -clear-hold (of plan and apply) everything stays there.\n" +
			"ADDR (service.shop) is needed where the configuration has several things to roll back. What it shares a release with goes back too.\n" +
			"Exit codes are those of apply; a rollback that worked is 0.",
		Annotations: speaks(jsonStream),
		Args:        oneArgument("address", false),
	}
	cmd.ValidArgsFunction = c.offering(&a.values, func(rs []providers.Resource) (out []config.Ref) {
		for _, r := range rs {
			if r.Record != nil {
				out = append(out, r.Ref)
			}
		}
		return out
	})
	f := cmd.Flags()
	a.values.add(f)
	f.StringVar(&a.to, "to", "", "the `RELEASE` to go back to; default: the last good one before what is live")
	f.StringVar(&a.out, "out", "", "save the plan to `FILE`, for apply, and do nothing")
	f.BoolVar(&a.compact, "compact", false, "leave the steps out")
	f.BoolVar(&a.pendingNginx, "allow-pending-nginx", false, "reload nginx also where that brings other files to life that were changed since it last did")
	f.IntVar(&a.parallelism, "parallelism", 10, "how many steps run at once")
	a.running(c, f)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a.what = strings.Join(args, "")
		return c.rollback(cmd.Context(), a)
	}
	return cmd
}

func (c *cli) rollback(ctx context.Context, a rollbackArgs) error {
	o := c.options(a.values)
	p, diags := load(o)
	if err := c.check(diags, p.config.Files); err != nil {
		return err
	}
	ref, err := toRollBack(p.resources, a.what)
	if err != nil {
		return err
	}
	if err := writable("-out", a.out); err != nil {
		return err
	}
	if a.out == "" {
		if err := c.canAsk(a.applyArgs, "rollback", "-out=FILE (a plan for apply)"); err != nil {
			return err
		}
	}
	s, err := opening{p.config.Project, p.settings, p.config.Variables, a.consents(), c.log}.session()
	if err != nil {
		return err
	}
	defer s.close()
	rs, err := c.earlier(ctx, s, p.resources, ref, a.to)
	if err != nil {
		return err
	}
	m := &made{session: s, machines: s.dial, wanted: rs, how: how{command: "rollback"}}
	if err := m.ask(ctx); err != nil {
		return err
	}
	if err := c.header(m.plan, o, p, a.planning); err != nil {
		return err
	}
	if a.out == "" {
		return c.carryOut(ctx, m, a.applyArgs)
	}
	c.view(a.compact).Plan(m.plan)
	if err := c.sound(m, a.out); err != nil {
		return err
	}
	return c.save(planArgs{planning: a.planning, out: a.out}, m)
}

// toRollBack is the resource that is meant: what runs, where there is only one such thing.
func toRollBack(rs []providers.Resource, what string) (config.Ref, error) {
	var can []config.Ref
	referred := map[config.Ref]bool{}
	for _, r := range rs {
		for _, n := range r.Needs {
			referred[n] = referred[n] || r.Judge == nil // a window looks at jobs: it is not what they are for
		}
	}
	for _, r := range rs {
		if r.Record == nil {
			continue
		}
		if r.Ref.String() == what {
			return r.Ref, nil
		}
		if !referred[r.Ref] {
			can = append(can, r.Ref)
		}
	}
	var names []string
	for _, r := range can {
		names = append(names, r.String())
	}
	switch {
	case len(can) == 0:
		return config.Ref{}, errors.New("the configuration has nothing that can be rolled back: no release, service or batch")
	case what != "":
		return config.Ref{}, fmt.Errorf("%s can't be rolled back: the configuration has %s", what, strings.Join(names, ", "))
	case len(can) != 1:
		return config.Ref{}, fmt.Errorf("say what to roll back: %s", strings.Join(names, ", "))
	}
	return can[0], nil
}

// earlier asks the machines of everything that goes back together for their history, and chooses.
func (c *cli) earlier(ctx context.Context, s *session, rs []providers.Resource, ref config.Ref, to string) ([]providers.Resource, error) {
	var hosts []string
	for _, r := range planner.Unit(rs, ref) {
		hosts = append(hosts, planner.Hosts(r)...)
	}
	slices.Sort(hosts)
	histories, err := askHistories(ctx, s, slices.Compact(hosts))
	if err != nil {
		return nil, err
	}
	back, release, err := planner.Earlier(rs, ref, to, histories.entries)
	if err != nil {
		return nil, fmt.Errorf("there is nothing to go back to\n%w", err)
	}
	if !c.global.json {
		c.text(c.out).Say(goingBack(ref, release))
	}
	return back, nil
}

// goingBack names a release that a machine's history names.
func goingBack(ref config.Ref, release string) string {
	return fmt.Sprintf("Going back with %s to release %s.", ref, strings.ReplaceAll(printable(release), "\n", "?"))
}

type histories struct {
	entries planner.Histories
	unread  map[string]int // lines that could not be understood
	failed  map[string]error
}

// askHistories fails when a machine can't be asked: what it does not say can't be taken for nothing.
func askHistories(ctx context.Context, s *session, hosts []string) (histories, error) {
	facts, failed := planner.AskHosts(ctx, hosts, planner.HistoryQuery, s.dial)
	out := histories{planner.Histories{}, map[string]int{}, failed}
	for _, h := range hosts {
		switch a := facts.Get(planner.HistoryQuery(h)); a.Sight {
		case remote.Seen:
			out.entries[h], out.unread[h] = planner.ReadHistory(a.Text)
		case remote.Absent:
		default:
			if failed[h] == nil {
				failed[h] = fmt.Errorf("%s: its history: %s: %s", h, a.Sight, a.Why)
			}
		}
	}
	if len(failed) > 0 {
		return out, diagnosed{diags: unreachable(failed)}
	}
	return out, nil
}
