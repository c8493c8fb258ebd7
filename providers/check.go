package providers

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/shipctl/shipctl/config"
)

// What follows is for a Def's Check: a recorded spec, which a machine wrote, is held to what Decode lets through.

// Faults collects what is wrong; Err is the first of it.
type Faults struct{ Err error }

// Unless notes a fault where ok is false.
func (f *Faults) Unless(ok bool, format string, args ...any) {
	if !ok && f.Err == nil {
		f.Err = fmt.Errorf(format, args...)
	}
}

// Match notes text that the pattern does not match as a whole.
func (f *Faults) Match(what, text, pattern string) {
	f.Unless(regexp.MustCompile(`^(?:`+pattern+`)$`).MatchString(text), "%s: %q", what, text)
}

// Path notes what is no plainly written absolute path.
func (f *Faults) Path(what, p string) {
	odd := func(r rune) bool { return unicode.IsControl(r) || strings.ContainsRune(" \t'\"\\*?[]{}$;#`", r) }
	f.Unless(strings.HasPrefix(p, "/") && p != "/" && path.Clean(p) == p && !strings.ContainsFunc(p, odd), "%s: not a path: %q", what, p)
}

// User notes what can't be a user's name; "" can.
func (f *Faults) User(name string) {
	f.Match("not a user's name", name, `|[A-Za-z_][A-Za-z0-9_.-]{0,31}`)
}

// Line notes text with control characters.
func (f *Faults) Line(what string, texts ...string) {
	for _, t := range texts {
		f.Unless(!strings.ContainsFunc(t, unicode.IsControl), "%s: control character in %q", what, t)
	}
}

// Command notes what is no program with its arguments.
func (f *Faults) Command(what string, words []string) {
	f.Line(what, words...)
	f.Unless(len(words) > 0 && words[0] != "" && words[0][0] != '-', "%s: not a command: %q", what, words)
}

// Env notes variables that a program can't be given.
func (f *Faults) Env(env []Env) {
	for _, e := range env {
		f.Match("not a name of a variable", e.Name, `[A-Za-z_][A-Za-z0-9_]*`)
		f.Unless(!strings.HasPrefix(e.Name, "SHIPCTL"), "not a name of a variable: %q", e.Name)
		f.Line(e.Name, e.Value.Text, e.Value.Var, e.Print)
	}
}

// Duration notes what is not between the two.
func (f *Faults) Duration(what string, d, least, most time.Duration) {
	f.Unless(d >= least && d <= most, "%s: %s", what, d)
}

// Hosts notes machines without a name, given twice, or with something else than an address.
func (f *Faults) Hosts(hosts []config.HostValue) {
	for i, h := range hosts {
		f.Line("host", h.Name)
		f.Unless(h.Name != "" && !slices.ContainsFunc(hosts[:i], func(o config.HostValue) bool { return o.Name == h.Name }), "host %q", h.Name)
		if h.PrivateAddress != "" {
			_, err := netip.ParseAddr(h.PrivateAddress)
			f.Unless(err == nil, "host %s: not an IP address: %q", h.Name, h.PrivateAddress)
		}
	}
}

// Release notes what is no release that something runs.
func (f *Faults) Release(p Published) {
	f.Path("root", p.Root)
	f.Match("not a version", p.ID, `|[A-Za-z0-9][A-Za-z0-9._+-]{0,63}`)
	f.Unless(p.Ref.Kind == "release" && p.Ref.Name != "", "not a release: %s", p.Ref)
	f.Unless(slices.Contains([]string{"version", "live", "content"}, p.Pin), "release: %q", p.Pin)
}
