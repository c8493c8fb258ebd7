package view

import (
	"encoding/json"
	"encoding/xml"
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

// TestInstances: what for_each made has its block's name, and an index of its own.
func TestInstances(t *testing.T) {
	for _, tt := range []struct {
		addr              providers.Addr
		name, index, full string
	}{
		{addr("service", "x", "a"), "x", "a", `service.x["a"]`},
		{addr("service", `x["kr"]`, "a"), "x", "kr/a", `service.x["kr"]["a"]`},
	} {
		if i := instanceOf(tt.addr); i.Name != tt.name || i.Index != tt.index || i.Address != tt.full {
			t.Errorf("%+v", i)
		}
		if r := resourceOf(tt.addr); r.Name != tt.name || r.Key != tt.index || r.Addr != tt.full {
			t.Errorf("%+v", r)
		}
	}
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

// TestSVG: the picture is well-formed, has every step and arrow, and no two boxes lie on each other.
func TestSVG(t *testing.T) {
	p := teatime()
	g := StepGraph(p)
	g.Nodes[0].Label += ` <&"> 한글`
	var b strings.Builder
	if err := g.SVG(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "graph.svg", b.String())
	var drawn struct {
		Texts []string `xml:"text"`
		Paths []struct {
			D string `xml:"d,attr"`
		} `xml:"path"`
	}
	if err := xml.Unmarshal([]byte(b.String()), &drawn); err != nil {
		t.Fatal(err)
	}
	if len(drawn.Texts) != len(g.Nodes)+len(g.groups()) || len(drawn.Paths) != len(g.Arrows) {
		t.Errorf("%d texts and %d arrows", len(drawn.Texts), len(drawn.Paths))
	}
	boxes, _, width, height := g.layout()
	for a, x := range boxes {
		if x.x < 0 || x.x+x.w > width || x.y+boxH > height {
			t.Errorf("%s lies outside", a)
		}
		for b, y := range boxes {
			if a != b && x.x < y.x+y.w && y.x < x.x+x.w && x.y < y.y+boxH && y.y < x.y+boxH {
				t.Errorf("%s lies on %s", a, b)
			}
		}
	}
	for _, a := range g.Arrows {
		if boxes[a.From].x+boxes[a.From].w >= boxes[a.To].x {
			t.Errorf("the arrow from %s to %s leads back", a.From, a.To)
		}
	}
}
