package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// hostsWithFunction gives the hosts that have all of the labels. Nobody is an error: a deployment to no machine that
// succeeds is the worst kind of typing mistake.
func (w *world) hostsWithFunction() function.Function {
	result := cty.List(hostType())
	return function.New(&function.Spec{
		Description: "The hosts that have all of the given labels.",
		Params:      []function.Parameter{param("labels", cty.DynamicPseudoType)},
		Type:        function.StaticReturnType(result),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			labels, err := convert.Convert(args[0], cty.Map(cty.String))
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, `labels are text by name, as { role = "app" }`)
			}
			if !labels.IsWhollyKnown() || w.hostless {
				return cty.UnknownVal(result), nil
			}
			want := map[string]string{}
			for k, v := range labels.AsValueMap() {
				if v.IsNull() {
					return cty.NilVal, function.NewArgErrorf(0, "the label %q is null", k)
				}
				want[k] = v.AsString()
			}
			var out []cty.Value
			for _, h := range w.hosts {
				if h.has(want) {
					out = append(out, h.cty())
				}
			}
			if len(out) == 0 {
				return cty.NilVal, function.NewArgErrorf(0, "%s", nobody(want, w.hosts))
			}
			return cty.ListVal(out), nil
		},
	})
}

func (v HostValue) has(labels map[string]string) bool {
	for k, l := range labels {
		if got, ok := v.Labels[k]; !ok || got != l {
			return false
		}
	}
	return true
}

// nobody names the labels that there are.
func nobody(want map[string]string, hosts []HostValue) string {
	if len(hosts) == 0 {
		return "there are no hosts yet: write host blocks"
	}
	present := map[string][]string{}
	for _, h := range hosts {
		for k, v := range h.Labels {
			present[k] = sorted(append(present[k], v))
		}
	}
	var asked, have, hints []string
	var names []string
	for k := range present {
		names = append(names, k)
	}
	names = sorted(names)
	for _, k := range names {
		have = append(have, fmt.Sprintf("%s = %s", k, strings.Join(present[k], " | ")))
	}
	for k, v := range want {
		asked = append(asked, fmt.Sprintf("%s = %q", k, v))
		if values, ok := present[k]; !ok {
			hints = append(hints, meant(k, names))
		} else if !slices.Contains(values, v) {
			hints = append(hints, meant(v, values))
		}
	}
	if len(have) == 0 {
		have = []string{"none"}
	}
	slices.Sort(asked)
	text := fmt.Sprintf("no host has %s; labels present: %s.%s", strings.Join(asked, ", "), strings.Join(have, ", "), strings.Join(sorted(hints), ""))
	return strings.TrimSuffix(text, ".") // HCL ends the sentence
}

// meant is a suggestion that can stand inside of a sentence.
func meant(given string, candidates []string) string {
	if s := nearest(given, candidates); s != "" {
		return fmt.Sprintf(" Perhaps %q is meant.", s)
	}
	return ""
}
