package sim_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/shipctl/shipctl/planner"
	nginxmodel "github.com/shipctl/shipctl/providers/nginx/model"
	servicemodel "github.com/shipctl/shipctl/providers/service/model"
	"github.com/shipctl/shipctl/testdata/sim"
)

// TestAnything: any machines, any configuration, any single fault: safe all the while; what was not meddled with is not
// touched; and when the fault is over, one more apply comes to an end after which nothing is to do.
// -rapid.checks=N tries more.
func TestAnything(t *testing.T) {
	s := newShop(t)
	var planned, refused, idle atomic.Int64
	rapid.Check(t, func(t *rapid.T) {
		before := anyConf(t)
		after := changed(t, before)
		r := &run{tb: t, shop: s, w: world(union(before, after)), parallel: 1}
		r.prepare(t, before)
		r.meddle(t, before, after)
		if rapid.Bool().Draw(t, "consent") {
			r.w.Consents = planner.Consents{"take-over": {"service.teatime"}, "pending-nginx": {"*"}}
		}
		was := r.everything(after)
		p := r.plan(after)
		r.story = append(r.story, fmt.Sprintf("with %+v\nthen %+v\non\n%sPlan:\n%s", before, after, r.w.State(after.routes(), after.Root), said(p)))
		if now := r.everything(after); now != was {
			t.Fatalf("plan changed something:\n%s\nwas\n%s", now, was)
		}
		if len(p.Problems()) > 0 {
			refused.Add(1)
			r.explained(p, before, after)
			r.noHalf(p)
			return
		}
		if p.Empty() {
			idle.Add(1)
		}
		planned.Add(1)
		r.converges(t, after, p)
	})
	a, n := planned.Load(), refused.Load()
	t.Logf("%d applied (%d of them had nothing to do), %d refused", a, idle.Load(), n)
	if n*10 > (a+n)*3 { // one in seven usually
		t.Errorf("%d of %d plans were refused: what is refused is not tried", n, a+n)
	}
}

// explained: each refusal has its cause in what was asked for, or in what somebody did to the machines.
func (r *run) explained(p *planner.Plan, before, after conf) {
	r.Helper()
	story := strings.Join(r.story, "\n")
	did := func(meddlings ...string) bool {
		return slices.ContainsFunc(meddlings, func(m string) bool { return strings.Contains(story, "meddle: "+m+",") })
	}
	causes := []struct {
		problem string
		is      bool
	}{
		{"say which one to deploy", after.Version == ""},
		{"no release is given", after.Version == ""},
		{"leaves no slot free beside it", after.Ports != before.Ports || after.Names != before.Names},
		{"this project did not publish it", did("left over")},
		{"nginx does not accept the configuration that is on the disk now", did("broken")},
		{"a reload would bring to life what others have changed", did("pending", "broken")},
		{"which shipctl did not start", did("stranger")},
		{"a process that this user may not see", did("stranger")},
	}
	for _, c := range p.Problems() {
		known := false
		for _, cause := range causes {
			known = known || cause.is && strings.Contains(c.Problem, cause.problem)
		}
		if !known {
			r.Fatalf("%s is refused, and nothing that was done explains it: %s\n%s", c.Addr, c.Problem, story)
		}
	}
}

// converges applies with a fault, and again without.
func (r *run) converges(t *rapid.T, c conf, p *planner.Plan) {
	unrelated, rebooted := r.unrelated(c), false
	r.w.Watch(c.routes(), drain, r.w.Consents != nil)
	if steps := p.Steps(); len(steps) > 0 && rapid.IntRange(0, 4).Draw(t, "fault") > 0 {
		step := rapid.SampledFrom(steps).Draw(t, "step")
		f := rapid.SampledFrom(faultsOf(step, false)).Draw(t, "what")
		r.story = append(r.story, f.String())
		r.w.Break(f)
		rebooted = f.Kind == sim.Rebooted
	}
	r.execute(p)
	r.w.Heal()
	r.w.Pass(5)
	r.w.Watch(c.routes(), drain, r.w.Consents != nil)
	if strings.Contains(said(r.plan(c)), "no release is given") {
		// A leftover that was never activated was cleared as being in the way: with it goes the last that says which release it was.
		c.Version = "41"
	}
	r.apply(c)
	r.safe()
	r.settled(c)
	if now := r.unrelated(c); now != unrelated && !rebooted { // after which nobody starts another's programs again
		t.Fatalf("something unrelated was touched:\n%s\nwas\n%s", now, unrelated)
	}
}

// noHalf: a plan with a problem has no steps of the service's.
func (r *run) noHalf(p *planner.Plan) {
	r.Helper()
	for _, problem := range p.Problems() {
		for _, c := range p.Changes {
			if c.Addr.Ref == problem.Addr.Ref && c.Addr.Kind == "service" && len(c.Steps) > 0 {
				r.Fatalf("%s has a problem, and %s has steps: %s", problem.Addr, c.Addr, problem.Problem)
			}
		}
	}
}

func anyConf(t *rapid.T) conf {
	c := base()
	c.Apps, c.Webs = rapid.IntRange(1, 3).Draw(t, "apps"), rapid.IntRange(1, 3).Draw(t, "webs")
	c.Together = rapid.IntRange(0, 3).Draw(t, "together") == 0
	c.Upstream = c.Apps > 1 || rapid.Bool().Draw(t, "upstream")
	c.Previous = rapid.SampledFrom([]string{"stopped", "running"}).Draw(t, "previous")
	c.Runner = rapid.SampledFrom([]string{"systemd", "process"}).Draw(t, "runner")
	c.NoVerify = rapid.IntRange(0, 3).Draw(t, "no verify") == 0
	c.Keep = rapid.SampledFrom([]int{0, 2}).Draw(t, "keep")
	c.Hook = rapid.Bool().Draw(t, "hook")
	c.Version = "41"
	return c
}

// changed is another configuration for the same machines.
func changed(t *rapid.T, c conf) conf {
	c.Version = rapid.SampledFrom([]string{"41", "42", "42", "43", ""}).Draw(t, "version")
	for _, what := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{
		"flag", "previous", "runner", "name", "port", "both ports", "root", "retire", "add", "verify",
	}), 0, 2, rapid.ID[string]).Draw(t, "changes") {
		switch what {
		case "flag":
			c.Flag = "--new"
		case "previous":
			c.Previous = map[string]string{"stopped": "running", "running": "stopped"}[c.Previous]
		case "runner":
			c.Runner = map[string]string{"systemd": "process", "process": "systemd"}[c.Runner]
		case "name":
			c.Names[rapid.IntRange(0, 1).Draw(t, "slot")] = "red"
		case "port":
			i := rapid.IntRange(0, 1).Draw(t, "slot")
			c.Ports[i] = 9083 + i
		case "both ports":
			c.Ports = rapid.SampledFrom([][2]int{{8082, 8081}, {9081, 9082}, {8082, 8083}}).Draw(t, "ports")
		case "root":
			c.Root = "/opt/teatime"
		case "retire":
			if c.Apps > 1 {
				c.Retired = 1
			}
		case "add":
			if c.Apps < 3 && c.Upstream {
				c.Apps++
			}
		case "verify":
			c.NoVerify = !c.NoVerify
		}
	}
	return c
}

func union(a, b conf) conf {
	a.Apps = max(a.Apps, b.Apps)
	return a
}

// prepare is what there is before anybody meddles: nothing, or a deployment or two.
func (r *run) prepare(t *rapid.T, c conf) {
	for _, v := range rapid.SampledFrom([][]string{{}, {"41"}, {"41"}, {"41", "42"}, {"40", "41", "42"}}).Draw(t, "deployed") {
		c.Version = v
		r.apply(c)
	}
	app := r.w.Host("app-1").Service
	app.Launch(servicemodel.Process{Service: "other", Slot: "blue", Release: "7", Digest: "d", Dir: "/srv/other/releases/7", Port: 9000})
	for _, h := range c.webs() {
		r.w.Host(h).Nginx.Disk["/etc/nginx/other.conf"] = "# another's"
	}
}

// meddle is what people, crashes and earlier tools do to machines.
func (r *run) meddle(t *rapid.T, c, after conf) {
	for range rapid.IntRange(0, 4).Draw(t, "meddlings") {
		host := fmt.Sprintf("app-%d", rapid.IntRange(1, c.Apps).Draw(t, "app"))
		app, slot := r.w.Host(host).Service, rapid.IntRange(0, 1).Draw(t, "slot")
		web := r.w.Host(rapid.SampledFrom(c.webs()).Draw(t, "web")).Nginx
		what := rapid.SampledFrom([]string{
			"crash", "left over", "left over", "left over", "stranger", "disable", "reboot", "route", "route and reload", "route and reload", "garbage",
			"remove", "respawn", "stop", "start", "reload", "pending", "broken",
		}).Draw(t, "meddling")
		r.story = append(r.story, fmt.Sprintf("meddle: %s, %s %s", what, host, c.Names[slot]))
		switch what {
		case "crash":
			for _, p := range app.Procs {
				if p.Port == c.Ports[slot] {
					app.Kill(p.PID)
					break
				}
			}
		case "left over":
			leftOver(t, r.w.Host(host), c, slot)
		case "stranger":
			if _, s := app.On(c.Ports[slot]); s == nil && !slices.ContainsFunc(app.Procs, func(p *servicemodel.Process) bool { return p.Port == c.Ports[slot] }) {
				app.Intrude(servicemodel.Stranger{Port: c.Ports[slot], Program: "java -jar old.jar", Hidden: rapid.IntRange(0, 5).Draw(t, "hidden") == 0})
			}
		case "disable":
			app.Disable("teatime", c.Names[slot])
		case "reboot":
			app.Reboot()
			if h := r.w.Host(host).Nginx; h.Up {
				h.Stop()
				_ = h.Start()
			}
		default:
			meddleWithNginx(t, what, web, c)
		}
	}
	for _, h := range c.webs() {
		n := r.w.Host(h).Nginx
		if _, there := n.Disk[include]; !n.Up || !there {
			// nginx -t stops at its first complaint, which is our own missing file's: somebody else's mistake shows when the check
			// step has placed it. That step then refuses, and everything is undone; no plan could know, and nothing is harmed.
			n.Broken = ""
		}
	}
	if after.Ports != c.Ports || after.Names != c.Names {
		// A program that boots listens nowhere yet, so nothing says that its port is another slot's now. Where it comes up after
		// all, start finds the port taken, says by whom, and is undone: safe, but one apply is not enough then.
		r.w.Pass(5)
	}
	r.w.Pass(rapid.SampledFrom([]int{0, 5}).Draw(t, "later"))
}

func meddleWithNginx(t *rapid.T, what string, web *nginxmodel.Model, c conf) {
	switch what {
	case "route":
		web.Write(include, c.handmade(t))
	case "route and reload":
		web.Write(include, c.handmade(t))
		web.Reload()
	case "garbage":
		web.Write(include, "set $service_url http://localhost:8081;\n") // which nginx takes, and answers with 502
		web.Reload()
	case "remove":
		web.Remove(include)
	case "respawn":
		web.Respawn()
	case "stop":
		web.Stop()
	case "start":
		_ = web.Start()
	case "reload":
		web.Reload()
	case "pending":
		web.Edit()
		web.Pending = []string{"/etc/nginx/conf.d/half-edited.conf"}
	case "broken":
		if rapid.IntRange(0, 3).Draw(t, "really") == 0 {
			web.Edit()
			web.Broken = "unknown directive in x.conf:3"
		}
	}
}

// leftOver is a program of ours that nobody remembers, in a slot that is free.
func leftOver(t *rapid.T, h *sim.Host, c conf, slot int) {
	app := h.Service
	taken := slices.ContainsFunc(app.Procs, func(p *servicemodel.Process) bool { return p.Slot == c.Names[slot] || p.Port == c.Ports[slot] })
	if _, s := app.On(c.Ports[slot]); taken || s != nil {
		return
	}
	release := rapid.SampledFrom([]string{"40", "41", "42"}).Draw(t, "release")
	if !h.Release.Published(c.Root, release) {
		h.Release.Directory(c.Root, release)
	}
	app.Launch(servicemodel.Process{
		Service: "teatime", Slot: c.Names[slot], Release: release, Digest: "0123456789ab", Dir: c.Root + "/releases/" + release,
		Port: c.Ports[slot], Env: map[string]string{"SLOT": c.Names[slot]}, Unit: c.Runner == "systemd",
	})
}

// handmade is an include that a person or a script wrote.
func (c conf) handmade(t *rapid.T) string {
	addr := func(i int) string {
		return fmt.Sprintf("10.0.0.1%d:%d", i+1, c.Ports[rapid.IntRange(0, 1).Draw(t, "port")])
	}
	if !c.Upstream {
		return "set $service_url http://" + addr(0) + "; # by hand\n"
	}
	var b strings.Builder
	b.WriteString("upstream teatime {\n")
	for i := range c.Apps {
		fmt.Fprintf(&b, "  server %s;\n", addr(i))
	}
	b.WriteString("}\n")
	return b.String()
}

// everything is all that a plan could change.
func (r *run) everything(c conf) string {
	var b strings.Builder
	for name := range c.ips() {
		b.WriteString(r.processes(name, func(string) bool { return true }))
	}
	lines := strings.Split(b.String(), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n") + r.w.State(c.routes(), "/srv/teatime", "/opt/teatime")
}

func (r *run) processes(host string, which func(service string) bool) string {
	var b strings.Builder
	for _, p := range r.w.Host(host).Service.Procs {
		if which(p.Service) {
			fmt.Fprintf(&b, "%s: %d of %s\n", host, p.PID, p.Service)
		}
	}
	for _, s := range r.w.Host(host).Service.Strangers {
		if which("") {
			fmt.Fprintf(&b, "%s: %d, stranger\n", host, s.PID)
		}
	}
	return b.String()
}

// unrelated is what is none of our business: other services, strangers that no nginx sends to, other files.
func (r *run) unrelated(c conf) string {
	var b strings.Builder
	b.WriteString(r.processes("app-1", func(service string) bool { return service != "teatime" && (service != "" || r.w.Consents == nil) }))
	for _, h := range c.webs() {
		for f, text := range r.w.Host(h).Nginx.Disk {
			if f != include {
				fmt.Fprintf(&b, "%s: %s %q\n", h, f, text)
			}
		}
	}
	return b.String()
}
