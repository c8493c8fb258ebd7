package service

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

type hostValue = config.HostValue

// retire stops, after every nginx has moved and drained, what is not to run any more.
func (b *builder) retire(drained []providers.StepID) {
	after := append(b.release(providers.Activate), drained...)
	for _, h := range b.spec.Hosts {
		for _, name := range b.live.hosts[h.Name].present() {
			if !b.stays(h, name) {
				b.stop(h.Name, name, "stop", "stop", after, true)
			}
		}
	}
	for _, e := range b.evict {
		if !b.spec.recreates() { // there it had to make room first
			b.stopStranger(e, after)
		}
	}
}

// retires says that something is going to be stopped.
func (b *builder) retires() bool {
	return len(b.evict) > 0 || slices.ContainsFunc(b.spec.Hosts, func(h hostValue) bool {
		return slices.ContainsFunc(b.live.hosts[h.Name].present(), func(name string) bool { return !b.stays(h, name) })
	})
}

// present are the names of the slots of ours that have a process or a unit.
func (h *hostLive) present() (out []string) {
	add := func(name string) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, p := range h.seen.Procs {
		add(p.Slot)
	}
	for _, u := range h.seen.Units {
		add(u.Slot)
	}
	return out
}

// has says that a process of ours runs in a slot.
func (h *hostLive) has(slot string) bool {
	return slices.ContainsFunc(h.seen.Procs, func(p Proc) bool { return p.Slot == slot })
}

// stays says that a slot is left as it is: it serves, it was cleared already, or it waits for a rollback.
func (b *builder) stays(h hostValue, name string) bool {
	if h.Retired {
		return false
	}
	if name == b.target[h.Name].Name || b.planned(h.Name, "clear-"+name) || b.planned(h.Name, "stop-"+name) {
		return true
	}
	if b.live.hosts[h.Name].edited(name) == "used" { // nobody knows as what it runs: no rollback leads there
		return false
	}
	configured := slices.ContainsFunc(b.spec.Slots, func(s Slot) bool { return s.Name == name })
	return configured && b.spec.Previous == "running"
}

// units are written again where somebody changed them, without a restart: the programs in them were started with what we
// wrote. What was started with something else is replaced, as what is not wanted any more; where nothing runs that is
// wanted, what is left is cleared away. A file that somebody put beside a unit is theirs.
func (b *builder) units() {
	for _, h := range b.spec.Hosts {
		for _, e := range b.live.hosts[h.Name].seen.Edited {
			target := b.target[h.Name].Name == e.Slot
			switch {
			case b.planned(h.Name, "clear-"+e.Slot), b.planned(h.Name, "stop-"+e.Slot), target && b.planned(h.Name, "start"):
			case !target && e.What != "more" && !b.live.hosts[h.Name].has(e.Slot):
				b.changes[h.Name].lines = append(b.changes[h.Name].lines, "nothing runs in "+e.Slot+", whose unit was changed by hand: what is left is cleared away")
				b.add(providers.Step{
					ID: b.id(h.Name, "stop-"+e.Slot), Host: h.Name, Title: "clear away what is left of " + e.Slot, Final: true,
					Do: b.stopCall(h.Name, e.Slot, false), Limit: b.stopLimit(),
				}, providers.Update)
			case !b.stays(h, e.Slot):
			case e.What == "more":
				b.warn(h.Name, "the unit of %s is not all that systemd goes by: %s. It was left as it is", e.Slot, e.How)
			default:
				b.changes[h.Name].lines = append(b.changes[h.Name].lines, "the unit of "+e.Slot+" was changed by hand: it is written again, and nothing is restarted")
				b.add(providers.Step{
					ID: b.id(h.Name, "unit-"+e.Slot), Host: h.Name, Title: "write the unit of " + e.Slot + " again",
					Do: remote.Call{Script: "service/unit", Args: []string{b.spec.Name, e.Slot}}, Limit: time.Minute,
				}, providers.Update)
			}
		}
	}
}

func (b *builder) planned(h, verb string) bool {
	return slices.ContainsFunc(b.changes[h].Steps, func(s providers.Step) bool { return s.ID == b.id(h, verb) })
}

func (b *builder) stop(h, slot, verb, title string, after []providers.StepID, final bool) providers.StepID {
	l := b.live.hosts[h]
	for _, p := range l.seen.Procs {
		if p.Slot == slot {
			title = fmt.Sprintf("%s %s (pid %d)", title, slot, p.PID)
			break
		}
	}
	if !strings.Contains(title, slot) {
		title += " " + slot
	}
	s := providers.Step{
		ID: b.id(h, verb+"-"+slot), Host: h, Title: title, After: after, Do: b.stopCall(h, slot, b.spec.Stop.Disconnect),
		Gates: b.spec.Windows, Limit: b.stopLimit(), Final: final,
	}
	if final {
		s.Before = b.release(providers.Prune)
	}
	action := providers.Update
	if b.spec.host(h).Retired {
		action = providers.Delete
		b.changes[h].lines = append(b.changes[h].lines, b.leaving(h)+"  →  taken out")
	} else if len(b.changes[h].lines) == 0 {
		b.changes[h].lines = append(b.changes[h].lines, title)
	}
	return b.add(s, action)
}

// stopCall stops a slot: undo may cut off whoever is connected, since every nginx was put back before.
func (b *builder) stopCall(h, slot string, cut bool) remote.Call {
	mode := "keep"
	if cut {
		mode = "cut"
	}
	return remote.Call{Script: "service/stop", Args: []string{
		b.spec.Name, slot, b.spec.Stop.Signal, seconds(b.spec.Stop.Grace), seconds(b.spec.Nginx.Drain), mode,
		strings.Join(b.ownPeers(h), " "), itoa(b.portOf(slot)), "",
	}}
}

func seconds(d time.Duration) string { return itoa(int((d + time.Second - 1) / time.Second)) }

func (b *builder) portOf(slot string) int {
	for _, s := range b.spec.Slots {
		if s.Name == slot {
			return s.Port
		}
	}
	return b.spec.Slots[0].Port
}

func (b *builder) stopLimit() time.Duration {
	return b.spec.Stop.Grace + b.spec.Nginx.Drain + time.Minute
}

// ownPeers are the addresses from which our nginx machines, which were drained, may still be connected.
func (b *builder) ownPeers(h string) (out []string) {
	for _, n := range b.spec.Nginx.Hosts {
		if n.Name == h {
			out = append(out, "127.0.0.1")
		}
		for _, a := range []string{n.PrivateAddress, n.Address} {
			if ip, err := netip.ParseAddr(a); err == nil && !slices.Contains(out, ip.String()) {
				out = append(out, ip.String())
			}
		}
	}
	return out
}

func (b *builder) stopStranger(e eviction, after []providers.StepID) providers.StepID {
	mode := "keep"
	if b.spec.Stop.Disconnect {
		mode = "cut"
	}
	verb := "evict-" + itoa(e.who.Port)
	if b.planned(e.host, verb) { // several programs may share a port
		verb += "-" + itoa(e.who.PID)
	}
	return b.add(providers.Step{
		ID: b.id(e.host, verb), Host: e.host, Title: fmt.Sprintf("stop %s, which is taken over", e.who), After: after,
		Before: b.release(providers.Prune), Final: true, Gates: b.spec.Windows, Limit: b.stopLimit(),
		Do: remote.Call{Script: "service/evict", Args: []string{
			itoa(e.who.PID), fmt.Sprint(e.who.Start), itoa(e.who.Port), b.spec.Stop.Signal, seconds(b.spec.Stop.Grace), seconds(b.spec.Nginx.Drain),
			mode, strings.Join(b.ownPeers(e.host), " "), e.who.Unit,
		}},
	}, providers.Update)
}
