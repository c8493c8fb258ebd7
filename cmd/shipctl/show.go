package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/shipctl/shipctl/cmd/view"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

func (c *cli) showCommand() *cobra.Command {
	var markdown, compact bool
	cmd := &cobra.Command{
		Use:         "show [-json | -markdown] PLANFILE",
		Short:       "Show a saved plan",
		Long:        "show prints a saved plan: for people, with -markdown for a comment on a review, or with -json in the layout of\n\"terraform show -json\", with our steps.",
		Annotations: speaks(jsonDocument),
		Args:        oneArgument("plan file", true),
		RunE: func(_ *cobra.Command, args []string) error {
			if markdown && c.global.json {
				return errors.New("-json or -markdown, not both")
			}
			p, err := readPlan(args[0])
			switch {
			case err != nil:
				return err
			case c.document():
				return view.PlanDocument(c.out, p)
			case markdown:
				return view.Markdown(c.out, p, compact)
			}
			c.human(compact).Plan(p)
			return nil
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "as Markdown")
	cmd.Flags().BoolVar(&compact, "compact", false, "leave the steps out")
	return cmd
}

func (c *cli) statusCommand() *cobra.Command {
	var v values
	cmd := &cobra.Command{
		Use:         "status [flags]",
		Short:       "Show what runs where, and what is live",
		Annotations: speaks(jsonDocument),
		Args:        noArguments,
		RunE:        func(cmd *cobra.Command, _ []string) error { return c.status(cmd.Context(), v) },
	}
	v.add(cmd.Flags())
	return cmd
}

func (c *cli) status(ctx context.Context, v values) error {
	p, diags := load(c.options(v))
	diags, _ = p.secretless(diags, anyBlock)
	if err := c.check(diags, p.config.Files); err != nil {
		return err
	}
	s, err := opening{p.config.Project, p.settings, p.config.Variables, nil, c.log}.session()
	if err != nil {
		return err
	}
	defer s.close()
	facts, failed := planner.Ask(ctx, p.resources, s.dial)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("asking the machines: %w", err)
	}
	var rows []providers.Status
	for _, r := range p.resources {
		if r.Status != nil {
			rows = append(rows, r.Status(facts)...)
		}
	}
	for i, r := range rows {
		rows[i].Note = planner.Unanswered(r.Note, failed[r.Addr.Host])
	}
	delete(failed, remote.Controller) // artifacts: status needs none
	windows, records := planner.Judge(p.resources, facts, true), planner.ReadRecords(facts)
	if c.document() {
		if err := view.StatusDocument(c.out, view.Standing{Project: p.config.Project, Rows: rows, Windows: windows, Open: records.Open, Failed: unasked(failed)}); err != nil {
			return err
		}
	} else {
		c.text(c.out).Status(rows, c.now())
		c.text(c.out).Windows(windows)
		c.text(c.out).UnderWay(records.Open)
		if _, held, err := planner.Holding(p.resources, records); err == nil {
			c.text(c.out).Notes(&planner.Plan{Held: held})
		}
	}
	if len(failed) > 0 {
		return diagnosed{diags: unreachable(failed)}
	}
	return nil
}

func (c *cli) graphCommand() *cobra.Command {
	var v values
	var format, plan string
	formats := []string{"dot", "mermaid", "svg"}
	cmd := &cobra.Command{
		Use:   "graph [flags]",
		Short: "Print the resources, or a plan's steps, as a graph",
		Long:  "graph prints which resource refers to which, or with -plan the steps of a saved plan and what each waits for, as text\nfor Graphviz (dot) or Mermaid, or as a picture (svg). It asks no machine.",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			if !slices.Contains(formats, format) {
				return fmt.Errorf("-format=%s: dot, mermaid or svg", format)
			}
			g, err := c.graph(v, plan)
			if err != nil {
				return err
			}
			switch format {
			case "dot":
				return g.DOT(c.out)
			case "mermaid":
				return g.Mermaid(c.out)
			}
			return g.SVG(c.out)
		},
	}
	v.add(cmd.Flags())
	cmd.Flags().StringVar(&format, "format", "dot", "dot, mermaid or svg")
	// It is a flag of this command, and has no other function: there is no error.
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().StringVar(&plan, "plan", "", "the steps of this plan `FILE`")
	return cmd
}

func (c *cli) graph(v values, plan string) (view.Graph, error) {
	if plan != "" {
		p, err := readPlan(plan)
		if err != nil {
			return view.Graph{}, err
		}
		return view.StepGraph(p), nil
	}
	p, diags := load(c.options(v))
	if err := c.check(diags, p.config.Files); err != nil {
		return view.Graph{}, err
	}
	return view.ResourceGraph(p.resources), nil
}

func unasked(failed map[string]error) (out []view.Unasked) {
	for _, host := range slices.Sorted(maps.Keys(failed)) {
		out = append(out, view.Unasked{Machine: host, Why: failed[host].Error()})
	}
	return out
}
