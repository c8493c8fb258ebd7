package window

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/window/cron"
)

// at is a clock's answer: an RFC 3339 time and the machine's zone.
func at(t *testing.T, when, zone string) remote.Answer {
	t.Helper()
	now, err := time.Parse(time.RFC3339, when)
	if err != nil {
		t.Fatal(err)
	}
	return seen("clock " + strconv.FormatInt(now.Unix(), 10) + " " + zone)
}

func seen(text string) remote.Answer { return remote.Answer{Sight: remote.Seen, Text: text} }

// want is a verdict: until is RFC 3339, "" where it is not known.
type want struct {
	open  bool
	until string
	why   string
}

func (w want) check(t *testing.T, v providers.Verdict) {
	t.Helper()
	until := ""
	if !v.Until.IsZero() {
		until = v.Until.Format(time.RFC3339)
	}
	if v.Open != w.open || until != w.until || !strings.Contains(v.Why, w.why) {
		t.Errorf("open %v until %q: %s\nwant %v until %q: …%s…", v.Open, until, v.Why, w.open, w.until, w.why)
	}
	if !v.Open && len(v.Reasons) == 0 {
		t.Error("closed for no reason")
	}
}

const seoul = "Asia/Seoul"

func invest() []Cron {
	return []Cron{{"invest", "0 0 13 * * *", seoul, time.Minute}}
}

// TestJudgeTime: what depends on the time alone, by the clock of the machine app-1.
func TestJudgeTime(t *testing.T) {
	for _, c := range []struct {
		name  string
		spec  Spec
		now   string
		begin bool
		ahead time.Duration
		want  want
	}{
		{"19 minutes before", Spec{Before: 20 * time.Minute, Crons: invest()}, "2026-03-02T12:41:00+09:00", true, 0, want{false, "2026-03-02T13:01:00+09:00", "invest starts at 2026-03-02T13:00:00+09:00, in 19m"}},
		{"20 minutes before", Spec{Before: 20 * time.Minute, Crons: invest()}, "2026-03-02T12:40:00+09:00", true, 0, want{false, "2026-03-02T13:01:00+09:00", "in 20m"}},
		{"21 minutes before", Spec{Before: 20 * time.Minute, Crons: invest()}, "2026-03-02T12:39:00+09:00", true, 0, want{true, "2026-03-02T12:40:00+09:00", "invest starts at 2026-03-02T13:00:00+09:00"}},
		{"at the start", Spec{Before: 20 * time.Minute, Crons: invest()}, "2026-03-02T13:00:00+09:00", true, 0, want{false, "2026-03-02T13:01:00+09:00", "counts as running for 1m"}},
		{"as long as it lasts", Spec{Before: 20 * time.Minute, Crons: []Cron{{"invest", "0 0 13 * * *", seoul, time.Hour}}}, "2026-03-02T13:30:00+09:00", true, 0, want{false, "2026-03-02T14:00:00+09:00", "started at 2026-03-02T13:00:00+09:00 and counts as running for 1h"}},
		{"a deployment that takes 10 minutes", Spec{Before: 20 * time.Minute, Deployment: 10 * time.Minute, Crons: invest()}, "2026-03-02T12:35:00+09:00", true, 0, want{false, "2026-03-02T13:01:00+09:00", "in 25m"}},
		{"the same, almost done", Spec{Before: 20 * time.Minute, Deployment: 10 * time.Minute, Crons: invest()}, "2026-03-02T12:35:00+09:00", false, 0, want{true, "2026-03-02T12:40:00+09:00", ""}},
		{"the same, from history", Spec{Before: 20 * time.Minute, Crons: invest()}, "2026-03-02T12:35:00+09:00", true, 10 * time.Minute, want{false, "2026-03-02T13:01:00+09:00", "in 25m; a deployment is expected to take 10m, as the last one did"}},
		{"the last one was quicker than what is configured", Spec{Before: 20 * time.Minute, Deployment: 10 * time.Minute, Crons: invest()}, "2026-03-02T12:35:00+09:00", true, 10 * time.Second, want{false, "2026-03-02T13:01:00+09:00", "expected to take 10m, as configured"}},
		{"the last one was slower", Spec{Before: 20 * time.Minute, Deployment: time.Minute, Crons: invest()}, "2026-03-02T12:29:00+09:00", true, 10 * time.Minute, want{true, "2026-03-02T12:30:00+09:00", "expected to take 10m, as the last one did"}},
		{"one after another", Spec{Before: 30 * time.Minute, Crons: append(invest(), Cron{"report", "20 13 * * *", seoul, time.Minute})}, "2026-03-02T12:41:00+09:00", true, 0, want{false, "2026-03-02T13:21:00+09:00", "invest starts"}},
		{"every minute, which does not count", Spec{Before: 20 * time.Minute, IgnoreFrequent: true, Crons: append(invest(), Cron{"tick", "0 * * * * *", seoul, time.Minute})}, "2026-03-02T12:39:00+09:00", true, 0, want{true, "2026-03-02T12:40:00+09:00", ""}},
		{"every minute, which counts", Spec{Before: 20 * time.Minute, Crons: []Cron{{"tick", "0 * * * * *", seoul, time.Minute}}}, "2026-03-02T12:39:00+09:00", true, 0, want{false, "", "tick"}},
		{"no job is near", Spec{Before: time.Hour, Crons: []Cron{{"yearly", "0 0 29 2 *", "UTC", time.Minute}}}, "2026-03-02T12:39:00Z", true, 0, want{true, "", "nothing runs"}},
		{"denied", Spec{Deny: []Period{{"freeze", "0 0 24 12 *", 48 * time.Hour, seoul}}}, "2026-12-25T10:00:00+09:00", true, 0, want{false, "2026-12-26T00:00:00+09:00", "deny freeze lasts until 2026-12-26T00:00:00+09:00"}},
		{"soon denied", Spec{Deployment: time.Hour, Deny: []Period{{"freeze", "0 0 24 12 *", 48 * time.Hour, seoul}}}, "2026-12-23T23:30:00+09:00", true, 0, want{false, "2026-12-26T00:00:00+09:00", "deny freeze begins at 2026-12-24T00:00:00+09:00, in 30m"}},
		{"not yet denied", Spec{Deny: []Period{{"freeze", "0 0 24 12 *", 48 * time.Hour, seoul}}}, "2026-12-23T23:30:00+09:00", true, 0, want{true, "2026-12-24T00:00:00+09:00", "deny freeze begins"}},
		{"allowed", Spec{Allow: []Period{{"office", "0 10 * * MON-FRI", 6 * time.Hour, seoul}}}, "2026-03-02T11:00:00+09:00", true, 0, want{true, "2026-03-02T16:00:00+09:00", "allow office ends"}},
		{"outside of what is allowed", Spec{Allow: []Period{{"office", "0 10 * * MON-FRI", 6 * time.Hour, seoul}}}, "2026-03-06T16:00:00+09:00", true, 0, want{false, "2026-03-09T10:00:00+09:00", "outside of the allow periods (office)"}},
		{"no room for it any more", Spec{Deployment: time.Hour, Allow: []Period{{"office", "0 10 * * MON-FRI", 6 * time.Hour, seoul}}}, "2026-03-02T15:30:00+09:00", true, 0, want{false, "2026-03-03T10:00:00+09:00", "has room for a deployment of 1h now"}},
		{"deny beats allow", Spec{Allow: []Period{{"office", "0 10 * * MON-FRI", 6 * time.Hour, seoul}}, Deny: []Period{{"lunch", "0 12 * * *", time.Hour, seoul}}}, "2026-03-02T12:30:00+09:00", true, 0, want{false, "2026-03-02T13:00:00+09:00", "deny lunch"}},
		// Periods that overlap or follow on each other are one.
		{"allowed always", Spec{Deployment: 2 * time.Hour, Allow: []Period{{"day", "0 0 * * *", 24 * time.Hour, seoul}}}, "2026-03-02T23:00:00+09:00", true, 0, want{true, "", "nothing runs"}},
		{"allowed always, in short periods", Spec{Deployment: 2 * time.Hour, Allow: []Period{{"minute", "* * * * *", time.Minute, seoul}}}, "2026-03-02T23:00:30+09:00", true, 0, want{true, "", "nothing runs"}},
		{"two allows that follow on each other", Spec{Deployment: time.Hour, Allow: []Period{{"one", "0 10 * * *", 2 * time.Hour, seoul}, {"two", "0 12 * * *", 2 * time.Hour, seoul}}}, "2026-03-02T11:30:00+09:00", true, 0, want{true, "2026-03-02T13:00:00+09:00", "allow two ends"}},
		{"at the seam", Spec{Allow: []Period{{"one", "0 10 * * *", 2 * time.Hour, seoul}, {"two", "0 12 * * *", 2 * time.Hour, seoul}}}, "2026-03-02T12:00:00+09:00", true, 0, want{true, "2026-03-02T14:00:00+09:00", "allow two ends"}},
		{"no room in both", Spec{Deployment: time.Hour, Allow: []Period{{"one", "0 10 * * *", 2 * time.Hour, seoul}, {"two", "0 12 * * *", 2 * time.Hour, seoul}}}, "2026-03-02T13:00:00+09:00", true, 0, want{false, "2026-03-03T10:00:00+09:00", "has room for a deployment of 1h now"}},
		{"a gap of a minute", Spec{Deployment: time.Hour, Allow: []Period{{"one", "0 10 * * *", 119 * time.Minute, seoul}, {"two", "0 12 * * *", 2 * time.Hour, seoul}}}, "2026-03-02T11:30:00+09:00", true, 0, want{false, "2026-03-02T12:00:00+09:00", "has room for a deployment of 1h now"}},
		{"longer than each, not than all", Spec{Deployment: 3 * time.Hour, Allow: []Period{{"one", "0 10 * * *", 2 * time.Hour, seoul}, {"two", "0 12 * * *", 2 * time.Hour, seoul}}}, "2026-03-02T09:30:00+09:00", true, 0, want{false, "2026-03-02T10:00:00+09:00", "no allow period (one, two) has room for a deployment of 3h now"}},
		{"one that overlaps itself", Spec{Deployment: 8 * time.Hour, Allow: []Period{{"weekend", "0 0 * * SAT,SUN", 30 * time.Hour, seoul}}}, "2026-11-28T23:00:00+09:00", true, 0, want{true, "2026-11-29T22:00:00+09:00", "allow weekend ends"}},
		{"one in another", Spec{Allow: []Period{{"hours", "0 9-17 * * *", time.Hour, seoul}, {"noon", "0 12 * * *", time.Minute, seoul}}}, "2026-03-02T12:00:30+09:00", true, 0, want{true, "2026-03-02T18:00:00+09:00", "allow hours ends"}},
		{"denied within what is joined", Spec{Deployment: time.Hour, Allow: []Period{{"day", "0 0 * * *", 24 * time.Hour, seoul}}, Deny: []Period{{"lunch", "0 12 * * *", time.Hour, seoul}}}, "2026-03-02T11:30:00+09:00", true, 0, want{false, "2026-03-02T13:00:00+09:00", "deny lunch begins at 2026-03-02T12:00:00+09:00"}},
		{"one deny that overlaps itself", Spec{Deny: []Period{{"weekend", "0 0 * * SAT,SUN", 30 * time.Hour, seoul}}}, "2026-11-29T01:15:00+09:00", true, 0, want{false, "2026-11-30T06:00:00+09:00", "deny weekend lasts, with those that follow on it, until 2026-11-30T06:00:00+09:00"}},
		{"two denies that follow on each other", Spec{Deny: []Period{{"one", "0 10 * * *", 2 * time.Hour, seoul}, {"two", "0 12 * * *", 2 * time.Hour, seoul}}}, "2026-03-02T11:30:00+09:00", true, 0, want{false, "2026-03-02T14:00:00+09:00", "deny one lasts, with those that follow on it, until 2026-03-02T14:00:00+09:00"}},
		{"denied for ever", Spec{Deny: []Period{{"day", "0 0 * * *", 24 * time.Hour, seoul}}}, "2026-03-02T11:30:00+09:00", true, 0, want{false, "", "deny day lasts, with those that follow on it, for longer than is foreseen"}},
		{"never allowed long enough", Spec{Deployment: 7 * time.Hour, Allow: []Period{{"office", "0 10 * * MON-FRI", 6 * time.Hour, seoul}}}, "2026-03-02T12:30:00+09:00", true, 0, want{false, "", "no allow period (office) is longer than a deployment takes (7h): make one longer, or use -force-window"}},
		{"the last one was longer than what is allowed", Spec{Allow: []Period{{"night", "0 0 2 * * *", time.Hour, seoul}}}, "2026-03-02T02:01:00+09:00", true, 70 * time.Minute, want{false, "", "no allow period (night) is longer than a deployment takes (1h10m)"}},
		{"whatever is configured", Spec{Deployment: 5 * time.Minute, Allow: []Period{{"night", "0 0 2 * * *", time.Hour, seoul}}}, "2026-03-02T02:01:00+09:00", true, 70 * time.Minute, want{false, "", "use -force-window"}},
		// On 29 March 2026 Berlin's clocks go from 02:00 to 03:00, on 25 October from 03:00 back to 02:00.
		{"the run that the change of clocks skips", Spec{Before: 20 * time.Minute, Crons: []Cron{{"night", "30 2 * * *", "Europe/Berlin", time.Minute}}}, "2026-03-29T01:50:00+01:00", true, 0, want{true, "2026-03-30T02:10:00+02:00", ""}},
		{"the day before", Spec{Before: 20 * time.Minute, Crons: []Cron{{"night", "30 2 * * *", "Europe/Berlin", time.Minute}}}, "2026-03-28T02:11:00+01:00", true, 0, want{false, "2026-03-28T02:31:00+01:00", "in 19m"}},
		{"the hour that comes twice, first", Spec{Before: 20 * time.Minute, Crons: []Cron{{"night", "30 2 * * *", "Europe/Berlin", time.Minute}}}, "2026-10-25T02:11:00+02:00", true, 0, want{false, "2026-10-25T02:31:00+02:00", "in 19m"}},
		{"the hour that comes twice, again", Spec{Before: 20 * time.Minute, Crons: []Cron{{"night", "30 2 * * *", "Europe/Berlin", time.Minute}}}, "2026-10-25T02:11:00+01:00", true, 0, want{false, "2026-10-25T02:31:00+01:00", "in 19m"}},
		{"a period over the change of clocks", Spec{Deny: []Period{{"night", "0 1 * * *", 2 * time.Hour, "Europe/Berlin"}}}, "2026-03-29T03:30:00+02:00", true, 0, want{false, "2026-03-29T04:00:00+02:00", "lasts until"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := remote.Facts{}
			f.Put(clock("app-1"), at(t, c.now, "UTC"))
			v := judge(config.Ref{}, c.spec, providers.Case{Facts: f, Places: []providers.Place{{Host: "app-1"}}, Begin: c.begin, Ahead: c.ahead})
			c.want.check(t, v)
		})
	}
}

// TestJudgeClocks: only machines' clocks count, and what is declared counts by each of them.
func TestJudgeClocks(t *testing.T) {
	spec := Spec{Before: 20 * time.Minute, Crons: invest()}
	places := []providers.Place{{Host: "app-1"}, {Host: "app-2"}}
	for _, c := range []struct {
		name     string
		one, two string
		want     want
	}{
		{"both early", "2026-03-02T11:00:00+09:00", "2026-03-02T11:00:03+09:00", want{true, "2026-03-02T12:40:00+09:00", ""}},
		{"one an hour ahead", "2026-03-02T11:41:00+09:00", "2026-03-02T12:41:00+09:00", want{false, "2026-03-02T13:01:00+09:00", "in 19m"}},
		{"one an hour behind", "2026-03-02T13:41:00+09:00", "2026-03-02T12:41:00+09:00", want{false, "2026-03-02T14:01:00+09:00", "in 19m"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := remote.Facts{}
			f.Put(clock("app-1"), at(t, c.one, "UTC"))
			f.Put(clock("app-2"), at(t, c.two, "UTC"))
			v := judge(config.Ref{}, spec, providers.Case{Facts: f, Places: places, Begin: true})
			if c.name != "one an hour ahead" && c.name != "one an hour behind" {
				c.want.check(t, v)
				return
			}
			if v.Open || !strings.Contains(v.Why, c.want.why) {
				t.Errorf("%+v", v)
			}
		})
	}
	// What is allowed is allowed by each clock, and the periods of one do not go on in those of another.
	allowed := Spec{Deployment: 30 * time.Minute, Allow: []Period{{"one", "0 10 * * *", 2 * time.Hour, seoul}}}
	f := remote.Facts{}
	f.Put(clock("app-1"), at(t, "2026-03-02T10:40:00+09:00", "UTC"))
	f.Put(clock("app-2"), at(t, "2026-03-02T11:40:00+09:00", "UTC"))
	want{false, "2026-03-03T10:00:00+09:00", "has room for a deployment of 30m now"}.check(t, judge(config.Ref{}, allowed, providers.Case{Facts: f, Places: places, Begin: true}))
	for name, a := range map[string]remote.Answer{
		"not asked": {}, "unreachable": {Sight: remote.Unreachable, Why: "no route"}, "denied": {Sight: remote.Denied}, "absent": {Sight: remote.Absent},
		"nonsense": seen("clock soon UTC"), "huge": seen("clock 99999999999999999 UTC"), "negative": seen("clock -5 UTC"), "empty": seen(""),
	} {
		f := remote.Facts{}
		f.Put(clock("app-1"), a)
		v := judge(config.Ref{}, spec, providers.Case{Facts: f, Places: places[:1], Begin: true})
		want{false, "", "clock of app-1"}.check(t, v)
		if name == "unreachable" && !strings.Contains(v.Why, "no route") {
			t.Errorf("%s: %s", name, v.Why)
		}
	}
	want{false, "", "no machine whose clock counts"}.check(t, judge(config.Ref{}, spec, providers.Case{Begin: true}))
}

// TestJudgeSources: what machines say. Everything is asked of batch-1 (the slots of app-1 for endpoints) at 12:41 in
// Seoul.
func TestJudgeSources(t *testing.T) {
	const now = "2026-03-02T12:41:00+09:00"
	crontab := Spec{Before: 20 * time.Minute, IgnoreFrequent: true, Crontabs: []Crontab{{Hosts: []string{"batch-1"}, Duration: time.Minute}}}
	only := crontab
	only.Crontabs = []Crontab{{Hosts: []string{"batch-1"}, Duration: time.Minute, Users: []string{"batch"}, Filter: Filter{Match: "settle"}}}
	timers := Spec{Before: 20 * time.Minute, IgnoreFrequent: true, Timers: []Timers{{Hosts: []string{"batch-1"}, Duration: time.Minute}}}
	web := Spec{Before: 20 * time.Minute, Endpoints: []Endpoint{{Path: "/tasks", Blocked: []int{403}}}}
	boot := Spec{Before: 20 * time.Minute, IgnoreFrequent: true, Endpoints: []Endpoint{{Path: "/actuator/scheduledtasks", Tasks: true, Zone: seoul, Duration: time.Minute, Filter: Filter{Ignore: "Noise"}}}}
	process := Spec{Processes: []Process{{[]string{"batch-1"}, "batch.jar"}}}
	batch := Spec{Before: 20 * time.Minute, IgnoreFrequent: true, Jobs: []Batch{{"batch.settlement", "/srv/s", []string{"batch-1"}, []Job{{"invest", "0 0 13 * * *", seoul}, {"tick", "* * * * *", ""}, {"loose", "", ""}}}}}
	idle := "job invest idle\njob tick idle\njob loose idle\n"
	list := func(next string) string {
		return `[{"next":` + next + `,"left":1,"last":0,"passed":0,"unit":"settle.timer","activates":"settle.service"}]` + "\n@timers\nId=settle.timer\nTimersMonotonic=\nTimersCalendar=%s\n@running\n"
	}
	at13 := strconv.FormatInt(time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC).UnixMicro(), 10)
	at12 := strconv.FormatInt(time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC).UnixMicro(), 10)
	at14 := strconv.FormatInt(time.Date(2026, 3, 2, 5, 0, 0, 0, time.UTC).UnixMicro(), 10)
	port := func(status, body string) string {
		return "port 8081 -\nport 8082 " + status + "\n|" + body + "\n"
	}
	for _, c := range []struct {
		name string
		spec Spec
		text string
		open bool
		why  string
	}{
		{"crontab, soon", crontab, "daemon cron\nfile user batch /var/spool/cron/crontabs/batch\n|# m h\n|MAILTO=x\n|0 13 * * * /srv/settle.sh 1 2\n", false, `"/srv/settle.sh 1 2" (crontab of batch on batch-1) starts at 2026-03-02T13:00:00+09:00`},
		{"crontab, later", crontab, "daemon cron\nfile user batch x\n|2 13 * * * /srv/settle.sh\n", true, ""},
		{"crontab, frequent", crontab, "daemon cron\nfile user batch x\n|*/5 * * * * /srv/tick.sh\n|@reboot /srv/once\n|@hourly /srv/hour\n", true, ""},
		{"crontab, system", crontab, "daemon cron\nfile system - /etc/cron.d/settle\n|SHELL=/bin/sh\n|0 13 * * * root /srv/settle.sh\n", false, `"/srv/settle.sh" (/etc/cron.d/settle on batch-1)`},
		{"crontab, another zone of cronie's", crontab, "daemon cronie\nfile user batch x\n|CRON_TZ=UTC\n|0 4 * * * /srv/settle.sh\n", false, "2026-03-02T04:00:00Z"},
		{"crontab, cronie's zone alone", crontab, "daemon cronie\nfile user batch x\n|CRON_TZ=UTC\n|0 13 * * * /srv/settle.sh\n", true, ""},
		{"crontab, either zone of another cron", crontab, "daemon cron\nfile user batch x\n|CRON_TZ=UTC\n|0 13 * * * /srv/settle.sh\n", false, "T13:00:00+09:00"},
		{"crontab, a zone that is none", crontab, "daemon cronie\nfile user batch x\n|CRON_TZ=Mars\n|0 13 * * * /srv/settle.sh\n", false, `"Mars" is not known`},
		{"crontab, unparsable", crontab, "daemon cron\nfile user batch x\n|61 13 * * * /srv/settle.sh\n", false, "can't be read: crontab of batch: 61 13"},
		{"crontab, half a line", crontab, "daemon cron\nfile user batch x\n|0 13 * *\n", false, "can't be read"},
		{"crontab, no user", crontab, "daemon cron\nfile system - /etc/cron.d/a\n|0 13 * * * job\n", false, "can't be read"},
		{"crontab, nonsense", crontab, "what is this\n", false, "can't be read: what is this"},
		{"crontab, nothing", crontab, "daemon ?\n", true, ""},
		{"crontab, running", crontab, "daemon cron\nfile user batch x\n|0 9 * * * cd /srv && ./settle.sh \"a b\"\nrun 77 1772400000 /bin/sh -c cd /srv && ./settle.sh \"a b\"\n", false, `"cd /srv && ./settle.sh "a b"" (of cron, pid 77) runs on batch-1 since 2026-03-02`},
		{"crontab, running without its shell", crontab, "daemon cron\nfile user batch x\n|0 9 * * * /srv/settle.sh \"a b\" # %x\nrun 77 1772400000 /srv/settle.sh a b #\n", false, "settle.sh"},
		{"crontab, a frequent one runs", crontab, "daemon cron\nfile user batch x\n|* * * * * /srv/tick.sh\nrun 77 1772400000 /bin/sh -c /srv/tick.sh\n", true, ""},
		{"crontab, something else of cron's runs", crontab, "daemon cron\nrun 77 1772400000 /bin/sh -c /srv/gone.sh\n", false, "gone.sh"},
		{"crontab, others' jobs", only, "daemon cron\nfile user batch x\n|0 13 * * * /srv/other.sh\nfile user root x\n|0 13 * * * /srv/settle.sh\nrun 7 1772400000 /bin/sh -c /srv/gone.sh\n", true, ""},
		{"crontab, the job that matters", only, "daemon cron\nfile user batch x\n|0 13 * * * /srv/settle.sh\n", false, "settle.sh"},

		{"timer, soon", timers, strings.ReplaceAll(list(at13), "%s", "{ OnCalendar=*-*-* 13:00:00 Asia/Seoul ; next_elapse=x }"), false, "settle.timer on batch-1 starts at 2026-03-02T13:00:00+09:00, in 19m"},
		{"timer, later", timers, list(at14), true, ""},
		{"timer, due and not started", timers, list(at12), false, "settle.timer on batch-1 was due at 2026-03-02T12:00:00+09:00 and has not started yet"},
		{"timer, due and started", timers, list(at12) + "Id=settle.service\nInactiveExitTimestamp=@1772400000\n", false, "settle.service runs on batch-1 since"},
		{"timer, due and frequent", timers, strings.ReplaceAll(list(at12), "%s", "{ OnCalendar=*-*-* *:00:00 ; next_elapse=x }"), true, ""},
		{"timer, twice a day", timers, strings.ReplaceAll(list(at13), "%s", "{ OnCalendar=*-*-* 01/12:00:00 ; next_elapse=x }"), false, "settle.timer on batch-1 starts at"},
		{"timer, never again", timers, list("null"), true, ""},
		{"timer, frequent", timers, strings.ReplaceAll(list(at13), "%s", "{ OnCalendar=*-*-* *:00/5:00 ; next_elapse=x }"), true, ""},
		{"timer, every hour", timers, strings.ReplaceAll(list(at13), "%s", "{ OnCalendar=*-*-* *:00:00 ; next_elapse=x }"), true, ""},
		{"timer, its service runs", timers, list(at14) + "Id=settle.service\nInactiveExitTimestamp=@1772400000\n", false, "settle.service runs on batch-1 since"},
		{"timer, running for no one knows how long", timers, list("null") + "Id=settle.service\n", false, "settle.service runs on batch-1"},
		{"timer, another service runs", timers, list(at14) + "Id=sshd.service\n", true, ""},
		{"timer, no JSON", timers, "NEXT LEFT LAST\n", false, "can't be read"},
		{"timer, empty", timers, "", false, "can't be read"},

		{"http, free", web, "port 8081 -\nport 8082 200\n", true, ""},
		{"http, blocked", web, "port 8081 200\nport 8082 403\n", false, "/tasks at app-1:8082 answers 403"},
		{"http, nobody runs", web, "port 8081 -\nport 8082 -\n", true, ""},
		{"http, another answer", web, "port 8081 404\n", false, "404, which says nothing about jobs"},
		{"http, redirected", web, "port 8081 302\n", false, "302, which"},
		{"http, no answer", web, port("000", "no whole answer within 5 s"), false, "no answer: no whole answer within 5 s"},
		{"http, nonsense", web, "port 8081\n", false, "can't be read"},

		{"tasks, soon", boot, port("200", `{"cron":[{"runnable":{"target":"com.x.Jobs.invest"},"expression":"0 0 13 * * *"}],"fixedDelay":[],"fixedRate":[{"runnable":{"target":"com.x.Jobs.tick"},"initialDelay":0,"interval":60000}],"custom":[]}`), false, "Jobs.invest at app-1:8082 starts at 2026-03-02T13:00:00+09:00, in 19m"},
		{"tasks, later", boot, port("200", `{"cron":[{"runnable":{"target":"x"},"expression":"0 0 14 * * *"},{"runnable":{"target":"y"},"expression":"-"}]}`), true, ""},
		{"tasks, every minute", boot, port("200", `{"cron":[{"runnable":{"target":"x"},"expression":"0 * * * * *"}]}`), true, ""},
		{"tasks, left out", boot, port("200", `{"cron":[{"runnable":{"target":"Noise"},"expression":"0 0 13 * * *"}]}`), true, ""},
		{"tasks, seldom and nobody knows when", boot, port("200", `{"fixedRate":[{"runnable":{"target":"x"},"interval":7200000}]}`), false, "when x at app-1:8082 starts next is not known (every 2h)"},
		{"tasks, seldom and known", boot, port("200", `{"fixedRate":[{"runnable":{"target":"x"},"interval":7200000,"nextExecution":{"time":"2026-03-02T03:55:00Z"}}]}`), false, "x at app-1:8082 starts at 2026-03-02T12:55:00+09:00"},
		{"tasks, custom", boot, port("200", `{"custom":[{"runnable":{"target":"x"},"trigger":"com.x.T@1"}]}`), false, "(com.x.T@1)"},
		{"tasks, running", boot, port("200", `{"cron":[{"runnable":{"target":"x"},"expression":"0 0 9 * * *","lastExecution":{"status":"STARTED","time":"2026-03-02T00:00:00Z"}}]}`), false, "x runs on app-1 since"},
		{"tasks, unparsable expression", boot, port("200", `{"cron":[{"runnable":{"target":"x"},"expression":"whenever"}]}`), false, `"whenever" can't be read`},
		{"tasks, something else", boot, port("200", `{"status":"UP"}`), false, "neither cron"},
		{"tasks, no JSON", boot, port("200", `<html>`), false, "can't be read"},
		{"tasks, blocked", boot, port("401", ``), false, "401, which says nothing"},

		{"process, none", process, "", true, ""},
		{"process, one", process, "proc 812 1772400000 java -jar batch.jar\n", false, "java -jar batch.jar (pid 812) runs on batch-1 since"},
		{"process, nonsense", process, "batch.jar?\n", false, "can't be read"},

		{"jobs, soon", batch, idle, false, "invest on batch-1 starts at 2026-03-02T13:00:00+09:00"},
		{"jobs, running", batch, strings.Replace(idle, "loose idle", "loose running 1772420000 99 41", 1), false, "loose runs on batch-1 since"},
		{"jobs, running twice", batch, idle + "job loose running 1772420000 98 41\njob loose running 1772420000 99 41\n", false, "loose runs"},
		{"jobs, lock not readable", batch, strings.Replace(idle, "invest idle", "invest unknown may not read x", 1), false, "whether invest runs on batch-1 is not known: may not read x"},
		{"jobs, one is not named", batch, "job tick idle\njob loose idle\n", false, "whether invest runs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := remote.Facts{}
			for _, h := range []string{"batch-1", "app-1"} {
				f.Put(clock(h), at(t, now, seoul))
			}
			places := []providers.Place{{Host: "app-1", Ports: []int{8081, 8082}}}
			for _, q := range append(facts(config.Ref{}, c.spec), watch(c.spec, places)...) {
				if q.Script != scriptClock {
					f.Put(q, seen(c.text))
				}
			}
			v := judge(config.Ref{}, c.spec, providers.Case{Facts: f, Places: places, Begin: true})
			if v.Open != c.open || !strings.Contains(v.Why, c.why) {
				t.Errorf("open %v: %s\nwant %v: …%s…", v.Open, v.Why, c.open, c.why)
			}
		})
	}
}

// TestJudgeCrontabGap: cron starts a job at a fixed time right after the change of clocks that leaves the time out.
func TestJudgeCrontabGap(t *testing.T) {
	spec := Spec{Before: 20 * time.Minute, IgnoreFrequent: true, Crontabs: []Crontab{{Hosts: []string{"b"}, Duration: time.Minute}}}
	for _, c := range []struct{ name, zone, now, line, why, until string }{
		{"soon", "Europe/Berlin", "2026-03-29T01:41:00+01:00", "30 2 * * * x", "starts at 2026-03-29T03:00:00+02:00, in 19m", "2026-03-29T03:01:00+02:00"},
		{"later", "Europe/Berlin", "2026-03-29T01:39:00+01:00", "30 2 * * * x", "", "2026-03-29T01:40:00+01:00"},
		{"just now", "Europe/Berlin", "2026-03-29T03:00:30+02:00", "30 2 * * * x", "started at 2026-03-29T03:00:00+02:00", "2026-03-29T03:01:00+02:00"},
		{"over", "Europe/Berlin", "2026-03-29T03:01:00+02:00", "30 2 * * * x", "", "2026-03-30T02:10:00+02:00"},
		{"the first minute of the gap", "Europe/Berlin", "2026-03-29T01:41:00+01:00", "0 2 * * * x", "starts at 2026-03-29T03:00:00+02:00", "2026-03-29T03:01:00+02:00"},
		{"not of the gap", "Europe/Berlin", "2026-03-29T01:41:00+01:00", "30 3 * * * x", "", "2026-03-29T03:10:00+02:00"},
		{"not on that day", "Europe/Berlin", "2026-03-29T01:41:00+01:00", "30 2 * * 1 x", "", "2026-03-30T02:10:00+02:00"},
		{"a minute of every hour", "Europe/Berlin", "2026-03-29T01:41:00+01:00", "*/30 2 * * * x", "", ""},
		{"the hour that comes twice", "Europe/Berlin", "2026-10-25T02:11:00+01:00", "30 2 * * * x", "starts at 2026-10-25T02:30:00+01:00", "2026-10-25T02:31:00+01:00"},
		{"midnight", "America/Sao_Paulo", "2018-11-03T23:45:00-03:00", "@daily x", "starts at 2018-11-04T01:00:00-02:00", "2018-11-04T01:01:00-02:00"},
		{"a whole day left out is no change of clocks to cron", "Pacific/Apia", "2011-12-29T23:45:00-10:00", "0 12 30 12 * x", "", "2012-12-30T11:40:00+14:00"},
		{"a zone without changes", "UTC", "2026-03-29T01:39:00Z", "30 2 * * * x", "", "2026-03-29T02:10:00Z"},
		{"never", "Europe/Berlin", "2026-03-29T01:41:00+01:00", "30 2 30 2 * x", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := remote.Facts{}
			f.Put(clock("b"), at(t, c.now, c.zone))
			f.Put(spec.Crontabs[0].query("b"), seen("daemon cron\nfile user batch x\n|"+c.line+"\n"))
			want{c.why == "", c.until, c.why}.check(t, judge(config.Ref{}, spec, providers.Case{Facts: f}))
		})
	}
}

// TestJudgeUnknown: a source that can't be asked closes the window, whatever the reason, and it is said.
func TestJudgeUnknown(t *testing.T) {
	spec := Spec{
		Crontabs: []Crontab{{Hosts: []string{"b"}}}, Timers: []Timers{{Hosts: []string{"b"}}}, Processes: []Process{{[]string{"b"}, "x"}},
		Endpoints: []Endpoint{{Path: "/", Blocked: []int{403}}}, Jobs: []Batch{{"batch.x", "/srv", []string{"b"}, []Job{{Name: "j"}}}},
	}
	places := []providers.Place{{Host: "b", Ports: []int{80}}}
	good := remote.Facts{}
	all := append(facts(config.Ref{}, spec), watch(spec, places)...)
	for _, q := range all {
		good.Put(q, seen(map[string]string{
			scriptClock: "clock 1772400000 UTC", scriptTimers: "[]", scriptJobs: "job j idle", scriptCrontab: "daemon cron", scriptAsk: "port 80 200",
		}[q.Script]))
	}
	v := judge(config.Ref{}, spec, providers.Case{Facts: good, Places: places})
	if !v.Open {
		t.Fatalf("closed: %s", v.Why)
	}
	for _, q := range all {
		for _, a := range []remote.Answer{{}, {Sight: remote.Denied, Why: "no permission"}, {Sight: remote.Unreachable, Why: "no route"}} {
			f := remote.Facts{"b": {}}
			for k, x := range good["b"] {
				f["b"][k] = x
			}
			f.Put(q, a)
			v := judge(config.Ref{}, spec, providers.Case{Facts: f, Places: places})
			if v.Open || !strings.Contains(v.Why, a.Sight.String()) || !strings.Contains(v.Why, a.Why) || !v.Until.IsZero() {
				t.Errorf("%s %s: open %v until %s: %s", q.Key(), a.Sight, v.Open, v.Until, v.Why)
			}
			for _, r := range v.Reasons {
				if !r.Unknown {
					t.Errorf("%s is said to be known", r.Text)
				}
			}
		}
	}
	none := remote.Facts{}
	for _, q := range all {
		none.Put(q, remote.Answer{Sight: remote.Unreachable, Why: "no route"})
	}
	if v := judge(config.Ref{}, spec, providers.Case{Facts: none, Places: places}); v.Open || strings.Count(v.Why, "no route") != 1 || !strings.Contains(v.Why, "clock of b") {
		t.Errorf("of a machine that can't be reached: %s", v.Why)
	}
	if v := judge(config.Ref{}, Spec{Endpoints: spec.Endpoints, Crontabs: spec.Crontabs}, providers.Case{Facts: good}); v.Open || !strings.Contains(v.Why, "no service names this window") {
		t.Errorf("%+v", v)
	}
}

// TestHolds: what does not count is kept from starting too, and nobody waits for it to end.
func TestHolds(t *testing.T) {
	spec := Spec{IgnoreFrequent: true, Jobs: []Batch{{"batch.settlement", "/srv/s", []string{"b"}, []Job{
		{"invest", "0 0 13 * * *", seoul}, {"tick", "* * * * *", ""}, {"loose", "", ""}, {"hourly", "@hourly", ""},
	}}}}
	for frequent, want := range map[bool][3]string{
		true:  {"/srv/s 600 30 invest loose -- tick hourly", "/srv/s 600 30 -- invest tick loose hourly", "/srv/s invest tick loose hourly"},
		false: {"/srv/s 600 30 invest tick loose hourly --", "/srv/s 600 30 -- invest tick loose hourly", "/srv/s invest tick loose hourly"},
	} {
		spec.IgnoreFrequent = frequent
		h := hold(spec)
		if len(h) != 1 {
			t.Fatal(h)
		}
		for i, c := range []remote.Call{h[0].Do, h[0].Anyway, h[0].LetGo} {
			if got := strings.Join(c.Args, " "); got != want[i] || !c.Unlocked {
				t.Errorf("ignore_frequent = %v: %s %q, want %q", frequent, c.Script, got, want[i])
			}
		}
	}
}

// TestAllowBounded: however periods are written, they are looked for so often and no more; what is not looked at any more
// is no room, and no end.
func TestAllowBounded(t *testing.T) {
	now := time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, schedule string
		lasts, ahead   time.Duration
		outside, ends  bool
	}{
		{"a second each", "* * 0-12 * * *", time.Second, time.Hour, false, true},
		{"a second each, and no end is reached", "* * * * * *", time.Second, time.Hour, false, false},
		{"a second each, and a long deployment", "* * 0-22 * * *", time.Second, 22*time.Hour + 30*time.Minute, true, false},
		{"each second for a month", "* * * * * *", longest, longest, false, false},
		{"seconds between them", "*/2 * * * * *", time.Second, time.Hour, true, false},
		{"a minute of seconds for an hour", "* 0 * * * *", time.Hour, longest, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := cron.Parse(c.schedule)
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			next := func(after time.Time) (time.Time, bool) { asked++; return s.Next(after, time.UTC) }
			cal := calendar{allow: []allowance{{"x", next, c.lasts, now, time.UTC}}, ahead: c.ahead}
			_, _, outside := cal.closed(0)
			ends := false
			if outside {
				cal.opens(0)
			} else {
				_, _, _, ends = cal.closes()
			}
			if outside != c.outside || ends != c.ends || asked > mostWork+3*most {
				t.Errorf("outside %v, ends %v, asked %d times; want %v, %v", outside, ends, asked, c.outside, c.ends)
			}
		})
	}
}
