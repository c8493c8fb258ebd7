package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
	"github.com/shipctl/shipctl/testdata/fleet/proxy"
	"github.com/shipctl/shipctl/testdata/load"
)

// planned is a step as "show -json" prints it.
type planned struct {
	ID    string   `json:"id"`
	Host  string   `json:"host"`
	Title string   `json:"title"`
	After []string `json:"after"`
	Final bool     `json:"final"`
	Undo  bool     `json:"undo"` // there is a script that undoes it
}

// name is the step without the slot, which changes with every deployment.
func (p planned) name() string {
	return regexp.MustCompile(`/stop-(blue|green)$`).ReplaceAllString(p.ID, "/stop")
}

// verb is the step in a subtest's name.
func (p planned) verb() string {
	return p.Host + " " + p.name()[strings.LastIndexByte(p.name(), '/')+1:]
}

// crash is a column of the matrix: what goes wrong at a step.
type crash struct {
	name string
	at   string // moment at which do is called
	// do breaks something while the apply waits at the checkpoint; the reply is the checkpoint's.
	do func(c *cell) string
	// heal is what is repaired at the next moment of the same step, before the run goes on.
	heal func(c *cell)
	dead bool // the machine was off for a while: what went through it was lost
}

func crashes() []crash {
	return []crash{
		{name: "controller killed before", at: "before", do: (*cell).kill},
		{name: "controller killed before the reply", at: "effect", do: (*cell).kill},
		{name: "controller killed after", at: "after", do: (*cell).kill},
		{name: "link down before", at: "before", do: func(c *cell) string { c.proxy().Refuse(true); c.proxy().Reset(); return "" }},
		{name: "link down after the effect", at: "before", do: func(c *cell) string { return c.lose(true) }},
		{name: "reply lost", at: "before", do: func(c *cell) string { return c.lose(false) }},
		{name: "command refused", at: "before", do: (*cell).refuse, heal: (*cell).allow},
		{name: "command fails after its effect", at: "effect", do: func(*cell) string { return "fail told to fail by the test" }},
		{name: "machine killed before", at: "before", do: func(c *cell) string { c.powerCut(); return "" }, dead: true},
		{name: "machine killed after the effect", at: "effect", do: func(c *cell) string { c.powerCut(); return "lost" }, dead: true},
	}
}

// cell is one fault at one step.
type cell struct {
	*matrix
	step  planned
	crash crash

	mu      sync.Mutex
	cmd     *exec.Cmd
	hung    atomic.Bool // the watchdog has ended it
	booting chan struct{}
	off     [2]time.Time // when its machine was switched off: from, and since
	up      time.Time    // and when it was up again
	again   *load.Meter  // on an nginx machine that is back
}

func (c *cell) proxy() *proxy.Proxy { return c.links[c.step.Host] }

func (c *cell) kill() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.cmd.Process.Signal(syscall.SIGKILL)
	return ""
}

// lose lets the step do what it does, and then cuts the link before its reply has come. A session can't be opened over a
// link that gives no reply: so the link is stalled when the step's script waits for the machine's step lock, which is let go
// then.
func (c *cell) lose(forGood bool) string {
	m, p := c.fleet.Machine(c.step.Host), c.proxy()
	held := make(chan struct{})
	go func() {
		_, err := m.Try(`rm -f /run/waits /run/go /var/lib/shipctl/step.holder
exec 8>>/var/lib/shipctl/step.lock
flock 8 || exit
: >/run/held
n=0
until ls -l /proc/[0-9]*/fd/9 2>/dev/null | grep -q 'step[.]lock$'; do n=$((n+1)); [ $n -lt 1500 ] || exit 3; sleep 0.02; done
: >/run/waits
n=0
until [ -e /run/go ]; do n=$((n+1)); [ $n -lt 1000 ] || exit 4; sleep 0.02; done`)
		if err != nil {
			c.t.Errorf("the step did not come to its lock: %v", err)
		}
	}()
	go func() {
		_, _ = m.Try("until [ -e /run/held ]; do sleep 0.02; done; rm /run/held")
		close(held)
		_, _ = m.Try("n=0; until [ -e /run/waits ]; do n=$((n+1)); [ $n -lt 3000 ] || exit 3; sleep 0.02; done")
		p.Stall(proxy.Down)
		_, _ = m.Try(fmt.Sprintf(`: >/run/go
n=0
until grep -qF '%s' /var/lib/shipctl/step.holder 2>/dev/null; do n=$((n+1)); [ $n -lt 1500 ] || exit 3; sleep 0.02; done
exec 8>>/var/lib/shipctl/step.lock
flock -w 60 8; rm -f /run/waits /run/go`, c.step.ID))
		p.Refuse(forGood)
		p.Reset()
		p.Resume()
	}()
	<-held
	return ""
}

// refuse makes the step's own script fail: there is a folder where its lock has to be.
func (c *cell) refuse() string {
	_, _ = c.fleet.Machine(c.step.Host).Try("cd /var/lib/shipctl && mv step.lock step.lock.away && mkdir step.lock")
	return ""
}

func (c *cell) allow() {
	_, _ = c.fleet.Machine(c.step.Host).Try("cd /var/lib/shipctl && rmdir step.lock && mv step.lock.away step.lock")
}

// powerCut switches the step's machine off and, while the apply goes on, on again.
func (c *cell) powerCut() string {
	m, p := c.fleet.Machine(c.step.Host), c.proxy()
	p.Refuse(true)
	p.Reset()
	c.off[0] = time.Now()
	m.Kill()
	c.off[1] = time.Now()
	c.booting = make(chan struct{})
	go func() {
		defer close(c.booting)
		m.Start()
		c.up = time.Now()
		p.Refuse(false)
		if slices.Contains(c.webs, m.Name) {
			c.loaded(m)
		}
	}()
	return ""
}

// loaded puts the load on an nginx machine again as soon as it answers: from then on nothing may be lost there either.
func (c *cell) loaded(m *fleet.Machine) {
	target := "http://" + m.Addr
	for time.Since(c.up) < servedAgain {
		one, err := load.Run(context.Background(), load.Options{Targets: []string{target}, Count: 1, Timeout: time.Second})
		if err == nil && one.Lost() == 0 {
			c.again, err = load.Start(context.Background(), options(target))
			if err != nil {
				c.t.Error(err)
			}
			return
		}
		time.Sleep(50 * time.Millisecond) // nothing tells
	}
	c.t.Errorf("%s is up, and its nginx answers nothing for %s", m.Name, servedAgain)
}

// matrix is a fleet and where it stands.
type matrix struct {
	*site
	scene   scene
	points  *checkpoints
	links   map[string]*proxy.Proxy
	webs    []string
	version int
	steps   map[int][]planned // by parity: the steps of a deployment
	want    map[int]string    // by parity: the state after an undisturbed one
}

// newMatrix boots a fleet whose machines are reached through proxies.
func newMatrix(t *testing.T, hcl string, names ...string) *matrix {
	t.Helper()
	x := &matrix{site: newSite(t, names, hcl), points: watch(t), links: map[string]*proxy.Proxy{}, steps: map[int][]planned{}, want: map[int]string{}, version: 1000}
	x.env = append(x.env, x.points.env)
	known := ""
	var hosts strings.Builder
	fmt.Fprintf(&hosts, "defaults {\n  host {\n    identity_file = %q\n    known_hosts   = %q\n    user = \"deploy\"\n    sudo = true\n  }\n}\n", x.fleet.KeyFile, x.dir+"/known_hosts")
	for _, m := range x.fleet.Machines {
		p, err := proxy.New(m.Addr + ":22")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		x.links[m.Name] = p
		known += fmt.Sprintf("[127.0.0.1]:%d %s\n", p.Port(), m.HostKey("ssh-ed25519"))
		role, _, _ := strings.Cut(m.Name, "-")
		fmt.Fprintf(&hosts, "\nhost %q {\n  address = \"127.0.0.1\"\n  private_address = %q\n  port = %d\n  labels = { role = %q }\n}\n", m.Name, m.Addr, p.Port(), role)
		if role == "web" {
			x.webs = append(x.webs, m.Name)
			m.WriteSite(fleet.SiteVariable(include, "service_url"))
			m.Exec("systemctl enable --quiet nginx")
		}
	}
	x.write("hosts.hcl", hosts.String())
	x.write("known_hosts", known)
	return x
}

func (x *matrix) apply(more ...string) []string {
	return append([]string{"apply", "-auto-approve", "-detailed-exitcode", "-lease=2s", "-lock-timeout=20s", "-var", x.flag()}, more...)
}

func (x *matrix) flag() string { return fmt.Sprintf("version=v%d", x.version) }

// next makes the artifact of the next version.
func (x *matrix) next() {
	x.version++
	x.artifact(fmt.Sprintf("v%d", x.version))
}

// reference deploys undisturbed: the steps, and where they lead. Every checkpoint of theirs must be come to.
func (x *matrix) reference() {
	x.t.Helper()
	x.next()
	steps := x.shown()
	x.points.at(nil)
	x.ok(x.apply()...)
	seen := x.points.points()
	for _, s := range steps {
		for _, moment := range []string{"before", "effect", "after"} {
			if !slices.Contains(seen, point{Step: s.ID, Moment: moment}) {
				x.t.Errorf("%s: no checkpoint %s", s.ID, moment)
			}
		}
	}
	x.steps[x.version%2], x.want[x.version%2] = steps, x.state()
}

// shown are the steps of a plan for the version that is next.
func (x *matrix) shown() []planned {
	x.t.Helper()
	x.ok("plan", "-out=plan.bin", "-var", x.flag())
	var shown struct{ Steps []planned }
	if err := json.Unmarshal([]byte(x.ok("show", "-json", "plan.bin")), &shown); err != nil || len(shown.Steps) == 0 {
		x.t.Fatalf("show -json: %v", err)
	}
	return shown.Steps
}

// outcome of a cell, for the table.
type outcome struct {
	first string // what the first apply came to
	lost  int
}

// run is one cell: the fault, and then an apply that meets none.
func (x *matrix) run1(t *testing.T, step planned, k crash) outcome {
	x.next()
	x = x.with(t)
	for _, s := range x.steps[x.version%2] {
		if s.name() == step.name() {
			step = s
		}
	}
	c := &cell{matrix: x, step: step, crash: k}
	stop, jobs := x.traffic(c), x.jobs(c)
	first := c.first()
	r := x.site.run(x.apply()...)
	if r.code != 0 {
		t.Errorf("the second apply: exit %d", r.code)
	}
	o := outcome{first: first, lost: stop()}
	jobs()
	x.neverTwo()
	if got, want := x.state(), x.want[x.version%2]; got != want {
		t.Errorf("it ends elsewhere:\n%s", difference(want, got))
	}
	if r := x.site.run("plan", "-detailed-exitcode", "-var", x.flag()); r.code != 0 || !strings.Contains(r.out, "No changes.") {
		t.Errorf("plan after it: exit %d", r.code)
	}
	return o
}

// first is the apply that meets the fault.
func (c *cell) first() string {
	c.t.Helper()
	do := once(point{Step: c.step.ID, Moment: c.crash.at}, func() string { return c.crash.do(c) })
	next := map[string]string{"before": "effect", "effect": "after"}[c.crash.at]
	heal := once(point{Step: c.step.ID, Moment: next}, func() string {
		if c.crash.heal != nil {
			c.crash.heal(c)
		}
		return ""
	})
	c.points.at(func(p point) string {
		heal(p)
		return do(p)
	})
	c.cmd = exec.Command(shipctl, c.apply()...)
	c.cmd.Dir, c.cmd.Env = c.dir, append(os.Environ(), c.env...)
	var out bytes.Buffer
	c.cmd.Stdout, c.cmd.Stderr = &out, &out
	begin := time.Now()
	c.mu.Lock()
	err := c.cmd.Start()
	c.mu.Unlock()
	if err != nil {
		c.t.Fatal(err)
	}
	watchdog := time.AfterFunc(5*time.Minute, func() {
		c.hung.Store(true)
		_ = c.cmd.Process.Kill()
	})
	_ = c.cmd.Wait()
	watchdog.Stop()
	c.asPlanned(c.apply(), result{c.cmd.ProcessState.ExitCode(), out.String()})
	c.t.Logf("%s, %s (exit %d, %s)\n%s", c.step.ID, c.crash.name, c.cmd.ProcessState.ExitCode(), time.Since(begin).Round(time.Millisecond), out.String())
	if !slices.Contains(c.points.points(), point{Step: c.step.ID, Moment: c.crash.at}) {
		c.t.Error("the checkpoint was never come to")
	}
	c.points.at(nil)
	c.proxy().Refuse(false)
	c.proxy().Resume()
	if c.booting != nil {
		<-c.booting
	}
	return c.came(c.cmd.ProcessState.ExitCode())
}

// came is what an apply came to. Only where the fault is to kill the controller may it have been killed.
func (c *cell) came(code int) string {
	c.t.Helper()
	switch code {
	case 0:
		return "done"
	case -1:
		if c.hung.Load() || !strings.HasPrefix(c.crash.name, "controller killed") {
			c.t.Errorf("it hung, or was killed, which the fault is not: %s", c.crash.name)
		}
		return "killed"
	case 6:
		return "undone"
	case 7:
		return "stopped"
	default:
		c.t.Errorf("exit %d", code)
		return fmt.Sprint("exit ", code)
	}
}

// traffic is the load of a cell: so many requests a second as options says, through each nginx that stays on.
func (x *matrix) traffic(c *cell) (stop func() int) {
	x.t.Helper()
	var targets []string
	for _, w := range x.webs {
		if !c.crash.dead || w != c.step.Host {
			targets = append(targets, "http://"+x.m(w).Addr)
		}
	}
	if len(targets) == 0 {
		return func() int { return 0 }
	}
	m, err := load.Start(context.Background(), options(targets...))
	if err != nil {
		x.t.Fatal(err)
	}
	return func() int {
		r := m.Stop()
		x.onlyTheTwo(r)
		if c.again != nil {
			again := c.again.Stop()
			x.onlyTheTwo(again)
			x.nothingLost(again)
			if again.Requests() == 0 {
				x.t.Errorf("%s had no load after it was back", c.step.Host)
			}
		}
		if c.crash.dead && c.step.Host == "app-1" { // the only machine that the program runs on
			x.t.Logf("%s", r)
			for _, wrong := range lostElsewhere(r, c.off, c.up) {
				x.t.Error(wrong)
			}
			return r.Lost()
		}
		x.nothingLost(r)
		return r.Lost()
	}
}

// options are a cell's load: 30 requests a second for each target.
func options(targets ...string) load.Options {
	return load.Options{Targets: targets, Paths: []string{"/?ms=20", "/?ms=20", "/?ms=300", "/?ms=300"}, Rate: 30 * len(targets), Timeout: 5 * time.Second}
}

// onlyTheTwo: nothing but the version before and the new one has answered.
func (x *matrix) onlyTheTwo(r load.Result) {
	x.t.Helper()
	was, is := fmt.Sprintf("v%d", x.version-1), fmt.Sprintf("v%d", x.version)
	for v := range r.Versions() {
		if v != was && v != is {
			x.t.Errorf("version %s answered", v)
		}
	}
}

// A program is served again so soon after its machine is up, and what was sent for so long after that may still be lost.
const servedAgain, settling = 15 * time.Second, 3 * time.Second

// lostElsewhere are the losses that a machine's being off does not explain: those that were over before it was switched
// off, and those that were begun when it was up and served again.
func lostElsewhere(r load.Result, off [2]time.Time, up time.Time) (wrong []string) {
	var served time.Time
	for _, s := range r.Samples {
		if s.Good() && s.Sent.After(off[1]) && (served.IsZero() || s.Done.Before(served)) {
			served = s.Done
		}
	}
	if served.IsZero() || served.Sub(up) > servedAgain {
		return []string{fmt.Sprintf("up at %s, and not served within %s: first answer at %s", up.Format("05.000"), servedAgain, served.Format("05.000"))}
	}
	for _, bad := range r.Bad() {
		if bad.Done.Before(off[0]) || bad.Sent.After(served.Add(settling)) {
			wrong = append(wrong, fmt.Sprintf("off from %s, served again from %s; lost: sent %s, done %s: %s",
				off[0].Format("05.000"), served.Format("05.000"), bad.Sent.Format("05.000"), bad.Done.Format("05.000"), bad.Outcome()))
		}
	}
	return wrong
}

// jobs starts one every 0.3 s, each of which lasts for a second, and judges them in the end: none fails, none sees another
// release than the one that its command is for.
func (x *matrix) jobs(c *cell) (judge func()) {
	x.t.Helper()
	if !x.scene.jobs {
		return func() {}
	}
	m := x.m("app-1")
	m.WriteFile("/root/jobs", `rm -rf /var/tmp/runs; mkdir /var/tmp/runs; cd /var/tmp/runs || exit
n=0
while [ ! -e over ]; do
	n=$((n + 1))
	(/srv/teatime/jobs/every >$n.out 2>&1; echo $? >$n.ended; mv $n.ended $n.status) &
	sleep 0.3
done
wait
echo $n >all
`, 0o644)
	m.Exec("setsid sh /root/jobs >/dev/null 2>&1 </dev/null & sleep 0.5")
	return func() {
		x.t.Helper()
		m.Exec("touch /var/tmp/runs/over")
		ok, some := "0", "[ -e 1.status ] || echo none ended"
		if c.crash.dead {
			ok, some = "0\\|137", "true" // its machine was switched off, perhaps before the first one ended
		} else {
			awaitFile(x.t, m, "/var/tmp/runs/all", time.Minute)
		}
		if out := m.Exec("cd /var/tmp/runs; grep -Lx '" + ok + "' *.status | while read -r f; do echo $f; cat $f ${f%status}out; done; " + some + "; rm -rf /var/tmp/runs /root/jobs"); out != "" {
			x.t.Errorf("jobs that failed:\n%s", out)
		}
	}
}

// neverTwo: the program itself has noticed when another one ran.
func (x *matrix) neverTwo() {
	x.t.Helper()
	if !x.scene.alone {
		return
	}
	if out, err := x.m("app-1").Try("cat /var/tmp/two && rm /var/tmp/two"); err == nil {
		x.t.Errorf("two ran at once: %s", out)
	}
}

func (x *matrix) with(t *testing.T) *matrix {
	sub := *x
	sub.site = x.site.with(t)
	return &sub
}

// state is everything on the machines that deployments are about, and the names of all else: without times, PIDs and
// what counts up, and with the versions called by their part.
func (x *matrix) state() string {
	var b strings.Builder
	for _, m := range x.fleet.Machines {
		s := m.Snapshot()
		for _, path := range sortedKeys(s.Files) {
			text := s.Files[path]
			if f := strings.Fields(text); len(f) > 2 && f[2] != "→" {
				text = strings.Join(f[:2], " ")
			}
			fmt.Fprintf(&b, "%s %s %s%s\n", m.Name, path, text, content(m, path))
		}
		var commands []string
		for _, c := range s.Processes {
			commands = append(commands, c)
		}
		slices.Sort(commands)
		for _, c := range commands {
			fmt.Fprintf(&b, "%s runs %s\n", m.Name, c)
		}
	}
	out := x.plain(b.String())
	if x.scene.alone { // who was healthy is noted for the switch of an nginx, and there is none
		out = regexp.MustCompile(`(?m)^\S+ \S+\.healthy .*\n(\t.*\n)*`).ReplaceAllString(out, "")
	}
	return out
}

func content(m *fleet.Machine, path string) string {
	for _, dir := range []string{"/etc/nginx/", "/etc/systemd/", "/var/lib/shipctl/", "/srv/"} {
		if !strings.HasPrefix(path, dir) {
			continue
		}
		i, err := os.Lstat(m.Upper + path)
		if err != nil || !i.Mode().IsRegular() || i.Size() > 64<<10 {
			return ""
		}
		raw, err := os.ReadFile(m.Upper + path)
		if err != nil {
			return ""
		}
		return "\n\t" + strings.ReplaceAll(strings.TrimSpace(string(raw)), "\n", "\n\t")
	}
	return ""
}

// plain takes out what differs from one deployment to the next although both end the same.
func (x *matrix) plain(s string) string {
	s = strings.NewReplacer(fmt.Sprintf("v%d", x.version), "vNEW", fmt.Sprintf("v%d", x.version-1), "vOLD", fmt.Sprintf("v%d", x.version-2), "vOLDER").Replace(s)
	for _, r := range [][2]string{
		{`(?m)^\S+ /var/lib/shipctl/projects/[^/]+/(history|running|interrupt) .*\n(\t.*\n)*`, ""}, // who did what when, and how it ended
		{`(?m)^\S+ (/var)?/tmp/systemd-private-.*\n`, ""},
		{`(?m)^\S+ /var/lib/shipctl/step\.holder .*\n`, ""},           // which step was last
		{`(?m)^\S+ \S+\.draining .*\n`, ""},                           // the next switch writes it anew
		{`(?m)^\S+ \S+\.run\.\d{8}T\d{6}Z\w+\.\S* .*\n(\t.*\n)*`, ""}, // what the last runs would have put back
		{`\d{8}T\d{6}Z[A-Z0-9]{8}`, "RUN"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`, "TIME"},
		{`\b[0-9a-f]{64}\b`, "SHA256"},
		{`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`, "BOOT"},
		{`(vNEW|vOLD|vOLDER)/[0-9a-f]{12}`, "$1/DIGEST"},
		{`(?m)^\tsc_id=[0-9a-f]{12}$`, "\tsc_id=DIGEST"},                     // of a launcher, whose command has the version
		{`(?m)^\t\+[0-9a-f]{12}$`, "\t+DIGEST"},                              // in the notes of what was started
		{`(?m)^\t(epoch|id|who|boot|until|since|master|worker)( .*)?\n`, ""}, // leases, and who served when
		{`(?m)^\t(v\w+) \d{10}$`, "\t$1"},                                    // when it was activated
		{`(?m)^\tv\d+\n`, ""},                                                // the names of releases that were removed
		{`(?m)^\t\d+ \d{10}$`, "\tINODE TIME"},                               // of the unit, as it was written
		{`BOOT \d+ \d+ `, "BOOT PID START "},                                 // what was healthy
		{`"took":[0-9.]+`, `"took":0`},
		{`SHA256 \d+ tar`, "SHA256 N tar"},                               // the how manieth
		{`(?m)^\S+ /srv/\S+/jobs/\.state/\w+/runs\S* .*\n(\t.*\n)*`, ""}, // who ran when
		{`(?m)^\tRUN .*/.*\n`, ""},                                       // the last step
	} {
		s = regexp.MustCompile(r[0]).ReplaceAllString(s, r[1])
	}
	return s
}

func sortedKeys(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// difference lists the lines that only one of two texts has.
func difference(want, got string) string {
	has := func(s string) map[string]int {
		n := map[string]int{}
		for line := range strings.Lines(s) {
			n[line]++
		}
		return n
	}
	w, g := has(want), has(got)
	var b strings.Builder
	for line := range strings.Lines(want) {
		if g[line] < w[line] {
			b.WriteString("- " + line)
		}
	}
	for line := range strings.Lines(got) {
		if w[line] < g[line] {
			b.WriteString("+ " + line)
		}
	}
	return b.String()
}

// scene is a configuration that the matrix is made of.
type scene struct {
	name     string
	machines []string
	hcl      string
	fleets   int  // that share its cells
	jobs     bool // run all the while
	alone    bool // two of the program must never run at once
}

func scenes() []scene {
	retention := "version = var.version\n\n  retention {\n    keep = 1\n  }"
	both := strings.NewReplacer("version = var.version", retention, `interval    = "200ms"`, `interval    = "50ms"`, `healthy_for = "500ms"`, `healthy_for = "100ms"`).
		Replace(service(`variable = "service_url"`, program("--abrupt")+"\n  stop {\n    grace = \"2s\"\n  }"))
	alone, _, _ := strings.Cut(both, "\nservice \"teatime\"")
	return []scene{
		{name: "blue/green with two nginx machines", machines: []string{"app-1", "web-1", "web-2"}, hcl: both, fleets: most(2, 4)},
		{name: "a release with retention", machines: []string{"app-1"}, hcl: alone, fleets: 1},
		{name: "a batch server, recreated", machines: []string{"app-1"}, hcl: recreated(both), fleets: most(1, 2), alone: true},
		{name: "a release with jobs", machines: []string{"app-1"}, hcl: alone + everyJob, fleets: most(1, 2), jobs: true},
	}
}

// recreated has one slot, behind no nginx, and a program that has a lock as long as it lives.
func recreated(hcl string) string {
	for _, part := range [][2]string{{"  slot \"green\" {", "\n  }\n"}, {"  nginx_upstream {", "\n  }\n"}} {
		head, rest, _ := strings.Cut(hcl, part[0])
		_, tail, _ := strings.Cut(rest, part[1])
		hcl = head + tail
	}
	const lock = `command = ["sh", "-c", "exec 8>>/var/tmp/one; flock -n 8 || { date >>/var/tmp/two; exit 1; }; exec \"$@\"", "sh", `
	return strings.Replace(hcl, "command = [", "rollout {\n    strategy = \"recreate\"\n  }\n  "+lock, 1)
}

// everyJob is a job of the release, whose command is another one with each version.
const everyJob = `
batch "teatime" {
  release = release.teatime
  run_as  = "teatime"

  job "every" {
    command     = ["sh", "-c", "a=$(cat VERSION) && sleep 1 && b=$(cat ./VERSION) && echo \"$a $b $0\" && [ \"$a\" = \"$b\" ] && [ \"$a\" = \"$0\" ]", coalesce(var.version, "live")]
    concurrency = "allow"
  }
}
`

// TestCrashMatrix: at each checkpoint of a deployment, each fault. The table is printed, and docs/crash-matrix.md must have
// its rows and columns; with SHIPCTL_MATRIX_DOC=1 and all cells it is written there.
func TestCrashMatrix(t *testing.T) {
	var tables []*table
	t.Run("fleets", func(t *testing.T) {
		for _, sc := range scenes() {
			tb := &table{scene: sc, cells: map[string]map[string]outcome{}}
			tables = append(tables, tb)
			for i := range sc.fleets {
				t.Run(fmt.Sprintf("%s %d", strings.ReplaceAll(sc.name, "/", "-"), i+1), func(t *testing.T) {
					t.Parallel()
					tb.fill(t, i)
				})
			}
		}
	})
	var all strings.Builder
	for _, tb := range tables {
		tb.complete(t)
		all.WriteString(tb.String())
	}
	t.Logf("\n%s", all.String())
	documented(t, tables, all.String())
}

// table is what came of a scene's cells.
type table struct {
	scene scene

	mu    sync.Mutex
	steps []planned
	cells map[string]map[string]outcome // by step and fault
}

// fill runs every cell that is the fleet's share.
func (tb *table) fill(t *testing.T, share int) {
	x := newMatrix(t, tb.scene.hcl, tb.scene.machines...)
	x.scene = tb.scene
	for range 3 { // until there is something to stop and to remove
		x.next()
		x.ok(x.apply()...)
	}
	x.reference()
	x.reference()
	steps := x.steps[0]
	tb.mu.Lock()
	tb.steps = steps
	tb.mu.Unlock()
	for i, step := range steps {
		for j, k := range crashes() {
			n := i*len(crashes()) + j
			if (n/3)%tb.scene.fleets != share || !chosen(n, 9) {
				continue
			}
			t.Run(step.verb()+", "+k.name, func(t *testing.T) {
				o := x.run1(t, step, k)
				tb.mu.Lock()
				defer tb.mu.Unlock()
				if tb.cells[step.name()] == nil {
					tb.cells[step.name()] = map[string]outcome{}
				}
				tb.cells[step.name()][k.name] = o
			})
		}
	}
}

// most is how many, or with all cells.
func most(some, all int) int {
	if wholeMatrix() {
		return all
	}
	return some
}

func wholeMatrix() bool { return os.Getenv("SHIPCTL_MATRIX") == "all" }

// chosen are run: all of them with SHIPCTL_MATRIX=all ("make matrix"), and otherwise, so that "make e2e" stays short, every
// ninth cell, which is each step with one fault or two and each fault at some steps.
func chosen(n, nth int) bool { return wholeMatrix() || n%nth == 0 }

// complete: no cell is missing.
func (tb *table) complete(t *testing.T) {
	if len(tb.steps) == 0 {
		t.Errorf("%s: no steps", tb.scene.name)
	}
	for i, step := range tb.steps {
		for j, k := range crashes() {
			if _, ok := tb.cells[step.name()][k.name]; !ok && chosen(i*len(crashes())+j, 9) {
				t.Errorf("%s: the cell %s, %s is missing", tb.scene.name, step.name(), k.name)
			}
		}
	}
}

// String is the table in Markdown.
func (tb *table) String() string {
	var b strings.Builder
	b.WriteString(tb.title() + "\n| step |")
	for _, k := range crashes() {
		fmt.Fprintf(&b, " %s |", k.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(crashes())) + "\n")
	for _, step := range tb.steps {
		fmt.Fprintf(&b, "| `%s` |", step.name())
		for _, k := range crashes() {
			o, ok := tb.cells[step.name()][k.name]
			text := o.first
			switch {
			case !ok:
				text = "-"
			case o.lost > 0:
				text += fmt.Sprintf(", %d lost", o.lost)
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		b.WriteString("\n")
	}
	return b.String() + "\n"
}

// documented compares the tables' rows and columns with docs/crash-matrix.md, and what each cell that was run came to.
func documented(t *testing.T, cells []*table, tables string) {
	t.Helper()
	const doc, mark = "../../docs/crash-matrix.md", "<!-- the tables -->\n\n"
	raw, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	head, was, ok := strings.Cut(string(raw), mark)
	if !ok {
		t.Fatalf("%s has no %q", doc, mark)
	}
	if os.Getenv("SHIPCTL_MATRIX_DOC") != "" && chosen(1, 2) && !t.Failed() {
		if err := os.WriteFile(doc, []byte(head+mark+strings.TrimSpace(tables)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, want := frame(was), frame(tables); got != want {
		t.Errorf("the steps and faults in %s are not those of the plan (SHIPCTL_MATRIX_DOC=1 make matrix writes them):\n%s", doc, difference(want, got))
	}
	for _, tb := range cells {
		for _, wrong := range tb.unlike(was) {
			t.Errorf("%s: %s", doc, wrong)
		}
	}
}

// unlike are the cells that came to something else than the document says. How many requests were lost may differ.
func (tb *table) unlike(doc string) (wrong []string) {
	_, section, _ := strings.Cut(doc, tb.title())
	section, _, _ = strings.Cut(section, "\n## ")
	said := map[string][]string{}
	for line := range strings.Lines(section) {
		if f := strings.Split(line, " | "); strings.HasPrefix(line, "| `") {
			said[strings.Trim(f[0], "| `")] = f[1:]
		}
	}
	for _, step := range tb.steps {
		for j, k := range crashes() {
			o, run := tb.cells[step.name()][k.name]
			if !run {
				continue
			}
			want := ""
			if row := said[step.name()]; j < len(row) {
				want, _, _ = strings.Cut(strings.Trim(row[j], " |\n"), ",")
			}
			// A machine that lost power is up again before the run's patience ends, or it is not.
			if o.first != want && !(k.dead && (o.first == "undone" || o.first == "stopped")) {
				wrong = append(wrong, fmt.Sprintf("%s, %s: %s, documented is %q", step.name(), k.name, o.first, want))
			}
		}
	}
	return wrong
}

func (tb *table) title() string {
	return "## " + strings.ToUpper(tb.scene.name[:1]) + tb.scene.name[1:] + "\n"
}

// frame is a table without its cells.
func frame(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| `") {
			line, _, _ = strings.Cut(line[3:], "`")
			line += "\n"
		}
		b.WriteString(line)
	}
	return strings.TrimSpace(b.String())
}
