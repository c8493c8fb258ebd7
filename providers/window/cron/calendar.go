package cron

import "time"

// calendar is the plain meaning of an expression: the fields as sets and what is asked of a date.
type calendar struct {
	seconds, minutes, hours, months set
	days                            []rule // one must fit
	weekdays                        []rule // one must fit
	either                          bool   // days or weekdays are enough
}

// rule is one part of a field of days.
type rule func(date) bool

// years in which a date that is not Never comes at least once: 40 pass between two 29ths of February on a Sunday.
const years = 100

func (c calendar) fits(d date) bool {
	day, weekday := anyOf(c.days, d), anyOf(c.weekdays, d)
	if c.either {
		return day || weekday
	}
	return day && weekday
}

func anyOf(rules []rule, d date) bool {
	for _, r := range rules {
		if r(d) {
			return true
		}
	}
	return false
}

// never looks at the fourteen years that there are: seven first weekdays, with and without a leap day. Any 28 years
// without a turn of the century between them have all.
func (c calendar) never() bool {
	for days, end := daysOf(2001, 1, 1), daysOf(2029, 1, 1); days < end; {
		d := dateOf(days)
		if !c.months.has(d.month) {
			days += int64(d.length - d.day + 1)
			continue
		}
		if c.fits(d) {
			return false
		}
		days++
	}
	return true
}

// next walks from one change of the clocks to the next: between them local time is as even as UTC.
func (c calendar) next(z *zone, after time.Time) (time.Time, bool) {
	unix := after.Unix() + 1
	limit := unix + years*366*day
	for unix < limit && !far(unix) {
		s := z.stretch(unix)
		if local, ok := c.first(z, unix+s.off, min(s.end, limit)+s.off); ok {
			return moment{local: local, off: s.off}.time(z.loc), true
		}
		unix = s.end
	}
	return time.Time{}, false
}

// first is the first local time that fits in [from, to).
func (c calendar) first(z *zone, from, to int64) (int64, bool) {
	for days := floor(from, day); days*day < to; {
		z.work++
		d := dateOf(days)
		if !c.months.has(d.month) {
			days += int64(d.length - d.day + 1)
			continue
		}
		if c.fits(d) {
			if clock, ok := c.clock(int(max(from-days*day, 0))); ok {
				local := days*day + int64(clock)
				return local, local < to
			}
		}
		days++
	}
	return 0, false
}

// clock is the first time of the day, in seconds, that is not before the one given.
func (c calendar) clock(from int) (int, bool) {
	hour, minute, second := from/3600, from/60%60, from%60
	if c.hours.has(hour) {
		if c.minutes.has(minute) {
			if s := c.seconds.from(second); s >= 0 {
				return hour*3600 + minute*60 + s, true
			}
		}
		if m := c.minutes.from(minute + 1); m >= 0 {
			return hour*3600 + m*60 + c.seconds.from(0), true
		}
	}
	if h := c.hours.from(hour + 1); h >= 0 {
		return h*3600 + c.minutes.from(0)*60 + c.seconds.from(0), true
	}
	return 0, false
}
