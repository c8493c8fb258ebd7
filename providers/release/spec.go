package release

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// What a release's ID comes from.
const (
	PinVersion = "version" // the attribute version
	PinLive    = "live"    // version = null: whatever is there, nothing is deployed
	PinContent = "content" // no attribute version: the first 12 digits of the content's SHA-256
)

// Spec is a release as configured.
type Spec struct {
	Name    string             `json:"name"` // of the block
	Pin     string             `json:"pin"`
	Version string             `json:"version,omitempty"` // with PinVersion only
	Root    string             `json:"root"`
	Source  string             `json:"source"`           // as written: relative to the directory that shipctl works in
	SHA256  string             `json:"sha256,omitempty"` // of a source that is fetched
	Hosts   []config.HostValue `json:"hosts"`            // without the retired ones
	// Retired machines get no release; a service still has to be taken off them.
	Retired []config.HostValue `json:"retired,omitempty"`
	Shared  []string           `json:"shared,omitempty"`
	// Hooks, in the order in which they run.
	BeforeActivate []Hook `json:"before_activate,omitempty"`
	AfterActivate  []Hook `json:"after_activate,omitempty"`
	// Retention is nil where nothing is ever removed.
	Retention *Retention   `json:"retention,omitempty"`
	Windows   []config.Ref `json:"windows,omitempty"`

	rootAt *hcl.Range // for claims; not known of a spec that was read back
}

// Retention says how many releases stay. What is live, was live before or is in use stays in any case.
type Retention struct {
	Keep       int `json:"keep"`        // of those that were activated once
	KeepFailed int `json:"keep_failed"` // of those that never were
	// MaxSize is how many bytes they may take together; 0: any.
	MaxSize int64 `json:"max_size,omitempty"`
}

// key names the root in the machine's state directory.
func (s Spec) key() string {
	sum := sha256.Sum256([]byte(s.Root))
	return hex.EncodeToString(sum[:8])
}

func (s Spec) look(host string) remote.Query {
	return remote.Query{Host: host, Script: scriptLook, Args: []string{s.Root, s.key()}}
}

func (s Spec) artifact() remote.Query {
	return remote.Query{Host: remote.Controller, Script: scriptArtifact, Args: append([]string{s.Source}, s.Shared...)}
}

func facts(_ config.Ref, s Spec) []remote.Query {
	var q []remote.Query
	if s.Pin != PinLive && s.Pin != PinRecorded && !remoteSource(s.Source) {
		q = append(q, s.artifact())
	}
	for _, h := range s.Hosts {
		q = append(q, s.look(h.Name))
		for _, hook := range s.hooks() {
			if hook.RunAs != "" {
				q = append(q, remote.User(h.Name, hook.RunAs))
			}
		}
	}
	return q
}

func claims(_ config.Ref, s Spec) []providers.Claim {
	out := make([]providers.Claim, 0, len(s.Hosts))
	for _, h := range s.Hosts {
		out = append(out, providers.Claim{What: h.Name + " directory " + s.Root, At: s.rootAt})
	}
	return out
}

// value is what later blocks see. id is null unless the configuration fixes it; with pin "content" it is the first 12
// digits of sha256 in the controller's answer to release/artifact SOURCE.
func value(s Spec) cty.Value {
	version := cty.NullVal(cty.String)
	if s.Pin == PinVersion {
		version = cty.StringVal(s.Version)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"addr":    cty.StringVal(config.Ref{Kind: "release", Name: s.Name}.String()),
		"name":    cty.StringVal(s.Name),
		"id":      version,
		"version": version,
		"pin":     cty.StringVal(s.Pin),
		"root":    cty.StringVal(s.Root),
		"source":  cty.StringVal(s.Source),
		"hosts":   hostsValue(slices.Concat(s.Hosts, s.Retired)),
	})
}

func hostsValue(hosts []config.HostValue) cty.Value {
	ty, err := gocty.ImpliedType(config.HostValue{})
	if err != nil || len(hosts) == 0 {
		return cty.ListValEmpty(ty)
	}
	out := make([]cty.Value, len(hosts))
	for i, h := range hosts {
		if out[i], err = gocty.ToCtyValue(h, ty); err != nil {
			return cty.ListValEmpty(ty)
		}
	}
	return cty.ListVal(out)
}

// within is a path under the root.
func (s Spec) within(elem ...string) string { return path.Join(append([]string{s.Root}, elem...)...) }
