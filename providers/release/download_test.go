package release

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers/release/fetch"
	"github.com/shipctl/shipctl/providers/remote"
)

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// store is an HTTPS server with files by path, and what fetches from it.
func store(t *testing.T, files map[string][]byte) (*httptest.Server, downloads, *atomic.Int32) {
	t.Helper()
	var asked atomic.Int32
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch body, ok := files[r.URL.Path]; {
		case r.URL.Path == "/moved.jar":
			http.Redirect(w, r, "/a.jar?again=1", http.StatusFound)
		case r.URL.Path == "/plain.jar":
			http.Redirect(w, r, "http://"+r.Host+"/a.jar", http.StatusFound)
		case r.URL.Path == "/round.jar":
			http.Redirect(w, r, "/round.jar", http.StatusFound)
		case r.URL.Path == "/stall.jar":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("begun"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case r.URL.Path == "/busy.jar":
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/short.jar":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("begun"))
		case !ok:
			http.NotFound(w, r)
		default:
			_, _ = w.Write(body)
		}
	}))
	t.Cleanup(s.Close)
	d := downloads{fetch.New().Through(s.Client().Transport, 2*time.Second, 1<<20)}
	return s, d, &asked
}

func TestDownload(t *testing.T) {
	jar := []byte("forty-two")
	files := map[string][]byte{"/a.jar": jar, "/big.jar": make([]byte, 2<<20), "/evil.tgz": tgz(t, tar.Header{Name: "../x"})}
	s, d, asked := store(t, files)
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	passing := []string{"/stall.jar", "/short.jar", "/busy.jar"} // all else stays as it is, and is not tried again
	for _, tt := range []struct{ path, digest, want string }{
		{"/a.jar", digestOf(jar), ""},
		{"/a.jar?token=hidden", digestOf(jar), ""},
		{"/moved.jar", digestOf(jar), ""},
		{"/a.jar", shaA, "sha256 in the configuration is " + shaA},
		{"/none.jar?token=hidden", shaA, "404 Not Found"},
		{"/plain.jar?token=hidden", digestOf(jar), "which is not https"},
		{"/round.jar", digestOf(jar), "redirects more than"},
		{"/stall.jar", digestOf(jar), "nothing came any more"},
		{"/short.jar", digestOf(jar), "unexpected EOF"},
		{"/busy.jar", digestOf(jar), "503 Service Unavailable"},
		{"/big.jar", digestOf(files["/big.jar"]), "more than 1048576 bytes"},
		{"/evil.tgz", digestOf(files["/evil.tgz"]), ".. in a path"},
	} {
		p, err := d.open(fetched(s.URL+tt.path, tt.digest))
		if tt.want != "" {
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("%s: %v, want …%s…", tt.path, err, tt.want)
			}
			if errors.As(err, new(remote.Hopeless)) == slices.Contains(passing, tt.path) {
				t.Errorf("%s: %#v: is it tried again?", tt.path, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(p.Body)
		if want := digestOf(jar) + " 9 9 -\nforty-two"; err != nil || string(raw) != want || p.Size != int64(len(raw)) || p.SHA256 != tt.digest {
			t.Errorf("%q %v %+v", raw, err, p)
		}
		if err := p.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	before := asked.Load()
	for range 3 { // for other machines: not again, also not when it was wrong
		if _, err := d.open(fetched(s.URL+"/a.jar", digestOf(jar))); err != nil {
			t.Error(err)
		}
		if _, err := d.open(fetched(s.URL+"/a.jar", shaA)); err == nil {
			t.Error("accepted")
		}
	}
	if n := asked.Load() - before; n != 0 {
		t.Errorf("fetched %d times more", n)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// What was fetched becomes a release as what is on this machine does: nothing of it but its digest is in the plan.
func TestDownloadedRelease(t *testing.T) {
	files := map[string][]byte{
		"/a.jar": []byte("forty-two"), "/b.tar.gz": tarWithEverything(t),
		"/c.zip": zipOf(t, zipped{name: "d/", mode: os.ModeDir | 0o755}, zipped{name: "d/a", body: "x"}),
	}
	s, d, _ := store(t, files)
	each(t, func(t *testing.T, b *box) {
		for i, tt := range []struct{ path, file string }{{"/a.jar", "a.jar"}, {"/b.tar.gz", "bin/run"}, {"/c.zip", "d/a"}} {
			id := []string{"1", "2", "3"}[i]
			sum := digestOf(files[tt.path])
			spec := b.spec()
			spec.Version, spec.Source, spec.SHA256 = id, s.URL+tt.path, sum
			if len(facts(config.Ref{}, spec)) != 0 {
				t.Error("a plan asks for the source")
			}
			h := hostDiff{s: spec, w: spec.want(nil)}
			h.upload()
			h.publish(true)
			up, pub := h.c.Steps[0].Do, h.c.Steps[1].Do
			p, err := d.open(up.File)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(p.Body)
			if err != nil || up.FileSHA256 != p.SHA256 {
				t.Fatal(err)
			}
			b.fails("broke off", body[:len(body)-1], scriptUpload, up.Args...)
			b.fails("before anything", nil, scriptUpload, up.Args...)
			b.must(body, scriptUpload, up.Args...)
			b.must(body, scriptUpload, up.Args...)
			b.must(nil, scriptPublish, pub.Args...)
			if _, err := os.Stat(b.at("releases", id, tt.file)); err != nil {
				t.Error(err)
			}
			if got := b.lookText(); !strings.Contains(got, "release "+id+" "+sum) || strings.Contains(got, "ready") {
				t.Error(got)
			}
			b.clean()
		}
	})
}
