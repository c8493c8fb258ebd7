// Package planner turns resources and facts into an ordered plan, saves and loads it, and says whether it is stale.
// It renders nothing and dials nobody.
package planner

import (
	"encoding/json"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// Format is the plan file's format number. A reader refuses any other.
const Format = 1

// Plan is everything that apply needs.
type Plan struct {
	Format    int                `json:"format"`
	Tool      string             `json:"tool"` // version of shipctl that made it
	Project   string             `json:"project"`
	Made      time.Time          `json:"made"`
	Dir       string             `json:"dir,omitempty"`       // of the configuration, for the values of sensitive variables
	VarFiles  []string           `json:"var_files,omitempty"` // likewise
	Variables map[string]Value   `json:"variables,omitempty"`
	Hosts     []Host             `json:"hosts"`
	Resources []Resource         `json:"resources"` // referenced ones first
	Facts     remote.Facts       `json:"facts"`
	Changes   []providers.Change `json:"changes"`
	Order     []providers.StepID `json:"order"` // dependencies first
	// Unit of each step: what is undone together.
	Units map[providers.StepID]string `json:"units,omitempty"`
	// Wait of each step: the steps of this plan that it comes after, shared verbs and Before resolved.
	Wait     Waits    `json:"wait,omitempty"`
	Targets  []string `json:"targets,omitempty"`
	TakeOver []string `json:"take_over,omitempty"`
	// What each window said when the plan was made, and the machines that only windows look at.
	Windows []Window `json:"windows,omitempty"`
	Watched []string `json:"watched,omitempty"`
	// Command that made it: apply, or rollback.
	Command   string     `json:"command,omitempty"`
	Held      []HeldBack `json:"held,omitempty"`
	ClearHold bool       `json:"clear_hold,omitempty"`
	Orphans   []OrphanOn `json:"orphans,omitempty"`
	// Unseen are machines that no resource is on, of which it is not known whether something is left there.
	Unseen []UnseenOn `json:"unseen,omitempty"`
	// Digest is the SHA-256 (hex) of the file that it was read from.
	Digest string `json:"-"`
}

// HeldBack is a resource that stays on what it was rolled back to.
type HeldBack struct {
	Ref  config.Ref `json:"ref"`
	Hold Hold       `json:"hold"`
}

// OrphanOn is a resource that a machine's record has and the configuration has not.
type OrphanOn struct {
	Ref  config.Ref `json:"ref"`
	Host string     `json:"host"`
	// Why it can't be removed as it is; "" where -prune does.
	Why string `json:"why,omitempty"`
}

// UnseenOn is a machine that did not say what is left on it.
type UnseenOn struct {
	Host string `json:"host"`
	Why  string `json:"why"`
}

// Value is a variable's value; of a sensitive one only the name is kept, and by what another value is noticed.
type Value struct {
	Value     json.RawMessage `json:"value,omitempty"`
	Sensitive bool            `json:"sensitive,omitempty"`
	Print     string          `json:"print,omitempty"` // salt and slow hash, hex
}

// Host is a machine and how to reach it; Settings belong to the connecting package.
type Host struct {
	Name     string          `json:"name"`
	Settings json.RawMessage `json:"settings"`
}

// Resource is a resource's record in a plan.
type Resource struct {
	Ref   config.Ref      `json:"ref"`
	Needs []config.Ref    `json:"needs,omitempty"`
	Spec  json.RawMessage `json:"spec"`
	Gone  bool            `json:"gone,omitempty"` // it is to be removed
}
