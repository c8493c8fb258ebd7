package view

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/planner"
)

// View is what a command shows on its way. Human and Stream are views.
type View interface {
	PlanView
	Drift(Drift)
}

// PlanView shows a plan and what becomes of it.
type PlanView interface {
	Plan(*planner.Plan)
	Diagnostics(hcl.Diagnostics, map[string]*hcl.File)
	Apply(*planner.Plan) Progress // begins to follow
}

// Human is the view for people: results to Out, what went wrong to Err.
type Human struct {
	Out, Err Text
	Compact  bool // no steps in a plan
	Terminal bool // Out is one that can move its cursor
	Environ  []string
}

// Plan implements View.
func (h Human) Plan(p *planner.Plan) { h.Out.Plan(p, h.Compact) }

// Diagnostics implements View.
func (h Human) Diagnostics(d hcl.Diagnostics, files map[string]*hcl.File) {
	h.Err.Diagnostics(d, files)
}

// Apply implements View.
func (h Human) Apply(p *planner.Plan) Progress {
	h.Out.Say("")
	if h.Terminal && len(p.Order) > 0 {
		return Live(h, p)
	}
	return Plain(h, p)
}
