// Package config turns the .hcl files of a directory into hosts and blocks in the order of their references: variables,
// locals, defaults, functions, for_each, and diagnostics that point at the source. It knows hosts (a name, an address,
// labels) and values; what the blocks of a kind mean, how a machine is reached and what is in a release belong to
// others, which decode a Block into a struct of theirs.
//
//	c, diags := config.Load(config.Options{Dir: ".", Kinds: []string{"release", "service"}})
//	for _, b := range c.Blocks { // referenced ones first
//		var s spec
//		diags = append(diags, b.Decode(&s)...)
//		c.Set(b.Ref, s.value()) // what later blocks see; left out when the block is wrong
//	}
//	diags = config.Report(diags)
package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Options says what to load and with which values.
type Options struct {
	Dir     string   // of the *.hcl files; not searched recursively. "" is the current directory
	Flags   []Flag   // -var and -var-file, in the order of the command line
	Environ []string // KEY=value: SHIPCTL_VAR_name, and what env() reads
	Kinds   []string // types of blocks that belong to kinds
	Version string   // of shipctl, for required_version; not checked when it isn't a version
	// Shows says whether a secret can be read from a text, encoded or not; nil: whether it is a part of it.
	Shows func(text, secret string) bool
}

// Configuration is what the files say. Blocks are in the order in which they can be decoded.
type Configuration struct {
	Project string
	Ignored []Ignore // of shipctl drift
	Hosts   []Host   // in the order of the files
	Blocks  []Block
	// Hollow are blocks of which there is no instance, as for_each is empty, and defaults that no block has: they are decoded for
	// what Found gives then, and for nothing else. HollowHosts are such hosts, whose Settings are decoded so.
	Hollow      []Block
	HollowHosts []Host
	Variables   map[string]Variable
	Files       map[string]*hcl.File // for source snippets, by the name in the ranges

	world *world
}

// Variable is a declared variable with its value.
type Variable struct {
	Name        string
	Type        cty.Type
	Value       cty.Value // marked when sensitive
	Sensitive   bool
	Description string
	Range       hcl.Range
}

// Load reads a directory. The configuration is never nil, so that its blocks can be decoded for more diagnostics even
// when there are errors; nothing else may be done with it then.
func Load(o Options) (*Configuration, hcl.Diagnostics) {
	w := newWorld(o)
	c := &Configuration{Variables: map[string]Variable{}, Files: w.files, world: w}
	diags := w.read()
	if diags.HasErrors() {
		return c, Report(diags)
	}
	diags = append(diags, w.declare()...)
	if d := w.checkVersion(); d != nil {
		return c, d // what else seems wrong may just be newer than this shipctl
	}
	variables, d := w.readVariables()
	diags = append(diags, d...)
	c.Variables = variables
	c.Project, d = w.project()
	diags = append(diags, d...)
	c.Ignored, d = w.ignored()
	diags = append(diags, d...)
	diags = append(diags, w.mergeDefaults()...)
	diags = append(diags, w.link()...)
	order, d := w.order()
	diags = append(diags, d...)
	for _, n := range order {
		diags = append(diags, w.expand(n, c)...)
	}
	diags = append(diags, w.unused(c)...)
	diags = append(diags, w.machines(c.Hosts)...)
	if !diags.HasErrors() && len(c.Unmade()) == 0 {
		diags = append(diags, c.ignorable()...)
	}
	return c, Report(diags)
}

// Values reads variables only: what Load would give as Variables, with the diagnostics about them.
func Values(o Options) (map[string]Variable, hcl.Diagnostics) {
	w := newWorld(o)
	if diags := w.read(); diags.HasErrors() {
		return nil, Report(diags)
	}
	_ = w.declare() // about other blocks; what was saved in a plan was checked before
	variables, diags := w.readVariables()
	return variables, Report(diags)
}

// Unmade are the host blocks and those of kinds of which there is not a single instance, because what for_each is was not
// known or was wrong, and the host blocks that are not what they say because that of an argument was.
func (c *Configuration) Unmade() (out []string) {
	for _, n := range c.world.sequence {
		if (n.kind == "host" || c.world.isKind(n.kind)) && !n.expanded || n.kind == "host" && n.failed {
			out = append(out, n.String())
		}
	}
	return out
}

// Set records the value of a decoded block: later blocks see it as kind.name, with for_each kind.name["key"]. It always
// has the attribute addr.
func (c *Configuration) Set(r Ref, v cty.Value) { c.world.set(r, v) }
