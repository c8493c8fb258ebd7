package view

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shipctl/shipctl/providers"
)

func TestPlanDocument(t *testing.T) {
	p := teatime()
	p.Changes = append(p.Changes, providers.Change{
		Addr: addr("service", "old", "app-1"), Action: providers.Delete, Before: json.RawMessage(`{"slot":"blue"}`), After: json.RawMessage(`null`),
	})
	var b strings.Builder
	if err := PlanDocument(&b, p); err != nil {
		t.Fatal(err)
	}
	golden(t, "plan.json", b.String())
}

func TestRedacted(t *testing.T) {
	value, where := redacted(json.RawMessage(`{"env":[{"name":"A","value":{"text":"x"}},{"name":"P","value":{"var":"password"}}],"n":1}`))
	got := map[string]any{"value": value, "where": where}
	want := map[string]any{
		"value": map[string]any{"env": []any{
			map[string]any{"name": "A", "value": map[string]any{"text": "x"}},
			map[string]any{"name": "P", "value": "(sensitive)"},
		}, "n": 1.0},
		"where": map[string]any{"env": []any{false, map[string]any{"value": true}}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestGraph(t *testing.T) {
	p := made([]providers.Change{{Addr: addr("service", "teatime", `a"b`), Action: providers.Update}},
		[]planned{{host: `a"b`, verb: "one", title: `say "x" <&> \ #1`}, {host: `a"b`, verb: "two", title: "two", after: []int{1}}})
	var b strings.Builder
	if err := StepGraph(p).DOT(&b); err != nil {
		t.Fatal(err)
	}
	if err := StepGraph(p).Mermaid(&b); err != nil {
		t.Fatal(err)
	}
	want := `digraph shipctl {
  rankdir = LR;
  node [shape = box];
  subgraph cluster_1 {
    label = "a\"b";
    n1 [label = "1  say \"x\" <&> \\ #1"];
    n2 [label = "2  two"];
  }
  n1 -> n2;
}
flowchart LR
  subgraph g1 ["a#quot;b"]
    n1["1  say #quot;x#quot; #lt;&#gt; \ #35;1"]
    n2["2  two"]
  end
  n1 --> n2
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}
