package service

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
)

// slots evaluates everything that may name the slot, once for each.
func (d *decoder) slots() {
	most := 2
	if d.s.recreates() {
		most = 1
	}
	if len(d.in.Slots) != most {
		at := &d.b.Range
		if len(d.in.Slots) > most {
			at = d.b.At("slot", d.in.Slots[most].Name)
		}
		if d.s.recreates() {
			d.wrong(at, "One slot is needed", `%d given: with strategy = "recreate" a program takes the place of the one before it.`, len(d.in.Slots))
		} else {
			d.wrong(at, "Two slots are needed", "%d given: blue/green needs a place for the live program and one for the next.", len(d.in.Slots))
		}
		return
	}
	seen := map[string]bool{}
	for _, in := range d.in.Slots {
		d.name(in.Name, "slot", in.Name)
		if in.Port < 1 || in.Port > 65535 {
			d.wrong(d.b.At("slot", in.Name, "port"), "Not a port", "%d: 1 to 65535 is expected.", in.Port)
		}
		for _, key := range []string{in.Name, fmt.Sprint(in.Port)} {
			if seen[key] {
				d.wrong(d.b.At("slot", in.Name, "port"), "Slots overlap", "Both slots have %s: each needs a name and a port of its own.", key)
			}
			seen[key] = true
		}
		d.slot(in)
	}
}

// Two stand-ins for an id that only the machines know: what comes out for both must differ in them alone.
const standInA, standInB = "0shipctlreleaseid0", "1anothershipctlreleaseid1"

func (d *decoder) slot(in slotInput) {
	if d.s.Release.ID != "" {
		sl, _ := d.evaluate(in, d.s.Release.ID)
		d.s.Slots = append(d.s.Slots, sl)
		return
	}
	before := len(d.diags)
	a, ok := d.evaluate(in, standInA)
	if !ok {
		d.s.Slots = append(d.s.Slots, a)
		return
	}
	d.diags = d.diags[:before]
	b, _ := d.evaluate(in, standInB)
	a, b = a.replace(standInA), b.replace(standInB)
	if fmt.Sprint(a) != fmt.Sprint(b) {
		d.wrong(d.b.At("slot", in.Name), "The release is not known here",
			"slot.version is used in a way that needs its value (inside a function or a condition), and no version is given: what runs is known on the machines only. Use it in plain text, or give the version.")
	}
	d.s.Slots = append(d.s.Slots, a)
}

// replace puts ReleaseID where the stand-in is.
func (sl Slot) replace(standIn string) Slot {
	put := func(s string) string { return strings.ReplaceAll(s, standIn, ReleaseID) }
	each := func(in []string) {
		for i := range in {
			in[i] = put(in[i])
		}
	}
	each(sl.Command)
	each(sl.Health.Exec)
	for _, h := range sl.Hooks {
		each(h)
	}
	for i := range sl.Env {
		sl.Env[i].Value.Text = put(sl.Env[i].Value.Text)
	}
	sl.Health.Path, sl.Health.Host, sl.Health.Body = put(sl.Health.Path), put(sl.Health.Host), put(sl.Health.Body)
	sl.Verify, sl.at = put(sl.Verify), nil
	return sl
}

func (d *decoder) evaluate(in slotInput, id string) (Slot, bool) {
	before := len(d.diags)
	self := map[string]cty.Value{
		"name": cty.StringVal(in.Name), "port": cty.NumberIntVal(int64(in.Port)),
		"version": cty.StringVal(id), "release": cty.StringVal(id),
	}
	env, at := d.env(in, self)
	self["env"] = cty.ObjectVal(env)
	local := map[string]cty.Value{"slot": cty.ObjectVal(self)}
	sl := Slot{Name: in.Name, Port: in.Port, at: d.b.At("slot", in.Name, "port")}
	sl.Command = d.words(d.in.Command, local, "command")
	for _, h := range d.in.Before {
		sl.Hooks = append(sl.Hooks, d.words(h.Command, local, "before_start "+h.Name))
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		sl.Env = append(sl.Env, d.variable(name, env[name], at[name]))
	}
	sl.Health = d.health(local)
	if d.in.Nginx != nil && d.in.Nginx.Verify != nil && namesSlot(d.in.Nginx.Verify.Body) {
		sl.Verify = d.line(d.in.Nginx.Verify.Body, local, "body")
		d.expression(sl.Verify, "nginx_upstream", "verify", "body")
	}
	return sl, len(d.diags) == before
}

// namesSlot says that an expression has a value for each slot.
func namesSlot(e hcl.Expression) bool {
	return slices.ContainsFunc(e.Variables(), func(t hcl.Traversal) bool { return t.RootName() == "slot" })
}

// env merges the service's variables with the slot's, and says where each is given.
func (d *decoder) env(in slotInput, self map[string]cty.Value) (out map[string]cty.Value, at map[string]*hcl.Range) {
	out, at = map[string]cty.Value{}, map[string]*hcl.Range{}
	for _, e := range []hcl.Expression{d.in.Env, in.Env} {
		values, ranges, diags := providers.Variables(d.b, e, map[string]cty.Value{"slot": cty.ObjectVal(self)})
		d.diags = append(d.diags, diags...)
		maps.Copy(out, values)
		maps.Copy(at, ranges)
	}
	return out, at
}

// variable keeps of a sensitive value the variable's name and a slow hash.
func (d *decoder) variable(name string, v cty.Value, at *hcl.Range) Env {
	env, diags := providers.Variable(d.b, name, v, at)
	d.diags = append(d.diags, diags...)
	return env
}

// words evaluates a command: program and arguments, each as it is, without a shell.
func (d *decoder) words(e hcl.Expression, local map[string]cty.Value, what string) []string {
	words, diags := providers.Words(d.b, e, local, what)
	d.diags = append(d.diags, diags...)
	return words
}

// line evaluates an expression to one line of text.
func (d *decoder) line(e hcl.Expression, local map[string]cty.Value, what string) string {
	v, diags := d.b.Eval(e, local)
	d.diags = append(d.diags, diags...)
	if diags.HasErrors() || v.IsNull() || !v.IsKnown() {
		return ""
	}
	if _, secret := config.Sensitive(v); secret {
		d.wrong(e.Range().Ptr(), "Sensitive value", "%s is shown in plans and errors: a sensitive value can't be part of it.", what)
		return ""
	}
	s, err := convert.Convert(v, cty.String)
	if err != nil || strings.IndexFunc(s.AsString(), unicode.IsControl) >= 0 {
		d.wrong(e.Range().Ptr(), "Not a line of text", "%s: text without control characters is expected.", what)
		return ""
	}
	if s.AsString() == "" && what == "host" {
		d.wrong(e.Range().Ptr(), "Empty text", "%q is the empty text, which means nothing here. Leave it out, or give null, where nothing is meant.", what)
	}
	return s.AsString()
}

func (d *decoder) health(local map[string]cty.Value) Health {
	in := d.in.Health
	if in == nil {
		d.wrong(&d.b.Range, "No health check", "health { … } is needed: without it nobody knows when the new slot may serve. The least is health { tcp {} }.")
		return Health{}
	}
	h := d.times(*in)
	kinds := 0
	if in.HTTP != nil {
		kinds++
		h.Kind, h.Status = "http", in.HTTP.Status
		before := len(d.diags)
		h.Path = d.line(in.HTTP.Path, local, "path")
		readable := len(d.diags) == before
		h.Host, h.Body = d.line(in.HTTP.Host, local, "host"), d.line(in.HTTP.Body, local, "body")
		d.answer(&h.Status, h.Body, "health", "http")
		if !readable {
			return h // said already
		}
		if !strings.HasPrefix(h.Path, "/") || strings.ContainsAny(h.Path, " \"'\\") {
			d.wrong(in.HTTP.Path.Range().Ptr(), "Not a path", "%q: a path begins with / and has no spaces or quotes.", h.Path)
		}
		d.hostHeader(h.Host, in.HTTP.Host.Range().Ptr())
	}
	if in.TCP != nil {
		kinds++
		h.Kind = "tcp"
	}
	if in.Exec != nil {
		kinds++
		h.Kind, h.Exec = "exec", d.words(in.Exec.Command, local, "health exec")
	}
	if kinds != 1 {
		d.wrong(d.b.At("health"), "One kind of health check", "%d given: one of http { … }, tcp {} and exec { … } is expected.", kinds)
	}
	return h
}

// times are the health check's. What can't be read is reported as that alone.
func (d *decoder) times(in healthInput) Health {
	before := len(d.diags)
	h := Health{
		Interval: d.duration(in.Interval, "1s", "health", "interval"), Timeout: d.duration(in.Timeout, "2s", "health", "timeout"),
		Deadline: d.duration(in.Deadline, "100s", "health", "deadline"), HealthyFor: d.duration(in.HealthyFor, "0s", "health", "healthy_for"),
	}
	if in.Interval == "" {
		h.Interval = min(h.Interval, h.Deadline/2)
	}
	if in.HealthyFor == "" { // one good answer may be the last one
		h.HealthyFor = min(3*time.Second, h.Deadline/2)
	}
	if len(d.diags) > before {
		return h
	}
	if h.HealthyFor >= h.Deadline {
		d.wrong(d.b.At("health", "healthy_for"), "Can never be healthy", "healthy_for (%s) must be shorter than deadline (%s).", h.HealthyFor, h.Deadline)
	}
	if h.Interval >= h.Deadline {
		d.wrong(d.b.At("health", "interval"), "Only one try", "interval (%s) must be shorter than deadline (%s): no try begins after the deadline.", h.Interval, h.Deadline)
	}
	return h
}

// answer checks what is expected of an HTTP answer.
func (d *decoder) answer(status *[]int, body string, path ...string) {
	if len(*status) == 0 {
		*status = []int{200}
	}
	for _, s := range *status {
		if s < 100 || s > 599 {
			d.wrong(d.b.At(append(path, "status")...), "Not an HTTP status", "%d: 100 to 599 is expected.", s)
		}
	}
	d.expression(body, append(path, "body")...)
}

func (d *decoder) expression(s string, path ...string) {
	if _, err := regexp.CompilePOSIX(s); err != nil {
		d.wrong(d.b.At(path...), "Not a regular expression", "%s (extended regular expressions, as in grep -E).", err)
	}
}

var hostHeader = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*)(:[0-9]+)?$`)

func (d *decoder) hostHeader(host string, at *hcl.Range) {
	if host != "" && !hostHeader.MatchString(host) {
		d.wrong(at, "Not a host name", "%q is sent as the Host header: letters, digits, dots and dashes are expected.", host)
	}
}

func (d *decoder) duration(s, otherwise string, path ...string) time.Duration {
	v, err := time.ParseDuration(orElse(s, otherwise))
	if err != nil || v < 0 || v > 24*time.Hour {
		d.wrong(d.b.At(path...), "Not a duration", `%q: a number and a unit are expected, such as "500ms", "30s" or "5m", up to "24h".`, s)
		return v
	}
	if v == 0 && otherwise != "0s" {
		d.wrong(d.b.At(path...), "Too short", "%s must be more than nothing.", path[len(path)-1])
	}
	return v
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$`)

func (d *decoder) name(s string, path ...string) {
	if !plainName.MatchString(s) {
		d.wrong(d.b.At(path...), "Not a name", "%q: letters, digits, - and _ are expected, beginning with a letter or a digit, 32 at the most.", s)
	}
}

func userName(s string) bool {
	return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`).MatchString(s)
}
