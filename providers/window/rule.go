package window

import (
	"slices"
	"time"

	"github.com/shipctl/shipctl/providers"
)

// rule is something that closes the window at times: before and after each of its starts.
type rule struct {
	reason providers.Reason // what it is; Start is filled in
	next   func(after time.Time) (time.Time, bool)
	lasts  time.Duration
	before time.Duration // closed for this long before a start too
	now    time.Time     // by the clock of its machine
	loc    *time.Location
	deny   bool
	// seen: whether a job that has started still runs is seen, so a start that is more than a minute past is none.
	seen bool
}

// allowance is a time in which alone the window is open.
type allowance struct {
	name  string
	next  func(after time.Time) (time.Time, bool)
	lasts time.Duration
	now   time.Time
	loc   *time.Location
}

// Nothing is looked for further ahead, or more often than this.
const (
	horizon = 400 * 24 * time.Hour
	most    = 5000
)

// at says whether the rule closes the window in so long, and since which start.
func (r rule) at(in time.Duration) (start time.Time, closed bool) {
	t := r.now.Add(in)
	after := t.Add(-r.lasts)
	if past := r.now.Add(-time.Minute); r.seen && after.Before(past) {
		after = past
	}
	start, ok := r.next(after)
	return start, ok && !start.After(t.Add(r.before))
}

// ends says in how long a start is over.
func (r rule) ends(start time.Time) time.Duration { return start.Add(r.lasts).Sub(r.now) }

// at says whether a deployment may begin in so long, and till when, in how long from now.
func (a allowance) at(in, ahead time.Duration) (until time.Duration, open bool) {
	t := a.now.Add(in)
	after := t.Add(-a.lasts)
	for range most {
		start, ok := a.next(after)
		if !ok || start.After(t) {
			break
		}
		if end := start.Add(a.lasts - ahead); end.After(t) {
			until, open = max(until, end.Sub(a.now)), true
		}
		after = start
	}
	return until, open
}

// calendar is all that depends on the time alone.
type calendar struct {
	rules []rule
	allow []allowance
	ahead time.Duration
}

// closed are the rules that close the window in so long, with their starts; outside says that no allow period covers it.
func (c calendar) closed(in time.Duration) (by []rule, starts []time.Time, outside bool) {
	for _, r := range c.rules {
		if start, is := r.at(in); is {
			by, starts = append(by, r), append(starts, start)
		}
	}
	outside = len(c.allow) > 0 && !slices.ContainsFunc(c.allow, func(a allowance) bool {
		_, open := a.at(in, c.ahead)
		return open
	})
	return by, starts, outside
}

// opens looks for the first moment, from in so long on, at which nothing closes the window.
func (c calendar) opens(from time.Duration) (time.Duration, bool) {
	in := from
	for range most {
		by, starts, outside := c.closed(in)
		if len(by) == 0 && !outside {
			return in, true
		}
		later := in
		for i, r := range by {
			later = max(later, r.ends(starts[i]))
		}
		if outside {
			next, ok := c.allowed(in)
			if !ok {
				return 0, false
			}
			later = max(later, next)
		}
		if in = max(later, in+1); in > horizon {
			return 0, false
		}
	}
	return 0, false
}

// allowed is in how long the next allow period begins.
func (c calendar) allowed(in time.Duration) (next time.Duration, ok bool) {
	for _, a := range c.allow {
		if start, is := a.next(a.now.Add(in)); is && (!ok || start.Sub(a.now) < next) {
			next, ok = start.Sub(a.now), true
		}
	}
	return next, ok
}

// closes says in how long an open window closes, and what closes it; false when nothing does.
func (c calendar) closes() (in time.Duration, by string, loc *time.Location, ok bool) {
	sooner := func(d time.Duration, what string, l *time.Location) {
		if d <= horizon && (!ok || d < in) {
			in, by, loc, ok = d, what, l, true
		}
	}
	for _, r := range c.rules {
		if start, _ := r.at(0); !start.IsZero() {
			sooner(start.Add(-r.before).Sub(r.now), r.reason.Text+" "+r.verb()+" "+stamp(start, r.loc), r.loc)
		}
	}
	if len(c.allow) == 0 {
		return in, by, loc, ok
	}
	var last time.Duration
	var a allowance
	for _, x := range c.allow {
		if until, open := x.at(0, c.ahead); open && until > last {
			last, a = until, x
		}
	}
	sooner(last, "the period allow "+a.name+" ends", a.loc)
	return in, by, loc, ok
}

func (r rule) verb() string {
	if r.deny {
		return "begins at"
	}
	return "starts at"
}

// in is t in a zone that may not be known.
func in(t time.Time, loc *time.Location) time.Time {
	if loc == nil {
		return t
	}
	return t.In(loc)
}

// stamp is a time for people and programs, in the zone of who set it.
func stamp(t time.Time, loc *time.Location) string {
	return in(t, loc).Format(time.RFC3339)
}
