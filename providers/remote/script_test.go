package remote_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// A script that arrives in part does nothing at all, wherever it was cut.
func TestHalfAScriptDoesNothing(t *testing.T) {
	lib := library(t, map[string]string{"touch": `touch "$1"`})
	everyShell(t, func(t *testing.T, shell string) {
		mark := filepath.Join(t.TempDir(), "mark")
		scene := remote.Scene{Nonce: "0123456789abcdef", StateDir: t.TempDir() + "/state", Project: "p"}
		asked, err := lib.Questions(scene, []remote.Query{{Script: "t/touch", Args: []string{mark}}})
		if err != nil {
			t.Fatal(err)
		}
		call := remote.Call{Script: "t/touch", Args: []string{mark}}
		step, err := lib.StepScript(scene, remote.Ticket{Run: "r", Step: "s"}, call, "", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for name, form := range map[string]struct {
			text string
			args []string
		}{
			"questions": {asked, []string{"-s"}}, "step": {step, []string{"-s"}}, "line": {remote.Line(step), []string{"-c", `IFS= read -r s && eval "$s"`}},
		} {
			feed := func(n int) bool {
				argv := append(program(shell), form.args...)
				cmd := exec.Command(argv[0], argv[1:]...)
				cmd.Stdin = strings.NewReader(form.text[:n])
				_ = cmd.Run() // a syntax error
				_, err := os.Stat(mark)
				return err == nil
			}
			n := len(form.text)
			for cut := 2; cut < 12; cut++ { // without its last newline it is whole
				if feed(n - cut) {
					t.Errorf("%s: it ran without its last %d bytes", name, cut)
				}
			}
			for part := 1; part < 10; part++ {
				if feed(n * part / 10) {
					t.Errorf("%s: it ran with %d tenths", name, part)
				}
			}
			if !feed(n) {
				t.Errorf("%s: it did not run", name)
			}
			_ = os.Remove(mark)
		}
	})
}

// program is a shell without what remotetest adds.
func program(shell string) []string {
	if shell == "busybox" {
		return []string{"busybox", "sh"}
	}
	return []string{shell}
}

// Every script goes over once, however often it is asked.
func TestQuestionsHaveEachScriptOnce(t *testing.T) {
	lib := library(t, map[string]string{"a": "echo here is a\n", "b": "echo here is b"})
	var queries []remote.Query
	for _, arg := range strings.Split("abcdefgh", "") {
		queries = append(queries, remote.Query{Script: "t/a", Args: []string{arg}}, remote.Query{Script: "t/b", Args: []string{arg}})
	}
	text, err := lib.Questions(remote.Scene{Nonce: "0123456789abcdef", Project: "p"}, queries)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := strings.Count(text, "here is a"), strings.Count(text, "here is b"); a != 1 || b != 1 {
		t.Errorf("%d and %d times", a, b)
	}
}

// TestQuestionsShare: what the queries of a script share is looked at once, in front of all of them.
func TestQuestionsShare(t *testing.T) {
	lib := library(t, map[string]string{
		"a": `echo "$1 of $all"`, "a.shared": "echo noise\n[ \"$1\" = all ] && all=$each || each=$each$2\n", "b": `echo "b, not ${undefined-there}"`,
	})
	everyShell(t, func(t *testing.T, shell string) {
		text, err := lib.Questions(remote.Scene{Nonce: "0123456789abcdef", Project: "p"}, []remote.Query{
			{Script: "t/a", Args: []string{"x"}}, {Script: "t/b"}, {Script: "t/a", Args: []string{"y"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		got := run(t, shell, text)
		for _, want := range []string{"x of xy", "b, not there", "y of xy"} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is not in %q", want, got)
			}
		}
		if strings.Contains(got, "noise") {
			t.Errorf("it is printed: %q", got)
		}
	})
}

func TestScriptsThatAreNotMade(t *testing.T) {
	lib := library(t, map[string]string{"a": "echo"})
	good := remote.Scene{Nonce: "0123456789abcdef", Project: "p"}
	for _, tt := range []struct {
		name  string
		scene remote.Scene
		call  remote.Call
		want  string
	}{
		{"no nonce", remote.Scene{Project: "p"}, remote.Call{Script: "t/a"}, "nonce"},
		{"project", remote.Scene{Nonce: good.Nonce, Project: "../x"}, remote.Call{Script: "t/a"}, "project"},
		{"no project", remote.Scene{Nonce: good.Nonce}, remote.Call{Script: "t/a"}, "project"},
		{"state", remote.Scene{Nonce: good.Nonce, Project: "p", StateDir: "x"}, remote.Call{Script: "t/a"}, "absolute"},
		{"no script", good, remote.Call{Script: "t/b"}, "no script t/b"},
		{"another script", good, remote.Call{Script: "t/a", ScriptSHA256: "00"}, "not the one that the plan was made with"},
		{"NUL", good, remote.Call{Script: "t/a", Args: []string{"a\x00"}}, "NUL"},
	} {
		_, err := lib.StepScript(tt.scene, remote.Ticket{}, tt.call, "", time.Second)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := lib.StepScript(good, remote.Ticket{}, remote.Call{Script: "t/a", ScriptSHA256: lib.SHA256("t/a")}, "", time.Second); err != nil {
		t.Error(err)
	}
}

// refusal runs a step that must be refused.
func refusal(t *testing.T, m remote.Machine, ticket remote.Ticket, c remote.Call) *remote.ScriptError {
	t.Helper()
	_, err := m.Run(t.Context(), ticket, c)
	var se *remote.ScriptError
	if !errors.As(err, &se) {
		t.Fatalf("%v", err)
	}
	return se
}

func TestLease(t *testing.T) {
	everyShell(t, func(t *testing.T, shell string) {
		state := t.TempDir()
		m := remotetest.Under(t, shell, library(t, map[string]string{"touch": `touch "$1"`}), state)
		if err := os.MkdirAll(filepath.Join(state, "projects", remotetest.Project), 0o755); err != nil {
			t.Fatal(err)
		}
		mark := filepath.Join(t.TempDir(), "mark")
		for _, tt := range []struct {
			lease  string
			epoch  int64
			status int
			want   string
		}{
			{"epoch 8\n", 7, 76, "lease epoch 8, this run has 7"},
			{"run x\nepoch 10\n", 9, 76, "lease epoch 10"},
			{"epoch x\n", 9, 1, "does not say which epoch"},
			{"", 9, 1, "does not say which epoch"},
			{"epoch 8\n", 8, 0, ""},
			{"epoch 8\n", 10, 0, ""},
		} {
			if err := os.WriteFile(filepath.Join(state, "projects", remotetest.Project, "lease"), []byte(tt.lease), 0o600); err != nil {
				t.Fatal(err)
			}
			ticket := remote.Ticket{Run: "r", Step: "s", Epoch: tt.epoch, Deadline: time.Now().Add(time.Minute)}
			call := remote.Call{Script: "t/touch", Args: []string{mark}}
			if tt.status != 0 {
				if se := refusal(t, m, ticket, call); se.Status != tt.status || !strings.Contains(se.Output, tt.want) {
					t.Errorf("%q: %d %s", tt.lease, se.Status, se.Output)
				}
				if _, err := os.Stat(mark); err == nil {
					t.Errorf("%q: it was run", tt.lease)
				}
				continue
			}
			if _, err := m.Run(t.Context(), ticket, call); err != nil {
				t.Errorf("%q: %v", tt.lease, err)
			}
			_ = os.Remove(mark)
		}
	})
}

// Steps on one machine come one after the other; who waits in vain says who holds the lock.
func TestStepLock(t *testing.T) {
	everyShell(t, func(t *testing.T, shell string) {
		dir, state := t.TempDir(), t.TempDir()
		lib := library(t, map[string]string{
			"hold":  `touch "$1/held"; while [ ! -e "$1/go" ]; do nap; done; echo released >>"$1/order"`,
			"after": `echo after >>"$1/order"; echo "$LIMIT"`,
			"leave": `sleep 60 >/dev/null 2>&1 9>&- & echo $!`,
		})
		m := remotetest.Under(t, shell, lib, state)
		held := make(chan error, 1)
		go func() {
			_, err := remotetest.Step(t, m, remote.Call{Script: "t/hold", Args: []string{dir}})
			held <- err
		}()
		eventually(t, "the step holds the lock", func() bool { _, err := os.Stat(filepath.Join(dir, "held")); return err == nil })
		after := remote.Call{Script: "t/after", Args: []string{dir}}
		se := refusal(t, m, remote.Ticket{Run: "run-2", Step: "after", Deadline: time.Now().Add(2900 * time.Millisecond)}, after)
		if se.Status != 75 || !strings.Contains(se.Output, "run-1 t/hold") {
			t.Errorf("%d %s", se.Status, se.Output)
		}
		waited := make(chan error, 1)
		go func() {
			_, err := remotetest.Step(t, m, after)
			waited <- err
		}()
		if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(<-held, <-waited); err != nil {
			t.Fatal(err)
		}
		if order, err := os.ReadFile(filepath.Join(dir, "order")); err != nil || string(order) != "released\nafter\n" {
			t.Errorf("%q, %v", order, err)
		}
		pid, err := remotetest.Step(t, m, remote.Call{Script: "t/leave"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := remotetest.Step(t, m, after); err != nil {
			t.Errorf("what a step leaves behind holds the lock: %v", err)
		}
		if out, err := exec.Command("kill", strings.TrimSpace(pid)).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
}

// What a step starts must not inherit that the step itself shrugs off a closed pipe.
func TestStepSurvivesALostReader(t *testing.T) {
	everyShell(t, func(t *testing.T, shell string) {
		dir := t.TempDir()
		lib := library(t, map[string]string{"talk": `
			touch "$1/begun"
			while [ ! -e "$1/go" ]; do nap; done
			echo somebody there
			grep SigIgn: /proc/self/status >"$1/ignored"
			echo "still here" >"$1/done"`})
		text, err := lib.StepScript(remote.Scene{Nonce: "0123456789abcdef", StateDir: filepath.Join(dir, "state"), Project: "p"},
			remote.Ticket{Run: "r", Step: "s"}, remote.Call{Script: "t/talk", Args: []string{dir}}, "", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		argv := append(program(shell), "-s")
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the step begins", func() bool { _, err := os.Stat(filepath.Join(dir, "begun")); return err == nil })
		_ = out.Close()
		if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if got, err := os.ReadFile(filepath.Join(dir, "done")); err != nil || string(got) != "still here\n" {
			t.Errorf("%q, %v", got, err)
		}
		// Signal 13 is bit 12.
		if got, err := os.ReadFile(filepath.Join(dir, "ignored")); err != nil || strings.ContainsAny(string(got[len(got)-5:len(got)-4]), "13579bdf") {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// sudo is whole or none, and says what is missing.
func TestSudo(t *testing.T) {
	lib := library(t, map[string]string{"echo": `echo "$SUDO_WAS"`})
	for _, tt := range []struct{ name, sudo, want string }{
		{"works", "[ \"$1\" = -n ] || exit 9\nshift\nSUDO_WAS=there\nexport SUDO_WAS\nexec \"$@\"\n", ""},
		{"password", "echo 'sudo: a password is required' >&2; exit 1\n", "sudo -n does not work"},
		{"absent", "", "there is no sudo"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := remotetest.Sudo(t, lib, t.TempDir(), tt.sudo)
			answers, err := m.Ask(t.Context(), []remote.Query{{Script: "t/echo"}})
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "here: ") {
					t.Errorf("%v", err)
				}
				_, err = remotetest.Step(t, m, remote.Call{Script: "t/echo", File: os.DevNull})
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || answers[0].Text != "there\n" {
				t.Errorf("%v, %v", answers, err)
			}
			if out, err := remotetest.Step(t, m, remote.Call{Script: "t/echo", File: os.DevNull}); err != nil || out != "there\n" {
				t.Errorf("%q, %v", out, err)
			}
		})
	}
}

// Nothing is begun where what is to be sent is not what was planned.
func TestNotStarted(t *testing.T) {
	m := remotetest.Local(t, library(t, map[string]string{"a": "echo"}), t.TempDir())
	for _, tt := range []struct {
		call remote.Call
		want string
	}{
		{remote.Call{Script: "t/a", Stdin: []remote.Part{{Var: "other"}}}, "SHIPCTL_VAR_other"},
		{remote.Call{Script: "t/a", File: "/nowhere/file"}, "/nowhere/file"},
		{remote.Call{Script: "t/a", File: "/proc/self/exe", FileSize: 1}, "plan again"},
		{remote.Call{Script: "t/none"}, "no script"},
	} {
		_, err := remotetest.Step(t, m, tt.call)
		if !errors.Is(err, remote.ErrNotStarted) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v", err)
		}
	}
	if _, err := m.Run(t.Context(), remote.Ticket{}, remote.Call{Script: "t/a"}); err == nil || !strings.Contains(err.Error(), "no deadline") {
		t.Errorf("%v", err)
	}
}

// A file that becomes shorter while it is sent does not go unnoticed.
func TestPayloadTooShort(t *testing.T) {
	folder := fstest.MapFS{"size.sh": {Data: []byte(`n=$(wc -c); [ "$n" -eq "$1" ] || die "got $((n)) bytes"`)}}
	lib, err := remote.Scripts(map[string]fs.FS{"t": folder})
	if err != nil {
		t.Fatal(err)
	}
	m := remotetest.Short(t, lib, t.TempDir(), bytes.Repeat([]byte("x"), 10), 12)
	_, err = remotetest.Step(t, m, remote.Call{Script: "t/size", Args: []string{"12"}, File: "artifact"})
	var se *remote.ScriptError
	if !errors.As(err, &se) || !strings.Contains(se.Output, "got 10 bytes\nreading artifact: the file ended 2 bytes early") {
		t.Errorf("%v", err)
	}
}

// Our own scripts pass shellcheck, as those of every kind must.
// TestUser: absent is exit 44, for names that nobody has.
func TestUser(t *testing.T) {
	script, err := os.ReadFile("user.sh")
	if err != nil {
		t.Fatal(err)
	}
	everyShell(t, func(t *testing.T, shell string) {
		for name, want := range map[string]int{"root": 0, "nobody-of-that-name": 44} {
			if r := remotetest.Run(t, shell, string(script), []string{name}); r.Status != want || r.Stdout+r.Stderr != "" {
				t.Errorf("%s: %+v, want status %d", name, r, want)
			}
		}
	})
}

func TestShellcheck(t *testing.T) {
	remotetest.Shellcheck(t, ".")
	remotetest.Joined(t, "remote", nil)
}
