package providers

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers/remote"
)

// Adopter describes what a kind finds on machines that it did not set up. Both are pure; queries change nothing.
type Adopter struct {
	Queries  func(host string) []remote.Query
	Describe func(*Adoption)
}

// Adoption is what is found and what it is written down as. Kinds that refer to others describe first, and wish for what
// they refer to.
type Adoption struct {
	Hosts  []config.HostValue
	Facts  remote.Facts
	Taken  map[string]bool // not nil; names that the configuration has already: "release.shop", "variable.version"
	Wishes []Wish
	// Private is the address, by machine, by which nginx on another one reaches it.
	Private map[string]string
	Blocks  []*hclwrite.Block
	// Notes are about what could not be seen, or not be written down.
	Notes []string
}

// Wish is a release that another kind refers to: Root is where releases lie that are published already, or "" where the
// program runs in a directory of no layout, Dir.
type Wish struct {
	Name      string
	Hosts     []string
	Root, Dir string
}

// Note adds a line to what could not be seen or described.
func (a *Adoption) Note(format string, args ...any) {
	n := Printable(fmt.Sprintf(format, args...))
	for _, o := range a.Notes {
		if o == n {
			return
		}
	}
	a.Notes = append(a.Notes, n)
}

// Name makes a name that no block of these kinds has yet, and takes it: letters, digits, - and _, 32 at most.
func (a *Adoption) Name(like string, kinds ...string) string {
	like = strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)), r == '-', r == '_':
			return unicode.ToLower(r)
		}
		return '-'
	}, like), "-_")
	if like = like[:min(len(like), 28)]; like == "" {
		like = "app"
	}
	if like[0] >= '0' && like[0] <= '9' {
		like = "app-" + like[:min(len(like), 24)]
	}
	name := like
	for i := 2; slices.ContainsFunc(kinds, func(k string) bool { return a.Taken[k+"."+name] }); i++ {
		name = fmt.Sprintf("%s-%d", like, i)
	}
	for _, k := range kinds {
		a.Taken[k+"."+name] = true
	}
	return name
}

// Variable declares a variable of a string, once, and returns its name.
func (a *Adoption) Variable(name, comment string, sensitive bool) string {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	if a.Taken["variable."+name] {
		return name
	}
	name = strings.ReplaceAll(a.Name(name, "variable"), "-", "_")
	b := hclwrite.NewBlock("variable", []string{name})
	if comment != "" {
		Comment(b.Body(), "%s", comment)
	}
	b.Body().SetAttributeRaw("type", Word("string"))
	if sensitive {
		b.Body().SetAttributeValue("sensitive", cty.True)
	}
	b.Body().SetAttributeValue("default", cty.StringVal(""))
	a.Blocks = append(a.Blocks, b)
	return name
}

// Printable is text on one line: what a machine says may hold anything.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// Comment adds a line of comment to a body.
func Comment(b *hclwrite.Body, format string, args ...any) {
	text := Printable(fmt.Sprintf(format, args...))
	b.AppendUnstructuredTokens(hclwrite.Tokens{{Type: hclsyntax.TokenComment, Bytes: []byte("# " + text + "\n")}})
}

// Word is an expression that is one word, or a traversal that was put together of names: never of text from a machine.
func Word(s string) hclwrite.Tokens {
	return hclwrite.Tokens{{Type: hclsyntax.TokenIdent, Bytes: []byte(s)}}
}

// Text is a literal string, whatever is in it.
func Text(s string) hclwrite.Tokens {
	return hclwrite.TokensForValue(cty.StringVal(strings.ToValidUTF8(s, "?")))
}

// Piece is a piece of a string: text as it is, then an expression, or none.
type Piece struct{ Text, Expr string }

// Template is a string of pieces. Text that ends like the begin of an escape can't stand before an expression: then
// what plain gives for it stands there instead.
func Template(pieces []Piece, plain func(expr string) string) hclwrite.Tokens {
	var b strings.Builder
	text := ""
	flush := func() {
		quoted := string(Text(text).Bytes())
		b.WriteString(strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`))
		text = ""
	}
	for _, p := range pieces {
		text += p.Text
		switch {
		case p.Expr == "":
		case strings.HasSuffix(text, "$") || strings.HasSuffix(text, "%"):
			text += plain(p.Expr)
		default:
			flush()
			b.WriteString("${" + p.Expr + "}")
		}
	}
	flush()
	return hclwrite.Tokens{
		{Type: hclsyntax.TokenOQuote, Bytes: []byte(`"`)}, {Type: hclsyntax.TokenQuotedLit, Bytes: []byte(b.String())}, {Type: hclsyntax.TokenCQuote, Bytes: []byte(`"`)},
	}
}

// List is a list of expressions.
func List(items ...hclwrite.Tokens) hclwrite.Tokens {
	out := hclwrite.Tokens{{Type: hclsyntax.TokenOBrack, Bytes: []byte("[")}}
	for i, t := range items {
		if i > 0 {
			out = append(out, &hclwrite.Token{Type: hclsyntax.TokenComma, Bytes: []byte(",")})
		}
		out = append(out, t...)
	}
	return append(out, &hclwrite.Token{Type: hclsyntax.TokenCBrack, Bytes: []byte("]")})
}

// HostRefs is the list of references to host blocks.
func HostRefs(names []string) hclwrite.Tokens {
	var items []hclwrite.Tokens
	for _, n := range names {
		if hclsyntax.ValidIdentifier(n) {
			items = append(items, Word("host."+n))
			continue
		}
		items = append(items, append(append(Word("host["), Text(n)...), Word("]")...))
	}
	return List(items...)
}
