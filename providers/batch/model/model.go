// Package model behaves as the scripts of the kind "batch" do, without a machine. It is for tests: a simulator is made of
// such models, and this one is held to the scripts by the kind's conformance test.
package model

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Exit statuses of queries.
const absent = 44

// Model is the part of a machine that launchers are on.
type Model struct {
	// Current is the ID of the release that a root's current leads to, "" for none; nil: there is none.
	Current func(root string) string
	// Runs says whether a job runs; nil: none does.
	Runs  func(root, job string) bool
	roots map[string]*root
}

type root struct {
	files map[string]string // launchers' texts
	wrote map[string]string // "SHA256 USER" of what was written last
	from  map[string]string // release with which the command before is in force
	prev  map[string]kept
	old   map[string]string // the launcher as some step found it, which unwrite puts back
	locks map[string]bool
	held  map[string]map[string]bool // by job: who holds it
}

// kept is a launcher as it was before a step.
type kept struct {
	by                string // run and step
	is                bool
	text, wrote, from string
}

// New is a machine with nothing on it.
func New() *Model { return &Model{roots: map[string]*root{}} }

func (m *Model) at(path string) *root {
	if m.roots[path] == nil {
		m.roots[path] = &root{
			files: map[string]string{}, wrote: map[string]string{}, from: map[string]string{}, prev: map[string]kept{}, held: map[string]map[string]bool{},
			old: map[string]string{}, locks: map[string]bool{},
		}
	}
	return m.roots[path]
}

func (m *Model) current(path string) string {
	if m.Current == nil {
		return ""
	}
	return m.Current(path)
}

// File is what somebody made of a launcher by hand; an empty text removes it.
func (m *Model) File(path, job, text string) {
	r := m.at(path)
	if text == "" {
		delete(r.files, job)
		return
	}
	r.files[job] = text
}

// Held says whether a job may not start.
func (m *Model) Held(path, job string) bool {
	return m.roots[path] != nil && len(m.roots[path].held[job]) > 0
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Ask answers a query with what the script prints and its exit status.
func (m *Model) Ask(script string, args []string) (text string, status int) {
	var b strings.Builder
	switch script {
	case "batch/look":
		for _, name := range args[1:] {
			if m.Runs != nil && m.Runs(args[0], name) {
				fmt.Fprintf(&b, "job %s running 0 0 -\n", name)
			} else {
				fmt.Fprintf(&b, "job %s idle\n", name)
			}
		}
		return b.String() + "now 0\n", 0
	case "batch/files":
	default:
		return "no such script: " + script, 1
	}
	r := m.roots[args[0]]
	if r == nil {
		return "", absent
	}
	fmt.Fprintf(&b, "current %s\n", orDash(m.current(args[0])))
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		fmt.Fprintf(&b, "file %s %s x %s\n", name, digest(r.files[name]), owner(r.files[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(r.wrote)) {
		fmt.Fprintf(&b, "wrote %s %s\n", name, r.wrote[name])
		if from := r.from[name]; from != "" {
			fmt.Fprintf(&b, "pending %s %s\n", name, from)
		}
	}
	left := func(name string) {
		if _, is := r.files[name]; !is {
			fmt.Fprintf(&b, "left %s %s\n", name, owner(r.old[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.locks)) {
		left(name)
	}
	for _, name := range slices.Sorted(maps.Keys(r.prev)) {
		if !r.locks[name] {
			left(name)
		}
	}
	return b.String(), 0
}

// owner is what a launcher's second line says.
func owner(text string) string {
	if lines := strings.SplitN(text, "\n", 3); len(lines) > 2 && strings.HasPrefix(lines[1], "# shipctl ") {
		return strings.TrimPrefix(lines[1], "# shipctl ")
	}
	return "-"
}

// Run runs a changing script. By is the run and its step.
func (m *Model) Run(script string, args []string, by, input string) (out string, err error) {
	switch script {
	case "batch/write":
		return "", m.write(args, by, input, false)
	case "batch/unwrite":
		m.unwrite(args, by)
		return "", nil
	case "batch/tidy":
		m.tidy(args[0], args[1:])
		return "", nil
	case "batch/hold":
		return "", m.hold(args, by)
	case "batch/unhold":
		for _, name := range args[1:] {
			delete(m.at(args[0]).held[name], by)
		}
		return "", nil
	}
	return "", fmt.Errorf("no such script: %s", script)
}

// Half runs a changing script which dies before it has done what it is for, with as much done as possible.
func (m *Model) Half(script string, args []string, by, input string) (string, error) {
	switch script {
	case "batch/write":
		if err := m.write(args, by, input, true); err != nil {
			return "", err
		}
	case "batch/tidy":
		m.tidy(args[0], args[1:max(1, len(args)-1)])
	}
	return "", errors.New("died before the end")
}

func (m *Model) hold(args []string, by string) error {
	if m.roots[args[0]] == nil {
		return nil
	}
	names, only := args[3:], slices.Index(args, "--")
	for _, name := range names {
		if name == "--" {
			break
		}
		if m.Runs != nil && m.Runs(args[0], name) {
			return fmt.Errorf("still running: %s", name)
		}
	}
	if only >= 0 {
		names = slices.Concat(args[3:only], args[only+1:])
	}
	for _, name := range names {
		r := m.at(args[0])
		if r.held[name] == nil {
			r.held[name] = map[string]bool{}
		}
		r.held[name][by] = true
	}
	return nil
}

// write places all launchers, or all but the last one.
func (m *Model) write(args []string, by, input string, half bool) error {
	path, user, when := args[0], args[1], args[2]
	r := m.at(path)
	lines := strings.SplitAfter(input, "\n")
	for args = args[3:]; len(args) >= 5; args = args[5:] {
		if half && len(args) < 10 {
			return nil
		}
		name, sha := args[0], args[1]
		r.save(name, by)
		if sha == "-" {
			delete(r.files, name)
			delete(r.wrote, name)
			delete(r.from, name)
			continue
		}
		r.before(name, sha, when, m.current(path))
		from, _ := strconv.Atoi(args[2])
		to, _ := strconv.Atoi(args[3])
		if from < 1 || to > len(lines) {
			return errors.New("the input is too short")
		}
		r.locks[name] = true
		r.files[name], r.wrote[name] = strings.Join(lines[from-1:to], ""), sha+" "+orDash(user)
	}
	return nil
}

// tidy forgets jobs that have no launcher; of one that runs the lock stays.
func (m *Model) tidy(path string, names []string) {
	r := m.roots[path]
	if r == nil {
		return
	}
	for _, name := range names {
		if _, is := r.files[name]; is {
			continue
		}
		for _, of := range []map[string]string{r.wrote, r.from, r.old} {
			delete(of, name)
		}
		delete(r.prev, name)
		delete(r.held, name)
		delete(r.locks, name)
		if m.Runs != nil && m.Runs(path, name) {
			r.locks[name] = true
		}
	}
	if len(r.files)+len(r.locks)+len(r.prev) == 0 {
		delete(m.roots, path)
	}
}

func (r *root) save(name, by string) {
	if r.prev[name].by == by {
		return
	}
	text, is := r.files[name]
	r.prev[name] = kept{by, is, text, r.wrote[name], r.from[name]}
	delete(r.old, name)
	if is {
		r.old[name] = text
	}
}

// before keeps what is in force until another release is current.
func (r *root) before(name, sha, when, current string) {
	text := r.files[name]
	switch {
	case when == "later" && current != "" && r.from[name] == current:
	case when == "later" && current != "" && digest(text) != sha && strings.Contains(text, "\n# end of the command\n"):
		r.from[name] = current
	default:
		delete(r.from, name)
	}
}

func (m *Model) unwrite(args []string, by string) {
	r := m.roots[args[0]]
	if r == nil {
		return
	}
	put := func(to map[string]string, name, value string) {
		delete(to, name)
		if value != "" {
			to[name] = value
		}
	}
	for args = args[1:]; len(args) >= 3; args = args[3:] {
		name, wrote, before := args[0], args[1], args[2]
		p := r.prev[name]
		if p.by != by {
			continue
		}
		delete(r.prev, name)
		now := "-"
		if text, is := r.files[name]; is {
			now = digest(text)
		}
		if now != before && now != wrote {
			delete(r.from, name)
			continue
		}
		if now != before && before != "-" {
			delete(r.old, name)
		}
		put(r.files, name, p.text)
		put(r.wrote, name, p.wrote)
		put(r.from, name, p.from)
	}
}
