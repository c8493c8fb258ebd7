package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"

	nginxmodel "github.com/shipctl/shipctl/providers/nginx/model"
	"github.com/shipctl/shipctl/providers/remote"
	servicemodel "github.com/shipctl/shipctl/providers/service/model"
)

// machine is a controller's connection to a host.
type machine struct {
	c *Controller
	h *Host
}

const identity = "machine %s\nboot %d\nuid 0\nhas flock\nhas setsid\nhas setpriv\nhas tar\nhas gzip\nhas curl\nhas bash\nhas timeout\n" +
	"has systemctl\nhas journalctl\nhas sha256sum\nhas systemd\n"

// Ask implements remote.Machine.
func (m *machine) Ask(_ context.Context, qs []remote.Query) ([]remote.Answer, error) {
	m.c.w.mu.Lock()
	defer m.c.w.mu.Unlock()
	if err := m.c.reachable(m.h); err != nil {
		return nil, err
	}
	out := make([]remote.Answer, len(qs))
	for i, q := range qs {
		out[i] = m.answer(q)
	}
	return out, nil
}

func (m *machine) answer(q remote.Query) remote.Answer {
	var text string
	var status int
	switch kind, _, _ := strings.Cut(q.Script, "/"); kind {
	case "remote":
		text = fmt.Sprintf(identity, m.h.Name, m.h.boot)
		switch q.Script {
		case "remote/identity":
		case "remote/user":
			text = ""
		default:
			text, status = "", 44 // no run is written down here
		}
	case "release":
		text, status = m.h.Release.Ask(q.Script, q.Args)
	case "service":
		text, status = m.h.Service.Ask(q.Script, q.Args)
	case "nginx":
		text, status = m.h.Nginx.Ask(q.Script, q.Args)
	case "batch":
		text, status = m.h.Batch.Ask(q.Script, q.Args)
	default:
		text, status = "nobody answers "+q.Script, 127
	}
	switch status {
	case 0:
		return remote.Answer{Sight: remote.Seen, Text: text}
	case 43:
		return remote.Answer{Sight: remote.Denied, Why: text}
	case 44:
		return remote.Answer{Sight: remote.Absent, Why: text}
	}
	return remote.Answer{Sight: remote.Unreachable, Why: text}
}

// Run implements remote.Machine. A step takes a second before and after its effect.
func (m *machine) Run(_ context.Context, t remote.Ticket, c remote.Call) ([]byte, error) {
	w := m.c.w
	if c.Script == "remote/interrupt" {
		return nil, nil // it comes too late, as it may: what waits ends by itself
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := m.c.reachable(m.h); err != nil {
		return nil, err
	}
	if c.Script == "remote/lease" {
		return m.lease(t, c)
	}
	f := m.c.fault(t, c)
	if Undoes(t, c) {
		w.load.undone = true
		if c.Script == "service/stop" {
			w.load.unstarted(m.h, c.Args[7]) // its port
		}
	}
	w.ran = append(w.ran, t.Step+" ("+c.Script+")")
	if f.Kind != "" {
		w.note("  %s meets %s", m.c.name, f)
	}
	if err := m.before(c, f); err != nil {
		return nil, err
	}
	if err := m.enter(t, c, stepLimit); err != nil {
		return nil, err
	}
	out, err := m.act(t, c, f)
	m.h.changer = nil
	m.after(f)
	switch {
	case errors.Is(err, nginxmodel.ErrCrashed) || errors.Is(err, servicemodel.ErrCrashed) || f.half() && err != nil:
		return nil, errors.New("the script was killed, and nobody knows how far it got")
	case f.lost():
		return nil, errLost
	case err == nil && f.Kind == FailAfter:
		return nil, &remote.ScriptError{Script: c.Script, Status: 1, Output: "injected, after all was done"}
	case err != nil:
		return nil, &remote.ScriptError{Script: c.Script, Status: 1, Output: err.Error()}
	}
	return []byte(out), nil
}

// stepLimit is how long a step waits for the step lock, in seconds.
const stepLimit = 60

// act is the script, from taking the step lock to its end.
func (m *machine) act(t remote.Ticket, c remote.Call, f Fault) (string, error) {
	w := m.c.w
	w.pass(1)
	if f.Kind == Slow || f.Kind == SlowKill {
		w.pass(f.Seconds)
	}
	if f.half() && f.Point == "" { // it has no points of its own
		return "", errors.New("killed")
	}
	out, err := m.do(t, c, f)
	w.pass(1)
	return out, err
}

func (m *machine) do(t remote.Ticket, c remote.Call, f Fault) (out string, err error) {
	point := c.Script + ": " + f.Point
	if f.Point != "" {
		if _, known := m.c.w.points[point]; !known {
			m.c.w.points[point] = false
		}
	}
	crash := func(at string) bool {
		if f.Point == "" || f.Point != at {
			return false
		}
		m.c.w.points[point] = true
		if f.Kind.isEvent() {
			m.c.w.event(f)
			return f.Kind == Rebooted && f.Host == m.h.Name
		}
		return f.half()
	}
	if f.half() && f.Point == "half" { // told from the outside
		m.c.w.points[point] = true
	}
	m.h.Nginx.Crash, m.h.Service.Crash = crash, crash
	switch kind, _, _ := strings.Cut(c.Script, "/"); kind {
	case "release":
		if f.half() {
			return m.h.Release.Half(c.Script, c.Args, t.Run, c.FileSHA256)
		}
		return m.h.Release.Run(c.Script, c.Args, t.Run, c.FileSHA256)
	case "batch":
		if f.half() {
			return m.h.Batch.Half(c.Script, c.Args, t.Run+" "+t.Step, input(c))
		}
		return m.h.Batch.Run(c.Script, c.Args, t.Run+" "+t.Step, input(c))
	case "service":
		return m.h.Service.Run(c.Script, c.Args, t.Run, input(c))
	case "nginx":
		return m.h.Nginx.Run(c.Script, c.Args, t.Run)
	}
	return "", fmt.Errorf("no such script: %s", c.Script)
}

func input(c remote.Call) string {
	var b strings.Builder
	for _, p := range c.Stdin {
		b.WriteString(p.Text)
		if p.Var != "" {
			b.WriteString("secret")
		}
	}
	return b.String()
}

// Close implements remote.Machine.
func (m *machine) Close() error { return nil }
