package sim_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shipctl/shipctl/cmd/view"
)

// TestPlanText: a plan as people read it, in the order of design.md's example.
func TestPlanText(t *testing.T) {
	const want = `
  # release.teatime: 41 → 42
  + app-1   release 42 (10 B)

  # service.teatime: 41 → 42
  ~ app-1   live blue :8081 (pid 2001, release 41)  →  green :8082
  ~ web-1   service_url http://10.0.0.11:8081 → http://10.0.0.11:8082
    web-1   warning: worker_shutdown_timeout is not set: a worker with one long connection stays for ever; 10 s would fit drain
  ~ web-2   service_url http://10.0.0.11:8081 → http://10.0.0.11:8082
    web-2   warning: worker_shutdown_timeout is not set: a worker with one long connection stays for ever; 10 s would fit drain

  Steps
   1  app-1  upload teatime-42.jar, 10 B
   2  app-1  publish release 42                                after 1
   3  app-1  start green on :8082                              after 2
   4  app-1  wait until green is healthy (20 s at most)        after 3
   5  web-1  check that nginx accepts green                    after 4
   6  web-2  check that nginx accepts green                    after 4
   7  app-1  confirm that green still runs                     after 5, 6
   8  web-1  switch to green                                   after 7
   9  web-2  switch to green                                   after 7
  10  app-1  activate release 42                               after 8, 9
  11  web-1  drain blue (10 s at most)                         after 8
  12  web-2  drain blue (10 s at most)                         after 9
  13  app-1  stop blue (pid 2001)                              after 10, 11, 12   final

Plan: 1 to add, 3 to change, 0 to destroy.
`
	c := base()
	c.Apps, c.Upstream = 1, false
	r := deployed(t, newShop(t), c)
	c.Version = "42"
	var out bytes.Buffer
	view.Text{Out: &out}.Plan(r.plan(c), false)
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
