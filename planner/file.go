package planner

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Save writes the plan as one JSON document.
func (p *Plan) Save(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(p)
}

// ErrNotPlan says that a file is something else than a plan file, or only a part of one.
var ErrNotPlan = errors.New("not a plan file of shipctl")

func notPlan(why string, args ...any) error {
	return fmt.Errorf("%w (%s)", ErrNotPlan, fmt.Sprintf(why, args...))
}

// Read loads a saved plan. It refuses another format and unknown fields: an older binary must not drop what a newer
// one meant.
func Read(r io.Reader) (*Plan, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	tool, err := readHead(raw)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	p := &Plan{}
	if err := d.Decode(p); err != nil {
		return nil, fmt.Errorf("not a plan that this shipctl can read: it was made by shipctl %s (%w): plan again", tool, err)
	}
	if p.Project == "" {
		return nil, notPlan("it names no project")
	}
	sum := sha256.Sum256(raw)
	p.Digest = hex.EncodeToString(sum[:])
	return p, p.check()
}

// readHead tells what is no plan file, in words, from one of another format.
func readHead(raw []byte) (tool string, err error) {
	var head struct {
		Format   int             `json:"format"`
		Tool     string          `json:"tool"`
		Document json.RawMessage `json:"format_version"`
	}
	text := bytes.TrimSpace(raw)
	err = json.Unmarshal(text, &head)
	var syntax *json.SyntaxError
	switch {
	case len(text) == 0:
		return "", notPlan("it is empty")
	case text[0] != '{':
		return "", notPlan("it is no JSON document")
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(text)):
		return "", notPlan("it ends in the middle: it was not written or copied to its end")
	case errors.As(err, &syntax):
		return "", notPlan("it is damaged: %s, at byte %d", err, syntax.Offset)
	case head.Document != nil:
		return "", notPlan("it is what \"show -json\" prints, which is for other programs")
	case err != nil || head.Format == 0 || head.Tool == "":
		return "", notPlan("it is a JSON document of something else")
	case head.Format != Format:
		return "", fmt.Errorf("the plan file has format %d (made by shipctl %q), this shipctl reads format %d: plan again", head.Format, head.Tool, Format)
	}
	return head.Tool, nil
}

// check refuses what no planner writes: a step that is missing, a wait for what is not there, an answer that is none.
func (p *Plan) check() error {
	if err := p.Facts.Check(); err != nil {
		return notPlan("%s", err)
	}
	known := map[string]bool{}
	for _, c := range p.Changes {
		for _, s := range c.Steps {
			known[string(s.ID)] = true
		}
	}
	if len(known) != len(p.Order) {
		return notPlan("%d steps, of which %d are in order", len(known), len(p.Order))
	}
	for _, id := range p.Order {
		if !known[string(id)] {
			return notPlan("step %q is nowhere", id)
		}
		delete(known, string(id))
		for _, w := range p.Wait[id] {
			if known[string(w)] {
				return notPlan("%q comes before what it waits for", id)
			}
		}
	}
	return nil
}
