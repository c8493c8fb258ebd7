package e2e

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet/proxy"
)

// TestSilentUpload: a controller that is frozen in the middle of an upload, and one whose link carries nothing any more and
// says nothing of it, keep the machine until their lease has expired and no longer: the next one proceeds without anyone's
// help. What had arrived is gone, and nothing of theirs runs on.
func TestSilentUpload(t *testing.T) {
	t.Parallel()
	all := newMatrix(t, service(`variable = "service_url"`, program()), "app-1", "web-1")
	proxied, err := os.ReadFile(filepath.Join(all.dir, "hosts.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	links := func(do func(*proxy.Proxy)) {
		for _, p := range all.links {
			do(p)
		}
	}
	all.next()
	all.ok(all.apply()...)
	for _, c := range []struct {
		name       string
		stop, thaw func(freeze func(bool))
	}{
		{"frozen", func(freeze func(bool)) { freeze(true) }, func(freeze func(bool)) { freeze(false) }},
		{"silent link", func(func(bool)) { links(func(p *proxy.Proxy) { p.Stall(proxy.Up, proxy.Down) }) }, func(func(bool)) {
			links(func(p *proxy.Proxy) { p.Reset() })
			links((*proxy.Proxy).Resume)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := all.with(t)
			defer func() { all.version = x.version }()
			x.next()
			payload := make([]byte, 64<<20)
			_, _ = rand.Read(payload)
			if err := os.WriteFile(filepath.Join(x.dir, "build", "teatime-v"+strconv.Itoa(x.version), "payload"), payload, 0o600); err != nil {
				t.Fatal(err)
			}
			x.write("hosts.hcl", string(proxied))
			p := x.links["app-1"]
			cmd, out := x.begin(x.apply()...)
			frozen := func(yes bool) { freeze(t, cmd, yes) }
			if err := p.Wait(0, p.Bytes(proxy.Up)+8<<20, time.Minute); err != nil {
				t.Fatal(err, out)
			}
			c.stop(frozen)
			app := x.m("app-1")
			if got := app.Exec("cat /var/lib/shipctl/step.holder; stat -c %s /srv/teatime/releases/.upload-*"); !strings.Contains(got, "/upload") {
				t.Fatalf("it is not in the middle of the upload: %s", got)
			}
			// Others reach the machine by another way.
			x.write("hosts.hcl", x.hosts(`user = "deploy"`, `sudo = true`))
			x.next()
			begin := time.Now()
			if r := x.run(x.apply()...); r.code != 0 {
				t.Errorf("the next one: exit %d", r.code)
			}
			if took := time.Since(begin); took > 50*time.Second { // one that nobody ends is silent for a minute
				t.Errorf("the next one took %s", took)
			}
			if got := app.Exec("ls -A /srv/teatime/releases; ps -eo args"); strings.Contains(got, ".upload-") || strings.Contains(got, "tee .upload") {
				t.Errorf("something is left of the upload:\n%s", got)
			}
			c.thaw(frozen)
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 4 {
				t.Errorf("the first one: exit %d, want 4\n%s", code, out)
			}
			x.has(out.String(), `another run (took over this machine|holds the lease)`)
			x.settled("v" + strconv.Itoa(x.version))
		})
	}
}
