package e2e

import (
	"strings"
	"testing"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// onBox is the configuration for one machine.
func onBox(hcl string) string {
	return strings.NewReplacer(`{ role = "app" }`, `{ role = "box" }`, `{ role = "web" }`, `{ role = "box" }`).Replace(hcl)
}

// TestPreviousRunning: the previous slot goes on running until the next deployment, which stops it to make room; nothing
// is to be done in between.
func TestPreviousRunning(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"box-1"}, onBox(service(`variable = "service_url"`, program("--abrupt")+"\n  rollout {\n    previous = \"running\"\n  }")))
	s.m("box-1").WriteSite(fleet.SiteVariable(include, "service_url"))
	s.deploy("1")
	stop := s.load([]string{"box-1"}, "/?ms=300")
	s.deploy("2")
	s.settled("2")
	out := s.ok("status")
	s.has(out, `blue +- +1 `, `green +live +2 `)
	s.has(s.deploy("3"), `stop what is left in blue`)
	s.nothingLost(settle(stop))
	s.settled("3")
	s.has(s.ok("status"), `blue +live +3 `, `green +- +2 `)
}

// TestHealthKinds: a connection, or a command, is enough to be healthy; a command that fails is not.
func TestHealthKinds(t *testing.T) {
	t.Parallel()
	http := `    http {
      path = "/profile"
      body = "^${slot.env.SLOT}$"
    }`
	with := func(check string) string {
		hcl := onBox(service(`variable = "service_url"`, program("--abrupt")))
		if !strings.Contains(hcl, http) {
			t.Fatal("the health check is not where it was")
		}
		return strings.Replace(hcl, http, check, 1)
	}
	s := newSite(t, []string{"box-1"}, with("tcp {}"))
	s.m("box-1").WriteSite(fleet.SiteVariable(include, "service_url"))
	s.deploy("1")
	s.settled("1")
	s.write("main.hcl", with(`exec {
      command = ["sh", "-c", "test -e VERSION && test $SHIPCTL_SLOT = ${slot.name}"]
    }`))
	stop := s.load([]string{"box-1"}, "/?ms=5")
	s.deploy("2")
	s.settled("2")
	s.write("main.hcl", strings.Replace(with(`exec {
      command = ["sh", "-c", "echo no database; exit 7"]
    }`), `deadline    = "20s"`, `deadline    = "3s"`, 1))
	if r := s.run("apply", "-auto-approve", "-detailed-exitcode", "-var", "version=3"); r.code != 6 {
		t.Errorf("exit %d, want 6", r.code)
	} else {
		s.has(r.out, "exit status 7: no database")
	}
	s.nothingLost(settle(stop))
	if v := live(s, "box-1"); v != "2" {
		t.Errorf("version %s is live", v)
	}
}

// TestFacts: a plan on saved facts says what a plan on the machines says, with the machines off.
func TestFacts(t *testing.T) {
	t.Parallel()
	s := newSite(t, []string{"box-1"}, onBox(service(`variable = "service_url"`, program())))
	s.m("box-1").WriteSite(fleet.SiteVariable(include, "service_url"))
	s.deploy("1")
	online := s.ok("plan", "-var", "version=2")
	s.ok("facts", "-out", "facts.json", "-var", "version=2")
	s.m("box-1").Kill()
	if offline := s.ok("plan", "-facts", "facts.json", "-var", "version=2"); offline != online {
		t.Errorf("offline:\n%s\nonline:\n%s", offline, online)
	}
}
