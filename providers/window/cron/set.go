package cron

import (
	"fmt"
	"math/bits"
	"strconv"
)

// set holds the values of a field, 0 to 63.
type set uint64

func (s set) has(v int) bool { return s>>uint(v)&1 == 1 }

// from is the smallest value that is not below v, or -1.
func (s set) from(v int) int {
	rest := s >> uint(v) << uint(v)
	if rest == 0 {
		return -1
	}
	return bits.TrailingZeros64(uint64(rest))
}

func (s *set) add(first, last, step int) {
	for v := first; v <= last; v += step {
		*s |= 1 << uint(v)
	}
}

// field is what the values of a field may be.
type field struct {
	name     string
	min, max int
	names    []string // of the values from base on
	base     int
}

func secondField() field { return field{name: "second", max: 59} }
func minuteField() field { return field{name: "minute", max: 59} }
func hourField() field   { return field{name: "hour", max: 23} }
func dayField() field    { return field{name: "day of month", min: 1, max: 31} }

func monthField() field {
	return field{
		name: "month", min: 1, max: 12, base: 1,
		names: []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"},
	}
}

func weekdayField() field {
	return field{name: "day of week", max: 7, base: 1, names: []string{"MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"}}
}

func (f field) full(s set) bool {
	var all set
	all.add(f.min, f.max, 1)
	return s&all == all
}

func (f field) wrong(found, format string, args ...any) error {
	return fmt.Errorf("%s: found %q, expected "+format, append([]any{f.name, found}, args...)...)
}

// between says which values there are.
func (f field) between() string {
	text := fmt.Sprintf("%d to %d", f.min, f.max)
	if len(f.names) > 0 {
		text += " or " + f.names[0] + " to " + f.names[len(f.names)-1]
	}
	return text
}

func (f field) order(found string, first, last int) error {
	if first > f.max || last < f.min {
		return f.wrong(found, "a range from the smaller value to the larger")
	}
	return f.wrong(found, "a range from the smaller value to the larger: write %s", f.wrapped(first, last))
}

// wrapped says with two ranges what was meant with one.
func (f field) wrapped(first, last int) string {
	end := f.max
	if f.name == weekdayField().name {
		end = 6
	}
	return span(first, end) + "," + span(f.min, last)
}

func span(first, last int) string {
	if first >= last {
		return strconv.Itoa(last)
	}
	return strconv.Itoa(first) + "-" + strconv.Itoa(last)
}
