package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/local"
)

// TestAlready: a saved plan is refused where a run of it did what is in it, and may be tried again where nothing is left
// of that.
func TestAlready(t *testing.T) {
	const (
		this   = `"plan":"feed","who":"me@here","began":"2026-01-02T03:04:05Z","resources":[`
		other  = `{"format":1,"run":"later","plan":"f00d","resources":[],"outcome":`
		a      = `{"ref":{"kind":"test","name":"a"},"outcome":`
		b      = `{"ref":{"kind":"test","name":"unchanged"},"outcome":"done"}`
		mine   = `{"format":1,"run":"mine",` + this
		second = `{"format":1,"run":"second",` + this
	)
	refused := "it was carried out before"
	for name, c := range map[string]struct {
		history []string
		want    string
	}{
		"never":                     {[]string{other + `"done"}`}, ""},
		"done":                      {[]string{mine + a + `"done"}],"outcome":"done"}`}, refused},
		"done, and others since":    {[]string{mine + a + `"done"}],"outcome":"done"}`, other + `"done"}`}, refused},
		"left":                      {[]string{mine + a + `"failed and not undone"}],"outcome":"failed and not undone"}`}, refused},
		"undone":                    {[]string{mine + a + `"failed and undone"},` + b + `],"outcome":"failed and undone"}`, other + `"done"}`}, ""},
		"a part of it undone":       {[]string{mine + a + `"done"}],"outcome":"failed and undone"}`}, refused},
		"not begun":                 {[]string{mine + a + `"not begun"}],"outcome":"not begun"}`}, ""},
		"an outcome of a later one": {[]string{mine + a + `"finished"}],"outcome":"finished"}`}, refused},
		"done, then undone":         {[]string{mine + a + `"done"}],"outcome":"done"}`, second + a + `"failed and undone"}],"outcome":"failed and undone"}`}, refused},
		"cut off":                   {[]string{mine + a + `"begun"}],"outcome":"begun"}`}, ""},
		"cut off twice":             {[]string{mine + a + `"begun"}],"outcome":"begun"}`, second + a + `"begun"}],"outcome":"begun"}`}, ""},
		"cut off, then another":     {[]string{mine + a + `"begun"}],"outcome":"begun"}`, other + `"done"}`}, refused},
		"cut off, nothing since":    {[]string{mine + a + `"begun"}],"outcome":"begun"}`, other + `"not begun"}`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cmd, m, said := applied(t, "cat <<'X'\n"+strings.Join(c.history, "\n")+"\nX")
			err := cmd.already(t.Context(), m, nil)
			if c.want == "" {
				if err != nil || said.Len() > 0 {
					t.Errorf("%v, said %q", err, said)
				}
			} else if !errors.Is(err, errStale) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "by run mine of me@here at 2026-01-02T03:04:05Z: ") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestAlreadyUnread: a history that can't be read is named, once, and only what is stale is refused.
func TestAlreadyUnread(t *testing.T) {
	c, m, said := applied(t, `denied "not permitted"`)
	for range 2 {
		if err := c.already(t.Context(), m, nil); err != nil {
			t.Error(err)
		}
	}
	if s := said.String(); strings.Count(s, "Whether this plan was applied before is not known everywhere") != 1 || strings.Count(s, "here could not be asked") != 1 || !strings.Contains(s, "not permitted") {
		t.Errorf("said %q", s)
	}
	if err := c.already(t.Context(), m, errStale); !errors.Is(err, errStale) {
		t.Error(err)
	}
}

// applied is a saved plan with a step, and a machine whose history is what the script prints.
func applied(t *testing.T, script string) (*cli, *made, *bytes.Buffer) {
	p, _ := waiting(t.TempDir())
	p.Digest, p.Facts = "feed", remote.Facts{"here": {}}
	p.Changes = append(p.Changes, providers.Change{Addr: providers.Addr{Host: "here"}})
	p.Changes[1].Addr.Ref.Kind, p.Changes[1].Addr.Ref.Name = "test", "unchanged"
	here := local.New(local.Settings{Host: "here", StateDir: filepath.Join(t.TempDir(), "state")}, remote.Setup{Project: "test", Library: remote.Library{
		"remote/identity": "exit 0", "remote/history": `[ "$1" = feed ] || die "$1"` + "\n" + script,
	}})
	said := &bytes.Buffer{}
	return &cli{out: io.Discard, err: said}, &made{plan: p, machines: func(context.Context, string) (remote.Machine, error) { return here, nil }}, said
}
