package batch

import (
	"slices"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers/remote"
)

// record fills in the release that the jobs run, or are to run: the same whether the version was given or is what is live.
func record(_ config.Ref, s Spec, f remote.Facts) (Spec, string) {
	id := s.wanted(f)
	if id == "" {
		id = s.everywhere(f)
	}
	if id == "" {
		return s, ""
	}
	s.Release.Pin, s.Release.ID, s.Release.From = "version", id, ""
	return s, id
}

// everywhere is what current is on all machines, "" where they differ.
func (s Spec) everywhere(f remote.Facts) (id string) {
	for i, h := range s.Hosts {
		t, why := s.see(h.Name, f)
		if why != "" || t.current == "" || i > 0 && t.current != id {
			return ""
		}
		id = t.current
	}
	return id
}

// rollback is now with the release of then, and all that ran with it: the jobs, their commands and the environment.
// Machines stay as they are. Of a sensitive variable the value is today's, so its hash is too.
func rollback(now, then Spec) Spec {
	env := slices.Clone(then.Env)
	for i, e := range env {
		k := slices.IndexFunc(now.Env, func(n Env) bool { return n.Name == e.Name && n.Value == e.Value })
		if k >= 0 && e.Value.Var != "" {
			env[i] = now.Env[k]
		}
	}
	now.Release.Pin, now.Release.ID, now.Release.From = "version", then.Release.ID, ""
	now.RunAs, now.Env, now.Jobs = then.RunAs, env, then.Jobs
	return now
}
