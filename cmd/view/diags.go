package view

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Diagnostics prints all of them, each with the source that it is about. files are those that were read, by name.
func (t Text) Diagnostics(diags hcl.Diagnostics, files map[string]*hcl.File) {
	for _, d := range diags {
		code, word := red, "Error"
		if d.Severity == hcl.DiagWarning {
			code, word = yellow, "Warning"
		}
		bar := t.paint(code, "│") + " "
		body := t.paint(bold, t.paint(code, word+":")) + " " + t.paint(bold, line(d.Summary)) + "\n"
		if d.Subject != nil {
			body += "\n" + t.source(d, files, code)
		}
		if d.Detail != "" {
			body += "\n" + wrap(block(d.Detail), t.Width-2) + "\n"
		}
		t.printf("%s\n", t.paint(code, "╷"))
		for l := range strings.SplitSeq(strings.TrimRight(body, "\n"), "\n") {
			t.printf("%s\n", strings.TrimRight(bar+l, " "))
		}
		t.printf("%s\n", t.paint(code, "╵"))
	}
}

// source shows the lines that the diagnostic is about, with what is meant underlined.
func (t Text) source(d *hcl.Diagnostic, files map[string]*hcl.File, code string) string {
	at := *d.Subject
	out := fmt.Sprintf("  on %s line %d", line(at.Filename), at.Start.Line)
	s, ok := snippetOf(d, files)
	if !ok {
		return out + ":\n"
	}
	if s.Context != "" {
		out += ", in " + line(s.Context)
	}
	out += ":\n"
	for i, l := range s.lines {
		out += fmt.Sprintf("%4d: %s\n", l.number, visible(strings.TrimRight(l.text, "\r"), false))
		if l.from == l.to && i > 0 {
			continue
		}
		lead := measure(visible(strings.TrimRight(l.text[:l.from], "\r"), false)) // at the end of a line: behind it
		out += strings.Repeat(" ", 6+lead) + t.paint(code, strings.Repeat("^", max(1, measure(visible(l.text[l.from:l.to], false))))) + "\n"
	}
	return out
}

type sourceLine struct {
	number   int
	text     string
	from, to int // bytes of text that are meant; equal: none
}

type snippet struct {
	Context string
	lines   []sourceLine
}

const snippetLines = 6

// snippetOf cuts the source out of the file that was read. The highlighted part is what Subject covers.
func snippetOf(d *hcl.Diagnostic, files map[string]*hcl.File) (snippet, bool) {
	at := *d.Subject
	f := files[at.Filename]
	if f == nil || at.Start.Byte > len(f.Bytes) {
		return snippet{}, false
	}
	var s snippet
	if nav, ok := f.Nav.(interface{ ContextString(int) string }); ok {
		s.Context = nav.ContextString(at.Start.Byte)
	}
	end := min(max(at.End.Byte, at.Start.Byte+1), len(f.Bytes))
	offset := 0
	for i, text := range strings.Split(string(f.Bytes), "\n") {
		from, to := max(at.Start.Byte-offset, 0), min(end-offset, len(text))
		meant := offset <= at.Start.Byte && at.Start.Byte <= offset+len(text) || from < to && offset < end
		if meant && len(s.lines) < snippetLines {
			from = min(from, len(text))
			if len(s.lines) > 0 {
				from = len(text) - len(strings.TrimLeft(text, " \t"))
			}
			s.lines = append(s.lines, sourceLine{i + 1, text, from, max(from, to)})
		}
		offset += len(text) + 1
	}
	return s, len(s.lines) > 0
}

// Position and Range are Terraform's.
type position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

type sourceRange struct {
	Filename string   `json:"filename"`
	Start    position `json:"start"`
	End      position `json:"end"`
}

type jsonSnippet struct {
	Context   *string  `json:"context"`
	Code      string   `json:"code"`
	StartLine int      `json:"start_line"`
	From      int      `json:"highlight_start_offset"`
	To        int      `json:"highlight_end_offset"`
	Values    []string `json:"values"` // always empty: a value may be secret
}

type jsonDiagnostic struct {
	Severity string       `json:"severity"`
	Summary  string       `json:"summary"`
	Detail   string       `json:"detail"`
	Range    *sourceRange `json:"range,omitempty"`
	Snippet  *jsonSnippet `json:"snippet,omitempty"`
}

func toJSON(d *hcl.Diagnostic, files map[string]*hcl.File) jsonDiagnostic {
	j := jsonDiagnostic{Severity: "error", Summary: line(d.Summary), Detail: block(d.Detail)}
	if d.Severity == hcl.DiagWarning {
		j.Severity = "warning"
	}
	if d.Subject == nil {
		return j
	}
	at := *d.Subject
	j.Range = &sourceRange{at.Filename, position(at.Start), position(at.End)}
	s, ok := snippetOf(d, files)
	if !ok {
		return j
	}
	var code []string
	for _, l := range s.lines {
		code = append(code, l.text)
	}
	first, last := s.lines[0], s.lines[len(s.lines)-1]
	text := strings.Join(code, "\n")
	j.Snippet = &jsonSnippet{Code: text, StartLine: first.number, From: first.from, To: len(text) - len(last.text) + last.to, Values: []string{}}
	if s.Context != "" {
		j.Snippet.Context = &s.Context
	}
	return j
}
