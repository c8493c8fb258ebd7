package remote_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// stalled is a machine to which every payload is sent as a few bytes, and then nothing, not even its end.
func stalled(t *testing.T, shell string, lib remote.Library, state string) (m remote.Machine, thaw func()) {
	t.Helper()
	r, w := io.Pipe()
	setup := remotetest.Setup(lib)
	setup.Open = func(remote.Call) (io.ReadCloser, int64, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("some"), r)), 100, nil
	}
	return remotetest.With(t, shell, setup, state), func() { _ = w.Close() }
}

// TestFrozenSender: a controller that is frozen in the middle of sending, or whose link is silent, holds the step lock until
// somebody takes its lease over or away, and no longer. Nothing of it runs on, and nobody else keeps the lock.
func TestFrozenSender(t *testing.T) {
	lib, err := remote.Scripts(nil)
	if err != nil {
		t.Fatal(err)
	}
	lib["test/take"] = `echo begun >"$1"; n=$(wc -c); echo "got $((n))" >"$1"; [ "$n" -eq 100 ] || die "only $((n)) arrived"`
	lib["test/step"] = "echo stepped"
	for _, shell := range remotetest.Shells(t) {
		for _, how := range []string{"expired", "unlocked"} {
			t.Run(shell+" "+how, func(t *testing.T) {
				dir := t.TempDir()
				state, note := filepath.Join(dir, "state"), filepath.Join(dir, "note")
				free := remotetest.Under(t, shell, lib, state)
				frozen, thaw := stalled(t, shell, lib, state)
				defer thaw()
				lease := func(what, id, ttl string) {
					t.Helper()
					_, err := free.Run(t.Context(), remote.Ticket{Run: id, Step: "lease", Deadline: time.Now().Add(time.Minute)}, remote.Call{
						Script: "remote/lease", Unlocked: true, Args: []string{what, id, ttl, "me@here", ""},
					})
					if err != nil {
						t.Fatal(err)
					}
				}
				lease("acquire", "one", map[string]string{"expired": "1", "unlocked": "60000"}[how])
				sent := make(chan error, 1)
				go func() {
					_, err := frozen.Run(t.Context(), remote.Ticket{Run: "one", Step: "s/upload", Epoch: 1, Deadline: time.Now().Add(time.Minute)},
						remote.Call{Script: "test/take", Args: []string{note}, File: "any"})
					sent <- err
				}()
				await(t, note, "begun")
				begin, epoch := time.Now(), int64(2)
				if how == "unlocked" {
					lease("force", "one", "0")
					epoch++
				}
				lease("acquire", "two", "60000")
				if _, err := free.Run(t.Context(), remote.Ticket{Run: "two", Step: "s/next", Epoch: epoch, Deadline: time.Now().Add(time.Minute)}, remote.Call{Script: "test/step"}); err != nil {
					t.Errorf("the next one's step: %v", err)
				}
				if took := time.Since(begin); took > 15*time.Second {
					t.Errorf("the next one waited %s", took)
				}
				var said *remote.ScriptError
				if err := <-sent; !errors.As(err, &said) || said.Status != 76 || !strings.Contains(said.Output, "only 4 arrived") || !strings.Contains(said.Output, "another run took over") {
					t.Errorf("the frozen one: %v", err)
				}
				await(t, note, "got 4")
				nobodyHolds(t, state)
			})
		}
	}
}

// nobodyHolds wants no process that has the step lock open.
func nobodyHolds(t *testing.T, state string) {
	t.Helper()
	eventually(t, "nobody has the step lock", func() bool { // what was killed may still be ending
		links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
		return !slices.ContainsFunc(links, func(l string) bool {
			to, _ := os.Readlink(l)
			return to == filepath.Join(state, "step.lock")
		})
	})
}

// TestSilentSender: without anybody who wants the machine, a minute without a byte ends it, here two seconds; so does the
// end of the step's time; while bytes come nothing does. A step that wants no more of it does not wait for its end, nor that minute.
func TestSilentSender(t *testing.T) {
	lib := library(t, map[string]string{"all": `n=$(wc -c); echo "got $((n))"`, "none": `echo "wants none"; exit 3`})
	for name, c := range map[string]struct {
		script, want  string
		limit, drip   time.Duration
		minute        string // in milliseconds
		from, until   time.Duration
		least, status int
	}{
		"silent":   {script: "t/all", limit: time.Minute, minute: "2000", from: 2 * time.Second, until: 20 * time.Second, least: 4},
		"too long": {script: "t/all", limit: 3 * time.Second, drip: 200 * time.Millisecond, minute: "2000", from: 2 * time.Second, until: 20 * time.Second, least: 8},
		"unwanted": {script: "t/none", limit: time.Minute, minute: "40000", until: 20 * time.Second, want: "wants none", status: 3},
	} {
		t.Run(name, func(t *testing.T) {
			everyShell(t, func(t *testing.T, shell string) {
				scene := remote.Scene{Nonce: "0123456789abcdef", StateDir: t.TempDir() + "/state", Project: "p"}
				text, err := lib.StepScript(scene, remote.Ticket{Run: "r", Step: "s"}, remote.Call{Script: c.script, File: "any"}, "", c.limit)
				if err != nil {
					t.Fatal(err)
				}
				short := strings.Replace(text, "__silence=60000", "__silence="+c.minute, 1)
				if short == text {
					t.Fatal("how long is a minute?")
				}
				argv := append(program(shell), "-c", `IFS= read -r s && eval "$s"`)
				cmd := exec.Command(argv[0], argv[1:]...)
				var out bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &out
				in, err := cmd.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				_, _ = io.WriteString(in, remote.Line(short)+"some")
				ended := make(chan struct{})
				if c.drip > 0 {
					go drip(in, c.drip, ended)
				}
				_ = cmd.Wait()
				close(ended)
				if took := time.Since(begin); took < c.from || took > c.until {
					t.Errorf("it took %s", took)
				}
				got := 0
				_, after, _ := strings.Cut(out.String(), "got ")
				for _, d := range after {
					if d < '0' || d > '9' {
						break
					}
					got = got*10 + int(d-'0')
				}
				if got < c.least || !strings.Contains(out.String(), c.want) || !strings.Contains(out.String(), "end "+string(rune('0'+c.status))) {
					t.Errorf("%s", out.String())
				}
				nobodyHolds(t, scene.StateDir)
			})
		})
	}
}

func drip(to io.Writer, every time.Duration, ended <-chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			_, _ = io.WriteString(to, "x")
		}
	}
}

// TestReadingBug: a panic in what gives the payload is the reason of that step's failure, not the end of the process.
func TestReadingBug(t *testing.T) {
	lib := library(t, map[string]string{"all": `n=$(wc -c); die "only $((n)) arrived"`})
	setup := remotetest.Setup(lib)
	setup.Open = func(remote.Call) (io.ReadCloser, int64, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("some"), blown{})), 100, nil
	}
	m := remotetest.With(t, "dash", setup, filepath.Join(t.TempDir(), "state"))
	_, err := remotetest.Step(t, m, remote.Call{Script: "t/all", File: "app.jar"})
	if err == nil || !strings.Contains(err.Error(), "only 4 arrived\nreading app.jar: this is a bug in shipctl: no such entry") {
		t.Errorf("%v", err)
	}
}

type blown struct{}

func (blown) Read([]byte) (int, error) { panic("no such entry") }
