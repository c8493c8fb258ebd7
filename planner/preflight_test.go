package planner

import (
	"testing"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// TestPreflight: a machine that can run no step is named, and nothing of its unit is begun; another unit goes on.
func TestPreflight(t *testing.T) {
	f := remote.Facts{}
	f.Put(remote.Identity("bare"), remote.Answer{Sight: remote.Seen, Text: "uid 0\nhas curl\n"})
	f.Put(remote.Identity("full"), remote.Answer{Sight: remote.Seen, Text: "uid 0\nhas flock\n"})
	release := fixed("release", "a", nil, change("full", step("a/publish")))
	service := fixed("service", "a", []config.Ref{release.Ref}, change("bare", step("start", "a/publish")), change("full", step("check", "a/publish")))
	other := fixed("release", "b", nil, change("full", step("b/publish")), change("bare")) // nothing to do there
	p, err := Build([]providers.Resource{release, service, other}, f, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(p); got != "b/publish" {
		t.Errorf("the steps %s are left", got)
	}
	problems := p.Problems()
	if len(problems) != 1 || problems[0].Addr.Host != "bare" || problems[0].Problem != "there is no flock on bare: install the package util-linux" {
		t.Errorf("problems: %+v", problems)
	}
}
