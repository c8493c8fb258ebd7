package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/ctymarks"
	"github.com/zclconf/go-cty/cty/function"
)

// secretFunctions say what is sensitive. All that they change is the marks.
func (w *world) secretFunctions() map[string]function.Function {
	return map[string]function.Function{
		"issensitive": anyFunction(cty.Bool, func(v cty.Value) (cty.Value, error) {
			if !v.IsMarked() && !v.IsKnown() { // it may come to be
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.BoolVal(v.IsMarked()), nil
		}),
		"nonsensitive": anyFunction(cty.NilType, w.bare),
		"sensitive": anyFunction(cty.NilType, func(v cty.Value) (cty.Value, error) {
			if v.IsMarked() { // a variable stays that variable, and can be used as one
				return v, nil
			}
			plain, _ := v.UnmarkDeep()
			return v.Mark(&secret{value: plain}), nil
		}),
	}
}

// anyFunction takes one value of any kind, marked or not; without a result type it gives one of the same type.
func anyFunction(t cty.Type, f func(cty.Value) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{
			Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
		}},
		Type: func(args []cty.Value) (cty.Type, error) {
			if t != cty.NilType {
				return t, nil
			}
			return args[0].Type(), nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f(args[0]) },
	})
}

// bare takes away a value's own marks, from what is in it too, where spread may have put them. Marks that only a part
// of it has stay: who means those names that part. A variable's value does not come out of it whole: it is hidden in
// what machines say, so that what they have would never be what is configured.
func (w *world) bare(v cty.Value) (cty.Value, error) {
	own := v.Marks()
	out, _ := v.WrangleMarksDeep(func(mark any, _ cty.Path) (ctymarks.WrangleAction, error) {
		if _, is := own[mark]; is {
			return ctymarks.WrangleDrop, nil
		}
		return nil, nil
	})
	for mark := range own {
		if s, is := mark.(*secret); is && s.name != "" && w.shows(out, s.value) {
			return cty.NilVal, shownError(s.name)
		}
	}
	return out, nil
}

// shownError names the variable that nonsensitive would show.
type shownError string

func (e shownError) Error() string {
	return fmt.Sprintf("the value of the sensitive variable %q can still be read from this, and that is hidden wherever it turns up. A digest of it or a part can be made plain; what is no secret belongs in a variable of its own", string(e))
}

func (w *world) shows(v, secret cty.Value) bool {
	shows := w.options.Shows
	if shows == nil {
		shows = func(text, secret string) bool { return secret != "" && strings.Contains(text, secret) }
	}
	hidden := texts(secret)
	return slices.ContainsFunc(texts(v), func(text string) bool {
		return slices.ContainsFunc(hidden, func(s string) bool { return shows(text, s) })
	})
}

// texts are all texts and numbers in a value.
func texts(v cty.Value) (out []string) {
	plain, _ := v.UnmarkDeep()
	_ = cty.Walk(plain, func(_ cty.Path, x cty.Value) (bool, error) {
		if x.IsKnown() && !x.IsNull() && (x.Type() == cty.String || x.Type() == cty.Number) {
			if s, err := convert.Convert(x, cty.String); err == nil {
				out = append(out, s.AsString())
			}
		}
		return true, nil
	})
	return out
}
