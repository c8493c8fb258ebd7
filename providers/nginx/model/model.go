// Package model is an nginx in memory that answers and obeys the scripts of package nginx: for tests only. The
// conformance test of package nginx holds it to the scripts. It has the requests in flight that a real one would have;
// time passes only when it is told.
package model

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/providers/nginx"
)

// ErrCrashed is what Run gives when Crash said so: the script ended there, and nothing was tidied up.
var ErrCrashed = errors.New("the script was killed")

// Points are the moments at which Crash is asked.
func Points() []string {
	return []string{
		"check placed", "switch kept", "switch written", "switch reloaded", "switch recorded",
		"restore written", "restore reloaded",
	}
}

// Worker is a worker process: what it was started with, and the requests that it has, by address.
type Worker struct {
	nginx.Process
	Leaving  bool
	Loaded   map[string]string // file → content
	Requests map[string]int
}

// Model is one nginx. The exported fields are the machine's state that a test may change between two calls; the zero
// Model is a machine without nginx.
type Model struct {
	Installed bool
	Processes int  // worker_processes
	Up        bool // by Start and Stop
	Disk      map[string]string
	ByName    bool              // servers include it by its name, without a wildcard
	Included  map[string]bool   // file → a server includes it; it must then exist, or the configuration is refused
	Others    map[string]string // file → "file:line" that has the last word instead
	Broken    string            // a syntax error of somebody else's
	Conflict  bool              // a port that another holds: -t passes, a reload does not take
	Pending   []string          // files of others that were changed since the last reload
	Project   string

	// Answer is what listens at an address; status 0 when nobody does. It is shared by clones: set it again.
	Answer func(addr string) (status int, body string) `json:"-"`
	// Crash says whether the script is killed at the point. Wait is called when a drain waits, for that many seconds.
	Crash func(point string) bool `json:"-"`
	Wait  func(seconds int)       `json:"-"`

	Master  nginx.Process
	Workers []*Worker

	read     map[string][]string // addresses by what a file says
	clock    uint64
	edited   uint64 // any file of the configuration
	pended   uint64 // how often files of others came to life
	changed  map[string]uint64
	pids     int
	loaded   map[string]record
	backups  map[string]backup
	draining map[string][]nginx.Process
	checking map[string]backup
}

type saved struct {
	content string
	exists  bool
}

type record struct {
	master  nginx.Process
	workers []nginx.Process
	addrs   []string
	content string
	file    string
	disk    map[string]string // the files of all routes then
	pended  uint64
	edited  uint64 // when the configuration was changed last, as the workers read it
}

type backup struct {
	saved
	down     bool
	was      []string
	workers  []nginx.Process
	record   *record
	reloaded bool
	started  nginx.Process
}

// New is a machine with an nginx that does not run and includes the files.
func New(project string, files ...string) *Model {
	m := &Model{
		Installed: true, Processes: 2, Project: project, pids: 100, clock: 1000,
		Disk: map[string]string{}, Included: map[string]bool{}, Others: map[string]string{}, changed: map[string]uint64{}, read: map[string][]string{},
		loaded: map[string]record{}, backups: map[string]backup{}, draining: map[string][]nginx.Process{}, checking: map[string]backup{},
	}
	for _, f := range files {
		m.Included[f] = true
	}
	return m
}

// Clone is a copy that shares nothing but the three functions.
func (m *Model) Clone() *Model {
	c := *m
	c.read = map[string][]string{}
	c.Disk, c.Included, c.Others, c.changed = maps.Clone(m.Disk), maps.Clone(m.Included), maps.Clone(m.Others), maps.Clone(m.changed)
	c.loaded, c.backups, c.draining, c.checking = maps.Clone(m.loaded), maps.Clone(m.backups), maps.Clone(m.draining), maps.Clone(m.checking)
	c.Pending = slices.Clone(m.Pending)
	c.Workers = nil
	for _, w := range m.Workers {
		c.Workers = append(c.Workers, &Worker{w.Process, w.Leaving, maps.Clone(w.Loaded), maps.Clone(w.Requests)})
	}
	return &c
}

// Pass lets time pass: what was before is clearly before what comes after.
func (m *Model) Pass() { m.clock += 1000 }

func (m *Model) process() nginx.Process {
	m.pids++
	m.clock++
	return nginx.Process{PID: m.pids, Start: m.clock}
}

// Write changes a file by hand.
func (m *Model) Write(file, content string) {
	m.Edit()
	m.Disk[file], m.changed[file] = content, m.clock
}

// Edit is a change of any other file of the configuration.
func (m *Model) Edit() {
	m.clock++
	m.edited = m.clock
}

// Remove removes a file by hand.
func (m *Model) Remove(file string) {
	m.Edit()
	delete(m.Disk, file)
	m.changed[file] = m.clock
}

// accepted is nginx -t.
func (m *Model) accepted() string {
	if m.Broken != "" {
		return m.Broken
	}
	for f, in := range m.Included {
		if _, ok := m.Disk[f]; in && !ok {
			return fmt.Sprintf("[emerg] open() %q failed (2: No such file or directory)", f)
		}
	}
	return ""
}

func (m *Model) spawn(loaded map[string]string) {
	m.Workers = append(m.Workers, &Worker{m.process(), false, loaded, map[string]int{}})
}

func (m *Model) onDisk() map[string]string {
	l := map[string]string{}
	for f, in := range m.Included {
		if in && m.Others[f] == "" { // another's setting leads where we don't know
			l[f] = m.Disk[f]
		}
	}
	return l
}

// Start is an administrator's, or a boot's; it fails as nginx would.
func (m *Model) Start() error {
	if why := m.accepted(); why != "" || m.Conflict {
		return errors.New("nginx does not start: " + why + map[bool]string{true: "bind() failed"}[m.Conflict])
	}
	if m.Up {
		return errors.New("nginx does not start: bind() failed")
	}
	m.Up, m.Master, m.Workers, m.Pending = true, m.process(), nil, nil
	for range m.Processes {
		m.spawn(m.onDisk())
	}
	return nil
}

// Stop ends nginx; requests in flight are lost (how many is returned).
func (m *Model) Stop() (lost int) {
	for _, w := range m.Workers {
		for _, n := range w.Requests {
			lost += n
		}
	}
	m.Up, m.Workers, m.Master = false, nil, nginx.Process{}
	return lost
}

// Reload is anybody's HUP. It says whether it took.
func (m *Model) Reload() bool {
	m.clock++
	if !m.Up || m.accepted() != "" || m.Conflict {
		return false
	}
	if len(m.Pending) > 0 {
		m.pended++
	}
	m.Pending = nil
	for _, w := range m.Workers {
		w.Leaving = true
	}
	for range m.Processes {
		m.spawn(m.onDisk())
	}
	m.reap()
	return true
}

// Respawn kills each serving worker; the master starts others with what it has in memory.
func (m *Model) Respawn() {
	for i, w := range m.Workers {
		if !w.Leaving {
			m.Workers[i] = &Worker{m.process(), false, w.Loaded, map[string]int{}}
		}
	}
}

// reap removes workers that have nothing to finish.
func (m *Model) reap() {
	m.Workers = slices.DeleteFunc(m.Workers, func(w *Worker) bool { return w.Leaving && len(w.Requests) == 0 })
}

// Begin is a new request: the worker that takes it and the address that it goes to, "" when there is none.
func (m *Model) Begin(r nginx.Route) (worker int, addr string) {
	for _, w := range m.Workers {
		if w.Leaving {
			continue
		}
		addrs := m.Parse(r, w.Loaded[r.File])
		if len(addrs) == 0 {
			return w.PID, ""
		}
		m.pids++
		addr = addrs[m.pids%len(addrs)]
		w.Requests[addr]++
		return w.PID, addr
	}
	return 0, ""
}

// End ends a request; it says whether its worker still had it.
func (m *Model) End(worker int, addr string) bool {
	for _, w := range m.Workers {
		if w.PID == worker && w.Requests[addr] > 0 {
			if w.Requests[addr]--; w.Requests[addr] == 0 {
				delete(w.Requests, addr)
			}
			m.reap()
			return true
		}
	}
	return false
}

// Reaches is every address that a request through nginx may be sent to from now on, or is being answered by.
func (m *Model) Reaches(r nginx.Route) (out []string) {
	for _, w := range m.Workers {
		if !w.Leaving {
			out = append(out, m.Parse(r, w.Loaded[r.File])...)
		}
		out = slices.AppendSeq(out, maps.Keys(w.Requests))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Parse is nginx.Parse that remembers what it has read.
func (m *Model) Parse(r nginx.Route, text string) []string {
	key := r.Variable + "\x00" + r.Upstream + "\x00" + text
	addrs, known := m.read[key]
	if !known {
		addrs, _ = nginx.Parse(r, text)
		m.read[key] = addrs
	}
	return addrs
}

func (m *Model) serving() (out []nginx.Process) {
	for _, w := range m.Workers {
		if !w.Leaving {
			out = append(out, w.Process)
		}
	}
	return out
}

func (m *Model) crash(point string) bool { return m.Crash != nil && m.Crash(point) }

// call is a script's arguments.
type call struct {
	nginx.Route
	key  string
	rest []string
}

func parse(args []string) (c call, err error) {
	if len(args) < 11 {
		return c, fmt.Errorf("%d arguments", len(args))
	}
	c.Route = nginx.Route{File: args[0], Owner: args[7], VerifyURL: args[8], VerifyHost: args[9]}
	if args[1] == "variable" {
		c.Variable = args[2]
	} else {
		c.Upstream = args[2]
	}
	c.key, c.rest = args[6], args[11:]
	return c, nil
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
