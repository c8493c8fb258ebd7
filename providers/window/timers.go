package window

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shipctl/shipctl/providers"
)

// timer is a line of list-timers. Next is in microseconds since the epoch; 0: none.
type timer struct {
	Next      *int64 `json:"next"`
	Unit      string `json:"unit"`
	Activates string `json:"activates"`
}

// timerSet is what timers.sh saw.
type timerSet struct {
	list     []timer
	frequent map[string]bool      // units
	running  map[string]time.Time // services, and since when; zero: not known
}

func (b *bench) timers() {
	for _, ts := range b.s.Timers {
		for _, h := range ts.Hosts {
			text, ok := b.answer("systemd timers", ts.query(h))
			if !ok {
				continue
			}
			set, err := readTimers(text)
			if err != nil {
				b.unknown("systemd timers", h, "systemd timers of %s can't be read: %s", h, err)
				continue
			}
			for _, t := range set.list {
				if ts.Filter.wanted(t.Unit) && !(b.s.IgnoreFrequent && set.frequent[t.Unit]) {
					b.timer(ts, h, set, t)
				}
			}
		}
	}
}

func (b *bench) timer(ts Timers, host string, set timerSet, t timer) {
	since, runs := set.running[t.Activates]
	if runs {
		b.running("systemd timers", host, t.Activates, since, time.Time{})
	}
	if t.Next == nil || *t.Next <= 0 {
		return // it does not elapse again
	}
	clock := b.clocks[host]
	start := time.UnixMicro(*t.Next).UTC()
	if b.c.Later == 0 && !runs && !start.After(clock.now) {
		// AccuracySec: systemd starts it within so long after.
		b.reasons = append(b.reasons, providers.Reason{
			Source: "systemd timers", Host: host, Job: t.Unit, Start: in(start, clock.zone),
			Text: t.Unit + " on " + host + " was due at " + stamp(start, clock.zone) + " and has not started yet",
		})
		return
	}
	next := func(after time.Time) (time.Time, bool) { return start, start.After(after) }
	b.job(providers.Reason{Source: "systemd timers", Host: host, Job: t.Unit, Text: t.Unit + " on " + host},
		rule{next: next, loc: clock.zone, lasts: ts.Duration, now: clock.now})
}

// readTimers reads timers.sh's output.
func readTimers(text string) (timerSet, error) {
	set := timerSet{frequent: map[string]bool{}, running: map[string]time.Time{}}
	list, rest, _ := strings.Cut(text, "\n@timers\n")
	made, running, _ := strings.Cut(rest, "\n@running\n")
	if err := json.Unmarshal([]byte(list), &set.list); err != nil {
		return set, err
	}
	unit := ""
	for line := range strings.Lines(made) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "Id":
			unit = value
		case "TimersCalendar", "TimersMonotonic":
			set.frequent[unit] = set.frequent[unit] || often(value)
		}
	}
	for line := range strings.Lines(running) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "Id":
			unit = value
			set.running[unit] = time.Time{}
		case "InactiveExitTimestamp":
			if n, err := strconv.ParseInt(strings.TrimPrefix(value, "@"), 10, 64); err == nil && n > 0 {
				set.running[unit] = time.Unix(n, 0).UTC()
			}
		}
	}
	return set, nil
}

var (
	onCalendar  = regexp.MustCompile(`OnCalendar=(?:[^;]*[ ])?(\S*:\S*:\S*)`)
	onMonotonic = regexp.MustCompile(`On(?:UnitActive|UnitInactive)USec=([^;}]*)`)
)

// often says that a timer elapses at least once in every hour of the days that it has: "{ OnCalendar=*-*-* *:00/5:00 ;
// next_elapse=… }", "{ OnUnitActiveUSec=1min ; next_elapse=… }".
func often(value string) bool {
	for _, m := range onCalendar.FindAllStringSubmatch(value, -1) {
		if hours, _, _ := strings.Cut(m[1], ":"); everyHour(hours) {
			return true
		}
	}
	for _, m := range onMonotonic.FindAllStringSubmatch(value, -1) {
		if d, ok := span(m[1]); ok && d <= time.Hour {
			return true
		}
	}
	return false
}

// everyHour reads the hours of a calendar specification: "*", "06,18", "00/2", "09..17", "00..23/2".
func everyHour(hours string) bool {
	var has [24]bool
	for part := range strings.SplitSeq(hours, ",") {
		if part == "*" {
			return true
		}
		values, step, stepped := strings.Cut(part, "/")
		from, to, ranged := strings.Cut(values, "..")
		first, err := strconv.Atoi(from)
		last, every := first, 1
		if stepped {
			last = 23
		}
		if ranged && err == nil {
			last, err = strconv.Atoi(to)
		}
		if stepped && err == nil {
			every, err = strconv.Atoi(step)
		}
		if err != nil || first < 0 || last > 23 || every < 1 {
			return false
		}
		for h := first; h <= last; h += every {
			has[h] = true
		}
	}
	return !slices.Contains(has[:], false)
}

// span reads a duration of systemd's: "1h 30min 5s".
func span(s string) (d time.Duration, ok bool) {
	units := map[string]time.Duration{
		"us": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "min": time.Minute, "h": time.Hour,
		"d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "month": 30 * 24 * time.Hour, "y": 365 * 24 * time.Hour,
	}
	for _, f := range strings.Fields(s) {
		i := strings.IndexFunc(f, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if i <= 0 {
			return 0, false
		}
		n, err := strconv.ParseFloat(f[:i], 64)
		unit, known := units[f[i:]]
		if err != nil || !known {
			return 0, false
		}
		d, ok = d+time.Duration(n*float64(unit)), true
	}
	return d, ok
}
