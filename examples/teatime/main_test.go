package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the program, so that signals and exits are real.
func TestMain(m *testing.M) {
	if os.Getenv("TEATIME_TEST_MAIN") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		o      options
		path   string
		status int
		want   string
	}{
		{"root", options{version: "2", slot: "blue"}, "/", 200, `"version":"2"`},
		{"profile", options{slot: "real1"}, "/profile", 200, "real1"},
		{"health", options{version: "2"}, "/health", 200, "ok 2"},
		{"unhealthy", options{unhealthy: true}, "/health", 503, "not healthy"},
		{"unhealthy profile", options{unhealthy: true}, "/profile", 503, "not healthy"},
		{"no WebSocket", options{}, "/echo", 426, "WebSocket"},
		{"stream", options{version: "7"}, "/stream?s=0", 200, "end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			handler(c.o).ServeHTTP(w, httptest.NewRequest("GET", c.path, nil))
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("got %d %q, want %d with %q", w.Code, w.Body, c.status, c.want)
			}
		})
	}
}

func TestLatency(t *testing.T) {
	for _, c := range []struct {
		path string
		slow time.Duration
		want time.Duration
	}{{"/?ms=60", 0, 60 * time.Millisecond}, {"/", 40 * time.Millisecond, 40 * time.Millisecond}} {
		begin := time.Now()
		handler(options{slow: c.slow}).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", c.path, nil))
		if d := time.Since(begin); d < c.want {
			t.Errorf("%s took %s, want %s at least", c.path, d, c.want)
		}
	}
}

// program starts teatime on a free port and waits for the line that says where it listens.
func program(t *testing.T, dir string, args ...string) (*exec.Cmd, *bufio.Reader, string) {
	t.Helper()
	c := exec.Command(os.Args[0], append([]string{"-address=127.0.0.1", "-port=0"}, args...)...)
	c.Dir = dir
	c.Env = append(os.Environ(), "TEATIME_TEST_MAIN=1", "SLOT=green")
	p, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	r := bufio.NewReader(p)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("teatime said nothing of listening: %v", err)
		}
		if _, after, ok := strings.Cut(line, "listening on "); ok {
			return c, r, "http://" + strings.Fields(after)[0]
		}
	}
}

func TestStopFinishesRequests(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "VERSION"), []byte("41\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, out, url := program(t, dir)
	type answer struct {
		Version, Slot string
		Pid           int
	}
	got := make(chan answer, 1)
	sent := make(chan struct{})
	go func() {
		var a answer
		r, err := http.Get(url + "/stream?s=1")
		close(sent)
		if err == nil {
			b, _ := io.ReadAll(r.Body)
			if strings.HasSuffix(string(b), "end\n") {
				a.Version, _, _ = strings.Cut(string(b), "\n")
			}
		}
		got <- a
	}()
	<-sent // the headers are here: the request is in flight
	r, err := http.Get(url + "/")
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil || a.Version != "41" || a.Slot != "green" || a.Pid != c.Process.Pid {
		t.Fatalf("got %+v %v", a, err)
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if a := <-got; a.Version != "41" {
		t.Error("the request in flight was cut off")
	}
	if b, _ := io.ReadAll(out); !strings.Contains(string(b), "stopped") {
		t.Errorf("no farewell in %q", b)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

func TestIgnoreTermAndCrash(t *testing.T) {
	c, out, url := program(t, "", "-ignore-term", "-crash-after=3s")
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get(url + "/health"); err != nil {
		t.Errorf("gone on TERM: %v", err)
	}
	if b, _ := io.ReadAll(out); !strings.Contains(string(b), "crashing") {
		t.Errorf("no crash in %q", b)
	}
	_ = c.Wait()
	if c.ProcessState.ExitCode() != 2 {
		t.Errorf("exit %d, want 2", c.ProcessState.ExitCode())
	}
}

func TestAbrupt(t *testing.T) {
	c, _, url := program(t, "", "-abrupt")
	r, err := http.Get(url + "/stream?s=60")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r.Body); err == nil {
		t.Errorf("the request in flight was finished: %q", b)
	}
}

func TestOrphanHoldsOutput(t *testing.T) {
	c, out, _ := program(t, "", "-orphan")
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = c.Process.Wait()
	ended := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, out); close(ended) }()
	select {
	case <-ended:
		t.Error("standard output was closed with the program")
	case <-time.After(300 * time.Millisecond):
	}
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range procs { // the child is ours: end it
		b, _ := os.ReadFile(p)
		if strings.HasPrefix(string(b), os.Args[0]+"\x00-sleeper") || strings.Contains(string(b), "teatime.test\x00-sleeper") {
			var pid int
			for _, r := range filepath.Base(filepath.Dir(p)) {
				pid = pid*10 + int(r-'0')
			}
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	<-ended
}

func TestStopWhileBooting(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := run(ctx, []string{"-boot=1h"}, func(string) string { return "" }, io.Discard); err != nil {
		t.Error(err)
	}
}
