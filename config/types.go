package config

import (
	"reflect"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// tag reads a field's hcl tag: its name, and its kind ("" for a required argument).
func tag(f reflect.StructField) (name, kind string, ok bool) {
	t, ok := f.Tag.Lookup("hcl")
	if !ok || t == "-" {
		return "", "", false
	}
	name, kind, _ = strings.Cut(t, ",")
	return name, kind, true
}

// describe is a type in the words of somebody who writes a configuration.
func describe(t cty.Type) string {
	switch {
	case t == cty.String:
		return "text"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	case t.IsListType(), t.IsSetType():
		return "a list (each element " + describe(t.ElementType()) + ")"
	case t.IsMapType():
		return "a map (each value " + describe(t.ElementType()) + ")"
	case t.Equals(hostType()):
		return "a host"
	case isReference(t):
		return "a reference to a block"
	case t.IsObjectType():
		return "an object"
	}
	return "a value"
}

// isReference says whether a type is decoded from host.NAME or kind.NAME, or a list of such.
func isReference(t cty.Type) bool {
	if t.IsListType() || t.IsSetType() {
		t = t.ElementType()
	}
	return t.IsObjectType() && (t.HasAttribute("addr") || t.Equals(hostType()))
}

// article is a value's type in a sentence.
func article(t cty.Type) string {
	switch {
	case t == cty.String:
		return "text"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "a boolean"
	case t.IsTupleType(), t.IsListType():
		return "a list"
	case t.IsSetType():
		return "a set"
	case t.IsMapType():
		return "a map"
	case t.IsObjectType() && t.HasAttribute("addr"):
		return "a block"
	case t.IsObjectType() && t.Equals(hostType()):
		return "a host"
	case t.IsObjectType():
		return "an object"
	}
	return "something else"
}

// blockOf is a block's type in a sentence: "A release block".
func blockOf(kind string) string {
	if kind != "" && strings.ContainsRune("aeiou", rune(kind[0])) {
		return "An " + kind + " block"
	}
	return "A " + kind + " block"
}
