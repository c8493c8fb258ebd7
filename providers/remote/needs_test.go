package remote

import "testing"

func TestLacksUser(t *testing.T) {
	f := Facts{}
	f.Put(User("bare", "teatime"), Answer{Sight: Absent})
	f.Put(User("full", "teatime"), Answer{Sight: Seen})
	f.Put(User("mute", "teatime"), Answer{Sight: Unreachable})
	for host, want := range map[string]string{
		"bare": "there is no user teatime on bare: create it there (useradd --system teatime), or change run_as",
		"full": "", "mute": "", "nobody": "", // not known is said elsewhere
	} {
		if got := LacksUser(f, host, "teatime"); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
	if got := LacksUser(f, "bare", ""); got != "" {
		t.Errorf("nobody was asked for: %q", got)
	}
}

func TestLacks(t *testing.T) {
	f := Facts{}
	f.Put(Identity("bare"), Answer{Sight: Seen, Text: "uid 0\nhas tar\nhas flock-of-seagulls\n"})
	f.Put(Identity("full"), Answer{Sight: Seen, Text: "uid 0\nhas flock\nhas setsid\nhas curl\n"})
	f.Put(Identity("mute"), Answer{Sight: Unreachable})
	for _, c := range []struct {
		host     string
		programs []string
		want     string
	}{
		{"full", []string{"flock", "setsid", "curl"}, ""},
		{"full", nil, ""},
		{"bare", []string{"flock"}, "there is no flock on bare: install the package util-linux"},
		{"bare", []string{"flock", "tar", "setsid", "curl"}, "there is no flock, setsid, curl on bare: install the package util-linux, curl"},
		{"mute", []string{"flock"}, ""}, // not known is said elsewhere
		{"nobody", []string{"flock"}, ""},
	} {
		if got := Lacks(f, c.host, c.programs...); got != c.want {
			t.Errorf("%s %v: %q, want %q", c.host, c.programs, got, c.want)
		}
	}
}
