package service

import "testing"

// TestRouteLine: where the addresses are the same, the line says why there is something to do.
func TestRouteLine(t *testing.T) {
	const other = "10.0.0.11:9999"
	runs := func() *scene {
		return see(teatime(func(s *Spec) { s.Nginx.Hosts = s.Nginx.Hosts[:1] })).runs("app-1", "green", "42").add("web-1", installed...).add("web-1", up...)
	}
	has := func(file string, lines ...string) *scene {
		c := runs()
		return c.add("web-1", "file present").add("web-1", c.url(file)...).add("web-1", lines...)
	}
	for _, tt := range []struct {
		name string
		see  *scene
		want string
	}{
		{
			"edited by hand, not loaded", has(other, "known record", "loaded "+green),
			"service_url http://10.0.0.11:8082  (nginx serves it, and " + routeFile + " says http://10.0.0.11:9999, which nginx has not loaded: it is written again)",
		},
		{
			"removed by hand", runs().add("web-1", "file absent", "known record", "loaded "+green),
			"service_url http://10.0.0.11:8082  (nginx serves it, and " + routeFile + " is gone: it is written again)",
		},
		{
			"overwritten by hand", runs().add("web-1", "file present", "text return 503;", "known record", "loaded "+green),
			"service_url http://10.0.0.11:8082  (nginx serves it, and " + routeFile + " was changed since: it is written again)",
		},
		{
			"written, not loaded", has(green, "known record", "loaded "+other),
			"service_url http://10.0.0.11:9999 → http://10.0.0.11:8082  (" + routeFile + " says so already, and nginx has not loaded it)",
		},
		{
			"not known", has(green, "known no", "why it was reloaded"),
			"service_url http://10.0.0.11:8082  (what its workers serve is not known: it was reloaded; nginx is reloaded and verified, so that they serve this file)",
		},
		{"down", see(teatime(func(s *Spec) { s.Nginx.Hosts = s.Nginx.Hosts[:1] })).runs("app-1", "green", "42").down("web-1"), "service_url (none) → http://10.0.0.11:8082  (nginx is down: it is started)"},
	} {
		cs := diff(ref(), tt.see.spec, tt.see.facts())
		if got := cs[1].Line; got != tt.want || cs[1].Problem != "" {
			t.Errorf("%s: %q (%s), want %q", tt.name, got, cs[1].Problem, tt.want)
		}
	}
}
