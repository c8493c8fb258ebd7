package release

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of an artifact that unpacks. An archive is a bomb when it goes beyond both of the first two.
const (
	maxUnpacked = 1 << 30
	maxRatio    = 100
	maxEntries  = 200_000
	maxLinks    = 40 // followed on one path, as Linux does

	// What no Linux can hold, in bytes.
	maxName = 255  // between two slashes
	maxPath = 4095 // also what a link holds
)

// What a node of a tree is.
const (
	nodeFile = iota
	nodeDir
	nodeLink // symbolic
	nodeHard // a further name of an earlier file
)

// node is one path of a tree.
type node struct {
	kind   int
	exec   bool
	size   int64
	target string // of a link
}

// tree is what an archive or a directory would put on a machine, by clean path. It is checked as it grows: everything
// that could reach outside of it, or that two programs could read in two ways, is refused.
type tree struct {
	nodes map[string]node
	size  int64
	limit int64 // of size, in bytes
}

func newTree(limit int64) *tree { return &tree{nodes: map[string]node{}, limit: limit} }

// bound is how much may come out of an archive of a size.
func bound(packed int64) int64 { return max(maxUnpacked, maxRatio*packed) }

func (t *tree) add(name string, n node) error {
	clean, err := t.name(name)
	if err != nil {
		return err
	}
	if clean == "." {
		if n.kind != nodeDir {
			return fmt.Errorf("%q: something other than a directory takes the place of the whole", name)
		}
		return nil
	}
	if old, ok := t.nodes[clean]; ok {
		if old.kind == nodeDir && n.kind == nodeDir {
			return nil // harmless, and tar makes such when it is told to
		}
		return fmt.Errorf("%q: duplicate name", name)
	}
	if n.kind == nodeLink && len(n.target) > maxPath {
		return errTarget(name, len(n.target))
	}
	if n.kind == nodeHard {
		if err := t.hard(name, n.target); err != nil {
			return err
		}
	}
	t.nodes[clean] = n
	t.size += n.size
	switch {
	case len(t.nodes) > maxEntries:
		return fmt.Errorf("more than %d entries: refused as a bomb", maxEntries)
	case n.size < 0 || t.size > t.limit:
		return errBomb(t.limit)
	}
	return nil
}

func errBomb(limit int64) error {
	return fmt.Errorf("unpacks to more than %s: refused as a bomb", Size(limit))
}

func errTarget(name string, bytes int) error {
	return fmt.Errorf("%q: a link with a target of %d bytes or more, and no Linux takes more than %d", shortened(name), bytes, maxPath)
}

func (t *tree) name(name string) (string, error) {
	switch {
	case name == "":
		return "", fmt.Errorf("an entry without a name")
	case control(name) || !utf8.ValidString(name):
		return "", fmt.Errorf("%q: control character, or not UTF-8, in a name", name)
	case strings.HasPrefix(name, "/"):
		return "", fmt.Errorf("%q: absolute path", name)
	case slices.Contains(strings.Split(name, "/"), ".."):
		return "", fmt.Errorf("%q: .. in a path", name)
	}
	clean := path.Clean(name)
	if len(clean) > maxPath {
		return "", fmt.Errorf("%q: a path of %d bytes, and no Linux takes more than %d", shortened(name), len(clean), maxPath)
	}
	for _, part := range strings.Split(clean, "/") {
		if len(part) > maxName {
			return "", fmt.Errorf("%q: a name of %d bytes, and no Linux takes more than %d", shortened(part), len(part), maxName)
		}
	}
	return clean, nil
}

// shortened is a name for people that is too long to be shown.
func shortened(name string) string {
	const shown = 64
	if len(name) <= shown {
		return name
	}
	return strings.ToValidUTF8(name[:shown], "") + "…"
}

func (t *tree) hard(name, target string) error {
	clean, err := t.name(target)
	if err != nil {
		return fmt.Errorf("%q: hard link that leaves: %w", name, err)
	}
	if old, ok := t.nodes[clean]; !ok || old.kind != nodeFile {
		return fmt.Errorf("%q: hard link to %q, which is not an earlier file of the archive", name, target)
	}
	return nil
}

// finish checks what only the whole can tell.
func (t *tree) finish() error {
	for _, name := range t.names() {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if n, ok := t.nodes[dir]; ok && n.kind != nodeDir {
				return fmt.Errorf("%q: its directory %q is a link or a file", name, dir)
			}
		}
		if n := t.nodes[name]; n.kind == nodeLink {
			if err := t.follow(name, n.target); err != nil {
				return err
			}
		}
	}
	return nil
}

// follow walks a link as the kernel would: x/.. is not always the directory that x is in.
func (t *tree) follow(name, target string) error {
	at := parts(path.Dir(name))
	todo := strings.Split(target, "/")
	if target == "" || control(target) || strings.HasPrefix(target, "/") {
		return fmt.Errorf("%q: link that leaves: %q", name, target)
	}
	for links := 0; len(todo) > 0; {
		seg := todo[0]
		todo = todo[1:]
		switch seg {
		case "", ".":
			continue
		case "..":
			if len(at) == 0 {
				return fmt.Errorf("%q: link that leaves: %q", name, target)
			}
			at = at[:len(at)-1]
			continue
		}
		at = append(slices.Clone(at), seg)
		n, ok := t.nodes[strings.Join(at, "/")]
		if !ok || n.kind != nodeLink {
			continue
		}
		if links++; links > maxLinks || strings.HasPrefix(n.target, "/") {
			return fmt.Errorf("%q: link that leaves, or never ends: %q", name, target)
		}
		at = at[:len(at)-1]
		todo = append(strings.Split(n.target, "/"), todo...)
	}
	return nil
}

func parts(dir string) []string {
	if dir == "." {
		return nil
	}
	return strings.Split(dir, "/")
}

func (t *tree) names() []string {
	return slices.Sorted(maps.Keys(t.nodes))
}

// paths are what unpacking makes, directories that are only implied included, sorted.
func (t *tree) paths() []string {
	all := map[string]bool{}
	for name := range t.nodes {
		for p := name; p != "." && !all[p]; p = path.Dir(p) {
			all[p] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// brings says which path is in the way of a shared name, as publish.sh would find after the upload; "" for none. Paths
// are all of them, sorted. An empty directory makes room.
func (t *tree) brings(paths, shared []string) string {
	for _, name := range shared {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if n, ok := t.nodes[dir]; ok && (n.kind == nodeFile || n.kind == nodeHard) {
				return fmt.Sprintf("the artifact brings a file %s, and %s is to be shared: leave it out of one of them.", dir, name)
			}
		}
		if n, ok := t.nodes[name]; ok && n.kind != nodeDir {
			return fmt.Sprintf("the artifact brings its own %s, but %s is to be shared: leave it out of one of them.", name, name)
		}
		if i, _ := slices.BinarySearch(paths, name+"/"); i < len(paths) && strings.HasPrefix(paths[i], name+"/") {
			return fmt.Sprintf("the artifact brings its own %s, and it is not empty, but %s is to be shared: leave it out of one of them.", name, name)
		}
	}
	return ""
}
