package release

import (
	"path"
	"slices"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
)

// check refuses what a machine may have written into its record and decode lets no configuration have.
func check(ref config.Ref, s Spec) error {
	var f providers.Faults
	f.Unless(s.Name == ref.Name, "it is about %q", s.Name)
	f.Hosts(slices.Concat(s.Hosts, s.Retired))
	why := unsuitable(s.Root, s.Name)
	f.Unless(why == "", "%s", why)
	for _, n := range s.Shared {
		f.Unless(path.Clean("/"+n) == "/"+n && n != "" && plain(n), "shared: %q", n)
	}
	f.Unless(slices.Contains([]string{PinVersion, PinLive, PinContent, PinRecorded}, s.Pin), "pin: %q", s.Pin)
	f.Match("not a version", s.Version, `|`+versionPattern)
	f.Unless(s.Version != "" || s.Pin != PinVersion && s.Pin != PinRecorded, "no version")
	f.Line("source", s.Source, s.SHA256)
	for _, h := range s.hooks() {
		f.Match("not a name", h.Name, hookPattern)
		f.Command(h.Name, h.Command)
		f.Env(h.Env)
		f.User(h.RunAs)
		f.Duration("timeout", h.Timeout, time.Second, 24*time.Hour)
	}
	if r := s.Retention; r != nil {
		f.Unless(r.Keep >= 1 && r.KeepFailed >= 0 && r.MaxSize >= 0, "retention: %+v", *r)
	}
	return f.Err
}
