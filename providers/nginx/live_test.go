package nginx

import "testing"

// TestBrokenIsAFact: nginx puts the time and its PID before a complaint. Two looks at the same fault must be equal, or
// every plan that shows it is stale at once.
func TestBrokenIsAFact(t *testing.T) {
	const more = "nginx: configuration file /etc/nginx/nginx.conf test failed"
	look := func(stamp string) string {
		return "installed /usr/sbin/nginx\nfile absent\nmaster 900 10\nknown absent\n" +
			"broken " + stamp + `open() "/etc/nginx/x.inc" failed (2: No such file or directory) in /etc/nginx/nginx.conf:4` + "\nbroken " + more + "\nend\n"
	}
	want := `[emerg] open() "/etc/nginx/x.inc" failed (2: No such file or directory) in /etc/nginx/nginx.conf:4` + "\n" + more
	for _, stamp := range []string{"2026/11/22 17:10:04 [emerg] 21458#21458: ", "2026/11/22 17:10:05 [emerg] 21460#21460: "} {
		l, err := read(Route{File: "/etc/nginx/x.inc", Variable: "x"}, look(stamp))
		if err != nil || l.Broken != want {
			t.Errorf("%v: %q", err, l.Broken)
		}
	}
}
