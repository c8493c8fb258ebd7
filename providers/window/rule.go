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
	// mostWork is how often periods of allow are looked for, in all, for one answer.
	mostWork = 50000
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

// last is the latest period that covers the moment: its start, which a search in halves finds, since none is known to be
// the next one before. What an oddity of an expression hides from it does not count.
func (a allowance) last(at time.Time, work *int) (start time.Time, ok bool) {
	back := func(seconds int64) bool {
		*work--
		s, is := a.next(at.Add(-time.Duration(seconds) * time.Second))
		if is = is && !s.After(at); is {
			start = s
		}
		return is
	}
	near, far := int64(0), int64((a.lasts+time.Second-1)/time.Second)
	if !back(1) { // periods often follow on each other
		if !back(far) {
			return start, false
		}
		for near = 1; far-near > 1; {
			if middle := near + (far-near)/2; back(middle) {
				far = middle
			} else {
				near = middle
			}
		}
	}
	return start, start.Add(a.lasts).After(at)
}

// calendar is all that depends on the time alone.
type calendar struct {
	rules []rule
	allow []allowance
	ahead time.Duration
	work  int // how often periods were looked for
}

// clocks are the periods of allow by the clock that they count by: each of them has to have room.
func (c *calendar) clocks() (out [][]allowance) {
	for _, a := range c.allow {
		i := slices.IndexFunc(out, func(o []allowance) bool { return o[0].now.Equal(a.now) })
		if i < 0 {
			i, out = len(out), append(out, nil)
		}
		out[i] = append(out[i], a)
	}
	return out
}

// cover is till when periods that overlap, or follow on each other, go on without a gap: from in so long, if any covers
// that, and to the end of the period by. It looks for no end that is later than enough, and stops when it has looked too
// often: what is covered is covered all the same.
func (c *calendar) cover(periods []allowance, in, enough time.Duration) (end time.Duration, by allowance, more bool) {
	end = in
	for last := time.Duration(-1); last != end; {
		last = end
		for _, a := range periods {
			left := mostWork - c.work
			if end > enough || left <= 0 {
				return end, by, true
			}
			start, ok := a.last(a.now.Add(end), &left)
			c.work = mostWork - left
			if e := start.Add(a.lasts).Sub(a.now); ok && e > end {
				end, by = e, a
			}
		}
	}
	return end, by, false
}

// closed are the rules that close the window in so long, with their starts; outside says that no allow period covers it.
func (c *calendar) closed(in time.Duration) (by []rule, starts []time.Time, outside bool) {
	for _, r := range c.rules {
		if start, is := r.at(in); is {
			by, starts = append(by, r), append(starts, start)
		}
	}
	outside = slices.ContainsFunc(c.clocks(), func(periods []allowance) bool {
		end, _, _ := c.cover(periods, in, in+c.ahead)
		return end <= in+c.ahead
	})
	return by, starts, outside
}

// opens looks for the first moment, from in so long on, at which nothing closes the window.
func (c *calendar) opens(from time.Duration) (time.Duration, bool) {
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

// allowed is in how long, from in so long on, there is room in the periods of allow, by every clock.
func (c *calendar) allowed(in time.Duration) (time.Duration, bool) {
	for range most {
		later := in
		for _, periods := range c.clocks() {
			end, _, _ := c.cover(periods, in, in+c.ahead)
			if end > in+c.ahead {
				continue
			}
			next, ok := begins(periods, end)
			if !ok {
				return 0, false
			}
			later = max(later, next)
		}
		if later == in {
			return in, true
		}
		if in = later; in > horizon {
			return 0, false
		}
	}
	return 0, false
}

// begins is in how long the next of the periods begins.
func begins(periods []allowance, in time.Duration) (next time.Duration, ok bool) {
	for _, a := range periods {
		if start, is := a.next(a.now.Add(in)); is && (!ok || start.Sub(a.now) < next) {
			next, ok = start.Sub(a.now), true
		}
	}
	return next, ok
}

// closes says in how long an open window closes, and what closes it; false when nothing does.
func (c *calendar) closes() (in time.Duration, by string, loc *time.Location, ok bool) {
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
	for _, periods := range c.clocks() {
		if end, a, more := c.cover(periods, 0, horizon+c.ahead); !more {
			sooner(end-c.ahead, "the period allow "+a.name+" ends", a.loc)
		}
	}
	return in, by, loc, ok
}

// denied is in how long there is room again between periods of deny; false: not within what is looked at.
func (c *calendar) denied() (time.Duration, bool) {
	only := calendar{rules: slices.DeleteFunc(slices.Clone(c.rules), func(r rule) bool { return !r.deny })}
	return only.opens(0)
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
