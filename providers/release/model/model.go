// Package model behaves as the scripts of the kind "release" do, without a machine. It is for tests: a simulator is made
// of such models, and this one is held to the scripts by the kind's conformance test.
package model

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Exit statuses of queries.
const absent = 44

// Model is the part of a machine that releases are on.
type Model struct {
	// Unprivileged: the scripts do not run as root, so nobody can say what is in use.
	Unprivileged bool
	// Busy says whether a process or a link uses a release's directory; nil: none does.
	Busy  func(dir string) bool
	roots map[string]*root
}

type root struct {
	releases map[string]bool   // IDs with a directory
	records  map[string]record // by ID
	history  []string          // activations, oldest first
	due      []string          // "ID NAME" of the commands that are to run after an activation
	ready    map[string]bool   // uploads, by SHA-256
	prune    bool              // due since an activation
	kind     string            // of current
	target   string
}

type record struct {
	sha, form, name string
	seq             int
}

// New is a machine with nothing on it.
func New() *Model { return &Model{roots: map[string]*root{}} }

// Clone is a machine of its own in the same state.
func (m *Model) Clone() *Model {
	out := &Model{Unprivileged: m.Unprivileged, Busy: m.Busy, roots: map[string]*root{}}
	for name, r := range m.roots {
		c := *r
		c.releases, c.records, c.ready = maps.Clone(r.releases), maps.Clone(r.records), maps.Clone(r.ready)
		c.history, c.due = slices.Clone(r.history), slices.Clone(r.due)
		out.roots[name] = &c
	}
	return out
}

func (m *Model) at(path string) *root {
	if m.roots[path] == nil {
		m.roots[path] = &root{releases: map[string]bool{}, records: map[string]record{}, ready: map[string]bool{}, kind: "none"}
	}
	return m.roots[path]
}

// Current is what somebody made of <root>/current by hand: none, link, directory or file.
func (m *Model) Current(path, kind, target string) { r := m.at(path); r.kind, r.target = kind, target }

// Directory is a directory <root>/releases/<id> that somebody made by hand.
func (m *Model) Directory(path, id string) { m.at(path).releases[id] = true }

// Published says whether a release is there.
func (m *Model) Published(path, id string) bool {
	r := m.roots[path]
	return r != nil && r.releases[id]
}

// CurrentID is the release that <root>/current leads to, "" where it leads to none.
func (m *Model) CurrentID(path string) string {
	r := m.roots[path]
	if r == nil || r.kind != "link" {
		return ""
	}
	if id, ok := strings.CutPrefix(r.target, path+"/releases/"); ok && r.releases[id] {
		return id
	}
	return ""
}

// Ask answers a query with what the script prints and its exit status.
func (m *Model) Ask(script string, args []string) (text string, status int) {
	if script != "release/look" || len(args) != 2 {
		return "no such script: " + script, 1
	}
	r := m.roots[args[0]]
	if r == nil {
		return "", absent
	}
	var b strings.Builder
	fmt.Fprintf(&b, "root %s\ncurrent %s", args[0], r.kind)
	if r.kind == "link" {
		b.WriteString(" " + r.target)
	}
	b.WriteString("\n")
	for _, id := range slices.Sorted(maps.Keys(r.releases)) {
		if rec, ok := r.records[id]; ok {
			fmt.Fprintf(&b, "release %s %s %d %s %s\n", id, rec.sha, rec.seq, rec.form, rec.name)
		} else {
			fmt.Fprintf(&b, "release %s - - - -\n", id)
		}
	}
	for _, id := range r.history {
		fmt.Fprintf(&b, "activated %s\n", id)
	}
	for _, line := range r.due {
		fmt.Fprintf(&b, "due %s\n", line)
	}
	if r.prune {
		b.WriteString("prune due\n")
	}
	for _, sha := range slices.Sorted(maps.Keys(r.ready)) {
		fmt.Fprintf(&b, "ready %s\n", sha)
	}
	return b.String(), 0
}

// Run runs a changing script. payloadSHA is the SHA-256 of what arrives on its standard input; one that differs from
// what is expected stands for a broken upload too.
func (m *Model) Run(script string, args []string, _, payloadSHA string) (out string, err error) {
	return m.step(script, args, payloadSHA, false)
}

// Half runs a changing script which dies before it has done what it is for, with as much done as possible.
func (m *Model) Half(script string, args []string, _, payloadSHA string) (out string, err error) {
	return m.step(script, args, payloadSHA, true)
}

func (m *Model) step(script string, args []string, payloadSHA string, half bool) (string, error) {
	steps := map[string]func() (string, error){
		"release/upload":     func() (string, error) { return m.upload(args, payloadSHA, half) },
		"release/publish":    func() (string, error) { return m.publish(args, half) },
		"release/activate":   func() (string, error) { return "", m.activate(args, half) },
		"release/deactivate": func() (string, error) { return m.deactivate(args, half) },
		"release/prune":      func() (string, error) { return m.prune(args, half) },
		"release/link":       func() (string, error) { return m.link(args, half) },
		"release/hook":       func() (string, error) { return m.hook(args, half) },
	}
	if steps[script] == nil {
		return "", fmt.Errorf("no such script: %s", script)
	}
	return steps[script]()
}

func (r *root) same(id, sha string) (done bool, err error) {
	if !r.releases[id] {
		return false, nil
	}
	if rec, ok := r.records[id]; !ok || rec.sha != sha {
		return false, fmt.Errorf("release %s is there with other content", id)
	}
	return true, nil
}

func (m *Model) upload(args []string, payloadSHA string, half bool) (string, error) {
	id, sha := args[2], args[3]
	r := m.at(args[0])
	if done, err := r.same(id, sha); done || err != nil {
		return "release " + id + " is published already", err
	}
	if r.ready[sha] {
		return "already there", nil
	}
	clear(r.ready)
	if half || payloadSHA != sha {
		return "", errors.New("the upload broke off")
	}
	r.ready[sha] = true
	return "", nil
}

func (m *Model) link(args []string, half bool) (string, error) {
	sha, from := args[2], args[3]
	r := m.roots[args[0]]
	switch {
	case r == nil || len(r.releases) == 0 && len(r.ready) == 0:
		return "", errors.New("could not enter")
	case r.ready[sha]:
		return "", nil
	case !r.releases[from] || r.records[from].sha != sha || r.records[from].name != args[4]:
		return "", errors.New("it is not there any more")
	}
	clear(r.ready)
	if half {
		return "", errors.New("died before the rename")
	}
	r.ready[sha] = true
	return "", nil
}

func (m *Model) publish(args []string, half bool) (string, error) {
	id, sha := args[2], args[3]
	r := m.roots[args[0]]
	if r == nil {
		return "", errors.New("could not enter the release root")
	}
	if done, err := r.same(id, sha); done || err != nil {
		if done {
			delete(r.ready, sha)
		}
		return "release " + id + " is published already", err
	}
	if !r.ready[sha] {
		return "", errors.New("the upload was removed")
	}
	seq := 1
	for _, rec := range r.records {
		seq = max(seq, rec.seq+1)
	}
	r.records[id] = record{sha: sha, seq: seq, form: args[4], name: args[5]}
	if half {
		return "", errors.New("died before the rename")
	}
	r.releases[id] = true
	delete(r.ready, sha)
	return "", nil
}

func (r *root) last() string {
	if len(r.history) == 0 {
		return ""
	}
	return r.history[len(r.history)-1]
}

func (m *Model) activate(args []string, half bool) error {
	id := args[2]
	r := m.roots[args[0]]
	if r == nil || !r.releases[id] {
		return fmt.Errorf("release %s is not on this machine", id)
	}
	was := path.Base(r.target)
	if _, ours := r.records[was]; ours && r.kind == "link" && was != r.last() && was != id {
		r.remember(was) // an undoing died half way, or somebody moved the link
	}
	if r.last() != id {
		r.remember(id)
	}
	r.due = nil
	for _, name := range args[3:] {
		r.due = append(r.due, id+" "+name)
	}
	r.prune = true
	if r.kind != "none" && r.kind != "link" {
		return errors.New("current is not a symbolic link")
	}
	if half {
		return errors.New("died before the switch")
	}
	r.kind, r.target = "link", args[0]+"/releases/"+id
	return nil
}

func (m *Model) deactivate(args []string, half bool) (string, error) {
	id := args[2]
	r := m.roots[args[0]]
	if r == nil {
		return "", nil
	}
	r.prune = false
	if n := len(r.history); n > 0 && r.history[n-1] == id {
		r.history = r.history[:n-1]
	}
	if half {
		return "", errors.New("died before the switch")
	}
	target := ""
	if len(args) > 3 {
		target = args[3]
	}
	switch {
	case r.kind == "link" && r.target == args[0]+"/releases/"+id:
		r.kind, r.target = "none", ""
		if target != "" {
			r.kind, r.target = "link", target
		}
	case r.target != target:
		return "current does not point to release " + id + ": left as it is", nil
	}
	if r.kind == "link" && r.releases[strings.TrimPrefix(r.target, args[0]+"/releases/")] && len(args) > 4 {
		if err := again(args[4:]); err != nil {
			return "", err
		}
	}
	r.due = nil
	return "", nil
}

// again runs commands as a deactivation does.
func again(args []string) (err error) {
	for len(args) > 4 {
		n, _ := strconv.Atoi(args[3])
		err = errors.Join(err, command(args[4:4+n]))
		args = args[4+n:]
	}
	return err
}

// command is what comes of one: "false" fails.
func command(words []string) error {
	if words[0] == "false" {
		return errors.New("failed with exit status 1")
	}
	return nil
}

// remember appends to the history what is activated now; of each release that is still here its last time stays.
func (r *root) remember(id string) {
	var known, keep []string
	for _, x := range r.history {
		if _, ok := r.records[x]; ok {
			known = append(known, x)
		}
	}
	for i, x := range known {
		if i > len(known)-50 || !slices.Contains(known[i+1:], x) {
			keep = append(keep, x)
		}
	}
	r.history = append(keep, id)
}

func (m *Model) hook(args []string, half bool) (string, error) {
	id, when, name := args[2], args[3], args[4]
	r := m.roots[args[0]]
	if r == nil || !r.releases[id] {
		return "", fmt.Errorf("release %s is not on this machine", id)
	}
	if err := command(args[7:]); err != nil {
		return "", err
	}
	if half {
		return "", errors.New("died before it was noted")
	}
	if when == "after" {
		r.due = slices.DeleteFunc(r.due, func(line string) bool { return line == id+" "+name })
	}
	return "", nil
}

func (m *Model) prune(args []string, half bool) (string, error) {
	r := m.roots[args[0]]
	all := len(args) > 2 && args[2] == "-all"
	if r == nil || len(r.releases) == 0 && !all {
		return "", nil
	}
	if m.Unprivileged && all {
		return "", errors.New("nothing removed")
	}
	if m.Unprivileged {
		r.prune = false
		return "nothing removed", nil
	}
	dir := args[0] + "/releases/"
	live := ""
	if r.kind == "link" {
		live = strings.TrimPrefix(r.target, dir)
	}
	previous := ""
	for _, id := range r.history {
		if id != live {
			previous = id
		}
	}
	var out []string
	ids := args[2:]
	if all {
		ids = slices.Sorted(maps.Keys(r.records))
	}
	for _, id := range ids {
		switch {
		case !r.releases[id] && all:
			delete(r.records, id)
		case !r.releases[id]:
		case !all && (id == live || id == previous) || (m.Busy != nil && m.Busy(dir+id)):
			out = append(out, "kept "+id)
		default:
			delete(r.releases, id)
			if id == live {
				r.kind, r.target = "none", ""
			}
			if half {
				return "", errors.New("died before the removal")
			}
			delete(r.records, id)
			out = append(out, "removed "+id)
		}
	}
	if all {
		m.forget(args[0])
	}
	r.prune = false
	return strings.Join(out, "\n"), nil
}

// forget is the end of a removal of everything, where nothing was kept.
func (m *Model) forget(path string) {
	r := m.roots[path]
	if len(r.records) > 0 {
		return
	}
	r.history, r.due = nil, nil
	clear(r.ready)
	if dir := path + "/releases/"; r.kind == "link" && strings.HasPrefix(r.target, dir) && !r.releases[strings.TrimPrefix(r.target, dir)] {
		r.kind, r.target = "none", ""
	}
	if len(r.releases) == 0 && r.kind == "none" {
		delete(m.roots, path)
	}
}
