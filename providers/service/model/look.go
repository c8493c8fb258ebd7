package model

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Ask answers a query script: what it prints and its exit status.
func (m *Model) Ask(script string, args []string) (text string, status int) {
	if script != "service/look" || len(args) < 1 {
		return "no such script: " + script, 127
	}
	l := looking{m: m, name: args[0]}
	l.look(args[1:])
	return l.out.String(), 0
}

type looking struct {
	m    *Model
	name string
	out  strings.Builder
}

func (l *looking) say(parts ...any) {
	s := make([]string, len(parts))
	for i, p := range parts {
		s[i] = fmt.Sprint(p)
	}
	l.out.WriteString(strings.Join(s, "\t") + "\n")
}

// slot is an argument of look: "NAME PORT PATH HOST".
type slot struct {
	name, path string
	port       int
}

func parse(arg string) slot {
	f := strings.SplitN(arg, " ", 4)
	for len(f) < 3 {
		f = append(f, "-")
	}
	port, err := strconv.Atoi(f[1])
	if err != nil {
		port = -1
	}
	return slot{f[0], f[2], port}
}

func (l *looking) look(args []string) {
	l.say("boot", 1700000000, 100)
	ports, known := map[int]bool{}, map[string]bool{}
	for _, p := range l.m.Procs {
		if p.Service != l.name {
			continue
		}
		l.say("proc", p.PID, p.Start, p.Slot, p.Release, p.Digest, p.Dir)
		if p.listens() {
			ports[p.Port] = true
		}
	}
	for _, a := range args {
		ports[parse(a).port], known[parse(a).name] = true, true
	}
	for _, port := range slices.Sorted(maps.Keys(ports)) {
		l.listener(port)
	}
	for _, a := range args {
		l.unit(parse(a).name)
		l.answer(parse(a))
	}
	for _, key := range slices.Sorted(maps.Keys(l.m.units)) {
		if service, name, _ := strings.Cut(key, "/"); service == l.name && !known[name] {
			l.unit(name)
		}
	}
}

func (l *looking) listener(port int) {
	p, s := l.m.On(port)
	switch {
	case p != nil && p.Service == l.name:
		l.say("listen", port, p.PID, p.Start, p.Slot, "-", "-")
	case p != nil:
		l.say("listen", port, p.PID, p.Start, "-", p.Service+" "+p.Slot, "-")
	case s != nil && s.Hidden:
		l.say("listen", port, 0, 0, "?", "-", "-")
	case s != nil:
		unit := s.Unit
		if unit == "" {
			unit = "-"
		}
		l.say("listen", port, s.PID, s.Start, "-", s.Program, unit)
	}
}

func (l *looking) unit(name string) {
	u, ok := l.m.units[l.name+"/"+name]
	if !ok {
		return
	}
	state, enabled := "inactive", "disabled"
	if u.Active {
		state = "active"
	}
	if u.Enabled {
		enabled = "enabled"
	}
	l.say("unit", name, state, enabled)
}

// answer asks a slot's port where a process of the slot runs and somebody listens.
func (l *looking) answer(s slot) {
	if s.path == "-" || len(l.m.of(l.name, s.name)) == 0 {
		return
	}
	if status, body := l.m.Request(s.port, s.path); status != 0 {
		l.say("answer", s.port, status, strings.ReplaceAll(strings.ReplaceAll(body, "\t", " "), "\n", "\x01"))
	}
}
