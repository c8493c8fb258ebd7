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
