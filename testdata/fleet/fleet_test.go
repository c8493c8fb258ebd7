package fleet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet/proxy"
	"github.com/shipctl/shipctl/testdata/load"
)

const include = "/etc/nginx/conf.d/service-url.inc"

// TestFleet boots four machines and does everything with them that the end-to-end tests rely on.
func TestFleet(t *testing.T) {
	f := Up(t, "app-1", "web-1", "web-2", "batch-1")
	for _, c := range []struct {
		name string
		test func(*testing.T, *Fleet)
	}{
		{"users", testUsers},
		{"identities", testIdentities},
		{"files", testFiles},
		{"disk", testDisk},
		{"remove", testRemove},
		{"counting", testCounting},
		{"proxy", testProxy},
		{"snapshot", testSnapshot},
		{"isolation", testIsolation},
		{"cpu", testCPU},
		{"partition", testPartition},
		{"nginx", testNginx},
		{"reboot", testReboot},
		{"power cut", testPowerCut},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.Use(t)
			c.test(t, f)
		})
	}
}

func testUsers(t *testing.T, f *Fleet) {
	for _, c := range []struct{ user, line, want string }{
		{"root", "id -u", "0"},
		{"deploy", "sudo -n id -u", "0"},
		{"deploy", "id -un", "deploy"},
		{"plain", "id -u; sudo -n true 2>/dev/null || echo refused", "1001\nrefused"},
	} {
		got, err := f.Machine("app-1").SSH(c.user, c.line)
		if err != nil || strings.TrimSpace(got) != c.want {
			t.Errorf("%s: %s: got %q %v, want %q", c.user, c.line, got, err, c.want)
		}
	}
	if _, err := f.Machine("app-1").SSH("teatime", "true"); err == nil {
		t.Error("teatime may log in")
	}
}

func testIdentities(t *testing.T, f *Fleet) {
	seen := map[string]string{}
	for _, m := range f.Machines {
		if got := m.Exec("hostname; ip -4 -o addr show host0 | grep -c " + m.Addr); got != m.Name+"\n1\n" {
			t.Errorf("%s calls itself %q", m.Name, got)
		}
		for _, id := range []string{m.Exec("cat /etc/machine-id"), m.Exec("cat /proc/sys/kernel/random/boot_id"), m.HostKey("ssh-ed25519"), m.HostKey("ecdsa-sha2-nistp256")} {
			if other := seen[id]; other != "" || len(id) < 30 {
				t.Errorf("%s and %s both have %q", m.Name, other, id)
			}
			seen[id] = m.Name
		}
	}
}

func testFiles(t *testing.T, f *Fleet) {
	m := f.Machine("app-1")
	for _, path := range []string{"/srv/a b/it's", "/run/in-memory", "/tmp/x"} {
		m.WriteFile(path, "text\n", 0o640)
		if got := m.ReadFile(path); got != "text\n" {
			t.Errorf("%s has %q", path, got)
		}
		if got := m.Exec("stat -c %a " + shellQuote(path)); got != "640\n" {
			t.Errorf("%s has mode %s", path, got)
		}
	}
	for _, at := range []string{m.Root, m.Upper} {
		if b, err := os.ReadFile(filepath.Join(at, "srv/a b/it's")); err != nil || string(b) != "text\n" {
			t.Errorf("below %s: %q %v", at, b, err)
		}
	}
	if _, err := m.Try("echo said >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "said") {
		t.Errorf("got %v, want what the command said", err)
	}
}

func testDisk(t *testing.T, f *Fleet) {
	m := f.Machine("app-1")
	m.LimitDisk("/srv/small", 1<<20)
	if _, err := m.Try("head -c 2000000 /dev/zero >/srv/small/big"); err == nil {
		t.Error("2 MB fit into 1 MB")
	}
	m.Exec("rm /srv/small/big && head -c 500000 /dev/zero >/srv/small/fits && umount /srv/small")
}

func testRemove(t *testing.T, f *Fleet) {
	m := f.Machine("batch-1")
	m.Remove("curl", "flock", "unzip")
	if got := m.Exec("command -v curl flock unzip || echo none"); got != "none\n" {
		t.Errorf("still there: %s", got)
	}
	f.Machine("app-1").Exec("command -v curl flock")
}

func testCounting(t *testing.T, f *Fleet) {
	m := f.Machine("app-1")
	mark := m.Mark()
	for range 2 {
		if _, err := m.SSH("deploy", "true"); err != nil {
			t.Fatal(err)
		}
	}
	if err := greeted(m.Addr + ":22"); err != nil {
		t.Fatal(err)
	}
	m.Exec("true") // no SSH
	if s := m.Served(mark); s.Connections != 3 || s.Logins != 2 || s.Commands != 2 {
		t.Errorf("%d connections, %d logins, %d commands; want 3, 2, 2\n%s", s.Connections, s.Logins, s.Commands, s.Log)
	}
	if s := m.Served(m.Mark()); s.Connections != 0 || s.Commands != 0 {
		t.Errorf("something after the second mark: %+v", s)
	}
}

func testProxy(t *testing.T, f *Fleet) {
	m := f.Machine("app-1")
	p, err := proxy.New(m.Addr + ":22")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ssh := func(line string) *exec.Cmd {
		return exec.Command("ssh", "-F", f.SSHConfig, "-o", "HostName=127.0.0.1", "-o", fmt.Sprintf("Port=%d", p.Port()), m.Name, line)
	}
	if out, err := ssh("hostname").CombinedOutput(); err != nil || string(out) != "app-1\n" || p.Connections() != 1 {
		t.Errorf("through the proxy: %q %v, %d connections", out, err, p.Connections())
	}
	c := ssh("echo begun; exec sleep 30")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = bufio.NewReader(out).ReadString('\n')
	p.Reset()
	if err := c.Wait(); err == nil {
		t.Error("ssh outlived a reset")
	}
	m.Exec("until pkill -x sleep; do :; done; while pgrep -x sleep; do :; done >/dev/null") // a closed connection ends no command
}

func testSnapshot(t *testing.T, f *Fleet) {
	m := f.Machine("app-1")
	m.WriteFile("/srv/state", "1", 0o644)
	before := m.Snapshot()
	if _, err := m.SSH("deploy", "sudo -n sh -c 'ls -R /etc /srv /proc/*/fd; systemctl status; cat /srv/state' >/dev/null 2>&1; true"); err != nil {
		t.Fatal(err)
	}
	if d := before.Diff(m.Snapshot()); len(d) > 0 {
		t.Errorf("looking changed something:\n%s", strings.Join(d, "\n"))
	}
	for _, c := range []struct{ name, do, undo, want string }{
		{"a file in /tmp", "touch /tmp/left", "rm /tmp/left", "+ /tmp/left"},
		{"a file in memory", "touch /run/left", "rm /run/left", "+ /run/left"},
		{"shared memory", "touch /dev/shm/left", "rm /dev/shm/left", "+ /dev/shm/left"},
		{"other content, same length", "printf 2 >/srv/state", "printf 1 >/srv/state", "~ /srv/state"},
		{"a mode", "chmod 600 /srv/state", "chmod 644 /srv/state", "~ /srv/state"},
		{"an owner", "chown deploy /srv/state", "chown root /srv/state", "~ /srv/state"},
		{"there and gone", "touch /opt/x; rm /opt/x", "true", "/opt "},
		{"removed from the base", "rm /usr/bin/rsync", "true", "+ /usr/bin/rsync removed"},
		{"a process", "setsid sleep 300 >/dev/null 2>&1 </dev/null & until pgrep -x sleep >/dev/null; do :; done", "pkill -x sleep", "sleep 300"},
		{"a service restarted", "systemctl restart cron", "true", "/usr/sbin/cron"},
	} {
		before := m.Snapshot()
		m.Exec(c.do)
		d := before.Diff(m.Snapshot())
		if !slices.ContainsFunc(d, func(s string) bool { return strings.Contains(s, c.want) }) {
			t.Errorf("%s: no %q in %q", c.name, c.want, d)
		}
		m.Exec(c.undo)
	}
}

func testIsolation(t *testing.T, f *Fleet) {
	m := f.Machine("app-1")
	if got := m.Exec("ip route show default; ip -6 route show default"); got != "" {
		t.Errorf("a way out: %s", got)
	}
	got := m.Exec("curl -sS -m 5 -o /dev/null http://web-1:22 2>&1 || true")
	if !strings.Contains(got, "HTTP/0.9") { // sshd's greeting: it was reached, by name
		t.Errorf("web-1 from app-1: %q", got)
	}
}

func testCPU(t *testing.T, f *Fleet) {
	m := f.Machine("app-1")
	before := m.CPU()
	m.Exec("python3 -c 'import time\nwhile time.process_time() < 0.4: pass'")
	if d := m.CPU() - before; d < 400*time.Millisecond || d > 2*time.Second {
		t.Errorf("0.4 s of work counted as %s", d)
	}
}

func testPartition(t *testing.T, f *Fleet) {
	m := f.Machine("web-2")
	m.Partition()
	c, err := net.DialTimeout("tcp", m.Addr+":22", 300*time.Millisecond)
	if err == nil {
		c.Close()
		t.Error("reached a machine off the network")
	}
	if m.Exec("echo alive") != "alive\n" {
		t.Error("helpers do not reach it")
	}
	m.Heal()
	if _, err := m.SSH("deploy", "true"); err != nil {
		t.Errorf("after healing: %v", err)
	}
}

// teatime builds the example program.
func teatime(t *testing.T) string {
	bin := filepath.Join(t.TempDir(), "teatime")
	c := exec.Command("go", "build", "-o", bin, "github.com/shipctl/shipctl/examples/teatime")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

func testNginx(t *testing.T, f *Fleet) {
	app, web := f.Machine("app-1"), f.Machine("web-1")
	app.CopyFile(teatime(t), "/usr/local/bin/teatime", 0o755)
	app.WriteFile("/etc/systemd/system/teatime.service", "[Service]\nType=exec\nUser=teatime\nExecStart=/usr/local/bin/teatime -port=8081 -version=1 -slot=blue\n[Install]\nWantedBy=multi-user.target\n", 0o644)
	app.Exec("systemctl enable --quiet --now teatime; until [ -n \"$(ss -Hltn 'sport = :8081')\" ]; do sleep 0.02; done")
	web.WriteFile(include, SetVariable("service_url", app.Addr+":8081"), 0o644)
	web.StartNginx(SiteVariable(include, "service_url"))
	serving, leaving := web.NginxWorkers()
	if len(serving) == 0 || len(leaving) != 0 {
		t.Errorf("workers %v and %v", serving, leaving)
	}
	answers(t, web)

	other := f.Machine("web-2")
	other.WriteFile(include, SetUpstream("teatime", app.Addr+":8081"), 0o644)
	other.StartNginx(SiteUpstream(include, "teatime"))
	answers(t, other)
}

func answers(t *testing.T, web *Machine) {
	t.Helper()
	r, err := load.Run(context.Background(), load.Options{Targets: []string{"http://" + web.Addr}, Rate: 100, Count: 50})
	if err != nil || r.Lost() != 0 || r.Versions()["1"] != 50 {
		t.Errorf("%s: %v\n%s", web.Name, err, r)
	}
}

func testReboot(t *testing.T, f *Fleet) {
	m := f.Machine("web-1")
	before := m.Exec("cat /proc/sys/kernel/random/boot_id")
	begin := time.Now()
	m.Reboot()
	t.Logf("rebooted in %s", time.Since(begin).Round(time.Millisecond))
	if m.Exec("cat /proc/sys/kernel/random/boot_id") == before {
		t.Error("the boot id is the same")
	}
	answers(t, m)
	if m.Exec("journalctl --list-boots -q | wc -l") == "1\n" {
		t.Error("the journal forgot the first boot")
	}
}

func testPowerCut(t *testing.T, f *Fleet) {
	m := f.Machine("web-2")
	m.Kill()
	if m.Running() || greeted(m.Addr+":22") == nil {
		t.Error("still there")
	}
	if _, err := m.Try("true"); err == nil {
		t.Error("a command ran on a machine that is off")
	}
	m.WriteFile("/srv/while-off", "x", 0o644)
	begin := time.Now()
	m.Start()
	t.Logf("booted in %s", time.Since(begin).Round(time.Millisecond))
	if m.ReadFile("/srv/while-off") != "x" {
		t.Error("the file is not there")
	}
	answers(t, m)
}

// TestTwoFleets: fleets do not meet.
func TestTwoFleets(t *testing.T) {
	a, b := Up(t, "m"), Up(t, "m")
	if a.Number == b.Number || a.Machines[0].Addr == b.Machines[0].Addr {
		t.Fatalf("both are %d, %s", a.Number, a.Machines[0].Addr)
	}
	if err := a.Down(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Machines[0].SSH("root", "true"); err != nil {
		t.Error(err)
	}
}

// TestCrashedRun: what a killed test leaves is cleaned up.
func TestCrashedRun(t *testing.T) {
	if os.Getenv("FLEET_TEST_CRASH") == "1" {
		f := Up(t, "left-1", "left-2")
		fmt.Printf("number %d.\n", f.Number)
		time.Sleep(5 * time.Minute) // to be killed
		return
	}
	c := exec.Command(os.Args[0], "-test.run=^TestCrashedRun$")
	c.Env = append(os.Environ(), "FLEET_TEST_CRASH=1")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for s := bufio.NewScanner(out); n == 0 && s.Scan(); {
		_, _ = fmt.Sscanf(s.Text(), "number %d.", &n)
	}
	if gone, err := Down(n); err != nil || len(gone) != 0 {
		t.Errorf("a living fleet was taken down: %v %v", gone, err)
	}
	if n == 0 || !exists(bridge(n)) {
		t.Fatalf("fleet %d has no bridge: nothing to clean up", n)
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	down, err := Down(n)
	if err != nil || (!slices.Equal(down, []int{n}) && !taken(t, n, c.Process.Pid)) {
		t.Errorf("got %v %v, want %d down", down, err, n)
	}
	gone(t, n, c.Process.Pid)
}

// taken: another test on this host, not owner, has the number by now. It cleaned up first.
func taken(t *testing.T, n, owner int) bool {
	runs, err := Status()
	if err != nil {
		t.Fatal(err)
	}
	return runs[n].Owner != 0 && runs[n].Owner != owner
}

func TestKeptFleet(t *testing.T) {
	f, err := New(context.Background(), Options{Names: []string{"kept"}, Keep: true})
	if err != nil {
		t.Fatal(err)
	}
	other := Up(t, "m")
	if other.Number == f.Number {
		t.Error("a kept fleet's number was taken")
	}
	runs, err := Status()
	if err != nil || !runs[f.Number].Keep || runs[f.Number].Machines["kept"] != f.Machines[0].Addr {
		t.Errorf("status %v %v", runs, err)
	}
	if _, err := f.Machines[0].SSH("deploy", "true"); err != nil {
		t.Error(err)
	}
	if _, err := Down(f.Number); err != nil {
		t.Error(err)
	}
	gone(t, f.Number, os.Getpid())
}

func TestFailedBootLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	f, err := New(ctx, Options{Names: []string{"m"}, Log: func(format string, _ ...any) {}})
	if err != nil {
		t.Fatal(err)
	}
	n = f.Number
	if err := f.Down(); err != nil {
		t.Fatal(err)
	}
	gone(t, n, os.Getpid())
	cancel()
	if _, err := New(ctx, Options{Names: []string{"m"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	for _, names := range [][]string{nil, {"a", "a"}, {"A"}, {"-x"}, {"a b"}, {"../x"}} {
		if _, err := New(context.Background(), Options{Names: names}); err == nil {
			t.Errorf("%q was taken", names)
		}
	}
}

// TestWhereNoOverlayCanBe: the machines' folder is on an overlay itself, as in a container.
func TestWhereNoOverlayCanBe(t *testing.T) {
	d := t.TempDir()
	for _, p := range []string{"lower", "upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(d, p), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	at := filepath.Join(d, "root")
	if err := mountOverlay(filepath.Join(d, "lower"), filepath.Join(d, "upper"), filepath.Join(d, "work"), at); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unmountBelow(at); err != nil {
			t.Error(err)
		}
	})
	t.Setenv(DirEnv, at)
	f := Up(t, "m")
	if f.Machines[0].Exec("hostname") != "m\n" {
		t.Error("no machine")
	}
	if err := f.Down(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(at); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func exists(link string) bool {
	_, err := net.InterfaceByName(link)
	return err == nil
}

// gone: no link, no process, no mount, no control group, no record of owner's fleet.
func gone(t *testing.T, n, owner int) {
	t.Helper()
	if left := remains(t, n); len(left) > 0 && !taken(t, n, owner) {
		t.Errorf("fleet %d left %q", n, left)
	}
}

func remains(t *testing.T, n int) []string {
	t.Helper()
	var left []string
	groups, err := controlGroups()
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range groups {
		dir := filepath.Join(at, "shipctl-fleet", fmt.Sprint(n))
		if _, err := os.Stat(dir); err == nil {
			left = append(left, fmt.Sprintf("%s with processes %v", dir, processes(dir)))
		}
	}
	for _, l := range []string{bridge(n), fmt.Sprintf("vb-s%dm0", n)} {
		if exists(l) {
			left = append(left, "link "+l)
		}
	}
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), fmt.Sprintf("/shipctl-fleet/%d/", n)) {
		left = append(left, "a mount")
	}
	if runs, err := Status(); err != nil || runs[n].Dir != "" {
		left = append(left, fmt.Sprintf("record %v %v", runs[n], err))
	}
	return left
}
