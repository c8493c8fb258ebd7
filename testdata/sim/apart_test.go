package sim_test

import (
	"fmt"
	"strings"
	"testing"

	servicemodel "github.com/shipctl/shipctl/providers/service/model"
)

// What TestAnything leaves out, because one more apply does not always come to an end there: what it may come to instead.

// refusedSafely applies what can't be known to fail: it must fail, and everything be as it was.
func (r *run) refusedSafely(t *testing.T, c conf, says string) {
	t.Helper()
	p := r.plan(c)
	r.sound(p)
	was := r.w.State(nil, c.Root)
	r.w.Watch(c.routes(), drain, false)
	out := r.execute(p)
	if out.OK() || len(out.Left) > 0 || !strings.Contains(fmt.Sprint(out.Errors), says) {
		t.Fatalf("errors %v, left %v, want %q\n%s", out.Errors, out.Left, says, said(p))
	}
	r.w.Pass(5)
	r.safe()
	if now := strings.ReplaceAll(r.w.State(nil, c.Root), " has "+c.Version, ""); now != strings.ReplaceAll(was, " has "+c.Version, "") {
		t.Errorf("it was\n%sand is\n%s", was, now)
	}
}

// TestMistakeBehindOurs: nginx -t stops at its first complaint, which is that our own file is missing. Somebody else's
// mistake shows when the check has placed it: the check refuses, everything is undone, and without the mistake it works.
func TestMistakeBehindOurs(t *testing.T) {
	s, c := newShop(t), base()
	c.Apps, c.Webs, c.Version = 1, 1, "41"
	for _, up := range []bool{false, true} {
		r := &run{tb: t, shop: s, w: world(c)}
		n := r.w.Host("web-1").Nginx
		if up {
			r.apply(c)
			n.Remove(include)
			c.Version = "42"
		}
		n.Broken = "unknown directive in x.conf:3"
		r.refusedSafely(t, c, "unknown directive in x.conf:3")
		n.Broken = ""
		r.apply(c)
		r.safe()
		r.settled(c)
	}
}

// TestPortOfOneThatBoots: a program that boots listens nowhere yet, so nothing says that its port is another slot's now.
// Start finds it taken, and everything is undone; later one apply is enough.
func TestPortOfOneThatBoots(t *testing.T) {
	s, c := newShop(t), base()
	c.Apps, c.Webs, c.Previous = 1, 1, "running"
	r := &run{tb: t, shop: s, w: world(c)}
	for _, c.Version = range []string{"40", "41"} {
		r.apply(c)
	}
	r.w.Host("app-1").Service.Reboot()
	c.Names, c.Version = [2]string{"red", "green"}, "42"
	r.refusedSafely(t, c, "port 8081 is taken")
	r.apply(c)
	r.safe()
	r.settled(c)
}

// TestSwappedPorts: the slots' ports are swapped in the configuration, somebody has reloaded nginx and then written the other
// port into its file. What answers through nginx is the slot that the file names now; its program is still on its old port.
func TestSwappedPorts(t *testing.T) {
	s, c := newShop(t), base()
	c.Apps, c.Webs, c.Upstream, c.Version = 1, 1, false, "41"
	for _, together := range []bool{false, true} {
		c := c
		c.Together = together
		r := &run{tb: t, shop: s, w: world(c)}
		r.apply(c)
		n := r.w.Host(c.webs()[0]).Nginx
		n.Reload()
		n.Write(include, c.text(1))
		r.w.Watch(c.routes(), drain, false)
		c.Ports = [2]int{8082, 8081}
		if p := r.plan(c); len(p.Problems()) == 0 {
			r.execute(p)
		} else if !strings.Contains(said(p), "leaves no slot free beside it") {
			t.Errorf("the plan:\n%s", said(p))
		}
		r.safe()
	}
}

// TestLeftoverGivesNoRelease: a program that was never activated does not say which release is wanted. Without a version the
// plan is refused; with one it is replaced.
func TestLeftoverGivesNoRelease(t *testing.T) {
	s, c := newShop(t), base()
	c.Apps, c.Webs = 1, 1
	r := &run{tb: t, shop: s, w: world(c)}
	h := r.w.Host("app-1")
	h.Release.Directory(c.Root, "41")
	h.Service.Launch(servicemodel.Process{
		Service: "teatime", Slot: "blue", Release: "41", Digest: "0123456789ab", Dir: c.Root + "/releases/41", Port: 8081, Env: map[string]string{"SLOT": "blue"}, Unit: true,
	})
	if p := r.plan(c); len(p.Problems()) != 1 || !strings.Contains(said(p), "say which one to deploy") {
		t.Errorf("without a version:\n%s", said(p))
	}
	c.Version = "42"
	r.apply(c)
	r.safe()
	r.settled(c)
}
