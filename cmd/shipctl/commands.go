package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// What -json means for a command is an annotation of it.
const (
	annotationJSON = "json"
	jsonStream     = "stream"   // one object a line, while it happens
	jsonDocument   = "document" // one object, at the end
)

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "shipctl",
		Short:         "Ship new versions of programs to machines over SSH",
		Long:          "shipctl ships new versions of programs to plain Linux machines over SSH, without losing a request.\nThe .hcl files in the current directory say what should run where; plan shows what differs, apply makes it so.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version,
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	root.SetVersionTemplate("shipctl {{.Version}}\n")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return c.before(cmd) }
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { help(cmd.OutOrStdout(), cmd) })
	root.SetFlagErrorFunc(c.flagError)
	f := root.PersistentFlags()
	f.StringVar(&c.global.chdir, "chdir", "", "change to `DIR` first")
	f.BoolVar(&c.global.noColor, "no-color", false, "no colours, also on a terminal (as with NO_COLOR)")
	f.BoolVar(&c.global.input, "input", true, "ask on the terminal; -input=false: never")
	f.BoolVar(&c.global.json, "json", false, "output for programs")
	f.StringVar(&c.global.logLevel, "log-level", "", "trace, debug, info, warn or error: a log on standard error (or SHIPCTL_LOG_PATH)")
	root.AddCommand(c.initCommand(), c.fmtCommand(), c.validateCommand(), c.planCommand(), c.applyCommand(), c.rollbackCommand(), c.driftCommand(), c.historyCommand(),
		c.unlockCommand(), c.factsCommand(), c.adoptCommand(),
		c.showCommand(), c.statusCommand(), c.gateCommand(), c.graphCommand(), c.windowCommand(), c.versionCommand())
	root.InitDefaultCompletionCmd()
	for _, sub := range root.Commands() {
		sub.DisableFlagsInUseLine = true
		if sub.Name() == "completion" {
			sub.Args, sub.RunE = noCommand, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	return root
}

func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("There is no command %q.", args[0])
	if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
		text += fmt.Sprintf(" Did you mean %q?", s[0])
	}
	return fmt.Errorf("%s\nSee \"%s -help\".", text, cmd.CommandPath())
}

// noArguments and atMostOne word cobra's checks.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no arguments, and %q is one\nSee \"%s -help\".", cmd.CommandPath(), args[0], cmd.CommandPath())
	}
	return nil
}

func oneArgument(what string, required bool) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return fmt.Errorf("%s takes one %s, and %q is one too many\nFlags stand before it or behind it. See \"%s -help\".", cmd.CommandPath(), what, args[1], cmd.CommandPath())
		case len(args) == 0 && required:
			return fmt.Errorf("%s needs %s\nSee \"%s -help\".", cmd.CommandPath(), article(what), cmd.CommandPath())
		}
		return nil
	}
}

// article puts "a" or "an" before a word.
func article(what string) string {
	if strings.ContainsAny(what[:1], "aeiouAEIOU") {
		return "an " + what
	}
	return "a " + what
}

// flagError words pflag's errors, which know of two dashes only.
func (c *cli) flagError(cmd *cobra.Command, err error) error {
	text := oneDash(err.Error())
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		name := unknown.GetSpecifiedName()
		if s := unknown.GetSpecifiedShortnames(); s != "" {
			name, _, _ = strings.Cut(s, "=")
		}
		text = fmt.Sprintf("%s has no flag -%s.%s%s", cmd.CommandPath(), name, nearest(cmd, name), c.ofExtra(name))
	}
	return fmt.Errorf("%s\nSee \"%s -help\".", text, cmd.CommandPath())
}

func nearest(cmd *cobra.Command, name string) string {
	best, closest := "", 3
	see := func(f *pflag.Flag) {
		if d := levenshtein.Distance(name, f.Name, nil); d < closest {
			best, closest = f.Name, d
		}
	}
	cmd.Flags().VisitAll(see)
	cmd.InheritedFlags().VisitAll(see)
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean -%s?", best)
}

// oneDash: flags are shown as they are documented, with one dash.
func oneDash(s string) string { return strings.ReplaceAll(s, "--", "-") }

func help(w io.Writer, cmd *cobra.Command) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(w, "%s\n\nUsage: %s\n", strings.TrimSpace(text), usage(cmd))
	if cmd.HasAvailableSubCommands() {
		fmt.Fprint(w, "\nCommands:\n")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(w, "  %-12s %s\n", sub.Name(), sub.Short)
			}
		}
	}
	flags(w, "Flags", cmd.LocalNonPersistentFlags())
	global := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, set := range []*pflag.FlagSet{cmd.InheritedFlags(), cmd.PersistentFlags()} {
		set.VisitAll(func(f *pflag.Flag) {
			if f.Name != "json" || !cmd.HasParent() {
				global.AddFlag(f)
			}
		})
	}
	switch cmd.Annotations[annotationJSON] {
	case jsonStream:
		fmt.Fprint(w, "\nWith -json: a stream, one JSON object a line, while it happens; the first says the version.\n")
	case jsonDocument:
		fmt.Fprint(w, "\nWith -json: one JSON document.\n")
	}
	flags(w, "Global flags", global)
}

func usage(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " COMMAND [flags]"
	}
	return cmd.UseLine()
}

func flags(w io.Writer, title string, set *pflag.FlagSet) {
	var rows [][2]string
	width := 0
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		arg, text := pflag.UnquoteUsage(f)
		name := "-" + f.Name
		switch {
		case f.Value.Type() == "bool":
		case f.DefValue != "" && f.DefValue != "[]":
			name += "=" + f.DefValue
		case arg == "" || arg == "string" || arg == "stringArray":
			name += "=…"
		default:
			name += "=" + arg
		}
		rows = append(rows, [2]string{name, text})
		width = max(width, len([]rune(name)))
	})
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s:\n", title)
	for _, r := range rows {
		fmt.Fprintf(w, "  %s%s  %s\n", r[0], strings.Repeat(" ", width-len([]rune(r[0]))), r[1])
	}
}

func speaks(json string) map[string]string { return map[string]string{annotationJSON: json} }
