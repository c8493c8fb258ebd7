package main

import "testing"

// TestJudge: only a test that fails by its name kills.
func TestJudge(t *testing.T) {
	m := mutant{test: "TestDrain|TestStop/after"}
	for _, c := range []struct {
		name, output string
		want         verdict
	}{
		{"its test fails", "--- FAIL: TestDrain (0.10s)\n    x_test.go:7: bad\nFAIL\n", killed},
		{"the other one", "--- FAIL: TestStop (0.10s)\n    --- FAIL: TestStop/after (0.10s)\nFAIL\n", killed},
		{"it passes", "ok  \tx\t0.1s\n", survived},
		{"another test fails", "--- FAIL: TestDrainer (0.10s)\nFAIL\n", survived},
		{"it hangs", "panic: test timed out after 3m0s\n--- FAIL: TestDrain (180s)\nFAIL\n", survived},
		{"it was stopped", "signal: killed\nFAIL\tx\t180s\n", survived},
		{"it does not compile", "FAIL\tx [build failed]\n", invalid},
	} {
		if got := judge(m, c.output); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
