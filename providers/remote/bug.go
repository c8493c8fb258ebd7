package remote

import (
	"fmt"
	"runtime/debug"
)

// Bug is a panic as an error: one of a goroutine would end the process with a trace and exit status 2, which means
// something else, and with leases held.
type Bug struct {
	What  any
	Stack string // for a log
}

func (b *Bug) Error() string {
	return fmt.Sprintf("this is a bug in shipctl: %v. Please report it, with this line and the command; -log-level=trace shows where it is", b.What)
}

// Caught, deferred, makes an error of a panic.
func Caught(err *error) {
	if what := recover(); what != nil {
		*err = &Bug{What: what, Stack: string(debug.Stack())}
	}
}

// Guarded runs what has no error of its own.
func Guarded(f func()) (err error) {
	defer Caught(&err)
	f()
	return nil
}
