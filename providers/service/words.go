package service

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// before is what status shows and what a plan's steps rest on.
type before struct {
	Live  string            `json:"live,omitempty"`
	Slots map[string]slotIs `json:"slots,omitempty"`
	Held  map[string]string `json:"held,omitempty"` // port → stranger
	Nginx *nginxIs          `json:"nginx,omitempty"`
}

type slotIs struct {
	PID     int    `json:"pid"`
	Start   int64  `json:"start"`
	Release string `json:"release"`
	Digest  string `json:"settings"`
	Dir     string `json:"directory"`
	Healthy bool   `json:"healthy"`
	Unit    string `json:"unit,omitempty"`
}

type nginxIs struct {
	Up     bool     `json:"up"`
	Master int      `json:"master,omitempty"`
	File   []string `json:"file"`
	Loaded []string `json:"loaded"` // null: not known
}

type after struct {
	Live    string   `json:"live,omitempty"`
	Release string   `json:"release,omitempty"`
	Digest  string   `json:"settings,omitempty"`
	Routes  []string `json:"routes,omitempty"`
}

// inWords fills in what people and policies read.
func (b *builder) inWords(f remote.Facts) {
	head := b.headline(f)
	for _, h := range b.order {
		c := b.changes[h]
		c.Headline = head
		c.Before, c.After = providers.JSON(b.was(h)), providers.JSON(b.willBe(h))
	}
}

func (b *builder) was(h string) before {
	out := before{}
	if l := b.live.hosts[h]; l != nil && l.why == "" {
		out.Slots, out.Held = map[string]slotIs{}, map[string]string{}
		for _, p := range l.seen.Procs {
			out.Slots[p.Slot] = slotIs{p.PID, p.Start, p.Release, p.Digest, p.Dir, b.healthyNow(h, p.Slot), l.unit(p.Slot)}
		}
		for _, u := range l.seen.Units {
			if _, runs := out.Slots[u.Slot]; !runs {
				out.Slots[u.Slot] = slotIs{Unit: u.State + " " + u.Enabled}
			}
		}
		for _, li := range l.seen.Listeners {
			if li.Owner == "" || li.Owner == "?" {
				out.Held[itoa(li.Port)] = li.String()
			}
		}
		out.Live = b.liveSlot(h)
	}
	if r := b.live.routes[h]; r != nil && r.why == "" {
		n := &nginxIs{Up: r.nginx.Up, File: r.file}
		if r.nginx.Master != nil {
			n.Master = r.nginx.Master.PID
		}
		if r.known {
			n.Loaded = append([]string{}, r.loaded...)
		}
		out.Nginx = n
	}
	return out
}

func (h *hostLive) unit(slot string) string {
	for _, u := range h.seen.Units {
		if u.Slot == slot {
			return u.State + " " + u.Enabled
		}
	}
	return ""
}

func (b *builder) healthyNow(h, slot string) bool {
	i := slices.IndexFunc(b.spec.Slots, func(s Slot) bool { return s.Name == slot })
	return i >= 0 && b.live.hosts[h].healthy(b.spec.Slots[i].with(b.live.hosts[h].id))
}

// liveSlot is the slot that nginx sends requests to; "" where there is none, or more than one.
func (b *builder) liveSlot(h string) string {
	var live []string
	if len(b.spec.Nginx.Hosts) == 0 { // nobody routes to it
		live = b.live.hosts[h].present()
	}
	for _, li := range b.live.hosts[h].seen.Listeners {
		if li.Owner != "" && li.Owner != "?" && b.live.routed(b.spec, h, li.Port) > 0 && !slices.Contains(live, li.Owner) {
			live = append(live, li.Owner)
		}
	}
	if len(live) != 1 {
		return ""
	}
	return live[0]
}

func (b *builder) willBe(h string) after {
	var a after
	if t, ok := b.target[h]; ok {
		id := b.live.hosts[h].id
		a.Live, a.Release, a.Digest = t.Name, id, b.spec.digest(t, id)
	}
	if b.live.routes[h] != nil && len(b.target) > 0 {
		a.Routes = b.addrs(h, b.target)
	}
	return a
}

// headline says what becomes of the service: 41 → 42.
func (b *builder) headline(f remote.Facts) string {
	was, is := map[string]bool{}, map[string]bool{}
	for _, h := range b.spec.Hosts {
		l := b.live.hosts[h.Name]
		if r, _ := b.live.liveRelease(b.spec, h.Name); l.why != "" {
			was["?"] = true
		} else if r != "" {
			was[r] = true
		}
		if l.id != "" && !h.Retired {
			is[l.id] = true
		}
	}
	from, to := keys(was), keys(is)
	switch {
	case from == to:
		return to
	case from == "":
		return b.downline(to, f)
	}
	return from + " → " + to
}

// downline is the headline where nothing of the service runs: what current leads to, or a unit that is there, shows that
// something did.
func (b *builder) downline(to string, f remote.Facts) string {
	const down = " (does not run)"
	last, units := map[string]bool{}, false
	for _, h := range b.spec.Hosts {
		if id := b.spec.current(h.Name, f); id != "" {
			last[id] = true
		}
		units = units || len(b.live.hosts[h.Name].seen.Units) > 0
	}
	switch from := keys(last); {
	case from != "" && from != to:
		return from + down + " → " + to
	case from != "" || units:
		return to + down
	}
	return to + ", for the first time"
}

func keys(m map[string]bool) string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// nowLine is the left side of a machine's line.
func (b *builder) nowLine(h string) string {
	l := b.live.hosts[h]
	slot := b.liveSlot(h)
	for _, p := range l.seen.Procs {
		if p.Slot == slot {
			return fmt.Sprintf("live %s :%d (pid %d, release %s)", slot, b.live.portNow(b.spec, h, slot), p.PID, p.Release)
		}
	}
	for _, e := range b.evict {
		if e.host == h {
			return fmt.Sprintf("live :%d (pid %d, %s)", e.who.Port, e.who.PID, e.who.Program)
		}
	}
	return ""
}

// leaving names what is stopped where nothing takes its place: what is live, or else all that is there.
func (b *builder) leaving(h string) string {
	if now := b.nowLine(h); now != "" {
		return now
	}
	l := b.live.hosts[h]
	var each []string
	for _, name := range l.present() {
		i := slices.IndexFunc(l.seen.Procs, func(p Proc) bool { return p.Slot == name })
		if i < 0 {
			each = append(each, "what is left of "+name)
		} else {
			each = append(each, fmt.Sprintf("%s (%s)", name, l.seen.Procs[i]))
		}
	}
	return strings.Join(each, ", ")
}

// keptLine is the line of a machine where nothing is started, while some nginx moves.
func (b *builder) keptLine(h string) string {
	l, t := b.live.hosts[h], b.target[h]
	line, stays := fmt.Sprintf("%s :%d", t.Name, t.Port), b.liveSlot(h) == t.Name
	var notes, stopped []string
	if stays {
		line = "stays on " + line
	} else {
		notes = append(notes, fmt.Sprintf("runs release %s already", l.id))
		if now := b.nowLine(h); now != "" {
			line = now + "  →  " + line
		}
	}
	for _, name := range l.present() {
		if !b.stays(b.spec.host(h), name) {
			stopped = append(stopped, name)
		}
	}
	switch len(stopped) {
	case 0:
	case 1:
		notes = append(notes, stopped[0]+" is stopped afterwards")
	default:
		notes = append(notes, strings.Join(stopped, ", ")+" are stopped afterwards")
	}
	if len(notes) > 0 {
		line += " (" + strings.Join(notes, "; ") + ")"
	}
	return line
}

// label names the slots that traffic goes to: "green", or "app-1 blue, app-2 green".
func (b *builder) label(to map[string]Slot) string {
	var each []string
	same := true
	first := ""
	for _, h := range active(b.spec.Hosts) {
		t := to[h.Name].Name
		if first == "" {
			first = t
		}
		same = same && t == first
		each = append(each, h.Name+" "+t)
	}
	if same {
		return first
	}
	return strings.Join(each, ", ")
}
