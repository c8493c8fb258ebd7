package e2e

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// point is a checkpoint of an apply: before a script is sent, between its effect and its reply ("effect"), and after the
// reply was taken in.
type point struct {
	Step   string `json:"step"`
	Moment string `json:"moment"`
	Undo   bool   `json:"undo"`
	Reply  string `json:"reply"` // where it is waited for
}

// checkpoints are those that the applies of a test come to. What handle does happens while the apply waits there; what
// it returns is the apply's reply: "" to go on.
type checkpoints struct {
	env  string // for shipctl
	over chan struct{}

	mu     sync.Mutex
	handle func(point) string
	seen   []point
}

// watch looks on until the test ends.
func watch(t *testing.T) *checkpoints {
	t.Helper()
	dir := t.TempDir()
	points := filepath.Join(dir, "points")
	if err := syscall.Mkfifo(points, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(points, os.O_RDWR, 0) // for writing too: it never ends
	if err != nil {
		t.Fatal(err)
	}
	c := &checkpoints{env: "SHIPCTL_CHECKPOINTS=" + dir, over: make(chan struct{})}
	var all sync.WaitGroup
	all.Go(func() {
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			line := slices.Clone(lines.Bytes())
			all.Go(func() { c.serve(line) })
		}
	})
	t.Cleanup(func() {
		close(c.over)
		pipe.Close()
		all.Wait()
	})
	return c
}

func (c *checkpoints) serve(line []byte) {
	var p point
	if err := json.Unmarshal(line, &p); err != nil {
		return
	}
	answer := p.Reply
	p.Reply = ""
	c.mu.Lock()
	c.seen = append(c.seen, p)
	handle := c.handle
	c.mu.Unlock()
	reply := ""
	if handle != nil {
		reply = handle(p)
	}
	// Whoever asked may be dead; then nobody reads, and opening it only for writing would wait for ever.
	if f, err := os.OpenFile(answer, os.O_RDWR, 0); err == nil {
		_, _ = f.WriteString(reply + "\n")
		c.keep(f)
	}
}

// keep leaves a pipe open until its reader, who may be frozen, takes it away, or the test ends.
func (c *checkpoints) keep(f *os.File) {
	defer f.Close()
	for {
		if _, err := os.Lstat(f.Name()); err != nil {
			return
		}
		select {
		case <-c.over:
			return
		case <-time.After(20 * time.Millisecond): // nothing tells
		}
	}
}

// at sets what happens from now on, and forgets what was seen.
func (c *checkpoints) at(handle func(point) string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handle, c.seen = handle, nil
}

// points are those that were come to since.
func (c *checkpoints) points() []point {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]point(nil), c.seen...)
}

// once is a handler for one checkpoint, the first time that it is come to.
func once(at point, do func() string) func(point) string {
	var first sync.Once
	return func(p point) (reply string) {
		if p == at {
			first.Do(func() { reply = do() })
		}
		return reply
	}
}
