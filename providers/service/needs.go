package service

import (
	"slices"
	"strings"

	"github.com/shipctl/shipctl/providers/remote"
)

// preflight names what the machines lack for the steps that were planned.
func (b *builder) preflight(f remote.Facts) {
	for _, h := range b.order {
		root := slices.Contains(strings.Split(f.Get(remote.Identity(h)).Text, "\n"), "uid 0")
		var need []string
		starts, units := false, false
		for _, s := range b.changes[h].Steps {
			need = append(need, b.needs(s.Do.Script, root)...)
			starts = starts || s.Do.Script == "service/start" || s.Do.Script == "service/before"
			units = units || s.Do.Script == "service/start" && b.spec.Runner == "systemd"
		}
		if why := remote.LacksSystemd(f, h); units && why != "" {
			b.problem(h, "%s", why)
		}
		if why := remote.LacksUser(f, h, b.spec.RunAs); starts && why != "" {
			b.problem(h, "%s", why)
		}
		if why := remote.Lacks(f, h, unique(need)...); why != "" {
			b.problem(h, "%s", why)
		}
	}
}

// needs are the programs without which a script can't do its work.
func (b *builder) needs(script string, root bool) []string {
	other := []string{} // to run as another user, which only root can
	if root && b.spec.RunAs != "" {
		other = append(other, "setpriv")
	}
	switch script {
	case "service/start":
		if b.spec.Runner == "systemd" {
			return nil // see LacksSystemd
		}
		return append([]string{"setsid"}, other...)
	case "service/before":
		return append([]string{"timeout"}, other...)
	case "nginx/switch":
		if v := b.spec.Nginx.Verify; v != nil && strings.HasPrefix(v.URL, "https:") {
			return []string{"curl"}
		}
	}
	return nil
}

func unique(in []string) (out []string) {
	seen := map[string]bool{}
	for _, s := range in {
		if !seen[s] {
			seen[s], out = true, append(out, s)
		}
	}
	return out
}
