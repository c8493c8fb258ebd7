package view

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

const source = "service \"teatime\" {\n  command = [\"차\", bad]\r\n\tenv = {\n\t\tA = 1\n\t}\n}\n"

// diagnostics about every shape of place.
func diagnostics(t *testing.T) (hcl.Diagnostics, map[string]*hcl.File) {
	f, diags := hclsyntax.ParseConfig([]byte(source), "main.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	body := f.Body.(*hclsyntax.Body).Blocks[0].Body
	bad := body.Attributes["command"].Expr.Variables()[0].SourceRange()
	env := body.Attributes["env"].Expr.Range()
	end := hcl.Range{Filename: "main.hcl", Start: hcl.Pos{Line: 7, Column: 1, Byte: len(source)}, End: hcl.Pos{Line: 7, Column: 1, Byte: len(source)}}
	eol := strings.Index(source, "{\n") + 1
	ended := hcl.Range{Filename: "main.hcl", Start: hcl.Pos{Line: 1, Column: eol + 1, Byte: eol}, End: hcl.Pos{Line: 2, Column: 1, Byte: eol + 1}}
	unread := hcl.Range{Filename: "other.hcl", Start: hcl.Pos{Line: 3, Column: 1, Byte: 20}, End: hcl.Pos{Line: 3, Column: 2, Byte: 21}}
	return hcl.Diagnostics{
		{Severity: hcl.DiagError, Summary: "Unknown reference", Detail: "There is no \"bad\". Did you mean \"bat\"?", Subject: &bad},
		{Severity: hcl.DiagWarning, Summary: "Several lines", Detail: hostile, Subject: &env},
		{Severity: hcl.DiagError, Summary: "At the end", Subject: &end},
		{Severity: hcl.DiagError, Summary: "At the end of a line", Subject: &ended},
		{Severity: hcl.DiagError, Summary: "Elsewhere", Subject: &unread},
		{Severity: hcl.DiagError, Summary: "Nowhere", Detail: "laid out:\n\n  a  b"},
	}, map[string]*hcl.File{"main.hcl": f}
}

func TestDiagnosticsText(t *testing.T) {
	diags, files := diagnostics(t)
	out, b := plainText()
	out.Diagnostics(diags, files)
	golden(t, "diagnostics.txt", b.String())
}

func TestDiagnosticsDocument(t *testing.T) {
	diags, files := diagnostics(t)
	var b strings.Builder
	if err := ValidateDocument(&b, diags, nil, nil, files); err != nil {
		t.Fatal(err)
	}
	golden(t, "validate.json", b.String())
}

func TestProseIsWrappedOnTerminals(t *testing.T) {
	if got := wrap("one two three\n  as it  is laid out", 8); got != "one two\nthree\n  as it  is laid out" {
		t.Errorf("%q", got)
	}
}
