// Package providers is the vocabulary of resources: addresses, changes, steps, and what the author of a kind writes.
// It does no I/O and sorts nothing.
package providers

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers/remote"
)

// Addr is a resource on one machine: service.teatime["web-1"].
type Addr struct {
	config.Ref
	Host string `json:"host"`
}

func (a Addr) String() string { return fmt.Sprintf("%s[%q]", a.Ref, a.Host) }

// Step names a step of the resource.
func (a Addr) Step(verb string) StepID { return StepID(a.String() + "/" + verb) }

// StepID is address/verb, the same for the same configuration and facts; printed numbers are decoration.
type StepID string

// The only verbs that other kinds may name; a dependency on one of them may dangle.
const (
	Publish  = "publish"
	Activate = "activate"
	Prune    = "prune"
)

// What a change does, in Terraform's words.
const (
	NoOp   = "no-op"
	Create = "create"
	Update = "update"
	Delete = "delete"
)

// Step is one script on one machine with its place in the order.
type Step struct {
	ID     StepID       `json:"id"`
	Host   string       `json:"host"`
	Title  string       `json:"title"`
	After  []StepID     `json:"-"` // a plan keeps what they come to: Wait
	Before []StepID     `json:"-"`
	Do     remote.Call  `json:"do"`
	Undo   *remote.Call `json:"undo,omitempty"`  // copes with Do half done; nil: harmless to leave
	Final  bool         `json:"final,omitempty"` // once begun, its unit only goes forward
	Waits  bool         `json:"waits,omitempty"` // changes nothing, and its script asks whether it was interrupted
	Gates  []config.Ref `json:"gates,omitempty"`
	// Group joins gated steps of which only the first to come is judged: half a switch is worse than either whole. ""
	// for a step that is judged on its own: a stop.
	Group string `json:"group,omitempty"`
	// Until is the step with whose success what the gates keep waiting for this one is let go: what it stops is there again
	// then. Undoing this one lets go too. "" for this one's own end.
	Until StepID `json:"until,omitempty"`
	// Limit bounds Do, and Undo, in nanoseconds of wall time; after it the outcome is unknown.
	Limit time.Duration `json:"limit"`
}

// Change is what becomes of one resource on one machine; there is one for each, no-op included.
type Change struct {
	Addr   Addr   `json:"addr"`
	Action string `json:"action"`
	// Headline is about the whole resource ("41 → 42"), Line about this machine ("live blue :8081 … → green :8082").
	Headline string          `json:"headline,omitempty"`
	Line     string          `json:"line,omitempty"`
	Before   json.RawMessage `json:"before"`
	After    json.RawMessage `json:"after"`
	// Problem says why this change can't be planned: the plan is shown with the others and can't be applied.
	Problem string `json:"problem,omitempty"`
	// Drift is in what the machine is not as the spec left it when it was carried out: one thing each, in words. It is
	// said whether or not a plan can be made.
	Drift    []string `json:"drift,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	Steps    []Step   `json:"steps,omitempty"`
}

// Consent is the query for what the operator has agreed to on the command line: "take-over" of a resource's address,
// "pending-nginx" of "*". Seen when agreed, Absent when not.
func Consent(name, addr string) remote.Query {
	return remote.Query{Host: remote.Controller, Script: "consent/" + name, Args: []string{addr}}
}

// Serves is the query for what runs of the releases in a root on a machine, where whoever runs it knows and nobody says
// otherwise: the answer's text is the release's ID. No machine is asked: it follows from what they said.
func Serves(host, root string) remote.Query {
	return remote.Query{Host: host, Script: "planner/serves", Args: []string{root}}
}

// Served is a release that serves on a machine.
type Served struct{ Host, Root, ID string }

// Place is a machine that a resource stands on, with the ports of its programs: where gates that it names are asked.
type Place struct {
	Host  string `json:"host"`
	Ports []int  `json:"ports,omitempty"`
}

// Case is what a gate judges.
type Case struct {
	Places []Place // of all resources that name the gate
	Facts  remote.Facts
	// Ahead is how long what waits at the gate took the last time, when nothing of it has been done yet; 0 where it is
	// not known, or where only the step at the gate is left. Begin says that nothing has been done yet.
	Ahead time.Duration
	Begin bool
	// Later asks about a moment that is so far ahead, as far as that can be known now: what runs now is taken to be over.
	Later time.Duration
}

// Verdict is a gate's answer. The zero value is closed.
type Verdict struct {
	Open bool `json:"open"`
	// At is when it was judged, by the machines' clock; zero: no clock could be read.
	At time.Time `json:"at,omitzero"`
	// Until: of a closed gate the earliest moment at which it may be open, of an open one when it closes next. Zero: not
	// known.
	Until   time.Time `json:"until,omitzero"`
	Why     string    `json:"why"`
	Reasons []Reason  `json:"reasons,omitempty"`
	// Advisory: between the last look and the step something may start that nothing holds back.
	Advisory bool `json:"advisory,omitempty"`
}

// Hold keeps jobs on a machine from starting for a moment; it ends by itself where nobody lets go. Do waits for jobs that
// run, for a bounded time, and fails when they go on; Anyway does not mind them, and, run again, makes it last longer.
type Hold struct {
	Host              string
	Do, Anyway, LetGo remote.Call
	Limit             time.Duration // of each
	Renew             time.Duration // after how long it is to be made to last longer
}

// Reason is one thing that keeps a gate closed.
type Reason struct {
	Source  string    `json:"source"`            // what was asked: "crontab", "cron report"
	Host    string    `json:"machine,omitempty"` // where
	Job     string    `json:"job,omitempty"`
	Since   time.Time `json:"since,omitzero"` // it has been running
	Start   time.Time `json:"start,omitzero"` // it is going to start
	Unknown bool      `json:"unknown,omitempty"`
	Text    string    `json:"text"` // all of it in words
}

// Def is what a kind's author writes. Spec is JSON: the same bytes in a plan file and in a machine's record.
type Def[Spec any] struct {
	Kind    string
	Scripts fs.FS // *.sh: "look.sh" of kind service is the script "service/look"
	Decode  func(config.Block) (Spec, hcl.Diagnostics)
	Value   func(Spec) cty.Value                          // an object: what later blocks see
	Claims  func(config.Ref, Spec) []Claim                // two owners of one thing are a diagnostic
	Facts   func(config.Ref, Spec) []remote.Query         //
	Diff    func(config.Ref, Spec, remote.Facts) []Change // pure
	Judge   func(config.Ref, Spec, Case) Verdict          // gates only; pure
	Watch   func(Spec, []Place) []remote.Query            // gates: asked besides Facts, for those who name it
	Hold    func(Spec) []Hold                             // gates: what keeps jobs from starting while a step runs
	Places  func(Spec) []Place                            // of those who name gates
	Serving func(config.Ref, Spec, remote.Facts) []Served // what runs of a release that nobody named; pure
	Status  func(config.Ref, Spec, remote.Facts) []Status // what runs, for people
	Remove  func(config.Ref, Spec, remote.Facts) []Change // what is no longer wanted; pure
	// Record is the spec with what was unset filled in from the facts, as a machine's record keeps it, and the release
	// that it stands for ("" where it is not known, or the kind has none). Pure.
	Record func(config.Ref, Spec, remote.Facts) (Spec, string)
	// Rollback is now with the release, the command and the environment of then. Pure.
	Rollback func(now, then Spec) Spec
	// Check says what of a spec that was read back, from a plan file or from a machine, Decode would have refused.
	Check func(config.Ref, Spec) error
	Local map[string]func(args []string) remote.Answer  // queries that the controller answers, by script name
	Open  map[string]func(path string) (Payload, error) // payloads of Call.File, by script name
	Adopt Adopter
}

// Claim is something on a machine that has one owner: "app-1 port 8081", "web-1 file /etc/nginx/conf.d/x.inc".
type Claim struct {
	What string
	At   *hcl.Range
}

// Status is one line of `shipctl status`.
type Status struct {
	Addr    Addr
	Slot    string // "" where the kind has none
	Live    bool   // a route leads there
	Release string // "" when not known
	PID     int    // 0: does not run
	Port    int
	Since   time.Time // zero: not known
	Health  string    // "healthy", "unhealthy: …", "-"
	Routes  []string  // machines whose nginx sends requests there
	Note    string
	Hidden  bool   // an nginx could not be asked, and may lead there too
	Unknown bool   // nobody could look, and Note says why: nothing but Addr and Job means anything
	Job     string // of a batch: the line is about a job; Health is "running", "idle" or "not known"
	Runs    []Run  // of a job, the last one first
}

// Run is a run of a job that is over. A zero End and an Exit of -1: nobody saw how it ended.
type Run struct {
	Start, End time.Time
	Exit       int
	Release    string
}

// Resource is a Def with its Spec inside: data and closures, so that nobody above sees the type.
type Resource struct {
	Ref     config.Ref
	Needs   []config.Ref
	Spec    json.RawMessage
	Value   cty.Value
	Queries []remote.Query
	Claims  []Claim
	Diff    func(remote.Facts) []Change
	Judge   func(Case) Verdict
	Watch   func([]Place) []remote.Query
	Places  []Place // of a gate: of those who name it
	Hold    []Hold
	Serving func(remote.Facts) []Served
	Status  func(remote.Facts) []Status
	Remove  func(remote.Facts) []Change
	Record  func(remote.Facts) (spec json.RawMessage, release string)
	// Rollback makes the resource that is this one with the release, the command and the environment of an earlier spec.
	Rollback func(then json.RawMessage) (Resource, error)
	Gone     bool // it is to be removed: Remove takes the place of Diff
}

// Kind is a Def with its type hidden.
type Kind struct {
	Name    string
	Scripts fs.FS
	Local   map[string]func(args []string) remote.Answer
	Open    map[string]func(path string) (Payload, error)
	Adopt   Adopter
	Decode  func(config.Block) (Resource, hcl.Diagnostics)
	// Load makes a resource from a plan file's or a machine's record.
	Load func(ref config.Ref, needs []config.Ref, spec json.RawMessage) (Resource, error)
}

// Define hides the type of a kind's spec.
func Define[Spec any](d Def[Spec]) Kind {
	return Kind{
		Name: d.Kind, Scripts: d.Scripts, Local: d.Local, Open: d.Open, Adopt: d.Adopt,
		Decode: func(b config.Block) (Resource, hcl.Diagnostics) {
			s, diags := d.Decode(b)
			if diags.HasErrors() {
				return Resource{Ref: b.Ref}, diags
			}
			r, err := bind(d, b.Ref, b.Needs, s)
			if err != nil {
				diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Not representable", Detail: err.Error(), Subject: b.Range.Ptr()})
			}
			return r, diags
		},
		Load: func(ref config.Ref, needs []config.Ref, raw json.RawMessage) (Resource, error) {
			var s Spec
			if err := d.read(ref, raw, &s); err != nil {
				return Resource{}, err
			}
			return bind(d, ref, needs, s)
		},
	}
}

// read takes nothing that Decode would have refused.
func (d Def[Spec]) read(ref config.Ref, raw json.RawMessage, into *Spec) error {
	err := Strict(raw, into)
	if err == nil && d.Check != nil {
		err = d.Check(ref, *into)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", ref, err)
	}
	return nil
}

func bind[Spec any](d Def[Spec], ref config.Ref, needs []config.Ref, s Spec) (Resource, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return Resource{}, err
	}
	r := Resource{Ref: ref, Needs: needs, Spec: raw, Value: cty.EmptyObjectVal}
	if d.Value != nil {
		r.Value = d.Value(s)
	}
	if d.Claims != nil {
		r.Claims = d.Claims(ref, s)
	}
	if d.Facts != nil {
		r.Queries = d.Facts(ref, s)
	}
	if d.Diff != nil {
		r.Diff = func(f remote.Facts) []Change { return d.Diff(ref, s, f) }
	}
	if d.Judge != nil {
		r.Judge = func(c Case) Verdict { return d.Judge(ref, s, c) }
	}
	if d.Watch != nil {
		r.Watch = func(ps []Place) []remote.Query { return d.Watch(s, ps) }
	}
	if d.Places != nil {
		r.Places = d.Places(s)
	}
	if d.Serving != nil {
		r.Serving = func(f remote.Facts) []Served { return d.Serving(ref, s, f) }
	}
	if d.Hold != nil {
		r.Hold = d.Hold(s)
	}
	if d.Status != nil {
		r.Status = func(f remote.Facts) []Status { return d.Status(ref, s, f) }
	}
	if d.Remove != nil {
		r.Remove = func(f remote.Facts) []Change { return d.Remove(ref, s, f) }
	}
	if d.Record != nil {
		r.Record = func(f remote.Facts) (json.RawMessage, string) {
			spec, release := d.Record(ref, s, f)
			return JSON(spec), release
		}
	}
	r.Rollback = func(raw json.RawMessage) (Resource, error) {
		var then Spec
		if err := d.read(ref, raw, &then); err != nil {
			return Resource{}, err
		}
		if d.Rollback != nil {
			then = d.Rollback(s, then)
		}
		return bind(d, ref, needs, then)
	}
	return r, nil
}
