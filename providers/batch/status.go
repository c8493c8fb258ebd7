package batch

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// seen is what look.sh saw of one job.
type seen struct {
	known   bool
	why     string // unknown, because
	running []run
	last    []run // oldest first
}

// run is one run of a job. The zero time is not known; status is -1 where nobody saw the end.
type run struct {
	start, end time.Time
	pid        int
	status     int
	release    string
}

// parseLook reads look.sh's output, which comes from a machine and may be anything.
func parseLook(text string) (map[string]*seen, error) {
	out := map[string]*seen{}
	at := func(name string) *seen {
		if out[name] == nil {
			out[name] = &seen{}
		}
		return out[name]
	}
	for n, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		f := strings.Fields(line)
		switch {
		case n >= mostLines:
			return nil, fmt.Errorf("more than %d lines", mostLines)
		case len(f) == 2 && f[0] == "now":
		case len(f) == 3 && f[0] == "job" && f[2] == "idle":
			at(f[1]).known = true
		case len(f) == 6 && f[0] == "job" && f[2] == "running":
			s := at(f[1])
			s.known = true
			s.running = append(s.running, run{start: seconds(f[3]), pid: number(f[4]), release: release(f[5])})
		case len(f) > 2 && f[0] == "job" && f[2] == "unknown":
			at(f[1]).why = strings.Join(f[3:], " ")
		case len(f) == 6 && f[0] == "run":
			r := run{start: seconds(f[2]), end: seconds(f[3]), status: -1, release: release(f[5])}
			if f[4] != "-" {
				r.status = number(f[4])
			}
			at(f[1]).last = append(at(f[1]).last, r)
		default:
			return nil, fmt.Errorf("line %d: %.60q", n+1, line)
		}
	}
	return out, nil
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func seconds(s string) time.Time {
	if n := number(s); n > 0 {
		return time.Unix(int64(n), 0)
	}
	return time.Time{}
}

func release(s string) string {
	if s == "-" || !regexp.MustCompile(`^[A-Za-z0-9._+-]{1,64}$`).MatchString(s) {
		return ""
	}
	return s
}

// status has a line for each run of a job, and one for each job that does not run.
func status(ref config.Ref, s Spec, f remote.Facts) (out []providers.Status) {
	for _, h := range s.Hosts {
		a := f.Get(s.look(h.Name))
		var jobs map[string]*seen
		why := ""
		if a.Sight != remote.Seen {
			why = fmt.Sprintf("%s: %s", a.Sight, a.Why)
		} else if got, err := parseLook(a.Text); err != nil {
			why = "could not understand what the machine said: " + err.Error()
		} else {
			jobs = got
		}
		for _, j := range s.Jobs {
			line := providers.Status{Addr: providers.Addr{Ref: ref, Host: h.Name}, Job: j.Name}
			out = append(out, jobStatus(line, jobs[j.Name], why)...)
		}
	}
	return out
}

func jobStatus(line providers.Status, s *seen, why string) (out []providers.Status) {
	if why == "" && (s == nil || !s.known) {
		why = "the machine said nothing about it"
		if s != nil && s.why != "" {
			why = s.why
		}
	}
	if why != "" {
		line.Health, line.Note, line.Unknown = "not known", why, true
		return []providers.Status{line}
	}
	for _, r := range slices.Backward(s.last) {
		line.Runs = append(line.Runs, providers.Run{Start: r.start, End: r.end, Exit: r.status, Release: r.release})
	}
	line.Health = "idle"
	for _, r := range s.running {
		now := line
		now.Health, now.PID, now.Release, now.Since = "running", r.pid, r.release, r.start
		out = append(out, now)
	}
	if len(out) == 0 {
		out = append(out, line)
	}
	return out
}
