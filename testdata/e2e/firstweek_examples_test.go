package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// TestExamples applies the example configurations as they stand: only addresses and keys are given.
func TestExamples(t *testing.T) {
	t.Parallel()
	f := fleet.Up(t, "box-1", "app-1", "app-2", "web-1", "web-2")
	for _, m := range f.Machines {
		m.Exec("sed -i 's/worker_connections 768/worker_connections 8192/' /etc/nginx/nginx.conf")
	}
	at := func(name string) string { return f.Machine(name).Addr }
	web := fmt.Sprintf("web = { web-1 = %q, web-2 = %q }\n", at("web-1"), at("web-2"))
	for _, e := range []struct {
		name, values, site string
		webs, apps         []string
	}{
		{
			"one-machine", fmt.Sprintf("address = %q\n", at("box-1")),
			fleet.SiteVariable("/etc/nginx/conf.d/service-url.inc", "service_url"),
			[]string{"box-1"},
			[]string{"box-1"},
		},
		{
			"two-nginx", fmt.Sprintf("app = %q\n", at("app-1")) + web,
			fleet.SiteVariable("/etc/nginx/conf.d/service-prod-url.inc", "service_url"),
			[]string{"web-1", "web-2"},
			[]string{"app-1"},
		},
		{
			"upstream", fmt.Sprintf("app = { app-1 = %q, app-2 = %q }\n", at("app-1"), at("app-2")) + web,
			fleet.SiteUpstream("/etc/nginx/conf.d/teatime-upstream.inc", "teatime"),
			[]string{"web-1", "web-2"},
			[]string{"app-1", "app-2"},
		},
	} {
		t.Run(e.name, func(t *testing.T) {
			f.Use(t)
			s := &site{t: t, fleet: f, dir: t.TempDir()}
			copyFile(t, filepath.Join("../../examples", e.name, "main.hcl"), filepath.Join(s.dir, "main.hcl"))
			s.write("machines.hclvars", e.values+fmt.Sprintf("identity_file = %q\nknown_hosts = %q\n", f.KeyFile, f.KnownHosts))
			s.env = []string{"SHIPCTL_CLI_ARGS=-var-file=machines.hclvars"}
			if err := os.MkdirAll(filepath.Join(s.dir, "build"), 0o755); err != nil {
				t.Fatal(err)
			}
			for _, v := range []string{"1", "2"} {
				copyFile(t, teatime, filepath.Join(s.dir, "build", "teatime-"+v))
			}
			for _, w := range e.webs {
				s.m(w).WriteSite(e.site)
			}
			s.deploy("1")
			s.settled("1")
			s.carefully(e.webs, func() { s.deploy("2") })
			for _, w := range e.webs {
				s.serves(w, "2")
			}
			s.settled("2")
			for _, m := range append(e.webs, e.apps...) { // the next example has the machines to itself
				s.m(m).Exec("systemctl stop nginx 'shipctl-*'; rm -rf /etc/systemd/system/shipctl-* /etc/nginx/conf.d/*.inc /srv/* /var/lib/shipctl; systemctl daemon-reload")
			}
		})
	}
}
