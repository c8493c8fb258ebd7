package planner

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// fixed is a resource that always gives the same changes.
func fixed(kind, name string, needs []config.Ref, cs ...providers.Change) providers.Resource {
	ref := config.Ref{Kind: kind, Name: name}
	for i := range cs {
		cs[i].Addr.Ref = ref
	}
	return providers.Resource{Ref: ref, Needs: needs, Spec: providers.JSON(map[string]string{"name": name}), Diff: func(remote.Facts) []providers.Change { return cs }}
}

func change(host string, steps ...providers.Step) providers.Change {
	return providers.Change{Addr: providers.Addr{Host: host}, Action: providers.Update, Before: providers.JSON(nil), After: providers.JSON(nil), Steps: steps}
}

func step(id string, after ...string) providers.Step {
	s := providers.Step{ID: providers.StepID(id), Host: "h", Title: id}
	for _, a := range after {
		s.After = append(s.After, providers.StepID(a))
	}
	return s
}

func ids(p *Plan) string {
	var out []string
	for _, id := range p.Order {
		out = append(out, string(id))
	}
	return strings.Join(out, " ")
}

func TestApart(t *testing.T) {
	ref := func(name string) config.Ref { return config.Ref{Kind: "release", Name: name} }
	needs := map[string][]config.Ref{"shop": {ref("jar")}, "second": {ref("jar")}, "other": {ref("base")}}
	p := &Plan{}
	for _, name := range []string{"jar", "base", "shop", "second", "other", "idle"} {
		p.Resources = append(p.Resources, Resource{Ref: ref(name), Needs: needs[name]})
		c := providers.Change{Addr: providers.Addr{Ref: ref(name), Host: "app-1"}}
		if name != "idle" && name != "other" {
			c.Steps = []providers.Step{{ID: c.Addr.Step("x")}}
		}
		p.Changes = append(p.Changes, c)
	}
	p.Changes[2].Problem = "no address: dial: refused" // of shop: jar is its, and second's
	if got := p.Apart(); !slices.Equal(got, []config.Ref{ref("other")}) {
		t.Errorf("%v", got)
	}
	p.Unasked(map[string]error{"app-2": errors.New("dial: refused")})
	if p.Changes[2].Problem == Unasked {
		t.Error("another machine was not asked")
	}
	if p.Unasked(map[string]error{"app-1": errors.New("dial: refused")}); p.Changes[2].Problem != Unasked || p.Changes[0].Problem != "" {
		t.Errorf("%q, %q", p.Changes[2].Problem, p.Changes[0].Problem)
	}
}

func TestOrder(t *testing.T) {
	before := step("c")
	before.Before = []providers.StepID{"b"}
	for _, c := range []struct {
		name  string
		steps []providers.Step
		order string
		wait  map[string]string
		err   string
	}{
		{name: "as given where nothing waits", steps: []providers.Step{step("b"), step("a")}, order: "b a"},
		{name: "after", steps: []providers.Step{step("b", "a"), step("a")}, order: "a b", wait: map[string]string{"b": "a"}},
		{name: "before", steps: []providers.Step{step("b"), before}, order: "c b", wait: map[string]string{"b": "c"}},
		{name: "implied waits are left out", steps: []providers.Step{step("a"), step("b", "a"), step("c", "a", "b")}, order: "a b c", wait: map[string]string{"c": "b"}},
		{name: "shared verbs may dangle", steps: []providers.Step{step("b", `release.x["h"]/publish`)}, order: "b"},
		{name: "others may not", steps: []providers.Step{step("b", `release.x["h"]/upload`)}, err: "which is not in the plan"},
		{name: "a cycle is named", steps: []providers.Step{step("a", "b"), step("b", "a")}, err: "wait for each other: a ← b ← a"},
		{name: "twice", steps: []providers.Step{step("a"), step("a")}, err: "two steps are called a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Build([]providers.Resource{fixed("k", "x", nil, change("h", c.steps...))}, nil, nil)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := ids(p); got != c.order {
				t.Errorf("order %q, want %q", got, c.order)
			}
			for id, want := range c.wait {
				if got := fmt.Sprint(p.Wait[providers.StepID(id)]); got != "["+want+"]" {
					t.Errorf("%s waits for %s, want %s", id, got, want)
				}
			}
		})
	}
}

// TestOrderProperty: whatever waits for whatever, each step comes after all that it waits for, and leaving out implied
// waits changes nothing about what comes before what.
func TestOrderProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "steps")
		steps := make([]providers.Step, n)
		for i := range steps {
			steps[i] = step(fmt.Sprintf("s%d", i))
			for _, j := range rapid.SliceOfDistinct(rapid.IntRange(0, n-1), rapid.ID[int]).Draw(t, "after") {
				if j < i {
					steps[i].After = append(steps[i].After, providers.StepID(fmt.Sprintf("s%d", j)))
				}
			}
		}
		shuffled := rapid.Permutation(steps).Draw(t, "given")
		out, wait, err := order(shuffled)
		if err != nil {
			t.Fatal(err)
		}
		if len(out) != n {
			t.Fatalf("%d of %d steps", len(out), n)
		}
		reach := map[providers.StepID]map[providers.StepID]bool{}
		for i, id := range out {
			reach[id] = map[providers.StepID]bool{}
			for _, w := range wait[id] {
				if !slices.Contains(out[:i], w) {
					t.Fatalf("%s comes before %s", id, w)
				}
				reach[id][w] = true
				for b := range reach[w] {
					reach[id][b] = true
				}
			}
		}
		for _, s := range steps {
			for _, a := range s.After {
				if !reach[s.ID][a] {
					t.Fatalf("%s no longer comes after %s", s.ID, a)
				}
			}
		}
	})
}

func TestUnits(t *testing.T) {
	a, b, c := config.Ref{Kind: "k", Name: "a"}, config.Ref{Kind: "k", Name: "b"}, config.Ref{Kind: "k", Name: "c"}
	p, err := Build([]providers.Resource{
		fixed("k", "a", nil, change("h", step("a"))), fixed("k", "b", []config.Ref{a}, change("h", step("b"))), fixed("k", "c", nil, change("h", step("c"))),
	}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.Units["a"] != p.Units["b"] || p.Units["a"] == p.Units["c"] {
		t.Errorf("units %v; %v and %v are one, %v is another", p.Units, a, b, c)
	}
}

func TestSelect(t *testing.T) {
	a := config.Ref{Kind: "release", Name: "a"}
	shared := config.Ref{Kind: "release", Name: "shared"}
	window := fixed("batch_window", "w", []config.Ref{{Kind: "service", Name: "b"}})
	window.Judge = func(providers.Case) providers.Verdict { return providers.Verdict{} }
	rs := []providers.Resource{
		fixed("release", "a", nil), fixed("service", "a", []config.Ref{a}), fixed("service", "b", nil), window, fixed("release", "alone", nil),
		fixed("release", "shared", nil), fixed("service", "c", []config.Ref{shared}), fixed("service", "d", []config.Ref{shared}),
		fixed("release", `x["jp"]`, nil), fixed("release", `x["kr"]`, nil),
	}
	for _, c := range []struct{ targets, want, err string }{
		{"", `release.a service.a service.b batch_window.w release.alone release.shared service.c service.d release.x["jp"] release.x["kr"]`, ""},
		{"release.x", `release.x["jp"] release.x["kr"]`, ""},
		{`release.x["kr"]`, `release.x["kr"]`, ""},
		{`release.x["kr"]["a"]`, "", `-target=release.x["kr"]["a"] names a part of release.x["kr"]: a resource is planned as a whole; use -target=release.x["kr"]`},
		{`release.x["us"]`, "", `-target=release.x["us"]: there is no such resource`},
		{"service.a", "release.a service.a", ""},
		{"service.b", "service.b", ""},
		{"release.alone", "release.alone", ""},
		{"release.a", "", "-target=release.a is half of service.a, which uses it: use -target=service.a"},
		{"release.a service.a", "release.a service.a", ""},
		{"service.c", "release.shared service.c", ""},
		{"release.shared service.c", "", "-target=release.shared is half of service.d, which uses it: use -target=service.d"},
		{"release.shared", "", "-target=release.shared is half of service.c, service.d, which uses it: use -target=service.c -target=service.d"},
		{`service.a["app-1"]`, "", "a resource is planned as a whole; use -target=service.a"},
		{"service.z", "", "there is no such resource; the configuration has release.a, service.a, service.b, batch_window.w"},
	} {
		var targets []string
		if c.targets != "" {
			targets = strings.Fields(c.targets)
		}
		got, err := Select(rs, targets)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v, want %q", c.targets, err, c.err)
			}
			continue
		}
		var names []string
		for _, r := range got {
			names = append(names, r.Ref.String())
		}
		if err != nil || strings.Join(names, " ") != c.want {
			t.Errorf("%s: %v, %v; want %s", c.targets, names, err, c.want)
		}
	}
}

func TestStale(t *testing.T) {
	build := func(pid int, action string, steps ...providers.Step) *Plan {
		c := change("app-1", steps...)
		c.Action, c.Before = action, providers.JSON(map[string]any{"slots": map[string]any{"blue": map[string]any{"pid": pid}}})
		p, err := Build([]providers.Resource{fixed("service", "x", nil, c)}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	s := step("a")
	other := s
	other.Do.Args = []string{"other"}
	b := step("b", "a")
	without, apart := build(1, providers.Update, s, b), build(1, providers.Update, s, b)
	delete(without.Wait, "b")
	apart.Units["b"] = "service.y"
	held := func(release string, p *Plan) *Plan {
		h := Hold{Release: release, From: "2", Who: "me@here", Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
		p.Held = []HeldBack{{config.Ref{Kind: "service", Name: "x"}, h}, {config.Ref{Kind: "service", Name: "y"}, h}}
		return p
	}
	const holding = ", to which me@here rolled it back from 2 at 2026-01-02T03:04:05Z (plan and apply keep it there until -clear-hold)"
	for _, c := range []struct {
		name     string
		was, now *Plan
		want     string
	}{
		{"the same", build(1, providers.Update, s), build(1, providers.Update, s), ""},
		{"a fact", build(1, providers.Update, s), build(2, providers.Update, s), "app-1: service.x: slots.blue.pid: 1 → 2"},
		{"nothing rests on it", build(1, providers.NoOp), build(2, providers.NoOp), ""},
		{"a step more", build(1, providers.Update, s), build(1, providers.Update, s, step("b")), "app-1: service.x: steps: [a] → [a; b]"},
		{"another argument", build(1, providers.Update, s), build(1, providers.Update, other), "app-1: service.x: steps: as planned → the same titles, with other contents"},
		{"waits for nothing", without, build(1, providers.Update, s, b), "app-1: service.x: what b waits for: [] → [a]"},
		{"held since", build(1, providers.Update, s), held("1", build(1, providers.NoOp)), "app-1: service.x: held: (none) → at release 1" + holding},
		{"held elsewhere", held("1", build(1, providers.Update, s)), held("0", build(1, providers.Update, other)), "app-1: service.x: held: at release 1" + holding + " → at release 0" + holding},
		{"held no longer", held("1", build(1, providers.Update, s)), build(2, providers.Update, s), "app-1: service.x: held: at release 1" + holding + " → (none)\napp-1: service.x: slots.blue.pid: 1 → 2"},
		{"held, and nothing rests on it", build(1, providers.Update, s), held("2", build(1, providers.Update, s)), ""},
		{"undone alone", apart, build(1, providers.Update, s, b), "app-1: service.x: what b is undone with: service.y → service.x"},
	} {
		var got []string
		for _, d := range Stale(c.was, c.now) {
			got = append(got, d.String())
		}
		if strings.Join(got, "\n") != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestServing: what serves is among the facts before anything is compared, where all agree.
func TestServing(t *testing.T) {
	says := func(name, id string) providers.Resource {
		r := fixed("service", name, nil)
		r.Serving = func(remote.Facts) []providers.Served { return []providers.Served{{Host: "a", Root: "/srv", ID: id}} }
		return r
	}
	for _, c := range []struct {
		rs   []providers.Resource
		want string
	}{
		{[]providers.Resource{says("x", "1")}, "1"},
		{[]providers.Resource{says("x", "1"), says("y", "1")}, "1"},
		{[]providers.Resource{says("x", "1"), says("y", "2"), says("z", "1")}, ""},
	} {
		got := "not asked"
		first := fixed("release", "r", nil)
		first.Diff = func(f remote.Facts) []providers.Change {
			got = f.Get(providers.Serves("a", "/srv")).Text
			return nil
		}
		if _, err := Build(append([]providers.Resource{first}, c.rs...), remote.Facts{}, nil); err != nil || got != c.want {
			t.Errorf("%q, %v; want %q", got, err, c.want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	p, err := Build([]providers.Resource{fixed("k", "x", nil, change("h", step("b", "a"), step("a")))}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Tool, p.Project = "0.1.0", "shop"
	var b bytes.Buffer
	if err := p.Save(&b); err != nil {
		t.Fatal(err)
	}
	good := b.String()
	if back, err := Read(strings.NewReader(good)); err != nil || fmt.Sprint(back.Wait) != "map[b:[a]]" {
		t.Fatal(back, err)
	}
	for _, c := range []struct{ old, new, err string }{
		{`"format": 1`, `"format": 2`, "format 2"},
		{`"project"`, `"gate": true, "project"`, "unknown field"},
		{"\"order\": [\n  \"a\",\n  \"b\"\n ]", `"order": ["b", "a"]`, "before what it waits for"},
		{"\"order\": [\n  \"a\",\n  \"b\"\n ]", `"order": ["a"]`, "2 steps, of which 1"},
		{"\"order\": [\n  \"a\",\n  \"b\"\n ]", `"order": ["a", "c"]`, "is nowhere"},
		{`"wait": [`, `"wait": [{"steps": ["b"], "for": []},`, "wait: step \"b\" is there twice"},
		{`"wait": [`, `"wait": [{"steps": ["a"], "from": []},`, "wait: json: unknown field \"from\""},
		{"{", "", "not a plan file of shipctl (it is no JSON document)"},
		{good, "", "not a plan file of shipctl (it is empty)"},
		{good, `{"format_version": "1.2"}`, "not a plan file of shipctl (it is what"},
		{good, `{"format": 1}`, "not a plan file of shipctl (it is a JSON document of something else)"},
		{good, `{"format": 1, "tool": "0.1.0"}`, "not a plan file of shipctl (it names no project)"},
		{good, good[:len(good)/2], "not a plan file of shipctl (it ends in the middle"},
		{`"facts": null`, `"facts": {"app-1": {"service/look blue": {"sight": 9}}}`, `facts["app-1"]["service/look blue"].sight is 9: from 0 to 4`},
		{good, good + "{}", "not a plan file of shipctl (it is damaged"},
	} {
		bad := strings.Replace(good, c.old, c.new, 1)
		if bad == good {
			t.Fatalf("%q is not in the plan:\n%s", c.old, good)
		}
		if _, err := Read(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s → %s: got %v, want %q", c.old, c.new, err, c.err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"format":1,"tool":"0.1.0","project":"shop","order":["a"],"changes":[{"addr":{"kind":"k","name":"x","host":"h"},"steps":[{"id":"a"}]}]}`)
	f.Add(`{"format":1,"tool":"0.1.0","project":"shop","facts":{"a":{"b":{"sight":9}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := Read(strings.NewReader(text)); err == nil {
			if len(p.Steps()) != len(p.Order) {
				t.Error("steps and order differ")
			}
		}
	})
}

// TestOneMachine: two host blocks that lead to one machine are told by its machine-id and boot; clones of one image have
// the first alone in common.
func TestOneMachine(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"machine 1\nboot 1\n", "machine 1\nboot 1\n", true},
		{"machine 1\nboot 1\n", "machine 1\nboot 2\n", false},
		{"machine \nboot \n", "machine \nboot \n", false},
	} {
		f := remote.Facts{}
		r := fixed("service", "x", nil, change("app-1"), change("app-2"))
		for h, text := range map[string]string{"app-1": c.a, "app-2": c.b} {
			f.Put(remote.Identity(h), remote.Answer{Sight: remote.Seen, Text: text})
		}
		for _, h := range []string{"app-1", "app-2"} {
			r.Queries = append(r.Queries, remote.Query{Host: h, Script: "service/look"})
			r.Claims = append(r.Claims, providers.Claim{What: h + " port 8081"})
		}
		p, err := Build([]providers.Resource{r}, f, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := p.Problems()
		if (len(got) == 1) != c.want || c.want && !strings.Contains(got[0].Problem, "app-1 and app-2 are one machine, and port 8081 is wanted there twice") {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}

func TestReadFactsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"format":1,"facts":{}}`:                                "has format 1, this shipctl reads format 2: make it again",
		`{"format":2,"facts":{"app-1":{"k/look":{"sight":9}}}}`:  `facts["app-1"]["k/look"].sight is 9`,
		`{"format":2,"facts":{"app-1":{"k/look":{"sight":-1}}}}`: `facts["app-1"]["k/look"].sight is -1`,
	} {
		if _, err := ReadFacts(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func FuzzReadFacts(f *testing.F) {
	f.Add(`{"format":2,"facts":{"app-1":{"remote/identity":{"sight":1,"text":"machine 1"}}}}`)
	f.Add(`{"format":2,"facts":{"app-1":{"remote/identity":{"sight":9}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		facts, err := ReadFacts(strings.NewReader(text))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := SaveFacts(&b, facts); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFacts(&b); err != nil {
			t.Fatal(err)
		}
	})
}

// TestApartByTarget: what can be planned on its own, the same each time; never a window, and not by way of one.
func TestApartByTarget(t *testing.T) {
	ref := func(k, n string) config.Ref { return config.Ref{Kind: k, Name: n} }
	batch, win, guarded, bad := ref("batch", "b"), ref("batch_window", "w"), ref("service", "s"), ref("service", "x")
	rel, on, top, gone := ref("release", "y"), ref("service", `y["kr"]`), ref("service", "z"), ref("service", "gone")
	p := &Plan{
		Resources: []Resource{
			{Ref: top, Needs: []config.Ref{on}},
			{Ref: on, Needs: []config.Ref{rel, win}},
			{Ref: rel},
			{Ref: batch},
			{Ref: win, Needs: []config.Ref{batch}},
			{Ref: guarded, Needs: []config.Ref{win}},
			{Ref: bad, Needs: []config.Ref{win}},
			{Ref: gone, Gone: true},
		},
		Windows: []Window{{Ref: win}},
	}
	change := func(r config.Ref, problem string, steps ...providers.Step) {
		p.Changes = append(p.Changes, providers.Change{Addr: providers.Addr{Ref: r, Host: "h"}, Problem: problem, Steps: steps})
	}
	change(batch, "", providers.Step{ID: "1"})
	change(guarded, "")
	change(bad, "bad")
	change(rel, "", providers.Step{ID: "2"})
	change(on, "")
	change(gone, "", providers.Step{ID: "3"})
	for range 50 {
		if got := p.Apart(); !slices.Equal(got, []config.Ref{top, batch}) {
			t.Fatalf("%v", got)
		}
		if got := p.Apart(win); !slices.Equal(got, []config.Ref{batch}) {
			t.Fatalf("while the window is closed %v", got)
		}
	}
}
