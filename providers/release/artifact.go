package release

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// What is sent, and so how it is published. A directory and a .zip are sent as a tar that is the same for the same
// content, whatever the times, owners and order of the files.
const (
	FormFile  = "file"   // as it is, under its own name
	FormTarGz = "tar.gz" // as it is, after inspection
	FormTar   = "tar"    // packed by us
)

// Artifact is a source, inspected. SHA256 and Size are of what is sent.
type Artifact struct {
	Form     string `json:"form"`
	Name     string `json:"name"` // of the file or directory
	SHA256   string `json:"sha256"`
	Size     int64  `json:"size"`            // bytes that are sent
	Unpacked int64  `json:"unpacked"`        // bytes in files on the machine
	Entries  int    `json:"entries"`         // paths on the machine
	Paths    string `json:"paths,omitempty"` // SHA-256 of the list of these, of what unpacks
	// Remote: it is fetched at apply. Only Form, Name and SHA256 are known, and that is of what is fetched.
	Remote bool `json:"remote,omitempty"`
	// Brings says which of its paths is in the way of something shared, and can't be published with it.
	Brings string   `json:"brings,omitempty"`
	Shared []string `json:"-"` // the names that Brings is about
}

// ID is the release's ID where the content gives it.
func (a Artifact) ID() string { return a.SHA256[:12] }

// room is how many bytes a release takes on a machine until it is published.
func (a Artifact) room() int64 {
	if a.Form == FormFile {
		return a.Size
	}
	return a.Size + a.Unpacked + int64(a.Entries)*4096
}

// writer writes what is sent.
type writer func(io.Writer) error

// Inspect reads a source and refuses what can't be sent with a clear conscience. It looks for names that are shared.
func Inspect(name string, shared ...string) (Artifact, error) {
	a, _, err := examine(name, shared...)
	return a, err
}

// Open opens a source for sending.
func Open(name string) (providers.Payload, error) {
	a, write, err := examine(name)
	if err != nil {
		return providers.Payload{}, err
	}
	return sending(a, write, file(name).open)
}

// sending is what is sent of an artifact.
func sending(a Artifact, write writer, open opener) (p providers.Payload, err error) {
	p = providers.Payload{SHA256: a.SHA256, Size: a.Size}
	if a.Form == FormTar {
		p.Body = stream(write)
		return p, nil
	}
	p.Body, err = open()
	return p, err
}

// answer is the controller's answer to the query release/artifact SOURCE [SHARED...].
func answer(args []string) remote.Answer {
	if len(args) == 0 {
		return remote.Answer{Sight: remote.Unreachable, Why: "release/artifact takes a source"}
	}
	a, err := Inspect(args[0], args[1:]...)
	switch {
	case err == nil:
		return remote.Answer{Sight: remote.Seen, Text: string(providers.JSON(a))}
	case errors.Is(err, fs.ErrNotExist):
		return remote.Answer{Sight: remote.Absent, Why: err.Error()}
	case errors.Is(err, fs.ErrPermission):
		return remote.Answer{Sight: remote.Denied, Why: err.Error()}
	}
	return remote.Answer{Sight: remote.Unreachable, Why: err.Error()}
}

func parseArtifact(text string) (Artifact, error) {
	var a Artifact
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return a, err
	}
	if !validSHA256(a.SHA256) || a.Size < 0 || a.Name == "" {
		return a, errors.New("not an artifact")
	}
	return a, nil
}

// blob is a file's content.
type blob interface {
	io.ReadCloser
	io.ReaderAt
}

// opener opens a file's content, any number of times.
type opener func() (blob, error)

// file is a file by name.
type file string

func (f file) open() (blob, error) { return os.Open(string(f)) }

func examine(name string, shared ...string) (Artifact, writer, error) {
	info, err := os.Stat(name)
	if err != nil {
		return Artifact{}, nil, err
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return Artifact{}, nil, err
	}
	a := Artifact{Name: filepath.Base(abs), Shared: shared}
	switch {
	case info.IsDir():
		a.Form = FormTar
		write, err := inspectDir(name, &a)
		return packed(name, a, write, err)
	case !info.Mode().IsRegular():
		return a, nil, fmt.Errorf("%s: neither a file nor a directory", name)
	}
	return examineFile(name, a, file(name).open, info.Size())
}

// examineFile reads a file of which the name in a release is known; name is for errors.
func examineFile(name string, a Artifact, open opener, size int64) (Artifact, writer, error) {
	var write writer
	var err error
	if a.Form, err = formOf(a.Name); err != nil {
		return a, nil, fmt.Errorf("%s: %w", name, err)
	}
	switch a.Form {
	case FormTar:
		write, err = inspectZip(open, size, &a)
	case FormTarGz:
		err = inspectTarGz(open, size, &a)
	default:
		err = inspectFile(open, &a)
	}
	return packed(name, a, write, err)
}

// formOf is how a file of that name is sent.
func formOf(base string) (string, error) {
	lower := strings.ToLower(base)
	switch {
	case strings.HasSuffix(lower, ".zip"):
		return FormTar, nil
	case strings.HasSuffix(lower, ".tar.gz"), strings.HasSuffix(lower, ".tgz"):
		return FormTarGz, nil
	case unsupported(lower) != "":
		return "", fmt.Errorf("%s is not unpacked by shipctl: give a .tar.gz, a .zip or a directory", unsupported(lower))
	}
	return FormFile, nil
}

// packed adds the digest of what we pack ourselves.
func packed(name string, a Artifact, write writer, err error) (Artifact, writer, error) {
	if err != nil {
		return Artifact{}, nil, fmt.Errorf("%s: %w", name, err)
	}
	if write == nil {
		return a, nil, nil
	}
	sum := counted{Writer: sha256.New()}
	if err := write(&sum); err != nil {
		return Artifact{}, nil, fmt.Errorf("%s: %w", name, err)
	}
	a.SHA256, a.Size = sum.hex(), sum.n
	return a, write, nil
}

// unsupported names an ending that a user would expect to be unpacked.
func unsupported(lower string) string {
	for _, end := range []string{".tar", ".tar.bz2", ".tar.xz", ".tar.zst", ".tbz2", ".txz", ".7z", ".rar"} {
		if strings.HasSuffix(lower, end) {
			return end
		}
	}
	return ""
}

func inspectFile(open opener, a *Artifact) error {
	if control(a.Name) || strings.HasPrefix(a.Name, "-") {
		return fmt.Errorf("%q: a name that begins with a dash or holds a control character", a.Name)
	}
	f, err := open()
	if err != nil {
		return err
	}
	sum := counted{Writer: sha256.New()}
	_, err = io.Copy(&sum, f)
	a.SHA256, a.Size, a.Unpacked, a.Entries = sum.hex(), sum.n, sum.n, 1
	return errors.Join(err, f.Close())
}

// counted is a hash that knows how much went in.
type counted struct {
	io.Writer
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

func (c *counted) hex() string {
	h, ok := c.Writer.(interface{ Sum([]byte) []byte })
	if !ok {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// piped is a payload that is written while it is read.
type piped struct {
	*io.PipeReader
	done chan struct{}
}

func stream(write writer) io.ReadCloser {
	r, w := io.Pipe()
	p := piped{PipeReader: r, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		var err error
		func() {
			defer remote.Caught(&err)
			err = write(w)
		}()
		w.CloseWithError(err) // nil is io.EOF for the reader
	}()
	return p
}

// Close ends the writer and waits for it.
func (p piped) Close() error {
	err := p.PipeReader.Close()
	<-p.done
	return err
}
