// Package seed holds what shipctl replaces, to measure against.
package seed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
	"github.com/shipctl/shipctl/testdata/load"
)

const include = "/etc/nginx/conf.d/service-prod-url.inc"

// TestScriptLosesRequests proves the meter: S1's script, with the same load as shipctl's own tests, loses some of the
// requests that take longer than a moment. The program ends at once when told to, as S1's did.
func TestScriptLosesRequests(t *testing.T) {
	f := fleet.Up(t, "app-1", "web-1", "web-2")
	app := f.Machine("app-1")
	bin := filepath.Join(t.TempDir(), "teatime")
	build := exec.Command("go", "build", "-o", bin, "github.com/shipctl/shipctl/examples/teatime")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	app.Trust()
	app.CopyFile("switch.sh", "/root/switch.sh", 0o755)
	app.CopyFile(bin, "/srv/teatime/teatime-1", 0o755)
	app.Exec("VERSION=1 SLOT=prod1 PORT=8080 nohup /srv/teatime/teatime-1 -abrupt >/dev/null 2>&1 </dev/null &")
	var targets []string
	for _, name := range []string{"web-1", "web-2"} {
		web := f.Machine(name)
		web.WriteFile(include, fleet.SetVariable("service_url", app.Addr+":8080"), 0o644)
		web.StartNginx(fleet.SiteVariable(include, "service_url"))
		targets = append(targets, "http://"+web.Addr)
	}
	for i, c := range []struct {
		ms       int
		mustLose bool
	}{{5, false}, {300, true}, {2000, true}} {
		t.Run(fmt.Sprintf("%dms", c.ms), func(t *testing.T) {
			f.Use(t)
			version := fmt.Sprint(i + 2)
			app.CopyFile(bin, "/srv/teatime/teatime-"+version, 0o755)
			m, err := load.Start(context.Background(), load.Options{Targets: targets, Paths: []string{fmt.Sprintf("/?ms=%d", c.ms)}})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(c.ms)*time.Millisecond + time.Second) // the load, not an event, is awaited: as many in flight as there will be
			t.Log(app.Exec(fmt.Sprintf("APP_IP=%s NGINX='web-1 web-2' BODY=ok PAUSE=1 STOP_WAIT=2 ARGS=-abrupt sh /root/switch.sh", app.Addr)))
			r := m.Stop()
			t.Logf("%s", r)
			if r.Versions()[version] == 0 {
				t.Errorf("version %s never answered", version)
			}
			if c.mustLose && r.Lost() == 0 {
				t.Error("nothing lost: the meter does not see what it is for")
			}
		})
	}
}
