package window

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/window/cron"
)

// entry is a line of a crontab that starts something.
type entry struct {
	path, user, zone string // zone "": the machine's
	schedule         string
	command          string
}

// started is something that cron runs.
type started struct {
	pid     string
	since   time.Time
	command string
}

// tab is what crontab.sh saw.
type tab struct {
	cronie  bool
	entries []entry
	runs    []started
	odd     []string // lines that nobody understands
}

func (b *bench) crontabs() {
	for _, c := range b.s.Crontabs {
		for _, h := range c.Hosts {
			text, ok := b.answer("crontab", c.query(h))
			if !ok {
				continue
			}
			t := readTab(text)
			for _, line := range t.odd {
				b.unknown("crontab", h, "a crontab of %s can't be read: %s", h, line)
			}
			for _, e := range t.entries {
				if len(c.Users) == 0 || slices.Contains(c.Users, e.user) {
					b.entry(c, h, t.cronie, e)
				}
			}
			b.started(c, h, t)
		}
	}
}

// entry adds the starts of a crontab's line.
func (b *bench) entry(c Crontab, host string, cronie bool, e entry) {
	if !c.Filter.wanted(e.command) || strings.EqualFold(e.schedule, "@reboot") || b.s.frequent(e.schedule) {
		return
	}
	source := e.path + " on " + host
	clock := b.clocks[host]
	zones := []string{}
	if e.zone != "" {
		zones = append(zones, e.zone)
	}
	// Only cronie reads CRON_TZ; what another cron does with it is not known, so either time counts.
	if e.zone == "" || !cronie {
		zone := ""
		if clock.zone != nil {
			zone = clock.zone.String()
		}
		zones = append(zones, zone)
	}
	for _, z := range zones {
		if next, loc, ok := b.schedule(source, host, e.schedule, z); ok {
			if fixed(e.schedule) {
				next = caughtUp(next, e.schedule, loc)
			}
			b.job(providers.Reason{Source: "crontab", Host: host, Job: e.command, Text: "\"" + cut(e.command) + "\" (" + source + ")"},
				rule{next: next, loc: loc, lasts: c.Duration, now: clock.now})
		}
	}
}

// fixed says that cron takes a job for one at a fixed time: neither minute nor hour begins with *.
func fixed(schedule string) bool {
	f := strings.Fields(schedule)
	return len(f) == 1 && !strings.EqualFold(f[0], "@hourly") || len(f) == 5 && f[0][0] != '*' && f[1][0] != '*'
}

// caughtUp adds what Debian's cron and cronie do when clocks are put forward, by less than three hours: what was left out of
// a job at a fixed time is started right after.
func caughtUp(next func(time.Time) (time.Time, bool), schedule string, loc *time.Location) func(time.Time) (time.Time, bool) {
	s, err := cron.Parse(schedule)
	if err != nil {
		return next
	}
	return func(after time.Time) (time.Time, bool) {
		start, ok := next(after)
		last := after.Add(horizon)
		if ok && start.Before(last) {
			last = start
		}
		for t := after; ; {
			_, change := t.In(loc).ZoneBounds()
			if !change.IsZero() && !change.After(t) { // so Go says on the last day of a leap year
				change = time.Date(t.UTC().Year()+1, 1, 1, 0, 0, 0, 0, time.UTC)
			}
			if change.IsZero() || change.After(last) {
				return start, ok
			}
			_, was := t.In(loc).Zone()
			_, is := change.In(loc).Zone()
			gap := time.Duration(is-was) * time.Second
			if gap > 0 && gap < 3*time.Hour {
				// On a clock that was not put forward it would come then.
				if left, is := s.Next(change.Add(-time.Second), time.FixedZone("", was)); is && left.Before(change.Add(gap)) {
					return change.In(loc), true
				}
			}
			t = change
		}
	}
}

// started: what runs counts, unless all that could have started it does not.
func (b *bench) started(c Crontab, host string, t tab) {
	for _, r := range t.runs {
		command := r.command
		counts, found := false, false
		for _, e := range t.entries {
			if plain(e.command) == plain(r.command) || strings.HasSuffix(plain(r.command), " -c "+plain(e.command)) {
				found, command = true, e.command
				mine := len(c.Users) == 0 || slices.Contains(c.Users, e.user)
				counts = counts || mine && c.Filter.wanted(e.command) && !b.s.frequent(e.schedule)
			}
		}
		if counts || !found && c.Filter.wanted(r.command) {
			b.running("crontab", host, "\""+cut(command)+"\" (of cron, pid "+r.pid+")", r.since, time.Time{})
		}
	}
}

// plain is a command as it may look once a shell has read it.
func plain(command string) string {
	s := strings.NewReplacer(`"`, "", `'`, "", `\`, "").Replace(command)
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return strings.TrimPrefix(strings.Join(strings.Fields(s), " "), "exec ")
}

func cut(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:57]) + "…"
	}
	return s
}

var (
	setting = regexp.MustCompile(`^\s*("[^"]*"|'[^']*'|[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$`)
	fiveAnd = regexp.MustCompile(`^(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(.*)$`)
	macro   = regexp.MustCompile(`^(@[A-Za-z]+)\s+(.*)$`)
)

// readTab reads crontab.sh's output.
func readTab(text string) (t tab) {
	var path, user, zone string
	system := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if body, is := strings.CutPrefix(line, "|"); is {
			t.line(body, &zone, path, user, system)
			continue
		}
		f := strings.SplitN(line, " ", 4)
		switch {
		case f[0] == "daemon" && len(f) == 2:
			t.cronie = f[1] == "cronie"
		case f[0] == "file" && len(f) == 4:
			system, user, path, zone = f[1] == "system", f[2], f[3], ""
			if !system {
				path = "crontab of " + user
			}
		case f[0] == "run" && len(f) == 4:
			r := started{pid: f[1], command: strings.TrimSpace(f[3])}
			if n, err := strconv.ParseInt(f[2], 10, 64); err == nil {
				r.since = time.Unix(n, 0)
			}
			t.runs = append(t.runs, r)
		case strings.TrimSpace(line) != "":
			t.odd = append(t.odd, line)
		}
	}
	return t
}

// line reads one line of a crontab.
func (t *tab) line(s string, zone *string, path, user string, system bool) {
	s = strings.TrimSpace(s)
	if s == "" || s[0] == '#' {
		return
	}
	if m := setting.FindStringSubmatch(s); m != nil {
		if strings.Trim(m[1], `"'`) == "CRON_TZ" {
			*zone = strings.Trim(m[2], `"'`)
		}
		return
	}
	m := macro.FindStringSubmatch(s)
	if m == nil {
		m = fiveAnd.FindStringSubmatch(s)
	}
	if m == nil {
		t.odd = append(t.odd, path+": "+s)
		return
	}
	e := entry{path: path, user: user, zone: *zone, schedule: strings.TrimPrefix(m[1], "-"), command: m[2]}
	if system {
		f := strings.Fields(m[2])
		if len(f) < 2 {
			t.odd = append(t.odd, path+": "+s)
			return
		}
		e.user, e.command = f[0], strings.TrimSpace(strings.TrimPrefix(m[2], f[0]))
	}
	e.command = beforePercent(e.command)
	if _, err := cron.Parse(e.schedule); err != nil {
		t.odd = append(t.odd, path+": "+s+" ("+err.Error()+")")
		return
	}
	t.entries = append(t.entries, e)
}

// beforePercent is what the shell gets: what is behind % is its input.
func beforePercent(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '%':
			b.WriteByte('%')
			i++
		case s[i] == '%':
			return strings.TrimSpace(b.String())
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
