package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// TestPanicIsABug: a panic is one line and exit code 1, never 2, which means changes; where it was is in the trace only.
func TestPanicIsABug(t *testing.T) {
	for _, level := range []hclog.Level{hclog.Warn, hclog.Trace} {
		var out, log bytes.Buffer
		c := &cli{out: &out, err: &out, detailed: true, log: hclog.New(&hclog.LoggerOptions{Output: &log, Level: level})}
		err := c.guarded(func() error { panic("no such attribute") })
		if code := c.exit(err); code != 1 {
			t.Errorf("exit code %d", code)
		}
		if s := out.String(); !strings.Contains(s, "a bug in shipctl "+version+": no such attribute") || strings.Contains(s, "goroutine") {
			t.Errorf("says %q", s)
		}
		if traced := strings.Contains(log.String(), "cli_test.go"); traced != (level == hclog.Trace) {
			t.Errorf("at %s the log is %q", level, log.String())
		}
	}
}
