package model

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Run obeys a changing script: what it prints, or why it failed. input is its $INPUT.
func (m *Model) Run(script string, args []string, run, input string) (out string, err error) {
	want := map[string]int{"service/start": 14, "service/health": 17, "service/confirm": 6, "service/stop": 9, "service/revive": 3, "service/evict": 9, "service/before": 4}[script]
	if want == 0 || len(args) < want {
		return "", fmt.Errorf("%s with %d arguments", script, len(args))
	}
	switch script {
	case "service/start":
		return m.start(args, input)
	case "service/health":
		return m.health(args)
	case "service/confirm":
		return m.confirm(args)
	case "service/stop":
		return m.stop(args, run)
	case "service/revive":
		return m.revive(args, run)
	case "service/evict":
		return m.evict(args)
	}
	if m.Before == nil {
		return "", nil
	}
	return "", m.Before(args[0], args[4:])
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

func (m *Model) start(a []string, input string) (string, error) {
	return m.begin(Process{Service: a[0], Slot: a[1], Port: number(a[2]), Release: a[3], Digest: a[4], Dir: a[5], Unit: a[7] == "systemd", Env: environment(input), Again: a[13] != ""})
}

func (m *Model) begin(p Process) (string, error) {
	if m.Exists != nil && !m.Exists(p.Dir) {
		return "", fmt.Errorf("release %s is not on this machine: %s is missing", p.Release, p.Dir)
	}
	key := p.Service + "/" + p.Slot
	there := m.exactly(p.Service, p.Slot, p.Release, p.Digest)
	if there != nil && (!p.Unit || m.units[key].Enabled) {
		return fmt.Sprintf("already runs (pid %d)\n", there.PID), nil
	}
	if ours, stranger := m.On(p.Port); stranger != nil {
		return "", fmt.Errorf("port %d is taken by pid %d: %s. Nothing was started and nothing was stopped", p.Port, stranger.PID, stranger.Program)
	} else if ours != nil && ours != there {
		return "", fmt.Errorf("port %d is taken by pid %d. Nothing was started and nothing was stopped", p.Port, ours.PID)
	}
	delete(m.healthy, key)
	active := m.units[key].Active
	if p.Unit {
		m.units[key] = Unit{Enabled: true, Active: active}
	}
	if m.crash("start prepared") {
		return "", ErrCrashed
	}
	if !p.Unit || !active {
		if err := m.spawn(p); err != nil {
			return "", err
		}
	}
	if m.crash("start started") {
		return "", ErrCrashed
	}
	if there = m.exactly(p.Service, p.Slot, p.Release, p.Digest); there == nil {
		return "", errors.New("the unit was started, and no process of it is there")
	}
	return fmt.Sprintf("pid %d\n", there.PID), nil
}

func environment(input string) map[string]string {
	env := map[string]string{}
	for line := range strings.Lines(input) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			env[name] = value
		}
	}
	return env
}

func (m *Model) spawn(p Process) error {
	p.PID, p.Start = m.process()
	if m.Around.Boot != nil {
		if p.Boot = m.Around.Boot(p); p.Boot < 0 {
			return errors.New("the program ended at once")
		}
	}
	if p.Unit {
		m.units[p.Service+"/"+p.Slot] = Unit{Enabled: true, Active: true}
	}
	m.Procs = append(m.Procs, &p)
	return nil
}

// health waits a second at a time. A second in which the deadline falls is counted whole.
func (m *Model) health(a []string) (string, error) {
	port, deadline, stay := number(a[2]), (number(a[8])+999)/1000, (number(a[9])+999)/1000
	healthy := 0
	for waited := 0; ; waited++ {
		p, why := m.try(a, port)
		switch {
		case why != "":
			healthy = 0
		case healthy >= stay:
			m.healthy[a[0]+"/"+a[1]] = *p
			return fmt.Sprintf("healthy after %d ms (pid %d)\n", waited*1000, p.PID), nil
		default:
			healthy++
		}
		if waited >= deadline {
			return "", fmt.Errorf("%s (release %s) was not healthy within %d s: %s", a[1], a[3], deadline, why)
		}
		if m.exactly(a[0], a[1], a[3], a[4]) == nil && a[5] != "systemd" {
			return "", fmt.Errorf("%s (release %s) ended before it was healthy: %s", a[1], a[3], why)
		}
		m.wait(1)
	}
}

// confirm: what was healthy is what listens.
func (m *Model) confirm(a []string) (string, error) {
	was, ok := m.healthy[a[0]+"/"+a[1]]
	now, _ := m.On(number(a[2]))
	switch {
	case !ok || was.Release != a[3] || was.Digest != a[4]:
		return "", fmt.Errorf("nothing says which process of %s was healthy", a[1])
	case !slices.ContainsFunc(m.Procs, func(p *Process) bool { return p.PID == was.PID && p.Start == was.Start }):
		return "", fmt.Errorf("%s (release %s) ended after it was healthy: pid %d is gone", a[1], a[3], was.PID)
	case now == nil || now.PID != was.PID:
		return "", fmt.Errorf("%s (release %s) does not serve any more", a[1], a[3])
	}
	return fmt.Sprintf("still pid %d\n", was.PID), nil
}

func (m *Model) try(a []string, port int) (p *Process, why string) {
	p, stranger := m.On(port)
	switch {
	case stranger != nil:
		return nil, fmt.Sprintf("port %d is answered by pid %d, which is not release %s of slot %s", port, stranger.PID, a[3], a[1])
	case p == nil:
		return nil, fmt.Sprintf("nobody listens on port %d", port)
	case p != m.exactly(a[0], a[1], a[3], a[4]):
		return nil, fmt.Sprintf("port %d is answered by pid %d, which is not release %s of slot %s, but %s/%s", port, p.PID, a[3], a[1], p.Slot, p.Release)
	case a[10] != "http":
		return p, ""
	}
	status, body := m.Request(port, a[11])
	fits := a[14] == "" || slices.ContainsFunc(strings.Split(body, "\n"), regexp.MustCompilePOSIX(a[14]).MatchString)
	if !slices.Contains(strings.Fields(a[13]), strconv.Itoa(status)) || !fits {
		return nil, fmt.Sprintf("GET %s: %d %s", a[11], status, body)
	}
	return p, ""
}

// leave waits until nobody is connected to the ports. Whoever is after that is cut off, or the reason not to stop.
func (m *Model) leave(who string, ports []int, wait int, cut bool, may string) (string, error) {
	for ; wait > 0 && len(m.connected(ports)) > 0; wait-- {
		m.wait(1)
	}
	left := m.connected(ports)
	others := slices.DeleteFunc(slices.Clone(left), func(a string) bool { return slices.Contains(strings.Fields(may), a) })
	switch {
	case len(others) > 0 && !cut:
		return "", fmt.Errorf("%s still has connections: %s. It was not stopped", who, strings.Join(others, ", "))
	case len(left) == 1:
		return "cut off 1 connection\n", nil
	case len(left) > 0:
		return fmt.Sprintf("cut off %d connections\n", len(left)), nil
	}
	return "", nil
}

func (m *Model) stop(a []string, run string) (string, error) {
	service, name, key := a[0], a[1], a[0]+"/"+a[1]
	procs := m.of(service, name)
	_, unit := m.units[key]
	if len(procs) == 0 && !unit {
		if _, stranger := m.On(number(a[7])); stranger != nil && a[5] != "cut" {
			return "", fmt.Errorf("nothing with the marker of %s runs, and port %s is held by pid %d: %s", name, a[7], stranger.PID, stranger.Program)
		}
		return "nothing runs there\n", nil
	}
	ports := []int{number(a[7])}
	if len(procs) > 0 {
		ports = nil
	}
	for _, p := range procs {
		if p.listens() {
			ports = append(ports, p.Port)
		}
	}
	out, err := m.leave(name, ports, number(a[4]), a[5] == "cut", a[6])
	if err != nil {
		return "", err
	}
	if _, kept := m.kept[key+"/"+run]; a[8] != "" && !kept {
		maps.DeleteFunc(m.kept, func(k string, _ Process) bool { return strings.HasPrefix(k, key+"/") }) // of earlier runs
		if len(procs) > 0 {
			m.kept[key+"/"+run] = *procs[0]
		}
	}
	if unit {
		m.units[key] = Unit{Active: m.units[key].Active}
		if m.crash("stop disabled") {
			return "", ErrCrashed
		}
	}
	for _, p := range procs {
		out += m.finish(p, number(a[3]))
	}
	if unit {
		m.units[key] = Unit{}
	}
	if m.crash("stop stopped") {
		return "", ErrCrashed
	}
	delete(m.units, key)
	delete(m.healthy, key)
	return out + "stopped\n", nil
}

// revive starts again what the run has stopped.
func (m *Model) revive(a []string, run string) (string, error) {
	p, ok := m.kept[a[0]+"/"+a[1]+"/"+run]
	switch {
	case !ok:
		return "nothing was stopped\n", nil
	case !p.Again:
		return "", fmt.Errorf("%s was started without strategy = recreate", a[1])
	}
	out, err := m.begin(p)
	if err != nil {
		return "", err
	}
	for range number(a[2]) {
		if now, _ := m.On(p.Port); now != nil {
			break
		}
		m.wait(1)
	}
	return out, nil
}

// finish ends a process; one that ignores the signal after the grace.
func (m *Model) finish(p *Process, grace int) (out string) {
	if m.Stubborn != nil && m.Stubborn(*p) {
		m.wait(grace)
		out = fmt.Sprintf("did not end within %d s: killed\n", grace)
	}
	m.end(p.PID)
	return out
}

func (m *Model) evict(a []string) (string, error) {
	i := slices.IndexFunc(m.Strangers, func(s *Stranger) bool { return s.PID == number(a[0]) && fmt.Sprint(s.Start) == a[1] })
	if i < 0 {
		return "is gone already\n", nil
	}
	out, err := m.leave("pid "+a[0], []int{number(a[2])}, number(a[5]), a[6] == "cut", a[7])
	if err != nil {
		return "", err
	}
	m.end(number(a[0]))
	if m.crash("evict signalled") {
		return "", ErrCrashed
	}
	return out + "stopped\n", nil
}
