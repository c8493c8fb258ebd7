package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// batchServer is a program of which two must never run at once, behind no nginx.
func batchServer(runner string, flags ...string) string {
	hcl := onBox(service(`variable = "service_url"`, program(flags...)+fmt.Sprintf("\n  runner = %q\n  stop {\n    grace = \"5s\"\n  }\n  rollout {\n    strategy = \"recreate\"\n  }", runner)))
	without := func(begin, end string) {
		head, rest, _ := strings.Cut(hcl, begin)
		_, tail, _ := strings.Cut(rest, end)
		hcl = head + tail
	}
	without("  slot \"green\" {", "\n  }\n")
	without("  nginx_upstream {", "\n  }\n")
	return strings.Replace(hcl, `deadline    = "20s"`, `deadline    = "4s"`, 1)
}

// TestRecreate: the old one is stopped before the new one is started; a new one that does not get healthy makes room for
// the old one again, which runs as it did.
func TestRecreate(t *testing.T) {
	t.Parallel()
	for _, runner := range runners {
		t.Run(runner, func(t *testing.T) {
			s := newSite(t, []string{"box-1"}, batchServer(runner))
			box := s.m("box-1")
			answer := func() string { return box.Exec("curl -s http://127.0.0.1:8081/ | tr -d '\"' | sed 's/pid:[0-9]*,//'") }
			process := func() string {
				return box.Exec(`for p in $(grep -lzs '^SHIPCTL=teatime/teatime/' /proc/[0-9]*/environ | cut -d/ -f3); do readlink /proc/$p/cwd; tr '\0' ' ' </proc/$p/cmdline; tr '\0' '\n' </proc/$p/environ | grep -v INVOCATION_ID | grep -v JOURNAL_STREAM | grep -v SYSTEMD_EXEC_PID | sort; done`)
			}
			s.deploy("1")
			s.settled("1")
			out := s.deploy("2")
			s.has(out, `nothing serves from the stop until the new program is healthy`, `stop blue \(pid \d+\) +after`, `start blue on :8081 +after`)
			s.settled("2")
			s.has(s.ok("status"), `blue +live +2 `)
			was, said := process(), answer()
			s.has(said, `version:2`)
			if n := strings.Count(was, "SHIPCTL="); n != 1 {
				t.Errorf("%d processes:\n%s", n, was)
			}
			s.write("main.hcl", batchServer(runner, "--unhealthy"))
			s.has(s.undone("3"), `wait until blue is healthy .* … failed`, `503 not healthy: told so`, `start blue on :8081 … undone`, `stop blue .*… undone`)
			if now := process(); now != was {
				t.Errorf("it ran as\n%s\nand runs as\n%s", was, now)
			}
			if now := answer(); now != said {
				t.Errorf("it answered %s and answers %s", said, now)
			}
			if at := box.Exec("readlink /srv/teatime/current"); !strings.HasSuffix(strings.TrimSpace(at), "/2") {
				t.Errorf("current is %s", at)
			}
			s.write("main.hcl", batchServer(runner))
			s.settled("2")
			s.deploy("3")
			s.settled("3")
		})
	}
}
