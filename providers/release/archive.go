package release

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// set fills in what a tree says about an artifact.
func (t *tree) set(a *Artifact) error {
	if err := t.finish(); err != nil {
		return err
	}
	if len(t.nodes) == 0 {
		return errors.New("there is nothing in it")
	}
	list := sha256.New()
	paths := t.paths()
	for _, p := range paths {
		fmt.Fprintf(list, "./%s\n", p) // as find prints them
	}
	a.Unpacked, a.Entries, a.Paths = t.size, len(paths), hex.EncodeToString(list.Sum(nil))
	a.Brings = t.brings(paths, a.Shared)
	return nil
}

// pack writes a tar that depends on names, content and executable bits only. GNU's format: busybox ignores pax headers.
func (t *tree) pack(w io.Writer, open func(name string) (io.ReadCloser, error)) error {
	out := tar.NewWriter(w)
	for _, name := range t.names() {
		n := t.nodes[name]
		h := &tar.Header{Name: name, Mode: 0o644, Format: tar.FormatGNU, ModTime: time.Unix(0, 0), Typeflag: tar.TypeReg, Size: n.size}
		switch {
		case n.kind == nodeDir:
			h.Typeflag, h.Mode, h.Name = tar.TypeDir, 0o755, name+"/"
		case n.kind == nodeLink:
			h.Typeflag, h.Mode, h.Linkname = tar.TypeSymlink, 0o777, n.target
		case n.exec:
			h.Mode = 0o755
		}
		if err := out.WriteHeader(h); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if n.kind != nodeFile {
			continue
		}
		if err := copyFrom(out, name, open); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return out.Close()
}

func copyFrom(w io.Writer, name string, open func(string) (io.ReadCloser, error)) error {
	r, err := open(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, r.Close())
}

// nodeOf is what a file's mode makes of it. A directory's setgid and sticky bits are dropped: they change no program.
func nodeOf(name string, m fs.FileMode, size int64) (node, error) {
	switch {
	case m&fs.ModeSymlink != 0:
		return node{kind: nodeLink}, nil
	case m.IsDir():
		return node{kind: nodeDir}, nil
	case !m.IsRegular():
		return node{}, fmt.Errorf("%q: device, pipe or socket", name)
	case m&(fs.ModeSetuid|fs.ModeSetgid) != 0:
		return node{}, fmt.Errorf("%q: setuid or setgid", name)
	}
	return node{kind: nodeFile, exec: m&0o111 != 0, size: size}, nil
}

func inspectDir(dir string, a *Artifact) (writer, error) {
	t := newTree(1 << 62)
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		name, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		n, err := nodeOf(name, info.Mode(), info.Size())
		if err == nil && n.kind == nodeLink {
			n.target, err = os.Readlink(p)
		}
		if err != nil {
			return err
		}
		return t.add(filepath.ToSlash(name), n)
	})
	if err != nil {
		return nil, err
	}
	return func(w io.Writer) error {
		return t.pack(w, func(name string) (io.ReadCloser, error) {
			return os.Open(filepath.Join(root, filepath.FromSlash(name)))
		})
	}, t.set(a)
}

func inspectZip(open opener, size int64, a *Artifact) (writer, error) {
	t := newTree(bound(size))
	if err := withZip(open, size, func(z *zip.Reader) error { return readZip(z, t) }); err != nil {
		return nil, err
	}
	return func(w io.Writer) error {
		return withZip(open, size, func(z *zip.Reader) error { return packZip(w, z, t) })
	}, t.set(a)
}

func withZip(open opener, size int64, do func(*zip.Reader) error) error {
	f, err := open()
	if err != nil {
		return err
	}
	z, err := zip.NewReader(f, size)
	if err == nil {
		err = do(z)
	}
	return errors.Join(err, f.Close())
}

func readZip(z *zip.Reader, t *tree) error {
	for _, f := range z.File {
		if strings.Contains(f.Name, `\`) {
			return fmt.Errorf("%q: backslash in a name: packed by a program that does not know how", f.Name)
		}
		if f.Flags&1 != 0 {
			return fmt.Errorf("%q: encrypted", f.Name)
		}
		n, err := nodeOf(f.Name, f.Mode(), int64(f.UncompressedSize64))
		if err == nil && n.kind == nodeLink {
			n.target, err = zipLink(f)
		}
		if err != nil {
			return err
		}
		if n.kind == nodeFile && strings.HasSuffix(f.Name, "/") {
			return fmt.Errorf("%q: a file with a directory's name", f.Name)
		}
		if err := t.add(f.Name, n); err != nil {
			return err
		}
	}
	return nil
}

func zipLink(f *zip.File) (string, error) {
	r, err := f.Open()
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(r, maxPath+1)) // tree.add refuses what is longer
	return string(b), errors.Join(err, r.Close())
}

func packZip(w io.Writer, z *zip.Reader, t *tree) error {
	files := map[string]*zip.File{}
	for _, f := range z.File {
		files[path.Clean(f.Name)] = f
	}
	return t.pack(w, func(name string) (io.ReadCloser, error) {
		if files[name] == nil {
			return nil, errors.New("it is not in the archive any more")
		}
		return files[name].Open()
	})
}

func inspectTarGz(open opener, size int64, a *Artifact) error {
	f, err := open()
	if err != nil {
		return err
	}
	sum := counted{Writer: sha256.New()}
	raw := io.TeeReader(f, &sum)
	t := newTree(bound(size))
	err = readTarGz(raw, t)
	if err == nil {
		_, err = io.Copy(io.Discard, raw)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	a.SHA256, a.Size = sum.hex(), sum.n
	return t.set(a)
}

func readTarGz(raw io.Reader, t *tree) error {
	z, err := gzip.NewReader(bufio.NewReaderSize(raw, 1<<16))
	if err != nil {
		return fmt.Errorf("not a gzip file: %w", err)
	}
	// Headers take room too: a little more than the files alone may have.
	in := &meter{r: z, left: t.limit + t.limit/8, limit: t.limit}
	r := tar.NewReader(in)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("not a tar file that can be read: %w", err)
		}
		if err := addHeader(t, h); err != nil {
			return err
		}
	}
	return onlyZeros(in)
}

func addHeader(t *tree, h *tar.Header) error {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse") {
			return fmt.Errorf("%q: sparse file: pack it without -S", h.Name)
		}
	}
	if h.Mode&0o6000 != 0 && h.Typeflag != tar.TypeDir {
		return fmt.Errorf("%q: setuid or setgid", h.Name)
	}
	switch h.Typeflag {
	case tar.TypeReg:
		if strings.HasSuffix(h.Name, "/") {
			return fmt.Errorf("%q: a file with a directory's name", h.Name)
		}
		return t.add(h.Name, node{kind: nodeFile, exec: h.Mode&0o111 != 0, size: h.Size})
	case tar.TypeDir:
		return t.add(h.Name, node{kind: nodeDir})
	case tar.TypeSymlink:
		return t.add(h.Name, node{kind: nodeLink, target: h.Linkname})
	case tar.TypeLink:
		return t.add(h.Name, node{kind: nodeHard, target: h.Linkname})
	case tar.TypeXGlobalHeader: // git archive's note about the commit
		return nil
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return fmt.Errorf("%q: device, pipe or socket", h.Name)
	case tar.TypeGNUSparse:
		return fmt.Errorf("%q: sparse file: pack it without -S", h.Name)
	}
	return fmt.Errorf("%q: entry of an unknown type %q", h.Name, h.Typeflag)
}

// onlyZeros: behind an archive's end is padding. Anything else another tar might read as a second archive.
func onlyZeros(r io.Reader) error {
	buf := make([]byte, 1<<16)
	for {
		n, err := r.Read(buf)
		for _, b := range buf[:n] {
			if b != 0 {
				return errors.New("there is more behind the end of the archive")
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// meter stops a stream that would unpack without end.
type meter struct {
	r           io.Reader
	left, limit int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if m.left -= int64(n); m.left < 0 {
		return 0, errBomb(m.limit)
	}
	return n, err
}
