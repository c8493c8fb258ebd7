package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// heard is what a program has said so far.
type heard struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.out.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.out.String()
}

// until waits for a text.
func (h *heard) until(s *site, text string) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(h.String(), text); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("it never said %q:\n%s", text, h)
		}
	}
}

// begin starts shipctl and returns without waiting for it.
func (s *site) begin(args ...string) (*exec.Cmd, *heard) {
	s.t.Helper()
	cmd := exec.Command(shipctl, args...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), s.env...)
	out := &heard{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		s.asPlanned(args, result{cmd.ProcessState.ExitCode(), out.String()})
	})
	return cmd, out
}

// leaseHeld waits until somebody holds the project's lease on a machine.
func (s *site) leaseHeld(machine string) {
	s.t.Helper()
	for range 1200 {
		if out, _ := s.m(machine).Try("grep -q '^id .' /var/lib/shipctl/projects/teatime/lease && echo held"); strings.Contains(out, "held") {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Fatal("nobody took the lease")
}

// TestLease: two controllers at once, one that is killed, one that is frozen past its lease.
func TestLease(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"app-1", "web-1"}, service(`variable = "service_url"`, program("--boot=2s", "--abrupt")))
	s.m("web-1").WriteSite(fleet.SiteVariable(include, "service_url"))
	s.deploy("1")
	apply := func(version string, more ...string) []string {
		return append([]string{"apply", "-auto-approve", "-detailed-exitcode", "-lease=2s", "-var", "version=" + version}, more...)
	}
	t.Run("two at once", func(t *testing.T) {
		s := s.with(t)
		s.env = append(slices.Clone(s.env), "CI_JOB_URL=https://ci.example/jobs/7")
		codes := make([]int, 2)
		outs := make([]*heard, 2)
		var wg sync.WaitGroup
		for i := range codes {
			cmd, out := s.begin(apply("2", "-lock-timeout=0s")...)
			outs[i] = out
			wg.Go(func() {
				_ = cmd.Wait()
				codes[i] = cmd.ProcessState.ExitCode()
			})
		}
		wg.Wait()
		if codes[0]+codes[1] != 4 || codes[0] != 0 && codes[1] != 0 {
			t.Errorf("exit codes %v, want 0 and 4\n%s\n%s", codes, outs[0], outs[1])
		}
		for i, c := range codes {
			if c == 4 {
				s.has(outs[i].String(), `held by \S+@\S+ since 20\S+ \(ID \w+, https://ci\.example/jobs/7\); alive: its last sign was [0-2] s ago; without another it expires in [0-2] s`, `force-unlock`)
			}
		}
		s.settled("2")
	})
	t.Run("killed", func(t *testing.T) {
		s := s.with(t)
		cmd, _ := s.begin(apply("3")...)
		s.leaseHeld("app-1")
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		dead, was, left := time.Now(), s.epoch("app-1"), s.expires("app-1")
		next, out := s.begin(apply("3", "-lock-timeout=20s")...)
		for s.epoch("app-1") == was && time.Since(dead) < 30*time.Second {
			time.Sleep(20 * time.Millisecond)
		}
		// Who waits looks once a second, when it has made its plan.
		if took := time.Since(dead); took < left || took > 15*time.Second {
			t.Errorf("a lease of 2 s that had %s left was taken over %s after its holder was killed", left, took)
		}
		if left > 2*time.Second {
			t.Errorf("a lease of 2 s lasted for %s more", left)
		}
		_ = next.Wait()
		if code := next.ProcessState.ExitCode(); code != 0 {
			t.Errorf("the next one: exit %d\n%s", code, out)
		}
		s.settled("3")
	})
	t.Run("frozen", func(t *testing.T) {
		s := s.with(t)
		cmd, out := s.begin(apply("1")...)
		s.leaseHeld("web-1") // the last one
		freeze(t, cmd, true)
		if r := s.run(apply("2", "-lock-timeout=30s")...); r.code != 0 {
			t.Errorf("the next one: exit %d", r.code)
		}
		s.thaw(cmd, out, `another run (took over this machine \(lease epoch \d+, this run has \d+\)|holds the lease: (the lease of project teatime is held by|another run took the lease of project teatime over))`)
		if strings.Contains(out.String(), "Interrupted") && !strings.Contains(out.String(), "Another run took over") {
			t.Error("it says that it was interrupted, and nobody did that")
		}
		s.settled("2")
	})
	t.Run("unlocked", func(t *testing.T) {
		s := s.with(t)
		points := watch(t)
		points.at(once(point{Step: `service.teatime["app-1"]/start`, Moment: "before"}, func() string {
			id := s.m("app-1").Exec("sed -n 's/^id //p' /var/lib/shipctl/projects/teatime/lease")
			said := s.ok("force-unlock", strings.TrimSpace(id))
			s.has(said, `app-1: the lease of project teatime was held by \S+@`, `web-1: the lease of project teatime was held by \S+@`)
			return ""
		}))
		s.env = append(slices.Clone(s.env), points.env)
		// A long lease: it is the step that is refused, not the lease's renewal.
		r := s.run("apply", "-auto-approve", "-detailed-exitcode", "-lease=5m", "-var", "version=3")
		if r.code != 4 {
			t.Errorf("the one that was unlocked: exit %d, want 4", r.code)
		}
		s.has(r.out, `start blue .*failed.*\n?.*another run took over this machine \(lease epoch \d+, this run has \d+\)`)
		if pid := s.pid(8081); pid != "" {
			t.Errorf("blue was started all the same: pid %s", pid)
		}
		s.env = s.env[:len(s.env)-1]
		s.deploy("3")
		s.deploy("2")
	})
	for i, at := range []point{
		{Step: `service.teatime["app-1"]/start`, Moment: "effect"},
		{Step: `service.teatime["web-1"]/switch`, Moment: "before"},
	} {
		t.Run("frozen in the middle of "+strings.ReplaceAll(at.Step, "/", " "), func(t *testing.T) {
			s := s.with(t)
			s.frozenAt(at, []string{"3", "2"}[i], []string{"1", "3"}[i])
		})
	}
}

// frozenAt: an apply is frozen at a checkpoint, another takes over and ends, and the first one is thawed. Whatever it
// wants to change then is refused.
func (s *site) frozenAt(at point, version, other string) {
	s.t.Helper()
	points := watch(s.t)
	frozen, begun := make(chan struct{}), make(chan *exec.Cmd, 1)
	points.at(once(at, func() string {
		_ = (<-begun).Process.Signal(syscall.SIGSTOP)
		close(frozen)
		return ""
	}))
	args := func(v string, more ...string) []string {
		return append([]string{"apply", "-auto-approve", "-detailed-exitcode", "-lease=2s", "-var", "version=" + v}, more...)
	}
	first := *s
	first.env = append(slices.Clone(s.env), points.env)
	cmd, out := first.begin(args(version)...)
	begun <- cmd
	select {
	case <-frozen:
	case <-time.After(2 * time.Minute):
		s.t.Fatalf("%s was never come to:\n%s", at.Step, out)
	}
	if r := s.run(args(other, "-lock-timeout=30s")...); r.code != 0 {
		s.t.Errorf("the next one: exit %d", r.code)
	}
	s.thaw(cmd, out, `another run took over this machine \(lease epoch \d+, this run has \d+\)`)
	s.settled(other)
}

// epoch is that of the project's lease on a machine.
func (s *site) epoch(machine string) string {
	return s.m(machine).Exec("sed -n 's/^epoch //p' /var/lib/shipctl/projects/teatime/lease")
}

// expires is how long the project's lease on a machine still lasts, by the machine's own uptime.
func (s *site) expires(machine string) time.Duration {
	s.t.Helper()
	var until int64
	var up float64
	out := s.m(machine).Exec("sed -n 's/^until //p' /var/lib/shipctl/projects/teatime/lease; cat /proc/uptime")
	if _, err := fmt.Sscan(out, &until, &up); err != nil {
		s.t.Fatalf("%q: %v", out, err)
	}
	return time.Duration(until)*time.Millisecond - time.Duration(up*float64(time.Second))
}

// thaw lets a frozen apply go on, of which the lease was taken over: it ends with 4, says why, and changes nothing.
func (s *site) thaw(cmd *exec.Cmd, out *heard, says string) {
	s.t.Helper()
	was := map[string]fleet.Snapshot{}
	for _, m := range s.fleet.Machines {
		was[m.Name] = m.Snapshot()
	}
	freeze(s.t, cmd, false)
	_ = cmd.Wait()
	s.t.Logf("the thawed one, exit %d:\n%s", cmd.ProcessState.ExitCode(), out)
	if code := cmd.ProcessState.ExitCode(); code != 4 {
		s.t.Errorf("the thawed one: exit %d, want 4", code)
	}
	s.has(out.String(), says)
	// It may have been frozen in the middle of a command, whose shell ends with it.
	over := regexp.MustCompile(`^- \d+ \d+ (sudo -n )?sh -s$`)
	for _, m := range s.fleet.Machines {
		for _, d := range was[m.Name].Diff(m.Snapshot()) {
			if !strings.Contains(d, "/var/lib/shipctl/step.") && !strings.Contains(d, "lease.lock") && !over.MatchString(d) {
				s.t.Errorf("%s: the thawed one changed %s", m.Name, d)
			}
		}
	}
}
