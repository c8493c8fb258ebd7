// Package view turns plans, events, diagnostics and what runs on machines into what people and programs read: text for a
// terminal, one JSON object a line, JSON documents, Markdown, DOT and Mermaid. It decides nothing and reads nothing.
//
// Text that may come from a machine goes through line or block before it is written: what a machine says must not be
// able to move the cursor, hide a line or forge one.
package view

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// Text writes for people.
type Text struct {
	Out   io.Writer
	Color bool
	Width int // columns to wrap prose at; 0: not a terminal, no wrapping
}

// Colours by meaning.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (t Text) paint(code, s string) string {
	if !t.Color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (t Text) printf(format string, args ...any) { fmt.Fprintf(t.Out, format, args...) }

// Say prints a line.
func (t Text) Say(s string) { t.printf("%s\n", s) }

// line makes s one line of visible characters.
func line(s string) string { return strings.TrimSpace(visible(s, false)) }

// block keeps the line breaks of s, without trailing ones.
func block(s string) string { return strings.TrimRight(visible(s, true), "\n ") }

func visible(s string, newlines bool) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\n' && newlines:
			b.WriteByte('\n')
		case r == '\t':
			b.WriteString("    ")
		case r == '\r' && strings.HasPrefix(s[n:], "\n"):
		case r == '\n':
			b.WriteString(`\n`)
		case r < 0x100 && unicode.IsControl(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		// Cf: among others the marks that reorder a line as it is shown.
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// measure does not look at the locale: a plan looks the same everywhere.
func measure(s string) int {
	c := runewidth.Condition{StrictEmojiNeutral: true}
	return c.StringWidth(s)
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-measure(s)))
}

// cut shortens s to a number of columns.
func cut(s string, width int) string {
	c := runewidth.Condition{StrictEmojiNeutral: true}
	return c.Truncate(s, width, "…")
}

// indent puts prefix in front of every line but the first.
func indent(s, prefix string) string { return strings.ReplaceAll(s, "\n", "\n"+prefix) }

// wrap breaks prose at width columns; lines that begin with a space are laid out already.
func wrap(s string, width int) string {
	if width <= 0 {
		return s
	}
	var out []string
	for l := range strings.SplitSeq(s, "\n") {
		if strings.HasPrefix(l, " ") {
			out = append(out, l)
			continue
		}
		row := ""
		for w := range strings.FieldsSeq(l) {
			switch {
			case row == "":
				row = w
			case measure(row)+1+measure(w) > width:
				out = append(out, row)
				row = w
			default:
				row += " " + w
			}
		}
		out = append(out, row)
	}
	return strings.Join(out, "\n")
}

// took prints a duration as people say it.
func took(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
