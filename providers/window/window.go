// Package window is the kind "batch_window": when not to switch or stop anything, because an important job runs or is
// about to. It owns what is asked of machines about jobs (clocks, crontabs, timers, endpoints, processes) and how that is
// judged. It knows no deployment, slots or routes: who waits at a window, and what becomes of it, is not its concern.
package window

import (
	"embed"

	"github.com/zclconf/go-cty/cty"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
)

//go:embed *.sh
var scripts embed.FS

// Kind is the kind for the list of kinds.
var Kind = providers.Define(providers.Def[Spec]{
	Kind:    kind,
	Scripts: scripts,
	Decode:  decode,
	Value:   value,
	Facts:   facts,
	Watch:   watch,
	Judge:   judge,
	Hold:    hold,
})

// The kind and its scripts. Launchers' state is asked with the script of the kind that writes launchers.
const (
	kind          = "batch_window"
	scriptClock   = kind + "/clock"
	scriptCrontab = kind + "/crontab"
	scriptTimers  = kind + "/timers"
	scriptAsk     = kind + "/ask"
	scriptProcess = kind + "/process"
	scriptJobs    = "batch/look"
	scriptHold    = "batch/hold"
	scriptLetGo   = "batch/unhold"
)

func value(s Spec) cty.Value {
	ref := config.Ref{Kind: kind, Name: s.Name}
	return cty.ObjectVal(map[string]cty.Value{"addr": cty.StringVal(ref.String()), "name": cty.StringVal(s.Name)})
}
