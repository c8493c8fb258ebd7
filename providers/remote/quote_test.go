package remote_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/shipctl/shipctl/providers/remote"
)

// FuzzQuote: a real shell takes a quoted value for one word that is exactly that value, also within a script that goes
// in front of a payload.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a", "it's", "'", `\`, "$(id)", "`id`", "a\nb\n", "\t", "-rf", "!!", "*", "~", "\xff\xfe", "가각\u0081", "\x01\x7f\x88", `'\''`, "%s\\n", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := remote.Quote(s)
		if strings.Contains(s, "\x00") {
			if !errors.Is(err, remote.ErrNUL) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if err != nil || len(q) > 64<<10 {
			t.Fatalf("%q: %v", s, err)
		}
		out, err := exec.Command("/bin/sh", "-c", "printf '%s|' "+q+" end").Output()
		if want := s + "|end|"; err != nil || string(out) != want {
			t.Errorf("%q, %v; want %q", out, err, want)
		}
		cmd := exec.Command("/bin/sh", "-c", `IFS= read -r s && eval "$s"`)
		cmd.Stdin = strings.NewReader(remote.Line("printf '%s|' "+q+" end\ncat\n") + s)
		out, err = cmd.Output()
		if want := s + "|end|" + s; err != nil || string(out) != want {
			t.Errorf("in a line: %q, %v; want %q", out, err, want)
		}
	})
}
