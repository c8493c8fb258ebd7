package view

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
)

// commentLimit is a little less than what a comment on a pull request may have.
const commentLimit = 60000

// Markdown writes a plan as a comment for a review, compact without its steps. Text from machines is in code spans only, so that it can't mention
// people or bring links.
func Markdown(out io.Writer, p *planner.Plan, compact bool) error {
	text := markdownChanges(p)
	switch steps := markdownSteps(p); {
	case compact:
	case len(text)+len(steps) <= commentLimit:
		text += steps
	default:
		text += fmt.Sprintf("\n%s, too many to list here: `shipctl show` prints them.\n", plural(len(p.Order), "step"))
	}
	_, err := io.WriteString(out, text)
	return err
}

func markdownChanges(p *planner.Plan) string {
	var b strings.Builder
	title := "shipctl plan"
	if p.Project != "" {
		title += " of " + code(p.Project)
	}
	fmt.Fprintf(&b, "### %s\n\n", title)
	if p.Empty() {
		text := asDescribed(p)
		if len(p.Held) > 0 {
			text = "What was rolled back is held, whatever the configuration says."
		}
		fmt.Fprintf(&b, "**No changes.** %s\n", text)
	} else {
		fmt.Fprintf(&b, "**%s**\n", Summary(p))
		if n := uncounted(p); n != "" {
			fmt.Fprintf(&b, "%s\n", n)
		}
	}
	for _, n := range Notes(p) {
		fmt.Fprintf(&b, "\n:warning: %s\n", code(n))
	}
	for _, w := range p.Windows {
		fmt.Fprintf(&b, "\n%s\n", code(windowLine(w)))
	}
	for _, g := range groups(p) {
		fmt.Fprintf(&b, "\n%s\n\n|   | machine | change |\n|---|---|---|\n", code(strings.TrimPrefix(header(g), "# ")))
		for _, c := range g {
			if c.Action != providers.NoOp || len(c.Steps) > 0 {
				what := line(strings.ReplaceAll(c.Line, "\n", "; "))
				if what == "" {
					what = "to be " + pastTense(c.Action)
				}
				fmt.Fprintf(&b, "| %s | %s | %s |\n", code(Text{}.sign(c.Action)), code(c.Addr.Host), code(what))
			}
			if c.Problem != "" {
				fmt.Fprintf(&b, "| :x: | %s | can't be applied: %s |\n", code(c.Addr.Host), codeLines(c.Problem))
			}
			for _, w := range c.Warnings {
				fmt.Fprintf(&b, "| :warning: | %s | %s |\n", code(c.Addr.Host), codeLines(w))
			}
		}
	}
	return b.String()
}

func markdownSteps(p *planner.Plan) string {
	if len(p.Order) == 0 {
		return ""
	}
	if len(p.Problems()) > 0 {
		return "\n" + strings.Replace(noSteps, `"!"`, ":x:", 1) + "\n"
	}
	var b strings.Builder
	steps := named(p)
	number, first := numbers(p), firsts(steps)
	fmt.Fprintf(&b, "\n<details><summary>%s</summary>\n\n| # | machine | step | |\n|--:|---|---|---|\n", plural(len(p.Order), "step"))
	for i, s := range steps {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", strconv.Itoa(i+1), code(s.Host), code(s.Title), strings.Join(notes(p, s, number, first), "; "))
	}
	b.WriteString("\n</details>\n")
	return b.String()
}

// code is a code span that holds in a table, whatever is in it.
func code(s string) string {
	s = line(s)
	if s == "" {
		return ""
	}
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + strings.ReplaceAll(s, "|", `\|`) + fence
}

func codeLines(s string) string {
	var out []string
	for l := range strings.SplitSeq(block(s), "\n") {
		if l = code(l); l != "" {
			out = append(out, l)
		}
	}
	return strings.Join(out, "<br>")
}
