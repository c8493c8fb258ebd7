package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// order puts nodes after what they refer to, and otherwise in the order of the files. Cycles are reported once each
// and in full; their members are treated as wrong.
func (w *world) order() ([]*node, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	s := &search{state: map[*node]int{}}
	for _, n := range w.sequence {
		if s.state[n] == 0 {
			s.visit(n)
		}
	}
	for _, c := range s.cycles {
		diags = append(diags, cycle(c))
	}
	for _, c := range s.cycles {
		for _, e := range c {
			e.to.failed = true
			w.hostless = w.hostless || e.to.kind == "host"
		}
	}
	return s.out, diags
}

// search is a depth-first search; trail holds the edges that lead to where it is.
type search struct {
	state  map[*node]int // 1 being visited, 2 done
	trail  []edge
	out    []*node
	cycles [][]edge
}

func (s *search) visit(n *node) {
	s.state[n] = 1
	for _, e := range n.edges {
		s.trail = append(s.trail, e)
		switch s.state[e.to] {
		case 0:
			s.visit(e.to)
		case 1:
			s.close(e.to)
		}
		s.trail = s.trail[:len(s.trail)-1]
	}
	s.state[n] = 2
	if n.kind != hostsWith {
		s.out = append(s.out, n)
	}
}

// close records the cycle that the last edge of the trail closes, unless a cycle of the same nodes is known.
func (s *search) close(n *node) {
	i := len(s.trail) - 2
	for i >= 0 && s.trail[i].to != n {
		i--
	}
	c := slices.Clone(s.trail[i+1:])
	for _, known := range s.cycles {
		if sameNodes(known, c) {
			return
		}
	}
	s.cycles = append(s.cycles, c)
}

func sameNodes(a, b []edge) bool {
	names := func(es []edge) []string {
		var out []string
		for _, e := range es {
			out = append(out, e.to.String())
		}
		return sorted(out)
	}
	return slices.Equal(names(a), names(b))
}

// cycle names every member with the place where it refers to the next one. It points at the first.
func cycle(c []edge) *hcl.Diagnostic {
	last := len(c) - 1
	from := c[last].to
	text := []string{}
	if last == 0 {
		return fail(c[0].at, "Cycle", "%s refers to itself.", from)
	}
	for _, e := range c {
		if from.kind != hostsWith {
			text = append(text, fmt.Sprintf("  %s refers to %s at %s", from, e.to, place(e.at)))
		} else {
			text = append(text, fmt.Sprintf("  %s looks at all hosts, %s too", from, e.to))
		}
		from = e.to
	}
	start := c[0]
	if c[last].to.kind == hostsWith { // its own range says nothing
		start = c[last]
	}
	return fail(start.at, "Cycle", "These refer to each other, so that none can be read first:\n%s\nTake one of the references out.", strings.Join(text, "\n"))
}
