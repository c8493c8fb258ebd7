package batch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shipctl/shipctl/providers/batch/model"
	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// TestModelConforms holds the model to the scripts: the same sequences give the same.
func TestModelConforms(t *testing.T) {
	ops := rapid.SliceOfN(rapid.SampledFrom([]string{
		"write now 0", "write later 0", "write now 1", "write later 1", "write later 2", "write later 3", "remove", "again", "undo", "undo", "plan 0", "plan 3",
		"edit", "stranger", "gone", "current 1", "current 2", "tidy",
	}), 16, 20)
	for seed := range 9 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, remotetest.Shells(t)[seed%3])
			specs := []Spec{b.spec(sh("a", "echo one")), b.spec(sh("a", "echo two"), sh("b", "echo b")), b.spec(sh("b", "echo c")), b.spec(sh("a", "echo three"))}
			m := model.New()
			m.Current = func(string) string {
				to, err := os.Readlink(filepath.Join(b.root, "current"))
				if err != nil {
					return ""
				}
				return filepath.Base(to)
			}
			b.release("2")
			history := []string{}
			p := &planned{specs: specs}
			for i, op := range ops.Example(seed) {
				history = append(history, op)
				realErr, modelErr := b.both(m, p, fmt.Sprint("run-", i), op)
				if (realErr == nil) != (modelErr == nil) {
					t.Fatalf("after %s\nreal  %v\nmodel %v", strings.Join(history, ", "), realErr, modelErr)
				}
				a := remotetest.Query(t, b.m, scriptFiles, b.root)
				text, status := m.Ask(scriptFiles, []string{b.root})
				if (a.Sight == remote.Absent) != (status == 44) || a.Text != text {
					t.Fatalf("after %s\nreal  %s %s\n%s\nmodel %d\n%s", strings.Join(history, ", "), a.Sight, a.Why, a.Text, status, text)
				}
			}
		})
	}
}

// planned is the step that was planned last, with its undoing.
type planned struct {
	specs    []Spec
	run      string
	do, undo remote.Call
}

// plan is what a diff gives when it sees what is there now.
func (p *planned) plan(m *model.Model, root, run, when string, jobs []Job, remove []string) {
	text, _ := m.Ask(scriptFiles, []string{root})
	sha := func(name string) string {
		for _, line := range strings.Split(text, "\n") {
			if f := strings.Fields(line); len(f) == 5 && f[1] == name {
				return f[2]
			}
		}
		return "-"
	}
	p.run, p.do = run, p.specs[0].call(when, jobs, remove)
	p.undo = remote.Call{Script: scriptUnwrite, Args: []string{root}}
	for _, j := range jobs {
		p.undo.Args = append(p.undo.Args, j.Name, digest(p.specs[0].text(j)), sha(j.Name))
	}
	for _, name := range remove {
		p.undo.Args = append(p.undo.Args, name, "-", sha(name))
	}
}

// both does the same on the machine and in the model.
func (b *bench) both(m *model.Model, p *planned, run, op string) (realErr, modelErr error) {
	b.t.Helper()
	f := strings.Fields(op)
	step := func(c remote.Call) (error, error) {
		if p.run == "" {
			return nil, nil // nothing was planned yet
		}
		input := ""
		for _, part := range c.Stdin {
			input += part.Text
		}
		_, realErr := b.m.Run(b.t.Context(), remote.Ticket{Run: p.run, Step: "launchers", Deadline: time.Now().Add(time.Minute)}, c)
		_, modelErr := m.Run(c.Script, c.Args, p.run+" launchers", input)
		return realErr, modelErr
	}
	file := filepath.Join(b.root, "jobs", "a")
	byHand := func(text string) {
		if _, status := m.Ask(scriptFiles, []string{b.root}); status != 0 {
			return // no directory yet
		}
		m.File(b.root, "a", text)
		err := os.Remove(file)
		if text != "" {
			err = os.WriteFile(file, []byte(text), 0o755)
		}
		if err != nil && !os.IsNotExist(err) {
			b.t.Fatal(err)
		}
	}
	switch f[0] {
	case "write":
		p.plan(m, b.root, run, f[1], p.specs[f[2][0]-'0'].Jobs, nil)
		return step(p.do)
	case "remove":
		p.plan(m, b.root, run, "later", nil, []string{"a"})
		return step(p.do)
	case "plan": // and the step never begins
		p.plan(m, b.root, run, "later", p.specs[f[1][0]-'0'].Jobs, nil)
	case "tidy":
		p.run, p.do = run, remote.Call{Script: scriptTidy, Args: []string{b.root, "a", "b"}}
		p.undo = remote.Call{Script: scriptUnwrite, Args: []string{b.root}}
		return step(p.do)
	case "again":
		return step(p.do)
	case "undo":
		return step(p.undo)
	case "edit":
		byHand(p.specs[0].text(p.specs[0].Jobs[0]) + "# edited\n")
	case "stranger":
		byHand("#!/bin/sh\necho mine\n")
	case "gone":
		byHand("")
	case "current":
		b.current(f[1])
	}
	return nil, nil
}
