// Package seed holds what shipctl replaces, to measure against.
package seed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
	"github.com/shipctl/shipctl/testdata/load"
)

const include = "/etc/nginx/conf.d/service-prod-url.inc"

// TestScriptLosesRequests proves the meter: S1's script, with the same load as shipctl's own tests, loses some of the
// requests that take longer than a moment. The program ends at once when told to, as S1's did. How long that moment is
// depends on how fast the machine is: the script says when it stops the program, and what takes twice as long is lost.
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
	app.Exec("VERSION=1 SLOT=prod1 PORT=8080 nohup /srv/teatime/teatime-1 -abrupt >/dev/null 2>&1 </dev/null & until curl -s http://127.0.0.1:8080/health; do sleep 0.02; done")
	var targets []string
	for _, name := range []string{"web-1", "web-2"} {
		web := f.Machine(name)
		web.WriteFile(include, fleet.SetVariable("service_url", app.Addr+":8080"), 0o644)
		web.StartNginx(fleet.SiteVariable(include, "service_url"))
		targets = append(targets, "http://"+web.Addr)
	}
	lost := 0
	for i, ms := range []int{5, 300, 2000} {
		t.Run(fmt.Sprintf("%dms", ms), func(t *testing.T) {
			f.Use(t)
			version := fmt.Sprint(i + 2)
			app.CopyFile(bin, "/srv/teatime/teatime-"+version, 0o755)
			m, err := load.Start(context.Background(), load.Options{Targets: targets, Paths: []string{fmt.Sprintf("/?ms=%d", ms)}})
			if err != nil {
				t.Fatal(err)
			}
			takes := time.Duration(ms) * time.Millisecond
			time.Sleep(takes + time.Second) // the load, not an event, is awaited: as many in flight as there will be
			said := app.Exec(fmt.Sprintf("APP_IP=%s NGINX='web-1 web-2' BODY=ok PAUSE=1 STOP_WAIT=2 ARGS=-abrupt sh /root/switch.sh", app.Addr))
			t.Log(said)
			r := m.Stop()
			t.Logf("%s", r)
			if r.Versions()[version] == 0 {
				t.Errorf("version %s never answered", version)
			}
			lost += r.Lost()
			if moment := stopped(t, said); r.Lost() == 0 && 2*moment < takes {
				t.Errorf("nothing lost, though the program was stopped %s after the last switch: the meter does not see what it is for", moment)
			}
		})
	}
	if lost == 0 {
		t.Error("nothing lost at all: the meter is not proved")
	}
}

// stopped is how long after the last switch the script stopped the program that served before, as it says.
func stopped(t *testing.T, said string) time.Duration {
	t.Helper()
	at := map[string]int64{}
	for line := range strings.Lines(said) {
		var what, whom string
		var ms int64
		if _, err := fmt.Sscanf(line, "%s %s at %d", &what, &whom, &ms); err == nil {
			at[what] = ms // of the last one
		}
	}
	if at["switched"] == 0 || at["stopping"] == 0 {
		t.Fatalf("the script did not come to its end:\n%s", said)
	}
	return time.Duration(at["stopping"]-at["switched"]) * time.Millisecond
}
