package window

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a controller without a zone database judges as well

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers/window/cron"
)

// block is the schema.
type block struct {
	Before         string         `hcl:"before,optional"`
	Deployment     string         `hcl:"deployment,optional"`
	IgnoreFrequent bool           `hcl:"ignore_frequent,optional"`
	Jobs           hcl.Expression `hcl:"jobs,optional"`
	Crons          []cronBlock    `hcl:"cron,block"`
	Crontabs       []foundBlock   `hcl:"crontab,block"`
	Timers         []timersBlock  `hcl:"systemd_timers,block"`
	HTTP           []httpBlock    `hcl:"http,block"`
	Actuator       []tasksBlock   `hcl:"actuator,block"`
	Processes      []processBlock `hcl:"process,block"`
	Deny           []periodBlock  `hcl:"deny,block"`
	Allow          []periodBlock  `hcl:"allow,block"`
}

type cronBlock struct {
	Name       string    `hcl:"name,label"`
	Schedule   string    `hcl:"schedule"`
	ScheduleAt hcl.Range `hcl:"schedule,attr_value_range"`
	Zone       string    `hcl:"time_zone"`
	ZoneAt     hcl.Range `hcl:"time_zone,attr_value_range"`
	Duration   string    `hcl:"duration,optional"`
	DurationAt hcl.Range `hcl:"duration,attr_value_range"`
}

type periodBlock struct {
	Name       string    `hcl:"name,label"`
	Schedule   string    `hcl:"schedule"`
	ScheduleAt hcl.Range `hcl:"schedule,attr_value_range"`
	Zone       string    `hcl:"time_zone"`
	ZoneAt     hcl.Range `hcl:"time_zone,attr_value_range"`
	Duration   string    `hcl:"duration"`
	DurationAt hcl.Range `hcl:"duration,attr_value_range"`
}

type foundBlock struct {
	Hosts      []config.HostValue `hcl:"hosts"`
	HostsAt    hcl.Range          `hcl:"hosts,attr_value_range"`
	Users      []string           `hcl:"users,optional"`
	UsersAt    hcl.Range          `hcl:"users,attr_value_range"`
	Match      string             `hcl:"match,optional"`
	MatchAt    hcl.Range          `hcl:"match,attr_value_range"`
	Ignore     string             `hcl:"ignore,optional"`
	IgnoreAt   hcl.Range          `hcl:"ignore,attr_value_range"`
	Duration   string             `hcl:"duration,optional"`
	DurationAt hcl.Range          `hcl:"duration,attr_value_range"`
}

type timersBlock struct {
	Hosts      []config.HostValue `hcl:"hosts"`
	HostsAt    hcl.Range          `hcl:"hosts,attr_value_range"`
	Match      string             `hcl:"match,optional"`
	MatchAt    hcl.Range          `hcl:"match,attr_value_range"`
	Ignore     string             `hcl:"ignore,optional"`
	IgnoreAt   hcl.Range          `hcl:"ignore,attr_value_range"`
	Duration   string             `hcl:"duration,optional"`
	DurationAt hcl.Range          `hcl:"duration,attr_value_range"`
}

type httpBlock struct {
	Path      string             `hcl:"path"`
	PathAt    hcl.Range          `hcl:"path,attr_value_range"`
	Blocked   []int              `hcl:"blocked"`
	BlockedAt hcl.Range          `hcl:"blocked,attr_value_range"`
	Host      string             `hcl:"host,optional"`
	HostAt    hcl.Range          `hcl:"host,attr_value_range"`
	Port      int                `hcl:"port,optional"`
	PortAt    hcl.Range          `hcl:"port,attr_value_range"`
	Hosts     []config.HostValue `hcl:"hosts,optional"`
	HostsAt   hcl.Range          `hcl:"hosts,attr_value_range"`
}

type tasksBlock struct {
	Path       string             `hcl:"path,optional"`
	PathAt     hcl.Range          `hcl:"path,attr_value_range"`
	Zone       string             `hcl:"time_zone"`
	ZoneAt     hcl.Range          `hcl:"time_zone,attr_value_range"`
	Host       string             `hcl:"host,optional"`
	HostAt     hcl.Range          `hcl:"host,attr_value_range"`
	Port       int                `hcl:"port,optional"`
	PortAt     hcl.Range          `hcl:"port,attr_value_range"`
	Hosts      []config.HostValue `hcl:"hosts,optional"`
	HostsAt    hcl.Range          `hcl:"hosts,attr_value_range"`
	Match      string             `hcl:"match,optional"`
	MatchAt    hcl.Range          `hcl:"match,attr_value_range"`
	Ignore     string             `hcl:"ignore,optional"`
	IgnoreAt   hcl.Range          `hcl:"ignore,attr_value_range"`
	Duration   string             `hcl:"duration,optional"`
	DurationAt hcl.Range          `hcl:"duration,attr_value_range"`
}

type processBlock struct {
	Hosts   []config.HostValue `hcl:"hosts"`
	HostsAt hcl.Range          `hcl:"hosts,attr_value_range"`
	Match   string             `hcl:"match"`
	MatchAt hcl.Range          `hcl:"match,attr_value_range"`
}

// A job counts as running for this long where nothing says how long it takes.
const (
	defaultDuration = "1m"
	defaultBefore   = "10m"
	longest         = 31 * 24 * time.Hour
)

// decoder collects what is wrong, all at once.
type decoder struct {
	b     config.Block
	diags hcl.Diagnostics
}

func decode(b config.Block) (Spec, hcl.Diagnostics) {
	var in block
	d := &decoder{b: b}
	if d.diags = b.Decode(&in); d.diags.HasErrors() {
		return Spec{}, d.diags
	}
	s := Spec{Name: b.Name, IgnoreFrequent: in.IgnoreFrequent}
	s.Before = d.duration(in.Before, defaultBefore, *b.At("before"), true)
	s.Deployment = d.duration(in.Deployment, "0s", *b.At("deployment"), true)
	known := d.jobs(&s, in.Jobs)
	for _, c := range in.Crons {
		d.schedule(c.Schedule, c.ScheduleAt)
		d.zone(c.Zone, c.ZoneAt)
		s.Crons = append(s.Crons, Cron{c.Name, c.Schedule, c.Zone, d.duration(c.Duration, defaultDuration, c.DurationAt, false)})
	}
	d.found(&s, in)
	d.asked(&s, in)
	s.Deny, s.Allow = d.periods(in.Deny), d.periods(in.Allow)
	if known && len(s.Jobs)+len(s.Crons)+len(s.Crontabs)+len(s.Timers)+len(s.Endpoints)+len(s.Processes)+len(s.Deny)+len(s.Allow) == 0 {
		d.wrong(b.Range, "Nothing to look at", "This window never closes. Say what closes it: jobs = [batch.NAME], or a block cron, crontab, systemd_timers, http, actuator, process, deny or allow.")
	}
	return s, d.diags
}

func (d *decoder) wrong(at hcl.Range, summary, detail string, args ...any) {
	d.diags = append(d.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: &at})
}

func (d *decoder) duration(text, otherwise string, at hcl.Range, zero bool) time.Duration {
	if text == "" {
		text = otherwise
	}
	v, err := time.ParseDuration(text)
	switch {
	case err != nil:
		d.wrong(at, "Not a duration", `%q: a number and a unit are expected: "90s", "20m", "2h".`, text)
	case v < 0 || v == 0 && !zero:
		d.wrong(at, "Unsuitable duration", "%q: more than nothing is expected.", text)
	case v > longest:
		d.wrong(at, "Unsuitable duration", "%q: at most 31 days (744h).", text)
	}
	return v
}

func (d *decoder) schedule(text string, at hcl.Range) {
	s, err := cron.Parse(text)
	switch {
	case err != nil:
		d.wrong(at, "Not a schedule", "%s. Five fields are read as cron does, six as Spring does.", err)
	case s.Never() || !fires(s):
		d.wrong(at, "A schedule that never comes", "%q fits no date. Look at the day and the month.", text)
	}
}

// fires says that a schedule has a start; which depends neither on the zone nor on today, within 28 years of weekdays
// and leap years.
func fires(s cron.Schedule) bool {
	_, ok := s.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), time.UTC)
	return ok
}

func (d *decoder) zone(name string, at hcl.Range) {
	if _, err := location(name); err != nil {
		d.wrong(at, "Unknown time zone", `%q: a name of the zone database is expected: "Asia/Seoul", "Europe/Berlin", "UTC".`, name)
	}
}

// location is a zone by its name. "Local" would be the controller's.
func location(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("there is no time zone %q", name)
	}
	return time.LoadLocation(name)
}

// jobs reads the references to batch blocks; false when one has an error of its own.
func (d *decoder) jobs(s *Spec, e hcl.Expression) bool {
	v, diags := d.b.Eval(e, nil)
	d.diags = append(d.diags, diags...)
	if diags.HasErrors() || !v.IsWhollyKnown() {
		return false
	}
	if v.IsNull() {
		return true
	}
	const want = "jobs = [batch.NAME, …] is expected: batch blocks, whose jobs have launchers."
	if !v.CanIterateElements() || v.Type().IsObjectType() || v.Type().IsMapType() {
		d.wrong(e.Range(), "Not a list of jobs", want)
		return false
	}
	for it := v.ElementIterator(); it.Next(); {
		_, x := it.Element()
		b, ok := batchOf(x)
		if !ok {
			d.wrong(e.Range(), "Not a batch block", want)
			return false
		}
		for _, j := range b.Jobs {
			if j.Schedule != "" {
				d.schedule(j.Schedule, e.Range())
			}
			if j.Zone != "" {
				d.zone(j.Zone, e.Range())
			}
		}
		s.Jobs = append(s.Jobs, b)
	}
	return true
}

// batchOf reads the value of a batch block: addr, root, hosts, jobs with name, schedule and time_zone.
func batchOf(v cty.Value) (b Batch, ok bool) {
	if v.IsNull() || !v.Type().IsObjectType() {
		return b, false
	}
	for _, name := range []string{"addr", "root", "hosts", "jobs"} {
		if !v.Type().HasAttribute(name) {
			return b, false
		}
	}
	b.Addr, b.Root = text(v, "addr"), text(v, "root")
	if gocty.FromCtyValue(v.GetAttr("hosts"), &b.Hosts) != nil || !strings.HasPrefix(b.Addr, "batch.") {
		return b, false
	}
	jobs := v.GetAttr("jobs")
	if jobs.IsNull() || !jobs.CanIterateElements() {
		return b, false
	}
	for it := jobs.ElementIterator(); it.Next(); {
		_, j := it.Element()
		b.Jobs = append(b.Jobs, Job{Name: text(j, "name"), Schedule: text(j, "schedule"), Zone: text(j, "time_zone")})
	}
	return b, true
}

// text of an object's attribute; "" where there is none or it is null.
func text(v cty.Value, name string) string {
	if v.IsNull() || !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
		return ""
	}
	a := v.GetAttr(name)
	if a.IsNull() || !a.IsKnown() || a.Type() != cty.String {
		return ""
	}
	return a.AsString()
}

// found are the sources that are read from machines.
func (d *decoder) found(s *Spec, in block) {
	for _, c := range in.Crontabs {
		for _, u := range c.Users {
			if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`).MatchString(u) {
				d.wrong(c.UsersAt, "Not a user's name", "%q: letters, digits and . _ - are expected, beginning with a letter or _.", u)
			}
		}
		s.Crontabs = append(s.Crontabs, Crontab{
			d.hosts(c.Hosts, c.HostsAt), c.Users, d.filter(c.Match, c.MatchAt, c.Ignore, c.IgnoreAt),
			d.duration(c.Duration, defaultDuration, c.DurationAt, false),
		})
	}
	for _, t := range in.Timers {
		s.Timers = append(s.Timers, Timers{
			d.hosts(t.Hosts, t.HostsAt), d.filter(t.Match, t.MatchAt, t.Ignore, t.IgnoreAt),
			d.duration(t.Duration, defaultDuration, t.DurationAt, false),
		})
	}
	for _, p := range in.Processes {
		if p.Match == "" || control(p.Match) {
			d.wrong(p.MatchAt, "Unsuitable match", "%q: a text that is a part of the program's command line is expected.", p.Match)
		}
		s.Processes = append(s.Processes, Process{d.hosts(p.Hosts, p.HostsAt), p.Match})
	}
}

// asked are the sources that are asked over HTTP.
func (d *decoder) asked(s *Spec, in block) {
	for _, h := range in.HTTP {
		e := Endpoint{Path: h.Path, Header: h.Host, Port: h.Port, Blocked: h.Blocked}
		d.endpoint(&e, h.PathAt, h.HostAt, h.PortAt, h.Hosts, h.HostsAt)
		if len(h.Blocked) == 0 {
			d.wrong(h.BlockedAt, "No statuses", "blocked = [403] is expected: what the endpoint answers while a job runs. Every answer that is neither one of these nor 2xx closes the window too, as one that nobody understands.")
		}
		for _, st := range h.Blocked {
			if st < 100 || st > 599 {
				d.wrong(h.BlockedAt, "Not a status", "%d: a status of HTTP is between 100 and 599.", st)
			}
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	for _, a := range in.Actuator {
		if a.Path == "" {
			a.Path = "/actuator/scheduledtasks"
		}
		e := Endpoint{Path: a.Path, Header: a.Host, Port: a.Port, Tasks: true, Zone: a.Zone}
		d.endpoint(&e, a.PathAt, a.HostAt, a.PortAt, a.Hosts, a.HostsAt)
		d.zone(a.Zone, a.ZoneAt)
		e.Filter = d.filter(a.Match, a.MatchAt, a.Ignore, a.IgnoreAt)
		e.Duration = d.duration(a.Duration, defaultDuration, a.DurationAt, false)
		s.Endpoints = append(s.Endpoints, e)
	}
}

func (d *decoder) endpoint(e *Endpoint, pathAt, headerAt, portAt hcl.Range, hosts []config.HostValue, hostsAt hcl.Range) {
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	if !strings.HasPrefix(e.Path, "/") || strings.ContainsFunc(e.Path, odd) {
		d.wrong(pathAt, "Not a path", "%q: a path that begins with / is expected. It is asked on 127.0.0.1, at the port of each slot that listens.", e.Path)
	}
	if strings.ContainsFunc(e.Header, odd) {
		d.wrong(headerAt, "Not a host's name", "%q has a character that no name has.", e.Header)
	}
	if e.Port < 0 || e.Port > 65535 || portAt.Filename != "" && e.Port == 0 {
		d.wrong(portAt, "Not a port", "%d: a port is between 1 and 65535. Without port, every slot of the services that name this window is asked.", e.Port)
	}
	if hostsAt.Filename == "" {
		return
	}
	e.Hosts = d.hosts(hosts, hostsAt)
	if e.Port == 0 {
		d.wrong(hostsAt, "Port missing", "Where hosts says which machines are asked, port has to say at which port.")
	}
}

func (d *decoder) hosts(in []config.HostValue, at hcl.Range) (out []string) {
	if len(in) == 0 {
		d.wrong(at, "No hosts", "At least one machine to look at is expected.")
	}
	for _, h := range in {
		if slices.Contains(out, h.Name) {
			d.wrong(at, "Host given twice", "The machine %q is in this list more than once.", h.Name)
		}
		out = append(out, h.Name)
	}
	return out
}

func (d *decoder) filter(match string, matchAt hcl.Range, ignore string, ignoreAt hcl.Range) Filter {
	for _, x := range []struct {
		text string
		at   hcl.Range
	}{{match, matchAt}, {ignore, ignoreAt}} {
		if _, err := regexp.Compile(x.text); err != nil {
			d.wrong(x.at, "Not a regular expression", "%s.", err)
		}
	}
	return Filter{match, ignore}
}

func (d *decoder) periods(in []periodBlock) (out []Period) {
	for _, p := range in {
		d.schedule(p.Schedule, p.ScheduleAt)
		d.zone(p.Zone, p.ZoneAt)
		out = append(out, Period{p.Name, p.Schedule, d.duration(p.Duration, "", p.DurationAt, false), p.Zone})
	}
	return out
}

func control(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
