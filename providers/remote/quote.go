package remote

import (
	"errors"
	"strings"
)

// ErrNUL says that a value can't be handed to a shell: no argument and no variable can hold a NUL.
var ErrNUL = errors.New("the value contains a NUL byte")

// Quote makes s one word of POSIX shell text that stands for exactly s. Every value in every script goes through it.
func Quote(s string) (string, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return "", ErrNUL
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'", nil
}
