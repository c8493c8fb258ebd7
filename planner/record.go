package planner

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// RecordFormat is the format number of what a run writes down on a machine.
const RecordFormat = 1

// Record is what was last carried out on one machine for one project. It comes from that machine: untrusted input.
type Record struct {
	Format    int                 `json:"format"`
	Resources map[string]Recorded `json:"resources"` // by address: "service.teatime"
	// Left are the runs that were cut off or could not be undone, by the address of what they were about, until one that
	// is about it succeeds.
	Left map[string]Attempt `json:"left,omitempty"`
}

// Attempt is a run that left something as nobody wanted it.
type Attempt struct {
	Run     string    `json:"run"`
	Command string    `json:"command"`
	Who     string    `json:"who"`
	Began   time.Time `json:"began"`
	Release string    `json:"release,omitempty"`
	Outcome string    `json:"outcome"` // Begun, or Left
}

// attempt is what a run was about to do with a resource.
func (e Entry) attempt(release, outcome string) Attempt {
	return Attempt{Run: e.Run, Command: e.Command, Who: e.Who, Began: e.Began, Release: release, Outcome: outcome}
}

// Recorded is a resource as a run left it.
type Recorded struct {
	Applied
	Run string    `json:"run"`
	Who string    `json:"who"` // user@machine
	URL string    `json:"url,omitempty"`
	At  time.Time `json:"at"`
	// Took is how many seconds a deployment takes: of the whole run, without waiting for windows. A run that brought no other
	// release, or went back, does not make it less.
	Took float64 `json:"took"`
	Hold *Hold   `json:"hold,omitempty"`
}

// Applied is what a run did, or meant to do, with a resource.
type Applied struct {
	Resource          // the spec with what was unset filled in
	From     string   `json:"from,omitempty"`    // release before; "" where there was none, or the kind has none
	Release  string   `json:"release,omitempty"` // release after
	On       []string `json:"on"`                // machines, by host block
	Outcome  string   `json:"outcome"`
}

// Hold keeps a resource on what it was rolled back to until -clear-hold.
type Hold struct {
	Release string    `json:"release"`
	From    string    `json:"from"` // what it was rolled back from
	Who     string    `json:"who"`
	Since   time.Time `json:"since"`
	Run     string    `json:"run"`
}

// Outcomes of a run.
const (
	Begun   = "begun" // and nobody knows how it ended
	Done    = "done"
	Undone  = "failed and undone"
	Left    = "failed and not undone"
	Removed = "removed"
	// NotBegun is the outcome for a resource, when the run ended before its turn.
	NotBegun = "not begun"
)

// Entry is a line of a machine's history: one run, as far as it was about that machine. Untrusted input.
type Entry struct {
	Format    int       `json:"format"`
	Run       string    `json:"run"`
	Command   string    `json:"command"` // apply, rollback
	Who       string    `json:"who"`
	URL       string    `json:"url,omitempty"`
	Began     time.Time `json:"began"`
	Ended     time.Time `json:"ended,omitzero"`
	Outcome   string    `json:"outcome"`
	Forced    string    `json:"forced,omitempty"`  // why a closed window was not heeded
	Plan      string    `json:"plan,omitempty"`    // SHA-256 (hex) of the saved plan that was carried out
	CutOff    int       `json:"cut_off,omitempty"` // connections to this machine's programs that were cut off
	Resources []Applied `json:"resources"`
	Steps     []Trace   `json:"steps,omitempty"`
}

// Trace is what became of a step.
type Trace struct {
	Step  providers.StepID `json:"step"`
	Title string           `json:"title"`
	State string           `json:"state"`
	Took  float64          `json:"took"`           // seconds
	Said  string           `json:"said,omitempty"` // what the script or the error said
	// CutOff is how many connections it cut off.
	CutOff int `json:"cut_off,omitempty"`
}

// CutOff is how many connections a step says that it has cut off.
func CutOff(output string) (n int) {
	for line := range strings.Lines(output) {
		var one int
		if _, err := fmt.Sscanf(strings.TrimSpace(line), "cut off %d connection", &one); err == nil && one > 0 {
			n += one
		}
	}
	return n
}

// RecordQuery asks a machine for its record, and for the run that began there and did not end.
func RecordQuery(host string) remote.Query { return remote.Query{Host: host, Script: "remote/record"} }

// HistoryQuery asks a machine for its history.
func HistoryQuery(host string) remote.Query {
	return remote.Query{Host: host, Script: "remote/history"}
}

// Records are the machines' records. open are runs that began on a machine and did not end; a machine whose record
// can't be read or understood is in unread, with the reason. One that has none is in neither.
type Records struct {
	By     map[string]Record
	Open   map[string]Entry
	Unread map[string]string

	answered map[string]bool // whether a machine that was asked said anything
}

// ReadRecords reads the records among facts.
func ReadRecords(f remote.Facts) Records {
	out := Records{By: map[string]Record{}, Open: map[string]Entry{}, Unread: map[string]string{}, answered: map[string]bool{}}
	for host := range f {
		if host == remote.Controller {
			continue
		}
		a := f.Get(RecordQuery(host))
		out.answered[host] = a.Sight != remote.NotAsked && a.Sight != remote.Unreachable
		switch a.Sight {
		case remote.Seen:
			if err := out.read(host, a.Text); err != nil {
				out.Unread[host] = "the record there can't be understood: " + err.Error()
			}
		case remote.Absent, remote.NotAsked:
		default:
			out.Unread[host] = a.Why
		}
	}
	return out
}

func (r Records) read(host, text string) error {
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "record":
			var rec Record
			if err := json.Unmarshal([]byte(rest), &rec); err != nil {
				return err
			}
			if rec.Format != RecordFormat {
				return fmt.Errorf("it has format %d, this shipctl reads format %d", rec.Format, RecordFormat)
			}
			r.By[host] = rec
		case "running":
			var e Entry
			if err := json.Unmarshal([]byte(rest), &e); err != nil {
				return err
			}
			r.Open[host] = e
		}
	}
	return nil
}

// Attempt is the run that left a resource half way on a machine, as far as that is known.
func (r Records) Attempt(host string, ref config.Ref) (Attempt, bool) {
	if e, open := r.Open[host]; open {
		for _, a := range e.Resources {
			if a.Ref == ref {
				return e.attempt(a.Release, Begun), true
			}
		}
	}
	a, is := r.By[host].Left[ref.String()]
	return a, is
}

// Refs are all resources that the records name.
func (r Records) Refs() (out []config.Ref) {
	seen := map[config.Ref]bool{}
	for _, rec := range r.By {
		for _, a := range rec.Resources {
			seen[a.Ref] = true
		}
	}
	for ref := range seen {
		out = append(out, ref)
	}
	slices.SortFunc(out, func(a, b config.Ref) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// Hosts are the machines whose record names a resource, sorted.
func (r Records) Hosts(ref config.Ref) (out []string) {
	for host, rec := range r.By {
		if _, ok := rec.Resources[ref.String()]; ok {
			out = append(out, host)
		}
	}
	slices.Sort(out)
	return out
}

// ReadHistory reads a machine's history, oldest first. Lines that can't be understood, which a crash may leave, are
// counted.
func ReadHistory(text string) (out []Entry, unread int) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		var e Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Format != RecordFormat {
			unread++
			continue
		}
		if n := len(out); n > 0 && out[n-1].Run == e.Run { // its end, after its beginning
			out[n-1] = e
			continue
		}
		out = append(out, e)
	}
	return out, unread
}

// Applications are what the plan's run is about to do, by machine: each resource on the machines that it touches. was
// are the records before it.
func (p *Plan) Applications(rs []providers.Resource, was Records, outcome func(unit string) string) map[string][]Applied {
	out := map[string][]Applied{}
	_, first := p.Machines()
	unit := units(rs)
	for _, r := range rs {
		on := p.touches(r.Ref)
		if len(on) == 0 {
			continue
		}
		a := Applied{Resource: Resource{Ref: r.Ref, Needs: r.Needs, Spec: r.Spec, Gone: r.Gone}, On: on, Outcome: outcome(unit[r.Ref])}
		if r.Record != nil && !r.Gone {
			a.Spec, a.Release = r.Record(p.Facts)
		}
		if r.Gone && a.Outcome == Done {
			a.Outcome = Removed
		}
		for _, h := range on {
			a := a
			a.From = was.By[h].Resources[r.Ref.String()].Release
			out[first[h]] = append(out[first[h]], a)
		}
	}
	for h := range out { // a machine with two names has it once
		out[h] = slices.CompactFunc(out[h], func(a, b Applied) bool { return a.Ref == b.Ref })
	}
	return out
}

func (p *Plan) touches(ref config.Ref) (out []string) {
	for _, c := range p.Changes {
		if c.Addr.Ref == ref && !slices.Contains(out, c.Addr.Host) {
			out = append(out, c.Addr.Host)
		}
	}
	slices.Sort(out)
	return out
}

// Next is a machine's record after a run. cut is the run before it that began there and did not end.
func (r Record) Next(applied []Applied, run Recorded, e, cut Entry, hold func(Applied) *Hold) Record {
	out := r.copied()
	for _, a := range cut.Resources {
		out.Left[a.Ref.String()] = cut.attempt(a.Release, Begun)
	}
	for _, a := range applied {
		addr := a.Ref.String()
		switch a.Outcome {
		case Removed:
			delete(out.Resources, addr)
			delete(out.Left, addr)
		case Left:
			out.Left[addr] = e.attempt(a.Release, Left)
		case Done:
			delete(out.Left, addr)
			next := run
			next.Applied, next.Hold = a, hold(a)
			if was, ok := r.Resources[addr]; ok {
				if was.Release == a.Release || next.Hold != nil {
					next.Took = max(was.Took, next.Took)
				}
				if same(was.Applied, a) && (was.Hold == nil) == (next.Hold == nil) {
					next = was // nothing was done with it
				}
			}
			out.Resources[addr] = next
		}
	}
	return out
}

// Meant is a machine's record while a run is under way, of what the run is about: whoever comes when it was cut off is to
// know that a rollback goes on, and that what is held no longer goes on too. changed says that it is another one than before.
func (r Record) Meant(applied []Applied, run Recorded, command string, free bool, hold func(Applied) *Hold) (out Record, changed bool) {
	out = r.copied()
	for _, a := range applied {
		addr := a.Ref.String()
		was, known := r.Resources[addr]
		switch {
		case command == "rollback":
			next := run
			next.Applied, next.Hold, next.Took = a, hold(a), was.Took
			out.Resources[addr], changed = next, true
		case free && known && was.Hold != nil:
			was.Hold = nil
			out.Resources[addr], changed = was, true
		}
	}
	return out, changed
}

// Keeping is the record with what meant says of those resources that were left half way: nobody brings them back.
func (r Record) Keeping(meant Record, applied []Applied) Record {
	out := r.copied()
	for _, a := range applied {
		if m, is := meant.Resources[a.Ref.String()]; is && a.Outcome == Left {
			out.Resources[a.Ref.String()] = m
		}
	}
	return out
}

func (r Record) copied() Record {
	out := Record{Format: RecordFormat, Resources: map[string]Recorded{}, Left: map[string]Attempt{}}
	maps.Copy(out.Resources, r.Resources)
	maps.Copy(out.Left, r.Left)
	return out
}

func same(a, b Applied) bool {
	return string(a.Spec) == string(b.Spec) && a.Release == b.Release && slices.Equal(a.On, b.On)
}

// Unrecorded are the machines where the record is not what the plan, which has nothing else to do, says: a run was cut
// off before it wrote it, or only what needs no step was changed.
func (p *Plan) Unrecorded(rs []providers.Resource) (out []string) {
	was := ReadRecords(p.Facts)
	apps := p.Applications(rs, was, func(string) string { return Done })
	for host, as := range apps {
		_, open := was.Open[host]
		if _, unread := was.Unread[host]; unread {
			continue
		}
		if open || slices.ContainsFunc(as, func(a Applied) bool {
			rec := was.By[host].Resources[a.Ref.String()]
			_, left := was.By[host].Left[a.Ref.String()]
			return !same(rec.Applied, a) || left || p.ClearHold && rec.Hold != nil || p.Command == "rollback" && rec.Hold == nil
		}) {
			out = append(out, host)
		}
	}
	slices.Sort(out)
	return out
}
