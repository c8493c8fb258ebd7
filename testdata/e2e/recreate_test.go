package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// batchServer is a program of which two must never run at once, behind no nginx. The deadline is short for one that is not to
// become healthy.
func batchServer(runner string, flags ...string) string {
	hcl := onBox(service(`variable = "service_url"`, program(flags...)+fmt.Sprintf("\n  runner = %q\n  stop {\n    grace = \"5s\"\n  }\n  rollout {\n    strategy = \"recreate\"\n  }", runner)))
	without := func(begin, end string) {
		head, rest, _ := strings.Cut(hcl, begin)
		_, tail, _ := strings.Cut(rest, end)
		hcl = head + tail
	}
	without("  slot \"green\" {", "\n  }\n")
	without("  nginx_upstream {", "\n  }\n")
	if slices.Contains(flags, "--unhealthy") {
		hcl = strings.Replace(hcl, `deadline    = "20s"`, `deadline    = "4s"`, 1)
	}
	return hcl
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

// amongJobs are jobs that rely on the batch server, and the window that they close while they run.
const amongJobs = `
release "settlement" {
  hosts   = [host.box-1]
  root    = "/srv/settlement"
  source  = "build/settlement"
  version = "jobs-1"
}

batch "settlement" {
  release = release.settlement

  job "close" {
    command     = ["sh", "close.sh"]
    concurrency = "allow"
  }
}

batch_window "settlement" {
  jobs = [batch.settlement]
}
`

// relies fails when there is no server at its beginning, or another one, or none, at its end. With an argument, its seconds, it
// says that it runs.
const relies = `server() { curl -s -m 30 http://127.0.0.1:8081/ | sed 's/.*"pid":\([0-9]*\).*/\1/'; }
[ -z "$1" ] || : >/run/began
a=$(server)
sleep "${1:-1}"
b=$(server)
[ -n "$a" ] && [ "$a" = "$b" ] || { echo "the server was $a and is $b"; exit 9; }
`

// TestRecreateAmongJobs: 200 jobs start in the very moment between the last look and the stop of a server of which two must
// never run at once. None loses the server that it began with, and none begins without one: they wait until the new one is
// healthy; 40 more until the old one runs again, since the new one does not get so. Those that run are waited for.
func TestRecreateAmongJobs(t *testing.T) {
	t.Parallel()
	server := func(flags ...string) string {
		return strings.Replace(batchServer("systemd", flags...), "  rollout {", "  windows = [batch_window.settlement]\n  rollout {", 1) + amongJobs
	}
	s := newSite(t, []string{"box-1"}, server("--abrupt"))
	points := watch(t)
	s.env = append(s.env, points.env)
	if err := os.MkdirAll(filepath.Join(s.dir, "build", "settlement"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.write("build/settlement/close.sh", relies)
	box := s.m("box-1")
	s.deploy("1")
	const rounds, atOnce = 5, 40
	box.WriteFile("/run/jobs", fmt.Sprintf("mkdir -p /run/j\nfor i in $(seq %d); do (/srv/settlement/jobs/close >/run/j/$1.$i.out 2>&1; echo $? >/run/j/$1.$i.status) & done\nwait\n", atOnce), 0o644)
	stop := point{Step: `service.teatime["box-1"]/stop-blue`, Moment: "before"}
	for i := range rounds + 1 {
		version := fmt.Sprint(2 + i)
		s.artifact(version)
		start := once(stop, func() string {
			_, _ = box.Try(fmt.Sprintf("setsid sh /run/jobs %d >/dev/null 2>&1 </dev/null & sleep 0.4", i))
			return ""
		})
		points.at(func(p point) string {
			if i%2 == 0 && i < rounds && p.Moment == "after" && strings.HasSuffix(p.Step, "/publish") { // it runs when the deployment comes to the stop
				_, _ = box.Try("rm -f /run/began; setsid /srv/settlement/jobs/close 6 >/run/long.out 2>&1 </dev/null & until [ -e /run/began ]; do sleep 0.02; done")
			}
			return start(p)
		})
		var out string
		if i < rounds {
			out = s.deploy(version, "-wait-window=1m")
		} else {
			s.write("main.hcl", server("--abrupt", "--unhealthy"))
			out = s.fails(6, "apply", "-auto-approve", "-detailed-exitcode", "-var", "version="+version, "-wait-window=1m")
			s.has(out, `stop blue .*… undone`)
		}
		if !slices.Contains(points.points(), stop) {
			t.Errorf("round %d: nothing was stopped", i)
		}
		if i%2 == 0 && i < rounds {
			s.has(out, `Waiting up to 1m.*close runs on box-1`)
		}
	}
	s.write("main.hcl", server("--abrupt"))
	const all = (rounds + 1) * atOnce
	for n := 0; ; n++ { // a file is there before what is in it
		got := box.Exec("cat /run/long.out; cd /run/j && ls *.status | wc -l; cat *.status | sort | uniq -c; cat *.out | grep 'the server was' | head; true")
		if strings.Join(strings.Fields(got), " ") == fmt.Sprintf("%d %d 0", all, all) {
			break
		}
		if n > 300 {
			t.Errorf("how the jobs ended:\n%s", got)
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	s.settled(fmt.Sprint(1 + rounds))
}
