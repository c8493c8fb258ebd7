package sim_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/all"
	"github.com/shipctl/shipctl/providers/nginx"
	"github.com/shipctl/shipctl/testdata/sim"
)

const (
	include = "/etc/nginx/conf.d/service-url.inc"
	drain   = 10 // seconds
)

// conf is a configuration; its zero value with Apps and Webs is a service as people begin with.
type conf struct {
	Apps, Webs int
	Together   bool   // nginx is on the first application machine, and nowhere else
	Upstream   bool   // else variable, which is for one machine only
	Version    string // "": null
	Previous   string
	Runner     string
	Flag       string // of the command: a change without a new version
	Names      [2]string
	Ports      [2]int
	Root       string
	Retired    int // how many of the last machines are taken out
	Keep       int
	Hook       bool
	NoVerify   bool
	Jobs       bool   // a batch on the same release, whose command changes with each version
	Command    string // of a job; "": it changes with each version
	Recreate   bool   // one slot; without Webs no nginx either
	Bare       bool   // a release that nothing runs
}

func base() conf {
	return conf{
		Apps: 2, Webs: 2, Upstream: true, Previous: "stopped", Runner: "systemd", Names: [2]string{"blue", "green"}, Ports: [2]int{8081, 8082},
		Root: "/srv/teatime",
	}
}

func (c conf) ips() map[string]string {
	out := map[string]string{}
	for i := range c.Apps {
		out[fmt.Sprintf("app-%d", i+1)] = fmt.Sprintf("10.0.0.1%d", i+1)
	}
	for i := range c.Webs {
		out[fmt.Sprintf("web-%d", i+1)] = fmt.Sprintf("10.0.0.2%d", i+1)
	}
	return out
}

func (c conf) webs() (out []string) {
	if c.Together {
		return []string{"app-1"}
	}
	for i := range c.Webs {
		out = append(out, fmt.Sprintf("web-%d", i+1))
	}
	return out
}

func (c conf) route(host string) nginx.Route {
	r := nginx.Route{Host: host, File: include, Project: "teatime", Owner: "service.teatime", Drain: drain * time.Second}
	if c.Upstream {
		r.Upstream = "teatime"
	} else {
		r.Variable = "service_url"
	}
	return r
}

func (c conf) routes() (out []nginx.Route) {
	for _, h := range c.webs() {
		out = append(out, c.route(h))
	}
	return out
}

func (c conf) hosts() string {
	var b strings.Builder
	ips := c.ips()
	for _, name := range slices.Sorted(maps.Keys(ips)) {
		ip, role := ips[name], name[:3]
		state := ""
		var n int
		if _, err := fmt.Sscanf(name, "app-%d", &n); err == nil && n > c.Apps-c.Retired {
			state = `state = "retired"`
		}
		fmt.Fprintf(&b, "host %q {\n  address = %q\n  labels = { role = %q }\n  %s\n}\n", name, ip, role, state)
	}
	return b.String()
}

// hcl is the configuration's text; build is where the artifacts are.
func (c conf) hcl(build string) string {
	version, how, more := "null", `variable = "service_url"`, ""
	if c.Version != "" {
		version = fmt.Sprintf("%q", c.Version)
	}
	if c.Upstream {
		how = `upstream = "teatime"`
	}
	if c.Keep > 0 {
		more = fmt.Sprintf("retention {\n    keep = %d\n    keep_failed = 1\n  }", c.Keep)
	}
	jobs, hook, verify, nginxOn := "", "", "verify {\n      url = \"http://127.0.0.1/profile\"\n    }", `hosts_with({ role = "web" })`
	if c.Hook {
		hook = "before_start \"migrate\" {\n    command = [\"./migrate\"]\n    once = true\n  }"
	}
	if c.NoVerify {
		verify = ""
	}
	if c.Jobs {
		command := c.Command
		if command == "" {
			command = c.Version + c.Flag
		}
		jobs = fmt.Sprintf("batch \"night\" {\n  release = release.teatime\n  job \"close\" {\n    command = [\"./close\", %q]\n  }\n  job \"report\" {\n    command = [\"./report\"]\n  }\n}\n", command)
	}
	if c.Together {
		nginxOn = "[host.app-1]"
	}
	route := fmt.Sprintf("nginx_upstream {\n    hosts = %s\n    file = %q\n    %s\n    drain = \"%ds\"\n    %s\n  }", nginxOn, include, how, drain, verify)
	if len(c.webs()) == 0 {
		route = ""
	}
	slot := func(i int) string {
		return fmt.Sprintf("slot %q {\n    port = %d\n    env = { SLOT = %q }\n  }\n", c.Names[i], c.Ports[i], c.Names[i])
	}
	slots, strategy := slot(0)+slot(1), ""
	if c.Recreate {
		slots, strategy = slot(0), `strategy = "recreate"`
	}
	text := fmt.Sprintf(`shipctl {
  project = "teatime"
}
%s
release "teatime" {
  hosts   = hosts_with({ role = "app" })
  root    = %q
  source  = "%s/teatime-${coalesce(%s, "live")}.jar"
  version = %s
  %s
}
service "teatime" {
  release = release.teatime
  command = ["./teatime", "--port=${slot.port}", %q]
  env     = { VERSION = slot.version }
  runner  = %q
  %s
  %s
  health {
    interval    = "1s"
    deadline    = "20s"
    healthy_for = "2s"
    http {
      path = "/profile"
      body = "^${slot.env.SLOT}$"
    }
  }
  %s
  rollout {
    previous = %q
    %s
  }
}
%s
`, c.hosts(), c.Root, build, version, version, more, c.Flag, c.Runner, hook, slots, route, c.Previous, strategy, jobs)
	if c.Bare {
		text, _, _ = strings.Cut(text, "service \"teatime\"")
	}
	return text
}

// tb is what rapid.T and testing.T have in common.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}

// shop is where artifacts are.
type shop struct {
	dir    string
	loaded *sync.Map // conf → []providers.Resource
	points *sync.Map // at which scripts were to be killed → whether they came to them
}

func newShop(t testing.TB) shop {
	t.Helper()
	s := shop{t.TempDir(), &sync.Map{}, &sync.Map{}}
	for v := 40; v < 46; v++ {
		if err := os.WriteFile(filepath.Join(s.dir, fmt.Sprintf("teatime-%d.jar", v)), []byte(fmt.Sprint("version ", v)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// load decodes a configuration, once.
func (s shop) load(t tb, c conf) []providers.Resource {
	t.Helper()
	if rs, ok := s.loaded.Load(c); ok {
		return rs.([]providers.Resource)
	}
	dir, err := os.MkdirTemp(s.dir, "conf-")
	if err != nil {
		t.Fatalf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(c.hcl(s.dir)), 0o600); err != nil {
		t.Fatalf("%v", err)
	}
	loaded, diags := config.Load(config.Options{Dir: dir, Kinds: []string{"release", "service", "batch"}})
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, c.hcl(s.dir))
	}
	rs, diags := planner.Decode(loaded, all.Kinds())
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, c.hcl(s.dir))
	}
	s.loaded.Store(c, rs)
	return rs
}

// world is the machines of a configuration: nothing runs but nginx, which includes the file where it can do without it.
func world(c conf) *sim.World {
	w := sim.New("teatime", c.ips())
	for _, h := range c.webs() {
		w.Host(h).Nginx.Included[include] = true
	}
	return w
}

// run is everything about one site.
type run struct {
	tb
	shop
	w    *sim.World
	runs int
	// parallel is how many steps may run at once.
	parallel int
	emit     func(executor.Event)
	story    []string // what led here, for failures
}

func (r *run) plan(c conf) *planner.Plan {
	r.Helper()
	rs := r.load(r.tb, c)
	facts, failed := planner.Ask(context.Background(), rs, r.w.Dial)
	if len(failed) > 0 {
		r.Fatalf("can't ask: %v", failed)
	}
	p, err := planner.Build(rs, facts, nil)
	if err != nil {
		r.Fatalf("%v", err)
	}
	return p
}

func (r *run) execute(p *planner.Plan) executor.Outcome {
	r.runs++
	return executor.Run(context.Background(), p, executor.Env{
		Run: fmt.Sprint("run", r.runs), Dial: r.w.Dial, Now: r.w.Now, Parallelism: max(1, r.parallel),
		Pause: func(context.Context, time.Duration) {}, Emit: func(e executor.Event) {
			if r.emit != nil {
				r.emit(e)
			}
		},
	})
}

// apply must work.
func (r *run) apply(c conf) *planner.Plan {
	r.Helper()
	p := r.plan(c)
	r.sound(p)
	if out := r.execute(p); !out.OK() {
		r.Fatalf("apply: %v\n%s%s", out.Errors, said(p), strings.Join(r.story, "\n"))
	}
	return p
}

func (r *run) sound(p *planner.Plan) {
	r.Helper()
	for _, c := range p.Problems() {
		r.Fatalf("%s: %s\n%s", c.Addr, c.Problem, strings.Join(append(r.w.Ran(), r.story...), "\n"))
	}
}

// settled: nothing is to do.
func (r *run) settled(c conf) {
	r.Helper()
	if p := r.plan(c); !p.Empty() || len(p.Problems()) > 0 {
		r.Fatalf("there is still something to do:\n%s\n%s\n%s", said(p), r.w.State(c.routes(), c.Root), strings.Join(r.story, "\n"))
	}
}

// safe: nothing happened that must not.
func (r *run) safe() {
	r.Helper()
	if bad, ran := r.w.Bad(), r.w.Ran(); len(bad) > 0 {
		r.Fatalf("%d violations, the first:\n%s\nafter:\n%s", len(bad), strings.Join(bad[:min(5, len(bad))], "\n"), strings.Join(append(ran[max(0, len(ran)-30):], r.story...), "\n"))
	}
}

func said(p *planner.Plan) string {
	var b strings.Builder
	for _, c := range p.Changes {
		if c.Problem != "" {
			fmt.Fprintf(&b, "%s! %s\n", c.Addr, c.Problem)
		}
	}
	for _, s := range p.Steps() {
		fmt.Fprintf(&b, "%s %s (%s) after %v\n", s.Host, s.Title, s.ID, p.Wait[s.ID])
	}
	return b.String()
}
