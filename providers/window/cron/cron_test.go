package cron

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func mustParse(t testing.TB, expr string) Schedule {
	t.Helper()
	s, err := Parse(expr)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func in(t testing.TB, zone, wall string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse("2006-01-02T15:04:05", wall)
	if err != nil {
		t.Fatal(err)
	}
	return Local(at, loc)
}

// starts are the next ones as text, in one line.
func starts(t testing.TB, expr string, at time.Time, count int) string {
	t.Helper()
	var out []string
	for s := mustParse(t, expr); len(out) < count; {
		next, ok := s.Next(at, at.Location())
		if !ok {
			return strings.Join(append(out, "none"), " ")
		}
		out = append(out, next.Format("2006-01-02T15:04:05-07:00"))
		at = next
	}
	return strings.Join(out, " ")
}

func TestVixie(t *testing.T) {
	for _, c := range []struct{ expr, zone, from, want string }{
		{"0 13 * * *", "UTC", "2026-01-30T13:00:00", "2026-01-31T13:00:00+00:00"},
		// Both days restricted: either is enough.
		{"0 0 13 * FRI", "UTC", "2026-01-31T00:00:00", "2026-02-06T00:00:00+00:00 2026-02-13T00:00:00+00:00 2026-02-20T00:00:00+00:00"},
		{"0 0 1,15 * 3", "UTC", "2026-01-01T00:00:00", "2026-01-07T00:00:00+00:00 2026-01-14T00:00:00+00:00 2026-01-15T00:00:00+00:00"},
		// One of them begins with *: both must fit.
		{"0 0 */2 * 1", "UTC", "2026-01-01T00:00:00", "2026-01-05T00:00:00+00:00 2026-01-19T00:00:00+00:00"},
		{"0 0 13 * *", "UTC", "2026-01-01T00:00:00", "2026-01-13T00:00:00+00:00 2026-02-13T00:00:00+00:00"},
		{"0 0 13 * */1", "UTC", "2026-01-01T00:00:00", "2026-01-13T00:00:00+00:00 2026-02-13T00:00:00+00:00"},
		{"0 0 1,* * 3", "UTC", "2026-01-01T00:00:00", "2026-01-02T00:00:00+00:00"},
		{"0 0 * * 0", "UTC", "2026-01-01T00:00:00", "2026-01-04T00:00:00+00:00 2026-01-11T00:00:00+00:00"},
		{"0 0 * * 7", "UTC", "2026-01-01T00:00:00", "2026-01-04T00:00:00+00:00 2026-01-11T00:00:00+00:00"},
		{"0 0 * * 5-7", "UTC", "2026-01-01T00:00:00", "2026-01-02T00:00:00+00:00 2026-01-03T00:00:00+00:00 2026-01-04T00:00:00+00:00 2026-01-09T00:00:00+00:00"},
		{"0 0 1 jan-mar,Dec *", "UTC", "2026-02-01T00:00:00", "2026-03-01T00:00:00+00:00 2026-12-01T00:00:00+00:00 2027-01-01T00:00:00+00:00"},
		{"0 0 * * sun-tue", "UTC", "2026-01-01T00:00:00", "2026-01-04T00:00:00+00:00 2026-01-05T00:00:00+00:00 2026-01-06T00:00:00+00:00"},
		{"*/20 8-9 * * *\t", "UTC", "2026-01-01T08:30:00", "2026-01-01T08:40:00+00:00 2026-01-01T09:00:00+00:00"},
		{"0\t0 29  2 *", "UTC", "2026-01-01T00:00:00", "2028-02-29T00:00:00+00:00 2032-02-29T00:00:00+00:00"},
		{"0 0 29 2 *", "UTC", "2096-03-01T00:00:00", "2104-02-29T00:00:00+00:00"},
		{"0 0 30 2 *", "UTC", "2026-01-01T00:00:00", "none"},
		{"0 0 30 2 1", "UTC", "2026-01-01T00:00:00", "2026-02-02T00:00:00+00:00"},
		{"@reboot", "UTC", "2026-01-01T00:00:00", "none"},
		{"30 2 * * *", "America/New_York", "2026-03-07T12:00:00", "2026-03-09T02:30:00-04:00"},
		{"30 1 * * *", "America/New_York", "2026-10-31T12:00:00", "2026-11-01T01:30:00-04:00 2026-11-01T01:30:00-05:00 2026-11-02T01:30:00-05:00"},
		{"0 12 30 12 *", "Pacific/Apia", "2010-12-31T00:00:00", "2012-12-30T12:00:00+14:00"},
	} {
		n := len(strings.Fields(c.want))
		if got := starts(t, c.expr, in(t, c.zone, c.from), n); got != c.want {
			t.Errorf("%s in %s from %s:\n got %s\nwant %s", c.expr, c.zone, c.from, got, c.want)
		}
	}
}

// What follows from Spring's source and from nothing else.
func TestSpringOddities(t *testing.T) {
	for _, c := range []struct{ why, expr, zone, from, want string }{
		{"a day before the month begins", "0 0 0 L-31 * *", "UTC", "2026-01-01T00:00:00", "2026-01-28T00:00:00+00:00 none"},
		{"no Sunday the 31st is moved into the next month", "0 0 0 31W * *", "UTC", "2027-10-01T00:00:00", "2027-12-31T00:00:00+00:00"},
		{"a Friday before a 31st that is not there", "0 0 12 31W * *", "UTC", "2027-04-30T00:00:00", "2027-04-30T12:00:00+00:00"},
		{"366 attempts", "0 0 0 29 2 MON#1", "UTC", "2026-01-01T00:00:00", "none"},
		{"7 begins a range as 0", "0 0 0 * * 7-1", "UTC", "2026-01-01T00:00:00", "2026-01-04T00:00:00+00:00 2026-01-05T00:00:00+00:00 2026-01-11T00:00:00+00:00"},
		{"* of weekdays begins on Monday", "0 0 0 * * */3", "UTC", "2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00"},
		{"names are replaced in the text", "0 0 0 1 1JAN *", "UTC", "2026-01-01T00:00:00", "2026-11-01T00:00:00+00:00"},
		{"a sign", "0 0 0 +5 * *", "UTC", "2026-01-01T00:00:00", "2026-01-05T00:00:00+00:00"},
		{"in either case", "0 0 0 ? jan,Feb thul", "UTC", "2026-02-01T00:00:00", "2026-02-26T00:00:00+00:00 2027-01-28T00:00:00+00:00"},
		{"macros too", "@Daily", "UTC", "2026-02-01T00:00:00", "2026-02-02T00:00:00+00:00"},
		{"? in a list with L", "0 0 0 L,? * *", "UTC", "2026-02-01T00:00:00", "2026-02-02T00:00:00+00:00"},
		{"a last workday that was not there", "0 0 0 LW * *", "Pacific/Apia", "2011-12-15T00:00:00", "2011-12-31T00:00:00+14:00"},
		{"the second of two midnights", "0 0 0 * * *", "America/Havana", "2026-10-31T00:00:00", "2026-11-01T00:00:00-05:00 2026-11-02T00:00:00-05:00"},
		{"of a month too", "0 0 0 1 * *", "America/Havana", "2026-10-01T00:00:00", "2026-11-01T00:00:00-05:00 2026-12-01T00:00:00-05:00"},
		{"coming from later in the day", "0 0 0 1 * *", "America/Havana", "2026-10-31T12:00:00", "2026-11-01T00:00:00-05:00 2026-12-01T00:00:00-05:00"},
		{"both, coming from the hour before", "0 0 0,23 * * *", "America/Havana", "2026-10-31T12:00:00", "2026-10-31T23:00:00-04:00 2026-11-01T00:00:00-04:00 2026-11-01T00:00:00-05:00"},
		{"a fifth Monday", "0 0 8 ? * MON#2,MON#5", "UTC", "2025-01-31T00:00:00", "2025-02-10T08:00:00+00:00 2025-03-10T08:00:00+00:00 2025-03-31T08:00:00+00:00"},
		{"midnight left out (issue 36859)", "0 0 */2 * * ?", "Africa/Cairo", "2025-04-24T21:10:20", "2025-04-24T22:00:00+02:00 2025-04-25T02:00:00+03:00"},
		{"half an hour twice: once", "0 45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00", "2026-04-05T01:45:00+11:00 2026-04-06T01:45:00+10:30"},
		{"half an hour twice, where Spring stands still", "0 15 * * * *", "Australia/Lord_Howe", "2026-04-05T01:00:00", "2026-04-05T01:15:00+11:00 2026-04-05T02:15:00+10:30"},
		{"half an hour left out: the other half too", "0 45 * * * *", "Australia/Lord_Howe", "2026-10-04T01:00:00", "2026-10-04T01:45:00+10:30 2026-10-04T03:45:00+11:00"},
		{"the same in Caracas", "0 45 2 * * *", "America/Caracas", "2007-12-08T12:00:00", "2007-12-09T02:45:00-04:00 2007-12-10T02:45:00-04:30"},
		{"a quarter left out: the rest of the hour too", "0 50 * * * *", "Asia/Kathmandu", "1985-12-31T23:00:00", "1985-12-31T23:50:00+05:30 1986-01-01T01:50:00+05:45"},
		{"two hours twice: once", "0 30 1 * * *", "Antarctica/Troll", "2026-10-24T12:00:00", "2026-10-25T01:30:00+02:00 2026-10-26T01:30:00+00:00"},
		{"far away", "0 0 0 1 1 *", "UTC", "9999-06-01T00:00:00", "none"},
	} {
		from := in(t, c.zone, c.from)
		if strings.HasPrefix(c.why, "* of") {
			from = from.Add(-time.Second)
		}
		n := len(strings.Fields(c.want))
		if got := starts(t, c.expr, from, n); got != c.want {
			t.Errorf("%s: %s\n got %s\nwant %s", c.why, c.expr, got, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{"", "found 0 fields"},
		{"* * *", "found 3 fields"},
		{"* * * * * * *", "found 7 fields"},
		{"* * *\t* * *", "a tab"},
		{"@often", `found "@often", expected @yearly`},
		{"60 * * * * *", `second: found "60", expected 0 to 59`},
		{"* 1-x * * * *", `minute: found "1-x", expected 0 to 59`},
		{"* * 22-2 * * *", `hour: found "22-2", expected a range from the smaller value to the larger: write 22-23,0-2`},
		{"* * * 0 * *", `day of month: found "0", expected 1 to 31`},
		{"* * * l * *", `day of month: found "l"`},
		{"* * * L-0 * *", `day of month: found "L-0"`},
		{"* * * L3 * *", `day of month: found "L3"`},
		{"* * * 3L * *", `day of month: found "3L"`},
		{"* * * W * *", `day of month: found "W"`},
		{"* * * 32W * *", `day of month: found "32W"`},
		{"* * * 1WW * *", `day of month: found "1WW"`},
		{"* * * * 13 *", `month: found "13", expected 1 to 12 or JAN to DEC`},
		{"* * * * NOV-FEB *", `month: found "NOV-FEB", expected a range from the smaller value to the larger: write 11-12,1-2`},
		{"* * * * * 8", `day of week: found "8", expected 0 to 7 or MON to SUN`},
		{"* * * * * L", `day of week: found "L"`},
		{"* * * * * 5#0", `day of week: found "5#0"`},
		{"* * * * * MONDAY", `day of week: found "MONDAY"`},
		{"* * * * * FRI-MON", `write 5-6,0-1`},
		{"*/0 * * * * *", `second: found "*/0", expected a step of 1 or more`},
		{"*/ * * * * *", `second: found "*/"`},
		{"1,,2 * * * * *", `second: found "1,,2"`},
		{"? * * * * *", `second: found "?"`},
		{"99999999999 * * * * *", `second: found "99999999999"`},
		{"٣ * * * * *", "second: found"},
		{"0 0 0 L-1,L-2,L-3,L-4,L-5,L-6,L-7,L-8,L-9,L-10,L-11,L-12,L-13,L-14,L-15,L-16,L-17,L-18,L-19,L-20,L-21,L-22,L-23,L-24,L * *", "at most 24 different parts"},
		{"0 0 0 " + strings.Repeat("L-1,", 300) + "L * *", "expected at most 1000"},
		{"5/2 * * * *", `minute: found "5/2", expected a step behind * or a range: write 5-59/2`},
		{"* 24 * * *", `hour: found "24", expected 0 to 23`},
		{"* * L * *", `day of month: found "L"`},
		{"* * * * 5#2", `day of week: found "5#2"`},
		{"* * * * fri-mon", `day of week: found "fri-mon", expected a range from the smaller value to the larger: write 5-6,0-1`},
		{"? * * * *", `minute: found "?"`},
		{"* * * january *", `month: found "january"`},
		{"*/0 * * * *", `minute: found "*/0", expected a step of 1 or more`},
		{"+5 * * * *", `minute: found "+5"`},
	} {
		_, err := Parse(c.expr)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.expr, err, c.want)
		}
	}
}

func TestFrequent(t *testing.T) {
	for expr, want := range map[string]bool{
		"* * * * * *": true, "*/10 * * * * *": true, "0 * 13 * * *": true, "0 0 * * * *": true, "0 0 */12 * * *": true,
		"0 0 0-23 * * *": true, "0 0/1 13 * * *": true, "@hourly": true, "*/5 * * * *": true, "0 * * * *": true, "0-59 1 * * *": true,
		"0 0 13 * * *": false, "0 0/30 8-10 * * *": false, "0 0 9-17 * * MON-FRI": false, "@daily": false, "0 13 * * *": false,
		"0 0 0 ? * *": false, "@reboot": false,
	} {
		if got := mustParse(t, expr).Frequent(); got != want {
			t.Errorf("%s: %v", expr, got)
		}
	}
}

func TestNever(t *testing.T) {
	for expr, want := range map[string]bool{
		"0 0 0 30 2 *": true, "0 0 0 31 2,4,6 *": true, "0 0 0 * * 5#6": true, "0 0 0 L-31 * *": true, "0 0 0 30W 2 *": true, "0 0 30 2 *": true,
		"@reboot": true, "0 0 0 8-31 * 1#1": true,
		"0 0 0 29 2 *": false, "0 0 29 2 *": false, "0 0 29 2 */7": false, "0 0 30 2 1": false, "0 0 0 L-30 * *": false, "@yearly": false,
		"0 0 0 31 * 5L": false, "0 0 0 29 2 MON#5": false,
	} {
		if got := mustParse(t, expr).Never(); got != want {
			t.Errorf("%s: %v", expr, got)
		}
	}
	var zero Schedule
	if at, ok := zero.Next(time.Now(), time.UTC); ok {
		t.Errorf("the zero value fires at %v", at)
	}
}

func TestLocal(t *testing.T) {
	for _, c := range []struct{ zone, wall, want string }{
		{"America/New_York", "2026-03-08T02:30:00", "2026-03-08T03:30:00-04:00"},
		{"America/New_York", "2026-11-01T01:30:00", "2026-11-01T01:30:00-04:00"},
		{"America/New_York", "2026-11-01T02:00:00", "2026-11-01T02:00:00-05:00"},
		{"America/Sao_Paulo", "2018-11-04T00:00:00", "2018-11-04T01:00:00-02:00"},
		{"Australia/Lord_Howe", "2026-10-04T02:15:00", "2026-10-04T02:45:00+11:00"},
		{"Pacific/Apia", "2011-12-30T12:00:00", "2011-12-31T12:00:00+14:00"},
		{"UTC", "2026-01-01T00:00:00", "2026-01-01T00:00:00Z"},
	} {
		if got := in(t, c.zone, c.wall).Format(time.RFC3339); got != c.want {
			t.Errorf("%s %s: got %s, want %s", c.zone, c.wall, got, c.want)
		}
	}
}

func TestDates(t *testing.T) {
	at := time.Date(1583, 1, 1, 0, 0, 0, 0, time.UTC)
	for days := at.Unix() / day; at.Year() < 2420; days++ {
		d := dateOf(days)
		if y, m, dd := at.Date(); d.year != y || d.month != int(m) || d.day != dd || d.weekday%7 != int(at.Weekday()) || daysOf(y, int(m), dd) != days {
			t.Fatalf("%v is %+v", at, d)
		}
		at = at.AddDate(0, 0, 1)
	}
}

// nasty are expressions that make a search long.
func nasty() []string {
	var lasts, ws, nths []string
	for i := range maxPieces {
		lasts = append(lasts, "L-"+string(rune('1'+i/10%9))+string(rune('0'+i%10)))
		ws = append(ws, string(rune('1'+i/10%2))+string(rune('0'+i%10))+"W")
		nths = append(nths, string(rune('0'+i%8))+"#"+string(rune('5'+i/10%5)))
	}
	slices.Sort(ws)
	return []string{
		"0 0 0 30 2 *", "0 0 0 31 2,4,6,9,11 *", "0 0 0 29 2 MON#1", "59 59 23 31 12 5#6", "0 0 0 31W 2 *", "0 0 0 30W 2 5#6", "0 0 0 29W 2 7#9",
		"0 0 0 L-2147483647 * *", "0 0 0 * * 5#2147483647", "0 0 0 L-31,31W 2 7#9", "0 0 30 2 *", "0 0 29 2 */7", "59 23 31 2 *",
		"0 0 0 " + strings.Join(lasts, ",") + " 2 5#6", "0 0 0 " + strings.Join(ws, ",") + " 2 5#6",
		"0 0 0 " + strings.Join(lasts, ",") + " 2 " + strings.Join(nths, ","), "0 0 0 31 2 " + strings.Join(nths, ","),
		"0 0 0 29 2 " + strings.Join(nths, ","), "0 0 2 29 2 SUN",
		"0 0 0 L-1215,14," + strings.Join(lasts[:20], ",") + " 2 " + strings.Join(nths, ","),
	}
}

// maxWork is how many local times a search may look at. One takes about 130 ns: see BenchmarkNasty.
const maxWork = 60_000

func TestWorkIsBounded(t *testing.T) {
	most := 0
	for _, expr := range nasty() {
		for _, zone := range []string{"UTC", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"} {
			from := in(t, zone, "2026-01-30T23:59:59")
			_, _, work := mustParse(t, expr).next(from, from.Location())
			if work > maxWork {
				t.Errorf("%s in %s: %d", expr, zone, work)
			}
			most = max(most, work)
		}
	}
	t.Logf("at most %d", most)
}

// BenchmarkNasty fails where reading an expression and looking for its next start take more than 10 ms together.
func BenchmarkNasty(b *testing.B) {
	const most = 10 * time.Millisecond
	from := in(b, "America/New_York", "2026-01-30T23:59:59")
	for _, expr := range nasty() {
		b.Run(expr[:min(len(expr), 24)], func(b *testing.B) {
			least := time.Hour // what else the machine does is not the expression's
			for b.Loop() {
				begun := time.Now()
				mustParse(b, expr).Next(from, from.Location())
				least = min(least, time.Since(begun))
			}
			if least > most {
				b.Errorf("%s takes %s, more than %s", expr, least, most)
			}
		})
	}
}

func BenchmarkNext(b *testing.B) {
	from := in(b, "Europe/Berlin", "2026-01-30T23:59:59")
	for _, expr := range []string{"0 0 13 * * *", "0 0 0 LW * *", "0 13 * * 1-5"} {
		s := mustParse(b, expr)
		b.Run(expr, func(b *testing.B) {
			for b.Loop() {
				s.Next(from, from.Location())
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		mustParse(b, "0 0/30 8-10 * * MON-FRI")
	}
}

// FuzzParse: whatever the text and the zone, the answer comes soon; a start is after the time asked for and on a whole
// second.
func FuzzParse(f *testing.F) {
	var zones []*time.Location
	for _, c := range changes() {
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			f.Fatal(err)
		}
		zones = append(zones, loc)
	}
	for _, name := range []string{"cases.txt", "edge.txt"} {
		for i, line := range lines(f, name) {
			expr, _, _ := strings.Cut(line, "|")
			f.Add(expr, int64(1767225600), uint8(i), int16(0))
		}
	}
	for i, expr := range append(nasty(), "0 0 13 * FRI", "*/5 * * * *", "@reboot", "5/2 * * * *", "0 0 * * sun-sat") {
		f.Add(expr, int64(1774753200), uint8(i), int16(i))
	}
	f.Fuzz(func(t *testing.T, expr string, unix int64, which uint8, minutes int16) {
		loc := zones[int(which)%len(zones)]
		if minutes != 0 { // a clock that is never changed, at any distance from UTC
			loc = time.FixedZone("fixed", int(minutes)%(18*60)*60)
		}
		s, err := Parse(expr)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		at := time.Unix(unix%(1<<38), 0)
		for range 5 {
			next, ok, work := s.next(at, loc)
			if work > maxWork {
				t.Fatalf("%q in %s from %v: %d", expr, loc, at, work)
			}
			if !ok {
				return
			}
			if !next.After(at) || next.Nanosecond() != 0 {
				t.Fatalf("%q in %s from %v: %v", expr, loc, at, next)
			}
			at = next
		}
	})
}
