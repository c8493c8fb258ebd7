package release

import (
	"archive/tar"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeep(t *testing.T) {
	// look: releases by publication, those that were never activated with a "!", then the order of activations.
	look := func(current, releases, activated string) Look {
		l := Look{Root: "/srv/tea", Current: Link{Kind: "link", Target: "/srv/tea/releases/" + current}, Activated: strings.Fields(activated)}
		for i, id := range strings.Fields(releases) {
			p := Published{ID: strings.TrimPrefix(id, "?"), SHA256: shaA, Seq: i + 1, Form: FormFile, Size: 100}
			if strings.HasPrefix(id, "?") {
				p.SHA256 = ""
			}
			l.Releases = append(l.Releases, p)
		}
		return l
	}
	tests := []struct {
		name      string
		r         Retention
		l         Look
		id        string
		kept, out string // newest first
	}{
		{"few", Retention{Keep: 5, KeepFailed: 1}, look("2", "1 2", "1 2"), "3", "3 2 1", ""},
		{"many", Retention{Keep: 2, KeepFailed: 1}, look("4", "1 2 3 4", "1 2 3 4"), "5", "5 4", "3 2 1"},
		{"previous stays", Retention{Keep: 1, KeepFailed: 0}, look("4", "1 2 3 4", "1 2 3 4"), "5", "5 4", "3 2 1"},
		{"failed ones apart", Retention{Keep: 2, KeepFailed: 1}, look("2", "1 2 3 4", "1 2"), "5", "5 4 2", "3 1"},
		{"failed again and again", Retention{Keep: 2, KeepFailed: 0}, look("2", "1 2 3 4", "1 2"), "5", "5 2", "4 3 1"},
		{"back to an old one", Retention{Keep: 2, KeepFailed: 1}, look("4", "1 2 3 4", "1 2 3 4"), "1", "1 4", "3 2"},
		{"active already", Retention{Keep: 1, KeepFailed: 1}, look("4", "1 2 3 4", "1 2 4 3 4"), "4", "4 3", "2 1"},
		{"by size", Retention{Keep: 5, KeepFailed: 5, MaxSize: 350}, look("4", "1 2 3 4", "1 2 4"), "5", "5 4 3", "2 1"},
		{"by size, the previous one first", Retention{Keep: 5, MaxSize: 250}, look("1", "1 2 3 4", "1 2 3 4 1"), "5", "5 1", "4 3 2"},
		{"too small for any", Retention{Keep: 5, MaxSize: 1}, look("4", "1 2 3 4", "1 2 3 4"), "5", "5 4", "3 2 1"},
		{"not ours", Retention{Keep: 1, KeepFailed: 1}, look("?1", "?1 2 3", "2 3"), "4", "4", "3 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var kept, out []string
			for _, d := range Keep(tt.r, tt.l, "/srv/tea", tt.id, 100) {
				if d.Why == "" {
					t.Errorf("no reason for %s", d.ID)
				}
				if d.Keep {
					kept = append(kept, d.ID)
				} else {
					out = append(out, d.ID)
				}
			}
			if d := cmp.Diff([]string{tt.kept, tt.out}, []string{strings.Join(kept, " "), strings.Join(out, " ")}); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestPrune(t *testing.T) {
	if os.Getuid() != 0 {
		each(t, func(t *testing.T, b *box) {
			b.deploy(write(t, "a.jar", []byte("1")), "1")
			if r := b.must(nil, scriptPrune, b.root, b.spec().key(), "1"); !strings.HasPrefix(r.out, "warning: nothing removed") {
				t.Error(r.out)
			}
		})
		return
	}
	each(t, func(t *testing.T, b *box) {
		key := b.spec().key()
		for i := range 8 {
			b.deploy(write(t, "a.jar", fmt.Append(nil, i)), fmt.Sprint(i))
		}
		// In a PID namespace of its own: all of its processes can be looked at, and they end with it.
		b.sh.argv = append([]string{"unshare", "--pid", "--fork", "--mount-proc", "--kill-child"}, b.sh.argv...)
		b.wrap = "cd " + b.at("releases/1") + "; sleep 60 >/dev/null 2>&1 & p=$!; cd /\n" +
			"sleep 60 <" + b.at("releases/2/a.jar") + " >/dev/null 2>&1 & q=$!\n" +
			"until [ \"$(readlink /proc/$p/cwd)\" = " + b.at("releases/1") + " ] && [ \"$(readlink /proc/$q/fd/0)\" = " + b.at("releases/2/a.jar") + " ]; do :; done"
		if err := os.MkdirAll(b.at("slots"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../releases/3", b.at("slots/blue")); err != nil {
			t.Fatal(err)
		}
		// What a run that died has left.
		if err := os.MkdirAll(b.at("releases/.remove-old/d"), 0o555); err != nil {
			t.Fatal(err)
		}
		before := strings.Replace(b.lookText(), "\nprune due", "", 1)
		wrap := b.wrap
		b.wrap = "find() { echo \"find: '/proc/1/cwd': Permission denied\" >&2; }; ls() { find; }"
		if r := b.must(nil, scriptPrune, b.root, key, "0"); !strings.HasPrefix(r.out, "warning: nothing removed: process 1 (") || !strings.Contains(r.out, "can not be looked at, not even as root") || b.lookText() != before {
			t.Errorf("%q", r.out)
		}
		b.wrap = wrap
		r := b.must(nil, scriptPrune, b.root, key, "0", "1", "2", "3", "4", "6", "7", "none")
		lines := strings.Split(r.out, "\n")
		want := []string{
			"kept 1: in use by process", "kept 2: in use by process",
			"kept 3: a link points to it", "kept 6: it was live before", "kept 7: it is live", "removed 0", "removed 4", "removed old",
		}
		if len(lines) != len(want) {
			t.Fatalf("%s", r.out)
		}
		for i := range want {
			if !strings.HasPrefix(lines[i], want[i]) {
				t.Errorf("%q, want %q", lines[i], want[i])
			}
		}
		l, err := parseLook(strings.ReplaceAll(b.lookText(), "ROOT", b.root) + "\n")
		if err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, p := range l.Releases {
			left = append(left, p.ID)
		}
		if !slices.Equal(left, []string{"1", "2", "3", "5", "6", "7"}) {
			t.Errorf("%v left", left)
		}
		b.clean()
		// A prune died between renaming a release and removing it, and that release is published and live again.
		p := b.payload(write(t, "a.jar", []byte("7")), "7")
		if err := os.Rename(b.at("releases/7"), b.at("releases/.remove-7")); err != nil {
			t.Fatal(err)
		}
		b.must(p.body, scriptUpload, p.upload...)
		b.must(nil, scriptPublish, p.publish...)
		b.must(nil, scriptPrune, b.root, key, "0")
		if got := b.lookText(); !strings.Contains(got, "release 7 "+p.a.SHA256+" ") {
			t.Errorf("nothing is recorded of the live release:\n%s", got)
		}
		b.clean()
		b.fails("is not the name of a release", nil, scriptPrune, b.root, key, "../x")
	})
}

// A process may see the releases under other paths: in a mount namespace of its own, or through a bind mount.
func TestPruneLooksThroughMounts(t *testing.T) {
	if os.Getuid() != 0 { // without root nothing is removed at all, which TestPrune shows
		return
	}
	each(t, func(t *testing.T, b *box) {
		key := b.spec().key()
		for i := range 9 {
			b.deploy(write(t, "a.tar.gz", tgz(t, tar.Header{Name: "d/f", Size: 1})), fmt.Sprint(i))
		}
		// On a filesystem of its own the releases' paths in it are others than here.
		for _, part := range []struct{ name, wrap string }{
			{"same filesystem", ""},
			{"own filesystem", "cp -a ROOT ROOT.copy && mount -t tmpfs none ROOT && cp -a ROOT.copy/. ROOT\n"},
		} {
			t.Run(part.name, func(t *testing.T) {
				at := t.TempDir()
				for _, d := range []string{"a b", "up", "jail", "here", "idle", "away"} {
					if err := os.MkdirAll(filepath.Join(at, d), 0o755); err != nil {
						t.Fatal(err)
					}
				}
				old := b.sh.argv
				b.sh.argv = append([]string{"unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"}, old...)
				// apart DIR: the release, or what is above it, is mounted there for one process only, which is there or reads a file.
				b.wrap = strings.ReplaceAll(part.wrap, "ROOT", b.root) + strings.NewReplacer("ROOT", b.root, "AT", at).Replace(`
away() { unshare --mount sh -c "$1; $2 && touch AT/ready.$3; exec sleep 60 $4" >/dev/null 2>&1 & }
away 'mount --bind ROOT/releases/0 "AT/a b"' 'cd "AT/a b/d"' 0
away 'mount --bind ROOT AT/up' 'true' 1 '<AT/up/releases/1/d/f'
away 'mount --bind ROOT/releases/2/d AT/away' 'cd AT/away' 2
away 'mount --bind ROOT/releases/3 AT/idle' 'cd /' 3
mount --bind ROOT/releases AT/here
away 'umount AT/here' 'cd ROOT/releases/4' 4
(cd AT/here/5/d && touch AT/ready.5 && exec sleep 60) >/dev/null 2>&1 &
until [ -e AT/ready.0 ] && [ -e AT/ready.1 ] && [ -e AT/ready.2 ] && [ -e AT/ready.3 ] && [ -e AT/ready.4 ] && [ -e AT/ready.5 ]; do sleep 0.05; done
until [ "$(pidof sleep | wc -w)" -ge 6 ]; do :; done`)
				r := b.run(nil, scriptPrune, b.root, key, "0", "1", "2", "3", "4", "5", "6")
				lines := strings.Split(r.out, "\n")
				want := []string{
					"kept 0: in use by process", "kept 1: in use by process", "kept 2: in use by process", "kept 3: mounted on " + at + "/idle where process",
					"kept 4: in use by process", "kept 5: in use by process", "removed 6",
				}
				b.sh.argv, b.wrap = old, ""
				if part.name == "same filesystem" {
					for _, id := range []string{"6", "7", "8"} { // 6 once more
						b.deploy(write(t, "a.tar.gz", tgz(t, tar.Header{Name: "d/f", Size: 1})), id)
					}
				}
				if len(lines) != len(want) {
					t.Fatalf("%s%s", r.out, r.err)
				}
				for i := range want {
					if !strings.HasPrefix(lines[i], want[i]) {
						t.Errorf("%q, want %q", lines[i], want[i])
					}
				}
			})
		}
	})
}
