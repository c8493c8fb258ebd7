package service

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// Seen is what look.sh saw on one machine.
type Seen struct {
	Boot, Hz  int64 // seconds since the epoch; ticks per second
	Procs     []Proc
	Listeners []Listener
	Units     []Unit
	Answers   map[int]Answer // by port
	Edited    []Edit
}

// Edit is how a slot's unit is not as we wrote it. What is "file", "used" where the program may have been started with it,
// or "more" for somebody's file that systemd reads besides.
type Edit struct{ Slot, What, How string }

// Proc is a process with our marker, the topmost one where it has started others.
type Proc struct {
	PID                   int
	Start                 int64 // ticks since boot
	Slot, Release, Digest string
	Dir                   string // where it runs
}

// Listener is a process that listens on one of our ports. Owner is the slot's name, "" for a stranger and "?" where we
// are not permitted to see who it is.
type Listener struct {
	Port, PID            int
	Start                int64
	Owner, Program, Unit string
	Marker               string // of another project: PROJECT/SERVICE/SLOT/RELEASE/DIGEST; anybody can write that
}

// Unit is a slot's systemd unit.
type Unit struct{ Slot, State, Enabled string }

// Answer is what the health path answered just now.
type Answer struct {
	Status int
	Body   string // its beginning
}

func (s Spec) look(host string) remote.Query {
	q := remote.Query{Host: host, Script: "service/look", Args: []string{s.Name}}
	for _, sl := range s.Slots {
		path, header := "-", ""
		if sl.Health.Kind == "http" && !strings.Contains(sl.Health.Path+sl.Health.Host, ReleaseID) {
			path, header = sl.Health.Path, sl.Health.Host
		}
		q.Args = append(q.Args, fmt.Sprintf("%s %d %s %s", sl.Name, sl.Port, path, header))
	}
	return q
}

func facts(ref config.Ref, s Spec) (out []remote.Query) {
	for _, h := range s.Hosts {
		out = append(out, s.look(h.Name), remote.Identity(h.Name))
		if s.RunAs != "" {
			out = append(out, remote.User(h.Name, s.RunAs))
		}
	}
	for _, n := range s.Nginx.Hosts {
		out = append(out, s.route(ref, n).Query())
	}
	if s.Release.Pin == "content" {
		out = append(out, artifact(s))
	}
	return append(out, takeOver(ref), pendingNginx())
}

func takeOver(ref config.Ref) remote.Query { return providers.Consent("take-over", ref.String()) }
func pendingNginx() remote.Query           { return providers.Consent("pending-nginx", "*") }

// artifact asks the controller for the content's digest, as kind release does.
func artifact(s Spec) remote.Query {
	return remote.Query{Host: remote.Controller, Script: "release/artifact", Args: []string{s.Release.From}}
}

// A machine with more of one service than this is not what it says.
const mostLines = 500

// parse reads look.sh's output, which comes from a machine and may be anything.
func parse(text string) (Seen, error) {
	seen := Seen{Answers: map[int]Answer{}}
	for n, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if line == "" {
			continue
		}
		if n >= mostLines {
			return Seen{}, fmt.Errorf("more than %d lines", mostLines)
		}
		f := strings.Split(line, "\t")
		if err := seen.add(f[0], f[1:]); err != nil {
			return Seen{}, fmt.Errorf("line %d of the answer: %w", n+1, err)
		}
	}
	return seen, nil
}

func (s *Seen) add(kind string, f []string) error {
	want := map[string]int{"boot": 2, "proc": 6, "listen": 6, "unit": 3, "edited": 3, "answer": 3}[kind]
	if want == 0 || len(f) != want {
		return fmt.Errorf("%q with %d fields", kind, len(f))
	}
	var bad error
	num := func(i int) int64 {
		v, err := strconv.ParseInt(f[i], 10, 64)
		if (err != nil || v < 0) && bad == nil {
			bad = fmt.Errorf("%q is not a number", f[i])
		}
		return v
	}
	switch kind {
	case "boot":
		s.Boot, s.Hz = num(0), max(num(1), 1)
	case "proc":
		s.Procs = append(s.Procs, Proc{int(num(0)), num(1), f[2], f[3], f[4], f[5]})
	case "listen":
		l := Listener{Port: int(num(0)), PID: int(num(1)), Start: num(2), Owner: dash(f[3]), Program: dash(f[4]), Unit: dash(f[5])}
		if marker, is := strings.CutPrefix(l.Owner, "="); is {
			l.Owner, l.Marker = "", marker
		}
		s.Listeners = append(s.Listeners, l)
	case "unit":
		s.Units = append(s.Units, Unit{f[0], f[1], f[2]})
	case "edited":
		if !slices.Contains([]string{"file", "used", "more"}, f[1]) {
			bad = fmt.Errorf("%q is no kind of edit", f[1])
		}
		s.Edited = append(s.Edited, Edit{f[0], f[1], f[2]})
	case "answer":
		s.Answers[int(num(0))] = Answer{int(num(1)), strings.ReplaceAll(f[2], "\x01", "\n")}
	}
	return bad
}

func dash(s string) string {
	if s == "-" {
		return ""
	}
	return s
}
