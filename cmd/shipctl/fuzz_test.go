package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shipctl/shipctl/cmd/view"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// FuzzConfiguration: whatever is written, all kinds' decoding ends in diagnostics that can be shown, and never in a panic.
func FuzzConfiguration(f *testing.F) {
	for _, pattern := range []string{"testdata/wrong/*.hcl", "testdata/full/main.hcl", "testdata/answers/main.hcl"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(pattern, err)
		}
		for _, name := range files {
			src, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "main.hcl"), src, 0o600); err != nil {
			t.Fatal(err)
		}
		o := (&cli{}).options(values{})
		o.Dir = dir
		p, diags := load(o)
		view.Text{Out: io.Discard}.Diagnostics(diags, p.config.Files)
	})
}

// asked are the questions of a configuration's resources, those of their gates too.
func asked(rs []providers.Resource) (out []remote.Query) {
	for _, r := range rs {
		out = append(out, r.Queries...)
		if r.Watch != nil {
			out = append(out, r.Watch(r.Places)...)
		}
	}
	for _, r := range rs {
		for _, q := range r.Queries {
			out = append(out, remote.Identity(q.Host), planner.RecordQuery(q.Host))
		}
	}
	return out
}

// answers are a real machine's (blue/green with a job on one machine, after its second deployment; systemd's timers of another
// one), by script, and the resources that ask.
func answers(t testing.TB) (rs []providers.Resource, real map[string]remote.Answer) {
	t.Helper()
	raw, err := os.ReadFile("testdata/answers/answers.json")
	if err != nil {
		t.Fatal(err)
	}
	var texts map[string]string
	if err := json.Unmarshal(raw, &texts); err != nil {
		t.Fatal(err)
	}
	o := (&cli{}).options(values{})
	o.Dir = "testdata/answers"
	p, diags := load(o)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	real = map[string]remote.Answer{}
	for script, text := range texts {
		real[script] = remote.Answer{Sight: remote.Seen, Text: text}
	}
	for _, q := range asked(p.resources) {
		if strings.HasPrefix(q.Script, "consent/") {
			real[q.Script] = remote.Answer{Sight: remote.Absent}
		}
	}
	return p.resources, real
}

// FuzzAnswers: a machine may answer anything to any question. Plans, status and gates come of it, or a problem, and no
// panic; what was planned can be saved, read again and shown.
func FuzzAnswers(f *testing.F) {
	rs, real := answers(f)
	seen, absent, denied := uint8(remote.Seen), uint8(remote.Absent), uint8(remote.Denied)
	f.Add("nothing", "", seen, "", "", seen) // all is as it was answered
	other := strings.NewReplacer("8082", "8081", "green", "blue")
	for script, a := range real {
		f.Add(script, "", absent, "release/look", "", absent)
		f.Add(script, a.Text+a.Text, seen, "service/look", "", denied)
		f.Add(script, other.Replace(a.Text), seen, "nginx/look", other.Replace(real["nginx/look"].Text), seen)
	}
	f.Fuzz(func(t *testing.T, one, text string, sight uint8, other, otherText string, otherSight uint8) {
		facts := remote.Facts{}
		for _, q := range asked(rs) {
			a := real[q.Script]
			switch q.Script {
			case one:
				a = remote.Answer{Sight: remote.Sight(sight % 5), Text: text, Why: text}
			case other:
				a = remote.Answer{Sight: remote.Sight(otherSight % 5), Text: otherText, Why: otherText}
			}
			facts.Put(q, a)
		}
		answered(t, rs, facts)
	})
}

func answered(t *testing.T, rs []providers.Resource, facts remote.Facts) {
	for _, r := range rs {
		if r.Status != nil {
			r.Status(facts)
		}
		if r.Record != nil {
			r.Record(facts)
		}
	}
	gone := make([]providers.Resource, len(rs))
	for i, r := range rs {
		gone[i] = r
		gone[i].Gone = true
	}
	for _, rs := range [][]providers.Resource{rs, gone} {
		p, err := planner.Build(rs, facts, nil)
		if err != nil {
			t.Fatalf("the plan has no order: %v", err)
		}
		p.Tool, p.Project = "0.1.0", "demo"
		view.Text{Out: io.Discard}.Plan(p, false)
		var file bytes.Buffer
		if err := p.Save(&file); err != nil {
			t.Fatal(err)
		}
		if _, err := planner.Read(&file); err != nil {
			t.Fatalf("a saved plan can't be read: %v", err)
		}
	}
}

// TestAnswers: the seeds of FuzzAnswers answer what is asked, and a plan without problems comes of them.
func TestAnswers(t *testing.T) {
	rs, real := answers(t)
	facts, scripts := remote.Facts{}, map[string]bool{}
	for _, q := range asked(rs) {
		scripts[q.Script] = true
		if real[q.Script].Sight == remote.NotAsked && q.Script != "batch_window/ask" { // of a slot, over HTTP
			t.Errorf("%s has no answer", q.Script)
		}
		facts.Put(q, real[q.Script])
	}
	for script := range real {
		if !scripts[script] {
			t.Errorf("nobody asks %s", script)
		}
	}
	p, err := planner.Build(rs, facts, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range p.Problems() {
		t.Errorf("%s: %s", c.Addr, c.Problem)
	}
	if len(p.Steps()) == 0 || len(p.Windows) != 1 {
		t.Errorf("%d steps, %d windows", len(p.Steps()), len(p.Windows))
	}
}
