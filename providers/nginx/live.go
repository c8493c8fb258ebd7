package nginx

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/shipctl/shipctl/providers/remote"
)

// Process is a PID and its start, in ticks since boot.
type Process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
}

// Probe is the answer to one request through nginx. Status 0: there was none, and Body says why.
type Probe struct {
	Status int    `json:"status"`
	Body   string `json:"body,omitempty"` // the first 4 KiB
}

// Live is what was seen of a route on its machine.
type Live struct {
	Installed bool     `json:"installed"`
	Version   string   `json:"version,omitempty"` // nginx/1.22.1
	Up        bool     `json:"up"`
	PidNote   string   `json:"pid_note,omitempty"` // why it is not up: what the pidfile says
	Strays    []int    `json:"strays,omitempty"`   // masters with this configuration that the pidfile does not name
	Upgrade   int      `json:"upgrade,omitempty"`  // the master before this one, which serves too: an upgrade is half way
	Boot      string   `json:"boot,omitempty"`
	Master    *Process `json:"master,omitempty"`

	Serving []Process `json:"serving,omitempty"`
	Leaving []Process `json:"leaving,omitempty"` // they finish their requests and take no new ones

	File     []string `json:"file,omitempty"` // addresses on disk; nil when there is no file, or it could not be understood
	FileText string   `json:"file_text,omitempty"`
	Exists   bool     `json:"exists"`
	Strange  []string `json:"strange,omitempty"` // of the file: what could not be understood

	// Loaded is where the serving workers send requests, nowhere when nginx is down. Unless LoadedKnown it means nothing,
	// and Why says why. Probe is what a request through nginx gave (nil: none was made; after a reload that we have
	// verified there is no need).
	Loaded      []string `json:"loaded,omitempty"`
	LoadedKnown bool     `json:"loaded_known"`
	Why         string   `json:"why,omitempty"`
	Probe       *Probe   `json:"probe,omitempty"`

	Included        bool     `json:"included"`
	Used            bool     `json:"used"`               // some statement names the variable or the upstream
	Includes        []string `json:"includes,omitempty"` // file:line of each include that leads to our file
	Named           []string `json:"named,omitempty"`    // those of them without a wildcard: nginx takes no configuration without our file
	Others          []string `json:"others,omitempty"`   // file:line of what has the last word instead of it
	Unread          []string `json:"unread,omitempty"`   // files that are included and could not be read
	Missing         []string `json:"missing,omitempty"`  // files that are included by name and are not there, ours apart
	Pending         []string `json:"pending,omitempty"`  // files of others that a reload would bring to life
	Broken          string   `json:"broken,omitempty"`   // nginx's complaint about the configuration on disk
	ShutdownTimeout string   `json:"shutdown_timeout,omitempty"`
}

// Live reads the answer to Query.
func (r Route) Live(f remote.Facts) (Live, error) {
	a := f.Get(r.Query())
	if a.Sight != remote.Seen {
		return Live{}, fmt.Errorf("%s: nginx: %s%s", r.Host, a.Sight, after(": ", strings.TrimSpace(a.Why)))
	}
	l, err := read(r, a.Text)
	if err != nil {
		return Live{}, fmt.Errorf("%s: nginx: %w", r.Host, err)
	}
	return l, nil
}

func after(sep, s string) string {
	if s == "" {
		return ""
	}
	return sep + s
}

// reader collects what look.sh prints. Its text is untrusted.
type reader struct {
	live   Live
	known  string
	text   strings.Builder
	body   strings.Builder
	broken []string
	ended  bool
	file   bool
}

func read(r Route, text string) (Live, error) {
	var in reader
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if in.ended && line != "" {
			return Live{}, fmt.Errorf("the answer goes on after its end: %q", line)
		}
		key, value, _ := strings.Cut(line, " ")
		if err := in.line(key, value); err != nil {
			return Live{}, fmt.Errorf("the answer's line %q: %w", cut(line), err)
		}
	}
	if !in.ended || !in.file {
		return Live{}, fmt.Errorf("the answer is not complete")
	}
	return in.finish(r)
}

func cut(s string) string { return s[:min(len(s), 80)] }

func (in *reader) line(key, value string) (err error) {
	l := &in.live
	switch key {
	case "end":
		in.ended = true
	case "boot":
		l.Boot = value
	case "installed":
		l.Installed = true
	case "version":
		l.Version = value
	case "pidnote":
		l.PidNote = value
	case "stray":
		var pid int
		pid, err = strconv.Atoi(value)
		l.Strays = append(l.Strays, pid)
	case "master":
		var p Process
		p, err = process(value)
		l.Master, l.Up = &p, true
	case "worker":
		at, state, _ := strings.Cut(value, " ")
		start, state, _ := strings.Cut(state, " ")
		var p Process
		p, err = process(at + " " + start)
		switch state {
		case "serving":
			l.Serving = append(l.Serving, p)
		case "leaving":
			l.Leaving = append(l.Leaving, p)
		default:
			err = fmt.Errorf("the state %q", state)
		}
	case "file":
		in.file = true
		l.Exists = value != "absent"
		if value == "directory" {
			l.Strange = append(l.Strange, "it is a directory")
		}
	case "text":
		in.text.WriteString(value + "\n")
	default:
		return in.rest(key, value)
	}
	return err
}

func (in *reader) rest(key, value string) (err error) {
	l := &in.live
	switch key {
	case "known":
		in.known = value
	case "loaded":
		var a string
		a, err = Address(value)
		l.Loaded = append(l.Loaded, a)
	case "why":
		l.Why = value
	case "upgrade":
		l.Upgrade, err = strconv.Atoi(value)
	case "probe":
		l.Probe = &Probe{}
		l.Probe.Status, err = strconv.Atoi(value)
	case "body":
		in.body.WriteString(value + "\n")
	case "used":
		l.Used = true
	case "included":
		l.Included, l.Includes = true, append(l.Includes, value)
	case "named":
		l.Named = unique(l.Named, value)
	case "other":
		l.Others = unique(l.Others, value)
	case "unread":
		l.Unread = unique(l.Unread, value)
	case "missing":
		l.Missing = unique(l.Missing, value)
	case "pending":
		l.Pending = unique(l.Pending, value)
	case "shutdown":
		l.ShutdownTimeout = value
	case "broken":
		stamp := regexp.MustCompile(`^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d (\[[a-z]+\]) \d+#\d+: `)
		// Without the time and the PID: the same complaint is the same fact.
		in.broken = append(in.broken, stamp.ReplaceAllString(value, "$1 "))
	}
	return err // a line that we don't know is of a later look
}

func (in *reader) finish(r Route) (Live, error) {
	l := in.live
	l.FileText = in.text.String()
	l.Broken = strings.Join(in.broken, "\n")
	if l.Probe != nil {
		l.Probe.Body = strings.TrimRight(in.body.String(), "\n")
	}
	if l.Exists && len(l.Strange) == 0 {
		addrs, strange := Parse(r, l.FileText)
		l.Strange = strange
		if len(strange) == 0 {
			l.File = addrs
		}
	}
	switch {
	case !l.Up && len(l.Strays) > 0:
		l.Why = "a master runs that the pidfile does not name"
	case !l.Up:
		l.LoadedKnown, l.Loaded = true, nil
	case l.Upgrade != 0:
	case in.known == "record":
		l.LoadedKnown = len(l.Loaded) > 0
	case in.known == "absent":
		l.LoadedKnown = true
	case in.known == "started" && len(l.Strange) > 0:
		l.Why = r.File + " could not be understood: " + l.Strange[0]
	case in.known == "started" && !l.Included:
		l.Why = "nobody includes " + r.File
	case in.known == "started":
		l.LoadedKnown, l.Loaded = true, slices.Clone(l.File)
	case in.known != "no":
		return Live{}, fmt.Errorf("the answer says %q of what is loaded", in.known)
	}
	if !l.LoadedKnown {
		l.Loaded = nil
		if l.Why == "" {
			l.Why = "it is not known why"
		}
	}
	return l, nil
}

func process(s string) (p Process, err error) {
	pid, start, _ := strings.Cut(s, " ")
	if p.PID, err = strconv.Atoi(pid); err != nil || p.PID <= 0 {
		return p, fmt.Errorf("%q is not a process", s)
	}
	if p.Start, err = strconv.ParseUint(start, 10, 64); err != nil {
		return p, fmt.Errorf("%q is not a process's start", s)
	}
	return p, nil
}

func unique(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
