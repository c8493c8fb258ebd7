package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/shipctl/shipctl/providers/remote"
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

// TestCaughtBug: the same for a panic that was caught where the work is done.
func TestCaughtBug(t *testing.T) {
	for _, level := range []hclog.Level{hclog.Warn, hclog.Trace} {
		var out, log bytes.Buffer
		c := &cli{out: &out, err: &out, detailed: true, log: hclog.New(&hclog.LoggerOptions{Output: &log, Level: level})}
		code := c.exit(fmt.Errorf("web-1: %w", remote.Guarded(func() { panic("no such slot") })))
		if s := out.String(); code != 1 || !strings.Contains(s, "web-1: this is a bug in shipctl: no such slot") || strings.Contains(s, "goroutine") {
			t.Errorf("exit %d, says %q", code, s)
		}
		if traced := strings.Contains(log.String(), "cli_test.go"); traced != (level == hclog.Trace) {
			t.Errorf("at %s the log is %q", level, log.String())
		}
	}
}
