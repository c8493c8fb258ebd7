package release

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

const (
	shaA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	shaB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func tea(pin, version string, hosts ...string) Spec {
	s := Spec{Name: "teatime", Pin: pin, Version: version, Root: "/srv/teatime", Source: "build/teatime-42.jar"}
	for _, h := range hosts {
		s.Hosts = append(s.Hosts, config.HostValue{Name: h})
	}
	return s
}

func shared(s Spec, names ...string) Spec {
	s.Shared = names
	return s
}

func seen(lines ...string) remote.Answer {
	return remote.Answer{Sight: remote.Seen, Text: strings.Join(lines, "\n") + "\n"}
}

func jar(sha string) remote.Answer {
	return seen(string(providers.JSON(Artifact{Form: FormFile, Name: "teatime-42.jar", SHA256: sha, Size: 48_200_000, Unpacked: 48_200_000, Entries: 1})))
}

// serving is what is seen, and the release that serves there. It begins the text, apart.
func serving(id string, a remote.Answer) remote.Answer {
	a.Why = id
	return a
}

// show prints changes as a test wants to read them.
func show(changes []providers.Change) string {
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "%s %s [%s] %s\n", c.Action, c.Addr.Host, c.Headline, c.Line)
		if c.Problem != "" {
			fmt.Fprintf(&b, "  problem: %s\n", c.Problem)
		}
		for _, s := range c.Steps {
			fmt.Fprintf(&b, "  %s", s.Title)
			for _, a := range s.After {
				fmt.Fprintf(&b, " <%s", a[strings.LastIndex(string(a), "/")+1:])
			}
			if s.Undo != nil {
				fmt.Fprintf(&b, " undo %q", s.Undo.Args[2:])
			}
			b.WriteString("\n")
		}
		if len(c.Steps) > 0 {
			fmt.Fprintf(&b, "  %s → %s\n", c.Before, c.After)
		}
	}
	return b.String()
}

func TestDiff(t *testing.T) {
	root := "root /srv/teatime"
	r41 := "release 41 " + shaB + " 1 file teatime-41.jar"
	r42 := "release 42 " + shaA + " 2 file teatime-42.jar"
	at := func(id string) string { return "current link /srv/teatime/releases/" + id }
	absent := remote.Answer{Sight: remote.Absent}
	tests := []struct {
		name     string
		spec     Spec
		artifact remote.Answer
		look     remote.Answer
		identity string
		want     string
	}{
		{"nothing there", tea(PinVersion, "42"), jar(shaA), absent, "", `create app-1 [none → 42] release 42 (48.2 MB)
  upload teatime-42.jar, 48.2 MB
  publish release 42 <upload
  activate release 42 <publish undo ["42"]
  {"releases":[]} → {"current":"42","releases":["42"]}
`},
		{"the next one", tea(PinVersion, "42"), jar(shaA), seen(root, at("41"), r41, "activated 41"), "", `create app-1 [41 → 42] release 42 (48.2 MB)
  upload teatime-42.jar, 48.2 MB
  publish release 42 <upload
  activate release 42 <publish undo ["42" "/srv/teatime/releases/41"]
  {"current":"41","releases":["41"]} → {"current":"42","releases":["41","42"]}
`},
		{"sent already", tea(PinVersion, "42"), jar(shaA), seen(root, at("41"), r41, "ready "+shaA, "ready "+shaB), "", `create app-1 [41 → 42] release 42 (48.2 MB, sent already)
  publish release 42
  activate release 42 <publish undo ["42" "/srv/teatime/releases/41"]
  {"current":"41","releases":["41"]} → {"current":"42","releases":["41","42"]}
`},
		{"published already", tea(PinVersion, "42"), jar(shaA), seen(root, at("41"), r41, r42), "", `update app-1 [41 → 42] release 42 (there already)
  activate release 42 undo ["42" "/srv/teatime/releases/41"]
  {"current":"41","releases":["41","42"]} → {"current":"42","releases":["41","42"]}
`},
		{"back, without the artifact", tea(PinVersion, "41"), absent, seen(root, at("42"), r42, r41), "", `update app-1 [42 → 41] release 41 (there already)
  activate release 41 undo ["41" "/srv/teatime/releases/42"]
  {"current":"42","releases":["41","42"]} → {"current":"41","releases":["41","42"]}
`},
		{"done", tea(PinVersion, "42"), jar(shaA), seen(root, at("42"), r41, r42), "", "no-op app-1 [42] release 42\n"},
		{"done, relative link", tea(PinVersion, "42"), jar(shaA), seen(root, "current link releases/42/", r42), "", "no-op app-1 [42] release 42\n"},
		{"done, root is a link", tea(PinVersion, "42"), jar(shaA), seen("root /data/tea", "current link /data/tea/releases/42", r42), "", "no-op app-1 [42] release 42\n"},
		{"done, without the artifact", tea(PinVersion, "42"), absent, seen(root, at("42"), r42), "", "no-op app-1 [42] release 42\n"},
		{"a link of somebody's", tea(PinVersion, "42"), jar(shaA), seen(root, "current link /opt/old", r42), "", `update app-1 [/opt/old → 42] release 42 (there already)
  activate release 42 undo ["42" "/opt/old"]
  {"current":"/opt/old","releases":["42"]} → {"current":"42","releases":["42"]}
`},
		{"by content", tea(PinContent, ""), jar(shaA), absent, "", `create app-1 [none → aaaaaaaaaaaa] release aaaaaaaaaaaa (48.2 MB)
  upload teatime-42.jar, 48.2 MB
  publish release aaaaaaaaaaaa <upload
  activate release aaaaaaaaaaaa <publish undo ["aaaaaaaaaaaa"]
  {"releases":[]} → {"current":"aaaaaaaaaaaa","releases":["aaaaaaaaaaaa"]}
`},
		{"live", tea(PinLive, ""), remote.Answer{}, seen(root, at("41"), r41, r42), "", "no-op app-1 [41] release 41\n"},

		{"live, as it was activated", tea(PinLive, ""), remote.Answer{}, seen(root, at("41"), r41, r42, "activated 42", "activated 41"), "", "no-op app-1 [41] release 41\n"},
		{"live, moved by hand", tea(PinLive, ""), remote.Answer{}, seen(root, at("41"), r41, r42, "activated 41", "activated 42"), "", `no-op app-1 [41] could not be planned
  problem: /srv/teatime/current on app-1 points to 41, and release 42 was activated last: somebody has moved it, or a run was cut off. Say which one is wanted, as with -var version=42.
`},
		{"live, current is gone", tea(PinLive, ""), remote.Answer{}, seen(root, "current none", r41), "", `no-op app-1 [none] could not be planned
  problem: /srv/teatime/current on app-1 is gone: say which one to deploy, as with -var version=…
`},
		{"live, and its release is gone", tea(PinLive, ""), remote.Answer{}, seen(root, at("41"), r42), "", `no-op app-1 [41] could not be planned
  problem: /srv/teatime/current on app-1 leads to release 41, which is not there any more: deploy it anew, or another one, as with -var version=41.
`},
		{"live, another one serves", tea(PinLive, ""), remote.Answer{}, serving("42", seen(root, at("41"), r41, r42, "activated 41")), "", `update app-1 [41 → 42] release 42 (it serves already, and current leads to 41)
  activate release 42 undo ["42" "/srv/teatime/releases/41"]
  {"current":"41","releases":["41","42"]} → {"current":"42","releases":["41","42"]}
`},
		{"live, cut off after the link", tea(PinLive, ""), remote.Answer{}, serving("42", seen(root, at("42"), r41, r42, "activated 41")), "", `update app-1 [42] release 42 (it serves already, and current leads to 42)
  activate release 42 undo ["42" "/srv/teatime/releases/42"]
  {"current":"42","releases":["41","42"]} → {"current":"42","releases":["41","42"]}
`},
		{"live, moved by hand under what serves", tea(PinLive, ""), remote.Answer{}, serving("42", seen(root, at("41"), r41, r42, "activated 42")), "", `no-op app-1 [41] could not be planned
  problem: /srv/teatime/current on app-1 points to 41, and release 42 was activated last: somebody has moved it, or a run was cut off. Say which one is wanted, as with -var version=42.
`},
		{"live, what serves is gone", tea(PinLive, ""), remote.Answer{}, serving("42", seen(root, at("41"), r41)), "", "no-op app-1 [41] release 41\n"},
		{"moved by hand, to be put back", tea(PinVersion, "42"), absent, seen(root, at("41"), r41, r42, "activated 41", "activated 42"), "", `update app-1 [41 → 42] release 42 (there already)
  activate release 42 undo ["42" "/srv/teatime/releases/41"]
  {"current":"41","releases":["41","42"]} → {"current":"42","releases":["41","42"]}
`},
		{"moved by hand, to be kept", tea(PinVersion, "41"), absent, seen(root, at("41"), r41, r42, "activated 41", "activated 42"), "", `update app-1 [41] release 41 (current points to it already, and release 42 was activated last)
  activate release 41 undo ["41" "/srv/teatime/releases/41"]
  {"current":"41","releases":["41","42"]} → {"current":"41","releases":["41","42"]}
`},

		{"by content, nothing built", tea(PinContent, ""), absent, absent, "", `no-op app-1 [none] could not be planned
  problem: the source build/teatime-42.jar is not there: build it, or correct source or version.
`},
		{"live, nothing there", tea(PinLive, ""), remote.Answer{}, absent, "", `no-op app-1 [none] could not be planned
  problem: there is no release in /srv/teatime on app-1 yet: say which one to deploy, as with -var version=…
`},
		{"nothing built", tea(PinVersion, "42"), absent, absent, "", `no-op app-1 [none] could not be planned
  problem: release 42 is not on app-1 yet, and the source build/teatime-42.jar is not there: build it, or correct source or version.
`},
		{"hostile", tea(PinVersion, "42"), remote.Answer{Sight: remote.Unreachable, Why: `a.tgz: "x": absolute path`}, absent, "", `no-op app-1 [none] could not be planned
  problem: the source can't be used: a.tgz: "x": absolute path.
`},
		{"artifact not asked", tea(PinVersion, "42"), remote.Answer{}, absent, "", `no-op app-1 [none] could not be planned
  problem: release 42 is not on app-1 yet, and the source can't be used: not asked.
`},
		{"other content", tea(PinVersion, "42"), jar(shaB), seen(root, at("42"), r42), "", `no-op app-1 [42] could not be planned
  problem: release 42 on app-1 has other content: SHA-256 ` + shaA + ` there, ` + shaB + ` in build/teatime-42.jar. A release never changes: give the new content another version.
`},
		{"other name", tea(PinVersion, "42"), jar(shaA), seen(root, at("42"), "release 42 "+shaA+" 1 file app.jar"), "", `no-op app-1 [42] could not be planned
  problem: release 42 on app-1 holds this content as app.jar, and the source is called teatime-42.jar now. A release never changes: give it another version.
`},
		{"nothing recorded of what is live", tea(PinVersion, "42"), jar(shaA), seen(root, at("42"), "release 42 - - - -"), "", `no-op app-1 [42] release 42
`},
		{"nothing recorded", tea(PinVersion, "42"), jar(shaA), seen(root, at("41"), "release 41 - - - -", "release 42 - - - -"), "", `no-op app-1 [41] could not be planned
  problem: /srv/teatime/releases/42 on app-1 is there, but this project did not publish it: nothing is recorded of its content. Move it away or choose another version.
`},
		{"called as something shared", shared(tea(PinVersion, "42"), "teatime-42.jar"), jar(shaA), absent, "", `no-op app-1 [none] could not be planned
  problem: the source is called teatime-42.jar, and so is something shared: leave it out of shared.
`},
		{"current is a directory", tea(PinVersion, "42"), jar(shaA), seen(root, "current directory"), "", `no-op app-1 [none] could not be planned
  problem: /srv/teatime/current on app-1 is a directory, not a symbolic link: it was made by hand. Move it away (mv /srv/teatime/current /srv/teatime/current.before-shipctl) and plan again.
`},
		{"current is odd", tea(PinLive, ""), jar(shaA), seen(root, "current odd"), "", `no-op app-1 [none] could not be planned
  problem: /srv/teatime/current on app-1 points to a name that can't be printed. Remove it and plan again.
`},
		{"another project's", tea(PinVersion, "43"), jar(shaA), seen(root, "current none", "release 42 - - - -", "other 42 coffee"), "", `no-op app-1 [none] could not be planned
  problem: /srv/teatime on app-1 belongs to another project: release 42 there was published by coffee. If the project was renamed, write project = "coffee" again, or remove what is there under that name first (apply -destroy); otherwise give this release another root.
`},
		{"denied", tea(PinVersion, "42"), jar(shaA), remote.Answer{Sight: remote.Denied, Why: "may not look into /srv"}, "", `no-op app-1 [?] could not be planned
  problem: could not look into /srv/teatime on app-1: not permitted (may not look into /srv). Give the user that deploys access to it, or set sudo = true.
`},
		{"unreachable", tea(PinLive, ""), jar(shaA), remote.Answer{Sight: remote.Unreachable, Why: "no route"}, "", `no-op app-1 [?] could not be planned
  problem: could not look into /srv/teatime on app-1: could not ask (no route).
`},
		{"not asked", tea(PinVersion, "42"), jar(shaA), remote.Answer{}, "", `no-op app-1 [?] could not be planned
  problem: could not look into /srv/teatime on app-1: not asked.
`},
		{"nonsense", tea(PinVersion, "42"), jar(shaA), seen("Welcome!"), "", `no-op app-1 [?] could not be planned
  problem: could not understand what is in /srv/teatime on app-1: unknown word "Welcome!". Look at it by hand.
`},
		{"no sha256sum", tea(PinVersion, "42"), jar(shaA), absent, "uid 0\nhas tar\n", `no-op app-1 [none] could not be planned
  problem: there is no sha256sum on app-1, which publishing a release needs: install the package coreutils.
`},
		{"no sha256sum, nothing to publish", tea(PinVersion, "42"), jar(shaA), seen(root, at("42"), r42), "uid 0\n", "no-op app-1 [42] release 42\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.spec
			s.Hosts = []config.HostValue{{Name: "app-1"}}
			f := remote.Facts{}
			f.Put(s.artifact(), tt.artifact)
			if id := tt.look.Why; tt.look.Sight == remote.Seen && id != "" {
				tt.look.Why = ""
				f.Put(providers.Serves("app-1", s.Root), remote.Answer{Sight: remote.Seen, Text: id})
			}
			f.Put(s.look("app-1"), tt.look)
			if tt.identity != "" {
				f.Put(remote.Identity("app-1"), remote.Answer{Sight: remote.Seen, Text: tt.identity})
			}
			if d := cmp.Diff(tt.want, show(diff(config.Ref{Kind: "release", Name: "teatime"}, s, f))); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestDiffOfTwoMachines(t *testing.T) {
	s := tea(PinVersion, "42", "app-1", "app-2", "app-3")
	f := remote.Facts{}
	f.Put(s.artifact(), jar(shaA))
	f.Put(s.look("app-1"), seen("root /srv/teatime", "current link /srv/teatime/releases/42", "release 42 "+shaA+" 1 file teatime-42.jar"))
	f.Put(s.look("app-2"), remote.Answer{Sight: remote.Absent})
	f.Put(s.look("app-3"), remote.Answer{Sight: remote.Unreachable, Why: "no route"})
	want := `no-op app-1 [42, none, ? → 42, ?] release 42
create app-2 [42, none, ? → 42, ?] release 42 (48.2 MB)
  upload teatime-42.jar, 48.2 MB
  publish release 42 <upload
  activate release 42 <publish undo ["42"]
  {"releases":[]} → {"current":"42","releases":["42"]}
no-op app-3 [42, none, ? → 42, ?] could not be planned
  problem: could not look into /srv/teatime on app-3: could not ask (no route).
`
	got := diff(config.Ref{Kind: "release", Name: "teatime"}, s, f)
	if d := cmp.Diff(want, show(got)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if again := diff(config.Ref{Kind: "release", Name: "teatime"}, s, f); cmp.Diff(got, again) != "" {
		t.Error("not the same twice")
	}
}

func TestStepsAreComplete(t *testing.T) {
	s := tea(PinVersion, "42", "app-1")
	s.Shared = []string{"log"}
	f := remote.Facts{}
	f.Put(s.artifact(), jar(shaA))
	f.Put(s.look("app-1"), remote.Answer{Sight: remote.Absent})
	steps := diff(config.Ref{Kind: "release", Name: "teatime"}, s, f)[0].Steps
	ids := []providers.StepID{`release.teatime["app-1"]/upload`, `release.teatime["app-1"]/publish`, `release.teatime["app-1"]/activate`}
	calls := []remote.Call{
		{Script: scriptUpload, Args: []string{"/srv/teatime", s.key(), "42", shaA, "48200000", "48200000"}, File: s.Source, FileSHA256: shaA, FileSize: 48_200_000},
		{Script: scriptPublish, Args: []string{"/srv/teatime", s.key(), "42", shaA, "file", "teatime-42.jar", "-", "log"}},
		{Script: scriptActivate, Args: []string{"/srv/teatime", s.key(), "42"}},
	}
	limits := []time.Duration{13*time.Minute + 3*time.Second, 5*time.Minute + 4*time.Second, time.Minute}
	for i, st := range steps {
		if st.ID != ids[i] || st.Host != "app-1" || st.Limit != limits[i] || st.Final || len(st.Gates) > 0 {
			t.Errorf("%+v", st)
		}
		if d := cmp.Diff(calls[i], st.Do); d != "" {
			t.Errorf("%s", d)
		}
	}
}

func TestFactsAndClaims(t *testing.T) {
	ref := config.Ref{Kind: "release", Name: "teatime"}
	s := tea(PinVersion, "42", "app-1", "app-2")
	if got := len(facts(ref, s)); got != 3 {
		t.Errorf("%d queries", got)
	}
	if got := len(facts(ref, tea(PinLive, "", "app-1"))); got != 1 {
		t.Errorf("%d queries of what is live", got)
	}
	if c := claims(ref, s); len(c) != 2 || c[0].What != "app-1 directory /srv/teatime" {
		t.Errorf("%+v", c)
	}
	// A spec survives a plan file.
	raw := providers.JSON(s)
	r, err := Kind.Load(ref, nil, raw)
	if err != nil {
		t.Fatal(err)
	}
	var back Spec
	if err := json.Unmarshal(r.Spec, &back); err != nil || cmp.Diff(raw, providers.JSON(back)) != "" {
		t.Errorf("%v %s", err, r.Spec)
	}
	v := r.Value.AsValueMap()
	if v["id"].AsString() != "42" || v["pin"].AsString() != "version" || v["hosts"].LengthInt() != 2 || v["addr"].AsString() != "release.teatime" {
		t.Errorf("%#v", v)
	}
	if v := value(tea(PinLive, "")); !v.GetAttr("id").IsNull() || v.GetAttr("hosts").LengthInt() != 0 {
		t.Errorf("%#v", v)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 48_200_000: "48.2 MB", 999_960: "1.0 MB", 1 << 40: "1.1 TB"} {
		if got := Size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func FuzzParseLook(f *testing.F) {
	f.Add("root /srv\ncurrent link /srv/releases/42\nrelease 42 " + shaA + " 1 file a b.jar\nactivated 42\nready " + shaA + "\n")
	f.Add("root /srv\ncurrent none\nrelease 42 - - - -\n")
	f.Add("root /srv\r\ncurrent none\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseLook(text)
		if err != nil {
			return
		}
		if !strings.HasPrefix(l.Root, "/") || l.Current.Kind == "" || control(l.Root+l.Current.Target) {
			t.Errorf("%+v", l)
		}
		for _, p := range l.Releases {
			if !validID(p.ID) || (p.SHA256 != "" && (!validSHA256(p.SHA256) || p.Seq < 1)) || control(p.Name) {
				t.Errorf("%+v", p)
			}
		}
		s := tea(PinVersion, "42", "app-1")
		facts := remote.Facts{}
		facts.Put(s.artifact(), jar(shaA))
		facts.Put(s.look("app-1"), remote.Answer{Sight: remote.Seen, Text: text})
		for _, c := range diff(config.Ref{Kind: "release", Name: "t"}, s, facts) {
			if c.Problem != "" && len(c.Steps) > 0 {
				t.Errorf("%+v", c)
			}
		}
	})
}

// TestPruneDue: a run that died between activate and prune leaves word, and the next plan removes what may go.
func TestPruneDue(t *testing.T) {
	text := "root /srv\ncurrent link /srv/releases/42\nrelease 40 " + shaA + " 1 file a.jar\nrelease 41 " + shaA + " 2 file a.jar\nrelease 42 " + shaA + " 3 file a.jar\n" +
		"activated 40\nactivated 41\nactivated 42\n"
	for _, c := range []struct {
		word string
		want int
	}{{"", 0}, {"prune due\n", 1}} {
		l, err := parseLook(text + c.word)
		if err != nil {
			t.Fatal(err)
		}
		d := hostDiff{s: Spec{Root: "/srv", Retention: &Retention{Keep: 1}}, w: want{ID: "42"}, a: providers.Addr{Host: "app-1"}, l: l}
		d.c.Action = providers.NoOp
		d.steps(d.state(), true)
		together(d.s, []*hostDiff{&d}, nil)
		got := d.c
		if len(got.Steps) != c.want || (got.Action == providers.NoOp) != (c.want == 0) {
			t.Errorf("%q: %s, %v", c.word, got.Action, got.Steps)
		}
	}
}

// TestBlind: an ordinary user does not see what uses a release, and a plan says so before anything is begun.
func TestBlind(t *testing.T) {
	ref := config.Ref{Kind: "release", Name: "teatime"}
	kept := tea(PinVersion, "42", "app-1")
	kept.Retention = &Retention{Keep: 5}
	for _, tt := range []struct {
		name, identity string
		spec           Spec
		warns, refuses bool
	}{
		{"a user", "uid 1000\nuser deploy\nhas sha256sum\n", kept, true, true},
		{"a user, without retention", "uid 1000\nuser deploy\nhas sha256sum\n", tea(PinVersion, "42", "app-1"), false, true},
		{"root", "uid 0\nuser root\nhas sha256sum\n", kept, false, false},
		{"not asked", "", kept, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := remote.Facts{}
			f.Put(tt.spec.artifact(), jar(shaA))
			f.Put(tt.spec.look("app-1"), seen("root /srv/teatime", "current link /srv/teatime/releases/41", "release 41 "+shaB+" 1 file a.jar", "activated 41"))
			if tt.identity != "" {
				f.Put(remote.Identity("app-1"), remote.Answer{Sight: remote.Seen, Text: tt.identity})
			}
			c := diff(ref, tt.spec, f)[0]
			if warns := strings.Contains(strings.Join(c.Warnings, " "), "without root"); warns != tt.warns || c.Problem != "" {
				t.Errorf("plan: %q, %q", c.Warnings, c.Problem)
			}
			c = Remove(ref, tt.spec, f)[0]
			if refuses := strings.Contains(c.Problem, "sudo = true"); refuses != tt.refuses || refuses == (len(c.Steps) > 0) {
				t.Errorf("destroy: %q, %d steps", c.Problem, len(c.Steps))
			}
		})
	}
}
