package cron

import (
	"strconv"
	"strings"
)

// parseVixie reads five fields as crontab(5): a field is a list of *, a value, or a range, the first and the last with
// a step or without. Names stand for one value each, as a whole. What cron takes and then ignores (5/2) is refused.
func parseVixie(fields []string) (Schedule, error) {
	var sets [5]set
	for i, f := range []field{minuteField(), hourField(), dayField(), monthField(), weekdayField()} {
		s, err := f.vixie(fields[i])
		if err != nil {
			return Schedule{}, err
		}
		sets[i] = s
	}
	days, weekdays := sets[2], sets[4]
	if weekdays.has(0) {
		weekdays.add(7, 7, 1)
	}
	c := calendar{seconds: 1, minutes: sets[0], hours: sets[1], months: sets[3]}
	c.days = []rule{func(d date) bool { return days.has(d.day) }}
	c.weekdays = []rule{func(d date) bool { return weekdays.has(d.weekday) }}
	// As in cron's own source: what begins with * is no restriction, also when a step makes it one.
	c.either = fields[2][0] != '*' && fields[4][0] != '*'
	return Schedule{
		plain: c, never: c.never(),
		frequent: frequent(minuteField(), fields[0], sets[0]) || frequent(hourField(), fields[1], sets[1]),
	}, nil
}

func frequent(f field, text string, values set) bool {
	return strings.Contains(text, "*") || f.full(values)
}

func (f field) vixie(text string) (out set, err error) {
	for part := range strings.SplitSeq(text, ",") {
		span, step, stepped := strings.Cut(part, "/")
		every := 1
		if stepped {
			if every = digits(step); every < 1 {
				return 0, f.wrong(part, "a step of 1 or more behind the /")
			}
		}
		if span == "*" {
			out.add(f.min, f.max, every)
			continue
		}
		from, to, ranged := strings.Cut(span, "-")
		if stepped && !ranged {
			return 0, f.wrong(part, "a step behind * or a range: write %s-%d/%s", from, f.max, step)
		}
		if !ranged {
			to = from
		}
		first, last := f.vixieValue(from), f.vixieValue(to)
		if first < 0 || last < 0 {
			return 0, f.wrong(part, "%s, ranges (a-b), lists (a,b), steps (*/n, a-b/n) or *", f.between())
		}
		if first > last {
			return 0, f.order(part, first, last)
		}
		out.add(first, last, every)
	}
	return out, nil
}

// vixieValue is a number or a name, or -1.
func (f field) vixieValue(text string) int {
	for i, name := range f.names {
		if strings.EqualFold(text, name) {
			return (f.base + i) % (len(f.names) + f.min)
		}
	}
	if v := digits(text); v >= f.min && v <= f.max {
		return v
	}
	return -1
}

// digits reads a number of nothing but digits; -1 is none.
func digits(text string) int {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return -1
	}
	v, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return min(v, 1<<20)
}
