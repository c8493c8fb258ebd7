package config

import (
	"errors"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// everyFunction is alltrue, and anytrue for false: the result where an element says otherwise is the other one.
func everyFunction(all bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{param("list", cty.List(cty.Bool))},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			unknown := false
			for it := args[0].ElementIterator(); it.Next(); {
				_, v := it.Element()
				switch {
				case !v.IsKnown():
					unknown = true
				case v.IsNull() && all:
					return cty.False, nil
				case !v.IsNull() && v.True() != all:
					return cty.BoolVal(!all), nil
				}
			}
			if unknown {
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.BoolVal(all), nil
		},
	})
}

// coalesceFunction gives the first argument that is neither null nor "", with the marks of that one only: whether another
// was empty is no secret, and a sensitive variable is passed on whole.
func coalesceFunction() function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{
			Name: "values", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
		},
		Type: func(args []cty.Value) (cty.Type, error) {
			var types []cty.Type
			for _, a := range args {
				types = append(types, a.Type())
			}
			if t, _ := convert.UnifyUnsafe(types); t != cty.NilType {
				return t, nil
			}
			return cty.NilType, errors.New("all arguments must have the same type")
		},
		RefineResult: func(b *cty.RefinementBuilder) *cty.RefinementBuilder { return b.NotNull() },
		Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
			for _, a := range args {
				v, err := convert.Convert(a, t)
				if err != nil {
					return cty.NilVal, err
				}
				plain, marks := v.Unmark()
				switch {
				case !plain.IsKnown():
					return cty.UnknownVal(t).WithMarks(marks), nil
				case !plain.IsNull() && !plain.RawEquals(cty.StringVal("")):
					return v, nil
				}
			}
			return cty.NilVal, errors.New(`every argument is null or ""`)
		},
	})
}

// indexFunction finds an element's position.
func indexFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{param("list", cty.DynamicPseudoType), param("value", cty.DynamicPseudoType)},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if t := args[0].Type(); !t.IsListType() && !t.IsTupleType() {
				return cty.NilVal, function.NewArgErrorf(0, "a list is required")
			}
			for it := args[0].ElementIterator(); it.Next(); {
				i, v := it.Element()
				eq, err := stdlib.Equal(v, args[1])
				switch {
				case err != nil:
					return cty.NilVal, err
				case !eq.IsKnown():
					return cty.UnknownVal(cty.Number), nil
				case eq.True():
					return i, nil
				}
			}
			return cty.NilVal, errors.New("the list has no such element")
		},
	})
}

// lengthFunction counts elements, or the characters of a text.
func lengthFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v := args[0]
			switch t := v.Type(); {
			case t == cty.DynamicPseudoType:
				return cty.UnknownVal(cty.Number), nil
			case t.IsTupleType():
				return cty.NumberIntVal(int64(t.Length())), nil
			case t.IsObjectType():
				return cty.NumberIntVal(int64(len(t.AttributeTypes()))), nil
			case !v.IsKnown():
				return cty.UnknownVal(cty.Number), nil
			case t == cty.String:
				return stdlib.Strlen(v)
			case t.IsCollectionType():
				return v.Length(), nil
			}
			return cty.NilVal, function.NewArgErrorf(0, "a list, a map, an object or text is required")
		},
	})
}

// lookupFunction looks into a map, with or without a value to fall back to.
func lookupFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "map", Type: cty.DynamicPseudoType, AllowMarked: true},
			{Name: "key", Type: cty.String, AllowMarked: true},
		},
		VarParam: &function.Parameter{Name: "default", Type: cty.DynamicPseudoType, AllowMarked: true, AllowNull: true},
		Type: func(args []cty.Value) (cty.Type, error) {
			if len(args) == 3 {
				return stdlib.LookupFunc.ReturnTypeForValues(args)
			}
			if len(args) > 3 {
				return cty.NilType, errors.New("lookup takes two or three arguments")
			}
			t := args[0].Type()
			switch {
			case t.IsMapType():
				return t.ElementType(), nil
			case t.IsObjectType():
				return cty.DynamicPseudoType, nil
			}
			return cty.NilType, function.NewArgErrorf(0, "a map is required")
		},
		Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
			if len(args) == 3 {
				return stdlib.Lookup(args[0], args[1], args[2])
			}
			m, marks := args[0].Unmark()
			key, keyMarks := args[1].Unmark()
			has := m.Type().IsObjectType() && m.Type().HasAttribute(key.AsString()) || m.Type().IsMapType() && m.HasIndex(key).True()
			if !has {
				return cty.NilVal, function.NewArgErrorf(1, "there is no such key and no default")
			}
			if m.Type().IsObjectType() {
				return m.GetAttr(key.AsString()).WithMarks(marks, keyMarks), nil
			}
			return m.Index(key).WithMarks(marks, keyMarks), nil
		},
	})
}

// matchKeysFunction keeps the values whose key is one of those searched for.
func matchKeysFunction() function.Function {
	any := cty.List(cty.DynamicPseudoType)
	return function.New(&function.Spec{
		Params: []function.Parameter{param("values", any), param("keys", any), param("search", any)},
		Type: func(args []cty.Value) (cty.Type, error) {
			return args[0].Type(), nil
		},
		Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
			values, keys, search := args[0].AsValueSlice(), args[1].AsValueSlice(), args[2].AsValueSlice()
			if len(values) != len(keys) {
				return cty.NilVal, function.NewArgErrorf(1, "there must be as many keys as values")
			}
			if !args[1].IsWhollyKnown() || !args[2].IsWhollyKnown() {
				return cty.UnknownVal(t), nil
			}
			var out []cty.Value
			for i, k := range keys {
				for _, s := range search {
					if eq, err := stdlib.Equal(k, s); err == nil && eq.True() {
						out = append(out, values[i])
						break
					}
				}
			}
			if len(out) == 0 {
				return cty.ListValEmpty(t.ElementType()), nil
			}
			return cty.ListVal(out), nil
		},
	})
}

// oneFunction gives the only element, or null where there is none.
func oneFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{param("list", cty.DynamicPseudoType)},
		Type: func(args []cty.Value) (cty.Type, error) {
			t := args[0].Type()
			switch {
			case t.IsListType() || t.IsSetType():
				return t.ElementType(), nil
			case t.IsTupleType() && t.Length() == 1:
				return t.TupleElementType(0), nil
			case t.IsTupleType() && t.Length() == 0:
				return cty.DynamicPseudoType, nil
			}
			return cty.NilType, function.NewArgErrorf(0, "a list or set of one element at most is required")
		},
		Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
			switch args[0].LengthInt() {
			case 0:
				return cty.NullVal(t), nil
			case 1:
				return args[0].AsValueSlice()[0], nil
			}
			return cty.NilVal, function.NewArgErrorf(0, "a list or set of one element at most is required")
		},
	})
}

func sumFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{param("list", cty.DynamicPseudoType)},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].CanIterateElements() || args[0].LengthInt() == 0 {
				return cty.NilVal, function.NewArgErrorf(0, "a list of numbers that is not empty is required")
			}
			total := cty.Zero
			for it := args[0].ElementIterator(); it.Next(); {
				_, v := it.Element()
				n, err := convert.Convert(v, cty.Number)
				if err != nil || n.IsNull() {
					return cty.NilVal, function.NewArgErrorf(0, "an element is not a number")
				}
				if total, err = stdlib.Add(total, n); err != nil {
					return cty.NilVal, err
				}
			}
			return total, nil
		},
	})
}

// transposeFunction swaps keys and values of a map of lists of strings.
func transposeFunction() function.Function {
	t := cty.Map(cty.List(cty.String))
	return function.New(&function.Spec{
		Params: []function.Parameter{param("map", t)},
		Type:   function.StaticReturnType(t),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].IsWhollyKnown() {
				return cty.UnknownVal(t), nil
			}
			lists := map[string][]cty.Value{}
			for it := args[0].ElementIterator(); it.Next(); {
				k, list := it.Element()
				if list.IsNull() {
					return cty.NilVal, function.NewArgErrorf(0, "a value is null")
				}
				for inner := list.ElementIterator(); inner.Next(); {
					_, v := inner.Element()
					if v.IsNull() {
						return cty.NilVal, function.NewArgErrorf(0, "an element is null")
					}
					lists[v.AsString()] = append(lists[v.AsString()], k)
				}
			}
			if len(lists) == 0 {
				return cty.MapValEmpty(cty.List(cty.String)), nil
			}
			out := map[string]cty.Value{}
			for k, l := range lists {
				out[k] = cty.ListVal(l)
			}
			return cty.MapVal(out), nil
		},
	})
}
