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
}

// name is the step without the slot, which changes with every deployment.
func (p planned) name() string {
	return regexp.MustCompile(`/stop-(blue|green)$`).ReplaceAllString(p.ID, "/stop")
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
	booting chan struct{}
}

func (c *cell) proxy() *proxy.Proxy { return c.links[c.step.Host] }

func (c *cell) kill() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.cmd.Process.Signal(syscall.SIGKILL)
	return ""
}

// lose lets the step do what it does, and then cuts the link before its reply has come. It waits for the machine's step
// lock, which the step holds to its end.
func (c *cell) lose(forGood bool) string {
	const state = "/var/lib/shipctl"
	m, p := c.fleet.Machine(c.step.Host), c.proxy()
	_, _ = m.Try("rm -f " + state + "/step.holder")
	p.Stall(proxy.Down)
	go func() {
		_, _ = m.Try(fmt.Sprintf(`n=0
until grep -qF '%s' %s/step.holder 2>/dev/null; do n=$((n+1)); [ $n -lt 1000 ] || exit 3; sleep 0.01; done
exec 9>>%s/step.lock
flock 9`, c.step.ID, state, state))
		p.Refuse(forGood)
		p.Reset()
		p.Resume()
	}()
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
	m.Kill()
	c.booting = make(chan struct{})
	go func() {
		defer close(c.booting)
		m.Start()
		p.Refuse(false)
	}()
	return ""
}

// matrix is a fleet and where it stands.
type matrix struct {
	*site
	points  *checkpoints
	links   map[string]*proxy.Proxy
	webs    []string
	version int
	steps   map[int][]planned // by parity: the steps of a deployment
	want    map[int]string    // by parity: the state after an undisturbed one
}

const matrixKeep = `
  retention {
    keep = 1
  }`

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
	x.ok("plan", "-out=plan.bin", "-var", x.flag())
	var shown struct{ Steps []planned }
	if err := json.Unmarshal([]byte(x.ok("show", "-json", "plan.bin")), &shown); err != nil || len(shown.Steps) == 0 {
		x.t.Fatalf("show -json: %v", err)
	}
	x.points.at(nil)
	x.ok(x.apply()...)
	seen := x.points.points()
	for _, s := range shown.Steps {
		for _, moment := range []string{"before", "effect", "after"} {
			if !slices.Contains(seen, point{Step: s.ID, Moment: moment}) {
				x.t.Errorf("%s: no checkpoint %s", s.ID, moment)
			}
		}
	}
	x.steps[x.version%2], x.want[x.version%2] = shown.Steps, x.state()
}

// outcome of a cell, for the table.
type outcome struct {
	first string // what the first apply came to
	lost  int
}

// run is one cell: the fault, and then an apply that meets none.
func (x *matrix) run1(t *testing.T, step planned, k crash) outcome {
	x = x.with(t)
	x.next()
	for _, s := range x.steps[x.version%2] {
		if s.name() == step.name() {
			step = s
		}
	}
	c := &cell{matrix: x, step: step, crash: k}
	stop := x.traffic(c)
	first := c.first()
	r := x.site.run(x.apply()...)
	if r.code != 0 {
		t.Errorf("the second apply: exit %d", r.code)
	}
	o := outcome{first: first, lost: stop()}
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
	watchdog := time.AfterFunc(2*time.Minute, func() { _ = c.cmd.Process.Kill() })
	_ = c.cmd.Wait()
	watchdog.Stop()
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
	switch code := c.cmd.ProcessState.ExitCode(); code {
	case 0:
		return "done"
	case -1:
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

// traffic is the load of a cell: 100 requests a second through each nginx that stays on.
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
	m, err := load.Start(context.Background(), load.Options{Targets: targets, Paths: []string{"/?ms=20"}, Rate: 50 * len(targets), Timeout: 5 * time.Second})
	if err != nil {
		x.t.Fatal(err)
	}
	return func() int {
		r := m.Stop()
		was, is := fmt.Sprintf("v%d", x.version-1), fmt.Sprintf("v%d", x.version)
		for v := range r.Versions() {
			if v != was && v != is {
				x.t.Errorf("version %s answered", v)
			}
		}
		if c.crash.dead && c.step.Host == "app-1" { // the only machine that the program runs on
			x.t.Logf("%s", r)
			return r.Lost()
		}
		x.nothingLost(r)
		return r.Lost()
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
	return x.plain(b.String())
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

// plain takes out what differs from one deployment to the next.
func (x *matrix) plain(s string) string {
	names := strings.NewReplacer(fmt.Sprintf("v%d", x.version), "vNEW", fmt.Sprintf("v%d", x.version-1), "vOLD")
	return names.Replace(s)
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

// TestCrashMatrix: at each checkpoint of a deployment, each fault.
func TestCrashMatrix(t *testing.T) {
	hcl := strings.Replace(service(`variable = "service_url"`, program("--abrupt")+"\n  stop {\n    grace = \"2s\"\n  }"), `version = var.version`, "version = var.version\n"+matrixKeep, 1)
	hcl = strings.NewReplacer(`interval    = "200ms"`, `interval    = "50ms"`, `healthy_for = "500ms"`, `healthy_for = "100ms"`).Replace(hcl)
	x := newMatrix(t, hcl, "app-1", "web-1", "web-2")
	for range 3 {
		x.next()
		x.ok(x.apply()...)
	}
	x.reference()
	x.reference()
	for range 2 {
		w := x.want[(x.version+1)%2]
		x.reference()
		t.Logf("noise:\n%s", difference(w, x.want[x.version%2]))
	}
	for _, s := range x.steps[0] {
		t.Logf("%s", s.name())
	}
	for _, step := range x.steps[0] {
		for _, k := range crashes() {
			t.Run(step.name()+" "+k.name, func(t *testing.T) {
				begin := time.Now()
				o := x.run1(t, step, k)
				t.Logf("%v %s", o, time.Since(begin))
			})
		}
	}
}
