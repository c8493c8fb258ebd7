package load

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Result is what came of a load, in the order in which the requests were scheduled.
type Result struct {
	Samples []Sample
}

func newResult(ss []Sample) Result {
	ss = slices.Clone(ss)
	slices.SortFunc(ss, func(a, b Sample) int { return a.N - b.N })
	return Result{Samples: ss}
}

// Requests counts what was scheduled.
func (r Result) Requests() int { return len(r.Samples) }

// Lost counts the requests without a whole 2xx answer.
func (r Result) Lost() int { return len(r.Bad()) }

// Bad returns the lost ones.
func (r Result) Bad() []Sample {
	return r.which(func(s Sample) bool { return !s.Good() })
}

// Outcomes counts by status or error.
func (r Result) Outcomes() map[string]int { return count(r.Samples, Sample.Outcome) }

// Versions counts the good answers by the version that gave them.
func (r Result) Versions() map[string]int {
	return count(r.which(Sample.Good), func(s Sample) string { return s.Version })
}

// BegunAfter returns the requests that were begun after t and answered by version.
func (r Result) BegunAfter(version string, t time.Time) []Sample {
	return r.which(func(s Sample) bool { return s.Good() && s.Version == version && s.Sent.After(t) })
}

// DoneAfter returns the requests that version finished answering after t.
func (r Result) DoneAfter(version string, t time.Time) []Sample {
	return r.which(func(s Sample) bool { return s.Good() && s.Version == version && s.Done.After(t) })
}

// FirstDone returns when version's first good answer was complete; the zero time when it gave none.
func (r Result) FirstDone(version string) time.Time {
	var t time.Time
	for _, s := range r.Samples {
		if s.Good() && s.Version == version && (t.IsZero() || s.Done.Before(t)) {
			t = s.Done
		}
	}
	return t
}

// LastBegun returns when the last request that version answered well was begun; the zero time when it gave none.
func (r Result) LastBegun(version string) time.Time {
	var t time.Time
	for _, s := range r.Samples {
		if s.Good() && s.Version == version && s.Sent.After(t) {
			t = s.Sent
		}
	}
	return t
}

// LongestGap is the longest time between two good answers, one after the other; lost requests at either end count.
func (r Result) LongestGap() time.Duration {
	if len(r.Samples) == 0 {
		return 0
	}
	var good []time.Time
	first, last := r.Samples[0].Done, time.Time{}
	for _, s := range r.Samples {
		if s.Good() {
			good = append(good, s.Done)
		}
		if s.Done.Before(first) {
			first = s.Done
		}
		if s.Done.After(last) {
			last = s.Done
		}
	}
	good = append(good, first, last)
	slices.SortFunc(good, time.Time.Compare)
	var gap time.Duration
	for i := 1; i < len(good); i++ {
		gap = max(gap, good[i].Sub(good[i-1]))
	}
	return gap
}

// Lag is how late the latest request was begun: the client's own fault, and large on a busy machine.
func (r Result) Lag() time.Duration {
	var d time.Duration
	for _, s := range r.Samples {
		d = max(d, s.Sent.Sub(s.Scheduled))
	}
	return d
}

// Rate is how many requests a second were begun, from the first to the last; 0 of fewer than two.
func (r Result) Rate() float64 {
	if len(r.Samples) < 2 {
		return 0
	}
	first, last := r.Samples[0].Sent, r.Samples[0].Sent
	for _, s := range r.Samples {
		if s.Sent.Before(first) {
			first = s.Sent
		}
		if s.Sent.After(last) {
			last = s.Sent
		}
	}
	return float64(len(r.Samples)-1) / last.Sub(first).Seconds()
}

// WriteLog writes a line for each request: number, target and path, begun and done in milliseconds since the first was
// due, outcome, version, slot.
func (r Result) WriteLog(w io.Writer) error {
	for _, s := range r.Samples {
		at := func(t time.Time) float64 { return t.Sub(r.Samples[0].Scheduled).Seconds() * 1000 }
		if _, err := fmt.Fprintf(w, "%d %s%s %.1f %.1f %s %s %s\n",
			s.N, s.Target, s.Path, at(s.Sent), at(s.Done), strings.ReplaceAll(s.Outcome(), " ", "-"), dash(s.Version), dash(s.Slot)); err != nil {
			return err
		}
	}
	return nil
}

// String is a short report; its last line is "requests N, lost M".
func (r Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "outcomes: %s\n", table(r.Outcomes()))
	if v := r.Versions(); len(v) > 1 || v[""] == 0 {
		fmt.Fprintf(&b, "versions: %s\n", table(v))
	}
	fmt.Fprintf(&b, "longest gap: %s, %.0f a second, late by %s at most\n", r.LongestGap().Round(time.Millisecond), r.Rate(), r.Lag().Round(time.Millisecond))
	if bad := r.Bad(); len(bad) > 0 {
		s := bad[0]
		fmt.Fprintf(&b, "first lost: request %d to %s%s, begun at %s: %s\n",
			s.N, s.Target, s.Path, s.Sent.Format("15:04:05.000"), s.Outcome())
	}
	fmt.Fprintf(&b, "requests %d, lost %d", r.Requests(), r.Lost())
	return b.String()
}

func (r Result) which(ok func(Sample) bool) []Sample {
	var out []Sample
	for _, s := range r.Samples {
		if ok(s) {
			out = append(out, s)
		}
	}
	return out
}

func count(ss []Sample, key func(Sample) string) map[string]int {
	m := map[string]int{}
	for _, s := range ss {
		m[key(s)]++
	}
	return m
}

func table(m map[string]int) string {
	if len(m) == 0 {
		return "none"
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprintf("%s %d", dash(k), m[k]))
	}
	return strings.Join(out, ", ")
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
