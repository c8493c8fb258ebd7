package planner

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

var shop = config.Ref{Kind: "service", Name: "shop"}

// past is a history in words: "1" a deployment, "!2" one that failed, "~2" one that was not undone either, "?3" one that did
// not end, "<1" a rollback, "<~1" and "<?1" such ones.
func past(words string) (out []Entry) {
	for i, w := range strings.Fields(words) {
		e := Entry{Format: RecordFormat, Run: fmt.Sprint("r", i), Command: "apply", Outcome: Done}
		if rest, back := strings.CutPrefix(w, "<"); back {
			e.Command, w = "rollback", rest
		}
		if outcome, bad := map[byte]string{'!': Undone, '~': Left, '?': Begun}[w[0]]; bad {
			e.Outcome, w = outcome, w[1:]
		}
		e.Resources = []Applied{{Resource: Resource{Ref: shop, Spec: providers.JSON(map[string]string{"id": w})}, Release: w, Outcome: e.Outcome}}
		out = append(out, e)
	}
	return out
}

// TestCommon: which release a rollback goes to.
func TestCommon(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b string // histories of two machines
		to   string
		want string
		err  string
	}{
		{name: "the one before", a: "1 2 3", b: "1 2 3", want: "2"},
		{name: "deployed again counts once", a: "1 2 2 2", b: "1 2 2 2", want: "1"},
		{name: "a failed one is none", a: "1 2 !3", b: "1 2 !3", want: "1"},
		{name: "one that failed when it was last tried is none", a: "1 2 3 !2 4", b: "1 2 3 !2 4", want: "3"},
		{name: "its repetition failed, and it serves", a: "1 2 !2", b: "1 2 !2", want: "1"},
		{name: "one that did not end is none", a: "1 ?2 3", b: "1 ?2 3", want: "1"},
		{name: "a rollback does not lead forward again", a: "1 2 3 <2", b: "1 2 3 <2", want: "1"},
		{name: "rolled back and gone forward", a: "1 2 3 <2 4", b: "1 2 3 <2 4", want: "2"},
		{name: "a machine that came later", a: "1 2 3", b: "2 3", want: "2"},
		{name: "the common one where they differ", a: "1 2 3 4", b: "1 2 4", want: "2"},
		{name: "an older one that is asked for", a: "1 2 3", b: "1 2 3", to: "1", want: "1"},
		{name: "the live one that is asked for", a: "1 2 3", b: "1 2 3", to: "3", want: "3"},
		{name: "a failed one that is asked for", a: "1 2 !3", b: "1 2 !3", to: "3", err: "no good release 3"},
		{name: "not on every machine", a: "1 2 3", b: "2 3", to: "1", err: "no good release 1"},
		{name: "cut off", a: "1 2 ?3", b: "1 2 ?3", want: "2"},
		{name: "cut off while it was written down that it ended", a: "1 2 3", b: "1 2 ?3", want: "2"},
		{name: "not undone", a: "1 2 3 ~4", b: "1 2 3 ~4", want: "3"},
		{name: "not undone on one machine", a: "1 2 3 ~4", b: "1 2 3", want: "3"},
		{name: "not undone, and then it went well", a: "1 2 3 ~4 4", b: "1 2 3 ~4 4", want: "3"},
		{name: "a repetition that was not undone", a: "1 2 ~2", b: "1 2 ~2", want: "2"},
		{name: "a rollback that was not undone gets there", a: "1 2 3 <~2", b: "1 2 3 <~2", want: "2"},
		{name: "a rollback to an older one that was cut off", a: "1 2 3 <?1", b: "1 2 3 <?1", want: "1"},
		{name: "a rollback that was undone", a: "1 2 3 <!2", b: "1 2 3 <!2", want: "1"},
		{name: "elsewhere after a rollback that was cut off", a: "1 2 3 <?1", b: "1 2 3 <?1", to: "2", want: "2"},
		{name: "what was rolled back from is asked for", a: "1 2 3 <2 <1", b: "1 2 3 <2 <1", to: "2", want: "2"},
		{name: "nothing before", a: "1", b: "1", err: "no earlier release"},
		{name: "nothing at all", err: "no earlier release"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := common([]string{"a", "b"}, shop, c.to, Histories{"a": past(c.a), "b": past(c.b)})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil || got.Release != c.want {
				t.Errorf("got %q, %v; want %q", got.Release, err, c.want)
			}
		})
	}
}

// TestEarlierStands: only the machines that a program stands on have to know a release; one more with nginx is no reason.
func TestEarlierStands(t *testing.T) {
	r := providers.Resource{
		Ref: shop, Spec: json.RawMessage(`{}`), Queries: []remote.Query{{Host: "app-1", Script: "x"}, {Host: "web-2", Script: "x"}},
		Places:   []providers.Place{{Host: "app-1"}},
		Rollback: func(then json.RawMessage) (providers.Resource, error) { return providers.Resource{Spec: then}, nil },
	}
	_, release, err := Earlier([]providers.Resource{r}, shop, "", Histories{"app-1": past("1 2 3"), "web-2": past("3")})
	if err != nil || release != "2" {
		t.Errorf("%q, %v", release, err)
	}
}

// TestEarlierGates: a window that the resource names is judged for a rollback too, and others are not.
func TestEarlierGates(t *testing.T) {
	gate := func(name string) providers.Resource {
		return providers.Resource{Ref: config.Ref{Kind: "batch_window", Name: name}, Judge: func(providers.Case) providers.Verdict { return providers.Verdict{Open: true} }}
	}
	r := providers.Resource{
		Ref: shop, Spec: json.RawMessage(`{}`), Queries: []remote.Query{{Host: "a", Script: "x"}}, Needs: []config.Ref{gate("night").Ref},
		Rollback: func(then json.RawMessage) (providers.Resource, error) {
			return providers.Resource{Ref: shop, Spec: then}, nil
		},
	}
	back, _, err := Earlier([]providers.Resource{gate("other"), gate("night"), r}, shop, "", Histories{"a": past("1 2")})
	var got []string
	for _, x := range back {
		got = append(got, x.Ref.String())
	}
	if s := strings.Join(got, " "); err != nil || s != "batch_window.night service.shop" {
		t.Errorf("%q, %v", s, err)
	}
}

func recordOf(hosts []string, spec string, hold *Hold) Record {
	return Record{Format: RecordFormat, Resources: map[string]Recorded{shop.String(): {
		Applied: Applied{Resource: Resource{Ref: shop, Spec: json.RawMessage(spec)}, On: hosts, Outcome: Done}, Run: "r1", Hold: hold,
	}}}
}

// TestAgreed: one machine can't say what runs on another.
func TestAgreed(t *testing.T) {
	both := []string{"a", "b"}
	for _, c := range []struct {
		name string
		by   map[string]Record
		err  string
	}{
		{"they agree", map[string]Record{"a": recordOf(both, `{"x":1}`, nil), "b": recordOf(both, `{"x":1}`, nil)}, ""},
		{"they differ", map[string]Record{"a": recordOf(both, `{"x":1}`, nil), "b": recordOf(both, `{"x":2}`, nil)}, "differ"},
		{"one knows nothing of it", map[string]Record{"a": recordOf(both, `{"x":1}`, nil), "b": {Format: RecordFormat}}, "differ"},
		{"one that nobody names claims it too", map[string]Record{"a": recordOf([]string{"a"}, `{"x":1}`, nil), "c": recordOf([]string{"c"}, `{"x":2}`, nil)}, "differ"},
		{"nobody", nil, "no machine has a record"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Records{By: c.by}.Agreed(shop, nil)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %v, want %q", err, c.err)
			}
		})
	}
}

// TestEarlierSecrets: a record, which a machine wrote, gets no secret that the configuration does not give anyway.
func TestEarlierSecrets(t *testing.T) {
	r := providers.Resource{
		Ref: shop, Spec: json.RawMessage(`{"env":[{"name":"A","value":{"var":"mine"}}]}`),
		Rollback: func(then json.RawMessage) (providers.Resource, error) { return providers.Resource{Spec: then}, nil },
	}
	if _, err := earlier(r, json.RawMessage(`{"env":[{"name":"B","value":{"var":"mine"}}]}`)); err != nil {
		t.Error(err)
	}
	_, err := earlier(r, json.RawMessage(`{"deep":[{"x":{"var":"root_password"}}]}`))
	if err == nil || !strings.Contains(err.Error(), "root_password") {
		t.Errorf("got %v", err)
	}
}

// TestHolding: what is rolled back stays, with all of its unit; another unit does not.
func TestHolding(t *testing.T) {
	ref := func(kind, name string) config.Ref { return config.Ref{Kind: kind, Name: name} }
	resource := func(r config.Ref, needs ...config.Ref) providers.Resource {
		return providers.Resource{
			Ref: r, Needs: needs, Spec: json.RawMessage(`{"id":"new"}`), Queries: []remote.Query{{Host: "a", Script: "x"}},
			Rollback: func(then json.RawMessage) (providers.Resource, error) {
				return providers.Resource{Ref: r, Spec: then}, nil
			},
		}
	}
	rs := []providers.Resource{resource(ref("release", "x")), resource(ref("service", "x"), ref("release", "x")), resource(ref("release", "y"))}
	rec := Records{By: map[string]Record{"a": {Format: RecordFormat, Resources: map[string]Recorded{}}}}
	for _, r := range rs {
		was := Recorded{Applied: Applied{Resource: Resource{Ref: r.Ref, Spec: json.RawMessage(`{"id":"old"}`)}, On: []string{"a"}}, Run: "r"}
		if r.Ref == ref("service", "x") {
			was.Hold = &Hold{Release: "old", Who: "me"}
		}
		rec.By["a"].Resources[r.Ref.String()] = was
	}
	out, held, err := Holding(rs, rec)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range out {
		got = append(got, r.Ref.String()+string(r.Spec))
	}
	if s := strings.Join(got, " "); s != `release.x{"id":"old"} service.x{"id":"old"} release.y{"id":"new"}` {
		t.Errorf("%s", s)
	}
	if len(held) != 1 || held[0].Ref != ref("service", "x") {
		t.Errorf("held: %+v", held)
	}
}

// TestHoldingGone: what is to be removed is not held, and holds nothing else.
func TestHoldingGone(t *testing.T) {
	ref := config.Ref{Kind: "service", Name: "x"}
	r := providers.Resource{Ref: ref, Spec: json.RawMessage(`{"id":"new"}`), Gone: true}
	rec := Records{By: map[string]Record{"a": {Resources: map[string]Recorded{ref.String(): {
		Applied: Applied{Resource: Resource{Ref: ref, Spec: json.RawMessage(`{"id":"old"}`)}, On: []string{"a"}}, Hold: &Hold{Release: "old"},
	}}}}}
	out, held, err := Holding([]providers.Resource{r}, rec)
	if err != nil || len(held) != 0 || len(out) != 1 || !out[0].Gone || string(out[0].Spec) != string(r.Spec) {
		t.Errorf("%+v, held %v, %v", out, held, err)
	}
}

// TestUnheard: a machine whose record says nothing says nothing about holds either, so nothing of the unit is begun; what
// is to go goes, and what a window only looks at is no reason.
func TestUnheard(t *testing.T) {
	on := func(host string, needs ...config.Ref) providers.Resource {
		ref := config.Ref{Kind: "service", Name: host}
		return providers.Resource{Ref: ref, Needs: needs, Queries: []remote.Query{{Host: host, Script: "x"}}, Diff: func(remote.Facts) []providers.Change {
			a := providers.Addr{Ref: ref, Host: host}
			return []providers.Change{{Addr: a, Action: providers.Update, Steps: []providers.Step{{ID: a.Step("start"), Host: host}}}}
		}}
	}
	facts := remote.Facts{}
	facts.Put(RecordQuery("a"), remote.Answer{Sight: remote.Denied, Why: "not permitted"})
	facts.Put(RecordQuery("b"), remote.Answer{Sight: remote.Seen, Text: `record {"format":9}`})
	facts.Put(RecordQuery("c"), remote.Answer{Sight: remote.Absent})
	for _, host := range []string{"d", "e", "f"} {
		facts.Put(RecordQuery(host), remote.Answer{Sight: remote.Denied, Why: "not permitted"})
	}
	gate, gone, with := on("d"), on("e"), on("g", on("a").Ref)
	gate.Judge = func(providers.Case) providers.Verdict { return providers.Verdict{} }
	gone.Gone = true
	rs := ReadRecords(facts).Unheard([]providers.Resource{on("a"), on("b"), on("c"), gate, gone, on("f"), with}, map[string]error{"f": errors.New("no route")})
	var got []string
	for _, r := range rs {
		c := r.Diff(facts)[0]
		word, _, _ := strings.Cut(c.Problem, "\n")
		got = append(got, fmt.Sprint(c.Addr.Host, len(c.Steps), strings.TrimPrefix(word, "whether a rollback holds something there is not known")))
	}
	want := "a0: not permitted, b0: the record there can't be understood: it has format 9, this shipctl reads format 1, c1, d1, e1, f1, g0"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// TestReadHistory: a line that a crash cut is counted and left out; a run's end takes the place of its beginning.
func TestReadHistory(t *testing.T) {
	line := func(run, outcome string) string {
		return string(providers.JSON(Entry{Format: RecordFormat, Run: run, Outcome: outcome})) + "\n"
	}
	got, unread := ReadHistory(`"run":"cut"}` + "\n" + line("1", Begun) + line("1", Done) + line("2", Begun) + `{"half`)
	if unread != 2 || len(got) != 2 || got[0].Outcome != Done || got[1].Outcome != Begun {
		t.Errorf("%d unread, %+v", unread, got)
	}
}

// FuzzRecords: a machine may write anything into its record and its history.
func FuzzRecords(f *testing.F) {
	f.Add("record {\"format\":1,\"resources\":{\"service.shop\":{\"ref\":{\"kind\":\"service\",\"name\":\"shop\"},\"on\":[\"a\"]}}}\nrunning {}")
	f.Add("record {\"format\":2}")
	f.Add("{\"format\":1,\"run\":\"x\",\"resources\":[{\"release\":\"1\"}]}")
	f.Fuzz(func(t *testing.T, text string) {
		facts := remote.Facts{}
		facts.Put(RecordQuery("a"), remote.Answer{Sight: remote.Seen, Text: text})
		rec := ReadRecords(facts)
		for _, ref := range rec.Refs() {
			_, _ = rec.Agreed(ref, nil)
		}
		Orphans(nil, rec, nil)
		entries, _ := ReadHistory(text)
		good(entries, shop, false)
	})
}

// TestHalfWay: the record while a run is under way, and once it could not be undone. A rollback holds from its first step
// on, what is to be held no longer is free, and what was undone is as it was.
func TestHalfWay(t *testing.T) {
	applied := func(release, outcome string) []Applied {
		return []Applied{{Resource: Resource{Ref: shop, Spec: json.RawMessage(release)}, Release: release, On: []string{"a"}, Outcome: outcome}}
	}
	holding := func(a Applied) *Hold { return &Hold{Release: a.Release} }
	none := func(Applied) *Hold { return nil }
	said := func(r Record) string {
		is := r.Resources[shop.String()]
		out := is.Release
		if is.Hold != nil {
			out += " held at " + is.Hold.Release
		}
		if at, half := r.Left[shop.String()]; half {
			out += " (" + at.Outcome + " " + at.Release + ")"
		}
		return out
	}
	record := func(release string, hold *Hold) Record {
		return Record{Resources: map[string]Recorded{shop.String(): {Applied: applied(release, Done)[0], Hold: hold}}}
	}
	for _, c := range []struct {
		name, command string
		was           Record
		free          bool
		hold          func(Applied) *Hold
		to            string
		meant         string
		ends          map[string]string
	}{
		{
			"a rollback", "rollback", record("5", nil), false, holding, "4", "4 held at 4",
			map[string]string{Done: "4 held at 4", Left: "4 held at 4 (failed and not undone 4)", Undone: "5", NotBegun: "5"},
		},
		{
			"-clear-hold", "apply", record("3", &Hold{Release: "3"}), true, none, "5", "3",
			map[string]string{Done: "5", Left: "3 (failed and not undone 5)", Undone: "3 held at 3", NotBegun: "3 held at 3"},
		},
		{
			"a deployment", "apply", record("3", nil), false, none, "5", "3",
			map[string]string{Done: "5", Left: "3 (failed and not undone 5)", Undone: "3", NotBegun: "3"},
		},
		{
			"what is held is put right", "apply", record("3", &Hold{Release: "3"}), false, holding, "3", "3 held at 3",
			map[string]string{Done: "3 held at 3", Left: "3 held at 3 (failed and not undone 3)", Undone: "3 held at 3", NotBegun: "3 held at 3"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			meant, changed := c.was.Meant(applied(c.to, Begun), Recorded{Run: "r2"}, c.command, c.free, c.hold)
			if got := said(meant); got != c.meant || changed == (got == said(c.was)) {
				t.Errorf("under way: %s, changed %t; want %s", got, changed, c.meant)
			}
			for outcome, want := range c.ends {
				got := c.was.Keeping(meant, applied(c.to, outcome)).Next(applied(c.to, outcome), Recorded{Run: "r2"}, Entry{Run: "r2"}, Entry{}, c.hold)
				if said(got) != want {
					t.Errorf("%s: %s, want %s", outcome, said(got), want)
				}
			}
		})
	}
	t.Run("cut off before", func(t *testing.T) {
		cut := Entry{Run: "r1", Resources: applied("7", Begun)}
		for outcome, want := range map[string]string{Undone: "3 (begun 7)", NotBegun: "3 (begun 7)", Done: "5", Left: "3 (failed and not undone 5)"} {
			if got := said(record("3", nil).Next(applied("5", outcome), Recorded{}, Entry{}, cut, none)); got != want {
				t.Errorf("%s: %s, want %s", outcome, got, want)
			}
		}
	})
}

// TestTook: how long a deployment takes is told by those that bring a release: neither a run that did nothing, nor a
// repair, nor a rollback makes it less.
func TestTook(t *testing.T) {
	applied := func(release, spec string) Applied {
		return Applied{Resource: Resource{Ref: shop, Spec: json.RawMessage(spec)}, Release: release, On: []string{"a"}, Outcome: Done}
	}
	was := Record{Resources: map[string]Recorded{shop.String(): {Applied: applied("1", `{"x":1}`), Took: 60}}}
	for _, c := range []struct {
		name string
		a    Applied
		took float64
		hold *Hold
		want float64
	}{
		{"nothing was done", applied("1", `{"x":1}`), 0, nil, 60},
		{"something else took long", applied("1", `{"x":1}`), 300, nil, 60},
		{"only the configuration changed", applied("1", `{"x":2}`), 0, nil, 60},
		{"a change that took longer", applied("1", `{"x":2}`), 90, nil, 90},
		{"another release", applied("2", `{"x":1}`), 20, nil, 20},
		{"a rollback", applied("0", `{"x":1}`), 1, &Hold{}, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := was.Next([]Applied{c.a}, Recorded{Run: "r2", Took: c.took}, Entry{}, Entry{}, func(Applied) *Hold { return c.hold })
			if took := got.Resources[shop.String()].Took; took != c.want {
				t.Errorf("%v, want %v", took, c.want)
			}
		})
	}
}

// TestCutOff: what steps say in words is a number in the history.
func TestCutOff(t *testing.T) {
	for said, want := range map[string]int{
		"": 0, "stopped\n": 0, "nothing was cut off\n": 0, "cut off 1 connection (10.0.0.9)\nstopped\n": 1,
		"stopped\n  cut off 12 connections (10.0.0.9, ::1)": 12, "cut off 2 connections\ncut off 1 connection\n": 3, "cut off -4 connections": 0,
	} {
		if got := CutOff(said); got != want {
			t.Errorf("%q: %d, want %d", said, got, want)
		}
	}
}
