package providers

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/shipctl/shipctl/config"
)

// Published is what another resource sees of the release that it runs.
type Published struct {
	Ref  config.Ref `json:"ref"`
	ID   string     `json:"id,omitempty"`   // "" where only the machines or the content know it
	Pin  string     `json:"pin"`            // version, live or content
	Root string     `json:"root"`           //
	From string     `json:"from,omitempty"` // source, for content
}

// PublishedOf reads the value of a release block, which is plain data. what runs it is for the error.
func PublishedOf(v cty.Value, what string) (Published, []config.HostValue, error) {
	kind, name, _ := strings.Cut(Attribute(v, "addr"), ".")
	if kind != "release" || name == "" || !v.Type().HasAttribute("hosts") || !v.IsWhollyKnown() || v.ContainsMarked() {
		return Published{}, nil, fmt.Errorf("release = release.NAME is expected: what %s", what)
	}
	var hosts []config.HostValue
	if err := gocty.FromCtyValue(v.GetAttr("hosts"), &hosts); err != nil {
		return Published{}, nil, fmt.Errorf("its hosts can't be read: %w", err)
	}
	p := Published{Ref: config.Ref{Kind: kind, Name: name}, ID: Attribute(v, "id"), Pin: Attribute(v, "pin"), Root: Attribute(v, "root")}
	if p.Pin == "content" {
		p.From = Attribute(v, "source")
	}
	return p, hosts, nil
}

// Attribute is the text of an object's attribute; "" where there is none, or it is null or no text.
func Attribute(v cty.Value, name string) string {
	if v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
		return ""
	}
	a := v.GetAttr(name)
	if a.IsNull() || !a.IsKnown() || a.IsMarked() || a.Type() != cty.String {
		return ""
	}
	return a.AsString()
}
