package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/all"
	"github.com/shipctl/shipctl/providers/nginx"
	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/ssh"
	"github.com/shipctl/shipctl/testdata/fleet"
	"github.com/shipctl/shipctl/testdata/sim"
)

var replayFlag = flag.Int("replay.histories", 50, "how many histories are replayed on the fleet; within replayTime, unless SHIPCTL_MATRIX=all")

const (
	replayTime  = 5 * time.Minute
	replayLeast = 10 // however slow the fleet is
)

// TestReplay holds the simulator to real machines: the same histories happen in both, a version deployed with a fault at a
// step or with somebody's meddling before it, then again without. Plans must be the same, and after each operation what
// shipctl gathers must be, PIDs, times and inodes apart. One fleet of three machines is used for all, so each history
// begins where the one before ended.
func TestReplay(t *testing.T) {
	p := newReplay(t)
	begin, done := time.Now(), 0
	for ; done < *replayFlag && (done < replayLeast || time.Since(begin) < replayTime || os.Getenv("SHIPCTL_MATRIX") == "all"); done++ {
		ok := t.Run(fmt.Sprint("history ", done+1), func(t *testing.T) {
			p.site.fleet.Use(t)
			p.t = t
			p.play(rand.New(rand.NewPCG(uint64(done+1), 7)))
		})
		if !ok {
			break
		}
	}
	t.Logf("%d histories, %d operations, %d kinds of fault replayed in %s; the same facts after each", done, p.operations, len(p.faults), time.Since(begin).Round(time.Second))
	t.Logf("faults: %v", p.faults)
	if done < *replayFlag {
		t.Logf("time allowed for %d of %d only", done, *replayFlag)
	}
}

// replay is the fleet and its simulation.
type replay struct {
	t          *testing.T
	site       *site
	world      *sim.World
	resources  map[string][]providers.Resource // by version
	lines      map[string]remote.Machine
	version    string // that is live
	runs       int
	operations int
	faults     map[sim.Kind]int
	story      []string
}

func newReplay(t *testing.T) *replay {
	t.Helper()
	more := program() + "\n  runner = \"systemd\"\n  stop {\n    grace = \"2s\"\n  }"
	hcl := strings.NewReplacer(`drain = "10s"`, `drain = "2s"`, `healthy_for = "500ms"`, `healthy_for = "0s"`).Replace(service(`variable = "service_url"`, more))
	s := newSite(t, []string{"app-1", "web-1", "web-2"}, hcl)
	ips := map[string]string{}
	for _, m := range s.fleet.Machines {
		ips[m.Name] = m.Addr
	}
	w := sim.New("teatime", ips)
	w.Boot = 0
	for _, name := range webs {
		s.m(name).WriteSite(fleet.SiteVariable(include, "service_url"))
		w.Host(name).Nginx.Included[include], w.Host(name).Nginx.ByName = true, true
	}
	p := &replay{t: t, site: s, world: w, resources: map[string][]providers.Resource{}, lines: map[string]remote.Machine{}, faults: map[sim.Kind]int{}}
	for _, v := range []string{"1", "2", "3"} {
		p.resources[v] = p.load(v)
	}
	p.connect()
	return p
}

// load decodes the site's configuration for a version, here, so that both sides work on the very same.
func (p *replay) load(version string) []providers.Resource {
	p.t.Helper()
	p.t.Chdir(p.site.dir)
	var kinds []string
	for _, k := range all.Kinds() {
		kinds = append(kinds, k.Name)
	}
	loaded, diags := config.Load(config.Options{Dir: p.site.dir, Kinds: kinds, Flags: []config.Flag{{Text: "version=" + version}}})
	if diags.HasErrors() {
		p.t.Fatal(diags)
	}
	rs, diags := planner.Decode(loaded, all.Kinds())
	if diags.HasErrors() {
		p.t.Fatal(diags)
	}
	return rs
}

// connect makes one connection to each machine, as cmd does.
func (p *replay) connect() {
	p.t.Helper()
	folders := map[string]fs.FS{"nginx": nginx.Scripts()}
	for _, k := range all.Kinds() {
		folders[k.Name] = k.Scripts
	}
	lib, err := remote.Scripts(folders)
	if err != nil {
		p.t.Fatal(err)
	}
	open := func(c remote.Call) (io.ReadCloser, int64, error) {
		for _, k := range all.Kinds() {
			if o := k.Open[c.Script]; o != nil {
				payload, err := o(c.File)
				if err != nil {
					return nil, 0, err
				}
				return payload.Body, payload.Size, nil
			}
		}
		return nil, 0, errors.New("nobody opens " + c.File)
	}
	for _, m := range p.site.fleet.Machines {
		line, err := ssh.Dial(context.Background(), ssh.Settings{
			Host: m.Name, Address: m.Addr, User: "deploy", Sudo: true, IdentityFile: p.site.fleet.KeyFile, KnownHosts: p.site.fleet.KnownHosts,
		}, remote.Setup{Library: lib, Project: "teatime", Open: open})
		if err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { _ = line.Close() })
		p.lines[m.Name] = line
	}
}

// faulty is a controller's way to the real machines, with one fault.
type faulty struct {
	p     *replay
	fault *sim.Fault
	down  map[string]bool
	dead  bool
}

func (f *faulty) dial(_ context.Context, host string) (remote.Machine, error) {
	if host == remote.Controller {
		return planner.NewController(all.Kinds(), nil), nil
	}
	if err := f.reachable(host); err != nil {
		return nil, err
	}
	return faultyLine{f.p.lines[host], f, host}, nil
}

func (f *faulty) reachable(host string) error {
	if f.dead || f.down[host] {
		return errors.New("injected: it can't be reached")
	}
	return nil
}

type faultyLine struct {
	remote.Machine
	f    *faulty
	host string
}

// Close leaves the connection to the next one.
func (faultyLine) Close() error { return nil }

// Run does what the simulator's machine does with the same fault.
func (l faultyLine) Run(ctx context.Context, t remote.Ticket, c remote.Call) ([]byte, error) {
	if err := l.f.reachable(l.host); err != nil {
		return nil, err
	}
	x := l.f.fault
	if x == nil || x.Step != t.Step || x.Undo != sim.Undoes(t, c) {
		return l.Machine.Run(ctx, t, c)
	}
	l.f.fault = nil
	lost, no := errors.New("injected: the reply is lost"), &remote.ScriptError{Script: c.Script, Status: 1, Output: "injected"}
	switch x.Kind {
	case sim.FailBefore:
		return nil, no
	case sim.LostBefore:
		return nil, lost
	case sim.DownBefore:
		l.f.down[l.host] = true
		return nil, lost
	case sim.KillBefore:
		l.f.dead = true
		return nil, lost
	}
	out, err := l.Machine.Run(ctx, t, c)
	switch x.Kind {
	case sim.FailAfter:
		if err == nil {
			err = no
		}
		return nil, err
	case sim.DownAfter:
		l.f.down[l.host] = true
	case sim.KillAfter:
		l.f.dead = true
	}
	return out, lost
}

// play is one history.
func (p *replay) play(r *rand.Rand) {
	p.story = nil
	version := p.version
	for version == p.version {
		version = fmt.Sprint(1 + r.IntN(3))
	}
	if p.version != "" && r.IntN(3) == 0 {
		p.meddle(r)
		p.same("meddling")
	}
	real, model := p.plans(version)
	var fault *sim.Fault
	if steps := model.Steps(); len(steps) > 0 {
		s := steps[r.IntN(len(steps))]
		kinds := sim.Kinds()
		fault = &sim.Fault{Step: string(s.ID), Kind: kinds[r.IntN(len(kinds))]}
		p.faults[fault.Kind]++
	}
	p.apply(version, real, model, fault)
	p.same(fmt.Sprintf("version %s with %v", version, fault))
	real, model = p.plans(version)
	p.apply(version, real, model, nil)
	p.same("version " + version)
	if real, model = p.plans(version); !real.Empty() || !model.Empty() {
		p.t.Errorf("there is still something to do: real %v, model %v", titles(real), titles(model))
	}
	p.version = version
}

// meddle is what somebody or something does, to both.
func (p *replay) meddle(r *rand.Rand) {
	on := webs[r.IntN(2)]
	n := p.world.Host(on).Nginx
	switch what := r.IntN(4); what {
	case 0:
		p.story = append(p.story, on+": a foreign reload")
		p.site.with(p.t).reload(on)
		n.Reload()
	case 1:
		p.story = append(p.story, on+": the workers are killed")
		p.site.m(on).Exec(`for p in $(pgrep -P $(cat /run/nginx.pid)); do kill -9 $p; done; sleep 0.3`)
		n.Respawn()
	case 2:
		p.story = append(p.story, on+": nginx is restarted")
		p.site.m(on).AgeNginx() // at once after a deployment it would not be known what it has loaded
		p.world.Pass(10)
		n.Stop()
		if err := n.Start(); err != nil {
			p.t.Fatal(err)
		}
	case 3:
		p.story = append(p.story, "app-1: the program is killed")
		app := p.world.Host("app-1").Service
		port := app.Procs[0].Port
		p.site.m("app-1").Exec(fmt.Sprintf(`p=%s; kill -9 $p; while kill -0 $p 2>/dev/null; do sleep 0.05; done; until [ -n "$(ss -Hltn 'sport = :%d')" ]; do sleep 0.05; done`, p.site.pid(port), port))
		app.Kill(app.Procs[0].PID)
	}
	p.world.Pass(5)
}

func (p *replay) ask(version string, dial planner.Dial) remote.Facts {
	p.t.Helper()
	facts, failed := planner.Ask(context.Background(), p.resources[version], dial)
	if len(failed) > 0 {
		p.t.Fatal(failed)
	}
	return facts
}

// plans are both sides' plans, which must be one.
func (p *replay) plans(version string) (real, model *planner.Plan) {
	p.t.Helper()
	build := func(dial planner.Dial) *planner.Plan {
		plan, err := planner.Build(p.resources[version], p.ask(version, dial), nil)
		if err != nil {
			p.t.Fatal(err)
		}
		if len(plan.Problems()) > 0 {
			p.t.Fatalf("%v\nafter %v", plan.Problems(), p.story)
		}
		return plan
	}
	real, model = build((&faulty{p: p}).dial), build(p.world.Dial)
	if a, b := titles(real), titles(model); !slices.Equal(a, b) {
		p.t.Fatalf("plans differ after %v:\nreal  %q\nmodel %q", p.story, a, b)
	}
	return real, model
}

var pidText = regexp.MustCompile(`pid \d+`)

func titles(p *planner.Plan) (out []string) {
	for _, s := range p.Steps() {
		out = append(out, string(s.ID)+" "+pidText.ReplaceAllString(s.Title, "pid"))
	}
	return out
}

// apply carries both plans out, with the same fault, and compares what became of the steps.
func (p *replay) apply(version string, real, model *planner.Plan, fault *sim.Fault) {
	p.t.Helper()
	p.runs++
	p.operations++
	p.story = append(p.story, fmt.Sprintf("version %s, %v", version, fault))
	run := func(plan *planner.Plan, dial planner.Dial) executor.Outcome {
		return executor.Run(context.Background(), plan, executor.Env{
			Run: fmt.Sprint("run", p.runs), Dial: dial, Now: time.Now, Parallelism: 1, Emit: func(executor.Event) {},
			Pause: func(context.Context, time.Duration) {},
		})
	}
	if fault != nil {
		p.world.Break(*fault)
	}
	m := run(model, p.world.Dial)
	p.world.Heal()
	r := run(real, (&faulty{p: p, fault: fault, down: map[string]bool{}}).dial)
	if !maps.Equal(r.States, m.States) {
		p.t.Fatalf("after %v\nreal  %v %v\nmodel %v %v", p.story, r.States, r.Errors, m.States, m.Errors)
	}
	if fault == nil && !r.OK() {
		p.t.Fatalf("after %v: %v", p.story, r.Errors)
	}
}

// same compares the facts; what is on its way (a worker that leaves) gets a moment.
func (p *replay) same(after string) {
	p.t.Helper()
	var a, b string
	for range 40 {
		a, b = facts(p.ask("1", (&faulty{p: p}).dial)), facts(p.ask("1", p.world.Dial))
		if a == b {
			return
		}
		p.world.Pass(1)
		time.Sleep(100 * time.Millisecond)
	}
	p.t.Fatalf("facts differ after %s (%v):\nreal\n%s\nmodel\n%s", after, p.story, a, b)
}

// facts are the answers as text, without what differs between any two machines.
func facts(f remote.Facts) string {
	var b strings.Builder
	for _, host := range slices.Sorted(maps.Keys(f)) {
		for _, key := range slices.Sorted(maps.Keys(f[host])) {
			if host == remote.Controller || strings.HasPrefix(key, "remote/") {
				continue
			}
			a := f[host][key]
			fmt.Fprintf(&b, "%s %s: %s\n", host, strings.Fields(key)[0], a.Sight)
			var lines []string
			for line := range strings.Lines(a.Text) {
				if line = normal(strings.TrimRight(line, "\n")); line != "" {
					lines = append(lines, line)
				}
			}
			slices.Sort(lines)
			for _, line := range slices.Compact(lines) {
				b.WriteString("  " + line + "\n")
			}
		}
	}
	return b.String()
}

// normal is a line of an answer without PIDs, times and what is this nginx's own; "" where nothing is left.
func normal(line string) string {
	f := strings.Split(line, "\t")
	switch f[0] {
	case "proc", "listen": // listen has the port first
		i := map[string]int{"proc": 1, "listen": 2}[f[0]]
		f[i], f[i+1] = "PID", "START"
		return strings.Join(f, " ")
	case "unit":
		return strings.Join(f, " ")
	case "answer":
		return strings.TrimRight(strings.Join(f, " "), "\x01 ")
	case "boot":
		return ""
	}
	switch word, rest, _ := strings.Cut(line, " "); word {
	case "boot", "version", "pidfile", "pidnote", "why", "body", "shutdown", "end", "size":
		return ""
	case "activated": // when, too
		id, _, _ := strings.Cut(rest, " ")
		return word + " " + id
	case "installed", "master", "used", "included", "named":
		return word
	case "worker":
		return word + " " + rest[strings.LastIndexByte(rest, ' ')+1:]
	}
	return line
}
