package service

import (
	"testing"

	"github.com/shipctl/shipctl/providers/remote"
)

// TestKeptLine: where nothing is started, the line says what serves now, what runs already and what is stopped.
func TestKeptLine(t *testing.T) {
	both := func(edit ...func(*Spec)) *scene {
		return see(teatime(edit...)).runs("app-1", "blue", "41").runs("app-1", "green", "42")
	}
	for _, tt := range []struct {
		name string
		see  *scene
		want string
	}{
		{
			"begun and never switched to", both().routes("web-1", blue).routes("web-2", blue),
			"live blue :8081 (pid 2181, release 41)  →  green :8082 (runs release 42 already; blue is stopped afterwards)",
		},
		{"one nginx is settled already", both().routes("web-1", green).routes("web-2", blue), "green :8082 (runs release 42 already; blue is stopped afterwards)"},
		{
			"what is kept running", both(func(s *Spec) { s.Previous = "running" }).routes("web-1", blue).routes("web-2", blue),
			"live blue :8081 (pid 2181, release 41)  →  green :8082 (runs release 42 already)",
		},
		{"another nginx comes", see(teatime()).runs("app-1", "green", "42").routes("web-1", green).down("web-2"), "stays on green :8082"},
		{"and blue is left", both().routes("web-1", green).down("web-2"), "stays on green :8082 (blue is stopped afterwards)"},
	} {
		if got := diff(ref(), tt.see.spec, tt.see.facts())[0].Line; got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestHeadlineDown: what was there before does not come for the first time, though nothing runs.
func TestHeadlineDown(t *testing.T) {
	there := func(id string) string {
		return "root /srv/teatime\ncurrent link /srv/teatime/releases/" + id + "\nrelease " + id + " - - - -\n"
	}
	for _, tt := range []struct {
		name, release string
		see           *scene
		want          string
	}{
		{"nothing was there", "root /srv/teatime\ncurrent none\n", see(teatime()).add("app-1"), "42, for the first time"},
		{"it was killed", there("42"), see(teatime()).add("app-1"), "42 (does not run)"},
		{"it was killed, and the version stays", there("42"), see(teatime(live42)).add("app-1"), "42 (does not run)"},
		{"an older one was killed", there("41"), see(teatime()).add("app-1"), "41 (does not run) → 42"},
		{"a unit is left", "root /srv/teatime\ncurrent none\n", see(teatime()).add("app-1", tab("unit", "blue", "failed", "enabled")), "42 (does not run)"},
	} {
		f := tt.see.routes("web-1", blue).routes("web-2", blue).facts()
		f.Put(remote.Query{Host: "app-1", Script: "release/look", Args: []string{"/srv/teatime", "key"}}, remote.Answer{Sight: remote.Seen, Text: tt.release})
		if got := diff(ref(), tt.see.spec, f)[0].Headline; got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestLeaving: what is removed has a name also where no nginx sends requests to it.
func TestLeaving(t *testing.T) {
	s := teatime(func(s *Spec) { s.Nginx.Hosts = s.Nginx.Hosts[:1] })
	retired := teatime(two, func(s *Spec) { s.Hosts[1].Retired = true })
	for _, tt := range []struct{ name, want, got string }{
		{"live", "live blue :8081 (pid 2181, release 42)  →  removed", remove(ref(), s, see(s).runs("app-1", "blue", "42").routes("web-1", blue).facts())[0].Line},
		{"not routed to", "blue (pid 2181, release 42)  →  removed", remove(ref(), s, see(s).runs("app-1", "blue", "42").bare("web-1").facts())[0].Line},
		{"a unit only", "what is left of blue  →  removed", remove(ref(), s, see(s).add("app-1", tab("unit", "blue", "failed", "enabled")).bare("web-1").facts())[0].Line},
		{
			"a machine that is taken out", "blue (pid 2181, release 42)  →  taken out",
			diff(ref(), retired, see(retired).runs("app-1", "blue", "42").runs("app-2", "blue", "42").routes("web-1", blue).routes("web-2", blue).facts())[1].Line,
		},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}
