package cron

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// oracle looks at every second, or minute, of a stretch of time and asks in plain terms whether the expression fits. It
// shares nothing with the evaluator: it reads the expression by itself, and time.Time says what the clocks show.
type oracle struct {
	second, minute, hour, month func(int) bool
	day, weekday                func(time.Time) bool
	either                      bool
}

func newOracle(expr string) oracle {
	f := strings.Fields(expr)
	o := oracle{second: func(s int) bool { return s == 0 }}
	if len(f) == 6 {
		o.second = plain(f[0], 0, 59)
		f = f[1:]
	} else {
		o.either = f[2][0] != '*' && f[4][0] != '*'
	}
	o.minute, o.hour, o.month = plain(f[0], 0, 59), plain(f[1], 0, 23), plain(months(f[3]), 1, 12)
	o.day, o.weekday = days(f[2]), weekdays(f[4])
	return o
}

func (o oracle) fits(t time.Time) bool {
	if !o.second(t.Second()) || !o.minute(t.Minute()) || !o.hour(t.Hour()) {
		return false
	}
	return o.date(t)
}

func (o oracle) date(t time.Time) bool {
	if !o.month(int(t.Month())) {
		return false
	}
	if o.either {
		return o.day(t) || o.weekday(t)
	}
	return o.day(t) && o.weekday(t)
}

// plain says whether a value is in a list of values, ranges and steps.
func plain(text string, first, last int) func(int) bool {
	var in [64]bool
	for _, part := range strings.Split(text, ",") {
		span, step, stepped := strings.Cut(part, "/")
		n := 1
		if stepped {
			n, _ = strconv.Atoi(step)
		}
		from, to, ranged := strings.Cut(span, "-")
		a, _ := strconv.Atoi(from)
		b, _ := strconv.Atoi(to)
		switch {
		case span == "*" || span == "?":
			a, b = first, last
		case !ranged && stepped:
			b = last
		case !ranged:
			b = a
		}
		for x := a; x <= b; x += max(n, 1) {
			in[x] = true
		}
	}
	return func(v int) bool { return in[v] }
}

func months(text string) string {
	for m := time.January; m <= time.December; m++ {
		text = strings.ReplaceAll(text, strings.ToUpper(m.String()[:3]), strconv.Itoa(int(m)))
	}
	return text
}

func lastOf(t time.Time) int {
	return time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func workday(d time.Weekday) bool { return d != time.Saturday && d != time.Sunday }

func days(text string) func(time.Time) bool {
	return func(t time.Time) bool {
		for _, part := range strings.Split(text, ",") {
			n, _ := strconv.Atoi(strings.Trim(part, "LW-"))
			last := lastOf(t)
			fits := false
			switch {
			case part == "L":
				fits = t.Day() == last
			case part == "LW":
				want := time.Date(t.Year(), t.Month(), last, 0, 0, 0, 0, time.UTC)
				for !workday(want.Weekday()) {
					want = want.AddDate(0, 0, -1)
				}
				fits = t.Day() == want.Day()
			case part[0] == 'L':
				fits = t.Day() == last-n
			case strings.HasSuffix(part, "W"):
				fits = nearWorkday(t, n, last)
			default:
				fits = plain(part, 1, 31)(t.Day())
			}
			if fits {
				return true
			}
		}
		return false
	}
}

func nearWorkday(t time.Time, n, last int) bool {
	if n > last {
		return false
	}
	want := time.Date(t.Year(), t.Month(), n, 0, 0, 0, 0, time.UTC)
	switch {
	case want.Weekday() == time.Saturday && n == 1:
		want = want.AddDate(0, 0, 2)
	case want.Weekday() == time.Saturday:
		want = want.AddDate(0, 0, -1)
	case want.Weekday() == time.Sunday:
		want = want.AddDate(0, 0, 1)
	}
	return t.Day() == want.Day() && t.Month() == want.Month()
}

func weekdays(text string) func(time.Time) bool {
	for d := time.Sunday; d <= time.Saturday; d++ {
		text = strings.ReplaceAll(text, strings.ToUpper(d.String()[:3]), strconv.Itoa(int(d)))
	}
	return func(t time.Time) bool {
		day := int(t.Weekday())
		for _, part := range strings.Split(text, ",") {
			which, nth, ordinal := strings.Cut(part, "#")
			fits := false
			switch {
			case ordinal:
				n, _ := strconv.Atoi(nth)
				d, _ := strconv.Atoi(which)
				fits = d%7 == day && (t.Day()+6)/7 == n
			case strings.HasSuffix(part, "L"):
				d, _ := strconv.Atoi(strings.TrimSuffix(part, "L"))
				fits = d%7 == day && t.Day()+7 > lastOf(t)
			default:
				is := plain(part, 1, 7)
				fits = is(day) || day == 0 && is(7)
			}
			if fits {
				return true
			}
		}
		return false
	}
}

// one is a field of plain values.
func one(first, last int, spring bool) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		a := rapid.IntRange(first, last).Draw(t, "a")
		b := rapid.IntRange(a, last).Draw(t, "b")
		n := strconv.Itoa(rapid.IntRange(1, last+2).Draw(t, "step"))
		span := fmt.Sprintf("%d-%d", a, b)
		forms := []string{"*", "*", strconv.Itoa(a), strconv.Itoa(a), span, span + "/" + n, "*/" + n, strconv.Itoa(a) + "," + strconv.Itoa(b), span + "," + strconv.Itoa(first)}
		if spring {
			forms = append(forms, strconv.Itoa(a)+"/"+n)
		}
		return rapid.SampledFrom(forms).Draw(t, "form")
	})
}

func expression(spring bool) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		f := []string{
			one(0, 59, spring).Draw(t, "minute"), one(0, 23, spring).Draw(t, "hour"), one(1, 31, spring).Draw(t, "day"),
			one(1, 12, spring).Draw(t, "month"), one(0, 7, spring).Draw(t, "weekday"),
		}
		star := rapid.IntRange(0, 7).Draw(t, "star")
		if star&1 == 0 {
			f[3] = "*"
		}
		if star&2 == 0 {
			f[2] = "*"
		}
		if star&4 == 0 {
			f[4] = "*"
		}
		if star == 7 && f[3] != "*" {
			f[3] = rapid.SampledFrom([]string{"JAN", "FEB-APR", "MAR,SEP", "OCT-DEC"}).Draw(t, "name")
		}
		if !spring {
			f[4] = strings.ReplaceAll(f[4], "*/", "0-7/") // a step from Sunday on, in both readings
			return strings.Join(f, " ")
		}
		n := strconv.Itoa(rapid.IntRange(1, 28).Draw(t, "n")) // TestSpringOddities has what Spring makes of others
		few := strconv.Itoa(rapid.IntRange(1, 27).Draw(t, "few"))
		d := strconv.Itoa(rapid.IntRange(0, 7).Draw(t, "d"))
		k := strconv.Itoa(rapid.IntRange(1, 5).Draw(t, "k"))
		switch rapid.IntRange(0, 9).Draw(t, "letters") {
		case 0:
			f[2] = rapid.SampledFrom([]string{"L", "LW", "L-" + few, n + "W", "1,L", few + "," + n + "W", "?"}).Draw(t, "L")
		case 1:
			f[4] = rapid.SampledFrom([]string{d + "L", d + "#" + k, "MON#1,FRI#" + k, "MON-FRI", "SUN", "?", "TUE," + d + "L"}).Draw(t, "#")
		}
		if strings.HasPrefix(f[4], "7-") {
			f[4] = "0" + f[4][1:]
		}
		return one(0, 59, true).Draw(t, "second") + " " + strings.Join(f, " ")
	})
}

// change is a day with a change of the clocks, or an odd day otherwise.
type change struct{ zone, day string }

func changes() []change {
	return []change{
		{"Europe/Berlin", "2026-03-29"},
		{"Europe/Berlin", "2026-10-25"},
		{"America/New_York", "2026-03-08"},
		{"America/New_York", "2026-11-01"},
		{"Australia/Lord_Howe", "2026-04-05"},
		{"Australia/Lord_Howe", "2026-10-04"},
		{"America/Sao_Paulo", "2018-11-04"},
		{"America/Sao_Paulo", "2018-02-18"},
		{"America/Havana", "2026-03-08"},
		{"America/Havana", "2026-11-01"},
		{"Africa/Cairo", "2025-04-25"},
		{"Africa/Cairo", "2025-10-31"},
		{"Asia/Kathmandu", "1986-01-01"},
		{"Asia/Kathmandu", "2026-06-01"},
		{"Pacific/Apia", "2011-12-30"},
		{"Pacific/Apia", "2011-04-02"},
		{"Asia/Seoul", "1987-05-10"},
		{"Asia/Seoul", "1987-10-11"},
		{"Antarctica/Troll", "2026-03-29"},
		{"Antarctica/Troll", "2026-10-25"},
		{"Africa/Casablanca", "2026-02-15"},
		{"America/Caracas", "2007-12-09"},
		{"UTC", "2028-02-29"},
		{"UTC", "2026-12-31"},
	}
}

// TestOracle: the evaluator finds exactly the starts that the walk finds, around every change of the clocks.
func TestOracle(t *testing.T) {
	for _, spring := range []bool{false, true} {
		t.Run(fmt.Sprintf("spring=%v", spring), rapid.MakeCheck(func(t *rapid.T) {
			c := rapid.SampledFrom(changes()).Draw(t, "change")
			loc, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.DateOnly, c.day)
			if err != nil {
				t.Fatal(err)
			}
			from := at.Add(-time.Duration(rapid.IntRange(0, 40*24*60).Draw(t, "before")) * time.Minute)
			expr := expression(spring).Draw(t, "expr")
			if c.zone == "Pacific/Apia" && strings.ContainsAny(expr, "LW#") {
				return // Spring counts from the day that was not there
			}
			compare(t, expr, loc, from, from.Add(45*24*time.Hour))
		}))
	}
}

func compare(t *rapid.T, expr string, loc *time.Location, from, until time.Time) {
	s, err := Parse(expr)
	if err != nil {
		t.Fatal(expr, err)
	}
	var want []time.Time
	o := newOracle(expr)
	for at := from.Add(time.Minute); at.Before(until) && len(want) < 150; at = at.Add(time.Minute) {
		local := at.In(loc)
		if !o.minute(local.Minute()) || !o.hour(local.Hour()) || !o.date(local) {
			continue
		}
		for range 60 {
			if o.fits(local) {
				want = append(want, local)
			}
			local = local.Add(time.Second)
		}
	}
	var got []time.Time
	for at, last := from.Add(time.Minute-time.Second), end(want, until); ; {
		next, ok := s.Next(at, loc)
		if !ok || next.After(last) || len(got) > 10000 {
			break
		}
		got = append(got, next)
		at = next
	}
	if len(strings.Fields(expr)) == 6 {
		want = springs(loc, got, want)
	}
	if !slices.EqualFunc(got, want, time.Time.Equal) {
		i := 0
		for i < min(len(got), len(want)) && got[i].Equal(want[i]) {
			i++
		}
		t.Fatalf("%s in %s from %s: at %d:\n got %v\nwant %v", expr, loc, from, i, got[i:min(i+4, len(got))], want[i:min(i+4, len(want))])
	}
}

func end(want []time.Time, until time.Time) time.Time {
	if len(want) == 0 {
		return until.Add(-time.Second)
	}
	return want[len(want)-1]
}

// springs leaves out of want what Spring leaves out. It takes a minute's step into the next hour as an hour that passes, so
// it goes past the rest of the hour after a change that is no whole number of hours; past the second of two hours that
// come twice together; and it steps to the next day by its calendar, so past the first of two midnights.
func springs(loc *time.Location, got, want []time.Time) []time.Time {
	behind, ahead := time.Duration(0), time.Duration(0)
	switch loc.String() {
	case "Australia/Lord_Howe", "America/Caracas", "Asia/Kathmandu":
		behind = time.Hour
	case "Antarctica/Troll":
		behind = 2 * time.Hour
	case "America/Havana":
		ahead = time.Hour
	}
	return slices.DeleteFunc(slices.Clone(want), func(w time.Time) bool {
		start, end := w.ZoneBounds()
		_, off := w.Zone()
		_, next := end.Zone()
		may := !start.IsZero() && w.Before(start.Add(behind)) || !end.IsZero() && next < off && !w.Before(end.Add(-ahead))
		return may && !slices.ContainsFunc(got, w.Equal)
	})
}
