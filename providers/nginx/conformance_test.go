package nginx_test

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/nginx"
	"github.com/shipctl/shipctl/providers/nginx/model"
	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// pair is a real nginx and its model.
type pair struct {
	*site
	m     *model.Model
	dead  *slot
	taken net.Listener
	last  *providers.Step // the last switch
	runs  int
}

// TestModel holds the model to the scripts: the same sequences give the same.
func TestModel(t *testing.T) {
	ops := rapid.SliceOfN(rapid.SampledFrom([]string{
		"check blue", "check green", "switch blue", "switch green", "switch green", "switch dead", "drain", "undo", "again",
		"write blue", "write green", "remove", "respawn", "reload", "stop", "start", "break", "mend", "set too", "conflict",
	}), 10, 14)
	for seed := range 5 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			history := []string{"start"}
			p.do(t, "write blue")
			p.do(t, "start")
			for _, op := range ops.Example(seed) {
				history = append(history, op)
				p.do(t, op)
				if got, want := p.seen(t), p.modelled(t); got != want {
					t.Fatalf("after %s\nreal  %s\nmodel %s", strings.Join(history, ", "), got, want)
				}
			}
		})
	}
}

func newPair(t *testing.T) *pair {
	s := newSite(t, "dash", false)
	p := &pair{site: s, m: model.New(remotetest.Project, s.route.File)}
	p.dead = &slot{name: "dead", addr: fmt.Sprintf("127.0.0.1:%d", remotetest.FreePort(t))}
	p.m.Answer = func(addr string) (int, string) {
		for _, x := range []*slot{s.blue, s.green} {
			if x.addr == addr {
				return 200, x.name
			}
		}
		return 0, ""
	}
	t.Cleanup(func() {
		if p.taken != nil {
			p.taken.Close()
		}
	})
	return p
}

func (p *pair) slot(name string) *slot {
	return map[string]*slot{"blue": p.blue, "green": p.green, "dead": p.dead}[name]
}

// do does the same to both, and compares whether it worked.
func (p *pair) do(t *testing.T, op string) {
	t.Helper()
	verb, arg, _ := strings.Cut(op, " ")
	switch verb {
	case "check", "switch":
		// From is what the plan would have seen.
		var from *slot
		if l, err := p.site.look(); err == nil && l.LoadedKnown && len(l.Loaded) == 1 {
			for _, x := range []*slot{p.blue, p.green, p.dead} {
				if x.addr == l.Loaded[0] {
					from = x
				}
			}
		}
		check, swtch, _ := p.steps(from, p.slot(arg))
		if verb == "check" {
			p.both(t, op, check.Do)
			return
		}
		p.runs++
		p.run = fmt.Sprint("run-", p.runs)
		p.last = &swtch
		p.both(t, op, swtch.Do)
	case "again":
		if p.last != nil {
			p.both(t, op, p.last.Do)
		}
	case "undo":
		if p.last != nil {
			p.both(t, op, *p.last.Undo)
		}
	case "drain":
		_, _, drain := p.steps(p.blue, p.green)
		p.both(t, op, drain.Do)
	default:
		p.meddle(t, op)
	}
}

func (p *pair) both(t *testing.T, op string, c remote.Call) {
	t.Helper()
	_, err := p.site.do(c)
	_, modelErr := p.m.Run(c.Script, c.Args, p.run)
	if (err == nil) != (modelErr == nil) {
		t.Fatalf("%s:\nreal  %v\nmodel %v", op, err, modelErr)
	}
}

// meddle is what others do to the machine.
func (p *pair) meddle(t *testing.T, op string) {
	t.Helper()
	const broken, other = "sites/broken.conf", "conf.d/other.inc"
	switch op {
	case "write blue", "write green":
		p.writeRoute(p.slot(strings.Fields(op)[1]))
		p.m.Write(p.route.File, p.read("conf.d/service.inc"))
	case "remove":
		_ = os.Remove(p.route.File)
		p.m.Remove(p.route.File)
	case "break":
		p.m.Edit()
		p.write(broken, "nonsense;\n")
		p.m.Broken = "nonsense"
	case "mend":
		p.m.Edit()
		_ = os.Remove(p.path(broken))
		_ = os.Remove(p.path("sites/conflict.conf"))
		p.write("sites/teatime.conf", strings.ReplaceAll(p.read("sites/teatime.conf"), "set $service_url http://127.0.0.1:9;\nlocation", "location"))
		p.m.Broken, p.m.Conflict, p.m.Others = "", false, map[string]string{}
	case "set too":
		p.m.Edit()
		if !strings.Contains(p.read("sites/teatime.conf"), ":9;") {
			p.write("sites/teatime.conf", strings.Replace(p.read("sites/teatime.conf"), "location", "set $service_url http://127.0.0.1:9;\nlocation", 1))
		}
		p.m.Others[p.route.File] = other
	case "conflict":
		p.m.Edit()
		if p.taken == nil {
			p.taken, _ = net.Listen("tcp", "127.0.0.1:0")
		}
		p.write("sites/conflict.conf", fmt.Sprintf("server { listen %s; }\n", p.taken.Addr()))
		p.m.Conflict = true
	default:
		p.meddleWithProcesses(t, op)
	}
}

func (p *pair) meddleWithProcesses(t *testing.T, op string) {
	t.Helper()
	l := p.site.live()
	switch {
	case op == "start" && !l.Up && p.m.Start() == nil:
		p.nginx()
		p.await("nginx is up", func() bool { return len(p.site.live().Serving) == 2 })
	case op == "stop" && l.Up:
		p.site.kill()
		p.m.Stop()
	case op == "reload" && l.Up && p.m.Reload():
		if err := syscall.Kill(l.Master.PID, syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		p.await("other workers", func() bool { return others(p.site.live().Serving, l.Serving) })
	case op == "respawn" && l.Up:
		for _, w := range l.Serving {
			_ = syscall.Kill(w.PID, syscall.SIGKILL)
		}
		p.await("other workers", func() bool { return others(p.site.live().Serving, l.Serving) })
		p.m.Respawn()
	}
}

func others(now, before []nginx.Process) bool {
	return len(now) == 2 && !slices.ContainsFunc(now, func(w nginx.Process) bool { return slices.Contains(before, w) })
}

// seen is what there is once workers that have nothing to finish are gone.
func (p *pair) seen(t *testing.T) string {
	t.Helper()
	var l nginx.Live
	p.await("earlier workers are gone", func() bool { l = p.site.live(); return len(l.Leaving) == 0 })
	return essentials(l)
}

func (p *pair) modelled(t *testing.T) string {
	t.Helper()
	q := p.route.Query()
	text, status := p.m.Ask(q.Script, q.Args)
	if status != 0 {
		t.Fatal(status, text)
	}
	f := remote.Facts{}
	f.Put(q, remote.Answer{Sight: remote.Seen, Text: text})
	l, err := p.route.Live(f)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return essentials(l)
}

func essentials(l nginx.Live) string {
	probe := "-"
	if l.Probe != nil {
		probe = fmt.Sprint(l.Probe.Status)
		if l.Probe.Status == 200 {
			probe += " " + l.Probe.Body
		}
	}
	return fmt.Sprintf("up %v serving %d leaving %d file %v %q loaded %v %v probe %s included %v others %d broken %v",
		l.Up, len(l.Serving), len(l.Leaving), l.File, strings.Join(l.Strange, ";"), l.LoadedKnown, l.Loaded, probe, l.Included, len(l.Others), l.Broken != "")
}
