package window

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shipctl/shipctl/providers"
)

// said is what an endpoint answered at one port. Status -1: nobody listens there, 0: no answer.
type said struct {
	port   int
	status int
	body   string
}

func (e Endpoint) name() string {
	if e.Tasks {
		return "scheduled tasks"
	}
	return "http " + e.Path
}

func (b *bench) endpoints() {
	for _, e := range b.s.Endpoints {
		places := e.places(b.c.Places)
		if len(places) == 0 {
			b.unknown(e.name(), "", "%s: nobody can be asked, since no service names this window; give hosts and port to ask another program", e.name())
		}
		for _, p := range places {
			text, ok := b.answer(e.name(), e.query(p))
			if !ok {
				continue
			}
			all, err := readAnswers(text)
			if err != nil {
				b.unknown(e.name(), p.Host, "%s of %s: %s", e.name(), p.Host, err)
			}
			for _, s := range all {
				b.endpoint(e, p.Host, s)
			}
		}
	}
}

func (b *bench) endpoint(e Endpoint, host string, s said) {
	at := fmt.Sprintf("%s:%d", host, s.port)
	switch {
	case s.status < 0:
		if len(e.Hosts) > 0 { // a slot may well not run; a program that was named should
			b.unknown(e.name(), host, "%s: nobody listens at %s", e.name(), at)
		}
	case slices.Contains(e.Blocked, s.status):
		b.reasons = append(b.reasons, providers.Reason{Source: e.name(), Host: host, Text: fmt.Sprintf("%s at %s answers %d: a job runs or is about to", e.Path, at, s.status)})
	case s.status < 200 || s.status > 299:
		seen := strconv.Itoa(s.status)
		if s.status == 0 {
			seen = "no answer: " + strings.TrimSpace(s.body)
		}
		b.unknown(e.name(), host, "%s at %s: %s, which says nothing about jobs", e.Path, at, seen)
	case e.Tasks:
		b.tasks(e, host, at, s.body)
	}
}

// readAnswers reads ask.sh's output.
func readAnswers(text string) (out []said, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if body, is := strings.CutPrefix(line, "|"); is && len(out) > 0 {
			out[len(out)-1].body += body + "\n"
			continue
		}
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if len(f) != 3 || f[0] != "port" {
			return out, fmt.Errorf("%q can't be read", line)
		}
		s := said{status: -1}
		if s.port, err = strconv.Atoi(f[1]); err == nil && f[2] != "-" {
			s.status, err = strconv.Atoi(f[2])
		}
		if err != nil {
			return out, fmt.Errorf("%q can't be read", line)
		}
		out = append(out, s)
	}
	return out, nil
}

// scheduledTasks is the answer of Spring Boot's /actuator/scheduledtasks. Executions are there from 3.4 on.
type scheduledTasks struct {
	Cron       []task `json:"cron"`
	FixedDelay []task `json:"fixedDelay"`
	FixedRate  []task `json:"fixedRate"`
	Custom     []task `json:"custom"`
}

type task struct {
	Runnable struct {
		Target string `json:"target"`
	} `json:"runnable"`
	Expression string `json:"expression"`
	Interval   *int64 `json:"interval"` // milliseconds
	Trigger    string `json:"trigger"`
	Next       struct {
		Time time.Time `json:"time"`
	} `json:"nextExecution"`
	Last struct {
		Status string    `json:"status"`
		Time   time.Time `json:"time"`
	} `json:"lastExecution"`
}

func (b *bench) tasks(e Endpoint, host, at, body string) {
	// An answer that lists no kind of task at all is of another program.
	var kinds map[string]json.RawMessage
	var all scheduledTasks
	err := json.Unmarshal([]byte(body), &kinds)
	if err == nil {
		err = json.Unmarshal([]byte(body), &all)
	}
	if err == nil && kinds["cron"] == nil && kinds["fixedRate"] == nil && kinds["fixedDelay"] == nil && kinds["custom"] == nil {
		err = fmt.Errorf("it names neither cron, fixedRate, fixedDelay nor custom")
	}
	if err != nil {
		b.unknown(e.name(), host, "%s at %s can't be read: %s", e.Path, at, err)
		return
	}
	for _, t := range all.Cron {
		b.cronTask(e, host, at, t)
	}
	for _, t := range slices.Concat(all.FixedDelay, all.FixedRate, all.Custom) {
		b.otherTask(e, host, at, t)
	}
}

func (b *bench) cronTask(e Endpoint, host, at string, t task) {
	if !e.Filter.wanted(t.Runnable.Target) || t.Expression == "-" || b.s.frequent(t.Expression) {
		return
	}
	b.execution(e, host, at, t)
	name := target(t)
	if next, loc, ok := b.schedule(name+" at "+at, host, t.Expression, e.Zone); ok {
		b.job(providers.Reason{Source: e.name(), Host: host, Job: t.Runnable.Target, Text: name + " at " + at}, rule{next: next, loc: loc, lasts: e.Duration, now: b.clocks[host].now})
	}
}

// otherTask is one that runs at intervals, or when only the program knows.
func (b *bench) otherTask(e Endpoint, host, at string, t task) {
	often := t.Interval != nil && *t.Interval <= time.Hour.Milliseconds()
	if !e.Filter.wanted(t.Runnable.Target) || often && b.s.IgnoreFrequent {
		return
	}
	b.execution(e, host, at, t)
	if !t.Next.Time.IsZero() {
		return
	}
	when := t.Trigger
	if t.Interval != nil {
		when = "every " + short(time.Duration(*t.Interval)*time.Millisecond)
	}
	b.unknown(e.name(), host, "when %s at %s starts next is not known (%s): Spring Boot says that from 3.4 on; leave it out with ignore if it does not matter", target(t), at, when)
}

// execution is what newer versions say themselves.
func (b *bench) execution(e Endpoint, host, at string, t task) {
	if t.Last.Status == "STARTED" {
		b.running(e.name(), host, target(t), t.Last.Time, time.Time{})
	}
	if t.Next.Time.IsZero() {
		return
	}
	loc, err := location(e.Zone)
	if err != nil {
		loc = time.UTC
	}
	start := t.Next.Time
	b.job(providers.Reason{Source: e.name(), Host: host, Job: t.Runnable.Target, Text: target(t) + " at " + at}, rule{
		next: func(after time.Time) (time.Time, bool) { return start, start.After(after) }, loc: loc, lasts: e.Duration, now: b.clocks[host].now,
	})
}

// target is a task's method without its package: com.example.Jobs.autoInvest → Jobs.autoInvest.
func target(t task) string {
	name := t.Runnable.Target
	if f := strings.Split(name, "."); len(f) > 2 && !strings.ContainsAny(name, " $@/") {
		name = strings.Join(f[len(f)-2:], ".")
	}
	if name == "" {
		return "a task"
	}
	return cut(name)
}
