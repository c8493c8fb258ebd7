package main

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/pflag"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/all"
	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/ssh"
)

// values are what flags give variables, in the order of the command line.
type values struct{ flags []config.Flag }

func (v *values) add(f *pflag.FlagSet) {
	f.Var(giving{list: &v.flags}, "var", "`NAME=VALUE` of a variable; may be repeated")
	f.Var(giving{list: &v.flags, file: true}, "var-file", "`FILE` with values of variables; may be repeated")
}

// giving is a flag that shares its list with another one: which of them came last decides.
type giving struct {
	list *[]config.Flag
	file bool
}

func (g giving) Set(text string) error {
	*g.list = append(*g.list, config.Flag{Text: text, File: g.file})
	return nil
}

func (g giving) String() string { return "" }
func (g giving) Type() string   { return "stringArray" }

func (c *cli) options(v values) config.Options {
	o := config.Options{Flags: v.flags, Environ: c.environ, Version: version, Shows: shows}
	for _, k := range all.Kinds() {
		o.Kinds = append(o.Kinds, k.Name)
	}
	return o
}

// shows says what would be hidden in the output of a machine.
func shows(text, secret string) bool { return remote.NewRedactor(secret).Text(text) != text }

// project is a configuration, decoded.
type project struct {
	config    *config.Configuration
	resources []providers.Resource
	settings  map[string]ssh.Settings // by host block
	unchecked []string                // blocks that could not be decoded, or made: of what is in them not all was checked
}

// load reads and decodes the configuration of the working directory. The project is never nil; with errors in the
// diagnostics only its files may be used.
func load(o config.Options) (*project, hcl.Diagnostics) {
	p := &project{settings: map[string]ssh.Settings{}}
	var diags hcl.Diagnostics
	p.config, diags = config.Load(o)
	for _, h := range p.config.Hosts {
		s, d := ssh.Decode(h)
		diags = append(diags, d...)
		p.settings[h.Name] = s
		if d.HasErrors() {
			p.unchecked = append(p.unchecked, "host."+h.Name)
		}
	}
	for _, h := range p.config.HollowHosts {
		_, _ = ssh.Decode(h)
		diags = append(diags, h.Settings.Found()...)
	}
	var d hcl.Diagnostics
	p.resources, d = planner.Decode(p.config, all.Kinds())
	for _, b := range p.config.Blocks {
		if !slices.ContainsFunc(p.resources, func(r providers.Resource) bool { return r.Ref == b.Ref }) {
			p.unchecked = append(p.unchecked, b.Ref.String())
		}
	}
	p.unchecked = append(p.unchecked, p.config.Unmade()...)
	slices.Sort(p.unchecked)
	p.unchecked = slices.Compact(p.unchecked)
	return p, config.Report(append(diags, d...))
}

// secretless takes out of what load gave that sensitive variables have no value, for commands that ask machines and change
// nothing: what a program is given is known by the variable's name. As long as that is all: without a value of another
// variable, or where something that is needed depends on a secret otherwise, the diagnostics stay.
func (p *project) secretless(diags hcl.Diagnostics, needed func(block string) bool) (left hcl.Diagnostics, unset []string) {
	left, unset = config.Unset(diags)
	if slices.ContainsFunc(unset, func(name string) bool { return !p.config.Variables[name].Sensitive }) || slices.ContainsFunc(p.unchecked, needed) {
		return diags, nil
	}
	return left, unset
}

// What secretless may find undecoded: nothing, or anything but machines.
func anyBlock(string) bool        { return true }
func hostBlock(block string) bool { return strings.HasPrefix(block, "host.") }

// secrets are the values of sensitive variables, by name.
func secrets(variables map[string]config.Variable) map[string]string {
	out := map[string]string{}
	for name, v := range variables {
		if !v.Sensitive || v.Value == cty.NilVal {
			continue
		}
		plain, _ := v.Value.UnmarkDeep()
		if s, err := convert.Convert(plain, cty.String); err == nil && s.IsKnown() && !s.IsNull() {
			out[name] = s.AsString()
		}
	}
	return out
}

// sensitive are all texts in the values of sensitive variables, whatever their type.
func sensitive(variables map[string]config.Variable) (out []string) {
	for _, v := range variables {
		if !v.Sensitive || v.Value == cty.NilVal {
			continue
		}
		plain, _ := v.Value.UnmarkDeep()
		_ = cty.Walk(plain, func(_ cty.Path, x cty.Value) (bool, error) {
			if x.IsKnown() && !x.IsNull() && x.Type().IsPrimitiveType() && x.Type() != cty.Bool {
				if s, err := convert.Convert(x, cty.String); err == nil {
					out = append(out, s.AsString())
				}
			}
			return true, nil
		})
	}
	return out
}

// imprint is a salt and a slow hash of a value: a plan file is no place to guess secrets from. "" without a value.
func imprint(v cty.Value, salt string) string {
	if v == cty.NilVal {
		return ""
	}
	plain, _ := v.UnmarkDeep()
	raw, err := ctyjson.Marshal(plain, plain.Type())
	if err != nil {
		return ""
	}
	key, err := pbkdf2.Key(sha256.New, string(raw), []byte("shipctl "+salt), 100_000, 16)
	if err != nil {
		return ""
	}
	return salt + " " + hex.EncodeToString(key)
}

// recorded is what a plan keeps of the variables: of sensitive ones the name.
func recorded(variables map[string]config.Variable) map[string]planner.Value {
	out := map[string]planner.Value{}
	for name, v := range variables {
		if v.Sensitive || v.Value == cty.NilVal || v.Value.ContainsMarked() {
			out[name] = planner.Value{Sensitive: true, Print: imprint(v.Value, rand.Text())}
			continue
		}
		if raw, err := ctyjson.Marshal(v.Value, v.Value.Type()); err == nil {
			out[name] = planner.Value{Value: raw}
		}
	}
	return out
}
