// Package cron says when a cron expression fires. Six fields, seconds first, and the macros are read and evaluated as
// Spring's CronExpression does; five fields as vixie cron does. It owns the expressions and their times in a time zone;
// it knows no jobs, windows or crontab lines, and no clock.
package cron

import (
	"fmt"
	"strings"
	"time"
)

// maxLength bounds an expression, in bytes: longer than one that lists every value of every field.
const maxLength = 1000

// Schedule is an expression that was understood; Parse makes it. The zero value never fires.
type Schedule struct {
	plain    calendar
	spring   *spring // six fields and macros
	frequent bool
	never    bool
}

// Parse reads an expression: six fields or a macro (@yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly)
// as Spring's CronExpression.parse, five fields as crontab(5) of vixie cron, and @reboot, which no time fires. Its
// errors name the field, what was found there and what is expected. Where Spring or cron would accept something by
// accident, Parse refuses it when it can't be bounded: a longer expression than 1,000 bytes, more than 24 different
// parts with L, W or #, digits that are not 0 to 9.
func Parse(expr string) (Schedule, error) {
	if len(expr) > maxLength {
		return Schedule{}, fmt.Errorf("an expression of %d bytes, expected at most %d", len(expr), maxLength)
	}
	text := strings.TrimFunc(expr, blank)
	if strings.HasPrefix(text, "@") {
		return parseMacro(text)
	}
	// Spring separates fields by spaces only and then trims them.
	var six []string
	for f := range strings.SplitSeq(text, " ") {
		if f = strings.TrimFunc(f, blank); f != "" {
			six = append(six, f)
		}
	}
	five := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\t' })
	switch {
	case len(six) == 6:
		return parseSpring(six)
	case len(five) == 5:
		return parseVixie(five)
	case len(five) == 6:
		return Schedule{}, fmt.Errorf("a tab in %q, expected spaces between six fields", expr)
	}
	return Schedule{}, fmt.Errorf("found %s in %q, expected 5 (as in a crontab: minute, hour, day of month, month, day of week) or 6 (as in Spring: second first)",
		plural(len(five)), expr)
}

func plural(fields int) string {
	if fields == 1 {
		return "1 field"
	}
	return fmt.Sprintf("%d fields", fields)
}

// blank is what Java's trim removes.
func blank(r rune) bool { return r <= ' ' }

func parseMacro(text string) (Schedule, error) {
	fields := ""
	switch strings.ToLower(text) {
	case "@yearly", "@annually":
		fields = "0 0 0 1 1 *"
	case "@monthly":
		fields = "0 0 0 1 * *"
	case "@weekly":
		fields = "0 0 0 * * 0"
	case "@daily", "@midnight":
		fields = "0 0 0 * * *"
	case "@hourly":
		fields = "0 0 * * * *"
	case "@reboot":
		return Schedule{never: true}, nil
	default:
		return Schedule{}, fmt.Errorf("found %q, expected @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly or @reboot", text)
	}
	return parseSpring(strings.Fields(fields))
}

// Next is the first start strictly after the given time, in loc; false when there is none. A start that falls into the
// hour that a change of the clocks leaves out is left out too, one in the hour that comes twice comes twice. For six
// fields the answer is Spring's, its oddities and its bound of 366 attempts included; where Spring's answer is not
// after the time asked for (it then stays at one time for ever), the plain meaning of the fields decides. A search is
// bounded: it takes some milliseconds at most. There is
// nothing after the year 9999.
func (s Schedule) Next(after time.Time, loc *time.Location) (time.Time, bool) {
	t, ok, _ := s.next(after, loc)
	return t, ok
}

// next counts the work too: how many local times it looked at.
func (s Schedule) next(after time.Time, loc *time.Location) (next time.Time, ok bool, work int) {
	z := &zone{loc: loc}
	if y := after.Year(); y < -9000 || y > 9999 {
		return time.Time{}, false, 0
	}
	if s.spring != nil {
		m, found := s.spring.next(z, after)
		if !found {
			return time.Time{}, false, z.work
		}
		if t := m.time(loc); t.After(after) {
			return t, true, z.work
		}
	}
	if s.never {
		return time.Time{}, false, z.work
	}
	t, ok := s.plain.next(z, after)
	return t, ok, z.work
}

// Frequent says that the expression has a * in its second, minute or hour field (*/5 counts), or every value of it
// (0-23, 0/1): a job that runs every second, minute or hour, for some part of the day at least. 0/30 is not: it has no *.
func (s Schedule) Frequent() bool { return s.frequent }

// Never says that no date of the calendar fits, as the 30th of February, or that no time fires it, as @reboot.
// An expression that is not Never can have no next start all the same: Spring gives up when it finds none soon enough.
func (s Schedule) Never() bool { return s.never }
