package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shipctl/shipctl/testdata/fleet"
)

// trouble is a site with version 1 deployed.
func trouble(t *testing.T, runner string, flags ...string) *site {
	t.Helper()
	more := program(flags...) + fmt.Sprintf("\n  runner = %q\n  stop {\n    grace = \"2s\"\n  }", runner)
	hcl := strings.Replace(service(`variable = "service_url"`, more), `drain = "10s"`, `drain = "2s"`, 1)
	s := newSite(t, []string{"app-1", "web-1"}, hcl)
	s.m("web-1").WriteSite(fleet.SiteVariable(include, "service_url"))
	s.deploy("1")
	return s
}

var web = []string{"web-1"}

// onSmallDisk puts a folder on a file system of its own with what is in it, and fills it up.
func (s *site) onSmallDisk(machine, dir string) (free, end func()) {
	s.t.Helper()
	m := s.m(machine)
	m.Exec(fmt.Sprintf(`cp -a %s /root/kept && mount -t tmpfs -o size=256k,mode=755 tmpfs %s && cp -a /root/kept/. %s/
dd if=/dev/zero of=%s/filler bs=4k 2>/dev/null; true`, dir, dir, dir, dir))
	return func() { m.Exec("rm " + dir + "/filler") }, func() { m.Exec("umount -l " + dir + "; rm -rf /root/kept") }
}

// readOnly makes a folder a read-only file system until end is called.
func (s *site) readOnly(machine, dir string) (end func()) {
	s.t.Helper()
	s.m(machine).Exec(fmt.Sprintf("mount --bind %s %s && mount -o remount,bind,ro %s", dir, dir, dir))
	return func() { s.m(machine).Exec("umount -l " + dir) }
}

// TestDiskTrouble: where a file system is full or read-only, the step that finds out says so, everything is undone, the
// version before serves on without a request lost, and after the repair the same deployment works.
func TestDiskTrouble(t *testing.T) {
	t.Parallel()
	s := trouble(t, "systemd")
	for _, c := range []struct {
		name, version string
		code          int
		set           func(s *site) (repair func())
		want          string
	}{
		{"include's disk full", "2", 6, func(s *site) func() {
			free, end := s.onSmallDisk("web-1", "/etc/nginx/conf.d")
			return func() {
				free()
				s.m("web-1").Exec("cp -a /etc/nginx/conf.d /root/new")
				end()
				s.m("web-1").Exec("rm -rf /root/new")
			}
		}, `web-1.* failed.*\n(.*\n)*.*(can't write|No space left)`},
		{"state directory's disk full", "2", 1, func(s *site) func() {
			free, end := s.onSmallDisk("app-1", "/var/lib/shipctl")
			return func() { free(); end() }
		}, `app-1: the lease: .*(can't write|No space left)`},
		{"release root read-only", "3", 6, func(s *site) func() { return s.readOnly("app-1", "/srv/teatime") }, `upload.* failed.*\n(.*\n)*.*(Read-only file system|can't)`},
		{"include read-only", "2", 6, func(s *site) func() { return s.readOnly("web-1", "/etc/nginx/conf.d") }, `web-1.* failed.*\n(.*\n)*.*(Read-only file system|can't write)`},
		{"state directory read-only", "2", 1, func(s *site) func() { return s.readOnly("web-1", "/var/lib/shipctl") }, `web-1: the lease: .*(Read-only file system|can't write)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := s.with(t)
			stop := s.load(web, "/?ms=100")
			repair := c.set(s)
			files := s.m("web-1").Exec("cat " + include)
			out := s.fails(c.code, "apply", "-auto-approve", "-detailed-exitcode", "-var", "version="+c.version)
			s.has(out, c.want)
			if now := s.m("web-1").Exec("cat " + include); now != files {
				t.Errorf("the include is %q and was %q", now, files)
			}
			s.idle("green", 8082)
			repair()
			s.still(stop(), "1")
			s.settled("1")
		})
	}
	s.deploy("2")
	s.settled("2")
}

// TestStateFills: the state directory's disk fills up in the middle, so that neither the record nor the history can be written.
// The deployment is no worse for that: nothing is lost, the new version serves, and it says what could not be written down. With room
// again, applying once more finishes and writes it.
func TestStateFills(t *testing.T) {
	t.Parallel()
	s := trouble(t, "systemd")
	free, _ := s.onSmallDisk("app-1", "/var/lib/shipctl")
	free()
	points := watch(t)
	points.at(once(point{Step: `service.teatime["app-1"]/stop-blue`, Moment: "after"}, func() string {
		s.m("app-1").Exec("dd if=/dev/zero of=/var/lib/shipctl/filler bs=4k 2>/dev/null; true")
		return ""
	}))
	s.env = append(s.env, points.env)
	stop := s.load(web, "/?ms=100")
	r := s.run("apply", "-auto-approve", "-detailed-exitcode", "-lease=5s", "-var", "version=2")
	s.nothingLost(stop())
	s.env = nil
	if r.code != 0 {
		t.Errorf("exit %d", r.code)
	}
	s.has(r.out, `stop blue .* done`, `could not be written down everywhere; the next apply does that: .*app-1: the history: .*(can't write|No space left)`)
	if v := live(s, "web-1"); v != "2" {
		t.Errorf("version %s answers", v)
	}
	free()
	s.deploy("2")
	s.settled("2")
	// What the machine could not write is not made up afterwards.
	s.has(s.ok("history"), `service\.teatime on app-1 +1 +2 +begun`, `service\.teatime on web-1 +1 +2 +done`, `service\.teatime on app-1 +1 +2 +done`)
}

// TestClockSetBack: the machines' clocks go back an hour while a dead run holds the lease. Expiry counts uptime, so the next
// run proceeds at the usual time. nginx's files, written within that hour, look newer than its workers: whether a reload
// would bring something to life can't be told, so that is refused and named, until the operator says that it may.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	s := trouble(t, "systemd")
	s.killedAfterStart("2")
	for _, m := range []string{"app-1", "web-1"} { // the kernel's clock is the fleet's: what scripts are told is what counts
		s.m(m).Exec(`mv /bin/date /bin/date.real && printf '#!/bin/sh\nexec /bin/date.real -d "1 hour ago" "$@"\n' >/bin/date && chmod 755 /bin/date`)
	}
	s.has(s.fails(1, "apply", "-auto-approve", "-var", "version=2"), `web-1 .*a reload would bring to life what others have changed.*-allow-pending-nginx`)
	begin := time.Now()
	s.deploy("2", "-lock-timeout=20s", "-lease=2s", "-allow-pending-nginx")
	if took := time.Since(begin); took > heldUp {
		t.Errorf("the next run took %s", took)
	}
	s.settled("2")
	for _, m := range []string{"app-1", "web-1"} { // and they jump on again
		s.m(m).Exec("mv /bin/date.real /bin/date")
	}
	s.deploy("3", "-lease=2s")
	s.settled("3")
}

// TestLinkTrouble: sshd is restarted and all its connections are cut in the middle of a step; sshd allows one session at a
// time. Both end well.
func TestLinkTrouble(t *testing.T) {
	t.Parallel()
	s := trouble(t, "systemd", "--boot=2s")
	t.Run("sshd restarted", func(t *testing.T) {
		s := s.with(t)
		stop := s.load(web, "/?ms=100")
		cut := s.between("app-1", "start", `exec 9>&-; systemctl restart ssh; pkill -f '^sshd: deploy'; echo cut`)
		s.deploy("2", "-lease=5s")
		s.has(s.await(cut), "cut")
		s.nothingLost(stop())
		s.settled("2")
	})
	t.Run("MaxSessions 1", func(t *testing.T) {
		s := s.with(t)
		for _, m := range []string{"app-1", "web-1"} {
			s.m(m).Exec("mkdir -p /etc/ssh/sshd_config.d && echo 'MaxSessions 1' >/etc/ssh/sshd_config.d/one.conf && sshd -t && systemctl restart ssh && sshd -T | grep -qi '^maxsessions 1$'")
		}
		stop := s.load(web, "/?ms=100")
		s.deploy("3", "-lease=2s")
		s.nothingLost(stop())
		s.settled("3")
	})
}

// TestRebootInTheMiddle: the nginx machine, then the application machine, is rebooted right after one of its steps. The
// deployment goes on when it is up again, and ends well: what runs is started by the boot. A reboot that a step runs into is in the
// crash matrix.
func TestRebootInTheMiddle(t *testing.T) {
	t.Parallel()
	s := trouble(t, "systemd")
	s.m("web-1").Exec("systemctl -q enable nginx")
	points := watch(t)
	s.env = append(s.env, points.env)
	for _, c := range []struct{ machine, step, version string }{
		{"web-1", `service.teatime["web-1"]/check`, "2"},
		{"app-1", `service.teatime["app-1"]/start`, "3"},
		{"web-1", `service.teatime["web-1"]/switch`, "2"},
		{"app-1", `release.teatime["app-1"]/activate`, "3"},
	} {
		t.Run("after "+strings.ReplaceAll(c.step, "/", " "), func(t *testing.T) {
			s := s.with(t)
			var rebooted atomic.Bool
			points.at(once(point{Step: c.step, Moment: "after"}, func() string {
				s.m(c.machine).Reboot()
				rebooted.Store(true)
				return ""
			}))
			r := s.run("apply", "-auto-approve", "-detailed-exitcode", "-lease=2s", "-var", "version="+c.version)
			points.at(nil)
			if r.code != 0 || !rebooted.Load() {
				t.Errorf("exit %d, rebooted: %t", r.code, rebooted.Load())
			}
			if v := live(s, "web-1"); v != c.version {
				t.Errorf("version %s answers", v)
			}
			if r = s.run("apply", "-auto-approve", "-lock-timeout=20s", "-var", "version="+c.version); r.code != 0 {
				t.Fatalf("applied again: exit %d", r.code)
			}
			s.settled(c.version)
		})
	}
}

// TestHeldOpen: a connection through nginx that stays open, as a WebSocket does, holds a deployment up for no longer than
// drain; then it is cut off, and counted.
func TestHeldOpen(t *testing.T) {
	t.Parallel()
	s := trouble(t, "systemd")
	ended := make(chan string, 1)
	go func() { // nginx passes nothing on before its buffer is full, so this waits in Get already
		r, err := http.Get("http://" + s.m("web-1").Addr + "/stream?s=500")
		if err != nil {
			ended <- ""
			return
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		ended <- string(text)
	}()
	s.m("app-1").Exec(`until [ -n "$(ss -Htn state established 'sport = :8081')" ]; do sleep 0.05; done`)
	begin := time.Now()
	out := s.deploy("2")
	if took := time.Since(begin); took > 4*time.Minute {
		t.Errorf("it took %s", took)
	}
	s.has(out, `drain blue .*done.*\n?.*1 worker of nginx still had requests after 2 s`, `stop blue .*done.*\n?.*cut off 1 .*connection`)
	select {
	case text := <-ended:
		if strings.Contains(text, "end") {
			t.Errorf("it was not cut off: %q", text)
		}
	case <-time.After(30 * time.Second):
		t.Error("it is still open")
	}
	s.settled("2")
	s.has(s.ok("history", "-limit=1"), `service\.teatime +1 +2 +done\n +1 connection cut off`)
	var h struct {
		Runs []struct {
			CutOff int `json:"cut_off"`
			Steps  []struct {
				Step   string
				CutOff int `json:"cut_off"`
			}
		}
	}
	if err := json.Unmarshal([]byte(s.ok("history", "-json", "-limit=1")), &h); err != nil || len(h.Runs) != 1 || h.Runs[0].CutOff != 1 {
		t.Fatalf("%v, %+v", err, h)
	}
	for _, step := range h.Runs[0].Steps {
		if want := map[bool]int{true: 1}[strings.HasSuffix(step.Step, "/stop-blue")]; step.CutOff != want {
			t.Errorf("%s cut off %d, want %d", step.Step, step.CutOff, want)
		}
	}
}

// TestWebSocket: one that is open through nginx goes on with the old version while requests go to the new one, for as
// long as drain says; then it is cut off, and counted.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	s := trouble(t, "systemd")
	site := strings.Replace(fleet.SiteVariable(include, "service_url"), "location / {", `location /echo {
		proxy_pass $service_url;
		proxy_http_version 1.1;
		proxy_set_header Upgrade $http_upgrade;
		proxy_set_header Connection upgrade;
	}
	location / {`, 1)
	s.m("web-1").WriteSite(site)
	s.reload("web-1") // the earlier workers still accept for a moment
	ws := openWebSocket(t, s.m("web-1").Addr)
	if got := ws.say("before"); got != "1 before" {
		t.Fatalf("%q", got)
	}
	stop := s.load(web, "/?ms=5")
	deployed := make(chan string, 1)
	go func() {
		defer close(deployed)
		deployed <- s.deploy("2")
	}()
	served := 0
	for until := time.Now().Add(time.Minute); time.Now().Before(until); served++ { // while both run
		got := ws.say(fmt.Sprint("message ", served))
		if got == "" {
			break
		}
		if got != fmt.Sprint("1 message ", served) {
			t.Fatalf("%q", got)
		}
		time.Sleep(20 * time.Millisecond) // as people type
	}
	if out := <-deployed; served < 50 {
		t.Errorf("cut off after %d messages", served)
	} else {
		s.has(out, `drain blue .*done.*\n?.*1 worker of nginx still had requests after 2 s`, `stop blue .*done.*\n?.*cut off 1 .*connection`)
	}
	s.nothingLost(stop())
	if got := openWebSocket(t, s.m("web-1").Addr).say("after"); got != "2 after" {
		t.Errorf("%q", got)
	}
	s.settled("2")
}

// webSocket is an open one, by RFC 6455.
type webSocket struct {
	conn net.Conn
	r    *bufio.Reader
}

func openWebSocket(t *testing.T, addr string) *webSocket {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr+":80", 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	w := &webSocket{conn, bufio.NewReader(conn)}
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprint(conn, "GET /echo HTTP/1.1\r\nHost: teatime\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	answer, err := http.ReadResponse(w.r, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("%v, %+v", err, answer)
	}
	return w
}

// say sends a message and returns its answer, "" where the connection was cut off.
func (w *webSocket) say(text string) string {
	_ = w.conn.SetDeadline(time.Now().Add(30 * time.Second))
	frame := []byte{0x81, 0x80 | byte(len(text)), 1, 2, 3, 4}
	for i := range text {
		frame = append(frame, text[i]^frame[2+i%4])
	}
	if _, err := w.conn.Write(frame); err != nil {
		return ""
	}
	var head [2]byte
	if _, err := io.ReadFull(w.r, head[:]); err != nil {
		return ""
	}
	answer := make([]byte, head[1])
	if _, err := io.ReadFull(w.r, answer); err != nil {
		return ""
	}
	return string(answer)
}

// TestPidReused: between the check and the kill the old program ends by itself, and its PID belongs to somebody else, who is
// not killed.
func TestPidReused(t *testing.T) {
	t.Parallel()
	s := trouble(t, "process", "--ignore-term")
	m := s.m("app-1")
	pid := s.pid(8081)
	if pid == "" {
		t.Fatal("nobody listens on 8081")
	}
	m.Exec("mount -o remount,rw /proc/sys 2>/dev/null; [ -w /proc/sys/kernel/ns_last_pid ]")
	reused := make(chan ran, 1)
	go func() { // TERM is ignored for 2 s; in that time the program ends, and another one gets its PID
		out, err := m.Try(fmt.Sprintf(`until grep -q '/stop-blue$' /var/lib/shipctl/step.holder 2>/dev/null; do sleep 0.02; done
until grep -q 'SigPnd:.*4000\|ShdPnd:.*4000' /proc/%[1]s/status 2>/dev/null || [ $((n=${n:-0}+1)) -gt 20 ]; do sleep 0.02; done
kill -9 %[1]s; while kill -0 %[1]s 2>/dev/null; do :; done
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	echo $((%[1]s - 1)) >/proc/sys/kernel/ns_last_pid
	sleep 600 </dev/null >/dev/null 2>&1 &
	[ $! != %[1]s ] || { echo reused; exit 0; }
	kill $!
done; exit 3`, pid))
		reused <- ran{out, err}
	}()
	out := s.deploy("2")
	s.has(s.await(reused), "reused")
	s.alive("app-1", pid, "sleep 600")
	s.has(out, `stop blue`)
	s.settled("2")
	s.alive("app-1", pid, "sleep 600")
}
