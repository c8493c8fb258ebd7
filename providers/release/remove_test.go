package release

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

func TestDiffRemove(t *testing.T) {
	ref := config.Ref{Kind: "release", Name: "teatime"}
	s := tea(PinLive, "", "app-1")
	s.Shared = []string{"log"}
	for _, tt := range []struct {
		name   string
		look   remote.Answer
		action string
		want   string
	}{
		{
			"ours", seen("root /srv/teatime", "current link /srv/teatime/releases/42", "release 42 "+shaA+" 1 file a.jar", "release x - - - -", "activated 42"), providers.Delete,
			"releases 42 leave /srv/teatime unless in use; /srv/teatime/shared stays",
		},
		{"nothing there", remote.Answer{Sight: remote.Absent}, providers.NoOp, ""},
		{"somebody else's", seen("root /srv/teatime", "current directory", "release x - - - -"), providers.NoOp, ""},
		{"could not look", remote.Answer{Sight: remote.Denied}, providers.NoOp, "could not be planned"},
	} {
		f := remote.Facts{}
		f.Put(s.look("app-1"), tt.look)
		c := Remove(ref, s, f)[0]
		if c.Action != tt.action || c.Line != tt.want || (len(c.Steps) > 0) != (tt.action == providers.Delete) || (c.Problem != "") != (tt.look.Sight == remote.Denied) {
			t.Errorf("%s: %+v", tt.name, c)
		}
	}
}

// What is given up goes, but for what is shared, in use, or somebody else's.
func TestRemove(t *testing.T) {
	each(t, func(t *testing.T, b *box) {
		key := b.spec().key()
		for i := range 3 {
			b.deploy(write(t, "a.jar", fmt.Append(nil, i)), fmt.Sprint(i), "log")
		}
		if os.Getuid() != 0 {
			b.fails("without root", nil, scriptPrune, b.root, key, "-all")
			return
		}
		b.sh.argv = append([]string{"unshare", "--pid", "--fork", "--mount-proc", "--kill-child"}, b.sh.argv...)
		b.wrap = "find() { echo \"find: '/proc/1/cwd': Permission denied\" >&2; }; ls() { find; }"
		b.fails("nothing removed: process 1 (", nil, scriptPrune, b.root, key, "-all")
		b.wrap = ""
		for _, d := range []string{"slots", "releases/stranger"} {
			if err := os.MkdirAll(b.at(d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("releases/2", b.at("by-hand")); err != nil {
			t.Fatal(err)
		}
		r := b.must(nil, scriptPrune, b.root, key, "-all")
		if r.out != "kept 2: a link points to it\nremoved 0\nremoved 1" {
			t.Errorf("%q", r.out)
		}
		if to, err := os.Readlink(b.at("current")); err != nil || to != b.at("releases/2") {
			t.Errorf("current leads to %q, %v", to, err)
		}
		if err := os.Remove(b.at("by-hand")); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"removed 2", ""} {
			if r := b.must(nil, scriptPrune, b.root, key, "-all"); r.out != want {
				t.Errorf("%q, want %q", r.out, want)
			}
			b.expect("root ROOT", "current none", "release stranger - - - -")
		}
		if _, err := os.Stat(b.at("shared/log")); err != nil {
			t.Error(err)
		}
	})
}

// story is what happened on a root: which releases came, which of them worked, which one was gone back to.
type story struct {
	worked []bool // by time of publication
	back   int    // index of the release that is live in the end; -1: the last that worked
}

// look is what a machine says of it, with the releases under these names.
func (s story) look(names []string, shuffle *rand.Rand) (Look, string) {
	var lines, active []string
	live := ""
	for i, ok := range s.worked {
		lines = append(lines, fmt.Sprintf("release %s %s %d file a.jar\nsize %s 10", names[i], shaA, i+1, names[i]))
		if ok {
			live = names[i]
			active = append(active, "activated "+names[i])
		}
	}
	if s.back >= 0 && s.worked[s.back] {
		live = names[s.back]
		active = append(active, "activated "+live)
	}
	shuffle.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	current := "current none"
	if live != "" {
		current = "current link /srv/tea/releases/" + live
	}
	l, err := parseLook(strings.Join(append(append([]string{"root /srv/tea", current}, lines...), active...), "\n") + "\n")
	if err != nil {
		panic(err)
	}
	return l, live
}

// Whatever the names are, and in whatever order the machine lists them: the decisions are the same. The live release and
// the one before stay, and failed releases push out no good one.
func TestRetentionProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := story{worked: rapid.SliceOfN(rapid.Bool(), 1, 12).Draw(t, "worked"), back: -1}
		if rapid.Bool().Draw(t, "back") {
			s.back = rapid.IntRange(0, len(s.worked)-1).Draw(t, "to")
		}
		r := Retention{Keep: rapid.IntRange(1, 4).Draw(t, "keep"), KeepFailed: rapid.IntRange(0, 3).Draw(t, "failed")}
		shuffle := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		decide := func(names []string) (kept []int, why []string) {
			l, live := s.look(names, shuffle)
			out := Keep(r, l, "/srv/tea", "next", 10<<10)
			good := 0
			for _, d := range out {
				i := slices.Index(names, d.ID)
				why = append(why, d.Why)
				if d.Keep {
					kept = append(kept, i)
				}
				if (d.ID == live || d.ID == "next") && !d.Keep {
					t.Fatalf("%s goes: %s", d.ID, d.Why)
				}
				if i < 0 || s.worked[i] {
					if good++; good <= r.Keep && !d.Keep {
						t.Fatalf("%s goes though it is good release number %d: %s", d.ID, good, d.Why)
					}
				}
			}
			return kept, why
		}
		var inOrder, random []string
		for i := range s.worked {
			inOrder = append(inOrder, fmt.Sprintf("r%02d", i))
			random = append(random, fmt.Sprintf("%x", shuffle.Uint64()))
		}
		kept, why := decide(inOrder)
		kept2, why2 := decide(random)
		if d := cmp.Diff(kept, kept2) + cmp.Diff(why, why2); d != "" {
			t.Fatal(d)
		}
	})
}

// The same on a disk: the times of directories, records and files mean nothing. After a way back to the oldest, and a
// deployment with retention, the live one and the oldest stay.
func TestRetentionIgnoresTimes(t *testing.T) {
	each(t, func(t *testing.T, b *box) {
		key := b.spec().key()
		ids := []string{"m", "z", "a", "k"}
		for i, id := range ids {
			p := b.payload(write(t, "a.jar", fmt.Append(nil, i)), id)
			b.must(p.body, scriptUpload, p.upload...)
			b.must(nil, scriptPublish, p.publish...)
			if id != "a" { // which failed
				b.must(nil, scriptActivate, b.root, key, id)
			}
		}
		b.must(nil, scriptActivate, b.root, key, "m")
		var want []Decision
		for range 5 {
			for _, id := range ids {
				for _, file := range []string{b.at("releases", id), b.at("releases", id, "a.jar"), b.state + "/projects/tea/releases/" + key + "/" + id} {
					at := time.Unix(rand.Int64N(2e9), 0)
					if err := os.Chtimes(file, at, at); err != nil {
						t.Fatal(err)
					}
				}
			}
			r := b.run(nil, scriptLook, b.root, key)
			l, err := parseLook(r.out + "\n")
			if err != nil {
				t.Fatal(err)
			}
			got := Keep(Retention{Keep: 2}, l, b.root, "next", 0)
			if want == nil {
				want = got
			}
			var kept []string
			for _, d := range got {
				if d.Keep {
					kept = append(kept, d.ID)
				}
			}
			if d := cmp.Diff(want, got) + cmp.Diff([]string{"next", "k", "m"}, kept); d != "" {
				t.Fatal(d)
			}
		}
	})
}

// However often two releases change places, a good one is not forgotten to have been good.
func TestHistoryKeepsTheGoodOnes(t *testing.T) {
	each(t, func(t *testing.T, b *box) {
		key := b.spec().key()
		for i := range 3 {
			b.deploy(write(t, "a.jar", fmt.Append(nil, i)), fmt.Sprint(i))
		}
		history := b.state + "/projects/tea/releases/" + key + "/.history"
		raw, err := os.ReadFile(history)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(history, append(raw, strings.Repeat("1 5\n2 6\n", 40)...), 0o644); err != nil {
			t.Fatal(err)
		}
		b.must(nil, scriptActivate, b.root, key, "1")
		lines := strings.Fields(strings.ReplaceAll(b.lookText(), "activated ", "activated-"))
		n := 0
		for _, l := range lines {
			if strings.HasPrefix(l, "activated-") {
				n++
			}
		}
		if !slices.Contains(lines, "activated-0") || n > 52 {
			t.Errorf("%d: %v", n, lines)
		}
	})
}
