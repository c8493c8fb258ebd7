package providers_test

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/shipctl/shipctl/providers"
)

// TestPublishedOfAnything: what somebody writes in the place of release.NAME is an error, whatever it is.
func TestPublishedOfAnything(t *testing.T) {
	addr := cty.StringVal("release.r")
	for name, v := range map[string]cty.Value{
		"null":           cty.NullVal(cty.DynamicPseudoType),
		"text":           addr,
		"empty object":   cty.EmptyObjectVal,
		"address only":   cty.ObjectVal(map[string]cty.Value{"addr": addr}),
		"another kind":   cty.ObjectVal(map[string]cty.Value{"addr": cty.StringVal("service.s"), "hosts": cty.EmptyTupleVal}),
		"hosts is text":  cty.ObjectVal(map[string]cty.Value{"addr": addr, "hosts": cty.StringVal("a")}),
		"hosts unknown":  cty.ObjectVal(map[string]cty.Value{"addr": addr, "hosts": cty.DynamicVal}),
		"hosts are text": cty.ObjectVal(map[string]cty.Value{"addr": addr, "hosts": cty.ListVal([]cty.Value{addr})}),
		"secret address": cty.ObjectVal(map[string]cty.Value{"addr": addr.Mark("secret"), "hosts": cty.EmptyTupleVal}),
		"secret hosts":   cty.ObjectVal(map[string]cty.Value{"addr": addr, "hosts": cty.EmptyTupleVal.Mark("secret")}),
		"secret":         cty.ObjectVal(map[string]cty.Value{"addr": addr, "hosts": cty.EmptyTupleVal}).Mark("secret"),
	} {
		if p, _, err := providers.PublishedOf(v, "the service runs"); err == nil {
			t.Errorf("%s: taken for %+v", name, p)
		}
	}
}
