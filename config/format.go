package config

import (
	"bytes"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format lays out a file as `terraform fmt` does (held to v1.11.4 by testdata/fmt): hclwrite's layout, labels quoted,
// "${x}" alone unwrapped, and a variable's type in today's notation. On a syntax error it returns nil. The one deliberate
// difference: an expression that would no longer be valid without its quotes keeps them.
func Format(src []byte, filename string) ([]byte, hcl.Diagnostics) {
	if _, diags := hclsyntax.ParseConfig(src, filename, hcl.InitialPos); diags.HasErrors() {
		return nil, diags
	}
	f, diags := hclwrite.ParseConfig(src, filename, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	modernize(f.Body(), nil)
	return f.Bytes(), nil
}

// modernize rewrites the expressions of a body; within holds the types of the blocks around it.
func modernize(body *hclwrite.Body, within []string) {
	inVariable := len(within) == 1 && within[0] == "variable"
	for name, attr := range body.Attributes() {
		tokens := attr.Expr().BuildTokens(nil)
		if inVariable && name == "type" {
			body.SetAttributeRaw(name, modernType(tokens))
		} else if bare := unwrapped(tokens); stands(bare) {
			body.SetAttributeRaw(name, bare)
		}
	}
	for _, b := range body.Blocks() {
		b.SetLabels(b.Labels())
		modernize(b.Body(), append(slices.Clip(within), b.Type()))
	}
}

// stands says whether an expression of several lines, or with a line comment, is one outside of a template, too.
func stands(tokens hclwrite.Tokens) bool {
	text := tokens.Bytes()
	if !bytes.ContainsRune(text, '\n') {
		return true
	}
	_, diags := hclsyntax.ParseConfig(append(append([]byte("x = "), text...), '\n'), "", hcl.InitialPos)
	return !diags.HasErrors()
}

// modernType gives today's notation of the quoted and bare type names of old configurations.
func modernType(tokens hclwrite.Tokens) hclwrite.Tokens {
	switch {
	case len(tokens) == 1 && tokens[0].Type == hclsyntax.TokenIdent:
		switch name := string(tokens[0].Bytes); name {
		case "list", "map", "set":
			return typeOf(name, "any")
		}
	case len(tokens) == 3 && tokens[0].Type == hclsyntax.TokenOQuote && tokens[1].Type == hclsyntax.TokenQuotedLit:
		switch name := string(tokens[1].Bytes); name {
		case "string":
			return word(name)
		case "list", "map":
			return typeOf(name, "string")
		}
	}
	return tokens
}

func word(name string) hclwrite.Tokens {
	return hclwrite.Tokens{{Type: hclsyntax.TokenIdent, Bytes: []byte(name)}}
}

func typeOf(collection, element string) hclwrite.Tokens {
	out := append(word(collection), &hclwrite.Token{Type: hclsyntax.TokenOParen, Bytes: []byte("(")})
	out = append(out, word(element)...)
	return append(out, &hclwrite.Token{Type: hclsyntax.TokenCParen, Bytes: []byte(")")})
}

// unwrapped takes the quotes off an expression that is one interpolation and nothing else.
func unwrapped(tokens hclwrite.Tokens) hclwrite.Tokens {
	n := len(tokens)
	if n < 5 || tokens[0].Type != hclsyntax.TokenOQuote || tokens[1].Type != hclsyntax.TokenTemplateInterp ||
		tokens[n-2].Type != hclsyntax.TokenTemplateSeqEnd || tokens[n-1].Type != hclsyntax.TokenCQuote {
		return tokens
	}
	inner := tokens[2 : n-2]
	quotes := 0
	for _, t := range inner {
		switch t.Type {
		case hclsyntax.TokenOQuote:
			quotes++
		case hclsyntax.TokenCQuote:
			quotes--
		case hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl, hclsyntax.TokenTemplateSeqEnd:
			if quotes == 0 { // one of several in a row, or a heredoc's: terraform leaves both
				return tokens
			}
		}
	}
	inner = trimNewlines(inner)
	if !breaks(inner) || inner[0].Type == hclsyntax.TokenOParen && inner[len(inner)-1].Type == hclsyntax.TokenCParen {
		return inner
	}
	// Outside of the template a line break would end the expression.
	out := hclwrite.Tokens{{Type: hclsyntax.TokenOParen, Bytes: []byte("(")}}
	out = append(out, inner...)
	return append(out, &hclwrite.Token{Type: hclsyntax.TokenCParen, Bytes: []byte(")")})
}

func breaks(tokens hclwrite.Tokens) bool {
	return slices.ContainsFunc(tokens, func(t *hclwrite.Token) bool { return t.Type == hclsyntax.TokenNewline })
}

func trimNewlines(tokens hclwrite.Tokens) hclwrite.Tokens {
	for len(tokens) > 0 && tokens[0].Type == hclsyntax.TokenNewline {
		tokens = tokens[1:]
	}
	for len(tokens) > 0 && tokens[len(tokens)-1].Type == hclsyntax.TokenNewline {
		tokens = tokens[:len(tokens)-1]
	}
	return tokens
}
