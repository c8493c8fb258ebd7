package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Names of files. Hidden ones and what editors leave behind are not read.
const (
	suffix     = ".hcl"
	varsSuffix = ".auto.hclvars"
	varsFile   = "shipctl.hclvars"
)

// read parses every *.hcl file of the directory, in lexical order.
func (w *world) read() hcl.Diagnostics {
	names, err := w.dir(suffix)
	if err != nil {
		return hcl.Diagnostics{fail(hcl.Range{}, "Can't read the configuration", "%s.", reason(err))}
	}
	if len(names) == 0 {
		return hcl.Diagnostics{fail(hcl.Range{}, "No configuration", "There is no *%s file in this directory (%s). \"shipctl init\" writes a commented one to begin with.", suffix, w.shown())}
	}
	var diags hcl.Diagnostics
	for _, name := range names {
		body, d := w.parse(name, true)
		diags = append(diags, d...)
		if body != nil {
			w.bodies = append(w.bodies, body)
		}
	}
	return diags
}

// parse reads one file; the ranges carry its path. A file whose text must not be shown is not kept for snippets.
func (w *world) parse(path string, show bool) (*hclsyntax.Body, hcl.Diagnostics) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, hcl.Diagnostics{fail(hcl.Range{}, "Can't read a file", "%s.", reason(err))}
	}
	f, diags := hclsyntax.ParseConfig(src, path, hcl.InitialPos)
	if f == nil {
		return nil, diags
	}
	if show {
		w.files[path] = f
	}
	body, _ := f.Body.(*hclsyntax.Body)
	return body, diags
}

// dir lists the paths of the files with a suffix.
func (w *world) dir(suffix string) ([]string, error) {
	entries, err := os.ReadDir(w.folder())
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if n := e.Name(); strings.HasSuffix(n, suffix) && !strings.HasPrefix(n, ".") && !strings.HasPrefix(n, "#") && !e.IsDir() {
			out = append(out, w.path(n))
		}
	}
	return out, nil
}

func (w *world) folder() string {
	if w.options.Dir == "" {
		return "."
	}
	return w.options.Dir
}

// shown is the directory as people know it: "." tells nothing.
func (w *world) shown() string {
	if abs, err := filepath.Abs(w.folder()); err == nil {
		return abs
	}
	return w.folder()
}

// path resolves a name that is relative to the configuration.
func (w *world) path(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(w.folder(), name)
}

// reason is an I/O error in words that name the file once.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Path + ": " + p.Err.Error()
	}
	return err.Error()
}
