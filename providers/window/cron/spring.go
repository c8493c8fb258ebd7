package cron

import (
	"strconv"
	"strings"
	"time"
)

const (
	attempts  = 366    // after which Spring gives up
	budget    = 20_000 // local times looked at, after which we don't follow Spring any further: about 3 ms
	maxPieces = 24     // of a field that have L, W or #: a search asks each of them in every attempt
)

// spring is an expression as Spring evaluates it: the fields are asked one after the other, the weekday first, for a
// time that fits them and is not earlier, again and again until nothing moves any more. What Spring does in an hour
// that the clocks leave out or repeat, and when it gives up, follows from that order only, so it is kept here.
type spring struct {
	weekdays, months, days, hours, minutes, seconds searcher
}

// searcher is a field: the first moment that fits it and is not before m; false when it gives up.
type searcher interface {
	search(z *zone, m moment) (moment, bool)
}

// next is false when Spring finds none. A moment that is not after the one given is no answer: Spring stands still, or
// the search was longer than that of any expression that means something.
func (s *spring) next(z *zone, after time.Time) (moment, bool) {
	after = after.Add(time.Nanosecond)
	m := z.at(after.Unix(), after.Nanosecond())
	start := m
	for range attempts {
		if z.work > budget {
			return z.at(start.unix()-1, 0), true
		}
		was := m
		for _, f := range []searcher{s.weekdays, s.months, s.days, s.hours, s.minutes, s.seconds, values{unitNano, 1}} {
			var ok bool
			if m, ok = f.search(z, m); !ok {
				return m, false
			}
		}
		if far(m.local) {
			return m, false
		}
		if m == was {
			return m, true
		}
	}
	return m, false
}

func parseSpring(fields []string) (Schedule, error) {
	out := &spring{}
	var c calendar
	var err error
	clock := []struct {
		f    field
		u    unit
		set  *set
		into *searcher
	}{
		{secondField(), unitSecond, &c.seconds, &out.seconds},
		{minuteField(), unitMinute, &c.minutes, &out.minutes},
		{hourField(), unitHour, &c.hours, &out.hours},
		{monthField(), unitMonth, &c.months, &out.months},
	}
	isFrequent := false
	for i, p := range clock {
		text := fields[i]
		if p.u == unitMonth {
			text = numbered(fields[4], p.f)
		}
		if *p.set, err = p.f.spring(text, fields[p.u.position()]); err != nil {
			return Schedule{}, err
		}
		*p.into = values{p.u, *p.set}
		isFrequent = isFrequent || p.u != unitMonth && frequent(p.f, text, *p.set)
	}
	if out.days, c.days, err = parseDays(dayField(), fields[3], fields[3]); err != nil {
		return Schedule{}, err
	}
	if out.weekdays, c.weekdays, err = parseDays(weekdayField(), numbered(fields[5], weekdayField()), fields[5]); err != nil {
		return Schedule{}, err
	}
	return Schedule{plain: c, spring: out, frequent: isFrequent, never: c.never()}, nil
}

// numbered puts numbers for the names wherever they stand, as Spring does: 1JAN is 11.
func numbered(text string, f field) string {
	text = strings.ToUpper(text)
	for i, name := range f.names {
		text = strings.ReplaceAll(text, name, strconv.Itoa(i+1))
	}
	return text
}

// number is Java's Integer.parseInt, for the digits 0 to 9.
func number(text string) (int, bool) {
	v, err := strconv.ParseInt(text, 10, 32)
	return int(v), err == nil
}

// spring reads a list of *, values and ranges with their steps. written is the whole field as it was typed.
func (f field) spring(text, written string) (out set, err error) {
	for part := range strings.SplitSeq(text, ",") {
		rng, step, stepped := strings.Cut(part, "/")
		first, last, err := f.springRange(rng, written)
		if err != nil {
			return 0, err
		}
		every := 1
		if stepped {
			var ok bool
			if every, ok = number(step); !ok || every < 1 {
				return 0, f.wrong(written, "a step of 1 or more behind the /")
			}
			if !strings.Contains(rng, "-") {
				last = f.max
			}
		}
		out.add(first, last, every)
	}
	return out, nil
}

func (f field) springRange(text, written string) (first, last int, err error) {
	weekday := f.name == weekdayField().name
	if text == "*" {
		if weekday {
			return 1, 7, nil // so */2 begins on Monday
		}
		return f.min, f.max, nil
	}
	from, to, ranged := strings.Cut(text, "-")
	if !ranged {
		to = from
	}
	first, ok := number(from)
	last, fine := number(to)
	if !ok || !fine || first < f.min || first > f.max || last < f.min || last > f.max {
		return 0, 0, f.wrong(written, "%s, ranges (a-b), lists (a,b), steps (*/n, a/n, a-b/n) or *%s", f.between(), f.letters())
	}
	if ranged && weekday && first == 7 {
		first = 0
	}
	if first > last {
		return 0, 0, f.order(written, first, last)
	}
	return first, last, nil
}

// letters are the other forms a field of days can have.
func (f field) letters() string {
	switch f.name {
	case dayField().name:
		return ", ?, L, L-n, LW or nW"
	case weekdayField().name:
		return ", ?, nL or n#k"
	}
	return ""
}

// unit is what a field counts.
type unit int

const (
	unitNano unit = iota
	unitSecond
	unitMinute
	unitHour
	unitDay
	unitMonth
	unitWeekday
)

// position is where it stands in an expression.
func (u unit) position() int { return int(u) - 1 }

func (u unit) get(m moment) int {
	switch u {
	case unitNano:
		return m.nano
	case unitSecond:
		return int(m.local - floor(m.local, 60)*60)
	case unitMinute:
		n := floor(m.local, 60)
		return int(n - floor(n, 60)*60)
	case unitHour:
		n := floor(m.local, 3600)
		return int(n - floor(n, 24)*24)
	}
	d := m.date()
	switch u {
	case unitDay:
		return d.day
	case unitMonth:
		return d.month
	}
	return d.weekday
}

func (m moment) date() date { return dateOf(floor(m.local, day)) }

// bounds are the values there are at m.
func (u unit) bounds(m moment) (first, last int) {
	switch u {
	case unitNano:
		return 0, 1e9 - 1
	case unitSecond, unitMinute:
		return 0, 59
	case unitHour:
		return 0, 23
	case unitDay:
		return 1, m.date().length
	case unitMonth:
		return 1, 12
	}
	return 1, 7
}

// seconds a unit of the clock has.
func (u unit) seconds() int64 {
	switch u {
	case unitSecond:
		return 1
	case unitMinute:
		return 60
	}
	return 3600
}

// put sets the value of the unit on the clock on the wall.
func (u unit) put(z *zone, m moment, value int) moment {
	step := int64(value - u.get(m))
	switch u {
	case unitNano:
		return z.resolve(m.local, value, m.off)
	case unitSecond, unitMinute, unitHour:
		return z.resolve(m.local+step*u.seconds(), m.nano, m.off)
	case unitMonth:
		return z.addMonths(m, step)
	}
	return z.addDays(m, step)
}

// add lets time pass: on the clock of the wall for days and months, else really.
func (u unit) add(z *zone, m moment, amount int) moment {
	n := int64(amount)
	switch u {
	case unitNano:
		n += int64(m.nano)
		return z.at(m.unix()+floor(n, 1e9), int(n-floor(n, 1e9)*1e9))
	case unitSecond, unitMinute, unitHour:
		return z.at(m.unix()+n*u.seconds(), m.nano)
	case unitMonth:
		return z.addMonths(m, n)
	}
	return z.addDays(m, n)
}

func (z *zone) addDays(m moment, n int64) moment { return z.resolve(m.local+n*day, m.nano, m.off) }

// addMonths keeps the day, or takes the last one of a month that has fewer.
func (z *zone) addMonths(m moment, n int64) moment {
	d := m.date()
	months := int64(d.year)*12 + int64(d.month-1) + n
	year := int(floor(months, 12))
	month := int(months-int64(year)*12) + 1
	to := daysOf(year, month, min(d.day, lengthOf(year, month)))
	return z.resolve(m.local+(to-floor(m.local, day))*day, m.nano, m.off)
}

// forward goes to where the unit has the value next.
func (u unit) forward(z *zone, m moment, value int) moment {
	now := u.get(m)
	first, last := u.bounds(m)
	switch {
	case now >= value:
		return u.add(z, m, value+last-now+1-first)
	case value > last: // the 31st of April
		return u.add(z, m, last-now+1)
	}
	return u.put(z, m, value)
}

// over goes to the first value of the unit in the next larger one, as Spring since 5.3.17: one of the larger unit on,
// then to the first value there is at that place.
func (u unit) over(z *zone, m moment) moment {
	switch u {
	case unitNano, unitSecond, unitMinute:
		m = (u + 1).add(z, m, 1)
	case unitHour:
		m = z.addDays(m, 1)
	case unitDay:
		m = z.addMonths(m, 1)
	case unitMonth:
		m = z.addMonths(m, 12)
	case unitWeekday:
		m = z.addDays(m, 7)
	}
	first, _ := u.bounds(m)
	return u.put(z, m, first)
}

// reset sets everything smaller than the unit to its first value, the largest first.
func (u unit) reset(z *zone, m moment) moment {
	units := []unit{unitDay, unitHour, unitMinute, unitSecond, unitNano}
	skip := map[unit]int{unitMonth: 0, unitDay: 1, unitWeekday: 1, unitHour: 2, unitMinute: 3, unitSecond: 4, unitNano: 5}[u]
	for _, smaller := range units[skip:] {
		first, _ := smaller.bounds(m)
		m = smaller.put(z, m, first)
	}
	return m
}

// values is a field of plain values.
type values struct {
	unit unit
	set  set
}

func (v values) from(value int) int {
	if value > 63 {
		return -1 // nanoseconds
	}
	return v.set.from(value)
}

// again is the goal in a new period, which a change of the clocks can begin late.
func (v values) again(m moment) int {
	if goal := v.from(v.unit.get(m)); goal >= 0 {
		return goal
	}
	return v.from(0)
}

func (v values) search(z *zone, m moment) (moment, bool) {
	now := v.unit.get(m)
	goal := v.from(now)
	if goal == now {
		return m, true
	}
	if goal < 0 {
		m = v.unit.over(z, m)
		goal = v.again(m)
		now = v.unit.get(m)
	}
	for n := 0; now != goal; n++ {
		if n == attempts-1 {
			return m, false
		}
		m = v.unit.forward(z, m, goal)
		now = v.unit.get(m)
		if goal = v.from(now); goal < 0 {
			m = v.unit.over(z, m)
			goal = v.again(m) // now stays: it is larger, so that the loop goes on
		}
	}
	return v.unit.reset(z, m), true
}
