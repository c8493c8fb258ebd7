package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// bench is a machine under one shell with a release of the example program in place.
type bench struct {
	t         *testing.T
	name      string // of the service, its own in every test
	m         remote.Machine
	root, dir string
	port      int
	// of a health check, in milliseconds; "" for a tenth of a second, and for at once
	interval, healthyFor string
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "teatime")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "teatime")
	build := exec.Command("go", "build", "-o", program, "../../examples/teatime")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Println(string(out))
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

var program string

func newBench(t *testing.T, shell string) *bench {
	t.Helper()
	lib, err := remote.Scripts(map[string]fs.FS{"service": scripts{files}})
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	b := &bench{t: t, name: fmt.Sprintf("teatime-%d", time.Now().UnixNano()), m: remotetest.Under(t, shell, lib, filepath.Join(root, "state")), root: root, port: remotetest.FreePort(t)}
	b.dir = filepath.Join(root, "releases", "42")
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(program, filepath.Join(b.dir, "teatime")); err != nil {
		raw, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(b.dir, "teatime"), raw, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { // the test's own context is over by then
		for _, slot := range []string{"blue", "green"} {
			c := remote.Call{Script: "service/stop", Args: []string{b.name, slot, "KILL", "1", "0", "cut", "", strconv.Itoa(b.port), ""}}
			if out, err := b.m.Run(context.Background(), remote.Ticket{Run: "end", Step: "end", Deadline: time.Now().Add(time.Minute)}, c); err != nil {
				t.Errorf("%s%v", out, err)
			}
		}
	})
	return b
}

const digest = "abcdef012345"

// soon is more than anything that comes takes, also on a slow machine.
const soon = 20 * time.Second

func (b *bench) start(flags ...string) (string, error) {
	b.t.Helper()
	return b.run("", append([]string{"./teatime", "-port=" + strconv.Itoa(b.port)}, flags...)...)
}

// run starts any command as a user, "" for the one that we are.
func (b *bench) run(user string, command ...string) (string, error) {
	b.t.Helper()
	args := []string{b.name, "green", strconv.Itoa(b.port), "42", digest, b.dir, b.root, "process", user, "TERM", "5", "", "", "again"}
	return remotetest.Step(b.t, b.m, remote.Call{
		Script: "service/start", Args: append(args, command...),
		Stdin: []remote.Part{{Text: "VERSION=42\nSLOT=green\nQUOTED=a \"b\" 'c' $HOME `id`\nTOKEN="}, {Var: "password"}, {Text: "\n"}},
	})
}

func (b *bench) health(deadline time.Duration, body string) (string, error) {
	b.t.Helper()
	return b.check(deadline, "http", "/profile", "200 204", body, "")
}

// check is a health check of any kind.
func (b *bench) check(deadline time.Duration, kind, path, statuses, body, user string, command ...string) (string, error) {
	b.t.Helper()
	return remotetest.Step(b.t, b.m, remote.Call{Script: "service/health", Args: append([]string{
		b.name, "green", strconv.Itoa(b.port), "42", digest, "process", orElse(b.interval, "100"), "2", fmt.Sprint(deadline.Milliseconds()), orElse(b.healthyFor, "0"),
		kind, path, "", statuses, body, b.dir, user,
	}, command...)})
}

// open lets every user into the bench's folders.
func (b *bench) open() {
	b.t.Helper()
	for dir := b.root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			b.t.Fatal(err)
		}
	}
}

// TestHealthKinds: a port is healthy once the slot's process listens there, a command once it succeeds, told where it is.
func TestHealthKinds(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		tcp := func() (string, error) { return b.check(time.Second, "tcp", "", "", "", "") }
		run := func(command ...string) (string, error) {
			return b.check(time.Second, "exec", "", "", "", "", command...)
		}
		well := func(command ...string) (string, error) {
			return b.check(soon, "exec", "", "", "", "", command...)
		}
		if out, err := b.run("", "sh", "-c", `until [ -e go ]; do sleep 0.1; done; exec "$@"`, "sh", "./teatime", "-port="+strconv.Itoa(b.port)); err != nil {
			t.Fatal(out, err)
		}
		if _, err := tcp(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("nobody listens on port %d", b.port)) {
			t.Errorf("while it boots: %v", err)
		}
		b.write("go", "")
		if out, err := b.check(soon, "tcp", "", "", "", ""); err != nil || !strings.Contains(out, "healthy after") {
			t.Errorf("%q, %v", out, err)
		}
		if out, err := well("sh", "-c", `[ "$SHIPCTL_SLOT $PORT $PWD" = "$0" ] && [ -x teatime ]`, fmt.Sprintf("green %d %s", b.port, b.dir)); err != nil || !strings.Contains(out, "healthy after") {
			t.Errorf("%q, %v", out, err)
		}
		if _, err := run("sh", "-c", "echo first; echo not yet; exit 3"); err == nil || !strings.Contains(err.Error(), "exit status 3: not yet") {
			t.Errorf("%v", err)
		}
		begin := time.Now()
		if out, err := well("sh", "-c", "sleep 62 & echo fine"); err != nil || time.Since(begin) > 30*time.Second {
			t.Errorf("a check that leaves something running: %q, %v, after %s", out, err, time.Since(begin))
		}
		begin = time.Now()
		if _, err := run("sh", "-c", "trap '' TERM; while :; do sleep 62; done"); err == nil || time.Since(begin) > 30*time.Second {
			t.Errorf("a check that ignores TERM: %v, after %s", err, time.Since(begin))
		}
		b.crash(b.look().Procs[0].PID)
		stranger, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", b.port))
		if err != nil {
			t.Fatal(err)
		}
		defer stranger.Close()
		for name, f := range map[string]func() (string, error){"tcp": tcp, "exec": func() (string, error) { return run("true") }} {
			if out, err := f(); err == nil || !strings.Contains(err.Error(), "not release 42 of slot green") {
				t.Errorf("%s with another's listener: %q, %v", name, out, err)
			}
		}
	})
}

// TestRunAs: a program and a health command run as the user; where the machine's setpriv can't do that, it is said.
func TestRunAs(t *testing.T) {
	if os.Getuid() != 0 {
		return // only root can
	}
	for _, shell := range remotetest.Shells(t) {
		t.Run(shell, func(t *testing.T) {
			b := newBench(t, shell)
			b.open()
			out, err := b.run("nobody", "./teatime", "-port="+strconv.Itoa(b.port))
			if shell == "busybox" {
				if err == nil || !strings.Contains(err.Error(), "this machine's setpriv can't run a program as nobody") {
					t.Errorf("%q, %v", out, err)
				}
				if seen := b.look(); len(seen.Procs) != 0 {
					t.Errorf("it runs: %+v", seen)
				}
				return
			}
			if err != nil {
				t.Fatal(out, err)
			}
			if out, err := b.check(soon, "exec", "", "", "", "nobody", "sh", "-c", `[ "$(id -un)" = nobody ]`); err != nil {
				t.Errorf("%q, %v", out, err)
			}
			seen := b.look()
			if len(seen.Procs) != 1 || len(seen.Listeners) != 1 || seen.Listeners[0].Owner != "green" {
				t.Fatalf("%+v", seen)
			}
			info, err := os.Stat(fmt.Sprintf("/proc/%d", seen.Procs[0].PID))
			if err != nil {
				t.Fatal(err)
			}
			if uid := info.Sys().(*syscall.Stat_t).Uid; uid != 65534 {
				t.Errorf("it runs as %d", uid)
			}
		})
	}
}

func (b *bench) confirm() (string, error) {
	b.t.Helper()
	return remotetest.Step(b.t, b.m, remote.Call{Script: "service/confirm", Args: []string{b.name, "green", strconv.Itoa(b.port), "42", digest, "process"}})
}

func (b *bench) stop(grace time.Duration) (string, error) {
	b.t.Helper()
	return remotetest.Step(b.t, b.m, remote.Call{Script: "service/stop", Args: []string{
		b.name, "green", "TERM", strconv.Itoa(int(grace / time.Second)), "1", "keep", "", strconv.Itoa(b.port), "again",
	}})
}

func (b *bench) look() Seen {
	b.t.Helper()
	a := remotetest.Query(b.t, b.m, "service/look", b.name, fmt.Sprintf("green %d /profile ", b.port))
	if a.Sight != remote.Seen {
		b.t.Fatalf("%v: %s", a.Sight, a.Why)
	}
	seen, err := parse(a.Text)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, a.Text)
	}
	return seen
}

// crash ends the slot's program, which runs alone.
func (b *bench) crash(pid int) {
	b.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		b.t.Fatal(err)
	}
	for seen := b.look(); len(seen.Procs)+len(seen.Listeners) > 0; { // a process that ends has no environment before it has no port
		seen = b.look()
	}
}

func eachShell(t *testing.T, f func(*testing.T, *bench)) {
	t.Helper()
	for _, shell := range remotetest.Shells(t) {
		t.Run(shell, func(t *testing.T) { f(t, newBench(t, shell)) })
	}
}

// TestProcessLife: start, again, health, look, stop, again.
func TestProcessLife(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		out, err := b.start()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := b.start(); err != nil || !strings.Contains(again, "already runs") {
			t.Errorf("started twice: %q, %v", again, err)
		}
		if out, err := b.health(soon, "^green$"); err != nil || !strings.Contains(out, "healthy") {
			t.Fatalf("%q, %v", out, err)
		}
		seen := b.look()
		if len(seen.Procs) != 1 || seen.Procs[0].Release != "42" || seen.Procs[0].Slot != "green" || seen.Procs[0].Digest != digest || seen.Procs[0].Dir != b.dir {
			t.Errorf("processes: %+v", seen.Procs)
		}
		if want := fmt.Sprintf("pid %d", seen.Procs[0].PID); !strings.Contains(out, want) {
			t.Errorf("start said %q, not %q", out, want)
		}
		if len(seen.Listeners) != 1 || seen.Listeners[0].Owner != "green" || seen.Listeners[0].PID != seen.Procs[0].PID {
			t.Errorf("listeners: %+v", seen.Listeners)
		}
		if a := seen.Answers[b.port]; a.Status != 200 || strings.TrimSpace(a.Body) != "green" {
			t.Errorf("answer: %+v", a)
		}
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", seen.Procs[0].PID))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"QUOTED=a \"b\" 'c' $HOME `id`", "TOKEN=" + remotetest.Password, "SHIPCTL=teatime/" + b.name + "/green/42/" + digest, "SHIPCTL_SLOT=green"} {
			if !bytes.Contains(environ, append([]byte(want), 0)) {
				t.Errorf("%q is not in the environment", want)
			}
		}
		if link, err := os.Readlink(filepath.Join(b.root, "slots", "green")); err != nil || link != b.dir {
			t.Errorf("slots/green → %q, %v", link, err)
		}
		if out, err := b.stop(5 * time.Second); err != nil || !strings.Contains(out, "stopped") {
			t.Errorf("stop: %q, %v", out, err)
		}
		if out, err := b.stop(5 * time.Second); err != nil || !strings.Contains(out, "nothing runs") {
			t.Errorf("stop again: %q, %v", out, err)
		}
		if seen := b.look(); len(seen.Procs)+len(seen.Listeners) != 0 {
			t.Errorf("after the stop: %+v", seen)
		}
	})
}

// TestHiddenEnvironment: a program that overwrites its environment has no marker. It is known by what start noted.
func TestHiddenEnvironment(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		if _, err := b.start("-hide-env"); err != nil {
			t.Fatal(err)
		}
		if out, err := b.health(soon, "^green$"); err != nil {
			t.Fatalf("%q, %v", out, err)
		}
		seen := b.look()
		if len(seen.Procs) != 1 || seen.Procs[0].Slot != "green" || len(seen.Listeners) != 1 || seen.Listeners[0].Owner != "green" {
			t.Fatalf("seen: %+v", seen)
		}
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", seen.Procs[0].PID))
		if err != nil || bytes.Contains(environ, []byte("SHIPCTL")) {
			t.Fatalf("the marker is there: %q, %v", environ, err)
		}
		if again, err := b.start("-hide-env"); err != nil || !strings.Contains(again, "already runs") {
			t.Errorf("started twice: %q, %v", again, err)
		}
		if out, err := b.confirm(); err != nil || !strings.Contains(out, "still pid") {
			t.Errorf("confirm: %q, %v", out, err)
		}
		if out, err := b.stop(5 * time.Second); err != nil || !strings.Contains(out, "stopped") {
			t.Errorf("stop: %q, %v", out, err)
		}
		if seen := b.look(); len(seen.Procs)+len(seen.Listeners) != 0 {
			t.Errorf("after the stop: %+v", seen)
		}
	})
}

// TestJobOfAHiddenService: a job that a program without a marker started by a launcher is not stopped with it; what else it
// started is.
func TestJobOfAHiddenService(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		const line = `env -u SHIPCTL -u SHIPCTL_SLOT SHIPCTL_JOB=job sleep 61 & echo $! >job
mkdir -p jobs/.state
env -u SHIPCTL -u SHIPCTL_SLOT sleep 61 9>jobs/.state/job.lock & echo $! >launcher
env -u SHIPCTL -u SHIPCTL_SLOT sleep 61 & echo $! >child
exec "$@"`
		if _, err := b.run("", "sh", "-c", line, "sh", "./teatime", "-port="+strconv.Itoa(b.port), "-hide-env"); err != nil {
			t.Fatal(err)
		}
		if out, err := b.health(soon, "^green$"); err != nil {
			t.Fatalf("%q, %v", out, err)
		}
		pid := func(name string) int {
			text, err := os.ReadFile(filepath.Join(b.dir, name))
			if err != nil {
				t.Fatal(err)
			}
			n, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		job, launcher, child := pid("job"), pid("launcher"), pid("child")
		defer func() {
			_ = syscall.Kill(job, syscall.SIGKILL)
			_ = syscall.Kill(launcher, syscall.SIGKILL)
		}()
		runs := func(pid int) bool {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			return bytes.Contains(text, []byte("(sleep)")) && !bytes.Contains(text, []byte("(sleep) Z"))
		}
		for end := time.Now().Add(soon); !runs(job) || !runs(launcher) || !runs(child); time.Sleep(5 * time.Millisecond) { // before that they are shells with the marker
			if time.Now().After(end) {
				t.Fatal("they do not run")
			}
		}
		if seen := b.look(); len(seen.Procs) != 1 {
			t.Errorf("seen: %+v", seen.Procs)
		}
		if out, err := b.stop(5 * time.Second); err != nil || !strings.Contains(out, "stopped") {
			t.Errorf("stop: %q, %v", out, err)
		}
		if !runs(job) || !runs(launcher) {
			t.Error("a job was stopped with the service")
		}
		if runs(child) {
			t.Error("what the service started otherwise still runs")
		}
	})
}

// TestStopUnrecognised: a slot whose port is held by a program without a marker is not called stopped.
func TestStopUnrecognised(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", b.port))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if out, err := b.stop(time.Second); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("is held by pid %d", os.Getpid())) {
			t.Errorf("%q, %v", out, err)
		}
	})
}

// TestRevive: what a run has stopped is started again as it was, in whatever state the stop was left.
func TestRevive(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		revive := func() (string, error) {
			return remotetest.Step(t, b.m, remote.Call{Script: "service/revive", Args: []string{b.name, "green", "20"}})
		}
		if _, err := b.start("-slow=1ms"); err != nil {
			t.Fatal(err)
		}
		if _, err := b.health(soon, ""); err != nil {
			t.Fatal(err)
		}
		if out, err := revive(); err != nil || !strings.Contains(out, "nothing was stopped") {
			t.Errorf("before a stop: %q, %v", out, err)
		}
		old := b.look().Procs[0]
		line := func(pid int) string {
			raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
			if err != nil {
				t.Error(err)
			}
			return string(raw) + string(env)
		}
		was := line(old.PID)
		if _, err := b.stop(5 * time.Second); err != nil {
			t.Fatal(err)
		}
		if out, err := revive(); err != nil || !strings.Contains(out, "green runs release 42 again") {
			t.Fatalf("%q, %v", out, err)
		}
		if seen := b.look(); len(seen.Procs) != 1 || line(seen.Procs[0].PID) != was || seen.Procs[0].Dir != old.Dir {
			t.Errorf("it runs as %+v, and ran as %+v", seen.Procs, old)
		}
		if out, err := revive(); err != nil || !strings.Contains(out, "already runs") {
			t.Errorf("again: %q, %v", out, err)
		}
	})
}

// TestConfirm: what was healthy is what must listen when nginx is about to switch.
func TestConfirm(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		if _, err := b.start(); err != nil {
			t.Fatal(err)
		}
		if _, err := b.confirm(); err == nil || !strings.Contains(err.Error(), "nothing says which process of green was healthy") {
			t.Errorf("before it was healthy: %v", err)
		}
		if _, err := b.health(soon, "^green$"); err != nil {
			t.Fatal(err)
		}
		if out, err := b.confirm(); err != nil || !strings.Contains(out, "still pid") {
			t.Errorf("%q, %v", out, err)
		}
		old := b.look().Procs[0]
		gone := fmt.Sprintf("ended after it was healthy: pid %d is gone", old.PID)
		b.crash(old.PID)
		if _, err := b.confirm(); err == nil || !strings.Contains(err.Error(), gone+" (nobody listens") {
			t.Errorf("it crashed: %v", err)
		}
		again := exec.Command(program, "-port="+strconv.Itoa(b.port), "-slot=green")
		again.Env = []string{"SHIPCTL=teatime/" + b.name + "/green/42/" + digest} // as systemd starts it again
		if err := again.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { _ = again.Wait() }()
		for len(b.look().Listeners) == 0 {
			continue
		}
		if _, err := b.confirm(); err == nil || !strings.Contains(err.Error(), gone) || !strings.Contains(err.Error(), fmt.Sprintf("and pid %d runs in its place", again.Process.Pid)) {
			t.Errorf("it is up again: %v", err)
		}
	})
}

// TestPortTaken: a stranger on the port is named and left alone.
func TestPortTaken(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", b.port))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, err = b.start()
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("taken by pid %d", os.Getpid())) {
			t.Errorf("got %v", err)
		}
		seen := b.look()
		if len(seen.Listeners) != 1 || seen.Listeners[0].Owner != "" || seen.Listeners[0].PID != os.Getpid() || seen.Listeners[0].Program == "" {
			t.Errorf("listeners: %+v", seen.Listeners)
		}
	})
}

// TestNeverHealthy: the error has the last answers and the log's last lines.
func TestNeverHealthy(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		if _, err := b.start("-unhealthy"); err != nil {
			t.Fatal(err)
		}
		if out, err := b.check(soon, "tcp", "", "", "", ""); err != nil {
			t.Fatal(out, err)
		}
		_, err := b.health(1500*time.Millisecond, "")
		if err == nil || !strings.Contains(err.Error(), "GET /profile: 503") || !strings.Contains(err.Error(), "Last lines of its log:\n  | ") {
			t.Errorf("got %v", err)
		}
	})
}

// TestHealthDeadline: the wait ends when it is over, whatever the interval and the timeout are; and what comes later is no
// answer any more.
func TestHealthDeadline(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		if _, err := b.start(); err != nil {
			t.Fatal(err)
		}
		if out, err := b.health(soon, ""); err != nil {
			t.Fatal(out, err)
		}
		late := func(what string, min, max time.Duration, kind string, command ...string) {
			t.Helper()
			begin := time.Now()
			out, err := b.check(1500*time.Millisecond, kind, "/profile", "201", "", "", command...)
			if err == nil || !strings.Contains(err.Error(), "was not healthy within 1 s") {
				t.Errorf("%s: %q, %v", what, out, err)
			}
			if took := time.Since(begin); took < min || took > max {
				t.Errorf("%s: took %s", what, took)
			}
		}
		b.interval = "15000"
		late("a long interval", 1500*time.Millisecond, 10*time.Second, "http")
		b.interval = ""
		late("a late answer", 1500*time.Millisecond, 10*time.Second, "exec", "sleep", "1.8")
		b.interval, b.healthyFor = "15000", "600"
		begin := time.Now()
		if out, err := b.health(soon, "^green$"); err != nil || time.Since(begin) > 10*time.Second {
			t.Errorf("it was not asked again when it had been healthy for long enough: %q, %v", out, err)
		}
	})
}

// TestEndsAtOnce: a program that can't be run is an error of start or health, with what it printed.
func TestEndsAtOnce(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		_, err := b.start("-no-such-flag")
		if err == nil {
			_, err = b.health(soon, "")
		}
		if err == nil || !strings.Contains(err.Error(), "no-such-flag") {
			t.Errorf("got %v", err)
		}
	})
}

// TestStrangerAnswers: an answer from another process, however healthy, is not accepted.
func TestStrangerAnswers(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", b.port))
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "green") })}
		go func() { _ = srv.Serve(l) }()
		defer srv.Close()
		_, err = b.health(time.Second, "")
		if err == nil || !strings.Contains(err.Error(), "not release 42 of slot green") && !strings.Contains(err.Error(), "ended before") {
			t.Errorf("got %v", err)
		}
	})
}

// TestIgnoresTerm: killed after the grace, and a child that holds its output does not hang the step.
func TestIgnoresTerm(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		if _, err := b.start("-ignore-term", "-orphan"); err != nil {
			t.Fatal(err)
		}
		if _, err := b.health(soon, ""); err != nil {
			t.Fatal(err)
		}
		out, err := b.stop(time.Second)
		if err != nil || !strings.Contains(out, "killed") {
			t.Errorf("%q, %v", out, err)
		}
		if seen := b.look(); len(seen.Procs) != 0 {
			t.Errorf("left: %+v", seen.Procs)
		}
	})
}

// slowly needs a second for its end, and counts how often it was told; a wrapper waits for it in one of the usual ways.
const slowly = `told=0
trap 'told=$((told + 1)); until=$(($(date +%s) + 2))' TERM
: >up
while [ "$told" = 0 ] || [ "$(date +%s)" -lt "$until" ]; do sleep 0.1; done
echo "$told" >ended
`

// TestStopWrapper: what a wrapper waits for is told once, and has the whole grace, whatever becomes of the wrapper.
func TestStopWrapper(t *testing.T) {
	for name, wrapper := range map[string]string{
		"dies at once": "./slowly.sh\n:\n",
		"waits":        "trap : TERM\n./slowly.sh\n:\n",
		"in two":       "sh -c './slowly.sh; :'\n:\n",
		"no shell":     "exec flock lock ./slowly.sh\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachShell(t, func(t *testing.T, b *bench) {
				b.write("slowly.sh", "#!/bin/sh\n"+slowly)
				b.write("run.sh", "#!/bin/sh\n"+wrapper)
				if out, err := b.run("", "./run.sh"); err != nil {
					t.Fatal(out, err)
				}
				for b.read("up") == nil {
					time.Sleep(5 * time.Millisecond)
				}
				if out, err := b.stop(20 * time.Second); err != nil || strings.Contains(out, "killed") {
					t.Errorf("%q, %v", out, err)
				}
				if got := b.read("ended"); string(got) != "1\n" {
					t.Errorf("it was told %q times", got)
				}
				if left := b.look().Procs; len(left) != 0 {
					t.Errorf("left: %+v", left)
				}
			})
		})
	}
}

// write makes a program in the release, read gives a file of it, nil for none.
func (b *bench) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o755); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) read(name string) []byte {
	b.t.Helper()
	out, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil && !os.IsNotExist(err) {
		b.t.Fatal(err)
	}
	return out
}

// TestConnected: a slot to which somebody is connected is not stopped, and the peer is named.
func TestConnected(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		if _, err := b.start(); err != nil {
			t.Fatal(err)
		}
		if _, err := b.health(soon, ""); err != nil {
			t.Fatal(err)
		}
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/stream?s=30", b.port))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, err = b.stop(time.Second)
		if err == nil || !strings.Contains(err.Error(), "1 from 127.0.0.1") || !strings.Contains(err.Error(), "was not stopped") {
			t.Errorf("got %v", err)
		}
		if len(b.look().Procs) != 1 {
			t.Error("it was stopped")
		}
		resp.Body.Close()
		if out, err := b.stop(5 * time.Second); err != nil {
			t.Errorf("%q, %v", out, err)
		}
	})
}

// TestConnectedByIPv6: an nginx that was drained may be cut off, by an address of whatever family.
func TestConnectedByIPv6(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		if _, err := b.start(); err != nil {
			t.Fatal(err)
		}
		if _, err := b.health(soon, ""); err != nil {
			t.Fatal(err)
		}
		resp, err := http.Get(fmt.Sprintf("http://[::1]:%d/stream?s=30", b.port))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		stop := func(may string) (string, error) {
			return remotetest.Step(t, b.m, remote.Call{Script: "service/stop", Args: []string{b.name, "green", "TERM", "1", "1", "keep", may, strconv.Itoa(b.port), ""}})
		}
		if _, err := stop("10.0.0.21 2001:db8::21"); err == nil || !strings.Contains(err.Error(), "1 from ::1") {
			t.Errorf("got %v", err)
		}
		if out, err := stop("10.0.0.21 ::1"); err != nil || !strings.Contains(out, "cut off 1 connection (::1)\n") {
			t.Errorf("%q, %v", out, err)
		}
	})
}

// TestBeforeStart: its output is shown, its failure too; and it does not run again when the reply was lost.
func TestBeforeStart(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		n, limit := 0, "20"
		again := func(command ...string) (string, error) {
			out, err := b.m.Run(t.Context(), remote.Ticket{Run: "run", Step: "hook-" + strconv.Itoa(n), Deadline: time.Now().Add(time.Minute)}, remote.Call{
				Script: "service/before", Args: append([]string{"migrate", b.dir, "", limit}, command...), Stdin: []remote.Part{{Text: "A=b c\n"}},
			})
			return string(out), err
		}
		run := func(command ...string) (string, error) {
			n++
			return again(command...)
		}
		if out, err := run("sh", "-c", `echo "$A in $PWD"`); err != nil || !strings.Contains(out, "b c in "+b.dir) {
			t.Errorf("%q, %v", out, err)
		}
		if out, err := again("false"); err != nil || !strings.Contains(out, "done already") {
			t.Errorf("%q, %v", out, err)
		}
		if _, err := run("sh", "-c", "echo no table; exit 3"); err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no table") {
			t.Errorf("got %v", err)
		}
		limit = "2"
		if _, err := run("sleep", "60"); err == nil || !strings.Contains(err.Error(), "longer than 2 s") {
			t.Errorf("got %v", err)
		}
	})
}

// TestEvict: the very process, as PID and start time, and no other.
func TestEvict(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		cmd := exec.Command(program, "-port="+strconv.Itoa(b.port), "-version=1", "-slot=old")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		var seen Seen
		for len(seen.Listeners) == 0 {
			seen = b.look()
		}
		evict := func(start int64) (string, error) {
			return remotetest.Step(t, b.m, remote.Call{Script: "service/evict", Args: []string{
				fmt.Sprint(cmd.Process.Pid), fmt.Sprint(start), strconv.Itoa(b.port), "TERM", "5", "1", "keep", "", "",
			}})
		}
		if out, err := evict(seen.Listeners[0].Start + 1); err != nil || !strings.Contains(out, "gone already") {
			t.Errorf("another process of that PID: %q, %v", out, err)
		}
		if out, err := evict(seen.Listeners[0].Start); err != nil || !strings.Contains(out, "stopped") {
			t.Errorf("%q, %v", out, err)
		}
		<-done
	})
}

func FuzzParse(f *testing.F) {
	f.Add("boot\t1\t100\nproc\t1\t2\tblue\t41\tabc\t/srv\nlisten\t80\t1\t2\t-\tx\t-\nunit\tblue\tactive\tenabled\nanswer\t80\t200\tok")
	f.Add("proc\t-1\t\t\t\t\t")
	f.Fuzz(func(t *testing.T, text string) {
		seen, err := parse(text)
		if err == nil {
			if _, err := json.Marshal(seen); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestShellcheck: what is sent is clean, under no exclusions.
func TestShellcheck(t *testing.T) { remotetest.Joined(t, "service", scripts{files}) }
