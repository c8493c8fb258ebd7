package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/shipctl/shipctl/config"
)

type fmtArgs struct {
	check, diff, recursive, write, list bool
	paths                               []string
}

func (c *cli) fmtCommand() *cobra.Command {
	var a fmtArgs
	cmd := &cobra.Command{
		Use:   "fmt [flags] [DIR | FILE | -]...",
		Short: "Lay out .hcl and .hclvars files in the usual style",
		Long:  "fmt rewrites .hcl and .hclvars files as \"terraform fmt\" would. With \"-\" it reads standard input and writes the result to\nstandard output. Exit codes: 2 for a syntax error, 3 with -check for files that are not formatted.",
		RunE: func(_ *cobra.Command, args []string) error {
			a.paths = args
			return c.fmt(a)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&a.check, "check", false, "write nothing; exit 3 when a file is not formatted")
	f.BoolVar(&a.diff, "diff", false, "show what differs")
	f.BoolVar(&a.recursive, "recursive", false, "directories below, too")
	f.BoolVar(&a.write, "write", true, "write the files; -write=false: leave them")
	f.BoolVar(&a.list, "list", true, "list the files that differ; -list=false: don't")
	return cmd
}

// formatter collects what went on over all files.
type formatter struct {
	c       *cli
	args    fmtArgs
	differs bool
	diags   hcl.Diagnostics
	files   map[string]*hcl.File
}

func (c *cli) fmt(a fmtArgs) error {
	if len(a.paths) == 0 {
		a.paths = []string{"."}
	}
	if slices.Contains(a.paths, "-") {
		if len(a.paths) > 1 {
			return fmt.Errorf("\"-\" stands alone: standard input, or files")
		}
		a.list, a.write = false, false
	}
	if a.check {
		a.write = false
	}
	f := &formatter{c: c, args: a, files: map[string]*hcl.File{}}
	for _, p := range a.paths {
		if err := f.path(p); err != nil {
			return err
		}
	}
	switch {
	case f.diags.HasErrors():
		return fmt.Errorf("%w: %w", errSyntax, diagnosed{f.diags, f.files})
	case a.check && f.differs:
		return errUnformatted
	}
	return nil
}

func (f *formatter) path(p string) error {
	if p == "-" {
		src, err := io.ReadAll(f.c.in)
		if err != nil {
			return err
		}
		return f.file("<stdin>", src, 0)
	}
	info, err := os.Stat(p)
	if err != nil {
		return fmt.Errorf("there is no file or directory %s", p)
	}
	if info.IsDir() {
		return f.dir(p)
	}
	if !formatted(p) {
		return fmt.Errorf("%s: only .hcl and .hclvars files can be formatted", p)
	}
	return f.read(p, info.Mode().Perm())
}

func formatted(name string) bool {
	return strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hclvars")
}

// ignored are an editor's own files and hidden ones.
func ignored(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") || strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#")
}

func (f *formatter) dir(dir string) error {
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p != dir && ignored(d.Name()), d.IsDir() && p != dir && !f.args.recursive:
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case d.IsDir() || !formatted(p):
			return nil
		}
		info, err := os.Stat(p)
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		return f.read(p, info.Mode().Perm())
	})
}

func (f *formatter) read(p string, mode os.FileMode) error {
	src, err := os.ReadFile(p)
	if err != nil {
		return err
	}
	return f.file(p, src, mode)
}

func (f *formatter) file(name string, src []byte, mode os.FileMode) error {
	out, diags := config.Format(src, name)
	f.diags = append(f.diags, diags...)
	if diags.HasErrors() {
		f.files[name], _ = hclsyntax.ParseConfig(src, name, hcl.InitialPos)
		if f.files[name] == nil {
			f.files[name] = &hcl.File{Bytes: src}
		}
		return nil
	}
	a, w := f.args, f.c.out
	if !bytes.Equal(src, out) {
		f.differs = true
		if a.list {
			fmt.Fprintln(w, name)
		}
		if a.write {
			if err := replace(name, mode, out); err != nil {
				return err
			}
		}
		if a.diff {
			_, d, _ := bytes.Cut(diff.Diff("old/"+name, src, "new/"+name, out), []byte("\n"))
			_, _ = w.Write(d)
		}
	}
	if !a.list && !a.write && !a.diff && !a.check {
		_, _ = w.Write(out)
	}
	return nil
}

// replace follows a link to the file itself.
func replace(name string, mode os.FileMode, content []byte) error {
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	return writeFile(real, mode, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}
