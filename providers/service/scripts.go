package service

import (
	"embed"
	"slices"
)

//go:embed *.sh common/*.sh
var files embed.FS

// scripts hands out whole scripts to whoever reads a file in one go: those that change something about a slot have what
// they share in front.
type scripts struct{ embed.FS }

func (s scripts) ReadFile(name string) ([]byte, error) {
	own, err := s.FS.ReadFile(name)
	if err != nil || slices.Contains([]string{"look.sh", "before.sh", "evict.sh", "adopt.sh"}, name) {
		return own, err
	}
	parts := []string{"trust", "slot"}
	switch name {
	case "look.shared.sh":
		parts = parts[:1]
	case "start.sh", "revive.sh":
		parts = append(parts, "run")
	}
	var out []byte
	for _, p := range parts {
		b, err := s.FS.ReadFile("common/" + p + ".sh")
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	return append(out, own...), nil
}
