package service

import (
	"strings"
	"testing"

	"github.com/shipctl/shipctl/providers/remote"
)

// TestPreflight: what the planned steps need and a machine lacks; nothing is asked for where nothing is to be done.
func TestPreflight(t *testing.T) {
	process := func(s *Spec) { s.Runner = "process" }
	asWeAre := func(s *Spec) { s.Runner, s.RunAs = "process", "" }
	https := func(s *Spec) { s.Nginx.Verify.URL = "https://127.0.0.1/profile" }
	hook := func(s *Spec) {
		s.Before = []Hook{{Name: "migrate"}}
		for i := range s.Slots {
			s.Slots[i].Hooks = [][]string{{"true"}}
		}
	}
	const asleep = `systemd does not run on app-1: set runner = "process" in the service, or boot the machine with systemd`
	for _, tt := range []struct {
		name, host, has, want string
		spec                  Spec
	}{
		{"all there", "app-1", "uid 0\nhas systemctl\nhas systemd\n", "", teatime()},
		{"no systemd", "app-1", "uid 0\n", asleep, teatime()},
		{"systemd is installed, and does not run", "app-1", "uid 0\nhas systemctl\nhas journalctl\n", asleep, teatime()},
		{"no systemctl", "app-1", "uid 0\nhas systemd\n", "there is no systemctl on app-1: install the package systemd", teatime()},
		{"process, as another user", "app-1", "uid 0\nhas systemctl\n", "there is no setsid, setpriv on app-1: install the package util-linux", teatime(process)},
		{"process, not as root", "app-1", "uid 1000\n", "there is no setsid on app-1: install the package util-linux", teatime(asWeAre)},
		{"a command before", "app-1", "uid 0\nhas setpriv\nhas systemctl\nhas systemd\n", "there is no timeout on app-1: install the package coreutils", teatime(hook)},
		{"HTTPS", "web-2", "uid 0\nhas bash\n", "there is no curl on web-2: install the package curl", teatime(https)},
		{"HTTP needs nothing", "web-2", "uid 0\nhas bash\n", "", teatime()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := see(tt.spec).runs("app-1", "blue", "41").routes("web-1", blue).routes("web-2", blue)
			f := c.facts()
			f.Put(remote.Identity(tt.host), remote.Answer{Sight: remote.Seen, Text: tt.has})
			var got []string
			for _, x := range diff(ref(), tt.spec, f) {
				if x.Problem != "" {
					got = append(got, x.Problem)
				}
				if tt.want != "" && len(x.Steps) > 0 {
					t.Errorf("%s has steps", x.Addr)
				}
			}
			if s := strings.Join(got, "\n"); s != tt.want {
				t.Errorf("%q, want %q", s, tt.want)
			}
		})
	}
	nobody := see(teatime()).runs("app-1", "blue", "41").routes("web-1", blue).routes("web-2", blue).facts()
	nobody.Put(remote.User("app-1", "teatime"), remote.Answer{Sight: remote.Absent})
	for _, x := range diff(ref(), teatime(), nobody) {
		if want := "there is no user teatime on app-1: create it there (useradd --system teatime), or change run_as"; x.Addr.Host == "app-1" && x.Problem != want || len(x.Steps) > 0 {
			t.Errorf("%s: %d steps, %q", x.Addr, len(x.Steps), x.Problem)
		}
	}
	c := see(teatime()).runs("app-1", "blue", "42").routes("web-1", blue).routes("web-2", blue)
	f := c.facts()
	f.Put(remote.Identity("app-1"), remote.Answer{Sight: remote.Seen, Text: "uid 0\n"})
	f.Put(remote.User("app-1", "teatime"), remote.Answer{Sight: remote.Absent})
	for _, x := range diff(ref(), c.spec, f) {
		if x.Problem != "" {
			t.Errorf("nothing to do, and yet: %s", x.Problem)
		}
	}
}
