package batch

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/window/cron"
)

// input is the block as written.
type input struct {
	Release hcl.Expression `hcl:"release"`
	RunAs   string         `hcl:"run_as,optional"`
	Env     hcl.Expression `hcl:"env,optional"`
	Jobs    []jobInput     `hcl:"job,block"`
}

type jobInput struct {
	Name         string         `hcl:"name,label"`
	Command      hcl.Expression `hcl:"command"`
	Schedule     *string        `hcl:"schedule,optional"`
	TimeZone     *string        `hcl:"time_zone,optional"`
	Concurrency  *string        `hcl:"concurrency,optional"`
	OnDeployment *string        `hcl:"on_deployment,optional"`
}

// decoder collects what is wrong, all at once.
type decoder struct {
	b     config.Block
	in    input
	s     Spec
	diags hcl.Diagnostics
}

func decode(b config.Block) (Spec, hcl.Diagnostics) {
	d := &decoder{b: b}
	if d.diags = b.Decode(&d.in); d.diags.HasErrors() {
		return Spec{}, d.diags
	}
	d.s = Spec{Project: b.Project, Name: b.Name, RunAs: d.in.RunAs}
	if !d.release() {
		if !d.diags.HasErrors() { // the release has some, which are reported there
			d.diags = append(d.diags, config.Skipped(b.Range)...)
		}
		return d.s, d.diags
	}
	if d.s.RunAs != "" && !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`).MatchString(d.s.RunAs) {
		d.wrong(b.At("run_as"), "Not a user's name", "%q: letters, digits, _ and -, beginning with a letter or _.", d.s.RunAs)
	}
	d.env()
	d.jobs()
	return d.s, d.diags
}

func (d *decoder) wrong(at *hcl.Range, summary, detail string, args ...any) {
	d.diags = append(d.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: at})
}

// release reads the reference to a release block: its value is plain data.
func (d *decoder) release() bool {
	v, diags := d.b.Eval(d.in.Release, nil)
	d.diags = append(d.diags, diags...)
	if diags.HasErrors() || !v.IsKnown() {
		return false
	}
	published, hosts, err := providers.PublishedOf(v, "the jobs run")
	if err != nil {
		d.wrong(d.in.Release.Range().Ptr(), "Not a release", "%s.", err)
		return false
	}
	d.s.Release, d.s.Hosts = published, slices.DeleteFunc(hosts, func(h config.HostValue) bool { return h.Retired })
	return true
}

func (d *decoder) jobs() {
	if len(d.in.Jobs) == 0 {
		d.wrong(&d.b.Range, "No jobs", "job \"NAME\" { command = […] } is expected, once for each job.")
	}
	for _, in := range d.in.Jobs {
		j := Job{Name: in.Name, at: d.b.At("job", in.Name), Command: d.words(in.Command, "job "+in.Name)}
		if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`).MatchString(in.Name) {
			d.wrong(j.at, "Not a job's name", "%q is a file's name: letters, digits, - and _ are expected, beginning with a letter or a digit, 64 at the most.", in.Name)
		}
		j.Concurrency = d.choice(in.Concurrency, "concurrency", in.Name, Forbid, Allow, Queue)
		j.OnDeployment = d.choice(in.OnDeployment, "on_deployment", in.Name, Wait, Skip, Run)
		d.schedule(&j, in)
		d.s.Jobs = append(d.s.Jobs, j)
	}
}

// choice is one of some words, the first one where nothing is said.
func (d *decoder) choice(given *string, what, job string, words ...string) string {
	if given == nil {
		return words[0]
	}
	if !slices.Contains(words, *given) {
		d.wrong(d.b.At("job", job, what), "Unknown "+what, "%q: one of %q is expected.", *given, words)
	}
	return *given
}

// schedule is for windows; it is read as they read it, so that a mistake is seen before one of them lists the jobs.
func (d *decoder) schedule(j *Job, in jobInput) {
	if in.TimeZone != nil {
		j.TimeZone = *in.TimeZone
		at := d.b.At("job", j.Name, "time_zone")
		if _, err := time.LoadLocation(j.TimeZone); err != nil || j.TimeZone == "" || j.TimeZone == "Local" {
			d.wrong(at, "Not a time zone", "%q: a name such as \"Asia/Seoul\" or \"UTC\" is expected.", j.TimeZone)
		} else if in.Schedule == nil {
			d.wrong(at, "A time zone without a schedule", "time_zone says how schedule is meant, and there is none.")
		}
	}
	if in.Schedule == nil {
		return
	}
	j.Schedule = *in.Schedule
	at := d.b.At("job", j.Name, "schedule")
	s, err := cron.Parse(j.Schedule)
	switch {
	case err != nil:
		d.wrong(at, "Not a schedule", "%s. Five fields are read as cron does, six as Spring does.", err)
	case strings.ContainsFunc(j.Schedule, func(r rune) bool { return r < ' ' || r == 0x7f }):
		d.wrong(at, "Not a schedule", "%q: a control character.", j.Schedule)
	case !fires(s):
		d.wrong(at, "A schedule that never comes", "%q fits no date. Look at the day and the month; where no time starts the job, leave schedule out.", j.Schedule)
	}
}

// fires says that a schedule has a start at all, which depends neither on the zone nor on today.
func fires(s cron.Schedule) bool {
	_, ok := s.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), time.UTC)
	return ok && !s.Never()
}
