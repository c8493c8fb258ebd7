package main

import (
	"errors"
	"fmt"

	"github.com/shipctl/shipctl/executor"
)

// Ends of a command that have an exit code of their own. Those made with quiet have been shown already.
var (
	errQuiet       = errors.New("shown already")
	errDiffers     = quiet("there are changes")
	errUnformatted = quiet("not formatted")
	errSyntax      = errors.New("syntax error")
	errStale       = errors.New("the plan is stale")
	errUndone      = quiet("failed and undone")
	errLeft        = quiet("failed and not undone")
	errTakenOver   = fmt.Errorf("%w: %w", executor.ErrHeld, errQuiet)
	errFailed      = quiet("failed")
	errClosed      = fmt.Errorf("%w: %w", executor.ErrClosed, errQuiet)
	errShut        = quiet("a window is closed, or can't be known to be open")
)

func quiet(what string) error { return fmt.Errorf("%s: %w", what, errQuiet) }

// exitCode is the only place that knows the codes.
func exitCode(err error, detailed bool) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSyntax):
		return 2 // fmt
	case errors.Is(err, errUnformatted):
		return 3 // fmt -check
	case errors.Is(err, errShut):
		return 3 // gate
	case !detailed:
		return 1
	case errors.Is(err, errDiffers):
		return 2 // plan
	case errors.Is(err, executor.ErrClosed):
		return 3 // apply
	case errors.Is(err, executor.ErrHeld):
		return 4 // apply
	case errors.Is(err, errStale):
		return 5 // apply
	case errors.Is(err, errUndone):
		return 6
	case errors.Is(err, errLeft):
		return 7
	}
	return 1
}
