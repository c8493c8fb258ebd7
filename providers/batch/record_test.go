package batch

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// TestRecord: the same is recorded whether the version was given, is what is live, or is the content's digest.
func TestRecord(t *testing.T) {
	two := func(s Spec) Spec {
		s.Hosts = []config.HostValue{{Name: "batch-1"}, {Name: "batch-2"}}
		return s
	}
	given, live := two(settlement("42", "close")), two(settlement("", "close"))
	content := live
	content.Release.Pin, content.Release.From = "content", "build/x.tar.gz"
	const id = "111111111111"
	for _, c := range []struct {
		name string
		spec Spec
		a, b string // what is current
		want string
	}{
		{"given, and not there yet", given, "41", "-", "42"},
		{"live", live, "42", "42", "42"},
		{"machines differ", live, "42", "41", ""},
		{"nothing there", live, "-", "-", ""},
		{"content", content, "42", "42", id},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := remote.Facts{}
			for host, current := range map[string]string{"batch-1": c.a, "batch-2": c.b} {
				f.Put(c.spec.files(host), seenText("current "+current+"\n"))
			}
			f.Put(content.artifact(), seenText(`{"sha256":"`+id+id+`"}`))
			got, release := record(ref, c.spec, f)
			if release != c.want {
				t.Errorf("release %q, want %q", release, c.want)
			}
			want := given
			if want.Release.ID = c.want; c.want == "" {
				want = c.spec
			}
			if d := cmp.Diff(string(providers.JSON(want)), string(providers.JSON(got))); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestRollback: the release, jobs, commands and environment of then on the machines of now, with the secrets of now.
func TestRollback(t *testing.T) {
	secret := func(print string) Env {
		return Env{Name: "PASSWORD", Value: remote.Part{Var: "password"}, Print: print}
	}
	now, then := settlement("", "close", "new"), settlement("41", "close", "old")
	now.Hosts = append(now.Hosts, config.HostValue{Name: "batch-2"})
	now.Env, then.Env = []Env{secret("today")}, []Env{{Name: "A", Value: remote.Part{Text: "1"}}, secret("then")}
	then.RunAs = "jobs"
	want := settlement("41", "close", "old")
	want.Hosts, want.RunAs, want.Env = now.Hosts, "jobs", []Env{then.Env[0], secret("today")}
	if d := cmp.Diff(want, rollback(now, then), cmpopts.IgnoreUnexported(Job{})); d != "" {
		t.Error(d)
	}
	if then.Env[1].Print != "then" {
		t.Error("the record was changed")
	}
}
