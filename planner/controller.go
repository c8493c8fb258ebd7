package planner

import (
	"context"
	"errors"
	"slices"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// Consents are what the operator has agreed to on the command line, by name ("take-over", "pending-nginx"): addresses
// of resources. They are facts, so that a diff stays pure and a saved plan knows what was agreed to.
type Consents map[string][]string

// Controller is the machine that shipctl itself runs on: it answers the kinds' local queries and for the operator.
type Controller struct {
	Local    map[string]func([]string) remote.Answer
	Consents Consents
}

// NewController gathers the kinds' local queries.
func NewController(kinds []providers.Kind, consents Consents) Controller {
	local := map[string]func([]string) remote.Answer{}
	for _, k := range kinds {
		for name, f := range k.Local {
			local[name] = f
		}
	}
	return Controller{local, consents}
}

// Ask implements remote.Machine.
func (c Controller) Ask(_ context.Context, qs []remote.Query) ([]remote.Answer, error) {
	out := make([]remote.Answer, len(qs))
	for i, q := range qs {
		name, isConsent := cut(q.Script)
		switch f := c.Local[q.Script]; {
		case isConsent && len(q.Args) == 1:
			out[i] = remote.Answer{Sight: remote.Absent}
			if slices.Contains(c.Consents[name], q.Args[0]) {
				out[i].Sight = remote.Seen
			}
		case f != nil:
			out[i] = f(q.Args)
		default:
			out[i] = remote.Answer{Sight: remote.Unreachable, Why: "nobody answers " + q.Script}
		}
	}
	return out, nil
}

func cut(script string) (string, bool) {
	const prefix = "consent/"
	if len(script) <= len(prefix) || script[:len(prefix)] != prefix {
		return "", false
	}
	return script[len(prefix):], true
}

// Run implements remote.Machine: nothing is changed here.
func (c Controller) Run(context.Context, remote.Ticket, remote.Call) ([]byte, error) {
	return nil, errors.New("steps run on machines only")
}

// Close implements remote.Machine.
func (c Controller) Close() error { return nil }
