package config

import (
	_ "embed"
	"slices"
)

//go:embed starter.hcl
var starter []byte

// Starter is the commented configuration that a new project begins with.
func Starter() []byte { return slices.Clone(starter) }
