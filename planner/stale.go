package planner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
)

// Difference is one fact that a step rests on and that is no longer so.
type Difference struct {
	Host, Resource, Fact, Before, After string
}

func (d Difference) String() string {
	return fmt.Sprintf("%s: %s: %s: %s → %s", d.Host, d.Resource, d.Fact, d.Before, d.After)
}

// Stale compares a plan with one made now from the same specs. Changes that had and have no steps may differ: nothing
// rests on them.
func Stale(was, now *Plan) (out []Difference) {
	fresh, heldWas, heldNow := map[string]providers.Change{}, holds(was), holds(now)
	for _, c := range now.Changes {
		fresh[c.Addr.String()] = c
	}
	for _, w := range was.Changes {
		n := fresh[w.Addr.String()]
		w.Drift, n.Drift = nil, nil // what is said of the machine, and no step rests on
		delete(fresh, w.Addr.String())
		if len(w.Steps) == 0 && len(n.Steps) == 0 && w.Problem == n.Problem {
			continue
		}
		if bytes.Equal(providers.JSON(w), providers.JSON(n)) {
			continue
		}
		out = append(out, differences(w, n, heldWas[w.Addr.Ref], heldNow[w.Addr.Ref])...)
	}
	if len(out) == 0 {
		out = reordered(was, now)
	}
	for _, addr := range slices.Sorted(maps.Keys(fresh)) {
		c := fresh[addr]
		out = append(out, Difference{c.Addr.Host, c.Addr.Ref.String(), "resource", "(none)", c.Action})
	}
	return out
}

// reordered compares what the same steps wait for, and what they are undone with: nobody changes that by changing a machine.
func reordered(was, now *Plan) (out []Difference) {
	names := func(ids []providers.StepID) string { return fmt.Sprint(slices.Sorted(slices.Values(ids))) }
	for _, c := range was.Changes {
		for _, s := range c.Steps {
			d := Difference{Host: c.Addr.Host, Resource: c.Addr.Ref.String()}
			if w, n := was.Wait[s.ID], now.Wait[s.ID]; !slices.Equal(w, n) && names(w) != names(n) {
				d.Fact, d.Before, d.After = "what "+verb(s.ID)+" waits for", names(w), names(n)
			} else if was.Units[s.ID] != now.Units[s.ID] {
				d.Fact, d.Before, d.After = "what "+verb(s.ID)+" is undone with", was.Units[s.ID], now.Units[s.ID]
			} else {
				continue
			}
			out = append(out, d)
		}
	}
	return out
}

// holds are what is held in a plan, in words: a rollback since it was made is why a step is no longer there.
func holds(p *Plan) map[config.Ref]string {
	out := map[config.Ref]string{}
	for _, h := range p.Held {
		from := ""
		if h.Hold.From != "" && h.Hold.From != h.Hold.Release {
			from = " from " + h.Hold.From
		}
		text := fmt.Sprintf("at release %s, to which %s rolled it back%s at %s (plan and apply keep it there until -clear-hold)",
			h.Hold.Release, h.Hold.Who, from, h.Hold.Since.UTC().Format(time.RFC3339))
		out[h.Ref] = strings.Join(strings.Fields(text), " ") // a machine wrote it: it makes no lines
	}
	return out
}

func differences(w, n providers.Change, heldWas, heldNow string) (out []Difference) {
	add := func(fact, a, b string) {
		if a != b {
			out = append(out, Difference{w.Addr.Host, w.Addr.Ref.String(), fact, a, b})
		}
	}
	add("held", orNone(heldWas), orNone(heldNow))
	before, after := flat(w.Before), flat(n.Before)
	keys := maps.Clone(before)
	maps.Copy(keys, after)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		add(k, orNone(before[k]), orNone(after[k]))
	}
	add("problem", orNone(w.Problem), orNone(n.Problem))
	for _, s := range w.Steps {
		i := slices.IndexFunc(n.Steps, func(x providers.Step) bool { return x.ID == s.ID })
		if i >= 0 && s.Do.File == n.Steps[i].Do.File {
			add("content of "+s.Do.File, short(s.Do.FileSHA256), short(n.Steps[i].Do.FileSHA256))
		}
	}
	if len(out) == 0 {
		add("steps", titles(w), titles(n))
	}
	if len(out) == 0 {
		add("steps", "as planned", "the same titles, with other contents")
	}
	return out
}

// short is a digest as people compare it.
func short(digest string) string { return digest[:min(12, len(digest))] }

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

func titles(c providers.Change) string {
	var t []string
	for _, s := range c.Steps {
		t = append(t, s.Title)
	}
	return "[" + strings.Join(t, "; ") + "]"
}

// flat turns a JSON object into dotted keys and printed values.
func flat(raw json.RawMessage) map[string]string {
	var v any
	out := map[string]string{}
	if json.Unmarshal(raw, &v) == nil {
		flatten("", v, out)
	}
	return out
}

func flatten(prefix string, v any, out map[string]string) {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			flatten(strings.TrimPrefix(prefix+"."+k, "."), e, out)
		}
	case []any:
		out[prefix] = string(providers.JSON(x))
	case nil:
	default:
		out[prefix] = fmt.Sprint(x)
	}
}
