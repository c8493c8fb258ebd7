// Package model behaves as lease.sh and the check of the epoch before every step do, without a machine. It is for tests: a
// simulator is made of such models, and this one is held to the scripts by a conformance test. Time passes only when it is
// told.
package model

import (
	"fmt"
	"strconv"
)

// Exit statuses of lease.sh and of a step.
const (
	Held      = 74
	Free      = 75
	TakenOver = 76
)

// Lease is a project's lease on one machine. The zero value is a machine that never had one.
type Lease struct {
	Epoch int64
	ID    string
	Until int64 // milliseconds of uptime
	Boot  int
	made  bool
}

// Run does what lease.sh does at a time (milliseconds of uptime) of a boot: what it prints and its exit status.
func (l *Lease) Run(now int64, boot int, args []string) (out string, status int) {
	what, id := args[0], args[1]
	ttl, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return "", 1
	}
	put := func(epoch int64, id string, until int64) {
		*l = Lease{Epoch: epoch, ID: id, Until: until, Boot: boot, made: true}
	}
	switch mine := l.ID == id; what {
	case "acquire":
		if !mine && l.ID != "" && l.Boot == boot && l.Until > now {
			return "", Held
		}
		epoch := l.Epoch
		if !mine {
			epoch++
		}
		put(epoch, id, now+ttl)
		return strconv.FormatInt(epoch, 10), 0
	case "renew":
		if !mine {
			return "", TakenOver
		}
		put(l.Epoch, id, now+ttl)
	case "release":
		if mine {
			put(l.Epoch, "", 0)
		}
	case "force":
		switch {
		case mine:
			put(l.Epoch+1, "", 0)
		case l.ID != "" && l.Boot == boot && l.Until > now:
			return "", Held
		default:
			return "", Free
		}
	default:
		return "", 1
	}
	return "", 0
}

// Drop is what acquire does when a step of the run before does not end: nobody has the lease, and the epoch stays.
func (l *Lease) Drop() { l.ID, l.Until = "", 0 }

// Step is the check before a step: 0, or TakenOver.
func (l *Lease) Step(epoch int64) int {
	if l.made && l.Epoch > epoch {
		return TakenOver
	}
	return 0
}

func (l *Lease) String() string { return fmt.Sprintf("epoch %d, held by %q", l.Epoch, l.ID) }
