package providers

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers/remote"
)

// Env is one variable of a program's environment. Of a sensitive one the spec has the name, and a slow hash by which a
// change is noticed.
type Env struct {
	Name  string      `json:"name"`
	Value remote.Part `json:"value"`
	Print string      `json:"print,omitempty"`
}

func wrong(at *hcl.Range, summary, detail string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: at}
}

// Words evaluates a command: program and arguments, each as it is, without a shell. what names it in a diagnostic. The
// words are nil where they are wrong or not known yet.
func Words(b config.Block, e hcl.Expression, local map[string]cty.Value, what string) ([]string, hcl.Diagnostics) {
	v, diags := b.Eval(e, local)
	at := e.Range().Ptr()
	if _, secret := config.Sensitive(v); secret { // also where it has no value yet
		return nil, append(diags, wrong(at, "Sensitive value in a command", "A command line can be read by everybody on the machine. Pass it in env."))
	}
	if diags.HasErrors() {
		return nil, diags
	}
	if !v.IsWhollyKnown() {
		return nil, diags
	}
	list, err := convert.Convert(v, cty.List(cty.String))
	if err != nil || list.IsNull() || list.LengthInt() == 0 {
		return nil, append(diags, wrong(at, "Not a command", "%s: a list of the program and its arguments is expected: [\"java\", \"-jar\", \"app.jar\"]. There is no shell.", what))
	}
	var out []string
	for it := list.ElementIterator(); it.Next(); {
		_, w := it.Element()
		if w.IsNull() || strings.IndexFunc(w.AsString(), unicode.IsControl) >= 0 {
			return nil, append(diags, wrong(at, "Not a word of a command", "%s: null or a control character.", what))
		}
		out = append(out, w.AsString())
	}
	if out[0] == "" || strings.HasPrefix(out[0], "-") {
		diags = append(diags, wrong(at, "Not a program", "%s: %q can't be a program's name.", what, out[0]))
	}
	return out, diags
}

// Variables evaluates a map of variables, values with their own marks. at says where each is given.
func Variables(b config.Block, e hcl.Expression, local map[string]cty.Value) (out map[string]cty.Value, at map[string]*hcl.Range, diags hcl.Diagnostics) {
	out, at = map[string]cty.Value{}, map[string]*hcl.Range{}
	v, diags := b.EvalByName(e, local)
	if diags.HasErrors() {
		return out, at, diags
	}
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() {
		return out, at, diags
	}
	if !v.CanIterateElements() || !(v.Type().IsObjectType() || v.Type().IsMapType()) {
		return out, at, append(diags, wrong(e.Range().Ptr(), "Not an environment", "a map of names and values is expected: { TZ = \"Asia/Seoul\" }."))
	}
	plain := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	for it := v.ElementIterator(); it.Next(); {
		k, x := it.Element()
		s, err := convert.Convert(x, cty.String)
		switch name := k.AsString(); {
		case err != nil || x.IsNull():
			diags = append(diags, wrong(entry(e, name), "Not a value of a variable", "%s: text, a number or a bool is expected.", name))
		case !plain.MatchString(name) || strings.HasPrefix(name, "SHIPCTL"):
			diags = append(diags, wrong(entry(e, name), "Not a name of a variable", "%q: letters, digits and _ are expected, not beginning with a digit or with SHIPCTL.", name))
		default:
			out[name], at[name] = s, entry(e, name)
		}
	}
	return out, at, diags
}

// entry is where a map gives the value of a key: the value itself where the map is written out.
func entry(e hcl.Expression, key string) *hcl.Range {
	pairs, diags := hcl.ExprMap(e)
	if diags.HasErrors() {
		return e.Range().Ptr()
	}
	for _, p := range pairs {
		k, diags := p.Key.Value(nil)
		if !diags.HasErrors() && k.Type() == cty.String && k.IsKnown() && !k.IsNull() && k.AsString() == key {
			return p.Value.Range().Ptr()
		}
	}
	return e.Range().Ptr()
}

// Variable keeps of a sensitive value the variable's name and a slow hash, of one that has no value the name alone.
func Variable(b config.Block, name string, v cty.Value, at *hcl.Range) (Env, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	from, secret := config.Sensitive(v)
	plain, _ := v.UnmarkDeep()
	if !plain.IsKnown() {
		return Env{Name: name, Value: remote.Part{Var: from}}, nil
	}
	s := plain.AsString()
	if i := strings.IndexFunc(s, unicode.IsControl); i >= 0 {
		diags = append(diags, wrong(at, "Control character in a value", "%s: a newline or another control character can't be passed in the environment.", name))
	}
	switch {
	case secret && from == "":
		diags = append(diags, wrong(at, "Part of a value is sensitive", "%s: a sensitive variable can be used as a whole value only (%s = var.NAME): it travels by its name.", name, name))
	case secret:
		key, err := pbkdf2.Key(sha256.New, s, []byte("shipctl "+b.Ref.String()+" "+name), 100_000, 8)
		if err != nil {
			diags = append(diags, wrong(at, "Can't hash", "%s", err))
		}
		return Env{Name: name, Value: remote.Part{Var: from}, Print: hex.EncodeToString(key)}, diags
	}
	return Env{Name: name, Value: remote.Part{Text: s}}, diags
}
