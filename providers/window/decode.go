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
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/window/cron"
)

// block is the schema.
type block struct {
	Before         text           `hcl:"before,optional"`
	Deployment     text           `hcl:"deployment,optional"`
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

// Arguments, with the places of their values.
type (
	text  = config.Given[string]
	hosts = config.Given[[]config.HostValue]
)

type cronBlock struct {
	Name     string `hcl:"name,label"`
	Schedule text   `hcl:"schedule"`
	Zone     text   `hcl:"time_zone"`
	Duration text   `hcl:"duration,optional"`
}

type periodBlock struct {
	Name     string `hcl:"name,label"`
	Schedule text   `hcl:"schedule"`
	Zone     text   `hcl:"time_zone"`
	Duration text   `hcl:"duration"`
}

type foundBlock struct {
	Hosts    hosts                  `hcl:"hosts"`
	Users    config.Given[[]string] `hcl:"users,optional"`
	Match    text                   `hcl:"match,optional"`
	Ignore   text                   `hcl:"ignore,optional"`
	Duration text                   `hcl:"duration,optional"`
}

type timersBlock struct {
	Hosts    hosts `hcl:"hosts"`
	Match    text  `hcl:"match,optional"`
	Ignore   text  `hcl:"ignore,optional"`
	Duration text  `hcl:"duration,optional"`
}

type httpBlock struct {
	Path    text                `hcl:"path"`
	Blocked config.Given[[]int] `hcl:"blocked"`
	Host    text                `hcl:"host,optional"`
	Port    config.Given[int]   `hcl:"port,optional"`
	Hosts   hosts               `hcl:"hosts,optional"`
}

type tasksBlock struct {
	Path     text              `hcl:"path,optional"`
	Zone     text              `hcl:"time_zone"`
	Host     text              `hcl:"host,optional"`
	Port     config.Given[int] `hcl:"port,optional"`
	Hosts    hosts             `hcl:"hosts,optional"`
	Match    text              `hcl:"match,optional"`
	Ignore   text              `hcl:"ignore,optional"`
	Duration text              `hcl:"duration,optional"`
}

type processBlock struct {
	Hosts hosts `hcl:"hosts"`
	Match text  `hcl:"match"`
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
	s.Before = d.duration(in.Before, defaultBefore, true)
	s.Deployment = d.duration(in.Deployment, "0s", true)
	known := d.jobs(&s, in.Jobs)
	for _, c := range in.Crons {
		d.schedule(c.Schedule)
		d.zone(c.Zone)
		s.Crons = append(s.Crons, Cron{c.Name, c.Schedule.Value, c.Zone.Value, d.duration(c.Duration, defaultDuration, false)})
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

func (d *decoder) duration(t text, otherwise string, zero bool) time.Duration {
	if t.Value == "" {
		t.Value = otherwise
	}
	v, err := time.ParseDuration(t.Value)
	switch {
	case err != nil:
		d.wrong(t.At, "Not a duration", `%q: a number and a unit are expected: "90s", "20m", "2h".`, t.Value)
	case v < 0 || v == 0 && !zero:
		d.wrong(t.At, "Unsuitable duration", "%q: more than nothing is expected.", t.Value)
	case v > longest:
		d.wrong(t.At, "Unsuitable duration", "%q: at most 31 days (744h).", t.Value)
	}
	return v
}

func (d *decoder) schedule(t text) {
	s, err := cron.Parse(t.Value)
	switch {
	case err != nil:
		d.wrong(t.At, "Not a schedule", "%s. Five fields are read as cron does, six as Spring does.", err)
	case s.Never() || !fires(s):
		d.wrong(t.At, "A schedule that never comes", "%q fits no date. Look at the day and the month.", t.Value)
	}
}

// fires says that a schedule has a start; which depends neither on the zone nor on today, within 28 years of weekdays
// and leap years.
func fires(s cron.Schedule) bool {
	_, ok := s.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), time.UTC)
	return ok
}

func (d *decoder) zone(t text) {
	if _, err := location(t.Value); err != nil {
		d.wrong(t.At, "Unknown time zone", `%q: a name of the zone database is expected: "Asia/Seoul", "Europe/Berlin", "UTC".`, t.Value)
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
				d.schedule(text{Value: j.Schedule, At: e.Range()})
			}
			if j.Zone != "" {
				d.zone(text{Value: j.Zone, At: e.Range()})
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
	b.Addr, b.Root = providers.Attribute(v, "addr"), providers.Attribute(v, "root")
	if gocty.FromCtyValue(v.GetAttr("hosts"), &b.Hosts) != nil || !strings.HasPrefix(b.Addr, "batch.") {
		return b, false
	}
	jobs := v.GetAttr("jobs")
	if jobs.IsNull() || !jobs.CanIterateElements() {
		return b, false
	}
	for it := jobs.ElementIterator(); it.Next(); {
		_, j := it.Element()
		b.Jobs = append(b.Jobs, Job{Name: providers.Attribute(j, "name"), Schedule: providers.Attribute(j, "schedule"), Zone: providers.Attribute(j, "time_zone")})
	}
	return b, true
}

// found are the sources that are read from machines.
func (d *decoder) found(s *Spec, in block) {
	for _, c := range in.Crontabs {
		for _, u := range c.Users.Value {
			if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`).MatchString(u) {
				d.wrong(c.Users.At, "Not a user's name", "%q: letters, digits and . _ - are expected, beginning with a letter or _.", u)
			}
		}
		s.Crontabs = append(s.Crontabs, Crontab{d.hosts(c.Hosts), c.Users.Value, d.filter(c.Match, c.Ignore), d.duration(c.Duration, defaultDuration, false)})
	}
	for _, t := range in.Timers {
		s.Timers = append(s.Timers, Timers{d.hosts(t.Hosts), d.filter(t.Match, t.Ignore), d.duration(t.Duration, defaultDuration, false)})
	}
	for _, p := range in.Processes {
		if p.Match.Value == "" || control(p.Match.Value) {
			d.wrong(p.Match.At, "Unsuitable match", "%q: a text that is a part of the program's command line is expected.", p.Match.Value)
		}
		s.Processes = append(s.Processes, Process{d.hosts(p.Hosts), p.Match.Value})
	}
}

// asked are the sources that are asked over HTTP.
func (d *decoder) asked(s *Spec, in block) {
	for _, h := range in.HTTP {
		e := d.endpoint(h.Path, h.Host, h.Port, h.Hosts)
		e.Blocked = h.Blocked.Value
		if len(e.Blocked) == 0 {
			d.wrong(h.Blocked.At, "No statuses", "blocked = [403] is expected: what the endpoint answers while a job runs. Every answer that is neither one of these nor 2xx closes the window too, as one that nobody understands.")
		}
		for _, st := range e.Blocked {
			if st < 100 || st > 599 {
				d.wrong(h.Blocked.At, "Not a status", "%d: a status of HTTP is between 100 and 599.", st)
			}
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	for _, a := range in.Actuator {
		if a.Path.Value == "" {
			a.Path.Value = "/actuator/scheduledtasks"
		}
		e := d.endpoint(a.Path, a.Host, a.Port, a.Hosts)
		e.Tasks, e.Zone = true, a.Zone.Value
		d.zone(a.Zone)
		e.Filter, e.Duration = d.filter(a.Match, a.Ignore), d.duration(a.Duration, defaultDuration, false)
		s.Endpoints = append(s.Endpoints, e)
	}
}

func (d *decoder) endpoint(path, header text, port config.Given[int], on hosts) Endpoint {
	e := Endpoint{Path: path.Value, Header: header.Value, Port: port.Value}
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	if !strings.HasPrefix(e.Path, "/") || strings.ContainsFunc(e.Path, odd) {
		d.wrong(path.At, "Not a path", "%q: a path that begins with / is expected. It is asked on 127.0.0.1, at the port of each slot that listens.", e.Path)
	}
	if strings.ContainsFunc(e.Header, odd) {
		d.wrong(header.At, "Not a host's name", "%q has a character that no name has.", e.Header)
	}
	if e.Port < 0 || e.Port > 65535 || port.At.Filename != "" && e.Port == 0 {
		d.wrong(port.At, "Not a port", "%d: a port is between 1 and 65535. Without port, every slot of the services that name this window is asked.", e.Port)
	}
	if on.At.Filename == "" {
		return e
	}
	e.Hosts = d.hosts(on)
	if e.Port == 0 {
		d.wrong(on.At, "Port missing", "Where hosts says which machines are asked, port has to say at which port.")
	}
	return e
}

func (d *decoder) hosts(in hosts) (out []string) {
	if len(in.Value) == 0 {
		d.wrong(in.At, "No hosts", "At least one machine to look at is expected.")
	}
	for _, h := range in.Value {
		if slices.Contains(out, h.Name) {
			d.wrong(in.At, "Host given twice", "The machine %q is in this list more than once.", h.Name)
		}
		out = append(out, h.Name)
	}
	return out
}

func (d *decoder) filter(match, ignore text) Filter {
	for _, x := range []text{match, ignore} {
		if _, err := regexp.Compile(x.Value); err != nil {
			d.wrong(x.At, "Not a regular expression", "%s.", err)
		}
	}
	return Filter{match.Value, ignore.Value}
}

func (d *decoder) periods(in []periodBlock) (out []Period) {
	for _, p := range in {
		d.schedule(p.Schedule)
		d.zone(p.Zone)
		out = append(out, Period{p.Name, p.Schedule.Value, d.duration(p.Duration, "", false), p.Zone.Value})
	}
	return out
}

func control(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
