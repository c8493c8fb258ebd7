package view

import (
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
)

// Formats of the documents. PlanFormat is Terraform's: readers refuse another major version.
const (
	PlanFormat     = "1.2"
	documentFormat = "1.0"
	providerDomain = "shipctl.dev/shipctl/"
)

func document(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

type planDocument struct {
	FormatVersion string              `json:"format_version"`
	Version       string              `json:"shipctl_version"`
	Project       string              `json:"project"`
	Variables     map[string]variable `json:"variables,omitempty"`
	Planned       values              `json:"planned_values"`
	Changes       []resourceChange    `json:"resource_changes"`
	Steps         []stepDocument      `json:"steps"`
	Notes         []string            `json:"notes,omitempty"`
	Windows       []fields            `json:"windows,omitempty"`
	Timestamp     string              `json:"timestamp"`
	Applyable     bool                `json:"applyable"`
	Complete      bool                `json:"complete"`
	Errored       bool                `json:"errored"`
}

type variable struct {
	Value     json.RawMessage `json:"value"`
	Sensitive bool            `json:"sensitive,omitempty"`
}

type values struct {
	Root module `json:"root_module"`
}

type module struct {
	Resources []plannedResource `json:"resources"`
}

// instance is how Terraform names a resource: ours are one for each machine.
type instance struct {
	Address  string `json:"address"`
	Mode     string `json:"mode"`
	Type     string `json:"type"`
	Name     string `json:"name"`
	Index    string `json:"index"`
	Provider string `json:"provider_name"`
}

func instanceOf(a providers.Addr) instance {
	name, index := indexed(a)
	return instance{a.String(), "managed", a.Kind, name, index, providerDomain + a.Kind}
}

// indexed parts a name from what tells its instances apart: the machine, behind the key of for_each where there is one. Neither
// has a slash.
func indexed(a providers.Addr) (name, index string) {
	name, key, each := strings.Cut(a.Name, `["`)
	if !each {
		return name, a.Host
	}
	return name, strings.TrimSuffix(key, `"]`) + "/" + a.Host
}

type plannedResource struct {
	instance
	SchemaVersion int `json:"schema_version"`
	Values        any `json:"values"`
	Sensitive     any `json:"sensitive_values"`
}

type resourceChange struct {
	instance
	Change   change   `json:"change"`
	Summary  string   `json:"summary,omitempty"`
	Problem  string   `json:"problem,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

type change struct {
	Actions         []string `json:"actions"`
	Before          any      `json:"before"`
	After           any      `json:"after"`
	AfterUnknown    any      `json:"after_unknown"`
	BeforeSensitive any      `json:"before_sensitive"`
	AfterSensitive  any      `json:"after_sensitive"`
}

type stepDocument struct {
	ID       providers.StepID   `json:"id"`
	Number   int                `json:"number"`
	Host     string             `json:"host"`
	Title    string             `json:"title"`
	Resource string             `json:"resource"`
	Unit     string             `json:"unit"`
	After    []providers.StepID `json:"after"`
	Gates    []string           `json:"gates,omitempty"`
	Final    bool               `json:"final"`
	Undo     bool               `json:"undo"` // it can be undone by a script
	Script   string             `json:"script"`
	Limit    float64            `json:"limit_seconds"`
}

// PlanDocument writes a plan in the layout of "terraform show -json", with our steps.
func PlanDocument(out io.Writer, p *planner.Plan) error {
	problems := len(p.Problems()) > 0
	d := planDocument{
		FormatVersion: PlanFormat, Version: p.Tool, Project: p.Project, Timestamp: p.Made.UTC().Format(time.RFC3339),
		Applyable: !problems && !p.Empty(), Complete: len(p.Targets) == 0, Errored: problems,
		Variables: map[string]variable{}, Planned: values{module{[]plannedResource{}}}, Changes: []resourceChange{}, Steps: []stepDocument{}, Notes: Notes(p),
	}
	for name, v := range p.Variables {
		if v.Value == nil || v.Sensitive {
			v.Value = json.RawMessage("null")
		}
		d.Variables[name] = variable{v.Value, v.Sensitive}
	}
	owner := map[providers.StepID]string{}
	for _, c := range p.Changes {
		for _, s := range c.Steps {
			owner[s.ID] = c.Addr.String()
		}
		d.add(c)
	}
	for _, w := range p.Windows {
		d.Windows = append(d.Windows, judged(w))
	}
	for i, s := range p.Steps() {
		d.Steps = append(d.Steps, stepOf(p, s, i+1, owner[s.ID]))
	}
	return document(out, d)
}

func (d *planDocument) add(c providers.Change) {
	before, beforeSecret := redacted(c.Before)
	after, afterSecret := redacted(c.After)
	if c.Action == providers.Delete {
		after, afterSecret = nil, false
	}
	if c.Action == providers.Create {
		before, beforeSecret = nil, false
	}
	d.Changes = append(d.Changes, resourceChange{
		instance: instanceOf(c.Addr),
		Change:   change{[]string{c.Action}, before, after, map[string]any{}, beforeSecret, afterSecret},
		Summary:  line(strings.ReplaceAll(c.Line, "\n", "; ")), Problem: block(c.Problem), Warnings: c.Warnings,
	})
	if c.Action != providers.Delete {
		d.Planned.Root.Resources = append(d.Planned.Root.Resources, plannedResource{instanceOf(c.Addr), 0, after, afterSecret})
	}
}

func stepOf(p *planner.Plan, s providers.Step, number int, owner string) stepDocument {
	d := stepDocument{
		ID: s.ID, Number: number, Host: s.Host, Title: line(s.Title), Resource: owner, Unit: p.Units[s.ID],
		After: p.Wait[s.ID], Final: s.Final, Undo: s.Undo != nil, Script: s.Do.Script, Limit: s.Limit.Seconds(),
	}
	if d.After == nil {
		d.After = []providers.StepID{}
	}
	for _, g := range s.Gates {
		d.Gates = append(d.Gates, g.String())
	}
	return d
}

// redacted reads a kind's account of a resource. Where it names a sensitive variable instead of a value, the value is
// left out and the same place in sensitive is true.
func redacted(raw json.RawMessage) (value, sensitive any) {
	var v any
	if len(raw) == 0 || json.Unmarshal(raw, &v) != nil || v == nil {
		return nil, false
	}
	value, sensitive = redact(v)
	if sensitive == nil {
		sensitive = map[string]any{}
	}
	return value, sensitive
}

const secret = "(sensitive)"

// redact returns v without secrets, and nil or the shape of where they were.
func redact(v any) (clean, where any) {
	switch x := v.(type) {
	case map[string]any:
		if _, named := x["var"].(string); named && len(x) == 1 {
			return secret, true
		}
		shape := map[string]any{}
		for k, e := range x {
			c, w := redact(e)
			x[k] = c
			if w != nil {
				shape[k] = w
			}
		}
		if len(shape) > 0 {
			where = shape
		}
		return x, where
	case []any:
		shape, found := make([]any, len(x)), false
		for i, e := range x {
			c, w := redact(e)
			x[i], shape[i] = c, w
			if w == nil {
				shape[i] = false
			}
			found = found || w != nil
		}
		if found {
			where = shape
		}
		return x, where
	}
	return v, nil
}

// ValidateDocument writes diagnostics in the layout of "terraform validate -json", and which variables have no value.
func ValidateDocument(out io.Writer, diags hcl.Diagnostics, unset, unchecked []string, files map[string]*hcl.File) error {
	d := struct {
		Format   string           `json:"format_version"`
		Valid    bool             `json:"valid"`
		Errors   int              `json:"error_count"`
		Warnings int              `json:"warning_count"`
		All      []jsonDiagnostic `json:"diagnostics"`
		Unset    []string         `json:"unset_variables,omitempty"`
		// Blocks that were not checked to the end.
		Unchecked []string `json:"unchecked,omitempty"`
	}{Format: documentFormat, Valid: !diags.HasErrors(), All: []jsonDiagnostic{}, Unset: unset, Unchecked: unchecked}
	for _, x := range diags {
		if x.Severity == hcl.DiagError {
			d.Errors++
		} else {
			d.Warnings++
		}
		d.All = append(d.All, toJSON(x, files))
	}
	return document(out, d)
}

// PreviewDocument writes the next times of a cron expression.
func PreviewDocument(out io.Writer, expression, zone string, times []string) error {
	return document(out, struct {
		Format     string   `json:"format_version"`
		Expression string   `json:"expression"`
		Zone       string   `json:"time_zone"`
		Times      []string `json:"times"`
	}{documentFormat, expression, zone, times})
}

// VersionDocument writes which shipctl this is.
func VersionDocument(out io.Writer, version, platform, goVersion string) error {
	return document(out, struct {
		Version  string `json:"shipctl_version"`
		Platform string `json:"platform"`
		Go       string `json:"go_version"`
		UI       string `json:"ui"`
		Plan     string `json:"plan_format"`
	}{version, platform, goVersion, UI, PlanFormat})
}
