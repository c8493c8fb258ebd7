package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
)

// Graph is what graph prints: boxes, in groups where Group is set, and arrows between them.
type Graph struct {
	Nodes  []Node
	Arrows []Arrow
}

// Node is a box. ID is unique in its graph.
type Node struct{ ID, Label, Group string }

// Arrow leads from what is needed, or comes first, to what needs it, or comes after.
type Arrow struct{ From, To string }

// ResourceGraph shows which resource refers to which.
func ResourceGraph(rs []providers.Resource) (g Graph) {
	known := map[string]bool{}
	for _, r := range rs {
		known[r.Ref.String()] = true
		g.Nodes = append(g.Nodes, Node{ID: r.Ref.String(), Label: r.Ref.String()})
	}
	for _, r := range rs {
		for _, n := range r.Needs {
			if a := (Arrow{n.String(), r.Ref.String()}); known[a.From] && !slices.Contains(g.Arrows, a) {
				g.Arrows = append(g.Arrows, a)
			}
		}
	}
	return g
}

// StepGraph shows a plan's steps, grouped by machine.
func StepGraph(p *planner.Plan) (g Graph) {
	for i, s := range named(p) {
		g.Nodes = append(g.Nodes, Node{string(s.ID), fmt.Sprintf("%d  %s", i+1, line(s.Title)), line(s.Host)})
		for _, w := range p.Wait[s.ID] {
			g.Arrows = append(g.Arrows, Arrow{string(w), string(s.ID)})
		}
	}
	return g
}

func (g Graph) groups() (names []string) {
	for _, n := range g.Nodes {
		if !slices.Contains(names, n.Group) {
			names = append(names, n.Group)
		}
	}
	return names
}

// ids gives each node a name that no format minds.
func (g Graph) ids() map[string]string {
	ids := map[string]string{}
	for i, n := range g.Nodes {
		ids[n.ID] = fmt.Sprintf("n%d", i+1)
	}
	return ids
}

// DOT writes the graph for Graphviz.
func (g Graph) DOT(out io.Writer) error {
	w := &strings.Builder{}
	ids := g.ids()
	quote := func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(line(s)) + `"` }
	fmt.Fprintln(w, "digraph shipctl {\n  rankdir = LR;\n  node [shape = box];")
	for i, group := range g.groups() {
		in := "  "
		if group != "" {
			fmt.Fprintf(w, "  subgraph cluster_%d {\n    label = %s;\n", i+1, quote(group))
			in = "    "
		}
		for _, n := range g.Nodes {
			if n.Group == group {
				fmt.Fprintf(w, "%s%s [label = %s];\n", in, ids[n.ID], quote(n.Label))
			}
		}
		if group != "" {
			fmt.Fprintln(w, "  }")
		}
	}
	for _, a := range g.Arrows {
		fmt.Fprintf(w, "  %s -> %s;\n", ids[a.From], ids[a.To])
	}
	fmt.Fprintln(w, "}")
	_, err := io.WriteString(out, w.String())
	return err
}

// Mermaid writes the graph for Markdown that knows it.
func (g Graph) Mermaid(out io.Writer) error {
	w := &strings.Builder{}
	ids := g.ids()
	quote := func(s string) string {
		return `"` + strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "`", "#96;").Replace(line(s)) + `"`
	}
	fmt.Fprintln(w, "flowchart LR")
	for i, group := range g.groups() {
		in := "  "
		if group != "" {
			fmt.Fprintf(w, "  subgraph g%d [%s]\n", i+1, quote(group))
			in = "    "
		}
		for _, n := range g.Nodes {
			if n.Group == group {
				fmt.Fprintf(w, "%s%s[%s]\n", in, ids[n.ID], quote(n.Label))
			}
		}
		if group != "" {
			fmt.Fprintln(w, "  end")
		}
	}
	for _, a := range g.Arrows {
		fmt.Fprintf(w, "  %s --> %s\n", ids[a.From], ids[a.To])
	}
	_, err := io.WriteString(out, w.String())
	return err
}
