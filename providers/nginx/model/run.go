package model

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/shipctl/shipctl/providers/nginx"
)

// Run obeys a changing script within a run: what it prints, or why it failed.
func (m *Model) Run(script string, args []string, run string) (out string, err error) {
	c, err := parse(args)
	if err != nil {
		return "", err
	}
	if !m.Installed {
		return "", errors.New("nginx is not installed on this machine")
	}
	if was, ok := m.checking[c.key]; ok { // a check that was killed
		m.put(c.File, was.saved)
		if err := m.unread(c, &was); err != nil {
			return "", err
		}
		delete(m.checking, c.key)
	}
	want := map[string]int{"nginx/check": 5, "nginx/switch": 5, "nginx/restore": 5, "nginx/drain": 1}[script]
	if len(c.rest) != want || want == 0 {
		return "", fmt.Errorf("%s with %d arguments", script, len(args))
	}
	switch script {
	case "nginx/check":
		return "", m.check(c)
	case "nginx/switch":
		return m.swtch(c, run)
	case "nginx/restore":
		return m.restore(c, run)
	}
	old := m.draining[c.key]
	delete(m.draining, c.key)
	return m.drain(old, c.rest[0]), nil
}

// keep is the scripts' save_file with note_before.
func (m *Model) keep(c call) backup {
	content, ok := m.Disk[c.File]
	b := backup{saved: saved{content, ok}, down: !m.Up}
	if m.Up {
		b.workers = m.processes()
		if r, ok := m.loaded[c.key]; ok && m.recorded(c.key) {
			b.was, b.record = r.addrs, &r
		}
	}
	return b
}

// unread: nobody serves what the file was since it was kept; somebody else may have reloaded nginx.
func (m *Model) unread(c call, b *backup) error {
	if !m.Up || !slices.ContainsFunc(m.serving(), func(p nginx.Process) bool { return !slices.Contains(b.workers, p) }) {
		return nil
	}
	if !m.reload(c) {
		return errors.New("somebody reloaded nginx meanwhile, and nginx did not take the reload")
	}
	b.workers = m.processes()
	if b.record != nil {
		m.record(c)
	}
	return nil
}

func (m *Model) put(file string, s saved) {
	switch {
	case !s.exists:
		m.Remove(file)
	case m.Disk[file] != s.content:
		m.Write(file, s.content)
	}
}

func (m *Model) content(c call, addrs []string) (string, error) {
	c.Project = m.Project
	return nginx.Content(c.Route, addrs)
}

// fine is the scripts' accepted: nginx takes it, our file is included and has the last word.
func (m *Model) fine(file string) error {
	if why := m.accepted(); why != "" {
		return errors.New("nginx does not accept its configuration: " + why)
	}
	if !m.Included[file] {
		return errors.New("nobody includes " + file)
	}
	if o := m.Others[file]; o != "" {
		return errors.New(file + " would not have the last word: " + o)
	}
	return nil
}

func fits(status int, body, statuses, re string) bool {
	if statuses != "" && !slices.Contains(strings.Fields(statuses), fmt.Sprintf("%03d", status)) {
		return false
	}
	if statuses == "" && (status < 100 || status > 501) {
		return false
	}
	return re == "" || slices.ContainsFunc(strings.Split(body, "\n"), regexp.MustCompilePOSIX(re).MatchString)
}

func (m *Model) check(c call) error {
	for _, a := range list(c.rest[0]) {
		status, body := m.answer(a, 0)
		if status == 0 || c.rest[1] != "" && !fits(status, body, c.rest[3], c.rest[4]) {
			return fmt.Errorf("from this machine, http://%s%s gave status %03d, %q", a, c.rest[1], status, body)
		}
	}
	text, err := m.content(c, list(c.rest[0]))
	if err != nil {
		return err
	}
	if m.Disk[c.File] == text {
		return m.fine(c.File)
	}
	was := m.keep(c)
	m.checking[c.key] = was
	m.Write(c.File, text)
	if m.crash("check placed") {
		return ErrCrashed
	}
	err = m.fine(c.File)
	m.put(c.File, was.saved)
	if again := m.unread(c, &was); again != nil {
		return errors.Join(err, again)
	}
	delete(m.checking, c.key)
	return err
}

func (m *Model) verify(c call, statuses, re string) error {
	if c.VerifyURL == "" {
		return nil
	}
	if status, body := m.ask(c); !fits(status, body, statuses, re) {
		return fmt.Errorf("through nginx, %s gave status %03d, %q; expected %s %s", c.VerifyURL, status, body, statuses, re)
	}
	return nil
}

func (m *Model) record(c call) {
	addrs, _ := nginx.Parse(c.Route, m.Disk[c.File])
	if len(addrs) == 0 {
		delete(m.loaded, c.key)
		return
	}
	m.loaded[c.key] = record{m.Master, m.serving(), addrs, m.Disk[c.File], c.File, maps.Clone(m.Disk), m.pended, m.edited}
}

// reload is a reload of ours: the records of other routes are good for the new workers where nothing but our file is
// different from what it was for them.
func (m *Model) reload(c call) bool {
	if !m.Reload() {
		return false
	}
	for key, r := range m.loaded {
		now, then := maps.Clone(m.Disk), maps.Clone(r.disk)
		delete(now, c.File)
		delete(then, c.File)
		if key != c.key && r.master == m.Master && m.Included[r.file] && m.Others[r.file] == "" && r.pended == m.pended && maps.Equal(now, then) {
			r.workers, r.edited, r.disk = m.serving(), m.edited, maps.Clone(m.Disk)
			m.loaded[key] = r
		}
	}
	return true
}

func (m *Model) swtch(c call, run string) (string, error) {
	addrs, statuses, re, tag, was := list(c.rest[0]), c.rest[1], c.rest[2], c.rest[3], list(c.rest[4])
	text, err := m.content(c, addrs)
	if err != nil {
		return "", err
	}
	if r := m.loaded[c.key]; m.Disk[c.File] == text && m.recorded(c.key) && slices.Equal(r.addrs, addrs) && r.content == text {
		return "was done already\n", m.verify(c, statuses, re)
	}
	for _, a := range addrs {
		if status, _ := m.answer(a, 0); status == 0 {
			return "", fmt.Errorf("%s can't be reached from this machine any more", a)
		}
	}
	at := c.key + " " + run + " " + tag
	if _, ok := m.backups[at]; !ok {
		m.backups[at] = m.keep(c)
	}
	if m.crash("switch kept") {
		return "", ErrCrashed
	}
	out, old, err := m.move(c, at, text, statuses, re)
	if errors.Is(err, ErrCrashed) {
		return "", err
	}
	if err != nil {
		if backErr := m.putBack(c, at, was); backErr != nil {
			return "", fmt.Errorf("%w\nAND nginx could not be put back: %w", err, backErr)
		}
		return "", fmt.Errorf("%w\n%s is as it was, and nginx serves it", err, c.File)
	}
	m.record(c)
	m.draining[c.key] = old
	if m.crash("switch recorded") {
		return "", ErrCrashed
	}
	return out, nil
}

// move writes, reloads (or starts nginx) and verifies.
func (m *Model) move(c call, at, text, statuses, re string) (out string, old []nginx.Process, err error) {
	if m.Disk[c.File] != text {
		m.Write(c.File, text)
	}
	if m.crash("switch written") {
		return "", nil, ErrCrashed
	}
	if err := m.fine(c.File); err != nil {
		return "", nil, err
	}
	b := m.backups[at]
	if m.Up {
		b.reloaded = true
		m.backups[at] = b
		old = m.processes()
		if !m.reload(c) {
			return "", nil, errors.New("nginx did not take the reload")
		}
	} else {
		if err := m.Start(); err != nil {
			return "", nil, err
		}
		b.started = m.Master
		m.backups[at] = b
		out = "nginx was not running; it is started\n"
	}
	if m.crash("switch reloaded") {
		return "", nil, ErrCrashed
	}
	return out, old, m.verify(c, statuses, re)
}

func (m *Model) processes() (out []nginx.Process) {
	for _, w := range m.Workers {
		out = append(out, w.Process)
	}
	return out
}

func (m *Model) putBack(c call, at string, was []string) error {
	b := m.backups[at]
	if len(was) == 0 {
		was = b.was
	}
	if found, _ := nginx.Parse(c.Route, b.content); len(was) > 0 && !slices.Equal(found, was) {
		text, err := m.content(c, was)
		if err != nil {
			return err
		}
		m.Write(c.File, text)
	} else {
		m.put(c.File, b.saved)
	}
	if m.crash("restore written") {
		return ErrCrashed
	}
	if b.down {
		if m.Up && b.started == m.Master {
			m.Stop()
		}
		delete(m.loaded, c.key)
		return nil
	}
	if !b.reloaded {
		err := m.unread(c, &b)
		m.backups[at] = b
		return err
	}
	if !m.Up {
		return errors.New("nginx is not running any more")
	}
	if !m.reload(c) {
		if slices.ContainsFunc(m.serving(), func(p nginx.Process) bool { return !slices.Contains(b.workers, p) }) {
			return errors.New("nginx did not take the reload")
		}
		if b.record != nil {
			m.loaded[c.key] = *b.record
		}
		return nil
	}
	b.workers = m.processes()
	m.backups[at] = b
	m.record(c)
	return nil
}

func (m *Model) restore(c call, run string) (string, error) {
	was, statuses, re, tag := list(c.rest[0]), c.rest[1], c.rest[2], c.rest[3]
	at := c.key + " " + run + " " + tag
	if _, ok := m.backups[at]; !ok {
		return "nothing was changed\n", nil
	}
	if err := m.putBack(c, at, was); err != nil {
		return "", err
	}
	if m.crash("restore reloaded") {
		return "", ErrCrashed
	}
	if !m.Up {
		return "", nil
	}
	bad := m.verify(c, statuses, re)
	out := m.drain(nil, c.rest[4])
	if bad != nil && statuses+re != "" {
		return "", bad
	}
	b := m.backups[at]
	b.reloaded = false
	m.backups[at] = b
	delete(m.draining, c.key)
	return out, nil
}

// drain waits for the workers that leave, and for others that were recorded.
func (m *Model) drain(old []nginx.Process, seconds string) string {
	left := func() (n int) {
		for _, w := range m.Workers {
			if w.Leaving || slices.Contains(old, w.Process) {
				n++
			}
		}
		return n
	}
	m.reap()
	if s, err := strconv.Atoi(seconds); err == nil && left() > 0 && m.Wait != nil {
		m.Wait(s)
		m.reap()
	}
	switch n := left(); n {
	case 0:
		return "nothing was cut off\n"
	case 1:
		return fmt.Sprintf("1 worker of nginx still had requests after %s s\n", seconds)
	default:
		return fmt.Sprintf("%d workers of nginx still had requests after %s s\n", n, seconds)
	}
}
