package service

import (
	"slices"
	"time"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// recreate lays the way for a program of which two must never run at once: on one machine after the other the old one is
// stopped and the new one started in its place. Until the last new one is healthy nothing is final: undoing a stop starts
// the old one again.
func (b *builder) recreate() {
	var starts []string
	for _, h := range active(b.spec.Hosts) {
		if _, ok := b.live.hosts[h.Name].runs(b.spec, b.target[h.Name]); !ok {
			starts = append(starts, h.Name)
		}
	}
	hooks := b.hooks(starts, nil)
	moves := b.moves()
	var healthy, before []providers.StepID
	for _, h := range active(b.spec.Hosts) {
		l, t := b.live.hosts[h.Name], b.target[h.Name]
		if slices.Contains(starts, h.Name) {
			after := b.ready(h.Name, before, hooks)
			b.start(h.Name, append(after, b.makeRoom(h.Name, after)...))
			before = []providers.StepID{b.health(h.Name, b.id(h.Name, "start"))}
			healthy = append(healthy, before...)
		} else if moves || !l.healthy(t.with(l.id)) {
			healthy = append(healthy, b.health(h.Name, before...))
		}
	}
	b.beforeActivation(healthy)
	drained := b.reroute(b.target, "", healthy)
	b.retire(append(drained, healthy...))
}

// makeRoom stops whatever of the program runs on a machine.
func (b *builder) makeRoom(h string, after []providers.StepID) (all []providers.StepID) {
	for _, name := range b.live.hosts[h].present() {
		id := b.stop(h, name, "stop", "stop", after, false)
		s := b.step(h, id)
		s.Do.Args[4] = seconds(max(b.spec.Nginx.Drain, 10*time.Second))
		s.Do.Args[8] = b.again()
		s.Until = b.id(h, "health") // jobs that rely on the program wait until there is one again
		s.Undo = &remote.Call{Script: "service/revive", Args: []string{b.spec.Name, name, "60"}}
		s.Limit += 3 * time.Minute // the old one is started within it
		all = append(all, id)
	}
	b.changes[h].lines = nil // what is started says it all
	for _, e := range b.evict {
		if e.host == h {
			all = append(all, b.stopStranger(e, after))
			b.step(h, all[len(all)-1]).Until = b.id(h, "health")
			b.warn(h, "%s is stopped before the new program is started, and shipctl can't start it again", e.who)
		}
	}
	if len(all) > 0 {
		b.warn(h, "nothing serves from the stop until the new program is healthy (%s at most); if it does not get so, the old one is started again", short(b.target[h].Health.Deadline))
	}
	return all
}

// beforeActivation: a release that did not get healthy is never the current one, and what the old one needs is not removed.
func (b *builder) beforeActivation(healthy []providers.StepID) {
	for _, h := range active(b.spec.Hosts) {
		if id := b.id(h.Name, "health"); slices.Contains(healthy, id) {
			s := b.step(h.Name, id)
			s.Before = append(append(s.Before, b.release(providers.Activate)...), b.release(providers.Prune)...)
		}
	}
}

// step is one that was added.
func (b *builder) step(h string, id providers.StepID) *providers.Step {
	c := b.changes[h]
	return &c.Steps[slices.IndexFunc(c.Steps, func(s providers.Step) bool { return s.ID == id })]
}

// again tells the scripts to keep what it takes to start the program once more.
func (b *builder) again() string {
	if b.spec.recreates() {
		return "again"
	}
	return ""
}
