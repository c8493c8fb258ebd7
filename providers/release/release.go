// Package release is the kind "release": files under <root>/releases/<id>, which never change once they are published,
// and the link <root>/current. It owns artifacts (what is sent, and what is refused before it is sent), publication and
// retention. It knows nothing of slots, routes and windows: who starts what from a release is not its concern.
package release

import (
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/release/fetch"
	"github.com/shipctl/shipctl/providers/remote"
)

// Kind is the kind for the list of kinds.
var Kind = providers.Define(providers.Def[Spec]{
	Kind:    "release",
	Scripts: scripts{files},
	Decode:  decode,
	Value:   value,
	Claims:  claims,
	Facts:   facts,
	Diff:    diff,
	Status:  status,
	Remove:  Remove,
	Places:  places,
	Record:  record, Rollback: rollback,
	Check: check,
	Local: map[string]func([]string) remote.Answer{scriptArtifact: answer},
	Open:  map[string]func(string) (providers.Payload, error){scriptUpload: downloads{fetch.New()}.open},
	Adopt: adopter(),
})

// Names of our scripts. The artifact is looked at by the controller itself.
const (
	scriptArtifact   = "release/artifact"
	scriptLook       = "release/look"
	scriptLink       = "release/link"
	scriptUpload     = "release/upload"
	scriptPublish    = "release/publish"
	scriptActivate   = "release/activate"
	scriptDeactivate = "release/deactivate"
	scriptPrune      = "release/prune"
	scriptHook       = "release/hook"
)
