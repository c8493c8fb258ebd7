package release

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// shell is one of the environments that scripts have to work in.
type shell struct {
	name string
	argv []string
	path string // PATH
}

// shells are dash and bash with GNU's tools, and busybox with its own and nothing else.
func shells(t *testing.T) []shell {
	t.Helper()
	gnu := os.Getenv("PATH")
	applets := t.TempDir()
	list, err := exec.Command("busybox", "--list").Output()
	if err != nil {
		t.Fatalf("busybox is needed: %v", err)
	}
	box, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range strings.Fields(string(list)) {
		if err := os.Symlink(box, filepath.Join(applets, a)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"su", "flock"} { // Debian's busybox has no su
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(applets, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(applets, 0o755), os.Chmod(filepath.Dir(applets), 0o755)); err != nil { // nobody runs tar
		t.Fatal(err)
	}
	return []shell{
		{"dash", []string{"dash"}, gnu},
		{"busybox", []string{box, "sh"}, applets},
		{"bash", []string{"bash"}, gnu},
	}
}

// box is a machine for scripts: a state directory and a place for roots.
type box struct {
	t     testing.TB
	sh    shell
	state string
	root  string
	wrap  string // put before a script, as `ulimit -f 1`
	step  string // its ID
	input string // $INPUT
}

func newBox(t testing.TB, sh shell) *box {
	t.Helper()
	dir := t.TempDir()
	// Unpacking is done as nobody; what is under the root is reached by working directory only.
	return &box{t: t, sh: sh, state: filepath.Join(dir, "state"), root: filepath.Join(dir, "srv", "app")}
}

type result struct {
	out, err string
	status   int
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// functions are what stands in front of a step's script.
func functions(t interface{ Fatal(args ...any) }) string {
	prelude, err := os.ReadFile("../remote/prelude.sh")
	if err != nil {
		t.Fatal(err)
	}
	step, err := os.ReadFile("../remote/step.sh")
	if err != nil {
		t.Fatal(err)
	}
	return string(prelude) + string(step)
}

// text is a script as it is sent, frames and locks aside.
func (b *box) text(name string, args ...string) string {
	b.t.Helper()
	body, err := scripts{files}.ReadFile(strings.TrimPrefix(name, "release/") + ".sh")
	if err != nil {
		b.t.Fatal(err)
	}
	// The prelude adds the usual directories to PATH: busybox is to have none but its own.
	text := functions(b.t) + "\nPATH=" + quote(b.sh.path) + "\n" + b.wrap + "\n" +
		"STATE=" + quote(b.state) + " PROJECT=tea RUN=r1 STEP=" + quote(b.step) + " INPUT=" + quote(b.input) + "\n__main() {\n" + string(body) + "\n}\n__main"
	for _, a := range args {
		text += " " + quote(a)
	}
	return text + "\n"
}

func (b *box) run(stdin []byte, name string, args ...string) result {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	argv := append(append([]string{}, b.sh.argv...), "-c", b.text(name, args...))
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = bytes.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatal(err)
	}
	return result{strings.TrimSpace(out.String()), strings.TrimSpace(errs.String()), cmd.ProcessState.ExitCode()}
}

func (b *box) must(stdin []byte, name string, args ...string) result {
	b.t.Helper()
	r := b.run(stdin, name, args...)
	if r.status != 0 {
		b.t.Fatalf("%s %q under %s: exit %d: %s%s", name, args, b.sh.name, r.status, r.out, r.err)
	}
	return r
}

func (b *box) fails(want string, stdin []byte, name string, args ...string) {
	b.t.Helper()
	r := b.run(stdin, name, args...)
	if r.status == 0 || !strings.Contains(r.err, want) {
		b.t.Errorf("%s under %s: exit %d, %q; want …%s…", name, b.sh.name, r.status, r.err, want)
	}
}

func (b *box) spec() Spec { return Spec{Name: "tea", Pin: PinVersion, Root: b.root} }

// timeless takes the times and sizes out of what look prints.
func timeless(text string) string {
	text = regexp.MustCompile(`\nsize [^\n]*`).ReplaceAllString(text, "")
	return regexp.MustCompile(`(?m)^(activated \S+) \d+$`).ReplaceAllString(text, "$1")
}

func (b *box) lookText() string {
	b.t.Helper()
	r := b.run(nil, scriptLook, b.root, b.spec().key())
	if r.status != 0 {
		return fmt.Sprintf("exit %d", r.status)
	}
	return timeless(strings.ReplaceAll(r.out, b.root, "ROOT"))
}

func (b *box) expect(want ...string) {
	b.t.Helper()
	if got := b.lookText(); got != strings.Join(want, "\n") {
		b.t.Errorf("under %s look prints\n%s\nwant\n%s", b.sh.name, got, strings.Join(want, "\n"))
	}
}

// clean: nothing of ours is left lying about.
func (b *box) clean() {
	b.t.Helper()
	for _, pattern := range []string{"releases/.upload-*", "releases/.publish-*", "releases/.remove-*", "*.shipctl-*"} {
		if found, err := filepath.Glob(filepath.Join(b.root, pattern)); err != nil || len(found) > 0 {
			b.t.Errorf("left behind: %v %v", found, err)
		}
	}
}

// payload is a source as it is sent, with the arguments of the scripts.
type payload struct {
	body            []byte
	a               Artifact
	upload, publish []string
}

func (b *box) payload(source, id string, shared ...string) payload {
	b.t.Helper()
	a, err := Inspect(source)
	if err != nil {
		b.t.Fatal(err)
	}
	p, err := Open(source)
	if err != nil {
		b.t.Fatal(err)
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(p.Body); err != nil {
		b.t.Fatal(err)
	}
	if err := p.Body.Close(); err != nil {
		b.t.Fatal(err)
	}
	s := b.spec()
	s.Version, s.Source, s.Shared = id, source, shared
	d := hostDiff{s: s, w: want{ID: id, Artifact: a}}
	d.upload()
	d.publish(true)
	return payload{body.Bytes(), a, d.c.Steps[0].Do.Args, d.c.Steps[1].Do.Args}
}

func (b *box) deploy(source, id string, shared ...string) payload {
	b.t.Helper()
	p := b.payload(source, id, shared...)
	b.must(p.body, scriptUpload, p.upload...)
	b.must(nil, scriptPublish, p.publish...)
	b.must(nil, scriptActivate, b.root, b.spec().key(), id)
	return p
}

func (b *box) at(elem ...string) string { return filepath.Join(append([]string{b.root}, elem...)...) }

func each(t *testing.T, f func(t *testing.T, b *box)) {
	t.Helper()
	for _, sh := range shells(t) {
		t.Run(sh.name, func(t *testing.T) { f(t, newBox(t, sh)) })
	}
}

func TestDeployAndAgain(t *testing.T) {
	jar := write(t, "tea-42.jar", []byte("forty-two"))
	other := write(t, "tea-43.jar", []byte("forty-three"))
	each(t, func(t *testing.T, b *box) {
		key := b.spec().key()
		b.expect("exit 44")
		p := b.payload(jar, "42", "log", "var/cache")
		for range 2 {
			b.must(p.body, scriptUpload, p.upload...)
			b.expect("root ROOT", "current none", "ready "+p.a.SHA256)
		}
		released := "release 42 " + p.a.SHA256 + " 1 file tea-42.jar"
		for range 2 {
			b.must(nil, scriptPublish, p.publish...)
			b.expect("root ROOT", "current none", released)
		}
		if r := b.must(p.body, scriptUpload, p.upload...); r.out != "release 42 is published already" {
			t.Errorf("upload said %q", r.out)
		}
		for range 2 {
			b.must(nil, scriptActivate, b.root, key, "42")
			b.expect("root ROOT", "current link ROOT/releases/42", released, "activated 42", "prune due")
		}
		b.clean()
		info, err := os.Stat(b.at("current", "tea-42.jar"))
		if err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%v %v", info.Mode(), err)
		}
		for _, l := range []string{"log", "var/cache"} {
			if to, err := os.Readlink(b.at("releases/42", l)); err != nil || to != b.at("shared", l) {
				t.Errorf("%s leads to %q, %v", l, to, err)
			}
		}

		q := b.deploy(other, "43")
		b.expect("root ROOT", "current link ROOT/releases/43", released, "release 43 "+q.a.SHA256+" 2 file tea-43.jar", "activated 42", "activated 43", "prune due")
		for range 2 {
			b.must(nil, scriptDeactivate, b.root, key, "43", b.at("releases/42"))
			b.expect("root ROOT", "current link ROOT/releases/42", released, "release 43 "+q.a.SHA256+" 2 file tea-43.jar", "activated 42")
		}
		for range 2 {
			b.must(nil, scriptDeactivate, b.root, key, "42")
			b.expect("root ROOT", "current none", released, "release 43 "+q.a.SHA256+" 2 file tea-43.jar")
		}
	})
}

func TestForms(t *testing.T) {
	archive := write(t, "a.tar.gz", tarWithEverything(t))
	zipFile := write(t, "a.zip", zipOf(t, zipped{"bin/run", "#!/bin/sh\n", 0o755}, zipped{"conf/a b.txt", "x", 0o600}, zipped{"l", "bin/run", os.ModeSymlink | 0o777}))
	each(t, func(t *testing.T, b *box) {
		for i, source := range []string{archive, zipFile} {
			id := fmt.Sprint(i)
			b.deploy(source, id, "log")
			for name, mode := range map[string]os.FileMode{"bin/run": 0o755, "conf": os.ModeDir | 0o755, "conf/a b.txt": 0o644, "log": os.ModeSymlink | 0o777, "l": os.ModeSymlink | 0o777} {
				info, err := os.Lstat(b.at("releases", id, name))
				if err != nil || info.Mode() != mode {
					t.Errorf("%s: %v, %v; want %v", name, info, err, mode)
				}
				if err == nil && os.Getuid() == 0 && owner(info) != 0 {
					t.Errorf("%s belongs to %d", name, owner(info))
				}
			}
			if info, err := os.Stat(b.at("releases", id, "bin/run")); err != nil || (source == zipFile && info.ModTime().Year() < 2000) {
				t.Errorf("%v %v", info, err)
			}
		}
		b.clean()
	})
}

// A directory without a right to write in it: GNU's tar gives it its mode at the end. busybox' does not, and as root, who
// could write all the same, nothing is unpacked.
func TestReadOnlyDirectory(t *testing.T) {
	archive := write(t, "a.tar.gz", tgz(t, tar.Header{Name: "d", Mode: 0o555, Typeflag: tar.TypeDir}, tar.Header{Name: "d/f", Mode: 0o400, Size: 10}))
	each(t, func(t *testing.T, b *box) {
		p := b.payload(archive, "42")
		b.must(p.body, scriptUpload, p.upload...)
		if b.sh.name == "busybox" {
			b.fails("busybox' tar can't unpack read-only directories", nil, scriptPublish, p.publish...)
			b.expect("root ROOT", "current none", "ready "+p.a.SHA256)
		} else {
			b.must(nil, scriptPublish, p.publish...)
			if info, err := os.Stat(b.at("releases/42/d/f")); err != nil || info.Mode() != 0o644 {
				t.Errorf("%v %v", info, err)
			}
		}
		b.clean()
	})
}

// With what root becomes nobody to unpack: setpriv, else su; busybox' setpriv can't, whatever its name says. Where neither
// can, nothing is unpacked.
func TestUnpackedAsNobody(t *testing.T) {
	if os.Getuid() != 0 {
		return
	}
	archive := write(t, "a.tar.gz", tarWithEverything(t))
	dir, err := os.MkdirTemp("", "nobody")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	said := filepath.Join(dir, "said")
	fake := "#!/bin/sh\necho \"$(id -u) $(id -g)\" >>" + said + "\nPATH=${PATH#*:}\nexec tar \"$@\"\n"
	if err := errors.Join(os.Chmod(dir, 0o777), os.WriteFile(filepath.Join(dir, "tar"), []byte(fake), 0o755)); err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, b *box) {
		b.sh.path = dir + ":" + b.sh.path
		for i, wrap := range []string{"", "setpriv() { echo 'unrecognized option' >&2; return 1; }"} {
			if err := os.WriteFile(said, nil, 0o666); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(said, 0o666); err != nil {
				t.Fatal(err)
			}
			b.wrap = wrap
			p := b.payload(archive, fmt.Sprint(i))
			b.must(p.body, scriptUpload, p.upload...)
			b.must(nil, scriptPublish, p.publish...)
			if text, err := os.ReadFile(said); err != nil || string(text) != "65534 65534\n" {
				t.Errorf("%s, %q: tar ran as %q, %v", b.sh.name, wrap, text, err)
			}
		}
		before := b.lookText()
		b.wrap = "setpriv() { return 1; }; su() { return 1; }"
		p := b.payload(archive, "9")
		b.must(p.body, scriptUpload, p.upload...)
		b.fails("can't become nobody", nil, scriptPublish, p.publish...)
		if got := b.lookText(); got != before+"\nready "+p.a.SHA256 {
			t.Error(got)
		}
		b.clean()
	})
}

// Whoever may write in releases, or in what is shared, can put a link in the place of what root has just made there: root
// does not follow it.
func TestPlantedLinks(t *testing.T) {
	if os.Getuid() != 0 {
		return
	}
	archive := write(t, "a.tar.gz", tarWithEverything(t))
	jar := write(t, "a.jar", []byte("jar"))
	each(t, func(t *testing.T, b *box) {
		for dir := b.root; dir != os.TempDir(); dir = filepath.Dir(dir) { // whose shared is reached
			if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, 0o755)); err != nil {
				t.Fatal(err)
			}
		}
		victim := filepath.Join(t.TempDir(), "victim")
		list := func() string {
			t.Helper()
			out, err := exec.Command("find", victim, "-printf", "%p %u %m %s\n").CombinedOutput()
			if err != nil {
				t.Fatal(err)
			}
			return string(out)
		}
		if err := errors.Join(os.MkdirAll(b.at("releases"), 0o755), os.Mkdir(victim, 0o700), os.Mkdir(victim+"/etc", 0o700), os.WriteFile(victim+"/artifact", []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
		before := list()
		swap := func(to string) string {
			return "mkdir() { command mkdir \"$@\" || return 1; for d in \"$@\"; do :; done; case $d in .publish-* | .upload-*) mv \"$d\" \"$d.mine\"; " + to + " ;; esac; }"
		}
		for _, source := range []string{archive, jar} {
			p := b.payload(source, "42")
			for _, to := range []string{"ln -s " + quote(victim) + ` "$d"`, `command mkdir "$d"; chown daemon "$d"`, `command mkdir "$d"; : >"$d/own"`} {
				b.wrap = swap(to)
				b.fails("is somebody else at work there?", p.body, scriptUpload, p.upload...)
				b.wrap = ""
				b.must(p.body, scriptUpload, p.upload...)
				b.wrap = swap(to)
				b.fails("is somebody else at work there?", nil, scriptPublish, p.publish...)
				b.wrap = ""
				if got := list(); got != before {
					t.Fatalf("%s: the victim is\n%swas\n%s", to, got, before)
				}
				if err := os.Remove(b.at("releases/.ready-" + p.a.SHA256)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(victim, b.at("releases/.publish-old")); err != nil {
				t.Fatal(err)
			}
			b.must(p.body, scriptUpload, p.upload...)
			// shared belongs to a user, who has put a link to where only root may write.
			if err := errors.Join(os.MkdirAll(b.at("shared"), 0o755), os.Chown(b.at("shared"), 1, 1), os.RemoveAll(b.at("shared/a")), os.Symlink(victim, b.at("shared/a"))); err != nil {
				t.Fatal(err)
			}
			b.fails("as daemon: make it by hand", nil, scriptPublish, append(p.publish, "a/cron")...)
			b.must(nil, scriptPublish, append(p.publish, "log/today")...)
			if info, err := os.Stat(b.at("shared/log/today")); err != nil || owner(info) != 1 {
				t.Errorf("what is shared belongs to %v, %v", info, err)
			}
			if err := os.RemoveAll(b.at("shared/log")); err != nil {
				t.Fatal(err)
			}
			if got := list(); got != before {
				t.Fatalf("the victim is\n%swas\n%s", got, before)
			}
			if err := errors.Join(os.RemoveAll(b.at("releases")), os.RemoveAll(b.state), os.Mkdir(b.at("releases"), 0o755)); err != nil {
				t.Fatal(err)
			}
		}
		// Others may write there, and it is not said who.
		if err := errors.Join(os.RemoveAll(b.at("shared")), os.Mkdir(b.at("shared"), 0o755), os.Chmod(b.at("shared"), 0o777)); err != nil {
			t.Fatal(err)
		}
		p := b.payload(jar, "43")
		b.must(p.body, scriptUpload, p.upload...)
		b.fails("belongs to root, and others can write to it", nil, scriptPublish, append(p.publish, "log")...)
	})
}

func TestOtherContentIsRefused(t *testing.T) {
	one, two := write(t, "a.jar", []byte("one")), write(t, "a.jar", []byte("two"))
	each(t, func(t *testing.T, b *box) {
		p := b.deploy(one, "42")
		before := b.lookText()
		q := b.payload(two, "42")
		want := "release 42 is there with other content: " + p.a.SHA256 + ", wanted is " + q.a.SHA256
		b.fails(want, q.body, scriptUpload, q.upload...)
		b.fails(want, nil, scriptPublish, q.publish...)
		if err := os.Mkdir(b.at("releases/43"), 0o755); err != nil {
			t.Fatal(err)
		}
		r := b.payload(two, "43")
		b.fails("release 43 is there with other content: nothing is recorded of it", r.body, scriptUpload, r.upload...)
		b.fails("nothing is recorded of it", nil, scriptPublish, r.publish...)
		b.expect(before[:strings.Index(before, "\nactivated")], "release 43 - - - -", "activated 42", "prune due")
		b.clean()
	})
}

func TestBrokenUploads(t *testing.T) {
	jar := write(t, "a.jar", bytes.Repeat([]byte("jar"), 1000))
	each(t, func(t *testing.T, b *box) {
		p := b.payload(jar, "42")
		b.fails("the upload broke off: 1000 of 3000 bytes arrived", p.body[:1000], scriptUpload, p.upload...)
		changed := bytes.Clone(p.body)
		changed[7] = 'X'
		b.fails("what arrived is not what was planned", changed, scriptUpload, p.upload...)
		b.fails("broke off: 3004 of 3000", append(bytes.Clone(p.body), "more"...), scriptUpload, p.upload...)
		greedy := append([]string{}, p.upload...)
		greedy[5] = "900000000000000000"
		b.fails("not enough room", p.body, scriptUpload, greedy...)
		b.expect("root ROOT", "current none")
		b.clean()

		// A disk that fills up while we write; the limit counts 512 or 1,024 bytes.
		b.wrap = "ulimit -f 1; trap '' XFSZ"
		b.fails("What had arrived was removed", p.body, scriptUpload, p.upload...)
		b.wrap = ""
		b.clean()

		// What a run that died has left is cleared away, and another version's upload too.
		for _, f := range []string{".upload-r0-1", ".ready-" + strings.Repeat("0", 64), ".ready-" + p.a.SHA256} {
			if err := os.WriteFile(b.at("releases", f), []byte("part"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		b.must(p.body, scriptUpload, p.upload...)
		b.expect("root ROOT", "current none", "ready "+p.a.SHA256)
		b.clean()

		// Damaged between upload and publication: removed, so that the next run sends it again.
		if err := os.WriteFile(b.at("releases", ".ready-"+p.a.SHA256), changed, 0o644); err != nil {
			t.Fatal(err)
		}
		b.fails("the upload was damaged", nil, scriptPublish, p.publish...)
		b.expect("root ROOT", "current none")
		b.fails("is not there: the upload was removed", nil, scriptPublish, p.publish...)
		b.fails("release 42 is not on this machine", nil, scriptActivate, b.root, b.spec().key(), "42")
	})
}

func TestHalfDonePublication(t *testing.T) {
	archive := write(t, "a.tar.gz", tarWithEverything(t))
	each(t, func(t *testing.T, b *box) {
		p := b.payload(archive, "42")
		b.must(p.body, scriptUpload, p.upload...)
		// Died between record and rename, a read-only directory unpacked.
		records := filepath.Join(b.state, "projects/tea/releases", b.spec().key())
		if err := os.MkdirAll(records, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(b.at("releases/.publish-r0-1/d"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(b.at("releases/.publish-r0-1/d"), 0o555); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(records, "42"), []byte(p.a.SHA256+" 7 tar.gz a.tar.gz\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		b.expect("root ROOT", "current none", "ready "+p.a.SHA256)
		b.must(nil, scriptPublish, p.publish...)
		b.expect("root ROOT", "current none", "release 42 "+p.a.SHA256+" 8 tar.gz a.tar.gz")
		b.clean()

		// Died between rename and the removal of the upload.
		b.wrap = "rm() { :; }"
		q := b.payload(archive, "43")
		b.must(q.body, scriptUpload, q.upload...)
		b.must(nil, scriptPublish, q.publish...)
		b.wrap = ""
		b.must(nil, scriptPublish, q.publish...)
		b.expect("root ROOT", "current none", "release 42 "+p.a.SHA256+" 8 tar.gz a.tar.gz", "release 43 "+q.a.SHA256+" 9 tar.gz a.tar.gz")
	})
}

func TestBrokenPublications(t *testing.T) {
	archive := write(t, "a.tar.gz", tarWithEverything(t))
	each(t, func(t *testing.T, b *box) {
		p := b.payload(archive, "42")
		b.must(p.body, scriptUpload, p.upload...)
		wrong := append([]string{}, p.publish...)
		wrong[6] = p.a.SHA256
		b.fails("is not what is in the archive", nil, scriptPublish, wrong...)
		b.fails("the artifact brings its own conf, and it is not empty", nil, scriptPublish, append(p.publish, "conf")...)
		b.fails("the artifact brings its own l, but l is to be shared", nil, scriptPublish, append(p.publish, "l")...)
		b.fails("brings its own bin/run", nil, scriptPublish, append(p.publish, "bin/run")...)
		b.wrap = "tar() { echo 'tar: no space' >&2; return 2; }; setpriv() { return 1; }; su() { while [ \"$1\" != nobody ]; do shift; done; shift; \"$@\"; }"
		b.fails("tar: no space\ncould not unpack", nil, scriptPublish, p.publish...)
		b.wrap = "mv() { return 1; }"
		b.fails("could not record release 42", nil, scriptPublish, p.publish...)
		b.wrap = ""
		b.expect("root ROOT", "current none", "ready "+p.a.SHA256)
		b.clean()
		b.must(nil, scriptPublish, append(p.publish, "empty")...)
		b.clean()
	})
}

func TestCurrentByHand(t *testing.T) {
	jar := write(t, "a.jar", []byte("jar"))
	each(t, func(t *testing.T, b *box) {
		key := b.spec().key()
		b.deploy(jar, "42")
		if err := os.Remove(b.at("current")); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(b.at("current"), 0o755); err != nil {
			t.Fatal(err)
		}
		b.fails("is not a symbolic link: it was made by hand", nil, scriptActivate, b.root, key, "42")
		b.must(nil, scriptDeactivate, b.root, key, "42", "")
		if got := b.lookText(); !strings.Contains(got, "current directory\n") {
			t.Error(got)
		}
		if err := os.Remove(b.at("current")); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(b.at("current"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		b.fails("is not a symbolic link", nil, scriptActivate, b.root, key, "42")
		if got := b.lookText(); !strings.Contains(got, "current file\n") {
			t.Error(got)
		}
		if err := os.Remove(b.at("current")); err != nil {
			t.Fatal(err)
		}
		// Somebody's own link is put back to the letter.
		if err := os.Symlink("../old one/$(id)", b.at("current")); err != nil {
			t.Fatal(err)
		}
		b.must(nil, scriptActivate, b.root, key, "42")
		b.must(nil, scriptDeactivate, b.root, key, "42", "../old one/$(id)")
		if got := b.lookText(); !strings.Contains(got, "current link ../old one/$(id)\n") {
			t.Error(got)
		}
		if err := os.Remove(b.at("current")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("a\nb", b.at("current")); err != nil {
			t.Fatal(err)
		}
		if got := b.lookText(); !strings.Contains(got, "current odd\n") {
			t.Error(got)
		}
		b.clean()
	})
}

func TestLookAtOddPlaces(t *testing.T) {
	each(t, func(t *testing.T, b *box) {
		if err := os.MkdirAll(b.root, 0o755); err != nil {
			t.Fatal(err)
		}
		b.expect("root ROOT", "current none")
		if err := os.Symlink(t.TempDir(), b.at("releases")); err != nil {
			t.Fatal(err)
		}
		b.expect("exit 1")
		p := b.payload(write(t, "a.jar", []byte("jar")), "42")
		b.fails("which shipctl does not follow", p.body, scriptUpload, p.upload...)
		if err := os.Remove(b.at("releases")); err != nil {
			t.Fatal(err)
		}
		for _, f := range []string{"releases/a;id", "releases/$(id)", "releases/-rf", "releases/.ready-x", "releases/.ready-0'", "releases/a b"} {
			if err := os.MkdirAll(b.at(f), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		b.expect("root ROOT", "current none")
		if r := b.run(nil, scriptLook, "/etc/passwd/x", "k"); r.status != 1 || !strings.Contains(r.err, "/etc/passwd is not a directory") {
			t.Errorf("%+v", r)
		}
	})
}

// Denied is not absent. As root nothing is denied, so the shell gives its rights away.
func TestLookDenied(t *testing.T) {
	for _, sh := range shells(t)[:1] {
		b := newBox(t, sh)
		if err := os.MkdirAll(b.at("releases"), 0o755); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 {
			b.sh.argv = append([]string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"}, sh.argv...)
		}
		for dir := b.root; dir != os.TempDir(); dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		b.expect("root ROOT", "current none")
		for _, dir := range []string{"releases", ".", ".."} {
			if err := os.Chmod(b.at(dir), 0); err != nil {
				t.Fatal(err)
			}
			b.expect(fmt.Sprintf("exit %d", 43))
			if err := os.Chmod(b.at(dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestShellcheck(t *testing.T) {
	remotetest.Shellcheck(t, ".")
	remotetest.Joined(t, "release", scripts{files})
}

// The questions of a plan must stay cheap: a machine with many releases costs no more forks than one with none.
func TestLookForksLittle(t *testing.T) {
	sh := shells(t)[0]
	b := newBox(t, sh)
	for i := range 50 {
		if err := os.MkdirAll(b.at("releases", fmt.Sprint(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, tool := range []string{"readlink", "find", "cat", "ls", "awk", "sed", "stat", "sha256sum"} {
		b.wrap += tool + "() { echo " + tool + " >&2; command " + tool + ` "$@"; }` + "\n"
	}
	if r := b.run(nil, scriptLook, b.root, b.spec().key()); r.status != 0 || r.err != "" {
		t.Errorf("forks: %s", r.err)
	}
}
