package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers/batch/model"
	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// soon is more than anything that comes takes, also on a slow machine.
const soon = 20 * time.Second

// bench is this machine, under one shell, with a root that has releases.
type bench struct {
	t     testing.TB
	m     remote.Machine
	shell string
	path  string // PATH of launchers
	root  string
}

func newBench(t testing.TB, shell string) *bench {
	t.Helper()
	lib, err := remote.Scripts(map[string]fs.FS{"batch": scripts})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b := &bench{t: t, shell: shell, root: filepath.Join(dir, "it's a root"), m: remotetest.Under(t, shell, lib, filepath.Join(dir, "state"))}
	b.path = os.Getenv("PATH")
	if shell == "busybox" {
		b.path = applets(t)
	}
	b.release("1")
	b.current("1")
	return b
}

// applets is a PATH with busybox' programs, flock and su (Debian's busybox has none), and nothing else.
func applets(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range strings.Fields("sh date sleep wc mv id cat true false echo env kill ps ls grep getent test printf rm setpriv tail") {
		if err := os.Symlink("/usr/bin/busybox", filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"flock", "su"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (b *bench) release(id string) string {
	b.t.Helper()
	dir := filepath.Join(b.root, "releases", id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "VERSION"), []byte(id+"\n"), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return dir
}

func (b *bench) current(id string) {
	b.t.Helper()
	link := filepath.Join(b.root, "current")
	if err := os.Symlink(filepath.Join(b.root, "releases", id), link+".new"); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) spec(jobs ...Job) Spec {
	for i := range jobs {
		if jobs[i].Concurrency == "" {
			jobs[i].Concurrency = Forbid
		}
		if jobs[i].OnDeployment == "" {
			jobs[i].OnDeployment = Wait
		}
	}
	return Spec{
		Project: remotetest.Project, Name: "settlement", Jobs: jobs, Hosts: []config.HostValue{{Name: "batch-1"}},
		Release: Release{Ref: config.Ref{Kind: "release", Name: "settlement"}, Pin: "live", Root: b.root},
	}
}

// sh is a job that runs shell text.
func sh(name, text string, args ...string) Job {
	return Job{Name: name, Command: append([]string{"sh", "-c", text, "sh"}, args...)}
}

// write places the launchers of a spec.
func (b *bench) write(s Spec) {
	b.t.Helper()
	if out, err := remotetest.Step(b.t, b.m, s.call("now", s.Jobs, nil)); err != nil {
		b.t.Fatalf("%s: %v %s", b.shell, err, out)
	}
}

// runs is a run's step that writes launchers, or its undoing.
func (b *bench) runs(run string, c remote.Call) {
	b.t.Helper()
	if _, err := b.m.Run(b.t.Context(), remote.Ticket{Run: run, Step: "launchers", Deadline: time.Now().Add(time.Minute)}, c); err != nil {
		b.t.Fatal(err)
	}
}

// start is a launcher's process: by the shell under test, or by the kernel where that is /bin/sh.
func (b *bench) start(job string, args ...string) *process {
	b.t.Helper()
	launcher := filepath.Join(b.root, "jobs", job)
	argv := append([]string{b.shell, launcher}, args...)
	if b.shell == "busybox" {
		argv = append([]string{"busybox", "sh", launcher}, args...)
	}
	p := &process{t: b.t, cmd: exec.Command(argv[0], argv[1:]...)}
	p.cmd.Env = []string{"PATH=" + b.path, "HOME=/"}
	p.cmd.Dir = b.t.TempDir()
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errs
	p.cmd.WaitDelay = 5 * time.Second
	return p
}

type process struct {
	t         testing.TB
	cmd       *exec.Cmd
	out, errs output
}

// output may be read while it is written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (p *process) begin() *process {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	return p
}

func (p *process) end() int {
	p.t.Helper()
	late := time.AfterFunc(time.Minute, func() {
		p.t.Errorf("%s does not end", p.cmd)
		_ = p.cmd.Process.Kill()
	})
	err := p.cmd.Wait()
	late.Stop()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// says waits until it has printed the text.
func (p *process) says(o *output, text string) {
	p.t.Helper()
	for deadline := time.Now().Add(soon); !strings.Contains(o.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("it never said %q: %q, %q", text, p.out.String(), p.errs.String())
		}
	}
}

// is compares how it ended and what it printed; errs is a part of standard error, "" for nothing at all.
func (p *process) is(code int, out, errs string) {
	p.t.Helper()
	if c := p.end(); c != code || p.out.String() != out || (errs == "") != (p.errs.String() == "") || !strings.Contains(p.errs.String(), errs) {
		p.t.Errorf("exit %d, printed %q and %q; want %d, %q, …%q…", c, p.out.String(), p.errs.String(), code, out, errs)
	}
}

func (b *bench) look(names ...string) string {
	b.t.Helper()
	a := remotetest.Query(b.t, b.m, scriptLook, append([]string{b.root}, names...)...)
	if a.Sight != remote.Seen {
		b.t.Fatalf("%+v", a)
	}
	return a.Text
}

// await polls until a job's look says what is wanted.
func (b *bench) await(name, want string) string {
	b.t.Helper()
	for deadline := time.Now().Add(soon); ; time.Sleep(20 * time.Millisecond) {
		text := b.look(name)
		if strings.Contains(text, want) {
			return text
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s never said %q: %s", b.shell, want, text)
		}
	}
}

func each(t *testing.T, f func(t *testing.T, b *bench)) {
	t.Helper()
	for _, shell := range remotetest.Shells(t) {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			f(t, newBench(t, shell))
		})
	}
}

func TestShellcheck(t *testing.T) {
	remotetest.Shellcheck(t, ".")
	remotetest.Shellcheck(t, "launcher")
	remotetest.Joined(t, "batch", scripts)
}

// What a scheduler sees is the job's own: exit status, both streams, standard input, arguments.
func TestTransparent(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		s := b.spec(
			sh("talks", `cat VERSION; echo "$#:$1:$2:$3"; echo oops >&2; exit 7`, "a b", `it's $HOME "x"`),
			sh("reads", `cat`), Job{Name: "missing", Command: []string{"./nowhere"}},
			sh("where", `pwd -P; echo "$TZ $SHIPCTL_JOB $SHIPCTL_RELEASE"`), sh("dies", `kill -9 $$`),
		)
		s.Env = []Env{{Name: "TZ", Value: remote.Part{Text: "Asia/Seoul"}}}
		b.write(s)
		b.start("talks", "c").begin().is(7, "1\n3:a b:it's $HOME \"x\":c\n", "oops\n")
		in := b.start("reads")
		in.cmd.Stdin = strings.NewReader("from the scheduler")
		in.begin().is(0, "from the scheduler", "")
		b.start("missing").begin().is(127, "", "nowhere")
		b.start("where").begin().is(0, filepath.Join(b.root, "releases", "1")+"\nAsia/Seoul where 1\n", "")
		if c := b.start("dies").begin().end(); c != 137 {
			t.Errorf("exit %d", c)
		}
		if text := b.look("talks"); !strings.Contains(text, "job talks idle\nrun talks ") || !strings.Contains(text, " 7 1\n") {
			t.Errorf("recorded as\n%s", text)
		}
	})
}

// A signal reaches the job, and what it says then is passed on.
func TestSignals(t *testing.T) {
	heard := make(chan os.Signal, 1) // so that jobs get SIGHUP even where these tests run under nohup
	signal.Notify(heard, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(heard) })
	each(t, func(t *testing.T, b *bench) {
		b.write(b.spec(sh("traps", `trap 'echo got it; exit 9' TERM HUP; echo ready; while :; do sleep 0.05; done`), sh("plain", `echo ready; exec sleep 60`)))
		for _, tt := range []struct {
			job  string
			sig  syscall.Signal
			code int
			out  string
		}{
			{"traps", syscall.SIGTERM, 9, "ready\ngot it\n"},
			{"traps", syscall.SIGHUP, 9, "ready\ngot it\n"},
			{"plain", syscall.SIGTERM, 143, "ready\n"},
			{"plain", syscall.SIGINT, 143, "ready\n"}, // ignored in the background by all but bash: then it gets TERM
		} {
			p := b.start(tt.job).begin()
			b.await(tt.job, "running")
			p.says(&p.out, "ready") // it has its trap
			if err := p.cmd.Process.Signal(tt.sig); err != nil {
				t.Fatal(err)
			}
			if tt.sig == syscall.SIGINT && b.shell == "bash" {
				tt.code = 130
			}
			p.is(tt.code, tt.out, "")
		}
	})
}

// QUIT is passed on as QUIT, and never as TERM: a job with a handler of its own (a JVM, which prints its threads) gets it
// where the shell lets jobs begin with QUIT ignored, too; any other one goes on there, as docs/batch.md says.
func TestQuit(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		handler := Job{Name: "handler", Command: []string{os.Args[0], "-test.run=^TestQuitHandler$", "-test.v"}, Concurrency: Forbid, OnDeployment: Wait}
		s := b.spec(handler, sh("plain", `echo ready; exec sleep 60`))
		s.Env = []Env{{Name: "QUIT_HANDLER", Value: remote.Part{Text: "1"}}}
		b.write(s)
		quit := func(job string) *process {
			p := b.start(job).begin()
			b.await(job, "running")
			p.says(&p.out, "ready")
			if err := p.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
				t.Fatal(err)
			}
			return p
		}
		p := quit("handler")
		if code := p.end(); code != 0 || !strings.Contains(p.out.String(), "got quit") {
			t.Errorf("exit %d, %q", code, p.out.String())
		}
		p = quit("plain")
		if b.shell == "bash" {
			p.is(131, "ready\n", "")
			return
		}
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil { // were it ended by QUIT, it would not be by this
			t.Fatal(err)
		}
		p.is(143, "ready\n", "")
	})
}

// TestQuitHandler is the job of TestQuit.
func TestQuitHandler(t *testing.T) {
	if os.Getenv("QUIT_HANDLER") == "" {
		return // only a job of TestQuit
	}
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGQUIT)
	fmt.Println("ready")
	<-heard
	fmt.Println("got quit")
}

// Killed with -9, the launcher's job still counts as running, until it ends.
func TestLauncherKilled(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.write(b.spec(sh("long", `trap 'exit 0' TERM; while :; do sleep 0.05; done`)))
		p := b.start("long").begin()
		text := b.await("long", "running 1")
		var start, pid int
		if _, err := fmt.Sscanf(text, "job long running %d %d 1\n", &start, &pid); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		p.end()
		if got := b.look("long"); !strings.Contains(got, fmt.Sprintf("job long running %d %d 1\n", start, pid)) {
			t.Errorf("after the launcher's death: %s", got)
		}
		b.start("long").begin().is(75, "", "runs already")
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		b.await("long", "job long idle\nrun long "+fmt.Sprint(start)+" - - 1\n")
	})
}

// Two starts at once: refused, side by side, or one after the other.
func TestConcurrency(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		text := `echo begun; read -r line; echo "$line"`
		jobs := []Job{sh("forbid", text), sh("allow", text), sh("queue", text)}
		jobs[1].Concurrency, jobs[2].Concurrency = Allow, Queue
		b.write(b.spec(jobs...))
		for _, name := range []string{"forbid", "allow", "queue"} {
			first := b.start(name)
			in, err := first.cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			first.begin()
			b.await(name, "job "+name+" running")
			second := b.start(name)
			second.cmd.Stdin = strings.NewReader("second\n")
			second.begin()
			switch name {
			case "forbid":
				second.is(75, "", "runs already")
			case "allow":
				second.is(0, "begun\nsecond\n", "")
			}
			if _, err := in.Write([]byte("first\n")); err != nil {
				t.Fatal(err)
			}
			first.is(0, "begun\nfirst\n", "")
			if name == "queue" {
				second.is(0, "begun\nsecond\n", "")
			}
		}
	})
}

// A child that the job leaves behind still uses the release: the job counts as running.
func TestChildHoldsLock(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.write(b.spec(sh("parent", `sleep 60 >/dev/null 2>&1 </dev/null & echo $!`)))
		p := b.start("parent").begin()
		if c := p.end(); c != 0 {
			t.Fatalf("exit %d: %s", c, p.errs.String())
		}
		if got := b.look("parent"); !strings.HasPrefix(got, "job parent running 0 0 -\n") {
			t.Errorf("with a child: %s", got)
		}
		var child int
		if _, err := fmt.Sscan(p.out.String(), &child); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		b.await("parent", "job parent idle")
	})
}

// Nothing that is in the way of the records keeps a job from running.
func TestRunsAllTheSame(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.write(b.spec(sh("job", `echo done`)))
		state := filepath.Join(b.root, "jobs", ".state")
		breakages := []struct {
			name, errs string
			do         func() error
		}{
			{"records can't be written", "could not record", func() error {
				return errors.Join(os.Remove(filepath.Join(state, "job", "runs")), os.Symlink("/dev/full", filepath.Join(state, "job", "runs")))
			}},
			{"no directory for records", "could not record", func() error { return os.RemoveAll(filepath.Join(state, "job")) }},
			{"a hold that can't be read", "does not wait", func() error { return os.WriteFile(filepath.Join(state, "job.hold.1"), []byte("what\n"), 0o600) }},
			{"a hold of an earlier boot", "has died", func() error {
				return os.WriteFile(filepath.Join(state, "job.hold.1"), []byte("another-boot 99999999 run-1\n"), 0o600)
			}},
			{"no state", "runs without a lock", func() error { return os.RemoveAll(state) }},
		}
		b.start("job").begin().is(0, "done\n", "")
		for _, x := range breakages {
			if err := x.do(); err != nil {
				t.Fatalf("%s: %v", x.name, err)
			}
			b.start("job").begin().is(0, "done\n", x.errs)
		}
	})
}

func (b *bench) step(script string, args ...string) error {
	return b.stepOf("stop/hold", script, args...)
}

func (b *bench) stepOf(step, script string, args ...string) error {
	ticket := remote.Ticket{Run: "run-1", Step: step, Deadline: time.Now().Add(time.Minute)}
	_, err := b.m.Run(b.t.Context(), ticket, remote.Call{Script: script, Args: args})
	return err
}

// While a deployment stops something, a job waits, is skipped, or does not care; a hold that has passed is none.
func TestHold(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		jobs := []Job{sh("wait", `echo ran`), sh("skip", `echo ran`), sh("run", `echo ran`)}
		jobs[1].OnDeployment, jobs[2].OnDeployment = Skip, Run
		b.write(b.spec(jobs...))
		names := []string{b.root, "wait", "skip", "run"}
		hold := func(seconds string) {
			t.Helper()
			if err := b.step("batch/hold", append([]string{b.root, seconds, "5"}, names[1:]...)...); err != nil {
				t.Fatal(err)
			}
		}
		hold("60")
		b.start("run").begin().is(0, "ran\n", "")
		b.start("skip").begin().is(75, "", "(run-1) is about to stop")
		p := b.start("wait").begin()
		p.says(&p.errs, "waits for a deployment")
		if text := b.look("wait"); !strings.HasPrefix(text, "job wait idle\n") {
			t.Errorf("while it waits: %s", text)
		}
		if err := b.step("batch/unhold", names...); err != nil {
			t.Fatal(err)
		}
		p.is(0, "ran\n", "waits for a deployment (run-1)")
		hold("1")
		p = b.start("wait").begin()
		p.is(0, "ran\n", "has died")
	})
}

// Two stops at once may hold the same job: it waits until both have ended, in whatever order. What one that died has left
// is cleared away by the next, and keeps nobody.
func TestHoldsOfTwo(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		job := sh("job", `echo ran`)
		job.OnDeployment = Skip
		b.write(b.spec(job))
		state := filepath.Join(b.root, "jobs", ".state")
		m := model.New()
		m.File(b.root, "job", "launcher")
		do := func(step, script string, seconds ...string) {
			t.Helper()
			args := append(append([]string{b.root}, seconds...), "job")
			if err := b.stepOf(step, script, args...); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Run(script, args, "run-1 "+step, ""); err != nil {
				t.Fatal(err)
			}
		}
		starts := func(when string, want bool) {
			t.Helper()
			if m.Held(b.root, "job") == want {
				t.Errorf("%s: the model says otherwise", when)
			}
			if want {
				b.start("job").begin().is(0, "ran\n", "")
				return
			}
			b.start("job").begin().is(75, "", "(run-1) is about to stop")
		}
		dead := filepath.Join(state, "job.hold.dead")
		if err := os.WriteFile(dead, []byte("another-boot 99999999 run-0\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		do("one/hold", "batch/hold", "60", "5")
		do("two/hold", "batch/hold", "60", "5")
		do("two/hold", "batch/hold", "60", "5") // its reply was lost
		if _, err := os.Stat(dead); !os.IsNotExist(err) {
			t.Errorf("what a dead deployment left: %v", err)
		}
		starts("two hold", false)
		do("one/hold", "batch/unhold")
		do("one/hold", "batch/unhold")
		starts("the other holds on", false)
		do("three/hold", "batch/unhold")
		starts("somebody who does not hold lets go", false)
		do("two/hold", "batch/unhold")
		starts("nobody holds", true)
		if left, err := filepath.Glob(filepath.Join(state, "*.hold*")); err != nil || len(left) > 0 {
			t.Errorf("left: %v %v", left, err)
		}
	})
}

// A job that starts at the very moment at which a deployment holds jobs is never stopped: either the deployment waits for
// it, or it begins after unhold.
func TestHoldRace(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		marker := filepath.Join(t.TempDir(), "inside")
		b.write(b.spec(sh("job", `: >"$1"; sleep 0.02; rm "$1"`, marker)))
		waited, begun := 0, 0
		for i := range 67 { // under each of three shells
			p := b.start("job").begin()
			time.Sleep(time.Duration(i%7) * 2 * time.Millisecond)
			if err := b.step("batch/hold", b.root, "60", "20", "job"); err != nil {
				t.Fatal(err)
			}
			for range 5 { // something is stopped now
				if _, err := os.Stat(marker); err == nil {
					t.Fatal("the job runs while something that it relies on is stopped")
				}
				time.Sleep(5 * time.Millisecond)
			}
			if err := b.step("batch/unhold", b.root, "job"); err != nil {
				t.Fatal(err)
			}
			if c := p.end(); c != 0 {
				t.Fatalf("exit %d: %s", c, p.errs.String())
			}
			if p.errs.String() != "" {
				waited++
			} else {
				begun++
			}
		}
		t.Logf("%d times the job waited, %d times the deployment did", waited, begun)
	})
}

// Where a job does not end, nothing is held and nobody is told that it may be stopped.
func TestHoldGivesUp(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.write(b.spec(sh("long", `exec sleep 60`), sh("other", `echo ran`)))
		p := b.start("long").begin()
		b.await("long", "job long running")
		var refused *remote.ScriptError
		if err := b.step("batch/hold", b.root, "60", "1", "other", "long"); !errors.As(err, &refused) || refused.Status != 77 || !strings.Contains(refused.Output, "still running after 1 s: long") {
			t.Errorf("%v", err)
		}
		b.start("other").begin().is(0, "ran\n", "")
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		p.end()
	})
}

// What runs behind "--" is no reason to wait; it does not start again all the same, in the model neither.
func TestHoldAnyway(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		long, other := sh("long", `exec sleep 60`), sh("other", `echo ran`)
		long.Concurrency, long.OnDeployment, other.OnDeployment = "allow", Skip, Skip
		b.write(b.spec(long, other))
		m := model.New()
		m.File(b.root, "long", "launcher")
		m.Runs = func(_, job string) bool { return job == "long" }
		p := b.start("long").begin()
		b.await("long", "job long running")
		for _, names := range [][]string{{"other", "--", "long"}, {"--", "other", "long"}} {
			args := append([]string{b.root, "60", "1"}, names...)
			if err := b.step("batch/hold", args...); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Run("batch/hold", args, "run-1 stop/hold", ""); err != nil || !m.Held(b.root, "long") || !m.Held(b.root, "other") || m.Held(b.root, "--") {
				t.Errorf("the model: %v", err)
			}
			for _, job := range []string{"long", "other"} {
				b.start(job).begin().is(75, "", "(run-1) is about to stop")
			}
			args = []string{b.root, "other", "long"}
			if err := b.step("batch/unhold", args...); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Run("batch/unhold", args, "run-1 stop/hold", ""); err != nil || m.Held(b.root, "long") {
				t.Errorf("the model: %v", err)
			}
			b.start("other").begin().is(0, "ran\n", "")
		}
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		p.end()
	})
}

// A run whose lease was taken over, before or while it waits, keeps no job from starting.
func TestHoldOfTheSuperseded(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.write(b.spec(sh("job", `exec sleep 60`), sh("other", `echo ran`)))
		run := func(epoch int64, script string, args ...string) error {
			ticket := remote.Ticket{Run: "run-1", Step: "stop/hold", Epoch: epoch, Deadline: time.Now().Add(time.Minute)}
			_, err := b.m.Run(t.Context(), ticket, remote.Call{Script: script, Args: append([]string{b.root}, args...), Unlocked: true})
			return err
		}
		hold := func(epoch int64, names ...string) error {
			return run(epoch, "batch/hold", append([]string{"60", "20"}, names...)...)
		}
		letGo := func() error { return run(0, "batch/unhold", "other", "job") }
		lease := func(run string) {
			t.Helper()
			ticket := remote.Ticket{Run: run, Step: "lease/acquire", Deadline: time.Now().Add(time.Minute)}
			if _, err := b.m.Run(t.Context(), ticket, remote.Call{Script: "remote/lease", Args: []string{"acquire", run, "1", "me", ""}, Unlocked: true}); err != nil {
				t.Fatal(err)
			}
		}
		superseded := func(err error) {
			t.Helper()
			var refused *remote.ScriptError
			if !errors.As(err, &refused) || refused.Status != 76 || !strings.Contains(refused.Output, "another run took over") {
				t.Errorf("%v", err)
			}
			if left, err := filepath.Glob(filepath.Join(b.root, "jobs", ".state", "*.hold*")); err != nil || len(left) > 0 {
				t.Errorf("left: %v %v", left, err)
			}
		}
		lease("run1")
		if err := errors.Join(hold(1, "other"), letGo(), hold(0, "other"), letGo()); err != nil {
			t.Fatal(err)
		}
		p := b.start("job").begin()
		b.await("job", "job job running")
		waits := make(chan error)
		go func() { waits <- hold(1, "other", "job") }()
		lease("run2")
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		p.end()
		superseded(<-waits)
		superseded(hold(1, "other"))
		if err := hold(2, "other"); err != nil {
			t.Error(err)
		}
	})
}

// The command that was there before is in force until the release that the new one is for is current.
func TestCommandBefore(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		s := b.spec(sh("job", `echo "old $PASSWORD $TZ"; cat VERSION`))
		s.Env = []Env{{Name: "PASSWORD", Value: remote.Part{Var: "password"}, Print: "1"}, {Name: "TZ", Value: remote.Part{Text: "UTC"}}}
		b.write(s)
		next := b.spec(sh("job", `echo "new $PASSWORD $TZ"; cat VERSION`))
		call := next.call("later", next.Jobs, nil)
		for range 2 { // its reply was lost
			b.runs("run-2", call)
		}
		b.start("job").begin().is(0, "old "+remotetest.Password+" UTC\n1\n", "")
		b.release("2")
		b.current("2")
		b.start("job").begin().is(0, "new  \n2\n", "")
		undo := []string{b.root, "job", digest(next.text(next.Jobs[0])), digest(s.text(s.Jobs[0]))}
		for range 2 {
			b.runs("run-2", remote.Call{Script: scriptUnwrite, Args: undo})
		}
		b.start("job").begin().is(0, "old "+remotetest.Password+" UTC\n2\n", "")
		left, err := os.ReadFile(filepath.Join(b.root, "jobs", "job"))
		if err != nil || bytes.Contains(left, []byte(remotetest.Password)) {
			t.Errorf("the launcher holds the password, or is gone: %v", err)
		}
		if info, err := os.Stat(filepath.Join(b.root, "jobs", ".state", "job.env")); err != nil || info.Mode().Perm() != 0o400 {
			t.Errorf("secrets: %v %v", info, err)
		}
	})
}

// A run wrote launchers for 2 and died before 2 was current; another one deploys 3. At any moment a job runs the command
// of the release that it runs in, also when what the second did is taken back, or had not begun.
func TestCommandBeforeOfTwoRuns(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.release("2")
		b.release("3")
		command := func(id string) Spec {
			s := b.spec(sh("job", `echo "$(cat VERSION) by `+id+` $PASSWORD"`))
			s.Env = []Env{{Name: "PASSWORD", Value: remote.Part{Var: "password"}, Print: id}}
			return s
		}
		one, two, three := command("1"), command("2"), command("3")
		sum := func(s Spec) string { return digest(s.text(s.Jobs[0])) }
		write := func(s Spec, when string) remote.Call { return s.call(when, s.Jobs, nil) }
		undo := func(s, before Spec) remote.Call {
			return remote.Call{Script: scriptUnwrite, Args: []string{b.root, "job", sum(s), sum(before)}}
		}
		stays := func(when, want string) {
			t.Helper()
			p := b.start("job").begin()
			if c := p.end(); c != 0 || p.out.String() != want+" "+remotetest.Password+"\n" {
				t.Errorf("%s: exit %d, %q %q", when, c, p.out.String(), p.errs.String())
			}
		}
		steps := []struct {
			name string
			run  string
			call remote.Call
			want string // with release 1
		}{
			{"first", "run-0", write(one, "now"), "1 by 1"},
			{"A wrote and died", "run-A", write(two, "later"), "1 by 1"},
			{"B is undone before it began", "run-B", undo(three, two), "1 by 1"},
			{"C wrote", "run-C", write(three, "later"), "1 by 1"},
			{"C wrote again", "run-C", write(three, "later"), "1 by 1"},
			{"C is undone", "run-C", undo(three, two), "1 by 1"},
			{"C is undone again", "run-C", undo(three, two), "1 by 1"},
			{"D wrote", "run-D", write(three, "later"), "1 by 1"},
			{"E stays at 1, with the command of 2", "run-E", write(two, "now"), "1 by 2"},
			{"E is undone", "run-E", undo(two, three), "1 by 1"},
			{"the undoing of A comes late", "run-A", undo(two, one), "1 by 1"},
		}
		for _, st := range steps {
			b.runs(st.run, st.call)
			stays(st.name, st.want)
		}
		b.current("3")
		stays("3 is current", "3 by 3")
	})
}

// Started by a service: neither the launcher nor the job looks like a process of the service, by whose marks a stop finds
// those that it ends.
func TestMarksOfAService(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.write(b.spec(sh("job", `echo "$1:$PPID:${SHIPCTL-}${SHIPCTL_SLOT-}:$SHIPCTL_RELEASE"; read -r _`)))
		p := b.start("job", "x y")
		p.cmd.Env = append(p.cmd.Env, "SHIPCTL=teatime/api/blue/1/0", "SHIPCTL_SLOT=blue", "SHIPCTL_RELEASE=0")
		in, err := p.cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		p.begin()
		text := b.await("job", "job job running 1")
		var start, pid int
		if _, err := fmt.Sscanf(text, "job job running %d %d 1\n", &start, &pid); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		for _, x := range []int{p.cmd.Process.Pid, pid} {
			env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", x))
			if err != nil || bytes.Contains(env, []byte("SHIPCTL=")) || bytes.Contains(env, []byte("SHIPCTL_SLOT=")) || !bytes.Contains(env, []byte("SHIPCTL_JOB=job\x00")) {
				t.Errorf("process %d (the launcher is %d): %q %v", x, p.cmd.Process.Pid, env, err)
			}
		}
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
		p.is(1, fmt.Sprintf("x y:%d::1\n", p.cmd.Process.Pid), "")
	})
}

// With run_as nobody else on the machine can take a job's locks, and that user still can.
func TestLocksAreNotForOthers(t *testing.T) {
	if os.Getuid() != 0 {
		return // only root writes for another user
	}
	each(t, func(t *testing.T, b *bench) {
		for dir := b.root; dir != os.TempDir(); dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		s := b.spec(sh("job", `id -un; echo "$1"`))
		s.RunAs = "daemon"
		b.write(b.spec(s.Jobs...)) // it was for everybody before
		b.write(s)
		for _, name := range []string{"lock", "turn"} {
			file := filepath.Join(b.root, "jobs", ".state", "job."+name)
			held := func(user string) error {
				return exec.Command("setpriv", "--reuid="+user, "--regid="+user, "--clear-groups", "flock", "-n", "-x", file, "true").Run()
			}
			if held("games") == nil || held("daemon") != nil {
				t.Errorf("%s: games %v, daemon %v", name, held("games"), held("daemon"))
			}
		}
		p := b.start("job", "ran")
		p.cmd.Dir = "/"
		p.begin().is(0, "daemon\nran\n", "")
		b.start("job").begin().is(0, "daemon\n\n", "") // no word of a lock that can't be read
		if text := b.look("job"); strings.Count(text, "run job ") != 2 {
			t.Errorf("%s", text)
		}
	})
}

// Root writes no launchers where others can change them, or could lead it elsewhere.
func TestJobsOfOthers(t *testing.T) {
	if os.Getuid() != 0 {
		return // only root does anything for others
	}
	each(t, func(t *testing.T, b *bench) {
		s := b.spec(sh("job", `true`))
		jobs, victim := filepath.Join(b.root, "jobs"), t.TempDir()
		for _, tt := range []struct {
			name string
			make func() error
			want string
		}{
			{"a link", func() error { return os.Symlink(victim, jobs) }, "is a symbolic link"},
			{"another user's", func() error { return errors.Join(os.Mkdir(jobs, 0o755), os.Chown(jobs, 1, 1)) }, "others than root can change"},
			{"for all", func() error { return errors.Join(os.Mkdir(jobs, 0o755), os.Chmod(jobs, 0o777)) }, "chmod go-w"},
			{"state for the group", func() error {
				return errors.Join(os.Mkdir(jobs, 0o755), os.Mkdir(jobs+"/.state", 0o755), os.Chmod(jobs+"/.state", 0o775))
			}, "chmod go-w"},
			{"state a link", func() error { return errors.Join(os.Mkdir(jobs, 0o755), os.Symlink(victim, jobs+"/.state")) }, "is a symbolic link"},
		} {
			if err := tt.make(); err != nil {
				t.Fatal(err)
			}
			_, err := remotetest.Step(t, b.m, s.call("now", s.Jobs, nil))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v", tt.name, err)
			}
			if found, err := os.ReadDir(victim); err != nil || len(found) > 0 {
				t.Errorf("%s: written elsewhere: %v %v", tt.name, found, err)
			}
			if err := os.RemoveAll(jobs); err != nil {
				t.Fatal(err)
			}
		}
		b.write(s)
		b.write(s)
	})
}

// A job's user writes in the directory of its records: what lies there may be anything, and the query goes on.
func TestRecordsOfAnything(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.write(b.spec(sh("job", `true`), sh("other", `true`)))
		b.start("other").begin().is(0, "", "")
		dir := filepath.Join(b.root, "jobs", ".state", "job")
		secret := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(secret, []byte("start 1 1 secret\nend 1 2 0 1 secret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name string
			make func(file string) error
			want string
		}{
			{"pipe", func(file string) error { return syscall.Mkfifo(file, 0o644) }, ""},
			{"endless", func(file string) error { return os.Symlink("/dev/zero", file) }, ""},
			{"link", func(file string) error { return os.Symlink(secret, file) }, ""},
			{"directory", func(file string) error { return os.Mkdir(file, 0o755) }, ""},
			{"one long line", func(file string) error { return os.WriteFile(file, bytes.Repeat([]byte("x"), 20<<20), 0o644) }, ""},
			{"a gigabyte of nothing", func(file string) error {
				return errors.Join(os.WriteFile(file, nil, 0o644), os.Truncate(file, 1<<30))
			}, ""},
			{"garbage", func(file string) error {
				return os.WriteFile(file, []byte("job job running 1 1 9\n> job x\nnow 3\nstart 1 1 1\nend 1 2 0 1 1\nstart 5"), 0o644)
			}, "run job 1 2 0 1\n"},
		} {
			for _, name := range []string{"runs", "runs.1"} {
				file := filepath.Join(dir, name)
				if err := errors.Join(os.RemoveAll(file), tt.make(file)); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				text := b.look("job", "other")
				if took := time.Since(begun); took > 8*time.Second {
					t.Errorf("%s: it took %s", tt.name, took)
				}
				if !strings.HasPrefix(text, "job job idle\n"+tt.want+"job other idle\nrun other ") || strings.Count(text, "\n") != 4+strings.Count(tt.want, "\n") {
					t.Errorf("%s, %s: %q", name, tt.name, text)
				}
				if err := os.RemoveAll(file); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// A launcher is replaced, and removed, under a job that runs: the job goes on and ends as it would have.
func TestReplacedWhileItRuns(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		s := b.spec(sh("job", `read -r line; echo "$line"; exit 3`))
		b.write(s)
		p := b.start("job")
		in, err := p.cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		p.begin()
		b.await("job", "job job running")
		s.Jobs[0].Command = []string{"true"}
		b.write(s)
		if _, err := remotetest.Step(t, b.m, s.call("now", nil, []string{"job"})); err != nil {
			t.Fatal(err)
		}
		if text := b.look("job"); !strings.Contains(text, "job job running") {
			t.Errorf("removed while it ran: %s", text)
		}
		if _, err := in.Write([]byte("goes on\n")); err != nil {
			t.Fatal(err)
		}
		p.is(3, "goes on\n", "")
		if _, err := os.Stat(filepath.Join(b.root, "jobs", "job")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the launcher is still there: %v", err)
		}
	})
}

// TestTidy: nothing is left of a job that is removed, but of one that runs what its run needs, until that has ended.
func TestTidy(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		s := b.spec(sh("runs", `read -r line; echo "$line"; exit 3`), sh("idle", "true"), sh("odd", "true"), sh("stays", "true"))
		b.write(s)
		b.start("odd").begin().is(0, "", "")
		state := filepath.Join(b.root, "jobs", ".state")
		if err := os.WriteFile(filepath.Join(state, "odd", "mine"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		p := b.start("runs")
		in, err := p.cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		p.begin()
		b.await("runs", "job runs running")
		if _, err := remotetest.Step(t, b.m, s.call("now", nil, []string{"runs", "idle", "odd"})); err != nil {
			t.Fatal(err)
		}
		// tidy gives what it said and what is there.
		tidy := func(names ...string) (said, there string) {
			out, err := remotetest.Step(t, b.m, remote.Call{Script: scriptTidy, Args: append([]string{b.root}, names...)})
			if err != nil {
				t.Fatal(err)
			}
			found, _ := filepath.Glob(filepath.Join(state, "*"))
			for _, f := range found {
				there += " " + filepath.Base(f)
			}
			return string(out), strings.TrimSpace(there)
		}
		said, there := tidy("runs", "idle", "odd", "stays")
		for _, want := range []string{"runs runs, and goes on", "removed what was left of idle", "odd is not empty: it stays", "stays has a launcher again"} {
			if !strings.Contains(said, want) {
				t.Errorf("not said: %q in %q", want, said)
			}
		}
		if want := "odd runs runs.lock runs.turn stays stays.lock stays.prev.by stays.turn stays.wrote"; there != want {
			t.Errorf("%s, want %s", there, want)
		}
		if a := remotetest.Query(t, b.m, scriptFiles, b.root); !strings.Contains(a.Text, "\nleft runs -\n") || strings.Contains(a.Text, "left idle") {
			t.Errorf("%s", a.Text)
		}
		if _, err := in.Write([]byte("goes on\n")); err != nil {
			t.Fatal(err)
		}
		p.is(3, "goes on\n", "")
		if _, err := remotetest.Step(t, b.m, s.call("now", nil, []string{"stays"})); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(state, "odd")); err != nil {
			t.Fatal(err)
		}
		for range 2 { // and again, where nothing is left
			_, there = tidy("runs", "stays")
			if _, err := os.Stat(filepath.Join(b.root, "jobs")); there != "" || !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("left: %s (%v)", there, err)
			}
		}
		// A run that died right before the directories.
		if err := os.MkdirAll(state, 0o755); err != nil {
			t.Fatal(err)
		}
		if a := remotetest.Query(t, b.m, scriptFiles, b.root); !strings.HasSuffix(a.Text, "\nempty\n") {
			t.Errorf("%q", a.Text)
		}
		tidy()
		if _, err := os.Stat(filepath.Join(b.root, "jobs")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v", err)
		}
	})
}

// waits is a run of the job that waits for its turn.
func (b *bench) waits() *process {
	b.t.Helper()
	p := b.start("job").begin()
	for deadline := time.Now().Add(soon); time.Now().Before(deadline); {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", p.cmd.Process.Pid, p.cmd.Process.Pid))
		turn, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/8", p.cmd.Process.Pid))
		if len(children) > 0 && strings.HasSuffix(turn, ".turn") { // flock waits
			return p
		}
		time.Sleep(10 * time.Millisecond) // nothing tells
	}
	b.t.Fatal("it does not wait")
	return nil
}

// A launcher that can't be looked at any more was not removed: its run goes on as it began.
func TestUnreadableWhileItWaits(t *testing.T) {
	if os.Getuid() != 0 {
		return // root reads everything: another user is needed
	}
	each(t, func(t *testing.T, b *bench) {
		for dir := b.root; dir != os.TempDir(); dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		s := b.spec(sh("job", `echo ran; [ "${1-}" != first ] || read -r _`))
		s.RunAs, s.Jobs[0].Concurrency = "daemon", Queue
		b.write(s)
		first := b.start("job", "first")
		in, err := first.cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		first.begin()
		b.await("job", "job job running")
		second := b.waits()
		if err := os.Chmod(filepath.Join(b.root, "jobs", "job"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
		first.end()
		second.is(0, "ran\n", "runs the command that it began with")
	})
}

// A run that waits while its launcher is replaced, for its turn or for a deployment, becomes what is in force when it begins,
// with its secrets, and keeps its turn; where the job was removed it does not begin.
func TestReplacedWhileItWaits(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.release("2")
		queued := func(id string, secret bool) Spec {
			s := b.spec(sh("job", `echo "$(cat VERSION) by `+id+` ${PASSWORD-none}"; [ "${1-}" != first ] || read -r _`))
			s.Jobs[0].Concurrency = Queue
			if secret {
				s.Env = []Env{{Name: "PASSWORD", Value: remote.Part{Var: "password"}, Print: id}}
			}
			return s
		}
		// busy occupies the turn until it is told.
		busy := func() (end func()) {
			p := b.start("job", "first")
			in, err := p.cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			p.begin()
			b.await("job", "job job running")
			return func() {
				t.Helper()
				if err := in.Close(); err != nil {
					t.Fatal(err)
				}
				if code := p.end(); code != 1 {
					t.Errorf("the first one: exit %d, %q", code, p.errs.String())
				}
			}
		}
		for _, c := range []struct {
			name     string
			from, to Spec
			want     string
		}{
			{"with secrets before", queued("1", true), queued("2", false), "2 by 2 none\n"},
			{"with secrets after", queued("1", false), queued("2", true), "2 by 2 " + remotetest.Password + "\n"},
		} {
			b.current("1")
			b.write(c.from)
			end := busy()
			second, third := b.waits(), b.waits()
			b.runs("run "+c.name, c.to.call("later", c.to.Jobs, nil))
			b.current("2")
			end()
			second.is(0, c.want, "")
			third.is(0, c.want, "")
		}
		end := busy()
		second := b.waits()
		s := queued("2", true)
		if _, err := remotetest.Step(t, b.m, s.call("now", nil, []string{"job"})); err != nil {
			t.Fatal(err)
		}
		end()
		second.is(75, "", "was removed by a deployment")
	})
}

// Secrets are their user's from the first moment that they are there.
func TestSecretsAreReadable(t *testing.T) {
	if os.Getuid() != 0 {
		return // only root writes for another user
	}
	each(t, func(t *testing.T, b *bench) {
		for dir := b.root; dir != os.TempDir(); dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		s := b.spec(sh("job", "true"))
		s.RunAs, s.Env = "daemon", []Env{{Name: "PASSWORD", Value: remote.Part{Var: "password"}, Print: "1"}}
		b.write(s)
		env := filepath.Join(b.root, "jobs", ".state", "job.env")
		over, reads := make(chan struct{}), make(chan int)
		go func() {
			n := 0
			defer func() { reads <- n }()
			for {
				select {
				case <-over:
					return
				default:
				}
				var st syscall.Stat_t
				if err := syscall.Stat(env, &st); err != nil || st.Uid == 0 {
					t.Errorf("%v, its owner is %d", err, st.Uid)
					return
				}
				n++
			}
		}()
		for i := range 5 {
			s.Env[0].Print = fmt.Sprint(i)
			b.write(s)
		}
		close(over)
		if n := <-reads; n < 100 {
			t.Errorf("looked at %d times only", n)
		}
	})
}

// Nothing of a value is run as shell text.
func TestNothingIsRun(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		proof := filepath.Join(t.TempDir(), "proof")
		evil := fmt.Sprintf("'; : >%s; $(: >%s) `: >%s` \" \\ \n", proof, proof, proof)
		s := b.spec(Job{Name: "job", Command: []string{"printf", "%s|", evil, "$(echo no)", "*"}})
		s.Env = []Env{{Name: "A", Value: remote.Part{Text: evil}}}
		b.write(s)
		b.start("job", evil).begin().is(0, evil+"|$(echo no)|*|"+evil+"|", "")
		if _, err := os.Stat(proof); err == nil {
			t.Error("a value was run")
		}
	})
}
