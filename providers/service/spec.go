package service

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
)

// ReleaseID stands in a spec for the id of a release that is known on the machines only (version unset).
const ReleaseID = "‹release›"

// Spec is a service as configured. Durations are nanoseconds.
type Spec struct {
	Project  string             `json:"project"`
	Name     string             `json:"name"`
	Release  Release            `json:"release"`
	Hosts    []config.HostValue `json:"hosts"`
	Slots    []Slot             `json:"slots"`
	RunAs    string             `json:"run_as,omitempty"`
	Runner   string             `json:"runner"`
	Unit     []Property         `json:"unit,omitempty"` // further lines of the unit's [Service] section
	Before   []Hook             `json:"before_start,omitempty"`
	Nginx    Nginx              `json:"nginx"`
	Stop     Stop               `json:"stop"`
	Strategy string             `json:"strategy,omitempty"` // recreate; "" for blue_green
	Previous string             `json:"previous"`           // stopped or running
	Windows  []config.Ref       `json:"windows,omitempty"`
}

// Release is what the service sees of the release that it runs.
type Release = providers.Published

// Slot is one of the two places in which the program runs, with everything evaluated for it.
type Slot struct {
	Name    string     `json:"name"`
	Port    int        `json:"port"`
	Command []string   `json:"command"`
	Env     []Env      `json:"env,omitempty"`
	Hooks   [][]string `json:"hooks,omitempty"` // commands of Before, in its order
	Health  Health     `json:"health"`
	Verify  string     `json:"verify,omitempty"` // Verify.Body where it has a value for each slot
	at      *hcl.Range
}

// Env is one variable of the program.
type Env = providers.Env

// Hook is a command that runs before the program is started.
type Hook struct {
	Name    string        `json:"name"`
	Once    bool          `json:"once,omitempty"` // on the first machine only
	Timeout time.Duration `json:"timeout"`
}

// Property is a line of a systemd unit.
type Property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Health says how the program shows that it can serve.
type Health struct {
	Kind       string        `json:"kind"` // http, tcp or exec
	Path       string        `json:"path,omitempty"`
	Host       string        `json:"host,omitempty"`
	Status     []int         `json:"status,omitempty"`
	Body       string        `json:"body,omitempty"` // extended regular expression; "" for any
	Exec       []string      `json:"exec,omitempty"`
	Interval   time.Duration `json:"interval"`
	Timeout    time.Duration `json:"timeout"`
	Deadline   time.Duration `json:"deadline"`
	HealthyFor time.Duration `json:"healthy_for"`
}

// Nginx is where requests come from.
type Nginx struct {
	Hosts    []config.HostValue `json:"hosts"`
	File     string             `json:"file"`
	Variable string             `json:"variable,omitempty"`
	Upstream string             `json:"upstream,omitempty"`
	Drain    time.Duration      `json:"drain"`
	Binary   string             `json:"binary,omitempty"`
	Config   string             `json:"config,omitempty"`
	Prefix   string             `json:"prefix,omitempty"`
	Verify   *Verify            `json:"verify,omitempty"`
	at       *hcl.Range
}

// Verify is a request through nginx that the new slot must answer.
type Verify struct {
	URL      string `json:"url"`
	Host     string `json:"host,omitempty"`
	Insecure bool   `json:"insecure,omitempty"`
	Status   []int  `json:"status,omitempty"` // of the health check where empty
	Body     string `json:"body,omitempty"`   // the slot's, or likewise
}

// Stop says how a program is asked to end.
type Stop struct {
	Signal     string        `json:"signal"`
	Grace      time.Duration `json:"grace"`
	Disconnect bool          `json:"disconnect,omitempty"` // cut off whoever is connected directly
}

// recreates says that two of the program must never run at once: the old one is stopped first.
func (s Spec) recreates() bool { return s.Strategy == recreate }

const recreate = "recreate"

func itoa(n int) string { return strconv.Itoa(n) }

// at gives the slot as it is for a release: the id is filled in where the configuration left it open.
func (sl Slot) with(id string) Slot {
	put := func(s string) string { return strings.ReplaceAll(s, ReleaseID, id) }
	all := func(in []string) []string {
		out := slices.Clone(in)
		for i := range out {
			out[i] = put(out[i])
		}
		return out
	}
	sl.Command, sl.Hooks, sl.Env = all(sl.Command), slices.Clone(sl.Hooks), slices.Clone(sl.Env)
	for i := range sl.Hooks {
		sl.Hooks[i] = all(sl.Hooks[i])
	}
	for i := range sl.Env {
		sl.Env[i].Value.Text = put(sl.Env[i].Value.Text)
	}
	sl.Health.Path, sl.Health.Host, sl.Health.Exec = put(sl.Health.Path), put(sl.Health.Host), all(sl.Health.Exec)
	sl.Health.Body, sl.Verify = put(sl.Health.Body), put(sl.Verify)
	return sl
}

// digest names everything that a change of must restart the program for, the release apart. 12 hex digits.
func (s Spec) digest(sl Slot, id string) string {
	sl = sl.with(id)
	h := sha256.Sum256(providers.JSON(struct {
		Root, RunAs, Runner string
		Unit                []Property
		Stop                string
		Port                int
		Command             []string
		Env                 []Env
	}{s.Release.Root, s.RunAs, s.Runner, s.Unit, s.Stop.Signal, sl.Port, sl.Command, sl.Env}))
	return hex.EncodeToString(h[:6])
}

func (s Spec) dir(id string) string { return path.Join(s.Release.Root, "releases", id) }
