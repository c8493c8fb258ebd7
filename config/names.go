package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
)

// Lengths in bytes. Names become parts of paths, unit names and markers; a machine's may be a full domain name.
const (
	maxName = 64
	maxHost = 253
)

// ValidName says whether s may name a block, a slot, a job, a release: [A-Za-z0-9][A-Za-z0-9._-]*, 64 bytes at most.
// Such a name can't be an option, leave a directory or mean anything to a shell.
func ValidName(s string) bool { return plain(s, maxName) }

func validHost(s string) bool { return plain(s, maxHost) }

func plain(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i, r := range []byte(s) {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		case i > 0 && (r == '.' || r == '_' || r == '-'):
		default:
			return false
		}
	}
	return true
}

func validProject(s string) bool {
	return ValidName(s) && s == strings.ToLower(s) && !strings.Contains(s, ".")
}

func badName(what, name string, at hcl.Range) *hcl.Diagnostic {
	most := maxName
	if what == "host" {
		most = maxHost
	}
	return fail(at, "Invalid name", "%q can't name a %s. A name begins with a letter or digit and goes on with letters, digits, dots, underscores and dashes, %d at most.", name, what, most)
}

// suggest gives ` Did you mean "x"?` for the candidate that is nearest to what was written, or "".
func suggest(given string, candidates []string) string {
	if s := nearest(given, candidates); s != "" {
		return fmt.Sprintf(" Did you mean %q?", s)
	}
	return ""
}

func nearest(given string, candidates []string) string {
	limit := max(1, min(3, len(given)/2))
	best, distance := "", limit+1
	for _, c := range candidates {
		d := levenshtein.Distance(strings.ToLower(given), strings.ToLower(c), nil)
		if d < distance {
			best, distance = c, d
		}
	}
	return best
}

// list names what there is: "a, b and c".
func list(names []string) string {
	switch n := len(names); n {
	case 0:
		return "none"
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}

func sorted(names []string) []string {
	out := slices.Clone(names)
	slices.Sort(out)
	return slices.Compact(out)
}
