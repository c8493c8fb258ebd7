package batch

import (
	"slices"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
)

// check refuses what a machine may have written into its record and decode lets no configuration have.
func check(ref config.Ref, s Spec) error {
	var f providers.Faults
	f.Unless(s.Name == ref.Name, "it is about %q", s.Name)
	f.Hosts(s.Hosts)
	f.Release(s.Release)
	f.User(s.RunAs)
	f.Env(s.Env)
	f.Unless(len(s.Jobs) > 0, "no jobs")
	for i, j := range s.Jobs {
		f.Match("not a job's name", j.Name, `[A-Za-z0-9][A-Za-z0-9_-]{0,63}`)
		f.Unless(!slices.Contains(s.names()[:i], j.Name), "job %q twice", j.Name)
		f.Command(j.Name, j.Command)
		f.Line(j.Name, j.Schedule, j.TimeZone)
		f.Unless(slices.Contains([]string{Forbid, Allow, Queue}, j.Concurrency), "concurrency: %q", j.Concurrency)
		f.Unless(slices.Contains([]string{Wait, Skip, Run}, j.OnDeployment), "on_deployment: %q", j.OnDeployment)
	}
	return f.Err
}
