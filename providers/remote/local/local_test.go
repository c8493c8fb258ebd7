package local_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/local"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func machine(t *testing.T, script string) remote.Machine {
	t.Helper()
	lib, err := remote.Scripts(map[string]fs.FS{"t": fstest.MapFS{"x.sh": {Data: []byte(script)}}})
	if err != nil {
		t.Fatal(err)
	}
	return remotetest.Local(t, lib, filepath.Join(t.TempDir(), "state"))
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func read(t *testing.T, file string) int {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(raw)))
	return n
}

// eventually waits for what another process does.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !is(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("it never happened")
		}
	}
}

// The end of the context reaches what the script started.
func TestCancelKillsTheGroup(t *testing.T) {
	dir := t.TempDir()
	m := machine(t, `sleep 300 & echo $! >"$1/pid"; wait`)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := m.Run(ctx, remote.Ticket{Run: "r", Step: "sleeping", Deadline: time.Now().Add(time.Minute)}, remote.Call{Script: "t/x", Args: []string{dir}})
		result <- err
	}()
	var pid int
	eventually(t, func() bool { pid = read(t, filepath.Join(dir, "pid")); return pid > 0 })
	cancel()
	err := <-result
	if err == nil || errors.Is(err, remote.ErrNotStarted) || errors.As(err, new(*remote.ScriptError)) || !strings.Contains(err.Error(), "whether sleeping was finished is not known") {
		t.Errorf("%v", err)
	}
	eventually(t, func() bool { return !alive(pid) || zombie(pid) })
}

// zombie: nobody has asked yet how it ended, as where process 1 does not reap.
func zombie(pid int) bool {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(raw), ") Z ")
}

func TestDeadline(t *testing.T) {
	m := machine(t, `sleep 300`)
	begun := time.Now()
	_, err := m.Run(t.Context(), remote.Ticket{Run: "r", Step: "s", Deadline: begun.Add(300 * time.Millisecond)}, remote.Call{Script: "t/x"})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "here: ") {
		t.Errorf("%v", err)
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
}

// A program that a step leaves behind and that holds the output does not hold up the step.
func TestChildHoldsOutput(t *testing.T) {
	m := machine(t, `sleep 300 9>&- & echo $!`)
	begun := time.Now()
	out, err := remotetest.Step(t, m, remote.Call{Script: "t/x"})
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil || !alive(pid) {
		t.Fatalf("%q, %v", out, err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
}

// What CI has in its environment stays out of what steps start.
func TestEnvironment(t *testing.T) {
	t.Setenv("SHIPCTL_VAR_password", "from the environment")
	m := machine(t, `env; pwd`)
	out, err := remotetest.Step(t, m, remote.Call{Script: "t/x", Stdin: []remote.Part{{Var: "password"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"SHIPCTL", "INPUT", "environment", remote.Hidden} {
		if strings.Contains(out, word) {
			t.Errorf("%s is in %s", word, out)
		}
	}
	if home, err := os.UserHomeDir(); err != nil || !strings.HasSuffix(out, "\n"+home+"\n") {
		t.Errorf("not in %s: %s", home, out)
	}
}

func TestNoShell(t *testing.T) {
	m := local.New(local.Settings{Host: "here", Shell: []string{"/nowhere/sh"}}, remotetest.Setup(remote.Library{"remote/identity": "echo"}))
	if _, err := m.Ask(t.Context(), nil); !errors.Is(err, remote.ErrNotStarted) {
		t.Errorf("%v", err)
	}
}
