package e2e

import (
	"bufio"
	"encoding/json"
	"net"
	"path/filepath"
	"sync"
	"testing"
)

// point is a checkpoint of an apply: before a script is sent, between its effect and its reply ("effect"), and after the
// reply was taken in.
type point struct {
	Step   string `json:"step"`
	Moment string `json:"moment"`
	Undo   bool   `json:"undo"`
}

// checkpoints are those that the applies of a test come to. What handle does happens while the apply waits there; what
// it returns is the apply's reply: "" to go on.
type checkpoints struct {
	env string // for shipctl

	mu     sync.Mutex
	handle func(point) string
	seen   []point
}

// watch listens for checkpoints until the test ends.
func watch(t *testing.T) *checkpoints {
	t.Helper()
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c := &checkpoints{env: "SHIPCTL_CHECKPOINTS=" + path}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return c
}

func (c *checkpoints) serve(conn net.Conn) {
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadBytes('\n')
	if err != nil {
		return
	}
	var p point
	if err := json.Unmarshal(line, &p); err != nil {
		return
	}
	c.mu.Lock()
	c.seen = append(c.seen, p)
	handle := c.handle
	c.mu.Unlock()
	reply := ""
	if handle != nil {
		reply = handle(p)
	}
	_, _ = conn.Write([]byte(reply + "\n"))
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
