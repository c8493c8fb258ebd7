package view

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// Sizes in the drawing, in pixels.
const (
	glyph  = 8 // a character of the fixed-width font, generously
	boxH   = 28
	rowGap = 14
	colGap = 48
	edge   = 16 // around all
)

// box is where a node is drawn.
type box struct{ x, y, w int }

// SVG draws the graph as a picture of its own: a lane for each group, and what comes after something to the right of it.
func (g Graph) SVG(out io.Writer) error {
	boxes, lanes, width, height := g.layout()
	w := &strings.Builder{}
	fmt.Fprintf(w, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"monospace\" font-size=\"13\">\n", width, height, width, height)
	fmt.Fprintln(w, `<defs><marker id="to" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto"><path d="M0 0 8 4 0 8z" fill="#555"/></marker></defs>`)
	fmt.Fprintf(w, "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n", width, height)
	for _, l := range lanes {
		fmt.Fprintf(w, "<rect x=\"4\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\" fill=\"#f3f5f7\"/>\n", l.y, width-8, l.h)
		if l.name != "" {
			fmt.Fprintf(w, "<text x=\"%d\" y=\"%d\" fill=\"#555\">%s</text>\n", edge, l.y+16, escaped(l.name))
		}
	}
	for _, a := range g.Arrows {
		from, to := boxes[a.From], boxes[a.To]
		x, y, toX, toY := from.x+from.w, from.y+boxH/2, to.x, to.y+boxH/2
		bend := max(colGap, (toX-x)/2)
		fmt.Fprintf(w, "<path d=\"M%d %dC%d %d %d %d %d %d\" fill=\"none\" stroke=\"#555\" marker-end=\"url(#to)\"/>\n", x, y, x+bend, y, toX-bend, toY, toX, toY)
	}
	for _, n := range g.Nodes {
		b := boxes[n.ID]
		fmt.Fprintf(w, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"4\" fill=\"white\" stroke=\"#333\"/>\n", b.x, b.y, b.w, boxH)
		fmt.Fprintf(w, "<text x=\"%d\" y=\"%d\" xml:space=\"preserve\">%s</text>\n", b.x+glyph, b.y+18, escaped(n.Label))
	}
	fmt.Fprintln(w, "</svg>")
	_, err := io.WriteString(out, w.String())
	return err
}

// lane is the strip of a group.
type lane struct {
	name string
	y, h int
}

// layout places every node: in the column after the last one that it waits for, in its group's lane, under what is there
// already.
func (g Graph) layout() (boxes map[string]box, lanes []lane, width, height int) {
	columns := g.columns()
	widths := map[int]int{}
	for _, n := range g.Nodes {
		c := columns[n.ID]
		widths[c] = max(widths[c], glyph*(measure(line(n.Label))+2))
	}
	at := []int{edge} // where each column begins
	for c := 0; c < len(widths); c++ {
		at = append(at, at[c]+widths[c]+colGap)
	}
	boxes, height = map[string]box{}, 4
	for _, name := range g.groups() {
		head, rows, used := rowGap, 0, map[int]int{}
		if name != "" {
			head += rowGap
		}
		for _, n := range g.Nodes {
			if n.Group != name {
				continue
			}
			c := columns[n.ID]
			boxes[n.ID] = box{at[c], height + head + used[c]*(boxH+rowGap), widths[c]}
			used[c]++
			rows = max(rows, used[c])
		}
		h := head + rows*(boxH+rowGap)
		lanes = append(lanes, lane{name, height, h})
		height += h + 4
	}
	return boxes, lanes, max(at[len(at)-1]-colGap+edge, 2*edge), height
}

// columns counts for each node how many others, at most, come before it in a row. Arrows of a plan lead forward.
func (g Graph) columns() map[string]int {
	columns := map[string]int{}
	for range g.Nodes {
		moved := false
		for _, a := range g.Arrows {
			if c := columns[a.From] + 1; c > columns[a.To] {
				columns[a.To], moved = c, true
			}
		}
		if !moved {
			break
		}
	}
	return columns
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(line(s))) // a strings.Builder takes everything
	return b.String()
}
