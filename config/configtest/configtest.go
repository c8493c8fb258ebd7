// Package configtest holds wrong configurations to the diagnostics that are marked in them:
//
//	  port = "eighty"
//	#        ^^^^^^^^ error: is a number
//
// The carets stand below the range that is pointed at, and the text after the colon is part of what is said. When the
// range begins in the first column, the # itself counts: "#^^^". Without carets ("# error: …") the diagnostic has no
// range. Every diagnostic must be marked, and every mark must be met.
package configtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

// Load loads and decodes the configuration in a directory, and returns what a user is shown with the files' texts.
type Load = func(dir string) (hcl.Diagnostics, map[string]*hcl.File)

// Check runs load on every NAME.hcl in dir, alone in a directory as main.hcl, and on every folder in dir. There must be at
// least so many: a folder that was emptied shows nothing.
func Check(t *testing.T, dir string, least int, load Load) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for _, e := range entries {
		name, isFile := strings.CutSuffix(e.Name(), ".hcl")
		if !isFile && !e.IsDir() {
			continue
		}
		cases++
		t.Run(name, func(t *testing.T) { one(t, filepath.Join(dir, e.Name()), e.IsDir(), load) })
	}
	if cases < least {
		t.Errorf("%s has %d cases, not %d", dir, cases, least)
	}
}

func one(t *testing.T, path string, folder bool, load Load) {
	t.Helper()
	tmp := t.TempDir()
	sources := map[string]string{path: "main.hcl"}
	if folder {
		sources = map[string]string{}
		files, err := filepath.Glob(filepath.Join(path, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			sources[f] = filepath.Base(f)
		}
	}
	var want []mark
	for from, to := range sources {
		src, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tmp, to), src, 0o600); err != nil {
			t.Fatal(err)
		}
		want = append(want, marks(to, src)...)
	}
	if len(want) == 0 {
		t.Fatal("nothing is marked")
	}
	diags, files := load(tmp)
	compare(t, want, diags, files)
}

// mark is an expected diagnostic.
type mark struct {
	file       string
	line       int // 0: no range
	start, end int // columns
	severity   hcl.DiagnosticSeverity
	text       string
}

func (m mark) String() string {
	return fmt.Sprintf("%s:%d:%d-%d %q", m.file, m.line, m.start, m.end, m.text)
}

// marks reads the marks of a file.
func marks(name string, src []byte) []mark {
	pattern := regexp.MustCompile(`^(\s*#\s*)(\^*)\s*(error|warning): (.*)$`)
	var out []mark
	above := 0
	for i, line := range strings.Split(string(src), "\n") {
		m := pattern.FindStringSubmatch(line)
		if m == nil {
			above = i + 1
			continue
		}
		k := mark{file: name, text: m[4], severity: hcl.DiagError}
		if m[3] == "warning" {
			k.severity = hcl.DiagWarning
		}
		if m[2] != "" {
			k.line, k.start, k.end = above, len(m[1])+1, len(m[1])+len(m[2])+1
			if strings.HasSuffix(m[1], "#") {
				k.start--
			}
		}
		out = append(out, k)
	}
	return out
}

func (m mark) meets(d *hcl.Diagnostic) bool {
	if d.Severity != m.severity || !strings.Contains(d.Summary+": "+d.Detail, m.text) {
		return false
	}
	if m.line == 0 || d.Subject == nil {
		return m.line == 0 && d.Subject == nil
	}
	r := *d.Subject
	return filepath.Base(r.Filename) == m.file && r.Start.Line == m.line && r.Start.Column == m.start &&
		(r.End.Line != r.Start.Line || r.End.Column == m.end)
}

func compare(t *testing.T, want []mark, diags hcl.Diagnostics, files map[string]*hcl.File) {
	t.Helper()
	met := make([]bool, len(want))
	for _, d := range diags {
		text, found := render(d, files), false
		for i, m := range want {
			if !met[i] && !found && m.meets(d) {
				met[i], found = true, true
			}
		}
		if !found {
			t.Errorf("not marked:\n%s", text)
		}
		if d.Summary == "" || d.Detail == "" {
			t.Errorf("says too little: %s", d)
		}
	}
	for i, m := range want {
		if !met[i] {
			t.Errorf("not reported: %s", m)
		}
	}
}

// render also shows that a diagnostic can be rendered: hcl's writer panics on values that it shouldn't be given.
func render(d *hcl.Diagnostic, files map[string]*hcl.File) string {
	var b bytes.Buffer
	if d.Subject != nil {
		fmt.Fprintf(&b, "%s, columns %d-%d\n", place(*d.Subject), d.Subject.Start.Column, d.Subject.End.Column)
	}
	if err := hcl.NewDiagnosticTextWriter(&b, files, 100, false).WriteDiagnostic(d); err != nil {
		return err.Error()
	}
	return b.String()
}

func place(r hcl.Range) string {
	return fmt.Sprintf("%s:%d", filepath.Base(r.Filename), r.Start.Line)
}
