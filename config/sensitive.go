package config

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// secret is the mark of a sensitive variable. Marks are compared by pointer: one for each variable and Load.
type secret struct {
	name  string
	value cty.Value // unmarked
}

func sensitive(v cty.Value) (name string, is bool) {
	if !v.ContainsMarked() {
		return "", false
	}
	plain, marks := v.UnmarkDeep()
	if len(marks) != 1 {
		return "", true
	}
	for m := range marks {
		if s, ok := m.(*secret); ok && s.is(plain) {
			return s.name, true
		}
	}
	return "", true
}

// knownByName says that nothing in v is unknown but the whole values of sensitive variables.
func knownByName(v cty.Value) bool {
	if name, _ := sensitive(v); name != "" || !v.ContainsMarked() {
		return name != "" || v.IsWhollyKnown()
	}
	plain, _ := v.Unmark()
	if !plain.IsKnown() {
		return false
	}
	if plain.IsNull() || !plain.CanIterateElements() {
		return true
	}
	for it := plain.ElementIterator(); it.Next(); {
		if k, x := it.Element(); !k.IsWhollyKnown() || !knownByName(x) {
			return false
		}
	}
	return true
}

// spread puts the marks of every collection on what is in it, so that whoever takes one apart can't lose them.
func spread(v cty.Value) cty.Value {
	if !v.ContainsMarked() {
		return v
	}
	return spreadMarks(v, nil)
}

func spreadMarks(v cty.Value, above cty.ValueMarks) cty.Value {
	plain, marks := v.Unmark()
	out := cty.ValueMarks{}
	for _, ms := range []cty.ValueMarks{above, marks} {
		for m := range ms {
			out[m] = struct{}{}
		}
	}
	t := plain.Type()
	if !plain.IsKnown() || plain.IsNull() || t.IsPrimitiveType() || t.IsSetType() || t.IsCapsuleType() || !plain.CanIterateElements() || plain.LengthInt() == 0 {
		return plain.WithMarks(out)
	}
	switch {
	case t.IsObjectType(), t.IsMapType():
		inner := plain.AsValueMap()
		for k, x := range inner {
			inner[k] = spreadMarks(x, out)
		}
		if t.IsMapType() {
			return cty.MapVal(inner).WithMarks(out)
		}
		return cty.ObjectVal(inner).WithMarks(out)
	default:
		inner := plain.AsValueSlice()
		for i, x := range inner {
			inner[i] = spreadMarks(x, out)
		}
		if t.IsListType() {
			return cty.ListVal(inner).WithMarks(out)
		}
		return cty.TupleVal(inner).WithMarks(out)
	}
}

// is says whether v is the variable's whole value, or that converted (a number used as text).
func (s *secret) is(v cty.Value) bool {
	if v.RawEquals(s.value) {
		return true
	}
	if !v.Type().IsPrimitiveType() || !s.value.Type().IsPrimitiveType() {
		return false
	}
	c, err := convert.Convert(s.value, v.Type())
	return err == nil && v.RawEquals(c)
}
