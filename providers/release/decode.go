package release

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/config"
)

const (
	versionPattern = `^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$`
	hookPattern    = `^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$`
	userPattern    = `^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`
	segmentPattern = `^[A-Za-z0-9._@+=,~][A-Za-z0-9._@+=,~-]*$`
)

// block is the schema.
type block struct {
	Hosts     []config.HostValue `hcl:"hosts"`
	Root      string             `hcl:"root"`
	Source    string             `hcl:"source"`
	SHA256    *string            `hcl:"sha256,optional"`
	Version   *string            `hcl:"version,optional"`
	Shared    []string           `hcl:"shared,optional"`
	Before    []hookBlock        `hcl:"before_activate,block"`
	After     []hookBlock        `hcl:"after_activate,block"`
	Windows   hcl.Expression     `hcl:"windows,optional"`
	Retention *struct {
		Keep       *int    `hcl:"keep,optional"`
		KeepFailed *int    `hcl:"keep_failed,optional"`
		MaxSize    *string `hcl:"max_size,optional"`
	} `hcl:"retention,block"`
}

func decode(b config.Block) (Spec, hcl.Diagnostics) {
	var in block
	diags := b.Decode(&in)
	if diags.HasErrors() {
		return Spec{}, diags
	}
	s := Spec{Name: b.Name, Root: in.Root, Source: in.Source, Shared: in.Shared, rootAt: b.At("root")}
	c := checker{b: b}
	s.Hosts, s.Retired = c.hosts(in.Hosts)
	c.root(in.Root)
	s.Pin, s.Version = c.version(in.Version)
	s.SHA256 = c.source(in.Source, in.SHA256)
	if s.SHA256 != "" && s.Pin == PinContent {
		s.Pin, s.Version = PinVersion, s.SHA256[:min(12, len(s.SHA256))]
	}
	c.shared(in.Shared)
	s.Windows = c.windows(in.Windows)
	s.Retention = c.retention(in)
	s.BeforeActivate, s.AfterActivate = c.hooks("before_activate", in.Before), c.hooks("after_activate", in.After)
	return s, append(diags, c.diags...)
}

// checker collects what is wrong with a block's values, all at once.
type checker struct {
	b     config.Block
	diags hcl.Diagnostics
}

func (c *checker) wrong(at *hcl.Range, summary, detail string, args ...any) {
	c.diags = append(c.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: at,
	})
}

// hosts are the machines that get the release, and those that are being taken out.
func (c *checker) hosts(in []config.HostValue) (out, retired []config.HostValue) {
	if len(in) == 0 {
		c.wrong(c.b.At("hosts"), "No hosts", "A release needs at least one machine to be put on.")
	}
	out = []config.HostValue{}
	seen := map[string]bool{}
	for _, h := range in {
		if seen[h.Name] {
			c.wrong(c.b.At("hosts"), "Host given twice", "The machine %q is in this list more than once.", h.Name)
			continue
		}
		seen[h.Name] = true
		if h.Retired {
			retired = append(retired, h)
		} else {
			out = append(out, h)
		}
	}
	return out, retired
}

func (c *checker) root(root string) {
	if why := unsuitable(root, c.b.Name); why != "" {
		c.wrong(c.b.At("root"), "Unsuitable root", "%s", why)
	}
}

// unsuitable says why a directory can't hold the releases of that name; "" where it can.
func unsuitable(root, name string) string {
	switch d := systemDirectory(root); {
	case !strings.HasPrefix(root, "/"):
		return fmt.Sprintf("%q is not an absolute path; give one that begins with a slash.", root)
	case path.Clean(root) != root:
		return fmt.Sprintf("%q is not written plainly; did you mean %q?", root, path.Clean(root))
	case root == "/":
		return fmt.Sprintf("The root directory of the machine can't hold releases; give a directory of its own, such as /srv/%s.", name)
	case !plain(root[1:]):
		return fmt.Sprintf("%q may hold letters, digits and . _ @ + = , ~ - only, and no name in it may begin with a dash.", root)
	case d != "":
		return fmt.Sprintf("%q belongs to the system (%s); give a directory of its own, such as /srv/%s.", root, d, name)
	}
	return ""
}

// systemDirectory names the directory that keeps root from being used, or is "".
func systemDirectory(root string) string {
	whole := []string{ // nothing below these either
		"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run", "/sbin", "/sys",
		"/usr/bin", "/usr/include", "/usr/lib", "/usr/libexec", "/usr/sbin", "/usr/share", "/var/cache", "/var/log", "/var/run",
	}
	for _, d := range whole {
		if root == d || strings.HasPrefix(root, d+"/") {
			return d
		}
	}
	itself := []string{"/home", "/media", "/mnt", "/opt", "/root", "/srv", "/tmp", "/usr", "/usr/local", "/var", "/var/lib", "/var/tmp"}
	if slices.Contains(itself, root) {
		return root
	}
	return ""
}

// source checks where the content comes from, and returns the digest of what is fetched.
func (c *checker) source(source string, sum *string) (digest string) {
	const summary = "Unsuitable source"
	at := c.b.At("source")
	name := path.Base(path.Clean(source))
	if sum != nil {
		digest = strings.ToLower(*sum)
		if !validSHA256(digest) {
			c.wrong(c.b.At("sha256"), "Not a SHA-256", "64 digits and letters from a to f are expected, as sha256sum prints them.")
			digest = ""
		} else if !remoteSource(source) {
			c.wrong(c.b.At("sha256"), "Nothing to check", "sha256 is for a source that is fetched, https://…; of what is on this machine the digest is taken as it is.")
			digest = ""
		}
	}
	switch {
	case source == "":
		c.wrong(at, summary, "The source is empty; give a file, a directory, a .tar.gz or a .zip.")
	case control(source):
		c.wrong(at, summary, "%q holds a control character.", source)
	case remoteSource(source):
		c.remoteSource(source, sum == nil)
	case strings.HasPrefix(name, "-"):
		c.wrong(at, summary, "The name %q begins with a dash, which programs take for an option.", name)
	}
	return digest
}

// version tells null ("what is live") from no attribute at all ("the content says").
func (c *checker) version(v *string) (pin, version string) {
	at := c.b.At("version")
	if v != nil && *v == "" { // an unset variable of CI must not look like a deployment that worked
		c.wrong(at, "Empty version", `"" names no release. Give a version; null means what is live.`)
		return PinLive, ""
	}
	if v == nil {
		schema := &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "version"}}}
		content, _, _ := c.b.Body.PartialContent(schema)
		if content == nil || content.Attributes["version"] == nil {
			return PinContent, ""
		}
		return PinLive, ""
	}
	if !regexp.MustCompile(versionPattern).MatchString(*v) {
		c.wrong(at, "Unsuitable version",
			"%q can't name a release: up to 64 letters, digits and . _ + -, the first one a letter or a digit.", *v)
	}
	return PinVersion, *v
}

func (c *checker) shared(names []string) {
	const summary = "Unsuitable shared name"
	at := c.b.At("shared")
	seen := []string{}
	for _, n := range names {
		switch {
		case n == "" || path.Clean(n) != n || strings.HasPrefix(n, "/") || n == "." || n == ".." || strings.HasPrefix(n, "../"):
			c.wrong(at, summary, "%q is not a plain path below the release; give one such as \"log\".", n)
			continue
		case !plain(n):
			c.wrong(at, summary, "%q may hold letters, digits and . _ @ + = , ~ - only, and no name in it may begin with a dash.", n)
			continue
		}
		for _, o := range seen {
			if o == n || strings.HasPrefix(o+"/", n+"/") || strings.HasPrefix(n+"/", o+"/") {
				c.wrong(at, summary, "%q and %q are in each other's way.", o, n)
			}
		}
		seen = append(seen, n)
	}
}

func (c *checker) retention(in block) *Retention {
	if in.Retention == nil {
		return nil
	}
	r := &Retention{Keep: 5, KeepFailed: 1}
	if in.Retention.Keep != nil {
		r.Keep = *in.Retention.Keep
	}
	if in.Retention.KeepFailed != nil {
		r.KeepFailed = *in.Retention.KeepFailed
	}
	if r.Keep < 1 {
		c.wrong(c.b.At("retention", "keep"), "Unsuitable retention", "keep = %d: at least one release has to stay.", r.Keep)
	}
	if r.KeepFailed < 0 {
		c.wrong(c.b.At("retention", "keep_failed"), "Unsuitable retention", "keep_failed = %d: give 0 or more.", r.KeepFailed)
	}
	if in.Retention.MaxSize != nil {
		r.MaxSize = c.size(*in.Retention.MaxSize)
	}
	return r
}

func (c *checker) size(text string) int64 {
	m := regexp.MustCompile(`^([1-9][0-9]{0,5}) ?([kMGT])(i?)B$`).FindStringSubmatch(text)
	if m == nil {
		c.wrong(c.b.At("retention", "max_size"), "Not a size", `%q: a number and a unit are expected, such as "500MB", "20GB" or "20GiB".`, text)
		return 0
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	factor := int64(1000)
	if m[3] != "" {
		factor = 1024
	}
	for range strings.Index("kMGT", m[2]) + 1 {
		n *= factor
	}
	return n
}

// plain: every name of the path is allow-listed.
func plain(p string) bool {
	for _, seg := range strings.Split(p, "/") {
		if !regexp.MustCompile(segmentPattern).MatchString(seg) {
			return false
		}
	}
	return true
}

func control(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
