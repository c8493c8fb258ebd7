package cron

import "time"

const (
	day     = 24 * 60 * 60
	around  = 2 * day       // no clock was ever changed by more
	horizon = 2932897 * day // the end of the year 9999; the zones are not asked beyond
)

// moment is a local time: seconds since 1970 as the clock on the wall counts them, and how far that clock is ahead of UTC.
type moment struct {
	local, off int64
	nano       int
}

func (m moment) unix() int64 { return m.local - m.off }

func (m moment) before(o moment) bool {
	return m.unix() < o.unix() || m.unix() == o.unix() && m.nano < o.nano
}

func (m moment) time(loc *time.Location) time.Time {
	return time.Unix(m.unix(), int64(m.nano)).In(loc)
}

// stretch is a time during which the clock of a zone was not changed: [start, end) in UTC.
type stretch struct{ start, end, off int64 }

func (s stretch) covers(unix int64) bool { return s.start <= unix && unix < s.end }

// zone is a time zone that remembers what it was asked, and counts how often: a search goes back and forth over a few
// years, and looking a time up far from now means reading the rule at the end of the zone's file each time.
type zone struct {
	loc   *time.Location
	known [32]stretch // by the time asked for, in steps of 64 days
	work  int
}

const forever = 1 << 60

func (z *zone) stretch(unix int64) stretch {
	known := &z.known[floor(unix, 64*day)&31]
	if known.covers(unix) {
		return *known
	}
	if far(unix) {
		return stretch{start: -forever, end: forever}
	}
	t := time.Unix(unix, 0).In(z.loc)
	_, off := t.Zone()
	s := stretch{start: -forever, end: forever, off: int64(off)}
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		s.start = start.Unix()
	}
	if !end.IsZero() {
		s.end = end.Unix()
	}
	// Where the rule at the end of a zone's file counts, Go takes a year for 365 days: what it says on the last day of a
	// leap year has ended before. The walk from one change to the next must go on.
	if s.end <= unix {
		s.end = time.Date(t.UTC().Year()+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	}
	s.start = min(s.start, unix)
	*known = s
	return s
}

func far(unix int64) bool { return unix >= horizon || unix < -2*horizon }

// at is the local time at an instant.
func (z *zone) at(unix int64, nano int) moment {
	z.work++
	off := z.stretch(unix).off
	return moment{local: unix + off, off: off, nano: nano}
}

// resolve finds the moment of a local time as java.time's ZonedDateTime.ofLocal: one that comes twice is the one with
// the offset before, else the earlier; one that never comes is moved on by the length of the gap.
func (z *zone) resolve(local int64, nano int, before int64) moment {
	z.work++
	s := z.stretch(local - before)
	if s.covers(local-around) && s.covers(local+around) {
		return moment{local: local, off: s.off, nano: nano}
	}
	var earlier *stretch
	s = z.stretch(local - around)
	found := moment{local: local, nano: nano}
	ok := false
	for {
		switch {
		case s.covers(local-s.off) && (!ok || s.off == before):
			found.off, ok = s.off, true
		case !ok && earlier != nil && local-s.off < s.start && local-earlier.off >= earlier.end:
			return moment{local: local + s.off - earlier.off, off: s.off, nano: nano}
		}
		if s.end > local+around {
			return found
		}
		was := s
		earlier = &was
		s = z.stretch(s.end)
	}
}

// Local is the moment at which the clocks in loc show what wall shows, whose own zone is disregarded. A time that comes
// twice is the earlier one, a time that never comes is moved on by as much as the clocks were.
func Local(wall time.Time, loc *time.Location) time.Time {
	_, off := wall.Zone()
	local := wall.Unix() + int64(off)
	z := &zone{loc: loc}
	return z.resolve(local, wall.Nanosecond(), z.stretch(local-around).off).time(loc)
}

// date is a day of the calendar; weekday is 1 (Monday) to 7.
type date struct {
	year, month, day int
	weekday          int
	length           int // of the month, in days
}

// dateOf is the date so many days after 1970-01-01.
func dateOf(days int64) date {
	// The years are counted from March here: the leap day ends one.
	d := days + 719468
	era := floor(d, 146097)
	n := d - era*146097
	y := (n - n/1460 + n/36524 - n/146096) / 365
	n -= 365*y + y/4 - y/100
	m := (5*n + 2) / 153
	out := date{day: int(n - (153*m+2)/5 + 1), month: int(m + 3), year: int(y + era*400)}
	if m >= 10 {
		out.month -= 12
		out.year++
	}
	out.weekday = int(days+3-floor(days+3, 7)*7) + 1
	out.length = lengthOf(out.year, out.month)
	return out
}

// daysOf is the inverse.
func daysOf(year, month, dayOfMonth int) int64 {
	y, m := int64(year), int64(month)
	if m <= 2 {
		y--
		m += 12
	}
	era := floor(y, 400)
	y -= era * 400
	return era*146097 + y*365 + y/4 - y/100 + (153*(m-3)+2)/5 + int64(dayOfMonth) - 1 - 719468
}

func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func lengthOf(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}
