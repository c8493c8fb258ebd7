package service

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// steps lays the way: gather if both slots are routed to, bring up, move every nginx, retire.
func (b *builder) steps() {
	if b.spec.recreates() {
		b.recreate()
		return
	}
	var ready []providers.StepID
	if b.gather != nil {
		to := b.gatherTo()
		ready = b.reroute(to, "gather-", nil)
		b.predict(to)
	}
	healthy := b.bringUp(ready)
	if b.stuck {
		return
	}
	if b.spec.Previous == "running" && len(b.spec.Windows) > 0 && b.moves() {
		for _, h := range active(b.spec.Hosts) {
			b.warn(h.Name, "previous = \"running\" and a window: jobs that the program schedules by itself would be run by both slots; rollout { strategy = \"recreate\" } never runs two")
		}
	}
	drained := b.reroute(b.target, "", append(slices.Clone(ready), healthy...))
	b.retire(drained)
}

// gatherTo is where each machine's traffic is to be before anything else happens; machines without any are left out, and
// those where nobody answers.
func (b *builder) gatherTo() map[string]Slot {
	to := map[string]Slot{}
	for _, h := range active(b.spec.Hosts) {
		if keep, ok := b.gather[h.Name]; ok {
			to[h.Name] = keep
			continue
		}
		for _, sl := range b.spec.Slots {
			best, has := to[h.Name]
			n := b.live.routed(b.spec, h.Name, sl.Port)
			if n > 0 && b.answers(h.Name, sl.Port) && !b.live.hosts[h.Name].hopeless(sl) && (!has || n > b.live.routed(b.spec, h.Name, best.Port)) {
				to[h.Name] = sl
			}
		}
	}
	return to
}

// answers says that traffic may be gathered on a port: a program of ours listens there, or one to which an nginx is known
// to send already.
func (b *builder) answers(h string, port int) bool {
	return slices.ContainsFunc(b.live.hosts[h].seen.Listeners, func(li Listener) bool {
		return li.Port == port && (li.Owner != "" && li.Owner != "?" || b.live.sends(b.spec, h, port))
	})
}

// predict: what follows starts from the state after gathering, not from what was seen.
func (b *builder) predict(to map[string]Slot) {
	for _, n := range b.spec.Nginx.Hosts {
		r := b.live.routes[n.Name]
		r.file, r.loaded, r.known, r.nginx.Up = b.addrs(n.Name, to), b.addrs(n.Name, to), true, true
	}
}

func (b *builder) id(h, verb string) providers.StepID {
	return providers.Addr{Ref: b.ref, Host: h}.Step(verb)
}

func (b *builder) add(s providers.Step, action string) providers.StepID {
	c := b.changes[s.Host]
	if c.Action == providers.NoOp {
		c.Action = action
	}
	c.Steps = append(c.Steps, s)
	return s.ID
}

// release names a moment of our release on every machine that runs it.
func (b *builder) release(verb string) (out []providers.StepID) {
	for _, h := range b.spec.Hosts {
		out = append(out, providers.Addr{Ref: b.spec.Release.Ref, Host: h.Name}.Step(verb))
	}
	return out
}

// moves says that some nginx has to be switched.
func (b *builder) moves() bool {
	return slices.ContainsFunc(b.spec.Nginx.Hosts, func(n hostValue) bool { return !b.settledRoute(n.Name, b.target) })
}

// bringUp starts what is wanted and does not run, and waits until it is healthy. It returns the last step for each
// machine.
func (b *builder) bringUp(ready []providers.StepID) (healthy []providers.StepID) {
	var toStart []string
	for _, h := range active(b.spec.Hosts) {
		if !b.runsWell(h.Name) {
			toStart = append(toStart, h.Name)
		}
	}
	hooks := b.hooks(toStart, ready)
	moves := b.moves()
	for _, h := range active(b.spec.Hosts) {
		switch {
		case slices.Contains(toStart, h.Name):
			after := b.ready(h.Name, ready, hooks)
			var cleared []providers.StepID
			for _, name := range b.live.hosts[h.Name].inTheWay(b.target[h.Name]) {
				cleared = append(cleared, b.stop(h.Name, name, "clear", "stop what is left in", after, false))
			}
			b.start(h.Name, append(after, cleared...))
			healthy = append(healthy, b.health(h.Name, b.id(h.Name, "start")))
		case moves: // nothing changes here; but nobody is sent to what does not answer
			b.changes[h.Name].lines = append(b.changes[h.Name].lines, b.keptLine(h.Name))
			healthy = append(healthy, b.health(h.Name, ready...))
		}
	}
	return healthy
}

// runsWell says that the target slot needs no start: it serves as wanted, or waits for traffic in good health.
func (b *builder) runsWell(h string) bool {
	l, t := b.live.hosts[h], b.target[h]
	_, ok := l.runs(b.spec, t)
	return ok && (l.healthy(t) || b.live.routed(b.spec, h, t.Port) > 0)
}

// hooks runs before_start commands, in their order, on each machine that starts something or on the first one only.
// Every start waits for all of them.
func (b *builder) hooks(hosts []string, ready []providers.StepID) (all []providers.StepID) {
	for i, hook := range b.spec.Before {
		var these []providers.StepID
		for j, h := range hosts {
			if hook.Once && j > 0 {
				break
			}
			l := b.live.hosts[h]
			t := b.target[h].with(l.id)
			seconds := int(hook.Timeout / time.Second)
			after := append(append(slices.Clone(ready), all...), providers.Addr{Ref: b.spec.Release.Ref, Host: h}.Step(providers.Publish))
			these = append(these, b.add(providers.Step{
				ID: b.id(h, "before-"+hook.Name), Host: h, Title: fmt.Sprintf("run %s (%s)", hook.Name, strings.Join(t.Hooks[i], " ")), After: after,
				Do: remote.Call{
					Script: "service/before", Stdin: environment(t),
					Args: append([]string{hook.Name, b.spec.dir(l.id), b.spec.RunAs, itoa(seconds)}, t.Hooks[i]...),
				},
				Limit: hook.Timeout + 30*time.Second,
			}, providers.Update))
		}
		all = append(all, these...)
	}
	return all
}

// environment is what a program gets: NAME=value a line. Sensitive values are named until the moment they are sent.
func environment(sl Slot) (out []remote.Part) {
	for _, e := range sl.Env {
		out = append(out, remote.Part{Text: e.Name + "="}, e.Value, remote.Part{Text: "\n"})
	}
	return out
}

// ready is what a machine's start waits for.
func (b *builder) ready(h string, ready, hooks []providers.StepID) []providers.StepID {
	after := append(slices.Clone(ready), providers.Addr{Ref: b.spec.Release.Ref, Host: h}.Step(providers.Publish))
	return append(after, hooks...)
}

// start starts the program in its slot, which nobody holds any more after those steps.
func (b *builder) start(h string, after []providers.StepID) {
	l, t := b.live.hosts[h], b.target[h].with(b.live.hosts[h].id)
	action := providers.Update
	if len(l.seen.Procs) == 0 && len(b.evict) == 0 {
		action = providers.Create
	}
	c := b.changes[h]
	line := fmt.Sprintf("%s :%d", t.Name, t.Port)
	if now := b.nowLine(h); now != "" {
		line = now + "  →  " + line
	}
	if slices.ContainsFunc(l.seen.Procs, func(p Proc) bool {
		return p.Slot == b.liveSlot(h) && p.Release == l.id && p.Digest != b.spec.digest(t, l.id)
	}) {
		line += "  (command, environment or settings differ)"
	} else if now := b.liveSlot(h); now != "" && l.edited(now) == "used" {
		line += "  (the unit of " + now + " was changed by hand)"
	}
	c.lines = append(c.lines, line)
	undo := b.stopCall(h, t.Name, true)
	digest := b.spec.digest(t, l.id)
	args := []string{
		b.spec.Name, t.Name, itoa(t.Port), l.id, digest, b.spec.dir(l.id), b.spec.Release.Root, b.spec.Runner,
		b.spec.RunAs, b.spec.Stop.Signal, itoa(int(b.spec.Stop.Grace / time.Second)), execStart(b.spec.dir(l.id), t.Command), b.spec.unitLines(), b.again(),
	}
	b.add(providers.Step{
		ID: b.id(h, "start"), Host: h, Title: fmt.Sprintf("start %s on :%d", t.Name, t.Port), After: after,
		Do:   remote.Call{Script: "service/start", Args: append(args, t.Command...), Stdin: environment(t)},
		Undo: &undo, Limit: 2*time.Minute + b.stopLimit(),
	}, action)
}

// inTheWay are the names of slots of ours, of today's configuration or not, that hold the slot's port or name.
func (h *hostLive) inTheWay(sl Slot) (out []string) {
	add := func(name string) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, p := range h.seen.Procs {
		if p.Slot == sl.Name {
			add(p.Slot)
		}
	}
	for _, li := range h.seen.Listeners {
		if li.Port == sl.Port && li.Owner != "" && li.Owner != "?" {
			add(li.Owner)
		}
	}
	return out
}

func (b *builder) health(h string, after ...providers.StepID) providers.StepID {
	id := b.live.hosts[h].id
	t := b.target[h].with(id)
	he := t.Health
	ms := func(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }
	if _, runs := b.live.hosts[h].runs(b.spec, b.target[h]); runs {
		he.HealthyFor = 0 // it has run since an earlier deployment: one answer now shows that it still can
	}
	seconds := max(1, int((he.Timeout+time.Second-1)/time.Second))
	args := []string{
		b.spec.Name, t.Name, itoa(t.Port), id, b.spec.digest(t, id), b.spec.Runner, ms(he.Interval), itoa(seconds), ms(he.Deadline),
		ms(he.HealthyFor), he.Kind, he.Path, he.Host, join(he.Status), he.Body, b.spec.dir(id), b.spec.RunAs,
	}
	return b.add(providers.Step{
		ID: b.id(h, "health"), Host: h, Title: fmt.Sprintf("wait until %s is healthy (%s at most)", t.Name, short(he.Deadline)), After: after,
		Do: remote.Call{Script: "service/health", Args: append(args, he.Exec...)}, Waits: true, Limit: he.Deadline + he.Timeout + 30*time.Second,
	}, providers.NoOp)
}

// confirm is the last step before the switches: nginx was checked, which takes a while, and what was found healthy before
// must be what answers now.
func (b *builder) confirm(after []providers.StepID) (all []providers.StepID) {
	if len(after) == 0 {
		return nil
	}
	for _, h := range active(b.spec.Hosts) {
		id := b.live.hosts[h.Name].id
		t := b.target[h.Name].with(id)
		all = append(all, b.add(providers.Step{
			ID: b.id(h.Name, "confirm"), Host: h.Name, Title: "confirm that " + t.Name + " still runs", After: append([]providers.StepID{b.id(h.Name, "health")}, after...),
			Do:    remote.Call{Script: "service/confirm", Args: []string{b.spec.Name, t.Name, itoa(t.Port), id, b.spec.digest(t, id), b.spec.Runner}},
			Limit: time.Minute,
		}, providers.NoOp))
	}
	return all
}

func join(ns []int) string {
	s := make([]string, len(ns))
	for i, n := range ns {
		s[i] = itoa(n)
	}
	return strings.Join(s, " ")
}

// short is a duration for people: 100 s, 5 m, 500 ms.
func short(d time.Duration) string {
	switch {
	case d%time.Minute == 0 && d >= 5*time.Minute:
		return fmt.Sprintf("%d m", d/time.Minute)
	case d%time.Second == 0:
		return fmt.Sprintf("%d s", d/time.Second)
	default:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
}

// execStart quotes a command as systemd.service(5) reads it. A program with a slash is relative to the release.
func execStart(dir string, command []string) string {
	out := make([]string, len(command))
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`)
	for i, w := range command {
		if i == 0 && strings.Contains(w, "/") && !path.IsAbs(w) {
			w = path.Join(dir, w)
		}
		out[i] = `"` + quote.Replace(w) + `"`
	}
	return strings.Join(out, " ")
}

func (s Spec) unitLines() string {
	lines := make([]string, len(s.Unit))
	for i, p := range s.Unit {
		lines[i] = p.Name + "=" + p.Value
	}
	return strings.Join(lines, "\n")
}
