package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sourceRules looks at one file for what the house forbids. name is relative to the module.
func sourceRules(name string, src any) (out []string) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	say := func(at token.Pos, format string, args ...any) {
		out = append(out, fmt.Sprintf("%s:%d: ", name, set.Position(at).Line)+fmt.Sprintf(format, args...))
	}
	test := strings.HasSuffix(name, "_test.go")
	quiet := !test && !strings.HasPrefix(name, "cmd/") && !strings.HasPrefix(name, "testdata/") && !strings.HasPrefix(name, "examples/")
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Name.Name == "init" && n.Recv == nil {
				say(n.Pos(), "func init: what happens at start is written down in main")
			}
		case *ast.SelectorExpr:
			if n.Sel.Name == "InsecureIgnoreHostKey" {
				say(n.Pos(), "InsecureIgnoreHostKey: host keys are checked, also in tests")
			}
			if from, ok := n.X.(*ast.Ident); ok && quiet && prints(from.Name, n.Sel.Name) {
				say(n.Pos(), "%s.%s: only cmd prints or exits", from.Name, n.Sel.Name)
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && quiet && (f.Name == "print" || f.Name == "println") {
				say(n.Pos(), "%s: only cmd prints or exits", f.Name)
			}
		}
		return true
	})
	return out
}

func prints(pkg, name string) bool {
	switch pkg {
	case "fmt":
		return name == "Print" || name == "Printf" || name == "Println"
	case "os":
		return name == "Exit" || name == "Stdout" || name == "Stderr"
	case "log":
		return true
	case "syscall":
		return name == "Exit"
	}
	return false
}

func TestSources(t *testing.T) {
	top := root(t)
	files := 0
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != top {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		name, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		if name == "cmd/shipctl/sources_test.go" {
			return nil // it names what it forbids
		}
		files++
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, v := range sourceRules(filepath.ToSlash(name), src) {
			t.Error(v)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 50 {
		t.Errorf("only %d files found", files)
	}
}

func TestSourceRulesComplain(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"planner/x.go", "func init() {}", "func init"},
		{"planner/x_test.go", "func init() {}", "func init"},
		{"planner/x.go", "func f() { os.Exit(1) }", "only cmd prints or exits"},
		{"planner/x.go", "func f() { fmt.Println() }", "only cmd prints or exits"},
		{"planner/x.go", "func f() { fmt.Fprintln(os.Stderr) }", "only cmd prints or exits"},
		{"planner/x.go", "func f() { println() }", "only cmd prints or exits"},
		{"planner/x.go", "func f() { log.Fatal() }", "only cmd prints or exits"},
		{"testdata/lab/x.go", "var k = ssh.InsecureIgnoreHostKey()", "host keys are checked"},
		{"cmd/shipctl/x.go", "func f() { os.Exit(1) }", ""},
		{"planner/x_test.go", "func TestMain() { os.Exit(1) }", ""},
		{"planner/x.go", "func f() string { return fmt.Sprint(1) }", ""},
		{"planner/x.go", "func (x) init() {}", ""},
	} {
		got := strings.Join(sourceRules(tt.name, "package x\n"+tt.body), "\n")
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s: %q, want %q", tt.name, tt.body, got, tt.want)
		}
	}
}
