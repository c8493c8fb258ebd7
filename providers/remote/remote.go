// Package remote is a machine as data: what is asked of it, what was seen, what is run on it, and the one way in which
// text becomes a shell script. It knows no kind, and no nginx, cron or systemd.
package remote

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Controller is the host name of the machine that shipctl itself runs on, in queries about artifacts.
const Controller = ""

// Query is a read-only script of the folder that owns it ("service/look") with its positional parameters. A machine
// gets all of its queries at once, in one script.
type Query struct {
	Host   string   `json:"host"`
	Script string   `json:"script"`
	Args   []string `json:"args,omitempty"`
}

// Key identifies a query on its machine: the script and its arguments, those quoted that could be taken for several.
func (q Query) Key() string {
	key := q.Script
	for _, a := range q.Args {
		if a == "" || a[0] == '"' || strings.Contains(a, " ") {
			a = strconv.Quote(a)
		}
		key += " " + a
	}
	return key
}

// Sight tells apart what a diff must never confuse. The zero value is "nobody asked" and never reads as Absent.
type Sight int

// What a query came to. A script says Absent with exit status 44 and Denied with 43; any other failure, or no
// connection, is Unreachable.
const (
	NotAsked Sight = iota
	Seen
	Absent
	Denied
	Unreachable
)

func (s Sight) String() string {
	names := [...]string{"not asked", "seen", "absent", "not permitted to look", "could not ask"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("sight %d", int(s))
	}
	return names[s]
}

// Answer is what a query's script printed, or why there is nothing. The text comes from a machine: untrusted input.
type Answer struct {
	Sight Sight  `json:"sight"`
	Text  string `json:"text,omitempty"`
	Why   string `json:"why,omitempty"`
}

// Facts holds answers by machine and query key. Plain data: it can be saved, compared and made up in a test.
type Facts map[string]map[string]Answer

// Put records an answer.
func (f Facts) Put(q Query, a Answer) {
	if f[q.Host] == nil {
		f[q.Host] = map[string]Answer{}
	}
	f[q.Host][q.Key()] = a
}

// Get returns the answer to a query; the zero Answer (NotAsked) when there is none.
func (f Facts) Get(q Query) Answer { return f[q.Host][q.Key()] }

// Check refuses facts, read from a file, that no machine's answer can have come to.
func (f Facts) Check() error {
	for _, host := range slices.Sorted(maps.Keys(f)) {
		for _, key := range slices.Sorted(maps.Keys(f[host])) {
			if s := f[host][key].Sight; s < NotAsked || s > Unreachable {
				return fmt.Errorf("facts[%q][%q].sight is %d: from %d to %d is expected", host, key, int(s), int(NotAsked), int(Unreachable))
			}
		}
	}
	return nil
}

// Identity is the query that every machine answers first: who it is and what it has (identity.sh).
func Identity(host string) Query { return Query{Host: host, Script: "remote/identity"} }

// User is the query for whether a machine has a user: Seen or Absent (user.sh).
func User(host, name string) Query {
	return Query{Host: host, Script: "remote/user", Args: []string{name}}
}

// Part is a piece of a small input: literal text, or the value of a sensitive variable, which is named only.
type Part struct {
	Text string `json:"text,omitempty"`
	Var  string `json:"var,omitempty"`
}

// Call is one run of one changing script. It is data: printed, saved and replayed.
type Call struct {
	Script       string   `json:"script"`
	ScriptSHA256 string   `json:"script_sha256,omitempty"`
	Args         []string `json:"args,omitempty"`
	Stdin        []Part   `json:"stdin,omitempty"` // joined, it is the script's $INPUT; never on a command line
	File         string   `json:"file,omitempty"`  // artifact on the controller; its payload is the script's standard input
	FileSHA256   string   `json:"file_sha256,omitempty"`
	FileSize     int64    `json:"file_size,omitempty"` // bytes of the payload
	// Unlocked runs beside a step: without the step lock and without a lease. For leases.
	Unlocked bool `json:"unlocked,omitempty"`
}

// Ticket is what no plan can know. It is checked before a step changes anything.
type Ticket struct {
	Run      string    // of this apply
	Step     string    // the step's ID
	Epoch    int64     // of the lease held on the machine; 0 where none is held
	Deadline time.Time // after it the connection is closed and the outcome is unknown
	// Stop, once closed, breaks off what is being sent of a call's File; the script says what it makes of that.
	Stop <-chan struct{}
}

// Machine is a machine that can be asked and changed.
type Machine interface {
	// Ask answers in the order of the queries. The error is for the machine as a whole.
	Ask(context.Context, []Query) ([]Answer, error)
	// Run returns what the script printed. A *ScriptError means that the script ran and said no; any other error that
	// the outcome is not known.
	Run(context.Context, Ticket, Call) ([]byte, error)
	Close() error
}

// ScriptError is a script's own refusal or failure.
type ScriptError struct {
	Script string
	Status int
	Output string // its standard error, redacted; may be several lines
}

func (e *ScriptError) Error() string { return strings.TrimSpace(e.Output) }
