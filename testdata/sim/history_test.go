package sim_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	servicemodel "github.com/shipctl/shipctl/providers/service/model"
	"github.com/shipctl/shipctl/testdata/sim"
)

var (
	seedFlag  = flag.Uint64("sim.seed", 0, "replay the history with this seed only, and tell it")
	writeFlag = flag.Bool("sim.write", false, "write the table into docs/simulator.md")
	atOnce    = flag.Bool("sim.atonce", false, "acquire a lease without waiting for the last step of the run before: what is found then")
	countFlag = flag.Int("sim.histories", 10_000, "how many histories")
)

// TestHistories: random histories, each of its own seed: one or two controllers with leases, and at most steps something
// goes wrong. Safe all the while; when the faults stop, one apply converges and plan is empty. The table of step × fault
// says how often each was met: 50 times at least, as docs/simulator.md has it.
// A failing seed replays exactly: -run TestHistories -sim.seed=N -v
func TestHistories(t *testing.T) {
	s := newShop(t)
	if *seedFlag != 0 {
		h := newHistory(s, *seedFlag)
		err := h.play()
		t.Logf("%s\n%v", strings.Join(h.r.story, "\n"), err)
		t.Logf("ran:\n%s", strings.Join(h.r.w.Ran(), "\n"))
		if err != nil {
			t.Fail()
		}
		return
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	table, ends := histories(t, s, *countFlag)
	t.Logf("%d histories: %v\n%s", *countFlag, ends, table)
	for c, n := range table.n {
		if !slices.Contains(rows(), c.row) {
			t.Errorf("%s was met %d times by steps %s, which have no row", c.kind, n, c.row)
		}
	}
	for what, most := range helped() {
		if n := ends[what]; n*1000 > *countFlag*most {
			t.Errorf("%s in %d of %d histories, more than %d of 1,000: one apply is to converge", what, n, *countFlag, most)
		}
	}
	if *countFlag < 10_000 {
		return
	}
	s.cameToAll(t)
	for _, row := range rows() {
		for _, kind := range sim.All() {
			if n := table.n[cell{row, kind}]; n < 50 {
				t.Errorf("%s × %s was met %d times, want 50 at least", row, kind, n)
			}
		}
	}
	if *writeFlag {
		write(t, table)
	}
	documented(t)
}

const simulatorDoc = "../../docs/simulator.md"

// write replaces the table of the document, which stands between two lines.
func write(t *testing.T, x table) {
	t.Helper()
	raw, err := os.ReadFile(simulatorDoc)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- table -->\n", "<!-- end of table -->\n"
	before, rest, ok := strings.Cut(string(raw), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for a table", simulatorDoc)
	}
	if err := os.WriteFile(simulatorDoc, []byte(before+begin+x.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// histories plays as many as there are processors at once.
func histories(t *testing.T, s shop, count int) (table, map[string]int) {
	sum, ends := table{map[cell]int{}}, map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	seeds := make(chan uint64)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for seed := range seeds {
				h := newHistory(s, seed)
				err := h.play()
				mu.Lock()
				for c, n := range h.met {
					sum.n[c] += n
				}
				for what, n := range h.ends {
					ends[what] += n
				}
				h.r.met()
				mu.Unlock()
				if err != nil {
					t.Errorf("-sim.seed=%d: %v", seed, err)
				}
			}
		})
	}
	for seed := range count {
		if t.Failed() && count >= 10_000 {
			break
		}
		seeds <- uint64(seed + 1)
	}
	close(seeds)
	wg.Wait()
	return sum, ends
}

type cell struct {
	row  string
	kind sim.Kind
}

type table struct{ n map[cell]int }

func (x table) String() string {
	var b strings.Builder
	b.WriteString("| step |")
	for _, k := range sim.All() {
		fmt.Fprintf(&b, " %s |", k)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(sim.All())) + "\n")
	for _, row := range rows() {
		fmt.Fprintf(&b, "| %s |", row)
		for _, k := range sim.All() {
			fmt.Fprintf(&b, " %d |", x.n[cell{row, k}])
		}
		b.WriteString("\n")
	}
	return b.String()
}

// The ends that need more than one apply.
const (
	finished = "a take-over finished first"
	evicted  = "what the plan left alone stopped by hand"
)

// helped are how many histories of 1,000 may end so.
func helped() map[string]int { return map[string]int{finished: 5, evicted: 50} }

// rows are the verbs of steps, and those that are undone.
func rows() []string {
	return []string{
		"upload", "publish", "before", "start", "health", "check", "confirm", "switch", "activate", "drain", "stop", "prune",
		"clear", "evict", "gather-check", "gather-switch", "gather-drain",
		"undo start", "undo check", "undo switch", "undo activate", "undo gather-check",
	}
}

// rowOf is a step's row.
func rowOf(id string, undo bool) string {
	verb := id[strings.LastIndexByte(id, '/')+1:]
	for _, p := range []string{"before-", "stop-", "clear-", "evict-"} {
		if strings.HasPrefix(verb, p) {
			verb = strings.TrimSuffix(p, "-")
		}
	}
	if undo {
		verb = "undo " + verb
	}
	return verb
}

// documented: docs/simulator.md has the table, with every cell, and none below 50.
func documented(t *testing.T) {
	t.Helper()
	raw, err := os.ReadFile(simulatorDoc)
	if err != nil {
		t.Fatal(err)
	}
	var head []string
	found := map[cell]bool{}
	for line := range strings.Lines(string(raw)) {
		f := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		switch {
		case f[0] == "step":
			head = f
		case len(head) == len(f) && slices.Contains(rows(), f[0]):
			for i, text := range f[1:] {
				n := 0
				if _, err := fmt.Sscan(text, &n); err != nil || n < 50 {
					t.Errorf("docs/simulator.md: %s × %s is %q", f[0], head[i+1], text)
				}
				found[cell{f[0], sim.Kind(head[i+1])}] = true
			}
		}
	}
	for _, row := range rows() {
		for _, k := range sim.All() {
			if !found[cell{row, k}] {
				t.Errorf("docs/simulator.md lacks %s × %s", row, k)
			}
		}
	}
	if want := len(rows()) * len(sim.All()); len(found) != want {
		t.Errorf("docs/simulator.md has %d cells, want %d", len(found), want)
	}
}

// stopped is how a history ends in the middle.
type stopped struct{ why string }

// tell is a tb for what runs beside the test.
type tell struct{}

func (tell) Helper()                           {}
func (tell) Logf(string, ...any)               {}
func (tell) Errorf(format string, args ...any) { panic(stopped{fmt.Sprintf(format, args...)}) }
func (tell) Fatalf(format string, args ...any) { panic(stopped{fmt.Sprintf(format, args...)}) }

// history is one world, and what becomes of it.
type history struct {
	seed  uint64
	rnd   *rand.Rand
	r     *run
	c     conf
	kind  string
	met   map[cell]int
	ends  map[string]int
	wrong error
}

func newHistory(s shop, seed uint64) *history {
	h := &history{seed: seed, rnd: rand.New(rand.NewPCG(seed, 1)), met: map[cell]int{}, ends: map[string]int{}}
	h.c = base()
	h.kind = pick(h.rnd, "plain", "plain", "plain", "clear", "evict", "evict", "gather", "gather", "gather")
	h.shape()
	h.r = &run{tb: tell{}, shop: s, w: world(h.c)}
	h.r.w.Seed(seed)
	h.r.w.AcquireAtOnce = *atOnce
	h.r.w.Unhealthy = func(release string) bool { return release == "45" }
	return h
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// shape is what the site is like.
func (h *history) shape() {
	r, c := h.rnd, &h.c
	c.Apps, c.Webs = pick(r, 1, 1, 2), pick(r, 1, 2, 2)
	c.Together = h.kind == "plain" && r.IntN(8) == 0
	c.Upstream = c.Apps > 1 || r.IntN(2) == 0
	c.Previous = pick(r, "stopped", "stopped", "running")
	c.Runner = pick(r, "systemd", "process")
	c.Keep, c.Hook = pick(r, 1, 1, 2), r.IntN(4) > 0
	if h.kind == "gather" {
		c.Previous, c.Webs, c.Together = "running", 2, false
	}
}

// play is the whole of it; what went wrong.
func (h *history) play() (err error) {
	defer func() {
		if s, is := recover().(stopped); is {
			err = errors.New(s.why)
		}
	}()
	h.prepare()
	w := h.r.w
	w.Watch(h.c.routes(), drain, h.kind == "evict")
	w.Named = map[string]bool{}
	for _, v := range []string{"40", "41", "42"} {
		w.Named[v] = true
	}
	actors := 1 + h.rnd.IntN(2)
	names := []string{"first", "second", "operator"}[:actors]
	if actors == 2 && h.rnd.IntN(3) == 0 {
		names = append(names, "operator")
	}
	var plays []func()
	for _, name := range names {
		seed := h.rnd.Uint64()
		plays = append(plays, func() { h.controller(name, rand.New(rand.NewPCG(seed, 2))) })
	}
	w.Together(names, func(i int) {
		defer func() {
			if s, is := recover().(stopped); is && h.wrong == nil {
				h.wrong = errors.New(s.why)
			}
		}()
		plays[i]()
	})
	if h.wrong != nil {
		return h.wrong
	}
	h.r.safe()
	h.end()
	return nil
}

// prepare is what there is when it begins.
func (h *history) prepare() {
	w, c := h.r.w, h.c
	app := w.Host("app-1").Service
	app.Launch(servicemodel.Process{Service: "other", Slot: "blue", Release: "7", Digest: "d", Dir: "/srv/other/releases/7", Port: 9000})
	if h.kind == "evict" {
		w.Consents = planner.Consents{"take-over": {"service.teatime"}, "pending-nginx": {"*"}}
		for i := range c.Apps {
			w.Host(fmt.Sprintf("app-%d", i+1)).Service.Intrude(servicemodel.Stranger{Port: c.Ports[0], Program: "java -jar old.jar"})
		}
		for _, on := range c.webs() {
			n := w.Host(on).Nginx
			n.Write(include, c.text(0))
			if err := n.Start(); err != nil {
				h.r.Fatalf("%v", err)
			}
		}
		return
	}
	for _, v := range pick(h.rnd, []string{"41"}, []string{"40", "41"}) {
		c.Version = v
		h.r.apply(c)
	}
	switch h.kind {
	case "clear":
		h.leftOver()
	case "gather":
		c.Version = "42"
		h.r.apply(c)
		h.disagree()
	}
	w.Pass(5)
}

// text is an include that leads to one slot.
func (c conf) text(slot int) string {
	if !c.Upstream {
		return fmt.Sprintf("set $service_url http://10.0.0.11:%d;\n", c.Ports[slot])
	}
	out := "upstream teatime {\n"
	for i := range c.Apps {
		out += fmt.Sprintf("  server 10.0.0.1%d:%d;\n", i+1, c.Ports[slot])
	}
	return out + "}\n"
}

// leftOver is a program of ours in the idle slot of a machine, which nobody remembers.
func (h *history) leftOver() {
	for i := range h.c.Apps {
		host := h.r.w.Host(fmt.Sprintf("app-%d", i+1))
		for slot := range 2 {
			p, _ := host.Service.On(h.c.Ports[slot])
			if p != nil || slices.ContainsFunc(host.Service.Procs, func(p *servicemodel.Process) bool { return p.Slot == h.c.Names[slot] }) {
				continue
			}
			host.Release.Directory(h.c.Root, "39")
			host.Service.Launch(servicemodel.Process{
				Service: "teatime", Slot: h.c.Names[slot], Release: "39", Digest: "0123456789ab", Dir: h.c.Root + "/releases/39",
				Port: h.c.Ports[slot], Env: map[string]string{"SLOT": h.c.Names[slot]}, Unit: h.c.Runner == "systemd",
			})
		}
	}
}

// disagree makes one nginx lead to the other slot, where the version before still runs.
func (h *history) disagree() {
	n := h.r.w.Host("web-2").Nginx
	for slot := range 2 {
		if text := h.c.text(slot); !strings.Contains(n.Disk[include], fmt.Sprintf(":%d;", h.c.Ports[slot])) {
			n.Write(include, text)
			n.Reload()
			return
		}
	}
}

// controller applies now and then, with something wrong; after it was killed another one does.
func (h *history) controller(name string, r *rand.Rand) {
	w := h.r.w
	if name == "operator" {
		h.operator(r)
		return
	}
	version := ""
	for i := range 3 {
		if i > 0 || name != "first" {
			w.Pass(r.IntN(20))
		}
		if version == "" || r.IntN(3) > 0 {
			version = pick(r, "41", "42", "42", "43", "43", "44", "45")
		}
		c := h.c
		c.Version = version
		h.deploy(fmt.Sprintf("%s%d", name, i), c, r, 3)
	}
}

// operator takes leases away that may be those of the living, and meddles.
func (h *history) operator(r *rand.Rand) {
	w := h.r.w
	for range 2 {
		w.Pass(5 + r.IntN(40))
		c := w.Controller("operator", nil, nil)
		id := fmt.Sprintf("%s%d", pick(r, "first", "second"), r.IntN(3))
		l := &executor.Lease{ID: id, Last: time.Hour, Dial: c.Dial}
		for _, host := range slices.Sorted(hostsOf(h.c)) {
			_, _ = l.Unlock(context.Background(), host)
		}
		c.End()
		h.ends["unlocked"]++
	}
}

func hostsOf(c conf) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range c.ips() {
			if !yield(name) {
				return
			}
		}
	}
}

// deploy is shipctl apply -auto-approve.
func (h *history) deploy(name string, c conf, r *rand.Rand, faults int) {
	w := h.r.w
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	ctl := w.Controller(name, func(err error) { cancel(err) }, func(f sim.Fault) { h.met[cell{rowOf(f.Step, f.Undo), f.Kind}]++ })
	defer ctl.End()
	p, err := h.plan(c, ctl)
	if err != nil || len(p.Problems()) > 0 || p.Empty() {
		h.ends["nothing to do, or a problem"]++
		return
	}
	hosts, first := p.Machines()
	l := &executor.Lease{
		ID: name, Who: "ci@example", Last: time.Hour, Dial: ctl.Dial, First: first, Note: func(string) {},
		Pause: func(context.Context, time.Duration) {},
	}
	for try := 0; ; try++ {
		if err = l.Take(ctx, hosts, func(error) {}); err == nil {
			break
		}
		if !errors.Is(err, executor.ErrHeld) || try > 20+r.IntN(40) {
			h.ends["no lease"]++
			return
		}
		w.Pass(1)
	}
	defer func() { _ = l.Release(context.Background()) }()
	fresh, err := h.plan(c, ctl)
	if err != nil {
		h.ends["could not look again"]++
		return
	}
	if len(planner.Stale(p, fresh)) > 0 {
		if r.IntN(2) == 0 {
			h.ends["stale"]++
			return
		}
		p = fresh
	}
	if len(p.Problems()) > 0 {
		h.ends["a problem"]++
		return
	}
	w.Name(c.Version)
	h.sabotage(ctl, c, p, r, faults)
	out := executor.Run(ctx, p, executor.Env{
		Run: name, Dial: ctl.Dial, Now: w.Now, Parallelism: 1, Epoch: l.Epoch, Emit: func(executor.Event) {},
		Pause: func(_ context.Context, d time.Duration) { w.Pass(int(d / time.Second)) },
	})
	switch {
	case ctl.Dead():
		h.ends["killed"]++
	case out.OK():
		h.ends["done"]++
	case undone(out):
		h.ends["failed and undone"]++
	default:
		h.ends["failed and left"]++
	}
}

func (h *history) plan(c conf, ctl *sim.Controller) (*planner.Plan, error) {
	rs := h.r.load(h.r.tb, c)
	facts, failed := planner.Ask(context.Background(), rs, ctl.Dial)
	if len(failed) > 0 {
		return nil, errors.New("could not ask")
	}
	return planner.Build(rs, facts, nil)
}

// sabotage arms faults for steps of the plan, those that are rarely met first of all.
func (h *history) sabotage(ctl *sim.Controller, c conf, p *planner.Plan, r *rand.Rand, faults int) {
	steps := p.Steps()
	if len(steps) == 0 || r.IntN(10) == 0 {
		return
	}
	for range faults {
		var at []target
		for i, s := range steps {
			for _, undo := range []bool{false, true} {
				if cause := cause(steps, i, undo); undo && (s.Undo == nil || cause == "") {
					continue
				} else {
					at = append(at, target{s, undo, cause})
				}
			}
		}
		x := draw(r, at)
		if x.undo {
			ctl.Break(sim.Fault{Step: x.cause, Kind: sim.FailAfter})
		}
		ctl.Break(h.fault(r, c, x))
		if row := rowOf(string(x.step.ID), x.undo); row == "evict" || row == "stop" || row == "prune" {
			return // it comes late: let it be reached
		}
	}
}

type target struct {
	step  providers.Step
	undo  bool
	cause string // what fails so that it is undone
}

// cause is a later step of the same machine-independent way whose failure undoes a step; "" where there is none.
func cause(steps []providers.Step, i int, undo bool) string {
	if !undo {
		return ""
	}
	out := ""
	for _, s := range steps[i:] {
		if s.Final {
			break
		}
		if strings.HasPrefix(string(s.ID), "service.") {
			out = string(s.ID)
		}
	}
	return out
}

// draw takes rows that few plans have more often.
func draw(r *rand.Rand, of []target) target {
	weight := func(t target) int {
		switch rowOf(string(t.step.ID), t.undo) {
		case "evict":
			return 80
		case "gather-drain", "undo gather-check":
			return 40
		case "gather-switch":
			return 32
		case "gather-check", "clear":
			return 24
		case "prune", "stop":
			return 14
		case "before", "undo start", "undo check", "undo activate", "upload", "publish":
			return 7
		case "start", "activate", "drain":
			return 5
		}
		return 4
	}
	total := 0
	for _, t := range of {
		total += weight(t)
	}
	n := r.IntN(total)
	for _, t := range of {
		if n -= weight(t); n < 0 {
			return t
		}
	}
	return of[0]
}

// fault is one of any kind, at one of its moments.
func (h *history) fault(r *rand.Rand, c conf, x target) sim.Fault {
	f := sim.Fault{Step: string(x.step.ID), Undo: x.undo, Kind: pick(r, sim.All()...)}
	script := x.step.Do.Script
	if x.undo {
		script = x.step.Undo.Script
	}
	points := sim.Points(script)
	app, web := fmt.Sprintf("app-%d", 1+r.IntN(c.Apps)), pick(r, c.webs()...)
	switch f.Kind {
	case sim.Half, sim.HalfKill:
		if len(points) > 0 {
			f.Point = pick(r, points...)
		}
		return f
	case sim.DownBefore, sim.DownAfter:
		f.Seconds = pick(r, 0, 2, 20, 50)
	case sim.FrozenBefore, sim.FrozenAfter:
		f.Seconds = pick(r, 5, 40, 90)
	case sim.Delayed, sim.Slow, sim.SlowKill:
		f.Seconds = pick(r, 3, 20, 50)
	case sim.Rebooted:
		f.Host = pick(r, app, web, x.step.Host)
	case sim.Crashed:
		f.Host, f.Port = app, c.Ports[r.IntN(2)]
	case sim.Respawned, sim.Reloaded:
		f.Host = web
	}
	if f.Host != "" {
		f.After = r.IntN(2) == 0
		if len(points) > 0 && points[0] != "half" && r.IntN(3) > 0 {
			f.Point = pick(r, points...)
		}
	}
	return f
}

// end: the faults stop, and one apply converges.
func (h *history) end() {
	w := h.r.w
	w.Pass(60)
	h.r.safe()
	w.Watch(h.c.routes(), drain, h.kind == "evict")
	c := h.c
	c.Version = pick(h.rnd, "42", "43")
	w.Name(c.Version)
	if h.kind == "evict" {
		h.finishTakeOver(c)
	}
	if out := h.last(c); !out.OK() {
		h.r.Fatalf("the last apply: %v", out.Errors)
	}
	h.r.safe()
	h.r.settled(c)
}

// finishTakeOver does what the plan says where a take-over was interrupted and another version is wanted now: consent is
// for what serves, and the old program may not any more.
func (h *history) finishTakeOver(c conf) {
	p := h.r.plan(c)
	if m := regexp.MustCompile(`Finish it first, with the version that runs beside it \((\d+)\)`).FindStringSubmatch(said(p)); m != nil {
		h.ends[finished]++
		c.Version = m[1]
		h.r.w.Name(c.Version)
		if out := h.last(c); !out.OK() {
			h.r.Fatalf("finishing the take-over: %v", out.Errors)
		}
	}
	if strings.Contains(said(p), "It was left alone: stop it") {
		h.ends[evicted]++
		h.r.w.StopStrangers()
	}
}

// last is an apply that nothing disturbs.
func (h *history) last(c conf) executor.Outcome {
	w := h.r.w
	ctl := w.Controller("last", nil, nil)
	defer ctl.End()
	p := h.r.plan(c)
	h.r.sound(p)
	hosts, first := p.Machines()
	l := &executor.Lease{ID: "last" + c.Version, Last: time.Hour, Dial: ctl.Dial, First: first}
	if err := l.Take(context.Background(), hosts, func(error) {}); err != nil {
		h.r.Fatalf("the last lease: %v", err)
	}
	out := executor.Run(context.Background(), p, executor.Env{
		Run: l.ID, Dial: ctl.Dial, Now: w.Now, Parallelism: 1, Epoch: l.Epoch, Emit: func(executor.Event) {},
		Pause: func(_ context.Context, d time.Duration) { w.Pass(int(d / time.Second)) },
	})
	if err := l.Release(context.Background()); err != nil {
		h.r.Fatalf("%v", err)
	}
	return out
}
