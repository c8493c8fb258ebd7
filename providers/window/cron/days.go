package cron

import (
	"strconv"
	"strings"
)

// parseDays reads a field of days: Spring's values, or a list of which parts have an L, W or #.
func parseDays(f field, text, written string) (searcher, []rule, error) {
	letters, u := "LW", unitDay
	if f.name == weekdayField().name {
		letters, u = "L#", unitWeekday
	}
	parts := []string{text}
	if strings.ContainsAny(text, letters) {
		parts = strings.Split(text, ",")
	}
	var all list
	var rules []rule
	seen := map[string]bool{}
	lettered := 0
	var plain set
	for _, part := range parts {
		if !strings.ContainsAny(part, letters) {
			v, err := f.plainDays(part, written)
			if err != nil {
				return nil, nil, err
			}
			if key := strconv.FormatUint(uint64(v), 2); !seen[key] {
				seen[key] = true
				all = append(all, values{u, v})
				plain |= v
			}
			continue
		}
		one, err := f.lettered(part, written)
		if err != nil {
			return nil, nil, err
		}
		if !seen[one.key] {
			seen[one.key] = true
			lettered++
			all = append(all, one)
			rules = append(rules, one.plain)
		}
	}
	rules = append(rules, func(d date) bool { return plain.has(u.of(d)) })
	switch {
	case lettered > maxPieces:
		return nil, nil, f.wrong(written, "at most %d different parts with a letter or #", maxPieces)
	case len(all) == 1:
		return all[0], rules, nil
	}
	return all, rules, nil
}

func (u unit) of(d date) int {
	if u == unitDay {
		return d.day
	}
	return d.weekday
}

func (f field) plainDays(text, written string) (set, error) {
	if text == "?" {
		text = "*"
	}
	v, err := f.spring(text, written)
	if f.name == weekdayField().name && v.has(0) {
		v.add(7, 7, 1)
		v &^= 1
	}
	return v, err
}

// list is the earliest of several.
type list []searcher

func (l list) search(z *zone, m moment) (best moment, found bool) {
	for _, s := range l {
		if c, ok := s.search(z, m); ok && (!found || c.before(best)) {
			best, found = c, true
		}
	}
	return best, found
}

// letter is a part with L, W or #: its day in the month of a moment, which can be before the moment.
type letter struct {
	key    string
	adjust func(*zone, moment) (moment, bool)
	plain  rule
}

func (l letter) search(z *zone, m moment) (moment, bool) {
	found, ok := l.adjust(z, m)
	if !ok || !found.before(m) {
		return found, ok
	}
	if found, ok = l.adjust(z, unitDay.over(z, m)); !ok {
		return found, false
	}
	return unitDay.reset(z, found), true
}

func (f field) lettered(part, written string) (letter, error) {
	if f.name == weekdayField().name {
		return f.letteredWeekday(part, written)
	}
	bad := f.wrong(written, "L, L-n, LW, nW with n from 1 to 31, or plain values")
	head, tail, last := strings.Cut(part, "L")
	switch {
	case last && head != "":
		return letter{}, bad
	case part == "L":
		return lastDay(0), nil
	case part == "LW":
		return lastWorkday(), nil
	case last:
		n, ok := number(tail)
		if !ok || n >= 0 {
			return letter{}, bad
		}
		return lastDay(-n), nil
	}
	day, ok := strings.CutSuffix(part, "W")
	n, fine := number(day)
	if !ok || !fine || n < 1 || n > 31 {
		return letter{}, bad
	}
	return nearest(n), nil
}

func (f field) letteredWeekday(part, written string) (letter, error) {
	bad := f.wrong(written, "nL or n#k with a weekday n (0 to 7 or a name) and k from 1 to 5, or plain values")
	if day, ok := strings.CutSuffix(part, "L"); ok {
		n, fine := number(day)
		if !fine || n < 0 || n > 7 {
			return letter{}, bad
		}
		return lastWeekday(sunday(n)), nil
	}
	at := strings.LastIndexByte(part, '#')
	if at < 0 || strings.Contains(part, "L") {
		return letter{}, bad
	}
	n, ok := number(part[:at])
	k, fine := number(part[at+1:])
	if !ok || !fine || n < 0 || n > 7 || k < 1 {
		return letter{}, bad
	}
	return nthWeekday(sunday(n), k), nil
}

// sunday is 7 here.
func sunday(n int) int {
	if n == 0 {
		return 7
	}
	return n
}

// midnight of the day found; but where the day of the month is that of m, m itself, so as not to go back.
func midnight(z *zone, m, found moment) moment {
	if found.date().day == m.date().day {
		return m
	}
	return z.resolve(floor(found.local, day)*day, 0, found.off)
}

func endOfMonth(z *zone, m moment) moment { return unitDay.put(z, m, m.date().length) }

func lastDay(before int) letter {
	return letter{
		key: "L-" + strconv.Itoa(before),
		adjust: func(z *zone, m moment) (moment, bool) {
			end := endOfMonth(z, m)
			if before > 0 {
				end = z.addDays(end, int64(-before))
			}
			return midnight(z, m, end), true
		},
		plain: func(d date) bool { return d.day == d.length-before },
	}
}

func lastWorkday() letter {
	return letter{
		key: "LW",
		adjust: func(z *zone, m moment) (moment, bool) {
			end := endOfMonth(z, m)
			if over := end.date().weekday - 5; over > 0 {
				end = z.addDays(end, int64(-over))
			}
			return midnight(z, m, end), true
		},
		plain: func(d date) bool {
			return d.weekday <= 5 && (d.day == d.length || d.weekday == 5 && d.day >= d.length-2)
		},
	}
}

func lastWeekday(weekday int) letter {
	return letter{
		key: strconv.Itoa(weekday) + "L",
		adjust: func(z *zone, m moment) (moment, bool) {
			end := endOfMonth(z, m)
			back := (end.date().weekday - weekday + 7) % 7
			return midnight(z, m, z.addDays(end, int64(-back))), true
		},
		plain: func(d date) bool { return d.weekday == weekday && d.day+7 > d.length },
	}
}

func nthWeekday(weekday, n int) letter {
	return letter{
		key: strconv.Itoa(weekday) + "#" + strconv.Itoa(n),
		adjust: func(z *zone, m moment) (moment, bool) {
			if n > 5 {
				return m, false // Spring would look at a year of months to find this out
			}
			// Where the month has no such day the search goes on from where the count ended, in a later month.
			for range 12 {
				first := unitDay.put(z, m, 1)
				on := (weekday - first.date().weekday + 7) % 7
				found := z.addDays(first, int64(on)+int64(n-1)*7)
				if found.date().month == m.date().month {
					return midnight(z, m, found), true
				}
				m = found
			}
			return m, false
		},
		plain: func(d date) bool { return d.weekday == weekday && (d.day-1)/7+1 == n },
	}
}

// nearest is the workday nearest to a day of the month, in the same month.
func nearest(n int) letter {
	return letter{
		key: strconv.Itoa(n) + "W",
		adjust: func(z *zone, m moment) (moment, bool) {
			if nearestFits(m.date(), n) {
				return m, true
			}
			for range attempts {
				d := m.date()
				if d.day != n {
					m = unitDay.forward(z, m, n)
					continue
				}
				if shift := toWorkday(d.weekday, n); shift != 0 {
					m = z.addDays(m, shift)
				}
				return z.resolve(floor(m.local, day)*day, 0, m.off), true
			}
			return m, false
		},
		plain: func(d date) bool { return nearestFits(d, n) && n <= d.length },
	}
}

func toWorkday(weekday, n int) int64 {
	switch {
	case weekday == 6 && n == 1:
		return 2
	case weekday == 6:
		return -1
	case weekday == 7:
		return 1
	}
	return 0
}

func nearestFits(d date, n int) bool {
	switch {
	case d.weekday < 6 && d.day == n, d.weekday == 5 && d.day == n-1, d.weekday == 1 && d.day == n+1:
		return true
	}
	return d.weekday == 1 && n == 1 && d.day == 3
}
