package e2e

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// streamed is a line of -json.
type streamed struct {
	Type      string `json:"type"`
	Timestamp string `json:"@timestamp"`
	Message   string `json:"@message"`
	Step      struct {
		ID     string   `json:"id"`
		Number int      `json:"number"`
		Host   string   `json:"host"`
		Title  string   `json:"title"`
		After  []string `json:"after"`
		Undo   bool     `json:"undo"`
	} `json:"step"`
}

func event(line string) (e streamed) {
	_ = json.Unmarshal([]byte(line), &e)
	return e
}

// course is an apply as its output tells it: the steps that it planned, each with those that it comes after, and those
// that ended, in their order.
type course struct {
	planned map[string][]string
	alike   map[string]bool // planned several times under one name, as several services may
	done    []string        // as they should
	failed  []string        // in another way, undone included
}

// human reads what people read. Where the machines had changed, the plan was printed twice: the last one counts.
func human(out string) (c course) {
	c.planned, c.alike = map[string][]string{}, map[string]bool{}
	if i := strings.LastIndex(out, "\n  Steps\n"); i >= 0 {
		table, _, _ := strings.Cut(out[i:], "\nPlan: ")
		c.table(table)
	}
	for _, m := range regexp.MustCompile(`(?m)^(\S+) +(.+) … (done|failed|undone|interrupted|NOT UNDONE)\b`).FindAllStringSubmatch(out, -1) {
		if step := m[1] + " " + m[2]; m[3] == "done" {
			c.done = append(c.done, step)
		} else {
			c.failed = append(c.failed, step)
		}
	}
	return c
}

func (c *course) table(text string) {
	rows := regexp.MustCompile(`(?m)^ +(\d+)  (\S+) +(.+?)(?:   +after ([\d, ]+?))?(?:   .*)?$`).FindAllStringSubmatch(text, -1)
	name := map[string]string{}
	for _, r := range rows {
		name[r[1]] = r[2] + " " + r[3]
		if _, known := c.planned[name[r[1]]]; known {
			c.alike[name[r[1]]] = true
		}
		c.planned[name[r[1]]] = nil
		for _, n := range strings.FieldsFunc(r[4], func(r rune) bool { return r == ',' || r == ' ' }) {
			c.planned[name[r[1]]] = append(c.planned[name[r[1]]], name[n])
		}
	}
}

// stream reads what programs read.
func stream(out string) (c course) {
	for line := range strings.Lines(out) {
		switch e := event(line); e.Type {
		case "planned_step":
			if e.Step.Number == 1 {
				c.planned = map[string][]string{}
			}
			c.planned[e.Step.ID] = e.Step.After
		case "step_complete":
			if e.Step.Undo {
				c.failed = append(c.failed, e.Step.ID)
			} else {
				c.done = append(c.done, e.Step.ID)
			}
		case "step_errored":
			c.failed = append(c.failed, e.Step.ID)
		}
	}
	return c
}

// asPlanned: what an apply did is what its plan says: no other step, none twice, none before those that it comes after,
// and where all went well none left out. Every apply of a test comes here.
func (s *site) asPlanned(args []string, r result) {
	s.t.Helper()
	saves := func(arg string) bool { return strings.HasPrefix(arg, "-out=") }
	if len(args) == 0 || args[0] != "apply" && args[0] != "rollback" || slices.ContainsFunc(args, saves) {
		return
	}
	c := stream(r.out)
	if !slices.Contains(args, "-json") {
		c = human(r.out)
	}
	if file := args[len(args)-1]; len(c.planned) == 0 && len(args) > 1 && !strings.HasPrefix(file, "-") && !strings.Contains(file, "=") {
		show := exec.Command(shipctl, "show", file)
		show.Dir = s.dir
		if out, err := show.Output(); err == nil {
			c.planned = human(string(out)).planned
		}
	}
	for _, wrong := range c.wrong(r.code == 0) {
		s.t.Errorf("shipctl %s: %s", strings.Join(args, " "), wrong)
	}
}

func (c course) wrong(whole bool) (out []string) {
	for i, step := range c.done {
		after, planned := c.planned[step]
		if !planned {
			out = append(out, "ran "+step+", which was not planned")
		}
		if slices.Contains(c.done[:i], step) && !c.alike[step] {
			out = append(out, "ran "+step+" twice")
		}
		for _, a := range after {
			if !slices.Contains(c.done[:i], a) {
				out = append(out, "ran "+step+" before "+a)
			}
		}
	}
	for _, step := range c.failed {
		if _, planned := c.planned[step]; !planned {
			out = append(out, "began "+step+", which was not planned")
		}
	}
	for step := range c.planned {
		if whole && !slices.Contains(c.done, step) {
			out = append(out, "did not run "+step)
		}
	}
	return out
}
