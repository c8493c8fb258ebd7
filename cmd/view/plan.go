package view

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
)

// Summary is Terraform's line, to the letter.
func Summary(p *planner.Plan) string {
	a, c, d := p.Counts()
	return fmt.Sprintf("Plan: %d to add, %d to change, %d to destroy.", a, c, d)
}

// uncounted says what the summary leaves out; "" for nothing.
func uncounted(p *planner.Plan) string {
	hosts := map[string]bool{}
	for _, c := range p.Changes {
		if c.Problem == planner.Unasked {
			hosts[c.Addr.Host] = true
		}
	}
	if len(hosts) == 0 {
		return ""
	}
	return plural(len(hosts), "machine") + " could not be asked: nothing of theirs is counted."
}

// asDescribed is what "No changes" means.
func asDescribed(p *planner.Plan) string {
	switch {
	case len(p.Unseen) > 0:
		return "What the configuration describes is as it says. Whether more is left on a machine that could not be asked is not known."
	case len(p.Orphans) > 0:
		return "What the configuration describes is as it says. What it has no longer is left as it is."
	}
	return "The machines are as the configuration describes them."
}

// unchanged says that there is nothing to do. What is held is not what the configuration describes, so that is said.
func unchanged(p *planner.Plan) string {
	if len(p.Held) == 0 {
		return "No changes. " + asDescribed(p)
	}
	var held []string
	for _, h := range p.Held {
		held = append(held, fmt.Sprintf("%s is held at release %s", h.Ref, h.Hold.Release))
	}
	return line("No changes. A rollback is why: " + strings.Join(held, ", ") + ", whatever the configuration says. -clear-hold goes forward.")
}

const noSteps = "No steps: nothing of this can be applied before what is marked with \"!\" is solved."

// steps are those of a plan that can be applied: of another one they are what will never be done.
func steps(p *planner.Plan) []providers.Step {
	if len(p.Problems()) > 0 {
		return nil
	}
	return p.Steps()
}

// Plan prints the changes and, unless compact, the steps.
func (t Text) Plan(p *planner.Plan, compact bool) {
	shown := groups(p)
	width := hostWidth(shown)
	for _, g := range shown {
		t.printf("\n  %s\n", t.paint(bold, header(g)))
		for _, c := range g {
			t.change(c, width)
		}
	}
	t.Notes(p)
	if len(p.Windows) > 0 {
		t.printf("\n")
		t.windows(p.Windows)
	}
	if p.Empty() {
		t.printf("\n%s\n", t.paint(bold+";"+green, unchanged(p)))
		return
	}
	switch {
	case compact || len(p.Order) == 0:
	case len(p.Problems()) > 0:
		t.printf("\n  %s\n", noSteps)
	default:
		t.printf("\n  %s\n", t.paint(bold, "Steps"))
		for _, row := range table(p) {
			t.printf("%s\n", row)
		}
		if a := advisory(p); a != "" {
			t.printf("\n  %s\n", t.paint(faint, a))
		}
	}
	t.printf("\n%s\n", t.paint(bold, Summary(p)))
	if n := uncounted(p); n != "" {
		t.printf("%s\n", t.paint(yellow, n))
	}
}

// Notes prints them.
func (t Text) Notes(p *planner.Plan) {
	for _, n := range Notes(p) {
		t.printf("\n  %s\n", t.paint(yellow, indent("Note: "+block(n), "    ")))
	}
}

// Notes are what a reader must know of a plan beside its changes: what is held, and what the configuration dropped.
func Notes(p *planner.Plan) (out []string) {
	for _, h := range p.Held {
		was := ""
		if h.Hold.From != "" && h.Hold.From != h.Hold.Release {
			was = " from " + h.Hold.From
		}
		out = append(out, line(fmt.Sprintf("%s is held at release %s: %s rolled it back%s at %s. It stays there, whatever the configuration says, until -clear-hold.",
			h.Ref, h.Hold.Release, h.Hold.Who, was, h.Hold.Since.UTC().Format(time.RFC3339))))
	}
	for _, o := range p.Orphans {
		switch {
		case o.Why != "":
			out = append(out, line(fmt.Sprintf("%s: %s was put there by an earlier apply. It was left as it is: %s.", o.Host, o.Ref, o.Why)))
		case !removed(p, o):
			out = append(out, line(fmt.Sprintf("%s: %s was put there by an earlier apply, and the configuration has it no longer. It was left as it is; -prune removes it.", o.Host, o.Ref)))
		}
	}
	for _, u := range p.Unseen {
		out = append(out, line(fmt.Sprintf("%s could not be asked whether something of this project is left there: %s", u.Host, u.Why)))
	}
	return out
}

func removed(p *planner.Plan, o planner.OrphanOn) bool {
	return slices.ContainsFunc(p.Resources, func(r planner.Resource) bool { return r.Gone && r.Ref == o.Ref })
}

// groups are the changes worth showing, by resource, in the plan's order.
func groups(p *planner.Plan) [][]providers.Change {
	var out [][]providers.Change
	at := map[config.Ref]int{}
	for _, c := range p.Changes {
		if c.Action == providers.NoOp && c.Problem == "" && len(c.Warnings) == 0 && len(c.Steps) == 0 {
			continue
		}
		i, ok := at[c.Addr.Ref]
		if !ok {
			i = len(out)
			at[c.Addr.Ref] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], c)
	}
	return out
}

func header(g []providers.Change) string {
	h := "# " + line(g[0].Addr.Ref.String())
	for _, c := range g {
		if c.Headline != "" {
			return h + ": " + line(c.Headline)
		}
	}
	return h
}

func hostWidth(gs [][]providers.Change) (w int) {
	for _, g := range gs {
		for _, c := range g {
			w = max(w, measure(line(c.Addr.Host)))
		}
	}
	return w
}

func (t Text) change(c providers.Change, width int) {
	host := pad(line(c.Addr.Host), width)
	hang := strings.Repeat(" ", 4+width+3)
	if c.Action != providers.NoOp || len(c.Steps) > 0 {
		text := c.Line
		if text == "" {
			text = "to be " + pastTense(c.Action)
		}
		for _, l := range strings.Split(text, "\n") { // application and nginx may be on one machine
			t.printf("  %s %s   %s\n", t.sign(c.Action), host, line(l))
		}
	}
	if c.Problem != "" {
		t.printf("  %s %s   %s\n", t.paint(red, "!"), host, t.paint(red, indent(block(c.Problem), hang)))
	}
	for _, w := range c.Warnings {
		t.printf("    %s   %s\n", host, t.paint(yellow, "warning: "+indent(block(w), hang)))
	}
}

func (t Text) sign(action string) string {
	switch action {
	case providers.Create:
		return t.paint(green, "+")
	case providers.Update:
		return t.paint(yellow, "~")
	case providers.Delete:
		return t.paint(red, "-")
	}
	return " "
}

func pastTense(action string) string {
	switch action {
	case providers.Create:
		return "created"
	case providers.Update:
		return "changed"
	case providers.Delete:
		return "destroyed"
	}
	return "kept as it is"
}

// titles gives a step the title that people read: where several resources have a step of the same title on one machine, it
// says of which one.
func titles(p *planner.Plan) func(providers.Step) providers.Step {
	type place struct{ host, title string }
	owners, of := map[place]map[config.Ref]bool{}, map[providers.StepID]config.Ref{}
	for _, c := range p.Changes {
		for _, s := range c.Steps {
			at := place{s.Host, s.Title}
			if owners[at] == nil {
				owners[at] = map[config.Ref]bool{}
			}
			owners[at][c.Addr.Ref], of[s.ID] = true, c.Addr.Ref
		}
	}
	return func(s providers.Step) providers.Step {
		if ref, known := of[s.ID]; known && len(owners[place{s.Host, s.Title}]) > 1 {
			s.Title += " (" + ref.String() + ")"
		}
		return s
	}
}

// named are a plan's steps under these titles.
func named(p *planner.Plan) []providers.Step {
	steps, title := p.Steps(), titles(p)
	for i := range steps {
		steps[i] = title(steps[i])
	}
	return steps
}

// Rows have a number, a machine and a title in columns of the same width, then what the step waits for.
const (
	titleColumn = 50 // at least
	titleLimit  = 90 // a longer one does not push the others' notes away
)

func table(p *planner.Plan) []string {
	steps := named(p)
	number, first := numbers(p), firsts(steps)
	digits := max(2, len(strconv.Itoa(len(steps))))
	host, title := 0, titleColumn
	for _, s := range steps {
		host = max(host, measure(line(s.Host)))
		if w := measure(line(s.Title)) + 3; w <= titleLimit {
			title = max(title, w)
		}
	}
	rows := make([]string, len(steps))
	for i, s := range steps {
		name := line(s.Title)
		if measure(name) > title-3 {
			name += "   "
		}
		row := fmt.Sprintf("  %*d  %s  %s%s", digits, i+1, pad(line(s.Host), host), pad(name, title), strings.Join(notes(p, s, number, first), "   "))
		rows[i] = strings.TrimRight(row, " ")
	}
	return rows
}

func numbers(p *planner.Plan) map[providers.StepID]int {
	n := map[providers.StepID]int{}
	for i, id := range p.Order {
		n[id] = i + 1
	}
	return n
}

func notes(p *planner.Plan, s providers.Step, number map[providers.StepID]int, first map[string]providers.StepID) (out []string) {
	var after []int
	for _, w := range p.Wait[s.ID] {
		after = append(after, number[w])
	}
	slices.Sort(after)
	if len(after) > 0 {
		out = append(out, "after "+listed(after))
	}
	if s.Group != "" && first[s.Group] != s.ID {
		return end(out, s)
	}
	for _, g := range s.Gates {
		name := gateName(g)
		if s.Group == "" && isAdvisory(p, g) {
			name += " (advisory)"
		}
		out = append(out, name)
	}
	return end(out, s)
}

// firsts are, of the steps that are judged together, those that show the window, by group.
func firsts(steps []providers.Step) map[string]providers.StepID {
	out := map[string]providers.StepID{}
	for _, s := range steps {
		if _, known := out[s.Group]; !known && s.Group != "" {
			out[s.Group] = s.ID
		}
	}
	return out
}

// listed are numbers in ascending order; of many, those that follow each other are shown as 3–9.
func listed(n []int) string {
	const many = 20
	var out []string
	for i := 0; i < len(n); i++ {
		from := n[i]
		for len(n) > many && i+1 < len(n) && n[i+1] == n[i]+1 {
			i++
		}
		switch text := strconv.Itoa(n[i]); {
		case from == n[i]:
			out = append(out, text)
		default:
			out = append(out, strconv.Itoa(from)+"–"+text)
		}
	}
	return strings.Join(out, ", ")
}

func end(out []string, s providers.Step) []string {
	if s.Final {
		out = append(out, "final")
	}
	return out
}

// gateName: batch_window.settlement reads "window settlement".
func gateName(r config.Ref) string {
	kind := r.Kind[strings.LastIndexByte(r.Kind, '_')+1:]
	return line(kind + " " + r.Name)
}
