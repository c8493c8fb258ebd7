package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// prepare makes of what was typed what cobra reads: SHIPCTL_CLI_ARGS after the command's name, and -flag as --flag.
func prepare(root *cobra.Command, args []string, more string) ([]string, error) {
	extra, err := words(more)
	if err != nil {
		return nil, fmt.Errorf("SHIPCTL_CLI_ARGS: %w", err)
	}
	if len(extra) > 0 && len(args) > 0 && !completes(args) {
		args = insert(root, args, extra)
	}
	return doubleDashes(root, args), nil
}

func completes(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// insert puts the words behind the command's name, and behind its command's where it has some.
func insert(root *cobra.Command, args, extra []string) []string {
	w, at := walker{cmd: root}, 0
	for i, a := range args {
		was := w.cmd
		if w.step(a); w.cmd != was {
			at = i + 1
		}
	}
	if at == 0 {
		return args
	}
	return slices.Concat(args[:at], extra, args[at:])
}

// ofExtra says that a flag which a command does not have was not typed; "" where it was.
func (c *cli) ofExtra(flag string) string {
	extra, _ := words(c.env("SHIPCTL_CLI_ARGS")) // prepare has read them
	for _, a := range extra {
		if name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "="); name == flag && strings.HasPrefix(a, "-") {
			return " It stands in SHIPCTL_CLI_ARGS, whose flags every command is given."
		}
	}
	return ""
}

// doubleDashes rewrites the known flags only: what is unknown stays as it was typed, for the message. Values of flags
// and what follows "--" are never touched.
func doubleDashes(root *cobra.Command, args []string) []string {
	out := append([]string{}, args...)
	first, last := 0, len(out)
	if completes(args) {
		first, last = 1, len(out)-1 // the last one is unfinished
	}
	w := walker{cmd: root}
	for i := first; i < last; i++ {
		out[i] = w.step(out[i])
	}
	if partial := len(out) - 1; completes(args) && partial > 0 && !w.value && !w.over && singleDash(out[partial]) {
		out[partial] = "-" + out[partial]
	}
	return out
}

func singleDash(a string) bool { return len(a) > 1 && a[0] == '-' && a[1] != '-' }

// walker reads arguments as cobra will, to know which of them are flags of which command.
type walker struct {
	cmd   *cobra.Command
	value bool // the next argument belongs to a flag
	over  bool // behind "--"
}

func (w *walker) step(a string) string {
	switch {
	case w.over:
		return a
	case w.value:
		w.value = false
		return a
	case a == "--":
		w.over = true
		return a
	case strings.HasPrefix(a, "-") && len(a) > 1:
		name, _, given := strings.Cut(strings.TrimLeft(a, "-"), "=")
		f := lookup(w.cmd, name)
		if f == nil {
			return a
		}
		w.value = !given && f.NoOptDefVal == ""
		if singleDash(a) && len(name) > 1 {
			return "-" + a
		}
		return a
	}
	for _, sub := range w.cmd.Commands() {
		if sub.Name() == a || sub.HasAlias(a) {
			w.cmd = sub
			break
		}
	}
	return a
}

// foresee finds -json, and what it means for the command, before flags are read: who reads JSON is told in JSON, too, that a
// flag is wrong.
func (c *cli) foresee(root *cobra.Command, args []string) {
	w, asked := walker{cmd: root}, false
	for _, a := range args {
		name, value, given := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if !w.value && !w.over && name == "json" && strings.HasPrefix(a, "-") {
			on, err := strconv.ParseBool(value)
			asked = !given || err == nil && on
		}
		w.step(a)
	}
	if format := w.cmd.Annotations[annotationJSON]; asked && format != "" {
		c.global.json, c.format = true, format
	}
}

func lookup(cmd *cobra.Command, name string) *pflag.Flag {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	if f := cmd.Flags().Lookup(name); f != nil {
		return f
	}
	if f := cmd.PersistentFlags().Lookup(name); f != nil {
		return f
	}
	return cmd.InheritedFlags().Lookup(name)
}

// plainUsage takes the backquotes out of what flags say of themselves: only help knows what they mean.
func plainUsage(cmd *cobra.Command) {
	plain := func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") }
	cmd.PersistentFlags().VisitAll(plain)
	cmd.Flags().VisitAll(plain)
	for _, sub := range cmd.Commands() {
		plainUsage(sub)
	}
}

// completing: a shell compares what we offer with what was typed, so after a single dash it is offered single dashes.
func (c *cli) completing(typed []string) (out io.Writer, finish func()) {
	if !completes(typed) || !singleDash(typed[len(typed)-1]) {
		return c.out, func() {}
	}
	var buf bytes.Buffer
	return &buf, func() {
		for l := range strings.Lines(buf.String()) {
			if strings.HasPrefix(l, "--") {
				l = l[1:]
			}
			_, _ = io.WriteString(c.out, l)
		}
	}
}

// words splits as a shell does, as far as quotes and backslashes go.
func words(s string) (out []string, err error) {
	var word strings.Builder
	var quote rune
	open, escaped := false, false
	for _, r := range s {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			open, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			open, quote = true, r
		case r == ' ' || r == '\t' || r == '\n':
			if open {
				out = append(out, word.String())
				word.Reset()
			}
			open = false
		default:
			open = true
			word.WriteRune(r)
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("a quote is not closed in %q", s)
	}
	if open {
		out = append(out, word.String())
	}
	return out, nil
}
