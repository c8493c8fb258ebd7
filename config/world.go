package config

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// pathRoot begins a reference to a directory.
const pathRoot = "path"

// world is everything that expressions may refer to while a configuration is loaded and decoded.
type world struct {
	options   Options
	files     map[string]*hcl.File
	bodies    []*hclsyntax.Body // of the files, in their order
	functions map[string]function.Function
	paths     cty.Value // path.module, path.root, path.cwd

	settings  *hclsyntax.Block // shipctl
	variables map[string]*hclsyntax.Block
	defaults  map[string]*hclsyntax.Block // by kind
	nodes     map[string]*node            // locals, hosts, blocks, by address
	sequence  []*node                     // the same in the order of the files

	values   map[string]cty.Value // of variables
	decoded  map[Ref]cty.Value    // what Set was called with
	hosts    []HostValue          // of the hosts that are right, for hosts_with
	hostless bool                 // some host is wrong: hosts_with can't answer
	bad      map[hcl.Range]bool   // expressions whose mistakes were reported
}

func newWorld(o Options) *world {
	w := &world{
		options: o, files: map[string]*hcl.File{}, variables: map[string]*hclsyntax.Block{},
		defaults: map[string]*hclsyntax.Block{}, nodes: map[string]*node{}, values: map[string]cty.Value{},
		decoded: map[Ref]cty.Value{}, bad: map[hcl.Range]bool{},
	}
	w.functions, w.paths = w.allFunctions(), pathValues()
	return w
}

// node is a local, a host block or a block of a kind, before for_each.
type node struct {
	kind string // "local", "host" or a kind; hostsWith for the function
	name string
	at   hcl.Range
	expr hclsyntax.Expression // of a local
	body *hclsyntax.Body      // of a block: with its defaults, without for_each
	each hclsyntax.Expression // for_each, or nil

	edges  []edge
	failed bool // reported already: its value is unknown, silently

	value     cty.Value            // of a local, once it is known
	expanded  bool                 // keys are known
	keys      []string             // of for_each, in order
	instances map[string]cty.Value // of a host: by key, "" without for_each
}

// hollow says that there is no instance of it.
func (n *node) hollow() bool { return n.each != nil && n.expanded && len(n.keys) == 0 }

type edge struct {
	to *node
	at hcl.Range
}

func (n *node) String() string {
	if n.kind == hostsWith {
		return hostsWith + "()"
	}
	return n.kind + "." + n.name
}

// ref is an instance of the node.
func (n *node) ref(key string) Ref {
	if n.each == nil {
		return Ref{Kind: n.kind, Name: n.name}
	}
	return Ref{Kind: n.kind, Name: n.name + "[" + quote(key) + "]"}
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

func (w *world) set(r Ref, v cty.Value) {
	if v == cty.NilVal || !v.IsKnown() || v.IsNull() || v.IsMarked() || !v.Type().IsObjectType() {
		w.decoded[r] = v
		return
	}
	attrs := v.AsValueMap()
	if attrs == nil {
		attrs = map[string]cty.Value{}
	}
	if _, ok := attrs["addr"]; !ok {
		attrs["addr"] = cty.StringVal(r.String())
	}
	w.decoded[r] = cty.ObjectVal(attrs)
}

// valueOf is what an expression sees of a node; DynamicVal where that is not known (yet).
func (w *world) valueOf(n *node) cty.Value {
	if n.failed || !n.expanded {
		return cty.DynamicVal
	}
	if n.each == nil {
		return w.instance(n, "")
	}
	out := map[string]cty.Value{}
	for _, k := range n.keys {
		out[k] = w.instance(n, k)
	}
	return cty.ObjectVal(out)
}

func (w *world) instance(n *node, key string) cty.Value {
	v, ok := n.instances[key]
	if n.kind != "host" {
		v, ok = w.decoded[n.ref(key)]
	}
	if !ok || v == cty.NilVal {
		return cty.DynamicVal
	}
	return v
}

func (w *world) isKind(s string) bool {
	for _, k := range w.options.Kinds {
		if k == s {
			return true
		}
	}
	return false
}

// pathValues: relative paths begin at the configuration's directory, whose name is "." in Terraform too.
func pathValues() cty.Value {
	cwd, err := os.Getwd()
	if err != nil {
		cwd = "."
	}
	dir := cty.StringVal(".")
	return cty.ObjectVal(map[string]cty.Value{"module": dir, "root": dir, "cwd": cty.StringVal(filepath.ToSlash(cwd))})
}

// names lists what is declared under a root: var, local, host or a kind; of path, what there is.
func (w *world) names(root string) []string {
	var out []string
	if root == pathRoot {
		return []string{"cwd", "module", "root"}
	}
	if root == "var" {
		for n := range w.variables {
			out = append(out, n)
		}
		return sorted(out)
	}
	for _, n := range w.sequence {
		if n.kind == root {
			out = append(out, n.name)
		}
	}
	return out
}
