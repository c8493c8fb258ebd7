package batch

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/providers"
)

// plain is a name without what for_each adds to it: batch["kr"] is batch.kr.
func plain(name string) string { return strings.NewReplacer(`["`, ".", `"]`, "").Replace(name) }

// words evaluates a command: program and arguments, each as it is, without a shell.
func (d *decoder) words(e hcl.Expression, what string) []string {
	words, diags := providers.Words(d.b, e, nil, what)
	d.diags = append(d.diags, diags...)
	return words
}

// env is the environment that every job of the block gets, in the order of the names.
func (d *decoder) env() {
	values, at, diags := providers.Variables(d.b, d.in.Env, nil)
	d.diags = append(d.diags, diags...)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.HasPrefix(name, "sc_") {
			d.wrong(at[name], "Not a name of a variable", "%q: names that begin with sc_ are the launcher's own.", name)
		}
		v, diags := providers.Variable(d.b, name, values[name], at[name])
		d.diags = append(d.diags, diags...)
		d.s.Env = append(d.s.Env, v)
	}
}
