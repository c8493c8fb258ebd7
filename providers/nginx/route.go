// Package nginx is what routes: one file that an nginx includes, on one machine. It writes and reads that file, proves
// what nginx's workers were started with, and moves them to other addresses without losing a request. A helper of
// kinds, not a kind; it knows no slots and no health.
package nginx

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/shipctl/shipctl/providers/remote"
)

// Route is one file on one machine that says where nginx sends requests. Addresses are "IP:port", an IPv6 in brackets:
// nginx resolves a name once at most, and with a variable not at all.
type Route struct {
	Host string `json:"host"`
	File string `json:"file"` // absolute, as nginx's include names it
	// Exactly one of the two. Variable (without "$") has one address; Upstream is the name of a block.
	Variable string `json:"variable,omitempty"`
	Upstream string `json:"upstream,omitempty"`

	Binary string `json:"binary,omitempty"` // "": nginx
	Config string `json:"config,omitempty"` // absolute (-c); "": what nginx was built with
	Prefix string `json:"prefix,omitempty"` // absolute (-p); likewise

	Drain time.Duration `json:"drain,omitempty"` // how long earlier workers may take, at most

	// The request that is made on the machine itself to see where nginx leads; no URL: none.
	VerifyURL      string `json:"verify_url,omitempty"`
	VerifyHost     string `json:"verify_host,omitempty"` // Host header; "": the URL's own
	VerifyInsecure bool   `json:"verify_insecure,omitempty"`

	Project string `json:"project"`
	Owner   string `json:"owner"` // for the file's first line: service.teatime
}

// Validate says what is wrong with the route; it is the last line of defence behind the diagnostics of a configuration.
func (r Route) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	name := regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	switch {
	case r.Variable == "" && r.Upstream == "":
		bad("neither variable nor upstream is set")
	case r.Variable != "" && r.Upstream != "":
		bad("variable and upstream are both set")
	case r.Variable != "" && !name.MatchString(r.Variable):
		bad("variable %q: letters, digits and _ only, without the $", r.Variable)
	case r.Upstream != "" && !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`).MatchString(r.Upstream):
		bad("upstream %q: letters, digits, _, . and - only", r.Upstream)
	}
	for what, p := range map[string]string{"file": r.File, "config": r.Config, "prefix": r.Prefix} {
		if p == "" && what != "file" {
			continue
		}
		if err := plainPath(p); err != nil {
			bad("%s %q: %w", what, p, err)
		}
	}
	if r.Binary != "" && !regexp.MustCompile(`^/?[A-Za-z0-9_][A-Za-z0-9_./+-]*$`).MatchString(r.Binary) {
		bad("binary %q is not a program's name or absolute path", r.Binary)
	}
	if r.VerifyURL != "" {
		u, err := url.Parse(r.VerifyURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsFunc(r.VerifyURL, odd) {
			bad("verify url %q is not an http or https URL", r.VerifyURL)
		}
	}
	if strings.ContainsFunc(r.VerifyHost, odd) {
		bad("verify host %q", r.VerifyHost)
	}
	if strings.ContainsFunc(r.Owner, odd) || strings.ContainsFunc(r.Project, odd) {
		bad("owner %q of project %q", r.Owner, r.Project)
	}
	if r.Drain < 0 || r.Drain > 24*time.Hour {
		bad("drain %s is not between 0 and 24h", r.Drain)
	}
	return errors.Join(errs...)
}

// odd characters are in no name, path or URL that we take.
func odd(c rune) bool { return c <= ' ' || c == 0x7f || c == '\'' || c == '"' || c == '\\' }

func plainPath(p string) error {
	switch {
	case !strings.HasPrefix(p, "/"):
		return errors.New("not an absolute path")
	case path.Clean(p) != p || p == "/":
		return errors.New("not a clean path")
	case strings.ContainsFunc(p, odd) || strings.ContainsAny(p, ";{}$*?[]#"):
		return errors.New("has a character that nginx or a shell would read as something else")
	}
	return nil
}

// Address checks one address and gives its canonical form.
func Address(s string) (string, error) {
	a, err := netip.ParseAddrPort(s)
	switch {
	case err != nil:
		return "", fmt.Errorf("%q is not IP:port: %w", s, err)
	case a.Port() == 0 || a.Addr().Zone() != "" || a.Addr().IsUnspecified():
		return "", fmt.Errorf("%q is not an address to connect to", s)
	}
	return a.String(), nil
}

func (r Route) name() string { return r.Variable + r.Upstream }

func (r Route) form() string {
	if r.Variable != "" {
		return "variable"
	}
	return "upstream"
}

// key names the route's records on its machine.
func (r Route) key() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{r.Binary, r.Config, r.Prefix, r.File, r.name()}, "\x00")))
	base := regexp.MustCompile(`[^A-Za-z0-9_-]+`).ReplaceAllString(path.Base(r.File), "-")
	return base[:min(len(base), 40)] + "-" + hex.EncodeToString(sum[:4])
}

// args are the first arguments of every script.
func (r Route) args() []string {
	binary, insecure := r.Binary, "0"
	if binary == "" {
		binary = "nginx"
	}
	if r.VerifyInsecure {
		insecure = "1"
	}
	return []string{
		r.File, r.form(), r.name(), binary, r.Config, r.Prefix, r.key(), r.Owner,
		r.VerifyURL, r.VerifyHost, insecure,
	}
}

// Query asks what Live is made of.
func (r Route) Query() remote.Query {
	return remote.Query{Host: r.Host, Script: "nginx/look", Args: r.args()}
}

const header = "# Written by shipctl for %s of project %s. Do not edit: the next deployment replaces it.\n"

// Content is the file that routes to the addresses, to the byte; one address for a variable, one or more for an upstream.
func Content(r Route, addrs []string) (string, error) {
	if len(addrs) == 0 || r.Variable != "" && len(addrs) != 1 {
		return "", fmt.Errorf("a route by %s has one address or more, by variable exactly one: not %d", r.form(), len(addrs))
	}
	var b strings.Builder
	fmt.Fprintf(&b, header, r.Owner, r.Project)
	if r.Upstream != "" {
		fmt.Fprintf(&b, "upstream %s {\n", r.Upstream)
	}
	for _, a := range addrs {
		if c, err := Address(a); err != nil || c != a {
			return "", fmt.Errorf("the address %q: %w", a, cmpErr(err, c))
		}
		if r.Variable != "" {
			fmt.Fprintf(&b, "set $%s http://%s;\n", r.Variable, a)
		} else {
			fmt.Fprintf(&b, "    server %s;\n", a)
		}
	}
	if r.Upstream != "" {
		b.WriteString("}\n")
	}
	return b.String(), nil
}

func cmpErr(err error, canonical string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("write it as %s", canonical)
}

// Parse reads a file of ours, or one that a script or a person wrote. strange is what it could not understand, a
// sentence each: then addrs are not all that the file says.
func Parse(r Route, content string) (addrs, strange []string) {
	odd := func(format string, args ...any) { strange = append(strange, fmt.Sprintf(format, args...)) }
	in := "" // the block that we are in
	for _, s := range statements(content) {
		first := s.words[0]
		switch {
		case s.end == '}':
			in = ""
		case s.end == 0:
			odd("line %d: %q is not finished", s.line, first)
		case s.end == '{' && in == "" && r.Upstream != "" && len(s.words) == 2 && first == "upstream" && s.words[1] == r.Upstream:
			in = r.Upstream
		case s.end == '{':
			odd("line %d: the block %q", s.line, strings.Join(s.words, " "))
			in = "?"
		case in == "?":
		case in != "" && first == "server" && len(s.words) >= 2:
			addrs = appendAddress(addrs, s, s.words[1], odd)
		case in != "" && first != "server": // keepalive, zone, least_conn: they route nowhere else
		case in == "" && r.Variable != "" && first == "set" && len(s.words) == 3 && s.words[1] == "$"+r.Variable:
			at, ok := strings.CutPrefix(s.words[2], "http://")
			if !ok {
				odd("line %d: %q does not begin with http://", s.line, s.words[2])
				continue
			}
			addrs = appendAddress(nil, s, at, odd)
		default:
			odd("line %d: %q", s.line, strings.Join(s.words, " "))
		}
	}
	if len(addrs) == 0 && len(strange) == 0 {
		odd("it routes nowhere")
	}
	return addrs, strange
}

func appendAddress(addrs []string, s statement, at string, odd func(string, ...any)) []string {
	if ip, err := netip.ParseAddr(strings.Trim(at, "[]")); err == nil {
		at = netip.AddrPortFrom(ip, 80).String()
	}
	a, err := Address(at)
	if err != nil {
		odd("line %d: %v", s.line, err)
		return addrs
	}
	return append(addrs, a)
}

// statement is words up to ";", "{" or "}"; end is 0 where the text ended first.
type statement struct {
	words []string
	end   byte
	line  int
}

// statements reads nginx's syntax: a comment begins where a word could, a quote likewise.
func statements(text string) (out []statement) {
	cur := statement{line: 1}
	line := 1
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case '\n':
			line++
			fallthrough
		case ' ', '\t', '\r':
			i++
		case '#':
			n := strings.IndexByte(text[i:], '\n')
			if n < 0 {
				n = len(text) - i
			}
			i += n
		case ';', '{', '}':
			if len(cur.words) == 0 {
				cur.words, cur.line = []string{string(c)}, line
			}
			cur.end = c
			out = append(out, cur)
			cur = statement{}
			i++
		default:
			if len(cur.words) == 0 {
				cur.line = line
			}
			w, n := word(text[i:])
			line += strings.Count(text[i:i+n], "\n")
			cur.words = append(cur.words, w)
			i += n
		}
	}
	if len(cur.words) > 0 {
		out = append(out, cur)
	}
	return out
}

// word gives the first word of text and how many bytes of it that took.
func word(text string) (string, int) {
	var b strings.Builder
	i, quote := 0, byte(0)
	if text[0] == '"' || text[0] == '\'' {
		quote, i = text[0], 1
	}
	for ; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
			continue
		case quote != 0 && c == quote:
			return b.String(), i + 1
		case quote == 0 && (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ';' || c == '{' && !strings.HasSuffix(b.String(), "$")):
			return b.String(), i
		}
		b.WriteByte(c)
	}
	return b.String(), i
}

// owner is the project that the file's first line names; "" for a file that is not ours.
func owner(content string) string {
	if !strings.HasPrefix(content, "# Written by shipctl") {
		return ""
	}
	m := regexp.MustCompile(`^# Written by shipctl for \S+ of project (\S+)\. Do not edit`).FindStringSubmatch(content)
	if m == nil {
		return ""
	}
	return m[1]
}

func seconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}
