package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
)

// Difference is one thing that is not as it should be.
type Difference struct {
	Addr    providers.Addr
	Text    string
	Ignored string // why it is accepted; "" where it is not
}

// Drift is what a look at the machines found, by its cause.
type Drift struct {
	Changed []Difference       // somebody changed a machine
	Pending []Difference       // of the configuration, not applied yet
	Orphans []planner.OrphanOn // the configuration has dropped it
	Held    []planner.HeldBack
	Unclear []string // of the records
	Expired []config.Ignore
	Missing []string // machines of which it is not known, in part or at all
	Nothing bool     // no record has anything that is deployed: there is nothing to compare with
	// Project, and that no machine has a record of it.
	Project    string
	Unrecorded bool
}

// Find fills in what was changed (the plan of what was recorded has something to do) and what is pending (the plan of the
// configuration has, where it is not what was recorded). spec is the configuration's spec of a resource, as it would be
// recorded. What a run left half way is nobody's change.
func (d *Drift) Find(was, now *planner.Plan, records planner.Records, failed map[string]error, spec map[config.Ref]string) {
	for _, host := range slices.Sorted(maps.Keys(records.Open)) {
		e := records.Open[host]
		d.Unclear = append(d.Unclear, fmt.Sprintf("%s: run %s (%s by %s, began %s) is under way, or was cut off: apply finishes what it left", host, e.Run, e.Command, e.Who, e.Began.UTC().Format(time.RFC3339)))
	}
	d.left(now, records)
	differs := func(a providers.Addr, text string) {
		if at, half := records.Attempt(a.Host, a.Ref); half {
			d.Unclear = append(d.Unclear, fmt.Sprintf("%s: %s (so left by run %s, or changed since)", a, text, at.Run))
			return
		}
		d.Changed = append(d.Changed, Difference{Addr: a, Text: text})
	}
	told := map[config.Ref]bool{}
	for _, c := range was.Changes {
		for _, text := range c.Drift {
			told[c.Addr.Ref] = true
			differs(c.Addr, text)
		}
	}
	for _, c := range was.Changes {
		switch {
		case failed[c.Addr.Host] != nil, told[c.Addr.Ref]:
		case c.Problem != "":
			differs(c.Addr, c.Problem)
		case c.Action != providers.NoOp || len(c.Steps) > 0:
			differs(c.Addr, c.Line)
		}
	}
	last := map[config.Ref]string{}
	for _, r := range was.Resources {
		last[r.Ref] = string(r.Spec)
	}
	for _, c := range now.Changes {
		asRecorded := last[c.Addr.Ref] != "" && last[c.Addr.Ref] == spec[c.Addr.Ref]
		if (c.Action != providers.NoOp || len(c.Steps) > 0) && !asRecorded {
			d.Pending = append(d.Pending, Difference{Addr: c.Addr, Text: c.Line})
		}
	}
}

// left names the runs that ended without having undone what they began, with what they were about.
func (d *Drift) left(now *planner.Plan, records planner.Records) {
	for _, c := range now.Changes {
		at, half := records.Attempt(c.Addr.Host, c.Addr.Ref)
		if open := records.Open[c.Addr.Host].Run; !half || at.Run == open {
			continue
		}
		text, to := "failed and was not undone", ""
		if at.Outcome == planner.Begun {
			text = "was cut off"
		}
		if at.Release != "" {
			to = " to release " + at.Release
		}
		d.Unclear = append(d.Unclear, fmt.Sprintf("%s: run %s (%s%s by %s, began %s) %s: apply goes on from there", c.Addr, at.Run, at.Command, to, at.Who, at.Began.UTC().Format(time.RFC3339), text))
	}
}

// Ignore marks what the configuration accepts. A rule whose day has passed counts no more, and is said.
func (d *Drift) Ignore(rules []config.Ignore, now time.Time) {
	for _, rule := range rules {
		if !rule.Until.IsZero() && !now.Before(rule.Until) {
			d.Expired = append(d.Expired, rule)
			continue
		}
		for i, x := range d.Changed {
			named := rule.Addr == x.Addr.String() || rule.Addr == x.Addr.Ref.String()
			if named && x.Ignored == "" && (rule.Match == nil || rule.Match.MatchString(x.Text)) {
				d.Changed[i].Ignored = rule.Reason
			}
		}
	}
}

// Any says that something differs that nobody has accepted.
func (d *Drift) Any() bool {
	accepted := func(x Difference) bool { return x.Ignored != "" }
	changed := slices.ContainsFunc(d.Changed, func(x Difference) bool { return !accepted(x) })
	return changed || len(d.Pending)+len(d.Orphans)+len(d.Unclear) > 0
}

func (d *Drift) notes() []string {
	out := Notes(&planner.Plan{Held: d.Held})
	if d.Unrecorded {
		out = append(out, fmt.Sprintf("No machine has a record of project %s: nothing was ever applied under this name, or everything was removed.", d.Project))
	}
	for _, r := range d.Expired {
		out = append(out, fmt.Sprintf("%s: the ignore_drift of %s ended with %s (its reason was: %s)", r.Range, r.Addr, r.Until.AddDate(0, 0, -1).Format(time.DateOnly), r.Reason))
	}
	return out
}

func orphaned(o planner.OrphanOn) string {
	if o.Why != "" {
		return fmt.Sprintf("put there by an earlier apply: %s", o.Why)
	}
	return "put there by an earlier apply, and the configuration has it no longer: plan -prune shows how it goes"
}

// Drift prints differences for people.
func (t Text) Drift(d Drift) {
	section := func(title string, rows []string) {
		if len(rows) == 0 {
			return
		}
		t.printf("\n  %s\n", t.paint(bold, title))
		for _, r := range rows {
			t.printf("  %s %s\n", t.paint(yellow, "~"), indent(block(r), "      "))
		}
	}
	rows := func(all []Difference) (out []string) {
		for _, x := range all {
			text := x.Addr.String() + ": " + x.Text
			if x.Ignored != "" {
				text += " (accepted: " + x.Ignored + ")"
			}
			out = append(out, text)
		}
		return out
	}
	section("Changed on the machines since the last apply", rows(d.Changed))
	section("Not clear from the records", d.Unclear)
	section("In the configuration, not applied yet", rows(d.Pending))
	var orphans []string
	for _, o := range d.Orphans {
		orphans = append(orphans, providers.Addr{Ref: o.Ref, Host: o.Host}.String()+": "+orphaned(o))
	}
	section("Not in the configuration any more", orphans)
	for _, n := range d.notes() {
		t.printf("\n  %s\n", t.paint(yellow, indent("Note: "+block(n), "    ")))
	}
	switch {
	case d.Any():
	case len(d.Missing) > 0:
		t.printf("\n%s\n", t.paint(bold, line("Nothing was found, but it is not known of "+strings.Join(d.Missing, ", ")+".")))
	case d.Nothing:
		t.printf("\n%s\n", t.paint(bold, "Nothing is deployed yet, as far as the machines' records say: there is nothing to compare with."))
	default:
		t.printf("\n%s\n", t.paint(bold+";"+green, "No drift. The machines are as the last apply left them, and that is what the configuration says."))
	}
}

// Drift implements View.
func (h Human) Drift(d Drift) { h.Out.Drift(d) }

// Drift implements View: Terraform's resource_drift for what was changed, planned_change for what is pending.
func (s Stream) Drift(d Drift) {
	for _, x := range d.Changed {
		s.emit("info", "resource_drift", x.Addr.String()+": "+x.Text, fields{"change": fields{
			"resource": resourceOf(x.Addr), "action": "update", "summary": line(x.Text), "accepted": x.Ignored,
		}})
	}
	for _, x := range d.Pending {
		s.emit("info", "planned_change", x.Addr.String()+": not applied yet", fields{"change": fields{
			"resource": resourceOf(x.Addr), "action": "update", "summary": line(x.Text),
		}})
	}
	for _, o := range d.Orphans {
		a := providers.Addr{Ref: o.Ref, Host: o.Host}
		s.emit("info", "orphan", a.String()+": "+orphaned(o), fields{"resource": resourceOf(a), "why": o.Why})
	}
	var diags hcl.Diagnostics
	for _, n := range append(d.notes(), d.Unclear...) {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: n})
	}
	s.Diagnostics(diags, nil)
	accepted := 0
	for _, x := range d.Changed {
		if x.Ignored != "" {
			accepted++
		}
	}
	s.emit("info", "drift_summary", fmt.Sprintf("Drift: %d changed on machines, %d not applied yet, %d not in the configuration.", len(d.Changed)-accepted, len(d.Pending), len(d.Orphans)), fields{
		"drift": fields{"changed": len(d.Changed) - accepted, "accepted": accepted, "pending": len(d.Pending), "orphans": len(d.Orphans), "unclear": len(d.Unclear), "missing": len(d.Missing)},
	})
}
