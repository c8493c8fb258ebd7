package release

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers/remote"
)

// Look is what is under a root on a machine: what look.sh printed, understood.
type Look struct {
	Root      string // physical
	Current   Link
	Releases  []Published         // by time of publication, those that nothing is recorded of first
	Activated []string            // IDs, oldest first, each as often as it was activated
	since     time.Time           // of the last one; zero: not known
	Due       map[string][]string // by ID: commands that should have run after its activation
	PruneDue  bool                // since the last activation, nobody has looked for what may go
	Ready     []string            // SHA-256 of uploads that are not published
}

// last is the release that was activated last, "" where none is known.
func (l Look) last() string {
	if len(l.Activated) == 0 {
		return ""
	}
	return l.Activated[len(l.Activated)-1]
}

// Link is what <root>/current is.
type Link struct {
	Kind   string // none, link, directory, file, or odd: a link that can't be printed
	Target string // of a link, as it is
}

// Published is a release on a machine. SHA256 is empty where nothing is recorded: shipctl did not put it there.
type Published struct {
	ID, SHA256 string
	Seq        int    // order of publication on this root
	Form, Name string // as in Artifact; Name only of a file
	Size       int64  // bytes on the disk; 0: not known
	Project    string // whose it is, where not ours; "": ours, or nobody's
}

var linkKinds = []string{"none", "link", "directory", "file", "odd"}

// parseLook trusts nothing: a machine's text can be anything.
func parseLook(text string) (Look, error) {
	l := Look{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		word, rest, _ := strings.Cut(line, " ")
		var err error
		switch word {
		case "root":
			l.Root = rest
		case "current":
			l.Current.Kind, l.Current.Target, _ = strings.Cut(rest, " ")
		case "release":
			err = l.release(rest)
		case "other":
			l.other(rest)
		case "size":
			l.size(rest)
		case "activated":
			id, at, _ := strings.Cut(rest, " ")
			if !validID(id) {
				break
			}
			l.Activated, l.since = append(l.Activated, id), time.Time{}
			if n, err := strconv.ParseInt(at, 10, 64); err == nil && n > 0 && n < 1<<40 {
				l.since = time.Unix(n, 0)
			}
		case "due":
			l.due(rest)
		case "prune":
			l.PruneDue = true
		case "ready":
			if validSHA256(rest) {
				l.Ready = append(l.Ready, rest)
			}
		default:
			err = fmt.Errorf("unknown word %q", word)
		}
		if err != nil {
			return Look{}, err
		}
	}
	switch {
	case !strings.HasPrefix(l.Root, "/") || control(l.Root):
		return Look{}, fmt.Errorf("no root in what the machine said")
	case !slices.Contains(linkKinds, l.Current.Kind) || control(l.Current.Target):
		return Look{}, fmt.Errorf("no current in what the machine said")
	case (l.Current.Kind == "link") != (l.Current.Target != ""):
		return Look{}, fmt.Errorf("a current without a target in what the machine said")
	}
	slices.SortStableFunc(l.Releases, func(a, b Published) int { return a.Seq - b.Seq })
	return l, nil
}

func (l *Look) other(rest string) {
	id, project, _ := strings.Cut(rest, " ")
	i := slices.IndexFunc(l.Releases, func(p Published) bool { return p.ID == id })
	if i >= 0 && l.Releases[i].SHA256 == "" && config.ValidName(project) {
		l.Releases[i].Project = project
	}
}

func (l *Look) size(rest string) {
	id, kib, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseInt(kib, 10, 64)
	i := slices.IndexFunc(l.Releases, func(p Published) bool { return p.ID == id })
	if err == nil && i >= 0 && n >= 0 && n < 1<<40 {
		l.Releases[i].Size = n << 10
	}
}

func (l *Look) due(rest string) {
	id, name, _ := strings.Cut(rest, " ")
	if !validID(id) || !regexp.MustCompile(hookPattern).MatchString(name) {
		return
	}
	if l.Due == nil {
		l.Due = map[string][]string{}
	}
	l.Due[id] = append(l.Due[id], name)
}

func (l *Look) release(rest string) error {
	f := strings.SplitN(rest, " ", 5)
	if len(f) != 5 {
		return fmt.Errorf("%q is not a release", rest)
	}
	if !validID(f[0]) || slices.ContainsFunc(l.Releases, func(p Published) bool { return p.ID == f[0] }) {
		return nil // a directory of somebody else's
	}
	p := Published{ID: f[0]}
	if seq, err := strconv.Atoi(f[2]); err == nil && seq > 0 && validSHA256(f[1]) && !control(f[4]) {
		p = Published{ID: f[0], SHA256: f[1], Seq: seq, Form: f[3], Name: f[4]}
		if p.Form != FormFile {
			p.Name = ""
		}
	}
	l.Releases = append(l.Releases, p)
	return nil
}

// CurrentID is the release that current points to, "" where it points to none of ours.
func (l Look) CurrentID(root string) string {
	for _, prefix := range []string{l.Root + "/releases/", root + "/releases/", "releases/", "./releases/"} {
		if id, ok := strings.CutPrefix(l.Current.Target, prefix); ok {
			if id = strings.TrimSuffix(id, "/"); validID(id) {
				return id
			}
		}
	}
	return ""
}

func (l Look) find(id string) (Published, bool) {
	i := slices.IndexFunc(l.Releases, func(p Published) bool { return p.ID == id })
	if i < 0 {
		return Published{}, false
	}
	return l.Releases[i], true
}

// see reads the look at a machine. Where nothing could be seen, why says so; a root that is not there is an empty one.
func (s Spec) see(host string, f remote.Facts) (l Look, why string) {
	a := f.Get(s.look(host))
	switch a.Sight {
	case remote.Seen:
		l, err := parseLook(a.Text)
		if err != nil {
			return Look{}, fmt.Sprintf("could not understand what is in %s on %s: %v. Look at it by hand.", s.Root, host, err)
		}
		return l, ""
	case remote.Absent:
		return Look{Root: s.Root, Current: Link{Kind: "none"}}, ""
	case remote.Denied:
		return Look{}, fmt.Sprintf("could not look into %s on %s: not permitted%s. Give the user that deploys access to it, or set sudo = true.", s.Root, host, because(a.Why))
	default:
		return Look{}, fmt.Sprintf("could not look into %s on %s: %s%s.", s.Root, host, a.Sight, because(a.Why))
	}
}

func because(why string) string {
	if why = strings.TrimRight(strings.TrimSpace(why), "."); why == "" {
		return ""
	}
	return " (" + why + ")"
}

// validID is versionPattern, which answers of machines are held to line by line.
func validID(s string) bool {
	odd := func(r rune) bool { return !alphanumeric(r) && !strings.ContainsRune("._+-", r) }
	return s != "" && len(s) <= 64 && alphanumeric(rune(s[0])) && !strings.ContainsFunc(s, odd)
}

func alphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
}

func validSHA256(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
