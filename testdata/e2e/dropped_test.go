package e2e

import (
	"regexp"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// TestDroppedNginx: an nginx machine that was taken out of the configuration still sends requests to the old slot. The slot
// is not stopped while it does, and the apply says who it is; once the machine is named again, it is switched like the other.
func TestDroppedNginx(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"app-1", "web-1", "web-2"}, abrupt("systemd"))
	for _, w := range webs {
		s.m(w).WriteSite(fleet.SiteVariable(include, "service_url"))
	}
	s.deploy("1")
	s.settled("1")
	hosts := s.hosts(`user = "deploy"`, `sudo = true`)
	s.write("hosts.hcl", without(hosts, "web-2"))
	stop := s.load(webs, "/?ms=300")
	old := s.pid(8081)
	out := s.fails(1, apply("2")...)
	s.has(out, `web-1 .*switch to green … done`, `app-1 .*stop blue .*… failed`, `blue still has connections after 10 s: .*`+regexp.QuoteMeta(s.m("web-2").Addr)+`.*It was not stopped`)
	if now := s.pid(8081); now != old {
		t.Errorf("blue was pid %s and is %q", old, now)
	}
	for w, v := range map[string]string{"web-1": "2", "web-2": "1"} {
		if is := live(s, w); is != v {
			t.Errorf("%s leads to version %s, not %s", w, is, v)
		}
	}
	s.write("hosts.hcl", hosts)
	s.deploy("2")
	verified := time.Now()
	r := stop()
	s.nothingLost(r)
	if late := r.BegunAfter("1", verified); len(late) > 0 {
		t.Errorf("%d requests were answered by version 1 after the last switch", len(late))
	}
	if s.pid(8081) != "" {
		t.Error("blue still runs")
	}
	s.settled("2")
}
