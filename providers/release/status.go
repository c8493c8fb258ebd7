package release

import (
	"fmt"
	"strings"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// status is a line for each machine: the release that current points to, and since when.
func status(ref config.Ref, s Spec, f remote.Facts) (out []providers.Status) {
	for _, h := range s.Hosts {
		line := providers.Status{Addr: providers.Addr{Ref: ref, Host: h.Name}, Health: "-"}
		l, why := s.see(h.Name, f)
		id := l.CurrentID(s.Root)
		var notes []string
		switch {
		case why != "":
			line.Note, line.Unknown = why, true
			out = append(out, line)
			continue
		case id != "":
			line.Live, line.Release = true, id
			if n := len(l.Activated); n > 0 && l.Activated[n-1] == id {
				line.Since = l.since
			}
			if _, there := l.find(id); !there {
				line.Live = false
				notes = append(notes, "current points to a release that is not there")
			}
		case l.Current.Kind == "none":
			notes = append(notes, "nothing is active")
		case l.Current.Kind == "link":
			notes = append(notes, "current points to "+l.Current.Target)
		default:
			notes = append(notes, "current is no link")
		}
		if due := l.Due[id]; len(due) > 0 {
			notes = append(notes, "not run after its activation: "+strings.Join(due, ", "))
		}
		if n := len(l.Releases); n == 1 {
			notes = append(notes, "1 release")
		} else if n > 1 {
			notes = append(notes, fmt.Sprintf("%d releases", n))
		}
		line.Note = strings.Join(notes, "; ")
		out = append(out, line)
	}
	return out
}
