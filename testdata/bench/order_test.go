package bench

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/shipctl/shipctl/cmd/view"
	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// deployment is a service's steps over many application machines and two with nginx: nothing is switched before all are
// healthy, and nothing stopped before everything is switched, activated and drained.
func deployment(machines int) providers.Resource {
	ref := config.Ref{Kind: "service", Name: "teatime"}
	var changes []providers.Change
	all := map[string][]providers.StepID{}
	add := func(host, verb string, after ...providers.StepID) {
		a := providers.Addr{Ref: ref, Host: host}
		if i := len(changes) - 1; i < 0 || changes[i].Addr != a {
			changes = append(changes, providers.Change{Addr: a, Action: providers.Update})
		}
		s := providers.Step{ID: a.Step(verb), Host: host, Title: verb, After: slices.Clone(after), Limit: time.Minute, Undo: &remote.Call{Script: "undo"}}
		if verb == "stop" || verb == "prune" {
			s.Final, s.Undo = true, nil
		}
		changes[len(changes)-1].Steps = append(changes[len(changes)-1].Steps, s)
		all[verb] = append(all[verb], s.ID)
	}
	app := func(i int) string { return fmt.Sprint("app-", i) }
	for i := range machines {
		last := func(verb string) providers.StepID { return providers.Addr{Ref: ref, Host: app(i)}.Step(verb) }
		add(app(i), "upload")
		add(app(i), "publish", last("upload"))
		add(app(i), "start", last("publish"))
		add(app(i), "health", last("start"))
	}
	webs := []string{"web-1", "web-2"}
	for _, w := range webs {
		add(w, "check", all["health"]...)
	}
	for i := range machines {
		add(app(i), "confirm", append([]providers.StepID{all["health"][i]}, all["check"]...)...)
	}
	for _, w := range webs {
		add(w, "switch", slices.Concat(all["health"], all["check"], all["confirm"])...)
		add(w, "drain", all["switch"]...)
	}
	for i := range machines {
		add(app(i), "activate", all["switch"]...)
	}
	for i := range machines {
		add(app(i), "stop", slices.Concat(all["activate"], all["drain"])...)
		add(app(i), "prune", all["stop"][i])
	}
	return providers.Resource{Ref: ref, Diff: func(remote.Facts) []providers.Change { return changes }}
}

func order(b *testing.B, machines int) *planner.Plan {
	b.Helper()
	p, err := planner.Build([]providers.Resource{deployment(machines)}, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// BenchmarkOrderFleet: a service over many machines, of which each waits for all the others more than once.
func BenchmarkOrderFleet(b *testing.B) {
	for _, machines := range []int{100, 1000} {
		b.Run(fmt.Sprintf("machines=%d", machines), func(b *testing.B) {
			for b.Loop() {
				order(b, machines)
			}
		})
	}
}

// BenchmarkSaveFleet: what the file of such a plan takes, in time and in bytes.
func BenchmarkSaveFleet(b *testing.B) {
	p := order(b, 1000)
	for b.Loop() {
		var n size
		if err := p.Save(&n); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(n), "B/file")
	}
}

type size int

func (s *size) Write(p []byte) (int, error) {
	*s += size(len(p))
	return len(p), nil
}

// BenchmarkShowFleet: such a plan, for people.
func BenchmarkShowFleet(b *testing.B) {
	p := order(b, 1000)
	for b.Loop() {
		view.Text{Out: io.Discard}.Plan(p, false)
	}
}

type silent struct {
	remote.Machine
	fails string
}

func (m silent) Run(_ context.Context, t remote.Ticket, c remote.Call) ([]byte, error) {
	if t.Step == m.fails && c.Script == "" {
		return nil, &remote.ScriptError{Output: "no", Status: 1}
	}
	return nil, nil
}

// BenchmarkRunFleet: what carrying it out, or undoing it at the last moment, takes beside the machines' work.
func BenchmarkRunFleet(b *testing.B) {
	p := order(b, 1000)
	for name, fails := range map[string]string{"done": "", "undone": `service.teatime["web-2"]/drain`} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				out := executor.Run(b.Context(), p, executor.Env{
					Run: "r", Dial: func(context.Context, string) (remote.Machine, error) { return silent{fails: fails}, nil },
					Emit: func(executor.Event) {}, Now: time.Now, Pause: func(context.Context, time.Duration) {}, Parallelism: 10,
				})
				if out.OK() != (fails == "") || len(out.Left) > 0 {
					b.Fatalf("%v, left %d", out.Errors, len(out.Left))
				}
			}
		})
	}
}
