package remote

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed prelude.sh
var prelude string

//go:embed identity.sh
var identity string

//go:embed user.sh
var user string

//go:embed lease.sh
var lease string

//go:embed record.sh
var record string

//go:embed history.sh
var history string

//go:embed journal.sh
var journal string

//go:embed interrupt.sh
var interrupt string

//go:embed step.sh
var step string

// Library holds scripts by name: "service/look" → the text of look.sh in the folder that owns it.
type Library map[string]string

// Scripts collects the *.sh of each kind's folder, and this package's own.
func Scripts(folders map[string]fs.FS) (Library, error) {
	lib := Library{
		"remote/identity": identity, "remote/user": user, "remote/lease": lease, "remote/interrupt": interrupt,
		"remote/record": record, "remote/history": history, "remote/journal": journal,
	}
	for kind, folder := range folders {
		if folder == nil {
			continue
		}
		names, err := fs.Glob(folder, "*.sh")
		if err != nil {
			return nil, fmt.Errorf("scripts of %s: %w", kind, err)
		}
		for _, name := range names {
			text, err := fs.ReadFile(folder, name)
			if err != nil {
				return nil, fmt.Errorf("scripts of %s: %w", kind, err)
			}
			lib[path.Join(kind, strings.TrimSuffix(name, ".sh"))] = string(text)
		}
	}
	return lib, nil
}

// SHA256 is the digest (hex) of a script, "" when there is none: a plan records what it was made with.
func (l Library) SHA256(script string) string {
	text, ok := l[script]
	if !ok {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (l Library) body(script string) (string, error) {
	text, ok := l[script]
	if !ok {
		return "", fmt.Errorf("there is no script %s", script)
	}
	return strings.TrimRight(text, "\n") + "\n", nil
}

// Prelude is the text that stands in front of every script.
func Prelude() string { return prelude }
