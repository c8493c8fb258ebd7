// Package service is the kind "service": a program in two slots, of which nginx routes to one. It owns slots, health,
// runners and the order of a blue/green deployment. It knows no symbolic links and no nginx text.
package service

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
)

// Kind is the kind "service".
var Kind = providers.Define(providers.Def[Spec]{
	Kind: "service", Scripts: scripts{files},
	Decode: decode, Value: value, Claims: claims, Facts: facts, Diff: diff, Status: status,
	Record: record, Rollback: rollback, Remove: remove,
	Places: places, Serving: serving, Check: check,
	Adopt: adopter(),
})

// places are where windows that the service names are asked: every slot's port, since the old one may be on either.
func places(s Spec) (out []providers.Place) {
	for _, h := range s.Hosts {
		p := providers.Place{Host: h.Name}
		for _, sl := range s.Slots {
			p.Ports = append(p.Ports, sl.Port)
		}
		out = append(out, p)
	}
	return out
}

func value(s Spec) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(s.Name)})
}

func claims(ref config.Ref, s Spec) (out []providers.Claim) {
	for _, h := range s.Hosts {
		for i, sl := range s.Slots {
			if i == 0 { // service "a.b" and the instance "b" of service "a" have one name in units and folders
				out = append(out, providers.Claim{What: h.Name + " name " + s.Name, At: sl.at})
			}
			out = append(out, providers.Claim{What: h.Name + " port " + itoa(sl.Port), At: sl.at})
		}
	}
	for _, h := range s.Nginx.Hosts {
		out = append(out, providers.Claim{What: h.Name + " file " + s.Nginx.File, At: s.Nginx.at})
	}
	return out
}
