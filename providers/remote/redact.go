package remote

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Shorter values than this are not looked for: they would be found everywhere.
const shortestSecret = 4

// Hidden is what a sensitive value is printed as.
const Hidden = "(sensitive)"

// Redactor replaces sensitive values, in the encodings in which they commonly turn up.
type Redactor struct {
	replacer *strings.Replacer
	values   []string
}

// NewRedactor looks for each of the values, and for each longer line of those that have several.
func NewRedactor(values ...string) Redactor {
	forms := map[string]bool{}
	for _, v := range values {
		addForms(forms, v)
		if lines := strings.Split(v, "\n"); len(lines) > 1 {
			for _, line := range lines {
				if len(line) >= 2*shortestSecret {
					addForms(forms, line)
				}
			}
		}
	}
	if len(forms) == 0 {
		return Redactor{}
	}
	all := make([]string, 0, len(forms))
	for form := range forms {
		all = append(all, form)
	}
	// The longest first: of two that begin at the same place the replacer takes the one named first.
	sort.Slice(all, func(i, j int) bool {
		if len(all[i]) != len(all[j]) {
			return len(all[i]) > len(all[j])
		}
		return all[i] < all[j]
	})
	pairs := make([]string, 0, 2*len(all))
	for _, form := range all {
		pairs = append(pairs, form, Hidden)
	}
	return Redactor{strings.NewReplacer(pairs...), slices.Clone(values)}
}

// With looks for these values too; it is the same Redactor where it does already.
func (r Redactor) With(values ...string) Redactor {
	for _, v := range values {
		if len(v) >= shortestSecret && !slices.Contains(r.values, v) {
			return NewRedactor(append(slices.Clone(r.values), values...)...)
		}
	}
	return r
}

// Text is s without the values.
func (r Redactor) Text(s string) string {
	if r.replacer == nil {
		return s
	}
	return r.replacer.Replace(s)
}

func addForms(forms map[string]bool, v string) {
	if len(v) < shortestSecret {
		return
	}
	forms[v] = true
	forms[hex.EncodeToString([]byte(v))] = true
	forms[strings.ToUpper(hex.EncodeToString([]byte(v)))] = true
	forms[url.QueryEscape(v)] = true
	forms[url.PathEscape(v)] = true
	forms[strings.ReplaceAll(url.QueryEscape(v), "+", "%20")] = true
	if q, err := Quote(v); err == nil {
		forms[q[1:len(q)-1]] = true
	}
	for _, form := range written(v) {
		forms[form] = true
	}
	for _, fill := range []string{" ", "?"} {
		addCut(forms, printable(v, fill))
	}
	addCut(forms, v)
	addWrapped(forms, hex.EncodeToString([]byte(v)))
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		forms[e.EncodeToString([]byte(v))] = true
		for shift := range 3 {
			inner := withinBase64(e, v, shift)
			if len(inner) < 2*shortestSecret {
				continue
			}
			forms[inner] = true
			if e == base64.StdEncoding {
				addWrapped(forms, inner)
			}
		}
	}
}

// addWrapped adds an encoding as base64, openssl and xxd print it: in lines of 76, 64 or 60, the first of which may begin
// anywhere; also as our scripts show a program's lines.
func addWrapped(forms map[string]bool, form string) {
	for _, width := range []int{76, 64, 60} {
		for first := 1; first <= min(width, len(form)-1); first++ {
			for _, end := range []string{"\n", "\r\n", "\n  | "} {
				var b strings.Builder
				b.WriteString(form[:first])
				for rest := form[first:]; rest != ""; {
					n := min(width, len(rest))
					b.WriteString(end + rest[:n])
					rest = rest[n:]
				}
				forms[b.String()] = true
			}
		}
		if len(form) <= 60 {
			return // one end of a line at most: the width does not matter
		}
	}
}

// written is the value as other languages and shells write it between quotes, or escaped.
func written(v string) (out []string) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	for _, html := range []bool{true, false} {
		b.Reset()
		e.SetEscapeHTML(html)
		if e.Encode(v) == nil {
			out = append(out, strings.TrimSuffix(b.String(), "\n"))
		}
	}
	out = append(out, strconv.Quote(v), strconv.QuoteToASCII(v))
	for i, q := range out {
		out[i] = q[1 : len(q)-1]
	}
	escape := func(special string) string {
		var b strings.Builder
		for _, r := range v {
			if strings.ContainsRune(special, r) {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		}
		return b.String()
	}
	for _, number := range []string{"%03o", "x%02x", "x%02X"} { // $'…' of shells, bytes of Python
		out = append(out, numbered(v, number))
	}
	return append(out, strings.ReplaceAll(v, "'", `'"'"'`), strings.ReplaceAll(v, "'", `'\"'\"'`),
		escape("\\\"`$"), escape(`\'`), escape(`\"`), escape("\\\"'`$ &|;<>()*?[]#~=%!{}^,"), escape("\\\"'`$ &|;<>()*?[]#~!{}^,"))
}

// numbered has a backslash before quotes and backslashes, and bytes that are no ASCII by their number.
func numbered(v, number string) string {
	var b strings.Builder
	for i := range len(v) {
		switch c := v[i]; {
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\`+number, c)
		case c == '\'' || c == '\\':
			b.WriteString(`\` + string(c))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// printable is what our scripts make of text from programs: each byte that is no printable character is replaced.
func printable(v, fill string) string {
	var b strings.Builder
	for i := range len(v) {
		if v[i] < ' ' || v[i] > '~' {
			b.WriteString(fill)
		} else {
			b.WriteByte(v[i])
		}
	}
	return b.String()
}

// addCut adds a form and its longer beginnings: scripts cut what they show.
func addCut(forms map[string]bool, form string) {
	for n := max(3*shortestSecret, len(form)/2); n < len(form); n++ {
		forms[form[:n]] = true
	}
	forms[form] = true
}

// withinBase64 is the part of the encoding that v determines alone when shift bytes (mod 3) stand before it and
// anything behind it, as in the base64 of "user:password".
func withinBase64(e *base64.Encoding, v string, shift int) string {
	enc := e.WithPadding(base64.NoPadding).EncodeToString([]byte(strings.Repeat("\x00", shift) + v))
	from := [...]int{0, 2, 3}[shift]
	to := (shift + len(v)) * 8 / 6
	if from >= to {
		return ""
	}
	return enc[from:to]
}
