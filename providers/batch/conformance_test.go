package batch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/shipctl/shipctl/providers/batch/model"
	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// TestModelConforms holds the model to the scripts: the same sequences give the same.
func TestModelConforms(t *testing.T) {
	ops := rapid.SliceOfN(rapid.SampledFrom([]string{
		"write now 0", "write later 0", "write now 1", "write later 1", "write later 2", "remove", "undo 0 1", "undo 1 0", "undo 0 -", "undo - 1",
		"edit", "stranger", "gone", "current 1", "current 2",
	}), 12, 16)
	for seed := range 6 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, remotetest.Shells(t)[seed%3])
			specs := []Spec{b.spec(sh("a", "echo one")), b.spec(sh("a", "echo two"), sh("b", "echo b")), b.spec(sh("b", "echo c"))}
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
			for _, op := range ops.Example(seed) {
				history = append(history, op)
				realErr, modelErr := b.both(m, specs, op)
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

// both does the same on the machine and in the model.
func (b *bench) both(m *model.Model, specs []Spec, op string) (realErr, modelErr error) {
	b.t.Helper()
	f := strings.Fields(op)
	run := func(c remote.Call) (error, error) {
		input := ""
		for _, p := range c.Stdin {
			input += p.Text
		}
		_, realErr := remotetest.Step(b.t, b.m, c)
		_, modelErr := m.Run(c.Script, c.Args, "run-1 "+c.Script, input)
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
		s := specs[f[2][0]-'0']
		return run(s.call(f[1], s.Jobs, nil))
	case "remove":
		return run(specs[0].call("later", nil, []string{"a"}))
	case "undo":
		of := func(s string) string {
			if s == "-" {
				return s
			}
			return digest(specs[s[0]-'0'].text(specs[s[0]-'0'].Jobs[0]))
		}
		// What a plan would say: it knows what was there.
		if text, _ := m.Ask(scriptFiles, []string{b.root}); of(f[1]) != "-" && !strings.Contains(text, of(f[1])) || !m.Undoable(b.root, "a", of(f[2])) {
			return nil, nil
		}
		return run(remote.Call{Script: scriptUnwrite, Args: []string{b.root, "a", of(f[1]), of(f[2])}})
	case "edit":
		byHand(specs[0].text(specs[0].Jobs[0]) + "# edited\n")
	case "stranger":
		byHand("#!/bin/sh\necho mine\n")
	case "gone":
		byHand("")
	case "current":
		b.current(f[1])
	}
	return nil, nil
}
