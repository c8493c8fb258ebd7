package release

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// When a hook runs.
const (
	hookBefore = "before"
	hookAfter  = "after"
)

// Hook is a command that runs in the release's directory, before or after current points to it.
type Hook struct {
	Name    string          `json:"name"`
	Command []string        `json:"command"`
	Env     []providers.Env `json:"env,omitempty"`
	RunAs   string          `json:"run_as,omitempty"`
	Once    bool            `json:"once,omitempty"` // on the first machine only
	Timeout time.Duration   `json:"timeout"`        // nanoseconds
}

type hookBlock struct {
	Name    string         `hcl:"name,label"`
	Command hcl.Expression `hcl:"command"`
	Env     hcl.Expression `hcl:"env,optional"`
	RunAs   string         `hcl:"run_as,optional"`
	Once    bool           `hcl:"once,optional"`
	Timeout *string        `hcl:"timeout,optional"`
}

func (s Spec) hooks() []Hook { return slices.Concat(s.BeforeActivate, s.AfterActivate) }

// users: a command can't run as somebody who is not there.
func (d *hostDiff) users(f remote.Facts) {
	for _, h := range d.s.hooks() {
		runs := slices.ContainsFunc(d.c.Steps, func(st providers.Step) bool {
			return st.ID == d.a.Step(hookBefore+"-"+h.Name) || st.ID == d.a.Step(hookAfter+"-"+h.Name)
		})
		if why := remote.LacksUser(f, d.a.Host, h.RunAs); runs && why != "" && d.c.Problem == "" {
			d.c.Problem = why // what other machines do may wait for these steps: they stay where they are
		}
	}
}

func (c *checker) hooks(kind string, in []hookBlock) (out []Hook) {
	seen := map[string]bool{}
	for _, h := range in {
		at := c.b.At(kind, h.Name)
		if !regexp.MustCompile(hookPattern).MatchString(h.Name) {
			c.wrong(at, "Not a name", "%q: letters, digits, - and _ are expected, beginning with a letter or a digit, 32 at the most.", h.Name)
		}
		if seen[h.Name] {
			c.wrong(at, "Name given twice", "There is another %s called %q.", kind, h.Name)
		}
		seen[h.Name] = true
		if h.RunAs != "" && !regexp.MustCompile(userPattern).MatchString(h.RunAs) {
			c.wrong(c.b.At(kind, h.Name, "run_as"), "Not a user's name", "%q: letters, digits, _ and -, beginning with a letter or _.", h.RunAs)
		}
		x := Hook{Name: h.Name, RunAs: h.RunAs, Once: h.Once, Timeout: c.timeout(kind, h)}
		var diags hcl.Diagnostics
		x.Command, diags = providers.Words(c.b, h.Command, nil, kind+" "+h.Name)
		c.diags = append(c.diags, diags...)
		x.Env = c.env(h.Env)
		out = append(out, x)
	}
	return out
}

func (c *checker) timeout(kind string, h hookBlock) time.Duration {
	if h.Timeout == nil {
		return 10 * time.Minute
	}
	v, err := time.ParseDuration(*h.Timeout)
	if err != nil || v < time.Second || v > 24*time.Hour {
		c.wrong(c.b.At(kind, h.Name, "timeout"), "Not a duration", `%q: a number and a unit are expected, such as "30s" or "5m", from "1s" to "24h".`, *h.Timeout)
	}
	return v
}

func (c *checker) env(e hcl.Expression) (out []providers.Env) {
	values, at, diags := providers.Variables(c.b, e, nil)
	c.diags = append(c.diags, diags...)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v, diags := providers.Variable(c.b, name, values[name], at[name])
		c.diags = append(c.diags, diags...)
		out = append(out, v)
	}
	return out
}

// environment is a hook's, NAME=value a line, each behind a prefix. Sensitive values are named until they are sent.
func (h Hook) environment(prefix string) (out []remote.Part) {
	for _, e := range h.Env {
		out = append(out, remote.Part{Text: prefix + e.Name + "="}, e.Value, remote.Part{Text: "\n"})
	}
	return out
}

func (h Hook) seconds() string { return strconv.Itoa(int((h.Timeout + time.Second - 1) / time.Second)) }

// limit is what a hook may take, with what comes around it: the signals at its end, and a moment.
func (h Hook) limit() time.Duration { return h.Timeout + 30*time.Second }
