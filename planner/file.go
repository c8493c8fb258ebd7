package planner

import (
	"bytes"
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

// Read loads a saved plan. It refuses another format and unknown fields: an older binary must not drop what a newer
// one meant.
func Read(r io.Reader) (*Plan, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var head struct {
		Format int    `json:"format"`
		Tool   string `json:"tool"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, fmt.Errorf("not a plan file: %w", err)
	}
	if head.Format != Format {
		return nil, fmt.Errorf("the plan file has format %d (made by shipctl %q), this shipctl reads format %d: plan again", head.Format, head.Tool, Format)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	p := &Plan{}
	if err := d.Decode(p); err != nil {
		return nil, fmt.Errorf("not a plan file of this shipctl: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not a plan file: something follows the plan")
	}
	return p, p.check()
}

// check refuses what no planner writes: a step that is missing, a wait for what is not there.
func (p *Plan) check() error {
	known := map[string]bool{}
	for _, c := range p.Changes {
		for _, s := range c.Steps {
			known[string(s.ID)] = true
		}
	}
	if len(known) != len(p.Order) {
		return fmt.Errorf("not a plan file: %d steps, of which %d are in order", len(known), len(p.Order))
	}
	for _, id := range p.Order {
		if !known[string(id)] {
			return fmt.Errorf("not a plan file: step %q is nowhere", id)
		}
		delete(known, string(id))
		for _, w := range p.Wait[id] {
			if known[string(w)] {
				return fmt.Errorf("not a plan file: %q comes before what it waits for", id)
			}
		}
	}
	return nil
}
