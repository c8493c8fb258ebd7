package planner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/shipctl/shipctl/providers/remote"
)

// FactsFormat is the format number of a file of facts.
const FactsFormat = 2

type factsFile struct {
	Format int          `json:"format"`
	Facts  remote.Facts `json:"facts"`
}

// SaveFacts writes what machines answered, for a plan without them.
func SaveFacts(w io.Writer, f remote.Facts) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(factsFile{FactsFormat, f})
}

// ReadFacts reads a file of facts. What is in it may be anything.
func ReadFacts(r io.Reader) (remote.Facts, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var f factsFile
	switch err := d.Decode(&f); {
	case err != nil:
		return nil, fmt.Errorf("not a file of facts: %w", err)
	case f.Format != FactsFormat:
		return nil, fmt.Errorf("the file of facts has format %d, this shipctl reads format %d: make it again (shipctl facts -out=FILE)", f.Format, FactsFormat)
	}
	if err := f.Facts.Check(); err != nil {
		return nil, fmt.Errorf("not a file of facts: %w", err)
	}
	return f.Facts, nil
}

// Offline answers from facts instead of from machines; what was not asked then is not known now. The controller is
// asked as ever.
func Offline(f remote.Facts, controller remote.Machine) Dial {
	return func(_ context.Context, host string) (remote.Machine, error) {
		if host == remote.Controller {
			return controller, nil
		}
		if f[host] == nil {
			return nil, fmt.Errorf("%s: the file of facts has nothing about this machine", host)
		}
		return snapshot{f}, nil
	}
}

type snapshot struct{ facts remote.Facts }

func (s snapshot) Ask(_ context.Context, qs []remote.Query) ([]remote.Answer, error) {
	out := make([]remote.Answer, len(qs))
	for i, q := range qs {
		out[i] = s.facts.Get(q)
	}
	return out, nil
}

func (s snapshot) Run(context.Context, remote.Ticket, remote.Call) ([]byte, error) {
	return nil, errors.New("a file of facts can't be changed: plan on the machines")
}

func (s snapshot) Close() error { return nil }
