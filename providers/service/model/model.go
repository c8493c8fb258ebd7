// Package model behaves as the scripts of the kind "service" do, without a machine. It is for tests: a simulator is made
// of such models, and this one is held to the scripts by the kind's conformance test. Time passes only when it is told.
package model

import (
	"errors"
	"slices"
)

// ErrCrashed is what Run gives when Crash said so: the script ended there, and nothing was tidied up.
var ErrCrashed = errors.New("the script was killed")

// Points are the moments at which Crash is asked.
func Points() []string {
	return []string{"start prepared", "start started", "stop disabled", "stop stopped", "evict signalled"}
}

// Process is a program of ours.
type Process struct {
	PID                            int
	Start                          int64 // ticks
	Service, Slot, Release, Digest string
	Dir                            string
	Port                           int               // where it listens, once Boot is 0
	Boot                           int               // seconds until it listens
	Env                            map[string]string // what it was started with
	Unit                           bool              // systemd's
	Again                          bool              // what it takes to start it once more was kept
}

func (p *Process) listens() bool { return p.Boot == 0 && p.Port != 0 }

// Stranger is a program that shipctl did not start.
type Stranger struct {
	PID     int
	Start   int64
	Port    int
	Program string
	Unit    string
	Hidden  bool // the user that we are may not see whose the socket is
}

// Unit is a slot's systemd unit.
type Unit struct{ Enabled, Active bool }

// Around is what a program and its machine do by themselves. All of it may be nil.
type Around struct {
	// Boot is how long a program takes until it listens, in seconds; less than 0: it ends at once.
	Boot func(Process) int
	// Answer is what a listener answers to a request for a path; status 0: nothing.
	Answer func(p Process, path string) (status int, body string)
	// Stranger is the same for one that is not ours.
	Stranger func(s Stranger, path string) (status int, body string)
	// Peers are the addresses that are connected to a port, each as often as it is.
	Peers func(port int) []string
	// Exists says whether a release's directory is there.
	Exists func(dir string) bool
	// Before runs a before_start command.
	Before func(name string, command []string) error
	// Stubborn programs ignore the signal that asks them to end.
	Stubborn func(Process) bool
	// Ends is told that a program is about to end.
	Ends func(pid int)
	// Wait lets seconds pass. Whoever gives it calls Pass.
	Wait func(seconds int)
	// Crash says whether the script is killed at the point.
	Crash func(point string) bool
}

// Model is the part of a machine that services are on.
type Model struct {
	Around
	Project   string
	Procs     []*Process
	Strangers []*Stranger
	units     map[string]Unit    // by service/slot
	healthy   map[string]Process // likewise: what a health step found last
	kept      map[string]Process // by service/slot/run: what a stop may have to start again
	pids      int
	clock     int64
}

// New is a machine on which nothing runs.
func New(project string) *Model {
	return &Model{Project: project, units: map[string]Unit{}, healthy: map[string]Process{}, kept: map[string]Process{}, pids: 2000, clock: 100}
}

// Pass lets seconds pass.
func (m *Model) Pass(seconds int) {
	m.clock += int64(seconds) * 100
	for _, p := range m.Procs {
		p.Boot = max(0, p.Boot-seconds)
	}
}

func (m *Model) wait(seconds int) {
	if m.Wait != nil {
		m.Wait(seconds)
		return
	}
	m.Pass(seconds)
}

func (m *Model) crash(point string) bool { return m.Crash != nil && m.Crash(point) }

func (m *Model) process() (pid int, start int64) {
	m.pids++
	m.clock++
	return m.pids, m.clock
}

// Unit is a slot's unit; false where there is none.
func (m *Model) Unit(service, slot string) (Unit, bool) {
	u, ok := m.units[service+"/"+slot]
	return u, ok
}

// Launch starts a program of ours as a deployment that nobody remembers did: it listens at once.
func (m *Model) Launch(p Process) *Process {
	p.PID, p.Start = m.process()
	if p.Unit {
		m.units[p.Service+"/"+p.Slot] = Unit{Enabled: true, Active: true}
	}
	m.Procs = append(m.Procs, &p)
	return &p
}

// Intrude starts a stranger.
func (m *Model) Intrude(s Stranger) *Stranger {
	s.PID, s.Start = m.process()
	m.Strangers = append(m.Strangers, &s)
	return &s
}

// Kill ends a process, as a crash does. systemd starts its own again.
func (m *Model) Kill(pid int) {
	for _, p := range m.Procs {
		if p.PID != pid {
			continue
		}
		again := *p
		m.end(pid)
		if m.units[p.Service+"/"+p.Slot].Active && p.Unit {
			again.PID, again.Start = m.process()
			again.Boot = m.boot(again)
			m.Procs = append(m.Procs, &again)
		}
		return
	}
	m.end(pid)
}

// Reboot ends everything; units that are enabled start again, and strangers with a unit of their own.
func (m *Model) Reboot() {
	procs, strangers := m.Procs, m.Strangers
	for _, p := range procs {
		m.end(p.PID)
	}
	for _, s := range strangers {
		m.end(s.PID)
	}
	for _, p := range procs {
		key := p.Service + "/" + p.Slot
		if u := m.units[key]; p.Unit && u.Enabled {
			m.units[key] = Unit{Enabled: true, Active: true}
			again := *p
			again.PID, again.Start = m.process()
			again.Boot = m.boot(again)
			m.Procs = append(m.Procs, &again)
		} else if p.Unit {
			m.units[key] = Unit{}
		}
	}
	for _, s := range strangers {
		if s.Unit != "" {
			m.Intrude(*s)
		}
	}
}

func (m *Model) boot(p Process) int {
	if m.Around.Boot == nil {
		return 0
	}
	return max(0, m.Around.Boot(p))
}

func (m *Model) end(pid int) {
	if m.Ends != nil {
		m.Ends(pid)
	}
	m.Procs = slices.DeleteFunc(slices.Clone(m.Procs), func(p *Process) bool { return p.PID == pid })
	m.Strangers = slices.DeleteFunc(slices.Clone(m.Strangers), func(s *Stranger) bool { return s.PID == pid })
}

// On is who listens on a port: at most one of the two is not nil.
func (m *Model) On(port int) (*Process, *Stranger) {
	for _, s := range m.Strangers {
		if s.Port == port {
			return nil, s
		}
	}
	for _, p := range m.Procs {
		if p.Port == port && p.listens() {
			return p, nil
		}
	}
	return nil, nil
}

// Request is what a port answers; status 0: nobody listens.
func (m *Model) Request(port int, path string) (status int, body string) {
	p, s := m.On(port)
	switch {
	case p != nil && m.Answer != nil:
		return m.Answer(*p, path)
	case s != nil && m.Stranger != nil:
		return m.Stranger(*s, path)
	case p != nil || s != nil:
		return 200, ""
	}
	return 0, ""
}

// of gives the processes of a slot.
func (m *Model) of(service, slot string) (out []*Process) {
	for _, p := range m.Procs {
		if p.Service == service && p.Slot == slot {
			out = append(out, p)
		}
	}
	return out
}

// exactly is the process with a marker.
func (m *Model) exactly(service, slot, release, digest string) *Process {
	for _, p := range m.of(service, slot) {
		if p.Release == release && p.Digest == digest {
			return p
		}
	}
	return nil
}

// connected counts who is connected to ports.
func (m *Model) connected(ports []int) (out []string) {
	if m.Peers == nil {
		return nil
	}
	for _, p := range ports {
		out = append(out, m.Peers(p)...)
	}
	return out
}

// Disable is an administrator's: a reboot will not bring the slot back.
func (m *Model) Disable(service, slot string) {
	if u, ok := m.units[service+"/"+slot]; ok {
		m.units[service+"/"+slot] = Unit{Active: u.Active}
	}
}
