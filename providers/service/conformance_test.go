package service

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
	"github.com/shipctl/shipctl/providers/service/model"
)

// pair is this machine, under one shell, and its model.
type pair struct {
	*bench
	m        *model.Model
	ports    map[string]int    // by slot
	at       map[int]string    // port → what it is called here
	names    map[string]string // directory → release
	old      *exec.Cmd         // the stranger
	oldEnded chan struct{}
	client   *http.Response
	to       int // port that the client is connected to
	real     Seen
}

// TestModel holds the model to the scripts: the same sequences give the same.
func TestModel(t *testing.T) {
	ops := rapid.SliceOfN(rapid.SampledFrom([]string{
		"start blue 41", "start blue 42", "start green 41", "start green 42", "start green 43", "health blue 41", "health green 42", "confirm blue 41", "confirm green 42",
		"stop blue", "revive blue", "stop green", "revive green", "intrude blue", "intrude green", "evict", "evict another", "crash blue", "crash green",
		"connect blue", "connect green", "leave", "before well", "before badly",
	}), 12, 16)
	for seed := range 4 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, remotetest.Shells(t)[seed%2*2])
			history := []string{}
			for _, op := range ops.Example(seed) {
				history = append(history, op)
				p.do(t, op)
				if got, want := p.look(t), p.modelled(t); got != want {
					t.Fatalf("after %s\nreal  %s\nmodel %s", strings.Join(history, ", "), got, want)
				}
			}
		})
	}
}

func newPair(t *testing.T, shell string) *pair {
	b := newBench(t, shell)
	p := &pair{bench: b, m: model.New(remotetest.Project), ports: map[string]int{"blue": b.port, "green": remotetest.FreePort(t)}, names: map[string]string{}}
	p.at = map[int]string{p.ports["blue"]: "blue's", p.ports["green"]: "green's"}
	if err := os.MkdirAll(p.dirOf("41"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(p.dirOf("41"), "teatime")); err != nil {
		t.Fatal(err)
	}
	p.m.Around = model.Around{
		Exists: func(dir string) bool { return dir != p.dirOf("43") },
		Answer: func(x model.Process, _ string) (int, string) { return 200, x.Slot },
		Peers: func(port int) []string {
			if p.client != nil && port == p.to {
				return []string{"127.0.0.1"}
			}
			return nil
		},
		Before: func(_ string, command []string) error {
			if slices.Contains(command, "false") {
				return errors.New("failed with exit status 1")
			}
			return nil
		},
	}
	t.Cleanup(func() {
		p.do(t, "leave")
		if p.old != nil {
			_ = p.old.Process.Kill()
			<-p.oldEnded
		}
		for _, slot := range []string{"blue", "green"} {
			_, _ = p.both("service/stop", "", p.stopArgs(slot)...)
		}
	})
	return p
}

func (p *pair) dirOf(release string) string { return filepath.Join(p.root, "releases", release) }

// both runs a step on the machine and in the model.
func (p *pair) both(script, input string, args ...string) (error, error) {
	_, err := remotetest.Step(p.t, p.bench.m, remote.Call{Script: script, Args: args, Stdin: []remote.Part{{Text: input}}})
	_, modelErr := p.m.Run(script, args, "run-1", input)
	return err, modelErr
}

func (p *pair) stopArgs(slot string) []string {
	return []string{p.name, slot, "TERM", "5", "1", "keep", "", strconv.Itoa(p.ports[slot]), "again"}
}

// do does the same to both, and compares whether it worked.
func (p *pair) do(t *testing.T, op string) {
	t.Helper()
	f := append(strings.Fields(op), "", "")
	slot, release := f[1], f[2]
	port := strconv.Itoa(p.ports[slot])
	var err, modelErr error
	switch f[0] {
	case "start":
		args := []string{p.name, slot, port, release, digest, p.dirOf(release), p.root, "process", "", "TERM", "5", "", "", "again"}
		err, modelErr = p.both("service/start", "SLOT="+slot+"\nVERSION="+release+"\n", append(args, "./teatime", "-port="+port)...)
		p.settle(t)
	case "health":
		err, modelErr = p.both("service/health", "", p.name, slot, port, release, digest, "process", "100", "2", "3000", "0", "http", "/profile", "", "200", "^"+slot+"$", p.dirOf(release), "")
	case "revive":
		err, modelErr = p.both("service/revive", "", p.name, slot, "20")
	case "confirm":
		err, modelErr = p.both("service/confirm", "", p.name, slot, port, release, digest, "process")
	case "stop":
		err, modelErr = p.both("service/stop", "", p.stopArgs(slot)...)
	case "evict":
		p.evict(t, slot == "another")
	case "before":
		command := map[string]string{"well": "true", "badly": "false"}[slot]
		err, modelErr = p.both("service/before", "", "migrate", p.dirOf("42"), "", "5", command)
	default:
		p.meddle(t, f[0], slot)
	}
	if (err == nil) != (modelErr == nil) {
		t.Fatalf("%s:\nreal  %v\nmodel %v", op, err, modelErr)
	}
}

// settle waits until every process of ours listens.
func (p *pair) settle(t *testing.T) {
	t.Helper()
	p.await(t, func(s Seen) bool {
		return !slices.ContainsFunc(s.Procs, func(x Proc) bool {
			return !slices.ContainsFunc(s.Listeners, func(l Listener) bool { return l.PID == x.PID })
		})
	})
}

func (p *pair) await(t *testing.T, done func(Seen) bool) {
	t.Helper()
	for end := time.Now().Add(soon); time.Now().Before(end); {
		if p.real = p.seen(); done(p.real) {
			return
		}
	}
	t.Fatalf("it does not come: %+v", p.real)
}

func (p *pair) query() remote.Query {
	args := []string{p.name}
	for _, slot := range []string{"blue", "green"} {
		args = append(args, fmt.Sprintf("%s %d /profile ", slot, p.ports[slot]))
	}
	return remote.Query{Script: "service/look", Args: args}
}

func (p *pair) seen() Seen {
	a := remotetest.Query(p.t, p.bench.m, p.query().Script, p.query().Args...)
	seen, err := parse(a.Text)
	if err != nil || a.Sight != remote.Seen {
		p.t.Fatalf("%v %s: %v\n%s", a.Sight, a.Why, err, a.Text)
	}
	return seen
}

func (p *pair) meddle(t *testing.T, verb, slot string) {
	t.Helper()
	ours, stranger := p.m.On(p.ports[slot])
	switch {
	case verb == "intrude" && p.old == nil && ours == nil:
		p.old, p.oldEnded = exec.Command(program, "-port="+strconv.Itoa(p.ports[slot]), "-version=1", "-slot=old"), make(chan struct{})
		if err := p.old.Start(); err != nil {
			t.Fatal(err)
		}
		go func(c *exec.Cmd, ended chan struct{}) { _ = c.Wait(); close(ended) }(p.old, p.oldEnded)
		p.await(t, func(s Seen) bool {
			return slices.ContainsFunc(s.Listeners, func(l Listener) bool { return l.Owner == "" })
		})
		p.m.Intrude(model.Stranger{Port: p.ports[slot], Program: "old"})
		p.m.Around.Stranger = func(model.Stranger, string) (int, string) { return 200, "old" }
	case verb == "crash" && ours != nil:
		seen := p.seen()
		for _, x := range seen.Procs {
			if x.Slot == slot {
				_ = syscall.Kill(x.PID, syscall.SIGKILL)
			}
		}
		p.await(t, func(s Seen) bool { // a process that ends has no environment before it has no port
			return len(s.Procs) < len(seen.Procs) && !slices.ContainsFunc(s.Listeners, func(l Listener) bool { return l.Port == p.ports[slot] })
		})
		p.m.Kill(ours.PID)
		p.gone(p.ports[slot])
	case verb == "connect" && p.client == nil && (ours != nil || stranger != nil):
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/stream?s=600", p.ports[slot]))
		if err != nil {
			t.Fatal(err)
		}
		p.client, p.to = resp, p.ports[slot]
	case verb == "leave" && p.client != nil:
		p.gone(p.to)
	}
}

// gone: nobody is connected to the port any more.
func (p *pair) gone(port int) {
	if p.client != nil && p.to == port {
		_ = p.client.Body.Close()
		p.client = nil
		http.DefaultClient.CloseIdleConnections()
	}
}

// evict takes the stranger over: both name it by their own PID.
func (p *pair) evict(t *testing.T, another bool) {
	t.Helper()
	if p.old == nil {
		return
	}
	s := p.m.Strangers[0]
	i := slices.IndexFunc(p.seen().Listeners, func(l Listener) bool { return l.Owner == "" })
	real := p.seen().Listeners[i]
	later := int64(0)
	if another {
		later = 1
	}
	args := func(pid int, start int64) []string {
		return []string{fmt.Sprint(pid), fmt.Sprint(start + later), strconv.Itoa(s.Port), "TERM", "5", "1", "keep", "", ""}
	}
	_, err := remotetest.Step(t, p.bench.m, remote.Call{Script: "service/evict", Args: args(real.PID, real.Start)})
	_, modelErr := p.m.Run("service/evict", args(s.PID, s.Start), "run-1", "")
	if (err == nil) != (modelErr == nil) {
		t.Fatalf("evict:\nreal  %v\nmodel %v", err, modelErr)
	}
	if err == nil && !another {
		<-p.oldEnded
		p.old = nil
		p.gone(s.Port)
	}
}

func (p *pair) look(t *testing.T) string {
	t.Helper()
	return p.essentials(p.seen())
}

func (p *pair) modelled(t *testing.T) string {
	t.Helper()
	text, status := p.m.Ask(p.query().Script, p.query().Args)
	seen, err := parse(text)
	if err != nil || status != 0 {
		t.Fatalf("%d %v\n%s", status, err, text)
	}
	return p.essentials(seen)
}

// essentials is a look without numbers that differ from machine to machine.
func (p *pair) essentials(s Seen) string {
	var out []string
	pids := map[int]string{}
	for _, x := range s.Procs {
		pids[x.PID] = x.Slot
		out = append(out, fmt.Sprintf("%s runs %s/%s in %s", x.Slot, x.Release, x.Digest, filepath.Base(x.Dir)))
	}
	for _, l := range s.Listeners {
		out = append(out, fmt.Sprintf("%s port is %q's (%s), program %v, unit %v", p.at[l.Port], l.Owner, pids[l.PID], l.Program != "", l.Unit != "" && l.Owner != ""))
	}
	for port, a := range s.Answers {
		out = append(out, fmt.Sprintf("%s port answers %d %s", p.at[port], a.Status, strings.TrimSpace(a.Body)))
	}
	for _, u := range s.Units {
		out = append(out, "unit "+u.Slot)
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}
