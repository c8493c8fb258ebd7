package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

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

// applets is a PATH with busybox' programs and flock, and nothing else.
func applets(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range strings.Fields("sh date sleep wc mv id cat true false echo env kill ps ls grep getent su test printf") {
		if err := os.Symlink("/usr/bin/busybox", filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	flock, err := exec.LookPath("flock")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(flock, filepath.Join(dir, "flock")); err != nil {
		t.Fatal(err)
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
	out, errs bytes.Buffer
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
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// is compares how it ended and what it printed; errs is a part of standard error, "" for nothing at all.
func (p *process) is(code int, out, errs string) {
	p.t.Helper()
	if c := p.end(); c != code || p.out.String() != out || (errs == "") != (p.errs.Len() == 0) || !strings.Contains(p.errs.String(), errs) {
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
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
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
			time.Sleep(200 * time.Millisecond) // for its trap
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
