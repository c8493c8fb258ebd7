package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

const trustHosts = `
shipctl {
  project = "teatime"
}
host "app-1" {
  address = "10.0.0.11"
}
host "web-1" {
  address = "10.0.0.21"
}
host "batch-1" {
  address = "10.0.0.31"
}
`

const trustShop = `
release "teatime" {
  hosts   = [host.app-1]
  root    = "/srv/teatime"
  source  = "x.jar"
  version = "42"
}
service "teatime" {
  release = release.teatime
  command = ["java", "-jar", "x.jar"]
  slot "blue" { port = 8081 }
  slot "green" { port = 8082 }
  health {
    tcp {}
  }
  nginx_upstream {
    hosts    = [host.web-1]
    file     = "/etc/nginx/conf.d/service-url.inc"
    variable = "service_url"
  }
}
`

const trustBatch = `
release "settlement" {
  hosts   = [host.batch-1]
  root    = "/srv/settlement"
  source  = "x.jar"
  version = "1"
}
`

// trusted is a configuration's resources by address.
func trusted(t *testing.T, text string) (project, map[string]providers.Resource) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"main.hcl": trustHosts + text, "x.jar": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := (&cli{}).options(values{})
	o.Dir = dir
	p, diags := load(o)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	by := map[string]providers.Resource{}
	for _, r := range p.resources {
		by[r.Ref.String()] = r
	}
	return *p, by
}

// told are machines that say nothing but their records, and what they were asked.
type told struct {
	mu      sync.Mutex
	records map[string]planner.Record
	asked   map[string][]string
}

func (w *told) dial(_ context.Context, host string) (remote.Machine, error) {
	return teller{world: w, host: host}, nil
}

type teller struct {
	remote.Machine
	world *told
	host  string
}

func (m teller) Ask(_ context.Context, qs []remote.Query) ([]remote.Answer, error) {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	out := make([]remote.Answer, len(qs))
	for i, q := range qs {
		m.world.asked[m.host] = append(m.world.asked[m.host], q.Key())
		out[i] = remote.Answer{Sight: remote.Absent}
		if rec, ok := m.world.records[m.host]; ok && q.Script == "remote/record" {
			out[i] = remote.Answer{Sight: remote.Seen, Text: "record " + string(providers.JSON(rec))}
		}
	}
	return out, nil
}

// recorded adds a record of a resource.
func (w *told) recorded(addr string, spec string, hosts []string, on ...string) {
	kind, name, _ := strings.Cut(addr, ".")
	for _, h := range hosts {
		if w.records[h].Resources == nil {
			w.records[h] = planner.Record{Format: planner.RecordFormat, Resources: map[string]planner.Recorded{}}
		}
		w.records[h].Resources[addr] = planner.Recorded{Run: "r", Applied: planner.Applied{
			Resource: planner.Resource{Ref: config.Ref{Kind: kind, Name: name}, Spec: []byte(spec)}, On: on, Outcome: planner.Done,
		}}
	}
}

// pinned is a release's or a service's spec as it is recorded.
func pinned(spec string) string {
	return strings.NewReplacer(`"pin":"version","version":"1"`, `"pin":"recorded","version":"1"`, `"source":"x.jar"`, `"source":""`).Replace(spec)
}

// TestForgedRecords: what one machine has written down neither changes nor asks another one, nor the controller, and keeps
// nothing else from being looked at and removed. batch-1 is the one that was broken into.
func TestForgedRecords(t *testing.T) {
	p, wanted := trusted(t, trustShop+trustBatch)
	shop, batch := string(wanted["service.teatime"].Spec), pinned(string(wanted["release.settlement"].Spec))
	swap := func(s string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(s) }
	for _, c := range []struct{ name, addr, spec, on, why string }{
		{"another's service under another name", "service.old", shop, "batch-1", `it is about "teatime"`},
		{"a service of its name elsewhere", "service.old", swap(shop, `"name":"teatime","release"`, `"name":"old","release"`), "batch-1", "on app-1 there is none"},
		{"and it says that all have it", "service.old", swap(shop, `"name":"teatime","release"`, `"name":"old","release"`), "batch-1 app-1 web-1", "on app-1 there is none"},
		{"a program as nginx", "service.old", swap(shop, `"name":"teatime","release"`, `"name":"old","release"`, `"name":"app-1"`, `"name":"batch-1"`, `"drain"`, `"binary":"/tmp/x","drain"`), "batch-1", "on web-1 there is none"},
		{"a machine that nobody has", "service.old", swap(shop, `"name":"teatime","release"`, `"name":"old","release"`, `"name":"app-1"`, `"name":"batch-1"`, `"name":"web-1"`, `"name":"web-9"`), "batch-1", "has no host block"},
		{"an unknown kind", "rocket.old", `{}`, "batch-1", "knows no kind"},
		{"a kind that is never recorded", "batch_window.old", `{}`, "batch-1", "can't be used|none that a run leaves"},
		{"nothing in it", "service.old", `{}`, "batch-1", "can't be used"},
		{"a root that decode refuses", "release.old", swap(batch, `"name":"settlement"`, `"name":"old"`, "/srv/settlement", "/etc"), "batch-1", "belongs to the system"},
		{"a root with a way out", "release.old", swap(batch, `"name":"settlement"`, `"name":"old"`, "/srv/settlement", "/srv/x/../../etc"), "batch-1", "not written plainly"},
		{"a file of the controller's", "release.old", swap(batch, `"name":"settlement"`, `"name":"old"`, `"pin":"recorded"`, `"pin":"content"`, `"source":""`, `"source":"/etc/shadow"`, `"version":"1",`, ``, "/srv/settlement", "/srv/old"), "batch-1", "where it runs itself"},
		{"what the configuration has in use", "release.old", swap(batch, `"name":"settlement"`, `"name":"old"`), "batch-1", "directory /srv/settlement is release.settlement's now"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &told{records: map[string]planner.Record{}, asked: map[string][]string{}}
			w.recorded(c.addr, c.spec, []string{"batch-1"}, strings.Fields(c.on)...)
			w.recorded("release.gone", swap(batch, `"name":"settlement"`, `"name":"gone"`, "/srv/settlement", "/srv/gone"), []string{"batch-1"}, "batch-1")
			session, err := opening{p.config.Project, p.settings, p.config.Variables, nil, hclog.NewNullLogger()}.session()
			if err != nil {
				t.Fatal(err)
			}
			dial := func(ctx context.Context, host string) (remote.Machine, error) {
				if host == remote.Controller {
					return session.controller, nil
				}
				return w.dial(ctx, host)
			}
			m := &made{session: session, machines: dial, wanted: p.resources, how: how{command: "apply", whole: true, prune: true}}
			if err := m.ask(t.Context()); err != nil {
				t.Fatal(err)
			}
			removed := false
			for _, r := range m.plan.Resources {
				removed = removed || r.Ref.Name == "gone" && r.Gone
				if r.Ref.String() == c.addr {
					t.Errorf("%s is planned", r.Ref)
				}
			}
			if !removed {
				t.Error("the other one is not removed")
			}
			var why []string
			for _, o := range m.plan.Orphans {
				if o.Ref.String() == c.addr && o.Why != "" {
					why = append(why, o.Why)
				}
			}
			says(t, "prune", why, c.why)
			d, err := m.drift(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(c.why, "is release.settlement's now") {
				says(t, "drift", d.Unclear, c.why)
			}
			w.unasked(t, p)
		})
	}
}

func says(t *testing.T, what string, got []string, want string) {
	t.Helper()
	ok := slices.ContainsFunc(got, func(s string) bool {
		return slices.ContainsFunc(strings.Split(want, "|"), func(w string) bool { return strings.Contains(s, w) })
	})
	if !ok {
		t.Errorf("%s says %q, want %q", what, got, want)
	}
}

// unasked: the machines were asked what the configuration asks, and for their records.
func (w *told) unasked(t *testing.T, p project) {
	t.Helper()
	may := map[string]bool{}
	for _, r := range p.resources {
		for _, q := range r.Queries {
			may[q.Host+" "+q.Key()] = true
		}
	}
	for _, host := range []string{"app-1", "web-1"} {
		may[host+" "+remote.Identity(host).Key()], may[host+" "+planner.RecordQuery(host).Key()] = true, true
		for _, key := range w.asked[host] {
			if !may[host+" "+key] {
				t.Errorf("%s was asked %s", host, key)
			}
		}
	}
}

// TestForgedHold: a hold, and what is held, come from the resource's own machines: all of them.
func TestForgedHold(t *testing.T) {
	p, wanted := trusted(t, trustShop+trustBatch)
	shop := strings.ReplaceAll(string(wanted["service.teatime"].Spec), `"java"`, `"evil"`)
	for _, c := range []struct {
		name, hosts, err string
	}{
		{"from another machine", "batch-1", ""},
		{"from one of its machines", "app-1", "on web-1 there is none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &told{records: map[string]planner.Record{}, asked: map[string][]string{}}
			w.recorded("service.teatime", shop, []string{c.hosts}, c.hosts)
			rec := w.records[c.hosts].Resources["service.teatime"]
			rec.Hold = &planner.Hold{Release: "1"}
			w.records[c.hosts].Resources["service.teatime"] = rec
			facts, _ := planner.Ask(t.Context(), p.resources, func(ctx context.Context, host string) (remote.Machine, error) {
				return w.dial(ctx, host)
			})
			out, held, err := planner.Holding(p.resources, planner.ReadRecords(facts))
			switch {
			case c.err != "":
				says(t, "holding", []string{fmt.Sprint(err)}, c.err)
			case err != nil || len(held) > 0:
				t.Errorf("held %v, %v", held, err)
			case strings.Contains(string(providers.JSON(out[1].Spec)), "evil"):
				t.Error("the forged command is planned")
			}
		})
	}
}
