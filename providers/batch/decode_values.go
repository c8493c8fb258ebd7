package batch

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers/remote"
)

// plain is a name without what for_each adds to it: batch["kr"] is batch.kr.
func plain(name string) string { return strings.NewReplacer(`["`, ".", `"]`, "").Replace(name) }

// words evaluates a command: program and arguments, each as it is, without a shell.
func (d *decoder) words(e hcl.Expression) []string {
	v, diags := d.b.Eval(e, nil)
	d.diags = append(d.diags, diags...)
	if diags.HasErrors() {
		return nil
	}
	at := e.Range().Ptr()
	if _, secret := config.Sensitive(v); secret {
		d.wrong(at, "Sensitive value in a command", "A command line can be read by everybody on the machine. Pass it in env.")
		return nil
	}
	if !v.IsWhollyKnown() {
		return nil
	}
	list, err := convert.Convert(v, cty.List(cty.String))
	if err != nil || list.IsNull() || list.LengthInt() == 0 {
		d.wrong(at, "Not a command", "a list of the program and its arguments is expected: [\"java\", \"-jar\", \"batch.jar\"]. There is no shell.")
		return nil
	}
	var out []string
	for it := list.ElementIterator(); it.Next(); {
		_, w := it.Element()
		if w.IsNull() || strings.IndexFunc(w.AsString(), unicode.IsControl) >= 0 {
			d.wrong(at, "Not a word of a command", "null or a control character.")
			return nil
		}
		out = append(out, w.AsString())
	}
	if out[0] == "" || strings.HasPrefix(out[0], "-") {
		d.wrong(at, "Not a program", "%q can't be a program's name.", out[0])
	}
	return out
}

// env is the environment that every job of the block gets.
func (d *decoder) env() {
	v, diags := d.b.Eval(d.in.Env, nil)
	d.diags = append(d.diags, diags...)
	if diags.HasErrors() {
		return
	}
	v, _ = v.Unmark() // the values keep their own marks
	if v.IsNull() || !v.IsKnown() {
		return
	}
	if !v.CanIterateElements() || (!v.Type().IsObjectType() && !v.Type().IsMapType()) {
		d.wrong(d.in.Env.Range().Ptr(), "Not an environment", "a map of names and values is expected: { TZ = \"Asia/Seoul\" }.")
		return
	}
	for it := v.ElementIterator(); it.Next(); { // in the order of the names
		k, x := it.Element()
		at := entry(d.in.Env, k.AsString())
		s, err := convert.Convert(x, cty.String)
		switch name := k.AsString(); {
		case err != nil || x.IsNull():
			d.wrong(at, "Not a value of a variable", "%s: text, a number or a bool is expected.", name)
		case !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(name) || strings.HasPrefix(name, "SHIPCTL") || strings.HasPrefix(name, "sc_"):
			d.wrong(at, "Not a name of a variable", "%q: letters, digits and _ are expected, not beginning with a digit, SHIPCTL or sc_.", name)
		default:
			d.variable(name, s, at)
		}
	}
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

// variable keeps of a sensitive value the variable's name and a slow hash.
func (d *decoder) variable(name string, v cty.Value, at *hcl.Range) {
	from, secret := config.Sensitive(v)
	bare, _ := v.UnmarkDeep()
	if !bare.IsKnown() {
		return
	}
	s := bare.AsString()
	if strings.IndexFunc(s, unicode.IsControl) >= 0 {
		d.wrong(at, "Control character in a value", "%s: a newline or another control character can't be passed in the environment.", name)
		return
	}
	e := Env{Name: name, Value: remote.Part{Text: s}}
	switch {
	case secret && from == "":
		d.wrong(at, "Part of a value is sensitive", "%s: a sensitive variable can be used as a whole value only (%s = var.NAME): it travels by its name.", name, name)
		return
	case secret:
		key, err := pbkdf2.Key(sha256.New, s, []byte("shipctl "+d.b.Ref.String()+" "+name), 100_000, 8)
		if err != nil {
			d.wrong(at, "Can't hash", "%s", err)
		}
		e = Env{Name: name, Value: remote.Part{Var: from}, Print: hex.EncodeToString(key)}
	}
	d.s.Env = append(d.s.Env, e)
}
