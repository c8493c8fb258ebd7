package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/all"
	"github.com/shipctl/shipctl/providers/remote"
)

// made is a plan, what could not be asked for it, and the session that asked.
type made struct {
	plan     *planner.Plan
	failed   map[string]error
	session  *session
	machines planner.Dial // the session's
	// wanted are the configuration's, or a saved plan's, resources; resources is what was planned: what is held, and what
	// is to be removed, has its record's spec there.
	wanted, resources []providers.Resource
	how               how
	unclear           bool          // whether a saved plan was applied before, which was said
	now               *planner.Plan // of the last look, after plan was made
	facts             remote.Facts  // instead of the machines' own; nil: they are asked
	// spare is what the machines said that nothing is planned on, and that the plan does not carry.
	spare remote.Facts
}

// how says what a plan is for, beyond the configuration.
type how struct {
	command        string // apply or rollback
	clearHold      bool
	whole          bool // all of the configuration: what it does not have is an orphan
	prune, destroy bool
	look           bool // it is only asked what a plan would ask: none is made
}

func (c *cli) make(ctx context.Context, a planning) (*made, error) {
	o := c.options(a.values)
	p, diags := load(o)
	if a.secretless {
		var unset []string
		diags, unset = p.secretless(diags, anyBlock)
		c.cantHide(unset)
	}
	if err := c.check(diags, p.config.Files); err != nil {
		return nil, err
	}
	rs, err := planner.Select(p.resources, a.targets)
	if err != nil {
		return nil, err
	}
	if a.takeOver, err = replacing(a.takeOver, p.resources); err != nil {
		return nil, err
	}
	s, err := opening{p.config.Project, p.settings, p.config.Variables, a.consents(), c.log}.session()
	if err != nil {
		return nil, err
	}
	m := &made{session: s, machines: s.dial, wanted: rs, facts: a.known, how: how{
		command: "apply", clearHold: a.clearHold, whole: len(a.targets) == 0, prune: a.prune, destroy: a.destroy, look: a.look,
	}}
	if err := m.ask(ctx); err != nil {
		s.close()
		return nil, err
	}
	return m, c.header(m.plan, o, p, a)
}

func (m *made) dial() planner.Dial {
	if m.facts != nil {
		return planner.Offline(m.facts, m.session.controller)
	}
	return m.machines
}

// ask asks the machines and plans. They are asked once more only where something is held, or to be removed.
func (m *made) ask(ctx context.Context) error {
	spare := m.spares()
	facts, failed := planner.Ask(ctx, m.wanted, m.dial(), spare...)
	dial := sparing(m.dial(), failed)
	left, unseen := m.apart(spare, facts, failed)
	records := planner.ReadRecords(facts)
	rs, held, err := m.wanted, []planner.HeldBack(nil), error(nil)
	if m.how.command == "apply" && !m.how.clearHold && !m.how.destroy {
		if rs, held, err = planner.Holding(m.wanted, records); err != nil {
			return err
		}
		rs = records.Unheard(rs, failed)
	}
	var orphans []planner.OrphanOn
	var gone []providers.Resource
	if m.how.whole {
		everywhere := maps.Clone(facts)
		maps.Copy(everywhere, left)
		orphans, gone = planner.Orphans(m.wanted, planner.ReadRecords(everywhere), all.Kinds())
	}
	rs = m.removing(rs, gone)
	for _, r := range rs {
		for _, h := range planner.Hosts(r) {
			if left[h] != nil { // something there is to go
				facts[h] = left[h]
				delete(left, h)
			}
		}
	}
	maps.Copy(failed, planner.AskMore(ctx, rs, facts, dial))
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("asking the machines: %w", err)
	}
	p, err := planner.Build(rs, facts, m.session.scripts)
	if err != nil {
		return err
	}
	p.Command, p.Held, p.Orphans, p.Unseen = m.how.command, held, orphans, unseen
	p.Unasked(failed)
	m.plan, m.failed, m.resources, m.spare = p, failed, rs, left
	return nil
}

// spares are the machines that no resource is on (any more), where all of the configuration is planned: what an earlier apply
// left there is an orphan.
func (m *made) spares() (out []string) {
	if !m.how.whole {
		return nil
	}
	for h := range m.session.settings {
		if !slices.ContainsFunc(m.wanted, func(r providers.Resource) bool { return slices.Contains(planner.Hosts(r), h) }) {
			out = append(out, h)
		}
	}
	slices.Sort(out)
	return out
}

// apart takes the spare machines' answers out of the facts: nothing rests on them, and no lease is taken there. One that did
// not say what is left on it is no reason not to plan for the others, as long as nothing is to be removed.
func (m *made) apart(spare []string, facts remote.Facts, failed map[string]error) (left remote.Facts, unseen []planner.UnseenOn) {
	left = remote.Facts{}
	again := planner.Again(spare, facts)
	for _, h := range spare {
		if !slices.Contains(again, h) {
			left[h] = facts[h]
		}
		delete(facts, h)
	}
	unread := planner.ReadRecords(left).Unread
	for _, h := range spare {
		switch why, err := unread[h], failed[h]; {
		case err != nil && (m.how.prune || m.how.destroy) && !m.how.look:
		case err != nil:
			unseen = append(unseen, planner.UnseenOn{Host: h, Why: strings.TrimPrefix(err.Error(), h+": ")})
			delete(failed, h)
			delete(left, h)
		case why != "":
			unseen = append(unseen, planner.UnseenOn{Host: h, Why: why})
		}
	}
	return left, unseen
}

// sparing dials no machine again that could not be asked: what it has written down is not known, so that what others say
// of it must not be tried on it.
func sparing(dial planner.Dial, failed map[string]error) planner.Dial {
	failed = maps.Clone(failed)
	return func(ctx context.Context, host string) (remote.Machine, error) {
		if err := failed[host]; err != nil && host != remote.Controller {
			return nil, err
		}
		return dial(ctx, host)
	}
}

// removing marks what is to go: with -prune orphans, with -destroy everything. What was there is in the records.
func (m *made) removing(rs, orphans []providers.Resource) []providers.Resource {
	out := slices.Clone(rs)
	if m.how.destroy {
		for i := range out {
			if out[i].Judge == nil {
				out[i].Gone = true
			}
		}
	}
	if m.how.prune {
		out = append(out, orphans...)
	}
	return out
}
