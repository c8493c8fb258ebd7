package nginx_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shipctl/shipctl/providers/nginx"
	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

// TestDeployment goes the whole way in both forms, and back.
func TestDeployment(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		for _, form := range []string{"variable", "upstream"} {
			t.Run(form, func(t *testing.T) {
				s := newSite(t, shell, form == "upstream")
				s.up(s.blue)
				before := s.conf()
				check, swtch, drain := s.steps(s.blue, s.green)
				s.must(check.Do)
				equal(t, "after the check", s.conf(), before)
				s.serves(s.blue)

				s.must(swtch.Do)
				s.serves(s.green)
				want, err := nginx.Content(s.route, []string{s.green.addr})
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "the file", s.read("conf.d/service.inc"), want)
				equal(t, "drain says", s.must(drain.Do), "nothing was cut off\n")
				l := s.live()
				equal(t, "loaded", fmt.Sprint(l.LoadedKnown, l.Loaded, l.File, l.Included, l.Others, l.Pending), fmt.Sprint(true, []string{s.green.addr}, []string{s.green.addr}, true, []string{}, []string{}))
				equal(t, "worker_shutdown_timeout", l.ShutdownTimeout, "20s")

				workers := l.Serving
				equal(t, "a second switch says", s.must(swtch.Do), "was done already\n")
				equal(t, "workers after a second switch", s.live().Serving, workers)

				for range 2 {
					s.must(*swtch.Undo)
					equal(t, "after the undo", s.conf(), before)
					s.serves(s.blue)
					equal(t, "loaded after the undo", s.live().Loaded, []string{s.blue.addr})
				}
			})
		}
	})
}

func TestLookChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		snapshot := func() string {
			var all []string
			err := filepath.WalkDir(s.dir, func(p string, e os.DirEntry, err error) error {
				if err != nil {
					return err
				}
				info, err := e.Info()
				all = append(all, fmt.Sprint(p, info.Mode(), info.ModTime(), info.Size()))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(all, "\n")
		}
		before := snapshot()
		l := s.live()
		equal(t, "nginx down", snapshot(), before)
		equal(t, "of nginx down", fmt.Sprint(l.Installed, l.Up, l.LoadedKnown, l.Loaded, l.Exists, l.Included), "true false true [] false true")
		s.up(s.blue)
		s.await("nginx has logged that", func() bool { return strings.Count(s.read("error.log"), "start worker process ") == 2 })
		before = snapshot()
		s.live()
		equal(t, "nginx up", snapshot(), before)
	})
}

// TestPortConflict: nginx -t does not see it, the reload does not take, and the seed's script would have gone on.
func TestPortConflict(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		s.up(s.blue)
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		s.write("sites/other.conf", fmt.Sprintf("server { listen %s; }\n", taken.Addr()))
		before, workers := s.conf(), s.live().Serving
		check, swtch, _ := s.steps(s.blue, s.green)
		s.must(check.Do)
		s.fails(swtch.Do, "did not take the reload", "bind()", "Address already in use", "is as it was")
		equal(t, "after the failure", s.conf(), before)
		equal(t, "workers", s.live().Serving, workers)
		s.serves(s.blue)
		s.must(*swtch.Undo)
		equal(t, "after the undo", s.conf(), before)
		s.serves(s.blue)
	})
}

func TestStalePidfile(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		other := exec.Command("sleep", "1000")
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
		s.write("nginx.pid", fmt.Sprintln(other.Process.Pid))
		l := s.live()
		if l.Up || !strings.Contains(l.PidNote, "is stale") || !strings.Contains(l.PidNote, "sleep 1000") {
			t.Errorf("up %v, %q", l.Up, l.PidNote)
		}
		_, swtch, _ := s.steps(nil, s.green)
		equal(t, "switch says", s.must(swtch.Do), "nginx was not running; it is started\n")
		s.serves(s.green)
		if err := other.Process.Signal(syscall.Signal(0)); err != nil {
			t.Errorf("the unrelated process is gone: %v", err)
		}
		// The first deployment is undone: no file, no nginx.
		s.must(*swtch.Undo)
		equal(t, "masters after the undo", len(s.masters()), 0)
		equal(t, "the file", s.read("conf.d/service.inc"), "(none)")
	})
}

// TestStray: nginx runs, and its pidfile says otherwise.
func TestStray(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		s.up(s.blue)
		before := s.conf()
		if err := os.Remove(s.path("nginx.pid")); err != nil {
			t.Fatal(err)
		}
		l := s.live()
		equal(t, "up, strays, known", fmt.Sprint(l.Up, l.Strays, l.LoadedKnown), fmt.Sprint(false, s.masters(), false))
		if p := nginx.Problems(s.route, l, []string{s.green.addr}, false); len(p) != 1 || !strings.Contains(p[0], "pidfile") {
			t.Errorf("problems %q", p)
		}
		check, swtch, _ := s.steps(s.blue, s.green)
		s.fails(check.Do, "there is no pidfile")
		s.fails(swtch.Do, "there is no pidfile")
		equal(t, "after", s.conf(), before)
		s.serves(s.blue)
	})
}

// TestTurnoverThatWeDidNotCause: a worker that was respawned is newer than the include and serves the old one.
func TestTurnoverThatWeDidNotCause(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		s.up(s.blue)
		l := s.live() // of a nginx that we have never seen, started right after the file was written
		equal(t, "known at first, probe", fmt.Sprint(l.LoadedKnown, *l.Probe), "false {200 blue}")
		_, swtch, _ := s.steps(s.blue, s.green)
		s.must(swtch.Do)

		s.writeRoute(s.blue) // not loaded
		l = s.live()
		equal(t, "file and loaded", fmt.Sprint(l.File, l.Loaded, l.LoadedKnown), fmt.Sprint([]string{s.blue.addr}, []string{s.green.addr}, true))
		old := l.Serving
		for _, w := range old {
			if err := syscall.Kill(w.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		s.await("respawned workers", func() bool {
			l = s.live()
			return len(l.Serving) == 2 && !slices.Contains(l.Serving, old[0]) && !slices.Contains(l.Serving, old[1])
		})
		equal(t, "respawned: known, probe", fmt.Sprint(l.LoadedKnown, *l.Probe), "false {200 green}")

		s.nginx("-s", "reload")
		s.await("a foreign reload", func() bool { l = s.live(); return l.Probe != nil && l.Probe.Body == "blue" })
		equal(t, "foreign reload: known", l.LoadedKnown, false)

		s.must(swtch.Do) // its own earlier success does not deceive it
		s.serves(s.green)
		equal(t, "known again", fmt.Sprint(s.live().LoadedKnown, s.live().Loaded), fmt.Sprint(true, []string{s.green.addr}))
	})
}

func TestCheckRefuses(t *testing.T) {
	tests := []struct {
		name  string
		setup func(s *site)
		says  []string
	}{
		{"nobody includes the file", func(s *site) {
			s.write("sites/teatime.conf", fmt.Sprintf("server { listen 127.0.0.1:%d; set $service_url http://%s;\nlocation / { proxy_pass $service_url; } }", s.port, s.blue.addr))
		}, []string{"nobody includes", "conf.d/service.inc"}},
		{"a commented include", func(s *site) {
			s.write("sites/teatime.conf", fmt.Sprintf("server { listen 127.0.0.1:%d; # include conf.d/service.inc;\nlocation / { return 200 'include conf.d/service.inc;'; } }", s.port))
		}, []string{"nobody includes"}},
		{"another has the last word", func(s *site) {
			s.write("sites/teatime.conf", strings.Replace(s.read("sites/teatime.conf"), "location", "set\n\t$service_url 'http://127.0.0.1:9';\n\tlocation", 1))
		}, []string{"would not have the last word", "sites/teatime.conf:5 too"}},
		{"in an included file", func(s *site) {
			s.write("conf.d/zz.inc", "set $service_url http://127.0.0.1:9;\n")
			s.write("sites/teatime.conf", strings.Replace(s.read("sites/teatime.conf"), "location", "include conf.d/z?.inc;\nlocation", 1))
		}, []string{"would not have the last word", "conf.d/zz.inc:1"}},
		{"a syntax error of somebody else's", func(s *site) {
			s.write("sites/zz.conf", "server { listen 1;;; nonsense }\n")
		}, []string{"does not accept", "sites/zz.conf:1"}},
	}
	each(t, func(t *testing.T, shell string) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				s := newSite(t, shell, false)
				s.up(s.blue)
				if err := os.Chmod(s.route.File, 0o640); err != nil {
					t.Fatal(err)
				}
				tt.setup(s)
				before, workers := s.conf(), s.live().Serving
				check, swtch, _ := s.steps(s.blue, s.green)
				s.fails(check.Do, tt.says...)
				equal(t, "after the check", s.conf(), before)
				s.fails(swtch.Do, tt.says...)
				equal(t, "after the switch", s.conf(), before)
				equal(t, "workers", s.live().Serving, workers)
				s.serves(s.blue)
				if p := nginx.Problems(s.route, s.live(), []string{s.green.addr}, true); len(p) == 0 {
					t.Error("the plan sees no problem")
				}
			})
		}
	})
}

func TestCheckAccepts(t *testing.T) {
	tests := []struct {
		name  string
		setup func(s *site)
	}{
		{"a dotfile with garbage", func(s *site) { s.write("sites/.conf", "garbage {"); s.write("conf.d/.service.inc.swp", "garbage {") }},
		{"the same variable in another server", func(s *site) {
			s.write("sites/zz.conf", fmt.Sprintf("server { listen 127.0.0.1:%d; set $service_url http://127.0.0.1:9; }", remotetest.FreePort(s.t)))
		}},
		{"a default before the include", func(s *site) {
			s.write("sites/teatime.conf", strings.Replace(s.read("sites/teatime.conf"), "include conf.d/s", "set $service_url '';\n\tinclude conf.d/s", 1))
		}},
		{"included by a location, set around it", func(s *site) {
			s.write("sites/teatime.conf", fmt.Sprintf("server { listen 127.0.0.1:%d; location / { include ../%s/conf.d/*.inc; proxy_pass $service_url; }\nset $service_url http://127.0.0.1:9; }", s.port, filepath.Base(s.dir)))
		}},
	}
	each(t, func(t *testing.T, shell string) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				s := newSite(t, shell, false)
				s.up(s.blue)
				tt.setup(s)
				before := s.conf()
				if p := nginx.Problems(s.route, s.live(), []string{s.green.addr}, true); len(p) != 0 {
					t.Errorf("problems %q", p)
				}
				check, swtch, _ := s.steps(s.blue, s.green)
				s.must(check.Do)
				equal(t, "after the check", s.conf(), before)
				s.must(swtch.Do)
				s.serves(s.green)
				equal(t, "the undo says", s.must(*swtch.Undo), "nothing was cut off\n")
				equal(t, "after the undo", s.conf(), before)
			})
		}
	})
}

// TestNotReachable: a slot that crashed, or that the nginx machine can't reach, or that is another.
func TestNotReachable(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		s.up(s.blue)
		before := s.conf()
		dead := &slot{name: "green", addr: fmt.Sprintf("127.0.0.1:%d", remotetest.FreePort(t))}
		check, _, _ := s.steps(s.blue, dead)
		s.fails(check.Do, "http://"+dead.addr+"/ gave status 000")
		check.Do.Args[12] = "" // no path: a connection is enough
		s.fails(check.Do, dead.addr+" can't be reached from this machine")
		impostor := &slot{name: "green", addr: s.blue.addr}
		check, swtch, _ := s.steps(s.blue, impostor)
		s.fails(check.Do, `gave status 200, "blue`, "expected status 200 and a body like ^green$")
		check.Do.Args[12] = ""
		s.must(check.Do)
		s.fails(swtch.Do, "through nginx", `"blue`, "is as it was")
		equal(t, "after", s.conf(), before)
		s.serves(s.blue)
	})
}

// TestDrain: requests in flight stay with the earlier slot; the drain waits for them, no longer than told.
func TestDrain(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		s.up(s.blue)
		release := sync.OnceFunc(func() { close(s.blue.release) })
		defer release()
		answer := make(chan string, 1)
		go func() {
			got, err := s.get("/slow")
			answer <- fmt.Sprint(got, err)
		}()
		<-s.blue.entered
		s.route.Drain = time.Second
		_, swtch, drain := s.steps(s.blue, s.green)
		s.must(swtch.Do)
		s.serves(s.green)
		s.await("one leaves, the other is gone", func() bool { return len(s.live().Leaving) == 1 })
		if out := s.must(drain.Do); !strings.HasPrefix(out, "1 worker of nginx still had requests after 1 s (peers: ") || !strings.Contains(out, s.blue.addr) {
			t.Errorf("drain says %q", out)
		}
		release()
		equal(t, "the answer", <-answer, "blue<nil>")
		s.route.Drain = 10 * time.Second
		_, _, drain = s.steps(s.blue, s.green)
		equal(t, "drain says then", s.must(drain.Do), "nothing was cut off\n")
	})
}

// TestForeignReloads: somebody reloads all the time while we switch.
func TestForeignReloads(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		s.up(s.blue)
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-stop:
					return
				default:
					s.nginx("-s", "reload")
				}
			}
		}()
		from, to := s.blue, s.green
		for i := range 6 {
			s.run = fmt.Sprint("run-", i)
			_, swtch, _ := s.steps(from, to)
			s.must(swtch.Do)
			s.serves(to)
			from, to = to, from
		}
		close(stop)
		<-done
		s.serves(from)
	})
}

// reload is somebody else's, until no earlier worker serves.
func (s *site) reload() {
	s.t.Helper()
	old := s.live().Serving
	s.nginx("-s", "reload")
	s.await("a foreign reload", func() bool {
		now := s.live().Serving
		return len(now) == len(old) && !slices.ContainsFunc(now, func(p nginx.Process) bool { return slices.Contains(old, p) })
	})
}

// TestForeignReloadAtCrash: a step died, and before it is undone somebody makes nginx load what it has left: the undo puts
// that back too, once.
func TestForeignReloadAtCrash(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		s.up(s.blue)
		s.link("curl", filepath.Join(s.shim, "curl"))
		s.tripwire("KILL $(shells)")
		check, swtch, _ := s.steps(s.blue, s.green)
		before, wrong := s.conf(), 0
		undone := func(undo remote.Call) func() {
			return func() {
				s.reload()
				if got, _ := s.get("/"); got == s.green.name {
					wrong++
				}
				s.must(undo)
				s.serves(s.blue)
				workers := s.live().Serving
				s.must(undo)
				equal(t, "workers after a second undo", s.live().Serving, workers)
				equal(t, "after the undo", s.conf(), before)
			}
		}
		s.crashing(check.Do, 3, undone(*check.Undo))
		if wrong == 0 {
			t.Error("no foreign reload loaded what was tried")
		}
		wrong = 0
		s.crashing(swtch.Do, 5, undone(*swtch.Undo))
		if wrong == 0 {
			t.Error("no foreign reload loaded what was written")
		}
	})
}

// TestRemoveDeleted: a file that somebody has deleted is served until a reload: the step takes it out of the workers too.
func TestRemoveDeleted(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		s.up(s.blue)
		_, swtch, _ := s.steps(s.blue, s.green)
		s.must(swtch.Do)
		s.write("sites/teatime.conf", fmt.Sprintf("server { listen 127.0.0.1:%d; return 200 else; }\n", s.port))
		if err := os.Remove(s.route.File); err != nil {
			t.Fatal(err)
		}
		s.serves(s.green)
		remove := s.route.Remove("service.teatime[\"web-1\"]/remove-route")
		if out := s.must(remove.Do); out != "nothing was cut off\n" {
			t.Errorf("it says %q", out)
		}
		s.serves(&slot{name: "else"})
		workers := s.live().Serving
		equal(t, "again", s.must(remove.Do), "is not there\n")
		equal(t, "workers", s.live().Serving, workers)
	})
}

// TestUsed: whether any statement of nginx names what our file sets; a comment, or a name that only begins alike, is none.
func TestUsed(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		for _, upstream := range []bool{false, true} {
			s := newSite(t, shell, upstream)
			s.up(s.blue)
			equal(t, "used", s.live().Used, true)
			name, other := "$"+s.route.Variable, "$"+s.route.Variable+"_2"
			if upstream {
				name, other = "http://"+s.route.Upstream, "http://"+s.route.Upstream+"2"
			}
			conf := s.read("sites/teatime.conf")
			if !strings.Contains(conf, "proxy_pass "+name) {
				t.Fatalf("proxy_pass %s is not in\n%s", name, conf)
			}
			s.write("sites/teatime.conf", strings.ReplaceAll(conf, "proxy_pass "+name, "# "+name+" "+other+"\n\tproxy_pass http://"+s.blue.addr))
			equal(t, "used where the address is fixed", s.live().Used, false)
			s.kill()
			equal(t, "used, with nginx down", s.live().Used, false)
		}
	})
}

// TestNamed: an include without a wildcard is one that nginx can't do without, whether our file is there or not; what look
// says is what remove finds.
func TestNamed(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		s.up(s.blue)
		_, swtch, _ := s.steps(s.blue, s.green)
		s.must(swtch.Do)
		site := func(include string) {
			s.write("sites/teatime.conf", fmt.Sprintf("server {\n\tlisten 127.0.0.1:%d;\n\tinclude %s;\n\treturn 200 else;\n}\n", s.port, include))
		}
		at := []string{s.path("sites/teatime.conf") + ":3"}
		site("conf.d/service.inc")
		l := s.live()
		equal(t, "by its name", fmt.Sprint(l.Named, l.Includes), fmt.Sprint(at, at))
		s.fails(s.route.Remove(`service.teatime["web-1"]/remove-route`).Do, "can't do without")
		site("conf.d/s*.inc")
		l = s.live()
		equal(t, "by a pattern", fmt.Sprint(l.Named, l.Includes), fmt.Sprint([]string{}, at))
		s.must(s.route.Remove(`service.teatime["web-1"]/remove-route`).Do)
		equal(t, "by a pattern, and removed", s.live().Named, []string{})
		site("conf.d/service.inc")
		equal(t, "by its name, and not there", s.live().Named, at)
		s.kill()
		equal(t, "by its name, nginx down", s.live().Named, at)
	})
}

// TestMissing: another file that is included and not there, nginx up or down. Its own is no reason to say so.
func TestMissing(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		s.up(s.blue)
		s.write("sites/other.conf", "include "+s.path("conf.d/other.inc")+";\n")
		if err := os.Remove(s.path("conf.d/service.inc")); err != nil {
			t.Fatal(err)
		}
		for _, state := range []string{"up", "down"} {
			l := s.live()
			equal(t, "missing, nginx "+state, fmt.Sprint(l.Missing, l.Unread, l.Exists), fmt.Sprint([]string{s.path("conf.d/other.inc")}, []string{}, false))
			s.kill()
		}
	})
}

func TestPending(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		s.up(s.blue)
		began := s.live().Serving[0].Start
		equal(t, "pending at first", s.live().Pending, []string{})
		s.await("two seconds of uptime", func() bool { return uptime(t) > began+400 })
		s.write("sites/half.conf", "# half edited\n")
		edited := uptime(t)
		l := s.live()
		equal(t, "pending", l.Pending, []string{s.path("sites/half.conf")})
		to := []string{s.green.addr}
		if p := nginx.Problems(s.route, l, to, false); len(p) != 1 || !strings.Contains(p[0], "sites/half.conf") {
			t.Errorf("problems %q", p)
		}
		equal(t, "problems with consent", nginx.Problems(s.route, l, to, true), []string{})

		// The whole of nginx is started again: what is on disk is loaded.
		s.kill()
		s.await("two seconds more", func() bool { return uptime(t) > edited+400 })
		s.up(nil)
		l = s.live()
		equal(t, "after a restart", fmt.Sprint(l.LoadedKnown, l.Loaded, l.Pending), fmt.Sprint(true, []string{s.blue.addr}, []string{}))
	})
}

// uptime is in ticks, as a process's start.
func uptime(t *testing.T) uint64 {
	t.Helper()
	b, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	var sec, hundredth uint64
	if _, err := fmt.Sscanf(string(b), "%d.%d", &sec, &hundredth); err != nil {
		t.Fatal(err)
	}
	return sec*100 + hundredth
}

// TestCrash kills the shell of a step, or asks it to end, at each moment at which it has just written something; then
// the step is run again, or undone.
func TestCrash(t *testing.T) {
	tests := []struct {
		shell, signal string
		again         bool
	}{
		{"dash", "KILL", true},
		{"dash", "KILL", false},
		{"dash", "TERM", false},
		{"busybox", "KILL", false},
		{"busybox", "TERM", true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, tt.shell, false)
			s.up(s.blue)
			s.tripwire(tt.signal)
			s.link("curl", filepath.Join(s.shim, "curl")) // without it a request takes a second under busybox
			before := s.conf()
			check, swtch, drain := s.steps(s.blue, s.green)
			s.crashing(check.Do, 3, func() {
				s.serves(s.blue)
				if tt.signal == "TERM" {
					equal(t, "after TERM", s.conf(), before)
				}
				if tt.again {
					s.must(check.Do)
				} else {
					s.must(*check.Undo)
				}
				equal(t, "after a check", s.conf(), before)
			})
			s.crashing(swtch.Do, 5, func() {
				if tt.again {
					s.must(swtch.Do)
					s.serves(s.green)
					s.must(drain.Do)
				}
				s.must(*swtch.Undo)
				s.serves(s.blue)
				equal(t, "after the undo", s.conf(), before)
			})
		})
	}
}

// crashing runs a step with a crash at its first moment, its second and so on, each in a run of its own, and then what
// must hold. It fails where there are fewer than so many.
func (s *site) crashing(c remote.Call, atLeast int, then func()) {
	s.t.Helper()
	for n := 1; ; n++ {
		s.run = fmt.Sprint("run-", c.Script[6:], n)
		s.write("state/trip", fmt.Sprint(n))
		_, err := s.do(c)
		left, _ := strconv.Atoi(strings.TrimSpace(s.read("state/trip")))
		_ = os.Remove(s.path("state/trip"))
		if left > 0 { // there was no such moment
			if err != nil || n <= atLeast {
				s.t.Fatalf("%s: %d moments: %v", c.Script, n-1, err)
			}
			return
		}
		then()
	}
}

// tripwire is a sync that counts state/trip down, and at 1 ends the shell that called it, or all that it was forked from.
func (s *site) tripwire(signal string) {
	text := `#!/bin/sh
f=` + s.path("state/trip") + `
shells() {
	p=$PPID
	line=$(tr '\\0' ' ' <"/proc/$p/cmdline")
	while [ "$(tr '\\0' ' ' <"/proc/$p/cmdline")" = "$line" ]; do
		echo "$p"
		p=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$p/status")
	done
}
[ -e "$f" ] || exit 0
n=$(cat "$f")
echo $((n - 1)) >"$f"
[ "$n" != 1 ] || kill -` + signal + ` $PPID
`
	if err := os.WriteFile(filepath.Join(s.shim, "sync"), []byte(text), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// TestCrashOfAnotherRun: a run died between writing and reloading, so the disk names a slot that may be dead. A later
// switch that fails must go back to what is loaded.
func TestCrashOfAnotherRun(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		s.up(s.green)
		_, swtch, _ := s.steps(s.green, s.blue)
		s.must(swtch.Do)
		s.run = "run-2"
		bad := &slot{name: "green", addr: newSlot(t, "failing").addr}
		s.writeRoute(bad)
		_, swtch, _ = s.steps(s.blue, bad)
		s.fails(swtch.Do, "through nginx", "is as it was")
		s.serves(s.blue)
		l := s.live()
		equal(t, "file, loaded", fmt.Sprint(l.File, l.Loaded, l.LoadedKnown), fmt.Sprint([]string{s.blue.addr}, []string{s.blue.addr}, true))
	})
}

// TestShellcheck: what is sent is clean, under no exclusions.
func TestShellcheck(t *testing.T) { remotetest.Joined(t, "nginx", nginx.Scripts()) }
