package view

import (
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/executor"
)

// A line that begins so, of what a step says when it is done, warns: all went well, and something is to be known of it.
const warningMark = "warning: "

// said is what a step said, below its line.
func said(t Text, output, hang string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	for i, l := range lines {
		colour := faint
		if strings.HasPrefix(l, warningMark) {
			colour = yellow
		}
		lines[i] = t.paint(colour, l)
	}
	return strings.Join(lines, hang)
}

// warned are the warnings among it, for programs.
func warned(e executor.Event) (out hcl.Diagnostics) {
	for l := range strings.SplitSeq(block(e.Output), "\n") {
		if w, is := strings.CutPrefix(l, warningMark); is {
			out = append(out, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: line(e.Step.Host + ": " + e.Step.Title), Detail: w})
		}
	}
	return out
}
