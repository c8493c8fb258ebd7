package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/providers/nginx"
)

// Ask answers a query script: what it prints and its exit status.
func (m *Model) Ask(script string, args []string) (text string, status int) {
	c, err := parse(args)
	if script != "nginx/look" || err != nil {
		return fmt.Sprint("no such script: ", script, err), 127
	}
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("boot model")
	if m.Installed {
		say("installed /usr/sbin/nginx")
		say("version nginx/model")
	}
	if text, ok := m.Disk[c.File]; ok {
		say("file present")
		for line := range strings.Lines(text) {
			say("text %s", strings.TrimSuffix(line, "\n"))
		}
	} else {
		say("file absent")
	}
	if m.Installed && m.Up {
		m.lookUp(c, say)
	} else if m.Installed {
		say("pidnote there is no pidfile")
	}
	if m.Installed {
		if m.Included[c.File] {
			say("included nginx.conf:1")
			if m.ByName {
				say("named nginx.conf:1")
			}
			say("used")
		}
		if o := m.Others[c.File]; o != "" && m.Included[c.File] {
			say("other %s", o)
		}
		if why := m.accepted(); why != "" && m.Up {
			say("broken %s", why)
		}
	}
	say("end")
	return b.String(), 0
}

func (m *Model) lookUp(c call, say func(string, ...any)) {
	say("master %d %d", m.Master.PID, m.Master.Start)
	for _, w := range m.Workers {
		say("worker %d %d %s", w.PID, w.Start, map[bool]string{false: "serving", true: "leaving"}[w.Leaving])
	}
	for _, p := range m.Pending {
		say("pending %s", p)
	}
	if m.recorded(c.key) || m.unchanged(c.key) {
		say("known record")
		for _, a := range m.loaded[c.key].addrs {
			say("loaded %s", a)
		}
		return
	}
	_, exists := m.Disk[c.File]
	before := m.changed[c.File]+200 < m.Master.Start
	probe := func() {
		if c.VerifyURL != "" {
			status, body := m.ask(c)
			say("probe %03d", status)
			say("body %s", body)
		}
	}
	switch {
	case m.accepted() == "" && before && exists && len(m.Pending) == 0 && m.edited+200 < m.Master.Start:
		say("known started")
		probe()
	case m.accepted() == "" && before && !exists:
		say("known absent")
	default:
		say("known no")
		say("why the workers are not those of our last verified reload")
		probe()
	}
}

// ask is a request through nginx.
func (m *Model) ask(c call) (status int, body string) {
	for _, w := range m.Workers {
		if w.Leaving {
			continue
		}
		addrs, _ := nginx.Parse(c.Route, w.Loaded[c.File])
		if len(addrs) == 0 {
			return 502, "nobody listens"
		}
		m.pids++
		return m.answer(addrs[m.pids%len(addrs)], 502)
	}
	return 0, "connection refused"
}

func (m *Model) answer(addr string, nobody int) (status int, body string) {
	if m.Answer == nil {
		return nobody, "nobody listens"
	}
	if status, body = m.Answer(addr); status == 0 {
		return nobody, "nobody listens"
	}
	return status, body
}

// recorded: the serving workers are among those of our last verified reload.
func (m *Model) recorded(key string) bool {
	r, ok := m.loaded[key]
	if !ok || !m.Up || r.master != m.Master {
		return false
	}
	now := m.serving()
	return len(now) > 0 && !slices.ContainsFunc(now, func(p nginx.Process) bool { return !slices.Contains(r.workers, p) })
}

// unchanged: every load since our last verified reload has read the same.
func (m *Model) unchanged(key string) bool {
	r, ok := m.loaded[key]
	return ok && m.Up && m.accepted() == "" && r.master == m.Master && r.edited == m.edited && len(m.serving()) > 0
}
