package window

import (
	"strconv"
	"strings"
	"time"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// lines of an answer that are looked at. A machine with more is not what it says.
const mostLines = 20000

// answer gives what a source said; false, and a reason, when nobody knows.
func (b *bench) answer(source string, q remote.Query) (string, bool) {
	a, c := b.c.Facts.Get(q), b.c.Facts.Get(clock(q.Host))
	if _, clocked := b.clocks[q.Host]; !clocked && (a.Sight == remote.Seen || a.Sight == c.Sight && why(a) == why(c)) {
		return "", false // the clock's reason was given
	}
	if a.Sight != remote.Seen {
		b.unknown(source, q.Host, "%s of %s: %s", source, q.Host, why(a))
		return "", false
	}
	if strings.Count(a.Text, "\n") > mostLines {
		b.unknown(source, q.Host, "%s of %s: more than %d lines", source, q.Host, mostLines)
		return "", false
	}
	return a.Text, true
}

// batches are jobs with launchers: "job NAME idle", "job NAME running START PID RELEASE", "job NAME unknown WHY", and
// "run NAME START END STATUS RELEASE" of the last runs.
func (b *bench) batches() {
	for _, batch := range b.s.Jobs {
		for _, h := range batch.Hosts {
			if a := b.c.Facts.Get(batch.query(h)); a.Sight == remote.Absent {
				b.scheduled(batch, h, nil)
				continue // there is nothing that could be started
			}
			text, ok := b.answer(batch.Addr, batch.query(h))
			if !ok {
				continue
			}
			b.scheduled(batch, h, b.launched(batch, h, text))
		}
	}
}

// launched reads what launchers recorded. It returns how long a job's runs took at most.
func (b *bench) launched(batch Batch, host, text string) map[string]time.Duration {
	took, said := map[string]time.Duration{}, map[string][]string{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 3 && f[0] == "job":
			said[f[1]] = f[2:]
		case len(f) >= 4 && f[0] == "run":
			start, err := strconv.ParseInt(f[2], 10, 64)
			end, err2 := strconv.ParseInt(f[3], 10, 64)
			if err == nil && err2 == nil && end >= start && end-start < int64(longest/time.Second) {
				took[f[1]] = max(took[f[1]], time.Duration(end-start)*time.Second)
			}
		}
	}
	for _, j := range batch.Jobs {
		is := said[j.Name]
		switch {
		case len(is) == 1 && is[0] == "idle":
		case len(is) >= 2 && is[0] == "running":
			if b.s.frequent(j.Schedule) {
				continue
			}
			var since, ends time.Time
			if n, err := strconv.ParseInt(is[1], 10, 64); err == nil && n > 0 {
				since = time.Unix(n, 0)
				if took[j.Name] > 0 {
					ends = since.Add(took[j.Name])
				}
			}
			b.running(batch.Addr, host, j.Name, since, ends)
		default:
			b.unknown(batch.Addr, host, "whether %s runs on %s is not known: %s", j.Name, host, strings.TrimPrefix(strings.Join(is, " "), "unknown "))
		}
	}
	return took
}

func (b *bench) scheduled(batch Batch, host string, took map[string]time.Duration) {
	clock, ok := b.clocks[host]
	if !ok {
		return
	}
	for _, j := range batch.Jobs {
		if j.Schedule == "" || b.s.frequent(j.Schedule) {
			continue
		}
		zone := j.Zone
		if zone == "" && clock.zone != nil {
			zone = clock.zone.String()
		}
		next, loc, ok := b.schedule(batch.Addr+" "+j.Name, host, j.Schedule, zone)
		if !ok {
			continue
		}
		// Whether it runs, its lock says; how long it lasts is an estimate for the earliest safe moment.
		b.job(providers.Reason{Source: batch.Addr, Host: host, Job: j.Name, Text: j.Name + " on " + host},
			rule{next: next, loc: loc, lasts: max(took[j.Name], time.Minute), now: clock.now, seen: true})
	}
}

// processes that must not run.
func (b *bench) processes() {
	for _, p := range b.s.Processes {
		for _, h := range p.Hosts {
			text, ok := b.answer("process "+p.Match, p.query(h))
			if !ok {
				continue
			}
			for line := range strings.Lines(text) {
				f := strings.SplitN(strings.TrimSpace(line), " ", 4)
				if len(f) < 3 || f[0] != "proc" {
					b.unknown("process "+p.Match, h, "process %s of %s: %q can't be read", p.Match, h, strings.TrimSpace(line))
					continue
				}
				var since time.Time
				if n, err := strconv.ParseInt(f[2], 10, 64); err == nil {
					since = time.Unix(n, 0)
				}
				name := p.Match
				if len(f) == 4 {
					name = f[3]
				}
				b.running("process "+p.Match, h, name+" (pid "+f[1]+")", since, time.Time{})
			}
		}
	}
}
