package service

import (
	"slices"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers/remote"
)

// record fills in the release that the machines run, or are to run.
func record(ref config.Ref, s Spec, f remote.Facts) (Spec, string) {
	l, id := observe(ref, s, f), ""
	for i, h := range active(s.Hosts) {
		here := l.hosts[h.Name].id
		if here == "" || i > 0 && here != id {
			return s, ""
		}
		id = here
	}
	if id == "" {
		return s, ""
	}
	s.Release.Pin, s.Release.ID, s.Release.From = "version", id, ""
	s.Slots = slices.Clone(s.Slots)
	for i := range s.Slots {
		s.Slots[i] = s.Slots[i].with(id) // the same whether the version was given or is what is live
	}
	return s, id
}

// rollback is now with the release of then, and all that ran with it: command, environment, slots and health checks.
// Machines, routes, windows and the rollout stay as they are; what a slot's answer through nginx is, is its own.
func rollback(now, then Spec) Spec {
	if !slices.ContainsFunc(now.Slots, func(sl Slot) bool { return sl.Verify != "" }) { // the same for all now
		then.Slots = slices.Clone(then.Slots)
		for i := range then.Slots {
			then.Slots[i].Verify = ""
		}
	}
	now.Release.Pin, now.Release.ID = then.Release.Pin, then.Release.ID
	now.Slots, now.RunAs, now.Runner, now.Unit, now.Before = then.Slots, then.RunAs, then.Runner, then.Unit, then.Before
	if now.recreates() || then.recreates() { // of what must never run twice then or now, one is enough
		now.Strategy, now.Previous, now.Slots = recreate, "stopped", then.Slots[:1]
	}
	return now
}
