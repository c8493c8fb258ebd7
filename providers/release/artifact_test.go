package release

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers/remote"
)

func tgz(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var raw bytes.Buffer
	w := tar.NewWriter(&raw)
	for _, h := range headers {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Typeflag == tar.TypeReg && h.Size == 0 {
			h.Size = 1
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte("x"), int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return gz(t, raw.Bytes())
}

func gz(t *testing.T, raw []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type zipped struct {
	name, body string
	mode       os.FileMode
}

func zipOf(t *testing.T, files ...zipped) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for i, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: time.Unix(1e9+int64(i), 0)}
		if f.mode == 0 {
			f.mode = 0o644
		}
		h.SetMode(f.mode)
		body, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(body, f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestHostileArchives(t *testing.T) {
	// long is a path of so many bytes, with names that Linux takes.
	long := func(n int) string { return strings.Repeat(strings.Repeat("x", 199)+"/", n/200+1)[:n-1] + "x" }
	h := func(name string) tar.Header { return tar.Header{Name: name} }
	link := func(name, to string) tar.Header {
		return tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink}
	}
	hard := func(name, to string) tar.Header {
		return tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeLink}
	}
	sparse := tar.Header{Name: "s", Format: tar.FormatPAX, PAXRecords: map[string]string{"SHIPCTL.x": "1"}}
	tests := []struct {
		name, file string
		data       []byte
		want       string // part of the error; "" is accepted
	}{
		{"plain", "a.tar.gz", tgz(t, h("a"), h("b/c"), link("l", "b/c"), hard("h", "a")), ""},
		{"dot", "a.tgz", tgz(t, tar.Header{Name: "./", Typeflag: tar.TypeDir}, h("./a")), ""},
		{"link up and down", "a.tgz", tgz(t, h("a/b"), link("c/l", "../a/b")), ""},
		{"link to nowhere inside", "a.tgz", tgz(t, link("l", "none")), ""},
		{"directory twice", "a.tgz", tgz(t, tar.Header{Name: "d/", Typeflag: tar.TypeDir}, tar.Header{Name: "d/", Typeflag: tar.TypeDir}), ""},
		{"unknown record", "a.tgz", tgz(t, sparse), ""},
		{"absolute", "a.tgz", tgz(t, h("/etc/passwd")), `"/etc/passwd": absolute path`},
		{"dotdot", "a.tgz", tgz(t, h("a/../../b")), `"a/../../b": .. in a path`},
		{"link absolute", "a.tgz", tgz(t, link("l", "/etc/shadow")), `"l": link that leaves: "/etc/shadow"`},
		{"link up", "a.tgz", tgz(t, link("d/l", "../../x")), `"d/l": link that leaves`},
		{"link by way of a link", "a.tgz", tgz(t, link("x/y/d", "../.."), link("e", "x/y/d/..")), `"e": link that leaves`},
		{"links in a circle", "a.tgz", tgz(t, link("a", "b"), link("b", "a")), `never ends`},
		{"through a link", "a.tgz", tgz(t, link("l", "d"), h("l/x")), `"l/x": its directory "l" is a link or a file`},
		{"hard link out", "a.tgz", tgz(t, hard("h", "/etc/shadow")), `"h": hard link that leaves`},
		{"hard link to a link", "a.tgz", tgz(t, link("l", "a"), hard("h", "l")), `"h": hard link to "l"`},
		{"hard link to a later file", "a.tgz", tgz(t, hard("h", "z"), h("z")), `"h": hard link to "z"`},
		{"device", "a.tgz", tgz(t, tar.Header{Name: "d", Typeflag: tar.TypeBlock}), `"d": device, pipe or socket`},
		{"pipe", "a.tgz", tgz(t, tar.Header{Name: "p", Typeflag: tar.TypeFifo}), `"p": device, pipe or socket`},
		{"setuid", "a.tgz", tgz(t, tar.Header{Name: "su", Mode: 0o4755}), `"su": setuid or setgid`},
		{"setgid", "a.tgz", tgz(t, tar.Header{Name: "sg", Mode: 0o2755}), `"sg": setuid or setgid`},
		{"duplicate", "a.tgz", tgz(t, h("a"), h("./a")), `"./a": duplicate name`},
		{"file and directory", "a.tgz", tgz(t, h("a"), h("a/b")), `"a/b": its directory "a" is a link or a file`},
		{"newline", "a.tgz", tgz(t, h("a\nb")), `"a\nb": control character`},
		{"empty", "a.tgz", tgz(t), `there is nothing in it`},
		{"not gzip", "a.tgz", []byte("hello"), `not a gzip file`},
		{"not tar", "a.tgz", gz(t, bytes.Repeat([]byte("hello"), 1000)), `not a tar file`},
		{"cut off", "a.tgz", tgz(t, h("a"))[:40], `unexpected EOF`},
		{"second gzip", "a.tgz", append(tgz(t, h("a")), tgz(t, h("b"))...), `more behind the end`},
		{"rest behind gzip", "a.tgz", append(tgz(t, h("a")), "junk behind the end"...), `invalid header`},
		{"longest name", "a.tgz", tgz(t, h("d/"+strings.Repeat("x", 255)+"/f")), ""},
		{"long name", "a.tgz", tgz(t, h("d/"+strings.Repeat("x", 256)+"/f")), `xxx…": a name of 256 bytes, and no Linux takes more than 255`},
		{"longest path", "a.tgz", tgz(t, h("./"+long(4095))), ""},
		{"long path", "a.tgz", tgz(t, h(long(4096))), `a path of 4096 bytes, and no Linux takes more than 4095`},
		{"longest link", "a.tgz", tgz(t, link("l", long(4095))), ""},
		{"long link", "a.tgz", tgz(t, link("l", long(4096))), `"l": a link with a target of 4096 bytes or more, and no Linux takes more than 4095`},
		{"long hard link", "a.tgz", tgz(t, hard("h", long(4096))), `"h": hard link that leaves: "xxx`},
		{"bomb", "a.tgz", bomb(t), `unpacks to more than 1.1 GB: refused as a bomb`},

		{"plain", "a.zip", zipOf(t, zipped{name: "d/", mode: os.ModeDir | 0o755}, zipped{name: "d/a", body: "x"}), ""},
		{"absolute", "a.zip", zipOf(t, zipped{name: "/etc/passwd"}), `absolute path`},
		{"dotdot", "a.zip", zipOf(t, zipped{name: "../x"}), `.. in a path`},
		{"backslash", "a.zip", zipOf(t, zipped{name: `..\x`}), `backslash`},
		{"link out", "a.zip", zipOf(t, zipped{"l", "/etc/shadow", os.ModeSymlink | 0o777}), `link that leaves`},
		{"long link", "a.zip", zipOf(t, zipped{"l", long(5000), os.ModeSymlink | 0o777}), `"l": a link with a target of 4096 bytes or more, and no Linux takes more than 4095`},
		{"longest link", "a.zip", zipOf(t, zipped{"l", long(4095), os.ModeSymlink | 0o777}), ""},
		{"long name", "a.zip", zipOf(t, zipped{name: "d/" + strings.Repeat("x", 256)}), `a name of 256 bytes`},
		{"long path", "a.zip", zipOf(t, zipped{name: long(4096)}), `a path of 4096 bytes`},
		{"setuid", "a.zip", zipOf(t, zipped{"s", "", os.ModeSetuid | 0o755}), `setuid or setgid`},
		{"pipe", "a.zip", zipOf(t, zipped{"p", "", os.ModeNamedPipe | 0o755}), `device, pipe or socket`},
		{"duplicate", "a.zip", zipOf(t, zipped{name: "a"}, zipped{name: "a"}), `duplicate name`},
		{"not zip", "a.zip", []byte("hello"), `not a valid zip`},
		{"empty", "a.zip", zipOf(t), `there is nothing in it`},

		{"bare tar", "a.tar", []byte("x"), `.tar is not unpacked by shipctl`},
		{"dash", "-rf", []byte("x"), `begins with a dash`},
	}
	for _, tt := range tests {
		t.Run(tt.file+" "+tt.name, func(t *testing.T) {
			file := write(t, tt.file, tt.data)
			_, err := Inspect(file)
			if tt.want == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want …%s…", err, tt.want)
			}
			if a := answer([]string{file}); a.Sight != remote.Unreachable || !strings.Contains(a.Why, tt.want) {
				t.Errorf("answer %+v", a)
			}
		})
	}
}

// What an artifact brings of what is shared is found before it is sent, as publish.sh finds it after that.
func TestArtifactBringsShared(t *testing.T) {
	dir := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755} }
	file := func(name string) tar.Header { return tar.Header{Name: name} }
	each(t, func(t *testing.T, b *box) {
		for i, tt := range []struct {
			headers []tar.Header
			shared  string
			want    string // "" is accepted
		}{
			{[]tar.Header{dir("log"), file("a"), file("log-2/x"), file("log.d/x")}, "log", ""},
			{[]tar.Header{dir("var"), file("var/a")}, "var/log", ""},
			{[]tar.Header{file("log/x")}, "log", "brings its own log, and it is not empty"},
			{[]tar.Header{dir("log"), dir("log/empty")}, "log", "brings its own log, and it is not empty"},
			{[]tar.Header{file("var/log/a/b")}, "var/log", "brings its own var/log, and it is not empty"},
			{[]tar.Header{file("log")}, "log", "brings its own log, but log is to be shared"},
			{[]tar.Header{file("a"), {Name: "log", Linkname: "a", Typeflag: tar.TypeSymlink}}, "log", "brings its own log, but log is to be shared"},
			{[]tar.Header{file("var")}, "var/log", "brings a file var, and var/log is to be shared"},
		} {
			source := write(t, "a.tar.gz", tgz(t, tt.headers...))
			p := b.payload(source, fmt.Sprint(i), tt.shared)
			b.must(p.body, scriptUpload, p.upload...)
			if r := b.run(nil, scriptPublish, p.publish...); (r.status == 0) != (tt.want == "") {
				t.Fatalf("%v: publish: %+v", tt.headers, r)
			}
			s := tea(PinVersion, "42", "app-1")
			s.Source, s.Shared = source, []string{"other", tt.shared}
			f := remote.Facts{}
			f.Put(s.artifact(), answer(s.artifact().Args))
			f.Put(s.look("app-1"), remote.Answer{Sight: remote.Absent})
			c := diff(config.Ref{Kind: "release", Name: "teatime"}, s, f)[0]
			if (tt.want == "") != (c.Problem == "") || !strings.Contains(c.Problem, tt.want) || (len(c.Steps) > 0) != (tt.want == "") {
				t.Errorf("%v: %q and %d steps, want …%s…", tt.headers, c.Problem, len(c.Steps), tt.want)
			}
			// It is there already: then it was published.
			a, err := Inspect(source)
			if err != nil {
				t.Fatal(err)
			}
			f.Put(s.look("app-1"), seen("root /srv/teatime", "current link /srv/teatime/releases/42", "release 42 "+a.SHA256+" 1 tar.gz a.tar.gz"))
			if c := diff(config.Ref{Kind: "release", Name: "teatime"}, s, f)[0]; c.Problem != "" {
				t.Error(c.Problem)
			}
		}
	})
}

func TestTooManyEntries(t *testing.T) {
	tr := newTree(1)
	var err error
	for i := 0; err == nil && i <= maxEntries; i++ {
		err = tr.add(strconv.Itoa(i), node{kind: nodeDir})
	}
	if err == nil || len(tr.nodes) != maxEntries+1 {
		t.Errorf("%v after %d", err, len(tr.nodes))
	}
}

// bomb claims 1.1 GB in a few bytes.
func bomb(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "zeros", Size: 1<<30 + 1, Typeflag: tar.TypeReg, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	// The header is enough to be refused.
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A directory, and a zip of it in another order and with other times, are sent as the same bytes.
func TestPackedIsDeterministic(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("long-name-", 12) + "/" + strings.Repeat("x", 120)
	put := func(name, body string, mode os.FileMode) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(body), mode); err != nil {
			t.Fatal(err)
		}
	}
	put("bin/run", "#!/bin/sh\n", 0o750)
	put("가/설정.txt", "값", 0o600)
	put(long, "deep", 0o644)
	if err := os.Symlink("bin/run", filepath.Join(dir, "go")); err != nil {
		t.Fatal(err)
	}
	first, err := Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(dir, "bin/run"), time.Unix(1, 0), time.Unix(2, 0)); err != nil {
		t.Fatal(err)
	}
	dirs := strings.Split(long, "/")[0]
	archive := write(t, "b.zip", zipOf(t,
		zipped{"go", "bin/run", os.ModeSymlink | 0o777}, zipped{"bin/", "", os.ModeDir | 0o700}, zipped{"bin/run", "#!/bin/sh\n", 0o711},
		zipped{dirs + "/", "", os.ModeDir | 0o755}, zipped{"가/", "", os.ModeDir | 0o755}, zipped{"가/설정.txt", "값", 0o666}, zipped{long, "deep", 0o600}))
	for _, source := range []string{dir, archive} {
		a, err := Inspect(source)
		if err != nil {
			t.Fatal(err)
		}
		a.Name = first.Name
		if d := cmp.Diff(first, a); d != "" {
			t.Errorf("%s (-first +now):\n%s", source, d)
		}
	}
	want := Artifact{Form: FormTar, Name: first.Name, SHA256: first.SHA256, Size: first.Size, Unpacked: int64(len("#!/bin/sh\n") + len("값") + 4), Entries: 7, Paths: first.Paths}
	if d := cmp.Diff(want, first); d != "" {
		t.Error(d)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), bytes.Repeat([]byte("abc"), 100_000), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{dir, write(t, "x.jar", []byte("jar")), write(t, "x.tar.gz", tgz(t, tar.Header{Name: "a"}))} {
		a, err := Inspect(source)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Open(source)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(body)
		if got := hex.EncodeToString(sum[:]); got != p.SHA256 || p.SHA256 != a.SHA256 || p.Size != int64(len(body)) || a.Size != p.Size {
			t.Errorf("%s: %d bytes with %s, payload %+v, artifact %+v", source, len(body), got, p, a)
		}
		if err := p.Body.Close(); err != nil {
			t.Error(err)
		}
		if p, err = Open(source); err != nil {
			t.Fatal(err)
		}
		if err := p.Body.Close(); err != nil { // before it was read: the writer must end
			t.Error(err)
		}
	}
}

func TestArtifactNotThere(t *testing.T) {
	if a := answer([]string{filepath.Join(t.TempDir(), "none.jar")}); a.Sight != remote.Absent {
		t.Errorf("%+v", a)
	}
	if a := answer([]string{"/dev/null"}); a.Sight != remote.Unreachable || !strings.Contains(a.Why, "neither a file nor") {
		t.Errorf("%+v", a)
	}
}

// Names beyond what a tar's own header holds, in both ways of writing them.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("d", 90) + "/" + strings.Repeat("e", 120) + "/" + strings.Repeat("f", 150)
	pax := write(t, "pax.tar.gz", tgz(t, tar.Header{Name: long, Format: tar.FormatPAX}))
	gnu := write(t, "gnu.tar.gz", tgz(t, tar.Header{Name: long, Format: tar.FormatGNU}))
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(long)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, long), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, b *box) {
		b.deploy(gnu, "1")
		b.deploy(dir, "2")
		b.deploy(pax, "3")
		for _, id := range []string{"1", "2", "3"} {
			if _, err := os.Stat(b.at("releases", id, long)); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzTarGz(f *testing.F) {
	f.Add([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		tr := newTree(1 << 20)
		if readTarGz(bytes.NewReader(gz(t, data)), tr) != nil || tr.finish() != nil {
			return
		}
		for _, p := range tr.paths() {
			if !filepath.IsLocal(p) || strings.ContainsAny(p, "\n\x00") {
				t.Errorf("%q", p)
			}
		}
	})
}
