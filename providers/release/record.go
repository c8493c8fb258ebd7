package release

import (
	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// PinRecorded is the pin of a spec that a machine's record gave: its Version was published once, and nothing is sent.
const PinRecorded = "recorded"

// record fills in the release that the machines have, or are to have.
func record(_ config.Ref, s Spec, f remote.Facts) (Spec, string) {
	id := s.want(f).ID
	if s.Pin == PinLive {
		id = s.everywhere(f)
	}
	if id == "" {
		return s, ""
	}
	s.Pin, s.Version, s.Source = PinRecorded, id, ""
	return s, id
}

// everywhere is what current is on all machines, "" where they differ.
func (s Spec) everywhere(f remote.Facts) (id string) {
	for i, h := range s.Hosts {
		l, why := s.see(h.Name, f)
		here := l.CurrentID(s.Root)
		if serves := f.Get(providers.Serves(h.Name, s.Root)).Text; serves != "" && here != "" {
			if _, there := l.find(serves); there {
				here = serves // what a run that was cut off left is what the next one goes on with
			}
		}
		if why != "" || here == "" || i > 0 && here != id {
			return ""
		}
		id = here
	}
	return id
}

// rollback is now with the release of then.
func rollback(now, then Spec) Spec {
	now.Pin, now.Version = PinRecorded, then.Version
	return now
}
