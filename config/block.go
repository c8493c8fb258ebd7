package config

import (
	"regexp"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Ref names a block: release.teatime. An instance made by for_each carries its key in the name: release.teatime["kr"].
type Ref struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

func (r Ref) String() string {
	if r == (Ref{}) {
		return ""
	}
	return r.Kind + "." + r.Name
}

// Host is a machine as the configuration describes it. How it is reached is in its settings, which only the
// connecting package understands.
type Host struct {
	Name    string
	Address string // for connecting; the block's label where nothing is given
	// PrivateAddress is what other machines use to reach it; empty when none is given and Address is not an IP.
	PrivateAddress string
	Labels         map[string]string
	Retired        bool // state = "retired": to be drained and taken out
	Settings       Block
}

// HostValue is what a kind decodes `hosts = …` into: the value of host.NAME, the elements of hosts_with(…).
type HostValue struct {
	Name           string            `cty:"name" json:"name"`
	Address        string            `cty:"address" json:"address,omitempty"`
	PrivateAddress string            `cty:"private_address" json:"private_address,omitempty"` // "" when not known
	Labels         map[string]string `cty:"labels" json:"labels,omitempty"`
	Retired        bool              `cty:"retired" json:"retired,omitempty"`
}

// Ignore says that a difference on the machines is known and accepted.
type Ignore struct {
	Addr   string         // service.shop, or service.shop["app-1"]
	Match  *regexp.Regexp // of what is said of the difference; nil: all of it
	Reason string
	Until  time.Time // the day after the last one on which it counts, UTC; zero: for ever
	Range  hcl.Range
	label  hcl.Range
}

// Block is one block of a kind (or one instance of it, after for_each), ready to be decoded: defaults merged, meta
// arguments removed, every name that its expressions may use in its scope.
type Block struct {
	Ref
	Needs   []Ref     // blocks that it refers to, in the order of appearance
	Range   hcl.Range // of its header
	Project string    // the configuration's
	Body    hcl.Body
	scope   *scope
}

// Decode fills the gohcl-tagged struct that into points to. Attributes of type hcl.Expression are left for Eval.
// A sensitive value in any other attribute is an error; unknown names come with a suggestion.
func (b Block) Decode(into any) hcl.Diagnostics { return b.decode(into) }

// Given is an argument, as a field for Decode, with the place of its value. The zero range: it is not given.
type Given[T any] struct {
	Value T
	At    hcl.Range
}

func (g *Given[T]) parts() (value any, at *hcl.Range) { return &g.Value, &g.At }

// Eval evaluates an expression of the block with further names that exist in this block only (slot).
func (b Block) Eval(e hcl.Expression, local map[string]cty.Value) (cty.Value, hcl.Diagnostics) {
	return b.eval(e, local)
}

// EvalByName is Eval for who keeps of a sensitive variable its name: such a whole value may be unknown, where a command can
// do without it (see Unset).
func (b Block) EvalByName(e hcl.Expression, local map[string]cty.Value) (cty.Value, hcl.Diagnostics) {
	return b.evalByName(e, local)
}

// At is the range of an attribute's value, or of a nested block's header where the path ends in one:
// At("slot", "blue", "port"). The nearest enclosing range where there is no such thing.
func (b Block) At(path ...string) *hcl.Range { return b.at(path) }

// Sensitive says whether v is derived from a sensitive variable, and of which one where v is that variable's whole
// value ("" otherwise).
func Sensitive(v cty.Value) (name string, is bool) { return sensitive(v) }
