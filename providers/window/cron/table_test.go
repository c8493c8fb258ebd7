package cron

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestSpringTables: what Spring's own CronExpression answered, line by line.
func TestSpringTables(t *testing.T) {
	for _, name := range [][2]string{{"cases.txt", "expected.txt"}, {"edge.txt", "edge-expected.txt"}} {
		in, out := lines(t, name[0]), lines(t, name[1])
		if len(in) != len(out) {
			t.Fatalf("%s has %d lines, %s %d", name[0], len(in), name[1], len(out))
		}
		for i, line := range in {
			t.Run(name[0]+":"+strconv.Itoa(i+1), func(t *testing.T) { row(t, line, out[i]) })
		}
	}
}

func row(t *testing.T, line, want string) {
	t.Helper()
	part := strings.Split(line, "|")
	loc, err := time.LoadLocation(part[2])
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02T15:04:05", part[1], loc)
	if err != nil {
		t.Fatal(err)
	}
	count, err := strconv.Atoi(part[3])
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(part[0])
	if why, refused := strings.CutPrefix(want, "ERR "); refused != (err != nil) {
		t.Fatalf("%s: got %v, Spring says %s", part[0], err, why)
	} else if refused {
		t.Logf("%s: %v", part[0], err)
		return
	}
	var got []string
	for range count {
		next, ok := s.Next(at, loc)
		if !ok {
			got = append(got, "null")
			break
		}
		got = append(got, next.Format("2006-01-02T15:04:05-07:00"))
		at = next
	}
	if s := strings.Join(got, " "); s != want {
		t.Errorf("%s\n got %s\nwant %s", line, s, want)
	}
}

func lines(t testing.TB, name string) []string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}
