package e2e

import (
	"slices"
	"strings"
	"testing"
)

// TestAsPlanned: what compares an apply with its plan notices each way in which they can differ.
func TestAsPlanned(t *testing.T) {
	const plan = `
  Steps
   1  app-1  upload a thing, 8.9 MB
   2  app-1  start blue on :8081             after 1
   3  web-1  switch to blue                  after 1, 2   window w   final

Plan: 1 to add, 0 to change, 0 to destroy.
`
	const upload, start, swtch = "app-1  upload a thing, 8.9 MB … done (1s)\n", "app-1  start blue on :8081 … done (1s)\n         pid 7\n", "web-1  switch to blue … done (0.1s)\n"
	for _, c := range []struct {
		name, ran string
		whole     bool
		want      []string
	}{
		{"as planned", upload + start + swtch, true, nil},
		{"one is missing", upload + start, true, []string{"did not run web-1 switch to blue"}},
		{"it failed there", upload + start + "web-1  switch to blue … failed (1s)\n", false, nil},
		{"another one", upload + start + swtch + "web-1  format the disk … done (1s)\n", true, []string{"ran web-1 format the disk, which was not planned"}},
		{"another one was begun", upload + start + "web-1  format the disk … failed (1s)\n", false, []string{"began web-1 format the disk, which was not planned"}},
		{"twice", upload + upload + start + swtch, true, []string{"ran app-1 upload a thing, 8.9 MB twice"}},
		{"in another order", upload + swtch + start, true, []string{"ran web-1 switch to blue before app-1 start blue on :8081"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := human(plan + c.ran).wrong(c.whole); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	line := func(kind, id, more string) string {
		return `{"type":"` + kind + `","step":{"id":"` + id + `"` + more + `}}` + "\n"
	}
	out := line("planned_step", "a", `,"number":1`) + line("planned_step", "b", `,"number":2,"after":["a"]`) + line("step_complete", "b", "") + line("step_errored", "c", "")
	if got := strings.Join(stream(out).wrong(true), "; "); got != "ran b before a; began c, which was not planned; did not run a" {
		t.Errorf("of a stream: %q", got)
	}
}
