package service

import (
	"strings"

	"github.com/shipctl/shipctl/providers/remote"
)

// preflight names what the machines lack for the steps that were planned.
func (b *builder) preflight(f remote.Facts) {
	for _, h := range b.order {
		var need []string
		for _, s := range b.changes[h].Steps {
			need = append(need, b.needs(s.Do.Script)...)
		}
		if why := remote.Lacks(f, h, unique(need)...); why != "" {
			b.problem(h, "%s", why)
		}
	}
}

// needs are the programs without which a script can't do its work.
func (b *builder) needs(script string) []string {
	switch script {
	case "service/start":
		if b.spec.Runner == "systemd" {
			return []string{"systemctl"}
		}
		return append([]string{"setsid"}, b.other()...)
	case "service/before":
		return append([]string{"timeout"}, b.other()...)
	case "nginx/switch":
		if v := b.spec.Nginx.Verify; v != nil && strings.HasPrefix(v.URL, "https:") {
			return []string{"curl"}
		}
	}
	return nil
}

// other is what it takes to run as another user.
func (b *builder) other() []string {
	if b.spec.RunAs == "" {
		return nil
	}
	return []string{"setpriv"}
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
