package e2e

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// TestStranger: a program that is not ours is named and left alone, whenever it comes. What an earlier run of ours left is
// replaced once nobody uses it.
func TestStranger(t *testing.T) {
	t.Parallel()
	s := s1(t, "systemd")
	t.Run("before the plan", func(t *testing.T) {
		s := s.with(t)
		s.occupy("app-1", 8082)
		pid := strings.TrimSpace(s.m("app-1").ReadFile("/tmp/other.pid"))
		named := `app-1 .*port 8082, where green is to run, is held by pid ` + pid + `: python3 -m http.server 8082`
		stop := s.load(webs, "/?ms=300")
		s.has(s.fails(1, "plan", "-detailed-exitcode", "-var", "version=2"), named)
		s.has(s.fails(1, "apply", "-auto-approve", "-var", "version=2"), named)
		s.still(stop(), "1")
		s.alive("app-1", pid, "http.server")
		s.m("app-1").Exec("kill " + pid + "; while kill -0 " + pid + " 2>/dev/null; do sleep 0.02; done")
	})
	t.Run("after the plan", func(t *testing.T) {
		s := s.with(t)
		s.ok("plan", "-out=late.plan", "-var", "version=2")
		s.occupy("app-1", 8082)
		pid := strings.TrimSpace(s.m("app-1").ReadFile("/tmp/other.pid"))
		s.has(s.fails(5, "apply", "-detailed-exitcode", "late.plan"), `app-1: service.teatime: held.8082: \(none\) → pid `+pid+`: python3 -m http.server 8082`)
		s.alive("app-1", pid, "http.server")
		s.m("app-1").Exec("kill " + pid + "; while kill -0 " + pid + " 2>/dev/null; do sleep 0.02; done")
	})
	t.Run("right before the start", func(t *testing.T) {
		s := s.with(t)
		came := s.between("app-1", "publish", `cd /tmp; setsid python3 -m http.server 8082 </dev/null >/dev/null 2>&1 9>&- & p=$!
until [ -n "$(ss -Hltn 'sport = :8082')" ]; do sleep 0.02; done; echo $p`)
		stop := s.load(webs, "/?ms=300")
		out := s.undone("2")
		pid := strings.TrimSpace(s.await(came))
		s.still(stop(), "1")
		s.has(out, `port 8082 is taken by pid `+pid+`: python3 -m http.server 8082\. Nothing was started and nothing was stopped`)
		s.alive("app-1", pid, "http.server")
		s.m("app-1").Exec("kill " + pid + "; while kill -0 " + pid + " 2>/dev/null; do sleep 0.02; done")
		s.idle("green", 8082)
		s.settled("1")
	})
}

// alive checks that a process is still the one that it was.
func (s *site) alive(machine, pid, what string) {
	s.t.Helper()
	if out, _ := s.m(machine).Try("tr '\\0' ' ' </proc/" + pid + "/cmdline"); !strings.Contains(out, what) {
		s.t.Errorf("%s: pid %s, %s, is gone", machine, pid, what)
	}
}

// TestLeftover: a run was killed after it had started the new slot.
func TestLeftover(t *testing.T) {
	t.Parallel()
	for _, runner := range runners {
		t.Run(runner, func(t *testing.T) {
			s := s1(t, runner)
			s.killedAfterStart("2")
			left := s.pid(8082)
			if left == "" {
				t.Fatal("nothing was left on 8082")
			}

			// Somebody stays connected: it is named, and nothing is stopped.
			stop := s.load(webs, "/?ms=300")
			long := s.stream(60)
			out := s.undone("3")
			s.has(out, `stop what is left in green .*failed`, `green still has connections after 10 s: 1 from `+long.from+`\. It was not stopped`)
			if now := s.pid(8082); now != left {
				t.Errorf("the leftover was pid %s and is %s", left, now)
			}
			s.still(stop(), "1")
			long.body.Close()

			// It is replaced as soon as they have gone, and they have got all of their answer.
			brief := s.stream(4)
			stop = s.load(webs, "/?ms=300")
			out = s.deploy("3")
			r := stop()
			s.nothingLost(r)
			if text, err := io.ReadAll(brief.body); err != nil || !strings.HasSuffix(string(text), "2\nend\n") {
				t.Errorf("the request on the leftover was cut off: %v, %q", err, text)
			}
			s.has(out, `stop what is left in green \(pid `+left+`\)`)
			if r.Versions()["2"] > 0 {
				t.Error("the leftover was sent requests")
			}
			s.settled("3")
		})
	}
}

// killedAfterStart runs apply and kills it, as kill -9 does, once the new slot is started.
func (s *site) killedAfterStart(version string) {
	s.t.Helper()
	started := s.between("app-1", "start", "true")
	args := []string{"apply", "-auto-approve", "-lease=2s", "-var", "version=" + version}
	cmd := exec.Command(shipctl, args...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), s.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.await(started)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	s.t.Logf("killed after\n%s", out.String())
	s.asPlanned(args, result{cmd.ProcessState.ExitCode(), out.String()})
}

// streaming is a request to app-1's green, past nginx.
type streaming struct {
	body io.ReadCloser
	from string // its address
}

func (s *site) stream(seconds int) streaming {
	s.t.Helper()
	at := s.m("app-1").Addr
	req, err := http.NewRequest(http.MethodGet, "http://"+at+":8082/stream?s="+strconv.Itoa(seconds), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Close = true // an idle connection is one too
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { r.Body.Close() })
	return streaming{r.Body, at[:strings.LastIndexByte(at, '.')] + `\.1`}
}

// heldUp is longer than a deployment takes on a slow machine, and shorter than a child lives that --orphan leaves.
const heldUp = 3 * time.Minute

// TestIgnoresTerm: a program that does not end on TERM is killed after the grace, and nobody else; a child that holds
// its output holds nothing up.
func TestIgnoresTerm(t *testing.T) {
	t.Parallel()
	for _, runner := range runners {
		t.Run(runner, func(t *testing.T) {
			begin := time.Now()
			s := s1(t, runner, "--ignore-term", "--orphan")
			if d := time.Since(begin); d > heldUp {
				t.Errorf("the first deployment took %s: the child held it up", d)
			}
			old := s.pid(8081)
			app := s.m("app-1")
			// The same program of the same user, which ignores TERM too, and is nobody's.
			bystander := strings.TrimSpace(app.Exec(`setsid setpriv --reuid=teatime --regid=teatime --clear-groups /srv/teatime/releases/1/teatime --port=9999 --ignore-term --version=0 </dev/null >/dev/null 2>&1 & echo $!`))
			s.write("main.hcl", abrupt(runner, "--orphan"))
			stop := s.load(webs, "/?ms=300")
			begin = time.Now()
			out := s.deploy("2")
			if d := time.Since(begin); d > heldUp {
				t.Errorf("the deployment took %s", d)
			}
			s.nothingLost(stop())
			s.has(out, `stop blue \(pid `+old+`.*\) … done`, `did not end within 2 s: killed`)
			s.idle("blue", 8081)
			s.alive("app-1", bystander, "--port=9999")
			s.settled("2")
			app.Exec("kill -9 " + bystander)
		})
	}
}

// slowly runs its arguments, and when it is told to end, needs a second more than they do; wrapped waits for it.
const (
	wrapped = "#!/bin/sh\n/usr/local/bin/slowly \"$@\"\n:\n"
	slowly  = `#!/bin/sh
told=0
trap 'told=$((told + 1)) until=$(($(date +%s) + 2))' TERM
"$@" &
while [ "$told" = 0 ] || [ "$(date +%s)" -lt "$until" ]; do sleep 0.1; done
echo "$2" >>/tmp/ended
`
)

// TestStopWrapper: what a wrapper has started is told to end too, and has the grace, whichever runs it; in a unit of an
// earlier version too, where systemd would kill it as soon as the wrapper is gone.
func TestStopWrapper(t *testing.T) {
	t.Parallel()
	for _, runner := range runners {
		t.Run(runner, func(t *testing.T) {
			hcl := strings.NewReplacer(`"./teatime", `, `"/usr/local/bin/wrapped", "./teatime", `, `grace = "2s"`, `grace = "20s"`).Replace(abrupt(runner))
			s := newSite(t, []string{"app-1", "web-1", "web-2"}, hcl)
			app := s.m("app-1")
			app.WriteFile("/usr/local/bin/wrapped", wrapped, 0o755)
			app.WriteFile("/usr/local/bin/slowly", slowly, 0o755)
			for _, w := range webs {
				s.m(w).WriteSite(fleet.SiteVariable(include, "service_url"))
			}
			s.deploy("1")
			ended := func(want string) {
				t.Helper()
				if got := strings.TrimSpace(app.Exec("cat /tmp/ended 2>/dev/null; true")); got != want {
					t.Errorf("ended in time: %q, not %q", got, want)
				}
			}
			if out := s.deploy("2"); strings.Contains(out, "killed") {
				t.Errorf("something was killed:\n%s", out)
			}
			ended("--port=8081")
			s.idle("blue", 8081)
			if runner == "systemd" {
				app.Exec(`cd /var/lib/shipctl/projects/teatime/services/teatime
u=/etc/systemd/system/shipctl-teatime-teatime-green.service
sed -i 's/^KillMode=.*/KillMode=mixed/' green.unit
sed -i 's/^KillMode=.*/KillMode=mixed/' $u
grep -q '^KillMode=mixed' $u
stat -c '%i %Z' $u >green.unit.at
systemctl daemon-reload`)
			}
			s.settled("2")
			if out := s.deploy("3"); strings.Contains(out, "killed") {
				t.Errorf("something was killed:\n%s", out)
			}
			ended("--port=8081\n--port=8082")
			s.idle("green", 8082)
			s.settled("3")
		})
	}
}
