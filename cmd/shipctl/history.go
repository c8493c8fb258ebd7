package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shipctl/shipctl/cmd/view"
)

func (c *cli) historyCommand() *cobra.Command {
	var v values
	var limit int
	cmd := &cobra.Command{
		Use:   "history [flags] [RUN]",
		Short: "Show what was deployed when, by whom, and how it ended",
		Long: "history reads what every run wrote down on the machines: who, when, from which release to which, how it ended, how long it\n" +
			"took. With the ID of a RUN it shows its steps and what they said.",
		Annotations: speaks(jsonDocument),
		Args:        oneArgument("run's ID", false),
	}
	v.add(cmd.Flags())
	cmd.Flags().IntVar(&limit, "limit", 20, "how many runs, the newest; 0: all")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.history(cmd.Context(), v, strings.Join(args, ""), limit)
	}
	return cmd
}

func (c *cli) history(ctx context.Context, v values, run string, limit int) error {
	p, diags := load(c.options(v))
	diags, _ = p.secretless(diags, hostBlock)
	if err := c.check(diags, p.config.Files); err != nil {
		return err
	}
	s, err := opening{p.config.Project, p.settings, p.config.Variables, nil, c.log}.session()
	if err != nil {
		return err
	}
	defer s.close()
	hosts := slices.Sorted(maps.Keys(p.settings))
	read, failed := askHistories(ctx, s, hosts) // what others say is shown in any case
	runs := view.Runs(read.entries)
	if run != "" {
		runs = slices.DeleteFunc(runs, func(r view.Run) bool { return !strings.HasPrefix(r.ID, run) })
	}
	if limit > 0 && len(runs) > limit {
		runs = runs[len(runs)-limit:]
	}
	switch {
	case c.document():
		err = view.HistoryDocument(c.out, p.config.Project, runs, unasked(read.failed))
	case run != "":
		c.text(c.out).RunDetails(runs)
		for _, r := range runs {
			if name := c.journalOf(p.config.Project, r.ID); name != "" {
				c.text(c.out).Say("  This machine's journal of it: " + name)
			}
		}
	case len(runs) > 0 || failed == nil:
		c.text(c.out).History(runs)
	}
	for _, h := range hosts {
		if n := read.unread[h]; n > 0 && !c.document() {
			c.text(c.err).Say(view.UnreadLines(h, n))
		}
	}
	if err == nil && failed == nil && run != "" && len(runs) == 0 {
		return errFailed
	}
	if err != nil {
		return err
	}
	return failed
}
