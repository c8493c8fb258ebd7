package window

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
	"github.com/shipctl/shipctl/providers/window/cron"
)

// bench collects what speaks for a closed window.
type bench struct {
	s       Spec
	c       providers.Case
	clocks  map[string]reading // by machine
	hosts   []string           // of clocks, in order
	cal     calendar
	reasons []providers.Reason
	over    time.Duration // in how long the last of what runs is expected to be over; 0: not known
}

// reading is a machine's clock. The zone is nil where it has no name.
type reading struct {
	now  time.Time
	zone *time.Location
}

// judge looks at everything at once, so that one answer names all that keeps the window closed.
func judge(_ config.Ref, s Spec, c providers.Case) providers.Verdict {
	b := &bench{s: s, c: c, clocks: map[string]reading{}}
	if c.Begin {
		b.cal.ahead = max(s.Deployment, c.Ahead)
	}
	b.readClocks()
	b.declared()
	b.batches()
	b.crontabs()
	b.timers()
	b.endpoints()
	b.processes()
	return b.verdict()
}

func (b *bench) readClocks() {
	hosts := b.s.machines()
	for _, p := range b.c.Places {
		if !slices.Contains(hosts, p.Host) {
			hosts = append(hosts, p.Host)
		}
	}
	for _, h := range hosts {
		a := b.c.Facts.Get(clock(h))
		f := strings.Fields(a.Text)
		if a.Sight != remote.Seen || len(f) != 3 || f[0] != "clock" {
			b.unknown("clock", h, "the clock of %s could not be read: %s", h, why(a))
			continue
		}
		now, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil || now < 0 || now > 1<<40 {
			b.unknown("clock", h, "the clock of %s says %q", h, f[1])
			continue
		}
		r := reading{now: time.Unix(now, 0).UTC().Add(b.c.Later)}
		if loc, err := location(f[2]); err == nil {
			r.zone = loc
		}
		b.clocks[h], b.hosts = r, append(b.hosts, h)
	}
	if len(hosts) == 0 {
		b.unknown("clock", "", "there is no machine whose clock counts: nothing names this window, and it looks at no machine")
	}
}

// why there is no answer, in words.
func why(a remote.Answer) string {
	if a.Why == "" {
		return a.Sight.String()
	}
	first, _, _ := strings.Cut(strings.TrimSpace(a.Why), "\n")
	return a.Sight.String() + ": " + first
}

func (b *bench) unknown(source, host, format string, args ...any) {
	b.reasons = append(b.reasons, providers.Reason{Source: source, Host: host, Unknown: true, Text: fmt.Sprintf(format, args...)})
}

// running says that a job runs. ends is when it is expected to be over, by the clock of its machine.
func (b *bench) running(source, host, job string, since, ends time.Time) {
	r := providers.Reason{Source: source, Host: host, Job: job, Text: job + " runs on " + host}
	if !since.IsZero() {
		r.Since = since
		r.Text += " since " + stamp(since, b.clocks[host].zone)
	}
	if c, ok := b.clocks[host]; ok && ends.After(c.now) {
		b.over = max(b.over, ends.Sub(c.now))
	}
	b.reasons = append(b.reasons, r)
}

// apart are the machines whose clocks differ by more than a few seconds: what the configuration declares counts by each.
func (b *bench) apart() (out []string) {
	for _, h := range b.hosts {
		same := slices.ContainsFunc(out, func(o string) bool {
			return b.clocks[h].now.Sub(b.clocks[o].now).Abs() <= 5*time.Second
		})
		if !same {
			out = append(out, h)
		}
	}
	return out
}

// declared are cron, deny and allow blocks.
func (b *bench) declared() {
	for _, h := range b.apart() {
		now := b.clocks[h].now
		for _, c := range b.s.Crons {
			if next, loc, ok := b.schedule("cron "+c.Name, "", c.Schedule, c.Zone); ok && !b.s.frequent(c.Schedule) {
				b.job(providers.Reason{Source: "cron " + c.Name, Job: c.Name, Text: c.Name}, rule{next: next, loc: loc, lasts: c.Duration, now: now})
			}
		}
		for _, p := range b.s.Deny {
			if next, loc, ok := b.schedule("deny "+p.Name, "", p.Schedule, p.Zone); ok {
				b.cal.rules = append(b.cal.rules, rule{
					reason: providers.Reason{Source: "deny " + p.Name, Text: "the period deny " + p.Name},
					next:   next, lasts: p.Duration, before: b.cal.ahead, now: now, loc: loc, deny: true,
				})
			}
		}
		for _, p := range b.s.Allow {
			if next, loc, ok := b.schedule("allow "+p.Name, "", p.Schedule, p.Zone); ok {
				b.cal.allow = append(b.cal.allow, allowance{p.Name, next, p.Duration, now, loc})
			}
		}
	}
}

// job adds a job's starts.
func (b *bench) job(reason providers.Reason, r rule) {
	r.reason, r.before = reason, b.s.Before+b.cal.ahead
	b.cal.rules = append(b.cal.rules, r)
}

// schedule reads an expression in a zone; one that can't be read closes the window.
func (b *bench) schedule(source, host, expr, zone string) (func(time.Time) (time.Time, bool), *time.Location, bool) {
	loc, err := location(zone)
	if err != nil {
		b.unknown(source, host, "%s: the time zone %q is not known", source, zone)
		return nil, nil, false
	}
	s, err := cron.Parse(expr)
	if err != nil {
		b.unknown(source, host, "%s: %q can't be read: %s", source, expr, err)
		return nil, nil, false
	}
	return func(after time.Time) (time.Time, bool) { return s.Next(after, loc) }, loc, true
}

// frequent says that a schedule does not count.
func (s Spec) frequent(expr string) bool {
	if !s.IgnoreFrequent {
		return false
	}
	c, err := cron.Parse(expr)
	return err == nil && c.Frequent()
}

// wanted says that something with that name counts.
func (f Filter) wanted(name string) bool {
	if f.Match != "" {
		if re, err := regexp.Compile(f.Match); err == nil && !re.MatchString(name) {
			return false
		}
	}
	if f.Ignore != "" {
		if re, err := regexp.Compile(f.Ignore); err == nil && re.MatchString(name) {
			return false
		}
	}
	return true
}

// verdict sums up.
func (b *bench) verdict() providers.Verdict {
	v := providers.Verdict{Advisory: b.s.advisory()}
	if len(b.hosts) > 0 {
		v.At = b.clocks[b.hosts[0]].now
	}
	if b.c.Later > 0 {
		b.reasons = slices.DeleteFunc(b.reasons, func(r providers.Reason) bool { return !r.Unknown })
	}
	by, starts, outside := b.cal.closed(0)
	for i, r := range by {
		b.reasons = append(b.reasons, b.because(r, starts[i]))
		v.At = in(v.At, r.loc)
	}
	if outside {
		v.At = in(v.At, b.cal.allow[0].loc)
		b.reasons = append(b.reasons, providers.Reason{Source: "allow", Text: b.outside()})
	}
	v.Reasons, v.Open = distinct(b.reasons), len(b.reasons) == 0
	if v.Open {
		v.Why = "nothing runs, and nothing starts too soon"
		if after, what, loc, ok := b.cal.closes(); ok {
			v.At = in(v.At, loc)
			v.Until, v.Why = v.At.Add(after), what
		}
		v.Why += b.expects()
		return v
	}
	v.Why = sentence(v.Reasons) + b.expects()
	// Of what is not known, and of what runs without a known end, nobody can say when it is over: this is the earliest.
	if after, ok := b.cal.opens(b.over); ok && after > 0 && !v.At.IsZero() {
		v.Until = v.At.Add(after)
	}
	return v
}

// expects says how long a deployment is expected to take, where that counts, and who says so.
func (b *bench) expects() string {
	switch {
	case b.cal.ahead == 0 || len(b.cal.rules)+len(b.cal.allow) == 0:
		return ""
	case b.cal.ahead > b.s.Deployment:
		return fmt.Sprintf("; a deployment is expected to take %s, as the last one did", short(b.cal.ahead))
	}
	return fmt.Sprintf("; a deployment is expected to take %s, as configured", short(b.cal.ahead))
}

func (b *bench) outside() string {
	names, longest := []string{}, time.Duration(0)
	for _, a := range b.s.Allow {
		names, longest = append(names, a.Name), max(longest, a.Duration)
	}
	if _, ever := b.cal.allowed(0); !ever && b.cal.ahead >= longest {
		return fmt.Sprintf("no allow period (%s) is longer than a deployment takes (%s): make one longer, or use -force-window, which also shows how long it takes now", strings.Join(names, ", "), short(b.cal.ahead))
	}
	if b.cal.ahead > 0 {
		return fmt.Sprintf("no allow period (%s) has room for a deployment of %s now", strings.Join(names, ", "), short(b.cal.ahead))
	}
	return fmt.Sprintf("it is outside of the allow periods (%s)", strings.Join(names, ", "))
}

// because is the reason of a rule that closes the window now.
func (b *bench) because(r rule, start time.Time) providers.Reason {
	out := r.reason
	start = in(start, r.loc)
	out.Start = start
	switch {
	case r.deny && !start.After(r.now):
		out.Text += b.lasts(r, start)
	case !start.After(r.now):
		out.Since, out.Start = start, time.Time{}
		out.Text += fmt.Sprintf(" started at %s and counts as running for %s", stamp(start, r.loc), short(r.lasts))
	default:
		out.Text += " " + r.verb() + " " + stamp(start, r.loc)
		if b.c.Later == 0 {
			out.Text += ", in " + short(start.Sub(r.now))
		}
	}
	return out
}

// lasts says when a period of deny is over. What follows on it, or leaves no room after it, goes on with it.
func (b *bench) lasts(r rule, start time.Time) string {
	switch end, known := b.cal.denied(); {
	case known && end == r.ends(start):
		return " lasts until " + stamp(start.Add(r.lasts), r.loc)
	case known:
		return " lasts, with those that follow on it, until " + stamp(r.now.Add(end), r.loc)
	}
	return " lasts, with those that follow on it, for longer than is foreseen"
}

// short is a duration for people: 19m, 1h5m, 30s.
func short(d time.Duration) string {
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func distinct(in []providers.Reason) (out []providers.Reason) {
	for _, r := range in {
		if !slices.ContainsFunc(out, func(o providers.Reason) bool { return o.Text == r.Text }) {
			out = append(out, r)
		}
	}
	return out
}

// sentence names the first few reasons.
func sentence(rs []providers.Reason) string {
	const shown = 4
	var t []string
	for i, r := range rs {
		if i == shown {
			t = append(t, fmt.Sprintf("and %d more", len(rs)-shown))
			break
		}
		t = append(t, r.Text)
	}
	return strings.Join(t, "; ")
}
