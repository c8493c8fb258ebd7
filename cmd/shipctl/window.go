package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // machines without zoneinfo

	"github.com/spf13/cobra"

	"github.com/shipctl/shipctl/cmd/view"
	"github.com/shipctl/shipctl/providers/window/cron"
)

const (
	maxPreview = 10000
	// previewLayout is RFC 3339 with a number for UTC's offset too.
	previewLayout = "2006-01-02T15:04:05-07:00"
)

// preview is what was asked of "window preview".
type preview struct {
	expr, zone, from string
	count            int
	values
}

func (c *cli) windowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "window",
		Short: "Show when jobs start that keep deployments away",
		Args:  noCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	sub := c.previewCommand()
	sub.DisableFlagsInUseLine = true
	cmd.AddCommand(sub)
	return cmd
}

func (c *cli) previewCommand() *cobra.Command {
	var p preview
	cmd := &cobra.Command{
		Use:   "preview [-expr=EXPR] [flags]",
		Short: "Print when the windows close next, or the next times of a cron expression",
		Long: "Without -expr, preview asks the machines and prints when the windows of the configuration are closed next.\n" +
			"With it, preview prints the next times of a cron expression, one a line, in the offset of the time zone; nothing when there are none.\n" +
			"Six fields, seconds first, are read as Spring does, five as cron does.",
		Annotations: speaks(jsonDocument),
		Args:        noArguments,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if p.expr == "" && !cmd.Flags().Changed("expr") {
			return c.closings(cmd.Context(), p)
		}
		return c.preview(p)
	}
	f := cmd.Flags()
	p.add(f)
	f.StringVar(&p.expr, "expr", "", "the cron expression `EXPR`, in quotes")
	f.StringVar(&p.zone, "tz", "UTC", "the time zone, as Europe/Berlin")
	f.StringVar(&p.from, "from", "", "only later times than `TIME`: RFC 3339, or without an offset a time of the zone (default: now)")
	f.IntVar(&p.count, "count", 10, "how many times")
	return cmd
}

func (c *cli) preview(p preview) error {
	if p.expr == "" {
		return errors.New("-expr is needed: the cron expression to show, as in shipctl window preview -expr='0 0 13 * * *'")
	}
	if p.count < 1 || p.count > maxPreview {
		return fmt.Errorf("-count is from 1 to %d, not %d", maxPreview, p.count)
	}
	loc, err := zone(p.zone)
	if err != nil {
		return err
	}
	at := c.now()
	if p.from != "" {
		if at, err = moment(p.from, loc); err != nil {
			return err
		}
	}
	schedule, err := cron.Parse(p.expr)
	if err != nil {
		return fmt.Errorf("-expr is no cron expression: %w", err)
	}
	times := []string{}
	for range p.count {
		next, ok := schedule.Next(at, loc)
		if !ok {
			break
		}
		times = append(times, next.Format(previewLayout))
		at = next
	}
	if c.document() {
		return view.PreviewDocument(c.out, p.expr, loc.String(), times)
	}
	for _, t := range times {
		if _, err := fmt.Fprintln(c.out, t); err != nil {
			return err
		}
	}
	return nil
}

// zone is a time zone by its name; what this machine calls local is none.
func zone(name string) (*time.Location, error) {
	loc, err := time.LoadLocation(name)
	if err != nil || name == "" || strings.EqualFold(name, "local") {
		return nil, fmt.Errorf("-tz: there is no time zone %q\nA zone is named as in the tz database: UTC, Europe/Berlin, America/New_York.", name)
	}
	return loc, nil
}

// moment reads a time; one without an offset is what the clocks of the zone show.
func moment(text string, loc *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return cron.Local(t, loc), nil
		}
	}
	return time.Time{}, fmt.Errorf("-from: %q is no time\nWrite it as 2026-03-08T12:00:00Z, with another offset (+01:00), or without one for the time zone of -tz.", text)
}
