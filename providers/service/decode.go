package service

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
)

// input is the block as written. What may name the slot stays an expression.
type input struct {
	Release hcl.Expression `hcl:"release"`
	Command hcl.Expression `hcl:"command"`
	Env     hcl.Expression `hcl:"env,optional"`
	RunAs   string         `hcl:"run_as,optional"`
	Runner  string         `hcl:"runner,optional"`
	Windows hcl.Expression `hcl:"windows,optional"`
	Slots   []slotInput    `hcl:"slot,block"`
	Before  []hookInput    `hcl:"before_start,block"`
	Health  *healthInput   `hcl:"health,block"`
	Nginx   *nginxInput    `hcl:"nginx_upstream,block"`
	Stop    *struct {
		Signal     string `hcl:"signal,optional"`
		Grace      string `hcl:"grace,optional"`
		Disconnect bool   `hcl:"disconnect,optional"`
	} `hcl:"stop,block"`
	Rollout *struct {
		Strategy string `hcl:"strategy,optional"`
		Previous string `hcl:"previous,optional"`
	} `hcl:"rollout,block"`
	Systemd *struct {
		Properties map[string]string `hcl:"properties,optional"`
	} `hcl:"systemd,block"`
}

type slotInput struct {
	Name string         `hcl:"name,label"`
	Port int            `hcl:"port"`
	Env  hcl.Expression `hcl:"env,optional"`
}

type hookInput struct {
	Name    string         `hcl:"name,label"`
	Command hcl.Expression `hcl:"command"`
	Once    bool           `hcl:"once,optional"`
	Timeout string         `hcl:"timeout,optional"`
}

type healthInput struct {
	Interval   string `hcl:"interval,optional"`
	Timeout    string `hcl:"timeout,optional"`
	Deadline   string `hcl:"deadline,optional"`
	HealthyFor string `hcl:"healthy_for,optional"`
	HTTP       *struct {
		Path   hcl.Expression `hcl:"path"`
		Host   hcl.Expression `hcl:"host,optional"`
		Status []int          `hcl:"status,optional"`
		Body   hcl.Expression `hcl:"body,optional"`
	} `hcl:"http,block"`
	TCP  *struct{} `hcl:"tcp,block"`
	Exec *struct {
		Command hcl.Expression `hcl:"command"`
	} `hcl:"exec,block"`
}

type nginxInput struct {
	Hosts    hcl.Expression `hcl:"hosts"`
	File     string         `hcl:"file"`
	Variable string         `hcl:"variable,optional"`
	Upstream string         `hcl:"upstream,optional"`
	Drain    string         `hcl:"drain,optional"`
	Binary   string         `hcl:"binary,optional"`
	Config   string         `hcl:"config,optional"`
	Prefix   string         `hcl:"prefix,optional"`
	Verify   *struct {
		URL      string `hcl:"url"`
		Host     string `hcl:"host,optional"`
		Insecure bool   `hcl:"insecure,optional"`
		Status   []int  `hcl:"status,optional"`
		Body     string `hcl:"body,optional" empty:"anything"`
	} `hcl:"verify,block"`
}

// decoder collects what is wrong; a value that depends on a block with an error of its own adds nothing.
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
	d.s = Spec{Project: b.Project, Name: nameOf(b.Name), RunAs: d.in.RunAs, Runner: orElse(d.in.Runner, "systemd")}
	if !d.release() {
		if !d.diags.HasErrors() { // the release has some, which are reported there
			d.diags = append(d.diags, config.Skipped(b.Range)...)
		}
		return d.s, d.diags
	}
	d.rollout()
	d.program()
	d.slots()
	d.stop()
	d.nginx()
	d.windows()
	return d.s, d.diags
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
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
	var err error
	if d.s.Release, d.s.Hosts, err = providers.PublishedOf(v, "the service runs"); err != nil {
		d.wrong(d.in.Release.Range().Ptr(), "Not a release", "%s.", err)
		return false
	}
	return true
}

func (d *decoder) program() {
	if d.s.Runner != "systemd" && d.s.Runner != "process" {
		d.wrong(d.b.At("runner"), "Unknown runner", `runner is "systemd" (restarts, survives a reboot) or "process" (setsid, where there is no systemd), not %q.`, d.s.Runner)
	}
	if d.s.RunAs != "" && !userName(d.s.RunAs) {
		d.wrong(d.b.At("run_as"), "Not a user's name", "%q: letters, digits, _ and -, beginning with a letter or _.", d.s.RunAs)
	}
	for _, h := range d.in.Before {
		d.s.Before = append(d.s.Before, Hook{Name: h.Name, Once: h.Once, Timeout: d.duration(h.Timeout, "10m", "before_start", h.Name, "timeout")})
		d.name(h.Name, "before_start", h.Name)
	}
	d.properties()
}

func (d *decoder) windows() {
	v, diags := d.b.Eval(d.in.Windows, nil)
	d.diags = append(d.diags, diags...)
	if diags.HasErrors() || v.IsNull() || !v.IsWhollyKnown() {
		return
	}
	if !v.CanIterateElements() {
		d.wrong(d.in.Windows.Range().Ptr(), "Not a list of windows", "windows = [batch_window.NAME, …] is expected.")
		return
	}
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		kind, name, ok := strings.Cut(providers.Attribute(e, "addr"), ".")
		if !ok || kind != "batch_window" {
			d.wrong(d.in.Windows.Range().Ptr(), "Not a window", "windows = [batch_window.NAME, …] is expected.")
			return
		}
		d.s.Windows = append(d.s.Windows, config.Ref{Kind: kind, Name: name})
	}
}
