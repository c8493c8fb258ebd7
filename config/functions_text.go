package config

import (
	"regexp"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

func param(name string, t cty.Type) function.Parameter {
	return function.Parameter{Name: name, Type: t}
}

// pure makes a function of strings.
func pure(t cty.Type, impl func(args []string) (cty.Value, error), names ...string) function.Function {
	spec := &function.Spec{Type: function.StaticReturnType(t)}
	for _, n := range names {
		spec.Params = append(spec.Params, param(n, cty.String))
	}
	spec.Impl = func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var texts []string
		for _, a := range args {
			texts = append(texts, a.AsString())
		}
		return impl(texts)
	}
	return function.New(spec)
}

func startsWithFunction() function.Function {
	return pure(cty.Bool, func(a []string) (cty.Value, error) { return cty.BoolVal(strings.HasPrefix(a[0], a[1])), nil }, "string", "prefix")
}

func endsWithFunction() function.Function {
	return pure(cty.Bool, func(a []string) (cty.Value, error) { return cty.BoolVal(strings.HasSuffix(a[0], a[1])), nil }, "string", "suffix")
}

func containsFunction() function.Function {
	return pure(cty.Bool, func(a []string) (cty.Value, error) { return cty.BoolVal(strings.Contains(a[0], a[1])), nil }, "string", "part")
}

// timeCompareFunction orders two instants: -1, 0 or 1.
func timeCompareFunction() function.Function {
	return pure(cty.Number, func(a []string) (cty.Value, error) {
		var at [2]time.Time
		for i, text := range a {
			t, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(i, "not a time as 2006-01-02T15:04:05Z")
			}
			at[i] = t
		}
		return cty.NumberIntVal(int64(at[0].Compare(at[1]))), nil
	}, "timestamp_a", "timestamp_b")
}

// replaceFunction takes /…/ as a regular expression.
func replaceFunction() function.Function {
	return pure(cty.String, func(a []string) (cty.Value, error) {
		text, what, with := a[0], a[1], a[2]
		if len(what) < 2 || what[0] != '/' || what[len(what)-1] != '/' {
			return cty.StringVal(strings.ReplaceAll(text, what, with)), nil
		}
		re, err := regexp.Compile(what[1 : len(what)-1])
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(1, "not a regular expression: %s", err)
		}
		return cty.StringVal(re.ReplaceAllString(text, with)), nil
	}, "string", "substring", "replacement")
}
