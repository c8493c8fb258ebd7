package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/load"
)

// TestCrashTable: what holds a cell to the document notices another outcome and a cell that is not there, and no more.
func TestCrashTable(t *testing.T) {
	step := planned{ID: `service.teatime["app-1"]/stop-blue`, Host: "app-1"}
	tb := &table{scene: scene{name: "a scene"}, steps: []planned{step}, cells: map[string]map[string]outcome{step.name(): {}}}
	for _, k := range crashes() {
		tb.cells[step.name()][k.name] = outcome{"done", 3}
	}
	doc := "## Another scene\n\n| `" + step.name() + "` | stopped |\n\n" + tb.String()
	if got := tb.unlike(doc); len(got) > 0 {
		t.Errorf("of its own table: %q", got)
	}
	tb.cells[step.name()][crashes()[0].name] = outcome{"done", 0}
	if got := tb.unlike(doc); len(got) > 0 {
		t.Errorf("less lost: %q", got)
	}
	tb.cells[step.name()][crashes()[len(crashes())-1].name] = outcome{"undone", 30}
	if got := tb.unlike(doc); len(got) > 0 {
		t.Errorf("a machine that was back too late: %q", got)
	}
	tb.cells[step.name()][crashes()[len(crashes())-1].name] = outcome{"done", 30}
	last := crashes()[0].name
	tb.cells[step.name()][last] = outcome{"undone", 0}
	if got := tb.unlike(doc); len(got) != 1 || !strings.Contains(got[0], last+`: undone, documented is "done"`) {
		t.Errorf("another outcome: %q", got)
	}
	if got := tb.unlike("## Another scene\n"); len(got) != len(crashes()) {
		t.Errorf("without a table: %q", got)
	}
}

// TestLostElsewhere: a machine's being off explains what was lost meanwhile, and nothing before or long after.
func TestLostElsewhere(t *testing.T) {
	zero := time.Now()
	at := func(s float64) time.Time { return zero.Add(time.Duration(s * float64(time.Second))) }
	sample := func(sent, done float64, status int) load.Sample {
		return load.Sample{Sent: at(sent), Done: at(done), Status: status}
	}
	off, up := [2]time.Time{at(1), at(1.1)}, at(3)
	usual := []load.Sample{sample(0, 0.1, 200), sample(0.9, 1.1, 502), sample(2, 7, 0), sample(2.1, 3.2, 200), sample(6, 6.1, 502)}
	for _, c := range []struct {
		name string
		more []load.Sample
		bad  int
	}{
		{"while it is off", nil, 0},
		{"before", []load.Sample{sample(0.5, 0.9, 502)}, 1},
		{"long after", []load.Sample{sample(6.3, 6.4, 502), sample(9, 9.1, 0)}, 2},
	} {
		if got := lostElsewhere(load.Result{Samples: slices.Concat(usual, c.more)}, off, up); len(got) != c.bad {
			t.Errorf("%s: %q", c.name, got)
		}
	}
	if got := lostElsewhere(load.Result{Samples: usual[:3]}, off, up); len(got) != 1 || !strings.Contains(got[0], "not served") {
		t.Errorf("never again: %q", got)
	}
}
