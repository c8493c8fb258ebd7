package window

import (
	"slices"
	"strconv"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// Spec is a window as configured. Durations are nanoseconds.
type Spec struct {
	Name           string        `json:"name"`
	Before         time.Duration `json:"before"`
	Deployment     time.Duration `json:"deployment,omitempty"` // how long one is expected to take; 0: not said
	IgnoreFrequent bool          `json:"ignore_frequent,omitempty"`
	Jobs           []Batch       `json:"jobs,omitempty"`
	Crons          []Cron        `json:"crons,omitempty"`
	Crontabs       []Crontab     `json:"crontabs,omitempty"`
	Timers         []Timers      `json:"timers,omitempty"`
	Endpoints      []Endpoint    `json:"endpoints,omitempty"`
	Processes      []Process     `json:"processes,omitempty"`
	Deny           []Period      `json:"deny,omitempty"`
	Allow          []Period      `json:"allow,omitempty"`
}

// Batch is a batch block: jobs with launchers.
type Batch struct {
	Addr  string   `json:"addr"`
	Root  string   `json:"root"`
	Hosts []string `json:"hosts"`
	Jobs  []Job    `json:"jobs"`
}

// Job is a job with a launcher. Schedule is "" when nothing says when it is expected.
type Job struct {
	Name     string `json:"name"`
	Schedule string `json:"schedule,omitempty"`
	Zone     string `json:"time_zone,omitempty"` // "": the machine's
}

// Cron is a job that the configuration declares.
type Cron struct {
	Name     string        `json:"name"`
	Schedule string        `json:"schedule"`
	Zone     string        `json:"time_zone"`
	Duration time.Duration `json:"duration"` // for how long it counts as running
}

// Filter narrows what is found on machines.
type Filter struct {
	Match  string `json:"match,omitempty"`  // regular expression; "": everything
	Ignore string `json:"ignore,omitempty"` // regular expression; "": nothing
}

// Crontab are the crontabs of machines.
type Crontab struct {
	Hosts    []string      `json:"hosts"`
	Users    []string      `json:"users,omitempty"` // none: all
	Filter   Filter        `json:"filter"`          // of the command
	Duration time.Duration `json:"duration"`
}

// Timers are systemd's timers of machines.
type Timers struct {
	Hosts    []string      `json:"hosts"`
	Filter   Filter        `json:"filter"` // of the timer's unit
	Duration time.Duration `json:"duration"`
}

// Endpoint is an HTTP endpoint that is asked on the machine itself: on every slot of the services that name the
// window, or on Hosts.
type Endpoint struct {
	Path    string   `json:"path"`
	Header  string   `json:"host,omitempty"` // Host header
	Port    int      `json:"port,omitempty"` // 0: those of the slots
	Hosts   []string `json:"hosts,omitempty"`
	Blocked []int    `json:"blocked,omitempty"` // statuses
	// Of scheduled tasks as Spring Boot shows them.
	Tasks    bool          `json:"tasks,omitempty"`
	Zone     string        `json:"time_zone,omitempty"`
	Filter   Filter        `json:"filter"` // of the task's target
	Duration time.Duration `json:"duration,omitempty"`
}

// Process is a program that must not run.
type Process struct {
	Hosts []string `json:"hosts"`
	Match string   `json:"match"` // text in its command line
}

// Period is a calendar period.
type Period struct {
	Name     string        `json:"name"`
	Schedule string        `json:"schedule"` // of its beginnings
	Duration time.Duration `json:"duration"`
	Zone     string        `json:"time_zone"`
}

func query(host, script string, args ...string) remote.Query {
	return remote.Query{Host: host, Script: script, Args: args}
}

func clock(host string) remote.Query { return query(host, scriptClock) }

func (c Crontab) query(host string) remote.Query { return query(host, scriptCrontab, c.Users...) }

func (t Timers) query(host string) remote.Query { return query(host, scriptTimers) }

func (p Process) query(host string) remote.Query { return query(host, scriptProcess, p.Match) }

func (b Batch) query(host string) remote.Query {
	args := []string{b.Root}
	for _, j := range b.Jobs {
		args = append(args, j.Name)
	}
	return query(host, scriptJobs, args...)
}

func (e Endpoint) query(p providers.Place) remote.Query {
	ports := p.Ports
	if e.Port != 0 {
		ports = []int{e.Port}
	}
	body := "0"
	if e.Tasks {
		body = "1"
	}
	args := []string{e.Path, e.Header, body}
	for _, port := range ports {
		args = append(args, strconv.Itoa(port))
	}
	return query(p.Host, scriptAsk, args...)
}

// places are where the endpoint is asked.
func (e Endpoint) places(users []providers.Place) (out []providers.Place) {
	for _, h := range e.Hosts {
		out = append(out, providers.Place{Host: h})
	}
	if len(e.Hosts) > 0 {
		return out
	}
	for _, p := range users {
		if len(p.Ports) > 0 || e.Port != 0 {
			out = append(out, p)
		}
	}
	return out
}

// machines are those that the window looks at, whoever names it.
func (s Spec) machines() (out []string) {
	add := func(hosts []string) {
		for _, h := range hosts {
			if !slices.Contains(out, h) {
				out = append(out, h)
			}
		}
	}
	for _, b := range s.Jobs {
		add(b.Hosts)
	}
	for _, c := range s.Crontabs {
		add(c.Hosts)
	}
	for _, t := range s.Timers {
		add(t.Hosts)
	}
	for _, e := range s.Endpoints {
		add(e.Hosts)
	}
	for _, p := range s.Processes {
		add(p.Hosts)
	}
	return out
}

func facts(_ config.Ref, s Spec) (out []remote.Query) {
	for _, h := range s.machines() {
		out = append(out, clock(h))
	}
	for _, b := range s.Jobs {
		for _, h := range b.Hosts {
			out = append(out, b.query(h))
		}
	}
	for _, c := range s.Crontabs {
		for _, h := range c.Hosts {
			out = append(out, c.query(h))
		}
	}
	for _, t := range s.Timers {
		for _, h := range t.Hosts {
			out = append(out, t.query(h))
		}
	}
	for _, p := range s.Processes {
		for _, h := range p.Hosts {
			out = append(out, p.query(h))
		}
	}
	return out
}

// watch asks where those stand who name the window: for their machines' clocks, and their slots' endpoints.
func watch(s Spec, users []providers.Place) (out []remote.Query) {
	for _, p := range users {
		out = append(out, clock(p.Host))
	}
	for _, e := range s.Endpoints {
		for _, p := range e.places(users) {
			out = append(out, e.query(p))
		}
	}
	return out
}

// How long launchers keep jobs waiting when nobody renews that, longer than a stop takes that can't be reached any more;
// and how long a step that jobs must not meet waits for those that run already.
const (
	heldFor  = 10 * time.Minute
	patience = 30 * time.Second
)

// hold: launchers keep their jobs from starting. Those that run are waited for, but for what does not count: of a job every
// minute there may always be one.
func hold(s Spec) (out []providers.Hold) {
	seconds := func(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
	for _, b := range s.Jobs {
		var names, must, frequent []string
		for _, j := range b.Jobs {
			names = append(names, j.Name)
			if s.frequent(j.Schedule) {
				frequent = append(frequent, j.Name)
			} else {
				must = append(must, j.Name)
			}
		}
		call := func(script string, args ...[]string) remote.Call {
			return remote.Call{Script: script, Args: append([]string{b.Root}, slices.Concat(args...)...), Unlocked: true}
		}
		atMost, behind := []string{seconds(heldFor), seconds(patience)}, []string{"--"}
		for _, h := range b.Hosts {
			out = append(out, providers.Hold{
				Host: h, Limit: patience + 30*time.Second, Renew: heldFor / 5,
				Do:     call(scriptHold, atMost, must, behind, frequent),
				Anyway: call(scriptHold, atMost, behind, names),
				LetGo:  call(scriptLetGo, names),
			})
		}
	}
	return out
}

// advisory says that some jobs are started by what knows nothing of a deployment.
func (s Spec) advisory() bool {
	return len(s.Crons)+len(s.Crontabs)+len(s.Timers)+len(s.Endpoints)+len(s.Processes) > 0
}
