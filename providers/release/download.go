package release

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/release/fetch"
	"github.com/shipctl/shipctl/providers/remote"
)

// remoteSource says that a source is fetched.
func remoteSource(source string) bool { return strings.Contains(source, "://") }

// shownSource is a source for people: what follows a "?" may be a key to the store.
func shownSource(source string) string {
	if remoteSource(source) {
		source, _, _ = strings.Cut(source, "?")
	}
	return source
}

// declared is what a plan knows of a source that is fetched at apply: its digest, by the configuration.
func declared(source, digest string) (Artifact, error) {
	u, err := url.Parse(source)
	if err != nil {
		return Artifact{}, errors.New("not a URL")
	}
	a := Artifact{Name: path.Base(u.Path), SHA256: digest, Remote: true}
	a.Form, err = formOf(a.Name)
	return a, err
}

// fetched is what Call.File says of such a source.
func fetched(source, digest string) string { return source + "#sha256=" + digest }

// downloads are what was fetched in this run.
type downloads struct{ *fetch.Store }

// open opens a source for sending: a file on this machine, or what it fetches first. Of the latter a line goes ahead
// with what no plan could know: the SHA-256 and the size of what follows, the room that it needs, the SHA-256 of its
// paths.
func (d downloads) open(name string) (providers.Payload, error) {
	source, digest, ok := strings.Cut(name, "#sha256=")
	if !ok || !remoteSource(source) {
		return Open(name)
	}
	f, size, err := d.Get(source, digest)
	if err != nil {
		err = fmt.Errorf("%s: %w", shownSource(source), err)
		if errors.As(err, new(fetch.Hopeless)) {
			err = remote.Hopeless{Err: err}
		}
		return providers.Payload{}, err
	}
	a, err := declared(source, digest)
	if err != nil {
		return providers.Payload{}, err
	}
	again := func() (blob, error) { return section{io.NewSectionReader(f, 0, size)}, nil }
	a, write, err := examineFile(shownSource(source), Artifact{Name: a.Name}, again, size)
	if err != nil {
		return providers.Payload{}, remote.Hopeless{Err: err} // it will not read otherwise
	}
	p, err := sending(a, write, again)
	if err != nil {
		return p, err
	}
	paths := a.Paths
	if paths == "" {
		paths = "-"
	}
	head := fmt.Sprintf("%s %d %d %s\n", a.SHA256, a.Size, a.room(), paths)
	return providers.Payload{SHA256: digest, Size: int64(len(head)) + p.Size, Body: ahead{io.MultiReader(strings.NewReader(head), p.Body), p.Body}}, nil
}

type section struct{ *io.SectionReader }

func (section) Close() error { return nil }

type ahead struct {
	io.Reader
	io.Closer
}

// remoteSource checks a source that is fetched.
func (c *checker) remoteSource(source string, missing bool) {
	const summary = "Unsuitable source"
	at := c.b.At("source")
	u, err := url.Parse(source)
	switch {
	case err != nil || u.Host == "":
		c.wrong(at, summary, "This is not a URL that can be fetched: https://host/path is expected.")
		return
	case u.Scheme != "https":
		c.wrong(at, summary, "%s:// is not fetched, only https://: or give a file, a directory, a .tar.gz or a .zip on this machine.", u.Scheme)
		return
	case u.User != nil:
		c.wrong(at, summary, "A URL with a password in it ends up in plans and logs. Fetch it before, and give the file.")
	case u.Fragment != "":
		c.wrong(at, summary, "A URL with a # is not fetched; give the digest as sha256.")
	}
	name := path.Base(u.Path)
	if _, err := formOf(name); err != nil {
		c.wrong(at, summary, "%s.", err)
	}
	if u.Path == "" || strings.HasSuffix(u.Path, "/") || !plain(name) || len(name) > maxName {
		c.wrong(at, summary, "%q, the last part of the URL, can't be the name of a file.", name)
	}
	if missing {
		c.wrong(at, "No digest", "What is fetched is checked before it is sent: give its SHA-256, as sha256sum prints it, in sha256.")
	}
}
