package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

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
}

// how says what a plan is for, beyond the configuration.
type how struct {
	command        string // apply or rollback
	clearHold      bool
	whole          bool // all of the configuration: what it does not have is an orphan
	prune, destroy bool
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
	if err := known("take-over", a.takeOver, p.resources); err != nil {
		return nil, err
	}
	s, err := opening{p.config.Project, p.settings, p.config.Variables, a.consents(), c.log}.session()
	if err != nil {
		return nil, err
	}
	m := &made{session: s, machines: s.dial, wanted: rs, facts: a.known, how: how{
		command: "apply", clearHold: a.clearHold, whole: len(a.targets) == 0, prune: a.prune, destroy: a.destroy,
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
	facts, failed := planner.Ask(ctx, m.wanted, m.dial())
	if m.how.prune || m.how.destroy {
		m.everywhere(ctx, facts, failed)
	}
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
		orphans, gone = planner.Orphans(m.wanted, records, all.Kinds())
	}
	rs = m.removing(rs, gone)
	maps.Copy(failed, planner.AskMore(ctx, rs, facts, sparing(m.dial(), failed)))
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("asking the machines: %w", err)
	}
	p, err := planner.Build(rs, facts, m.session.scripts)
	if err != nil {
		return err
	}
	p.Command, p.Held, p.Orphans = m.how.command, held, orphans
	p.Unasked(failed)
	m.plan, m.failed, m.resources = p, failed, rs
	return nil
}

// everywhere asks the machines that no resource is on any more for their records.
func (m *made) everywhere(ctx context.Context, facts remote.Facts, failed map[string]error) {
	var hosts []string
	for h := range m.session.settings {
		if facts[h] == nil {
			hosts = append(hosts, h)
		}
	}
	more, unasked := planner.AskHosts(ctx, hosts, planner.RecordQuery, m.dial())
	maps.Copy(facts, more)
	maps.Copy(failed, unasked)
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
