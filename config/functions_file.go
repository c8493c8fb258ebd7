package config

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

var errNotText = errors.New("the content is not UTF-8 text")

// fileFunctions read files; relative paths begin at the configuration's directory.
func (w *world) fileFunctions() map[string]function.Function {
	return map[string]function.Function{
		"abspath":        pathFunction(func(p string) (string, error) { return filepath.Abs(w.path(p)) }),
		"basename":       pathFunction(func(p string) (string, error) { return filepath.Base(p), nil }),
		"dirname":        pathFunction(func(p string) (string, error) { return filepath.Dir(p), nil }),
		"file":           pathFunction(w.fileText),
		"fileexists":     w.fileExistsFunction(),
		"fileset":        w.fileSetFunction(),
		"pathexpand":     pathFunction(w.expandHome),
		"templatefile":   w.templateFunction("path", w.fileText),
		"templatestring": w.templateFunction("template", func(text string) (string, error) { return text, nil }),
	}
}

func pathFunction(f func(path string) (string, error)) function.Function {
	return pure(cty.String, func(a []string) (cty.Value, error) {
		out, err := f(a[0])
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "%s", reason(err))
		}
		return cty.StringVal(out), nil
	}, "path")
}

// content reads a regular file: a device or a pipe might never end.
func (w *world) content(path string) ([]byte, error) {
	path, err := w.expandHome(path)
	if err != nil {
		return nil, err
	}
	path = w.path(path)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New(path + ": not a regular file")
	}
	return os.ReadFile(path)
}

func (w *world) fileText(path string) (string, error) {
	b, err := w.content(path)
	if err == nil && !utf8.Valid(b) {
		err = errors.New(path + ": " + errNotText.Error())
	}
	return string(b), err
}

// expandHome resolves ~ with the HOME of the environment that was passed in.
func (w *world) expandHome(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~")
	if !ok || rest != "" && rest[0] != '/' {
		return path, nil
	}
	home, ok := w.environ("HOME")
	if !ok {
		return "", errors.New("HOME is not set")
	}
	return filepath.Join(home, rest), nil
}

func (w *world) environ(name string) (string, bool) {
	value, found := "", false
	for _, kv := range w.options.Environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			value, found = v, true
		}
	}
	return value, found
}

// envFunction reads an environment variable; null when it is not set.
func (w *world) envFunction() function.Function {
	return pure(cty.String, func(a []string) (cty.Value, error) {
		if v, ok := w.environ(a[0]); ok && utf8.ValidString(v) {
			return cty.StringVal(v), nil
		}
		return cty.NullVal(cty.String), nil
	}, "name")
}

func (w *world) fileExistsFunction() function.Function {
	return pure(cty.Bool, func(a []string) (cty.Value, error) {
		path, err := w.expandHome(a[0])
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		info, err := os.Stat(w.path(path))
		switch {
		case errors.Is(err, os.ErrNotExist):
			return cty.False, nil
		case err != nil:
			return cty.NilVal, function.NewArgErrorf(0, "%s", reason(err))
		}
		return cty.BoolVal(info.Mode().IsRegular()), nil
	}, "path")
}

// fileSetFunction lists regular files below a path. Links to folders are not followed: they may lead in a circle.
func (w *world) fileSetFunction() function.Function {
	return pure(cty.Set(cty.String), func(a []string) (cty.Value, error) {
		dir, err := w.expandHome(a[0])
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		pattern := path.Clean(a[1])
		if !doublestar.ValidatePattern(pattern) || path.IsAbs(pattern) || strings.HasPrefix(pattern+"/", "../") {
			return cty.NilVal, function.NewArgErrorf(1, "not a pattern of files below the path")
		}
		from := os.DirFS(w.path(dir))
		names, err := doublestar.Glob(from, pattern, doublestar.WithNoFollow(), doublestar.WithFailOnIOErrors())
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "%s", reason(err))
		}
		var out []cty.Value
		for _, name := range names {
			if info, err := fs.Stat(from, name); err == nil && info.Mode().IsRegular() {
				out = append(out, cty.StringVal(name))
			}
		}
		if len(out) == 0 {
			return cty.SetValEmpty(cty.String), nil
		}
		return cty.SetVal(out), nil
	}, "path", "pattern")
}

// templateFunction renders what read makes of its first argument with the given values; it sees nothing else.
func (w *world) templateFunction(name string, read func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{param(name, cty.String), param("values", cty.DynamicPseudoType)},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if t := args[1].Type(); !t.IsObjectType() && !t.IsMapType() {
				return cty.NilVal, function.NewArgErrorf(1, "a map or an object is required")
			}
			src, err := read(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "%s", reason(err))
			}
			at := name
			if name == "path" {
				at = args[0].AsString()
			}
			return w.render(at, src, args[1].AsValueMap())
		},
	})
}

func (w *world) render(name, src string, values map[string]cty.Value) (cty.Value, error) {
	e, diags := hclsyntax.ParseTemplate([]byte(src), name, hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, function.NewArgError(0, diags)
	}
	functions := map[string]function.Function{}
	for n, f := range w.functions {
		if !strings.HasPrefix(n, "template") && n != hostsWith { // a template that renders itself would never end
			functions[n] = f
		}
	}
	v, diags := e.Value(&hcl.EvalContext{Variables: values, Functions: functions})
	if diags.HasErrors() {
		return cty.NilVal, function.NewArgError(0, diags)
	}
	if !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return cty.NilVal, function.NewArgErrorf(0, "the template doesn't give text")
	}
	return v, nil
}
