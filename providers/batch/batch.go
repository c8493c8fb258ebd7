// Package batch is the kind "batch": jobs that cron, a timer or Jenkins starts through launchers, <root>/jobs/<name>,
// which run them in the release that is current. It owns launchers, their locks and their records. It starts nothing
// itself, and knows neither schedules nor what a release is made of.
package batch

import (
	"embed"

	"github.com/zclconf/go-cty/cty"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
)

//go:embed *.sh
var scripts embed.FS

// Kind is the kind "batch".
var Kind = providers.Define(providers.Def[Spec]{
	Kind: "batch", Scripts: scripts,
	Decode: decode, Value: value, Claims: claims, Facts: facts, Diff: diff, Status: status, Remove: remove,
	Record: record, Rollback: rollback, Check: check,
})

// Names of our scripts. Hold and unhold are for others' steps: see hold.sh.
const (
	scriptLook    = "batch/look"
	scriptFiles   = "batch/files"
	scriptWrite   = "batch/write"
	scriptUnwrite = "batch/unwrite"
	scriptTidy    = "batch/tidy"
)

// value is what later blocks see: windows read schedules, and ask the hosts with batch/look ROOT NAME….
func value(s Spec) cty.Value {
	hosts, jobs := make([]cty.Value, len(s.Hosts)), make([]cty.Value, len(s.Jobs))
	for i, h := range s.Hosts {
		hosts[i] = cty.StringVal(h.Name)
	}
	for i, j := range s.Jobs {
		jobs[i] = cty.ObjectVal(map[string]cty.Value{
			"name": cty.StringVal(j.Name), "schedule": cty.StringVal(j.Schedule), "time_zone": cty.StringVal(j.TimeZone),
		})
	}
	v := map[string]cty.Value{
		"addr": cty.StringVal(s.ref().String()), "name": cty.StringVal(s.Name), "root": cty.StringVal(s.Release.Root),
		"hosts": cty.ListValEmpty(cty.String), "jobs": cty.ListVal(jobs),
	}
	if len(hosts) > 0 {
		v["hosts"] = cty.ListVal(hosts)
	}
	return cty.ObjectVal(v)
}

func claims(_ config.Ref, s Spec) (out []providers.Claim) {
	for _, h := range s.Hosts {
		for _, j := range s.Jobs {
			out = append(out, providers.Claim{What: h.Name + " file " + s.path(j.Name), At: j.at})
		}
	}
	return out
}
