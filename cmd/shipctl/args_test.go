package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func exitStatus(err error) string {
	var e *exec.ExitError
	if !errors.As(err, &e) {
		return err.Error()
	}
	return strconv.Itoa(e.ExitCode())
}

func TestPrepare(t *testing.T) {
	for _, tt := range []struct{ typed, more, want string }{
		{"plan -detailed-exitcode", "", "plan --detailed-exitcode"},
		{"plan --detailed-exitcode", "", "plan --detailed-exitcode"},
		{"-chdir=x plan -out=f", "", "--chdir=x plan --out=f"},
		{"-chdir plan plan -out f", "", "--chdir plan plan --out f"},
		{"plan -var -out -out f", "", "plan --var -out --out f"}, // a flag's value is not a flag
		{"plan -var x=-json", "", "plan --var x=-json"},
		{"plan -input=false -no-color", "", "plan --input=false --no-color"},
		{"apply -auto-approve -- -json", "", "apply --auto-approve -- -json"},
		{"plan -jsom -json", "", "plan -jsom --json"}, // what is unknown stays as typed
		{"plan -list", "", "plan -list"},              // a flag of fmt
		{"fmt -", "", "fmt -"},
		{"plan -h", "", "plan -h"},
		{"-help", "", "--help"},
		{"-version", "", "--version"},
		{"plan -json", "-no-color -var 'a=b c'", "plan --no-color --var|a=b c|--json"},
		{"-chdir=x plan", "-json", "--chdir=x plan --json"},
		{"window preview -count=1", "-json", "window preview --json --count=1"},
		{"", "-json", ""},
		{"__complete plan -detailed-exitcode -ou", "-json", "__complete plan --detailed-exitcode --ou"},
		{"__complete plan -out -x", "", "__complete plan --out -x"},
		{"__complete plan -out=x", "", "__complete plan --out=x"},
		{"__complete plan -", "", "__complete plan -"},
	} {
		t.Run(tt.typed, func(t *testing.T) {
			split := func(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }) }
			got, err := prepare((&cli{}).root(), split(tt.typed), tt.more)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(tt.want, "|", " ")
			if d := cmp.Diff(want, strings.Join(got, " ")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestWords(t *testing.T) {
	for in, want := range map[string][]string{
		"":                    nil,
		"  a  b ":             {"a", "b"},
		`'a b' "c d" e\ f`:    {"a b", "c d", "e f"},
		`-var='x=["a", "b"]'`: {`-var=x=["a", "b"]`},
		`"a\"b" ''`:           {`a"b`, ""},
	} {
		got, err := words(in)
		if err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{`'a`, `"a`, `a\`} {
		if _, err := words(in); err == nil {
			t.Errorf("%q: no error", in)
		}
	}
}

// The table of conventions, as far as there are commands for it.
func TestExitCode(t *testing.T) {
	for _, tt := range []struct {
		err             error
		plain, detailed int
	}{
		{nil, 0, 0},
		{errors.New("x"), 1, 1},
		{errDiffers, 1, 2},
		{errStale, 1, 5},
		{errUndone, 1, 6},
		{errLeft, 1, 7},
		{errUnformatted, 3, 3},
		{fmt.Errorf("%w: x", errSyntax), 2, 2},
		{diagnosed{}, 1, 1},
	} {
		if p, d := exitCode(tt.err, false), exitCode(tt.err, true); p != tt.plain || d != tt.detailed {
			t.Errorf("%v: %d and %d, want %d and %d", tt.err, p, d, tt.plain, tt.detailed)
		}
	}
}
