package nginx

import (
	"embed"
	"io/fs"
)

//go:embed *.sh common/*.sh
var files embed.FS

// Scripts are look, check, switch, restore and drain, each with what it shares with the others in front.
func Scripts() fs.FS { return scripts{files} }

// scripts hands out whole scripts to whoever reads a file in one go, which is what a library of scripts does.
type scripts struct{ embed.FS }

func (s scripts) ReadFile(name string) ([]byte, error) {
	own, err := s.FS.ReadFile(name)
	if err != nil {
		return nil, err
	}
	parts := []string{"common", "act", "back"}
	switch name { // a query should be small
	case "look.shared.sh", "adopt.sh":
		parts = parts[:1]
	case "look.sh":
		parts = nil // look.shared.sh, which runs in the shell that it is forked from, has it
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
