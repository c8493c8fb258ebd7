package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is shipctl on a terminal of its own.
type terminal struct {
	cmd    *exec.Cmd
	master *os.File
	read   chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
}

// onTerminal starts shipctl as a user's shell does: in a session whose terminal it has.
func (s *site) onTerminal(args ...string) *terminal {
	s.t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 200})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer tty.Close()
	t := &terminal{cmd: exec.Command(shipctl, args...), master: master, read: make(chan struct{})}
	t.cmd.Dir, t.cmd.Env = s.dir, append(append(os.Environ(), "TERM=xterm"), s.env...)
	t.cmd.Stdin, t.cmd.Stdout, t.cmd.Stderr = tty, tty, tty
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	heard := make(chan os.Signal, 1) // or shipctl would not be told of a lost terminal where these tests run under nohup
	signal.Notify(heard, syscall.SIGHUP)
	defer signal.Stop(heard)
	if err := t.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = t.cmd.Process.Kill()
		master.Close()
	})
	go func() {
		defer close(t.read)
		_, _ = io.Copy(t, master)
	}()
	return t
}

// Write takes what the terminal shows.
func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out.Write(p)
}

// said is what the terminal has shown so far, without colours and without what moves its cursor.
func (t *terminal) said() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return regexp.MustCompile(`\x1b(\[[0-9;?=>]*[A-Za-z]|[=>78])|\r`).ReplaceAllString(t.out.String(), "")
}

// ctrlC types it: the terminal makes a signal of it.
func (t *terminal) ctrlC() { _, _ = t.master.Write([]byte{3}) }

// gone: the window is closed, the connection lost. It is when nobody reads from it any more.
func (t *terminal) gone() {
	t.master.Close()
	t.all()
}

// all waits until nothing more is read from the terminal.
func (t *terminal) all() {
	select {
	case <-t.read:
	case <-time.After(10 * time.Second):
	}
}

// end waits for shipctl, a minute at most.
func (t *terminal) end(s *site) int {
	s.t.Helper()
	late := time.AfterFunc(time.Minute, func() { _ = t.cmd.Process.Kill() })
	defer late.Stop()
	_ = t.cmd.Wait()
	t.all()
	return t.cmd.ProcessState.ExitCode()
}

// until waits for a text on the terminal.
func (t *terminal) until(s *site, text string) {
	s.t.Helper()
	for range 3000 {
		if strings.Contains(t.said(), text) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.t.Errorf("the terminal never showed %q:\n%s", text, t.said())
}

// released: nobody holds the project's lease on any machine.
func (x *matrix) released() {
	x.t.Helper()
	for _, m := range x.fleet.Machines {
		if out, err := m.Try("grep '^id .' /var/lib/shipctl/projects/teatime/lease"); err == nil {
			x.t.Errorf("%s: the lease is still held: %s", m.Name, out)
		}
	}
}

// interruption is how an apply is interrupted at a step, and what it comes to before the final step and after it.
type interruption struct {
	name   string
	once   func(*terminal)
	again  func(*terminal) // nil: only once
	silent bool            // there is no terminal left to look at
}

func interruptions() []interruption {
	sig := func(s os.Signal) func(*terminal) { return func(t *terminal) { _ = t.cmd.Process.Signal(s) } }
	return []interruption{
		{name: "Ctrl-C", once: (*terminal).ctrlC},
		{name: "Ctrl-C twice", once: (*terminal).ctrlC, again: (*terminal).ctrlC},
		{name: "SIGTERM", once: sig(syscall.SIGTERM)},
		{name: "terminal lost", once: (*terminal).gone, silent: true},
	}
}

// TestInterrupts: at each step of a deployment, on a terminal. The first one finishes the step, undoes what is not final,
// gives the lease back, says what became of the steps, and has the right exit code; the second one leaves at once.
func TestInterrupts(t *testing.T) {
	t.Parallel()
	sc := scenes()[0]
	x := newMatrix(t, sc.hcl, sc.machines...)
	for range 3 {
		x.next()
		x.ok(x.apply()...)
	}
	x.reference()
	x.reference()
	for i, step := range x.steps[0] {
		for j, k := range interruptions() {
			if j > 1 && (i+j)%3 != 0 { // like the first one, for which each step has its turn
				continue
			}
			if !chosen(i+2*j, 4) {
				continue
			}
			t.Run(step.verb()+", "+k.name, func(t *testing.T) { x.interrupt(t, step.name(), k) })
		}
	}
}

func (x *matrix) interrupt(t *testing.T, name string, k interruption) {
	x.next()
	x = x.with(t)
	steps := x.shown()
	step := steps[slices.IndexFunc(steps, func(s planned) bool { return s.name() == name })]
	before := x.served()
	stop := x.traffic(&cell{matrix: x, step: step})
	reached, goOn := make(chan struct{}), make(chan struct{})
	x.points.at(once(point{Step: step.ID, Moment: "effect"}, func() string {
		close(reached)
		<-goOn
		return ""
	}))
	proceed := sync.OnceFunc(func() { close(goOn) })
	defer proceed()
	term := x.onTerminal(x.apply()...)
	select {
	case <-reached:
	case <-time.After(2 * time.Minute):
		t.Fatalf("%s was never begun:\n%s", step.ID, term.said())
	}
	begin := time.Now()
	k.once(term)
	if !k.silent {
		term.until(x.site, "Interrupted: ")
	} else {
		time.Sleep(time.Second) // there is nothing to see, and the step waits
	}
	if k.again != nil {
		begin = time.Now()
		k.again(term)
	} else {
		proceed()
	}
	code := term.end(x.site)
	took := time.Since(begin)
	t.Logf("exit %d, %s\n%s", code, took.Round(time.Millisecond), term.said())
	if k.again != nil && took > 20*time.Second { // the step would wait for ever
		t.Errorf("after the second one it went on for %s", took)
	}
	x.ended(k, steps, step, code, term.said())
	proceed()
	x.points.at(nil)
	if k.again == nil {
		x.released()
	}
	if code == 6 {
		x.asBefore(before)
	}
	next := x.apply()
	next[slices.Index(next, "-lock-timeout=20s")] = "-lock-timeout=10s" // the lease lasts 2 s
	if r := x.site.run(next...); r.code != 0 {
		t.Errorf("the next apply: exit %d", r.code)
	}
	stop()
	if got, want := x.state(), x.want[x.version%2]; got != want {
		t.Errorf("it ends elsewhere:\n%s", difference(want, got))
	}
}

// served is the state without what does no harm: the release that was put beside the others, sent or published, what is
// noted of it, and the link of the slot that nothing runs in.
func (x *matrix) served() string {
	out := regexp.MustCompile(`(?m)^\S+ \S*/(vNEW|\.ready-SHA256)(/\S*)? .*\n(\t.*\n)*`).ReplaceAllString(x.state(), "")
	out = regexp.MustCompile(`(?m)^\S+ \S*/slots/\S+ L\S+ \S+ → \S*/releases/v(NEW|OLDER|\d+)\n`).ReplaceAllString(out, "")
	return regexp.MustCompile(`(?m)^\t.*vNEW.*\n`).ReplaceAllString(out, "")
}

// asBefore: an apply that was undone has left nothing: all is as it was, and the version before has nothing to do.
func (x *matrix) asBefore(before string) {
	x.t.Helper()
	if got := x.served(); got != before {
		x.t.Errorf("it was undone, and the machines are not as before:\n%s", difference(before, got))
	}
	r := x.site.run("plan", "-detailed-exitcode", "-var", fmt.Sprintf("version=v%d", x.version-1))
	if r.code != 0 || !strings.Contains(r.out, "No changes.") {
		x.t.Errorf("it was undone, and a plan of the version before has exit %d", r.code)
	}
}

// ended checks what an interrupted apply came to, and what it said.
func (x *matrix) ended(k interruption, steps []planned, step planned, code int, said string) {
	x.t.Helper()
	last := step.ID == steps[len(steps)-1].ID
	want, says := 6, []string{"Error: Interrupted", "was undone: what served before still serves"}
	switch {
	case k.again != nil:
		want, says = 7, []string{"RUNNING +" + step.Host, "Left at once", "The lease ends by itself within 2s; it is held on "}
	case last:
		want, says = 0, []string{"Apply complete!"}
	case step.Final:
		want, says = 7, []string{"Error: Interrupted", "STILL TO DO", "goes on from there"}
	}
	if code != want {
		x.t.Errorf("exit %d, want %d", code, want)
	}
	if k.silent {
		return
	}
	x.has(said, says...)
	x.asPlanned(x.apply(), result{code, said})
	if want == 6 {
		for _, wrong := range fates(steps, step, said) {
			x.t.Error(wrong)
		}
	}
}

// fates compares what is said in the end of each step with the plan: of those that were begun, which the interrupted one
// is among, each that can be undone was, and no other; the rest is counted as not begun.
func fates(steps []planned, interrupted planned, said string) (wrong []string) {
	c, begun := human(said), 0
	for _, s := range steps {
		name := s.Host + " " + s.Title
		row := regexp.MustCompile(`(?m)^ +(\S.*\S) +` + regexp.QuoteMeta(s.Host) + ` +` + regexp.QuoteMeta(s.Title) + `$`)
		word := ""
		if _, end, ok := strings.Cut(said, "What became of the steps"); ok {
			if m := row.FindStringSubmatch(end); m != nil {
				word = m[1]
			}
		}
		was := slices.Contains(c.done, name) || slices.Contains(c.failed, name)
		switch {
		case !was && s.ID == interrupted.ID:
			wrong = append(wrong, name+" was interrupted, and nothing is said of it")
		case !was && word != "":
			wrong = append(wrong, name+" is "+word+", and was not begun")
		case was && s.Undo != (word == "undone"):
			wrong = append(wrong, fmt.Sprintf("%s was begun, and is %q; it can be undone: %v", name, word, s.Undo))
		case was && s.Undo && !strings.Contains(said, s.Title+" … undone"):
			wrong = append(wrong, name+" was undone, and nobody saw it")
		}
		if was {
			begun++
		}
	}
	if n := len(steps) - begun; !regexp.MustCompile(fmt.Sprintf(`(?m)^ +%d steps? not begun$`, n)).MatchString(said) {
		wrong = append(wrong, fmt.Sprintf("%d steps were not begun, which is not said", n))
	}
	return wrong
}
