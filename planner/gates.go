package planner

import (
	"context"
	"slices"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// Window is a gate and what it says.
type Window struct {
	Ref config.Ref `json:"ref"`
	providers.Verdict
}

// bindGates tells each gate who names it: where they stand is asked too.
func bindGates(rs []providers.Resource) {
	for i, gate := range rs {
		if gate.Judge == nil {
			continue
		}
		var places []providers.Place
		for _, r := range rs {
			if r.Judge == nil && slices.Contains(r.Needs, gate.Ref) {
				places = append(places, r.Places...)
			}
		}
		rs[i].Places = merge(places)
		if gate.Watch != nil {
			rs[i].Queries = append(slices.Clone(gate.Queries), gate.Watch(rs[i].Places)...)
		}
	}
}

func merge(places []providers.Place) (out []providers.Place) {
	for _, p := range places {
		i := slices.IndexFunc(out, func(o providers.Place) bool { return o.Host == p.Host })
		if i < 0 {
			i = len(out)
			out = append(out, providers.Place{Host: p.Host})
		}
		for _, port := range p.Ports {
			if !slices.Contains(out[i].Ports, port) {
				out[i].Ports = append(slices.Clone(out[i].Ports), port)
			}
		}
	}
	return out
}

// Gates are the resources that refs name; all gates where refs is nil.
func Gates(rs []providers.Resource, refs []config.Ref) (out []providers.Resource) {
	for _, r := range rs {
		if r.Judge != nil && (refs == nil || slices.Contains(refs, r.Ref)) {
			out = append(out, r)
		}
	}
	return out
}

// Judge says what each gate among the resources says on facts. begin says that nothing of the deployment has been done.
func Judge(rs []providers.Resource, f remote.Facts, begin bool) []Window {
	return judge(rs, Gates(rs, nil), f, begin)
}

func judge(rs, gates []providers.Resource, f remote.Facts, begin bool) (out []Window) {
	for _, g := range gates {
		c := providers.Case{Places: g.Places, Facts: f, Begin: begin}
		if begin {
			c.Ahead = expected(rs, g.Ref, ReadRecords(f))
		}
		out = append(out, Window{g.Ref, g.Judge(c)})
	}
	return out
}

// A deployment that is said to have taken longer than this did not.
const longestRun = 24 * time.Hour

// expected is how long a deployment of what a gate guards takes, if it takes as long as the last one: a tenth more than the
// longest that any of its machines recorded, in whole tens of seconds. 0 where nothing is recorded.
func expected(rs []providers.Resource, gate config.Ref, rec Records) time.Duration {
	took := 0.0
	for _, r := range guarded(rs, gate) {
		for _, machine := range rec.By {
			if was, ok := machine.Resources[r.Ref.String()]; ok {
				took = max(took, min(was.Took, longestRun.Seconds()))
			}
		}
	}
	const step = 10 * time.Second
	return (time.Duration(took*1.1*float64(time.Second)) + step - 1) / step * step
}

// AskGates puts the questions of gates, and asks the machines of what they guard for their records too: how long a
// deployment takes is there. Who could not be asked says so in the facts too.
func AskGates(ctx context.Context, rs, gates []providers.Resource, dial Dial) (remote.Facts, map[string]error) {
	asked := questions(gates)
	for _, g := range gates {
		for _, r := range guarded(rs, g.Ref) {
			for _, host := range Hosts(r) {
				if asked[host] == nil {
					asked[host] = []remote.Query{RecordQuery(host)}
				}
			}
		}
	}
	facts := remote.Facts{}
	failed := askAll(ctx, asked, facts, dial)
	return facts, failed
}

// guarded are the resources that name a gate, and those that are deployed with them.
func guarded(rs []providers.Resource, gate config.Ref) (out []providers.Resource) {
	u, in := units(rs), map[string]bool{}
	for _, r := range rs {
		if r.Judge == nil && slices.Contains(r.Needs, gate) {
			in[u[r.Ref]] = true
		}
	}
	for _, r := range rs {
		if r.Judge == nil && in[u[r.Ref]] {
			out = append(out, r)
		}
	}
	return out
}

// JudgeNow asks the machines, and judges the gates that refs name.
func JudgeNow(ctx context.Context, rs []providers.Resource, refs []config.Ref, dial Dial, begin bool) []Window {
	gates := Gates(rs, refs)
	var facts remote.Facts
	if begin {
		facts, _ = AskGates(ctx, rs, gates, dial)
	} else {
		facts, _ = Ask(ctx, gates, dial)
	}
	out := judge(rs, gates, facts, begin)
	for _, ref := range refs {
		if !slices.ContainsFunc(out, func(w Window) bool { return w.Ref == ref }) {
			out = append(out, Window{ref, providers.Verdict{Why: "this plan does not know the window, so it counts as closed"}})
		}
	}
	return out
}

// Gates that the plan's steps name, each once.
func (p *Plan) Gates() (out []config.Ref) {
	for _, s := range p.Steps() {
		for _, g := range s.Gates {
			if !slices.Contains(out, g) {
				out = append(out, g)
			}
		}
	}
	return out
}

// watched are the machines that only gates look at: what they can't be asked closes a gate and is no reason not to plan.
// Nothing changes there, so they take no lease.
func watched(rs []providers.Resource) (out []string) {
	needed := map[string]bool{remote.Controller: true}
	for _, r := range rs {
		for _, q := range r.Queries {
			needed[q.Host] = needed[q.Host] || r.Judge == nil
		}
	}
	for _, r := range Gates(rs, nil) {
		for _, q := range r.Queries {
			if !needed[q.Host] && !slices.Contains(out, q.Host) {
				out = append(out, q.Host)
			}
		}
	}
	return out
}

// once leaves out the gate of a release that becomes current after a switch that was judged already.
func (p *Plan) once() {
	steps := map[providers.StepID]*providers.Step{}
	for i := range p.Changes {
		for k := range p.Changes[i].Steps {
			s := &p.Changes[i].Steps[k]
			steps[s.ID] = s
		}
	}
	behind := map[providers.StepID]bool{} // a gated step comes before
	for _, id := range p.Order {
		for _, w := range p.Wait[id] {
			behind[id] = behind[id] || behind[w] || len(steps[w].Gates) > 0
		}
		if s := steps[id]; behind[id] && s.Group != "" && verb(id) == providers.Activate {
			s.Gates, s.Group = nil, ""
		}
	}
}

// Closing is a time in which a gate will be closed, as far as that is known now. Until is zero where no end is.
type Closing struct {
	Ref         config.Ref
	From, Until time.Time
	Why         string
}

// Closings are the next ones of a gate; the first has begun where the gate is closed now.
func Closings(rs []providers.Resource, gate providers.Resource, f remote.Facts, count int) (out []Closing) {
	c := providers.Case{Places: gate.Places, Facts: f, Begin: true, Ahead: expected(rs, gate.Ref, ReadRecords(f))}
	for len(out) < count {
		v := gate.Judge(c)
		if !v.Open {
			out = append(out, Closing{gate.Ref, v.At, v.Until, v.Why})
		}
		if v.Until.IsZero() {
			break
		}
		c.Later += v.Until.Sub(v.At)
	}
	return out
}
