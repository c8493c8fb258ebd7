package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func saying(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

// TestWriteFileFollowsLinks: a link stays one, and what it leads to is replaced, or made.
func TestWriteFileFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "store", "deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(path("store/old"), []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{
		"relative": "store/old", "absolute": path("store/old"), "chain": "relative", "new": "store/new",
		"folder": "store/deep", "up": "folder/../made", // ".." is that of the folder which the link leads to
	} {
		if err := os.Symlink(to, path(link)); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"relative": "store/old", "absolute": "store/old", "chain": "store/old", "new": "store/new", "up": "store/made"} {
		if err := writeFile(path(link), 0o600, saying(link)); err != nil {
			t.Fatal(err)
		}
		if is, err := os.Lstat(path(link)); err != nil || is.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%s is no link any more: %v %v", link, is, err)
		}
		raw, err := os.ReadFile(path(to))
		if err != nil || string(raw) != link {
			t.Errorf("%s: %s has %q, %v", link, to, raw, err)
		}
		if is, err := os.Stat(path(to)); err != nil || is.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", to, is.Mode(), err)
		}
	}
	if err := os.Symlink("loop", path("loop")); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(path("loop"), 0o600, saying("x")); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("a link to itself: %v", err)
	}
}

// TestWriteFilePipe: a pipe is written to, and stays. A plan is not: it is for its owner only.
func TestWriteFilePipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writable("-out", pipe); err == nil || !strings.Contains(err.Error(), "is no regular file") {
		t.Errorf("a plan into a pipe: %v", err)
	}
	if err := openable("-markdown", pipe); err != nil {
		t.Error(err)
	}
	// For both ways, so that nobody waits, here and with what this test is for.
	r, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := writeFile(pipe, 0o644, saying("through")); err != nil {
		t.Fatal(err)
	}
	if is, err := os.Lstat(pipe); err != nil || is.Mode()&os.ModeNamedPipe == 0 {
		t.Fatalf("the pipe was replaced: %v, %v", is, err)
	}
	got := make([]byte, len("through"))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != "through" {
		t.Errorf("read %q, %v", got, err)
	}
	if err := openable("-markdown", filepath.Dir(pipe)); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
}
