package e2e

import (
	"slices"
	"strings"
	"testing"
)

// TestFates: what compares the end of an interrupted apply with its plan notices each way in which they can differ.
func TestFates(t *testing.T) {
	steps := []planned{{ID: "u", Host: "app-1", Title: "upload"}, {ID: "s", Host: "app-1", Title: "start blue", Undo: true}, {ID: "c", Host: "web-1", Title: "check", Undo: true}, {ID: "x", Host: "web-1", Title: "switch", Undo: true}}
	const ran = "app-1  upload … done (1s)\napp-1  start blue … done (1s)\nweb-1  check … done (1s)\n"
	const undone = "web-1  check … undone (1s)\napp-1  start blue … undone (1s)\n"
	const end = "\n  What became of the steps\n  done         app-1  upload\n  undone       app-1  start blue\n  undone       web-1  check\n  1 step not begun\n\nWhat had been begun was undone: what served before still serves.\n"
	for _, c := range []struct {
		name, said string
		want       []string
	}{
		{"as it should be", ran + undone + end, nil},
		{"one stays", ran + "web-1  check … undone (1s)\n" + strings.Replace(end, "undone       app-1", "done         app-1", 1), []string{`app-1 start blue was begun, and is "done"; it can be undone: true`}},
		{"claimed only", ran + "web-1  check … undone (1s)\n" + end, []string{"app-1 start blue was undone, and nobody saw it"}},
		{"without a table", ran + undone + "1 step was undone: …", []string{
			`app-1 start blue was begun, and is ""; it can be undone: true`, `web-1 check was begun, and is ""; it can be undone: true`, "1 steps were not begun, which is not said",
		}},
		{"miscounted", ran + undone + strings.Replace(end, "1 step ", "2 steps ", 1), []string{"1 steps were not begun, which is not said"}},
	} {
		if got := fates(steps, steps[2], c.said); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if got := fates(steps, steps[3], ran+undone+end); len(got) != 1 || !strings.Contains(got[0], "nothing is said of it") {
		t.Errorf("another one was interrupted: %q", got)
	}
}

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
