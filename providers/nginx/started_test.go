package nginx_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shipctl/shipctl/providers/nginx"
)

// startLater starts nginx when its files are clearly older than it.
func (s *site) startLater() {
	s.t.Helper()
	written := time.Now()
	s.await("time passes", func() bool { return time.Since(written) > 4*time.Second })
	s.nginx()
	s.await("nginx is up", func() bool { return len(s.live().Serving) == 2 })
}

// TestStarted: what nginx was started with is known from the times of its files, unless one of them may be gone since.
func TestStarted(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		for _, gone := range []string{"", "conf.d/zz.inc", "v1"} {
			t.Run(gone, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, shell, false)
				s.write("sites/teatime.conf", strings.Replace(s.read("sites/teatime.conf"), "location", "include conf.d/z*.inc; include srv/v1/*.inc;\n\tlocation", 1))
				s.mkdir("srv/v1")
				s.writeRoute(s.green)
				switch gone {
				case "":
				case "v1":
					s.mkdir("srv/was")
					s.write("srv/v1/a.inc", "set $service_url http://"+s.blue.addr+";\n")
				default:
					s.write(gone, "set $service_url http://"+s.blue.addr+";\n")
				}
				s.startLater()
				switch gone {
				case "":
					equal(t, "known", s.known(), fmt.Sprint(true, []string{s.green.addr}))
					return
				case "v1":
					s.rename("srv/v1", "srv/old")
					s.rename("srv/was", "srv/v1")
				default:
					_ = os.Remove(s.path(gone))
				}
				s.serves(s.blue)
				equal(t, "known", s.live().LoadedKnown, false)
			})
		}
	})
}

// TestUpgradeHalfWay: after USR2 two masters serve, and only one of them hears of a change.
func TestUpgradeHalfWay(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		s.writeRoute(s.blue)
		s.nginxAt(nginxPath(t)) // it starts itself again by that name
		s.await("nginx is up", func() bool { return len(s.live().Serving) == 2 })
		old := s.live().Master.PID
		if err := syscall.Kill(old, syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		s.await("a second master", func() bool { l := s.live(); return l.Up && l.Master.PID != old && len(l.Serving) == 2 })
		l := s.live()
		equal(t, "known, the earlier master", fmt.Sprint(l.LoadedKnown, l.Upgrade), fmt.Sprint(false, old))
		if p := nginx.Problems(s.route, l, []string{s.green.addr}, false); len(p) != 1 || !strings.Contains(p[0], "half way") {
			t.Errorf("problems %q", p)
		}
		before := s.conf()
		check, swtch, _ := s.steps(s.blue, s.green)
		s.fails(check.Do, "upgrade", "half way", fmt.Sprint("kill -QUIT ", old))
		s.fails(swtch.Do, "half way")
		equal(t, "after", s.conf(), before)
		s.serves(s.blue)

		if err := syscall.Kill(old, syscall.SIGQUIT); err != nil {
			t.Fatal(err)
		}
		s.await("one master", func() bool { return len(s.masters()) == 1 })
		s.must(check.Do)
		s.must(swtch.Do)
		s.serves(s.green)
		equal(t, "known", s.known(), fmt.Sprint(true, []string{s.green.addr}))
	})
}
