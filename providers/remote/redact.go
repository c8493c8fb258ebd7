package remote

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"sort"
	"strings"
)

// Shorter values than this are not looked for: they would be found everywhere.
const shortestSecret = 4

// Hidden is what a sensitive value is printed as.
const Hidden = "(sensitive)"

// Redactor replaces sensitive values, in the encodings in which they commonly turn up.
type Redactor struct{ replacer *strings.Replacer }

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
	return Redactor{strings.NewReplacer(pairs...)}
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
	if j, err := json.Marshal(v); err == nil {
		forms[string(j[1:len(j)-1])] = true
	}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		forms[e.EncodeToString([]byte(v))] = true
		for shift := range 3 {
			if inner := withinBase64(e, v, shift); len(inner) >= 2*shortestSecret {
				forms[inner] = true
			}
		}
	}
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
