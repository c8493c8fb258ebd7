package batch

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/shipctl/shipctl/providers/remote"
)

// there is what files.sh saw in <root>/jobs.
type there struct {
	current string           // release ID, "" for none
	files   map[string]file  // by name
	wrote   map[string]wrote // by name
	pending map[string]string
	left    map[string]string // owner by name: what has no launcher any more
	empty   bool
}

type file struct {
	sha   string // "" where it is no file
	runs  bool   // it may be executed
	owner string // PROJECT/BATCH, "" where it is not a launcher
}

type wrote struct{ sha, user string }

// A machine with more lines than this is not what it says.
const mostLines = 5000

// parse trusts nothing: a machine's text can be anything.
func parse(text string) (there, error) {
	t := there{files: map[string]file{}, wrote: map[string]wrote{}, pending: map[string]string{}, left: map[string]string{}}
	for n, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if n >= mostLines {
			return there{}, fmt.Errorf("more than %d lines", mostLines)
		}
		if err := t.add(strings.Fields(line)); err != nil {
			return there{}, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return t, nil
}

func (t *there) add(f []string) error {
	if len(f) == 0 {
		return nil
	}
	want := map[string]int{"current": 2, "file": 5, "wrote": 4, "pending": 3, "left": 3, "empty": 1}[f[0]]
	if want == 0 || len(f) != want {
		return fmt.Errorf("%.40q with %d words", f[0], len(f))
	}
	for i := range f {
		if f[i] == "-" {
			f[i] = ""
		}
	}
	sha := regexp.MustCompile(`^([0-9a-f]{64})?$`)
	switch f[0] {
	case "current":
		t.current = f[1]
	case "file":
		if !sha.MatchString(f[2]) {
			return fmt.Errorf("%.40q is not a digest", f[2])
		}
		t.files[f[1]] = file{sha: f[2], runs: f[3] == "x", owner: f[4]}
	case "wrote":
		if !sha.MatchString(f[2]) {
			return fmt.Errorf("%.40q is not a digest", f[2])
		}
		t.wrote[f[1]] = wrote{f[2], f[3]}
	case "pending":
		t.pending[f[1]] = f[2]
	case "left":
		t.left[f[1]] = f[2]
	case "empty":
		t.empty = true
	}
	return nil
}

// see reads what is on a machine. Where nothing could be seen, why says so; no directory is an empty one.
func (s Spec) see(host string, f remote.Facts) (t there, why string) {
	a := f.Get(s.files(host))
	dir := s.path("")
	switch a.Sight {
	case remote.Seen:
		t, err := parse(a.Text)
		if err != nil {
			return t, fmt.Sprintf("could not understand what is in %s on %s: %v. Look at it by hand.", dir, host, err)
		}
		return t, ""
	case remote.Absent:
		return there{}, ""
	case remote.Denied:
		return there{}, fmt.Sprintf("could not look into %s on %s: not permitted (%s). Give the user that deploys access to it, or set sudo = true.", dir, host, strings.TrimSpace(a.Why))
	default:
		return there{}, fmt.Sprintf("could not look into %s on %s: %s (%s).", dir, host, a.Sight, strings.TrimSpace(a.Why))
	}
}

// wanted is the release that is current after the deployment, "" where nothing says another one than now.
func (s Spec) wanted(f remote.Facts) string {
	if s.Release.Pin != "content" {
		return s.Release.ID
	}
	var a struct {
		SHA256 string `json:"sha256"`
	}
	if err := json.Unmarshal([]byte(f.Get(s.artifact()).Text), &a); err != nil || len(a.SHA256) < 12 {
		return ""
	}
	return a.SHA256[:12]
}
