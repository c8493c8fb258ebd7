package nginx_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// second adds a server with a route of its own to the nginx of s: another service's.
func (s *site) second() *site {
	s.t.Helper()
	o := *s
	o.port = remotetest.FreePort(s.t)
	o.route.File, o.route.Variable, o.route.Owner = s.path("conf.d/other.inc"), "other_url", "service.other"
	o.route.VerifyURL = fmt.Sprintf("http://127.0.0.1:%d/", o.port)
	s.write("conf.d/other.inc", "set $other_url http://"+s.blue.addr+";\n")
	s.write("sites/other.conf", fmt.Sprintf("server { listen 127.0.0.1:%d; include conf.d/*er.inc; location / { proxy_pass $other_url; } }\n", o.port))
	return &o
}

// leads makes a link, or lets one lead elsewhere, in one step.
func (s *site) leads(link, to string) {
	s.t.Helper()
	if err := os.Symlink(to, s.path("new-link")); err != nil {
		s.t.Fatal(err)
	}
	s.rename("new-link", link)
}

func (s *site) rename(from, to string) {
	s.t.Helper()
	if err := os.Rename(s.path(from), s.path(to)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) known() string { l := s.live(); return fmt.Sprint(l.LoadedKnown, l.Loaded) }

// TestTwoRoutes: a switch of one route keeps what is known of the other, unless the other's file is not what was verified.
func TestTwoRoutes(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		o := s.second()
		s.up(s.blue)
		blue := fmt.Sprint(true, []string{s.blue.addr})
		_, swtch, _ := o.steps(s.blue, s.blue)
		o.must(swtch.Do)
		equal(t, "the other route", o.known(), blue)
		equal(t, "this route, which nobody has switched yet", s.live().LoadedKnown, false)

		for i, to := range []*slot{s.green, s.blue} {
			s.run = fmt.Sprint("run-", i)
			_, swtch, _ = s.steps(nil, to)
			s.must(swtch.Do)
			equal(t, "this route", s.known(), fmt.Sprint(true, []string{to.addr}))
			equal(t, "the other route after a switch", o.known(), blue)
			s.must(*swtch.Undo)
			equal(t, "the other route after an undo", o.known(), blue)
		}

		// What somebody has changed is good for the record from before, once it is as it was.
		was := s.read("sites/other.conf")
		s.write("sites/other.conf", was+"# a remark\n")
		s.write("sites/other.conf", was)
		s.run = "run-same"
		_, swtch, _ = s.steps(nil, s.green)
		s.must(swtch.Do)
		equal(t, "the other route, with nothing changed in the end", o.known(), blue)

		// Somebody has edited the other's file: our reload brings that to life, and it is not what was verified.
		s.write("conf.d/other.inc", "set $other_url http://"+s.green.addr+";\n")
		s.run = "run-edited"
		_, swtch, _ = s.steps(nil, s.blue)
		s.must(swtch.Do)
		o.serves(s.green)
		equal(t, "the other route, edited", o.live().LoadedKnown, false)
		equal(t, "this route", s.known(), blue)
	})
}

// TestTwoRoutesOverridden: a switch of one route has brought to life what somebody wrote over the other: that one's record is
// not good any more, and not again when it is taken out of the file and not reloaded.
func TestTwoRoutesOverridden(t *testing.T) {
	overrides := map[string]func(o *site, site string){
		"in its server": func(o *site, site string) {
			o.write("sites/other.conf", strings.Replace(site, "location", "set $other_url http://"+o.green.addr+"; location", 1))
		},
		"in a file of its own": func(o *site, _ string) {
			o.write("conf.d/zzer.inc", "set $other_url http://"+o.green.addr+";\n")
		},
		"past its variable": func(o *site, site string) {
			o.write("sites/other.conf", strings.Replace(site, "proxy_pass $other_url", "proxy_pass http://"+o.green.addr, 1))
		},
	}
	each(t, func(t *testing.T, shell string) {
		for name, override := range overrides {
			t.Run(name, func(t *testing.T) {
				s := newSite(t, shell, false)
				o := s.second()
				s.up(s.blue)
				_, swtch, _ := o.steps(s.blue, s.blue)
				o.must(swtch.Do)
				was := s.read("sites/other.conf")
				override(o, was)
				s.run = "run-2"
				_, swtch, _ = s.steps(nil, s.green)
				s.must(swtch.Do)
				o.serves(s.green)
				equal(t, "known, overridden", o.live().LoadedKnown, false)
				s.write("sites/other.conf", was)
				_ = os.Remove(s.path("conf.d/zzer.inc"))
				o.serves(s.green)
				equal(t, "known, taken out and not reloaded", o.live().LoadedKnown, false)
				equal(t, "this route", s.known(), fmt.Sprint(true, []string{s.green.addr}))
			})
		}
	})
}

// TestEditBeforeRecord: who edits our file while its switch is still verified has not changed what is loaded.
func TestEditBeforeRecord(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		s.write("sites/teatime.conf", strings.Replace(s.read("sites/teatime.conf"), "proxy_pass", "proxy_set_header Via nginx; proxy_pass", 1))
		s.up(s.blue)
		_, swtch, _ := s.steps(s.blue, s.green)
		s.green.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Via") != "" { // through nginx: the reload is done, and its record is not
				s.writeRoute(s.blue)
			}
			fmt.Fprintln(w, "green")
		})
		s.must(swtch.Do)
		equal(t, "the file", s.live().File, []string{s.blue.addr})
		equal(t, "known", s.known(), fmt.Sprint(true, []string{s.green.addr}))
	})
}

// TestForeignReloadOfTheSame: who reloads nginx with nothing changed has loaded the same. What was changed meanwhile and
// changed back may be what is loaded.
func TestForeignReloadOfTheSame(t *testing.T) {
	reload := func(s *site) {
		s.t.Helper()
		before := s.live().Serving
		s.nginx("-s", "reload")
		s.await("other workers", func() bool { return others(s.live().Serving, before) })
	}
	tests := []struct {
		name   string
		meddle func(s *site)
		known  bool
	}{
		{"nothing", reload, true},
		{"twice, and workers that crash", func(s *site) {
			reload(s)
			reload(s)
			before := s.live().Serving
			for _, w := range before {
				_ = syscall.Kill(w.PID, syscall.SIGKILL)
			}
			s.await("respawned workers", func() bool { return others(s.live().Serving, before) })
		}, true},
		{"another file for a while", func(s *site) {
			s.write("conf.d/zz.inc", "set $service_url http://127.0.0.1:9;\n")
			reload(s)
			_ = os.Remove(s.path("conf.d/zz.inc"))
		}, false},
		{"ours for a while", func(s *site) {
			was := s.read("conf.d/service.inc")
			s.write("conf.d/service.inc", strings.Replace(was, s.green.addr, s.blue.addr, 1))
			reload(s)
			s.write("conf.d/service.inc", was)
		}, false},
		{"another in the place of theirs for a while", func(s *site) {
			site := s.path("sites/teatime.conf")
			if err := os.Rename(site, s.path("aside")); err != nil {
				s.t.Fatal(err)
			}
			s.write("sites/teatime.conf", strings.Replace(s.read("aside"), "location", "set $service_url http://"+s.blue.addr+"; location", 1))
			reload(s)
			if err := os.Rename(s.path("aside"), site); err != nil {
				s.t.Fatal(err)
			}
		}, false},
		{"a folder that was missing is there for a while", func(s *site) {
			s.write("opt/extra/a.inc", "set $service_url http://"+s.blue.addr+";\n")
			reload(s)
			_ = os.RemoveAll(s.path("opt/extra"))
		}, false},
		{"a folder above theirs is another for a while", func(s *site) {
			s.rename("srv/v1", "aside")
			s.write("srv/v1/web/a.inc", "set $service_url http://"+s.blue.addr+";\n")
			reload(s)
			_ = os.RemoveAll(s.path("srv/v1"))
			s.rename("aside", "srv/v1")
		}, false},
		{"a link leads elsewhere for a while", func(s *site) {
			s.write("srv/v2/web/a.inc", "set $service_url http://"+s.blue.addr+";\n")
			s.leads("srv/current", "v2")
			reload(s)
			s.leads("srv/current", "v1")
		}, false},
		{"a file's link leads elsewhere for a while", func(s *site) {
			s.rename("srv/files/b.conf", "srv/files/c.conf")
			s.write("srv/files/b.conf", "set $service_url http://"+s.blue.addr+";\n")
			reload(s)
			s.rename("srv/files/c.conf", "srv/files/b.conf")
		}, false},
	}
	each(t, func(t *testing.T, shell string) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				s := newSite(t, shell, false)
				s.write("sites/teatime.conf", strings.Replace(s.read("sites/teatime.conf"), "location",
					"include conf.d/z*.inc; include opt/extra/*.inc; include srv/current/web/*.inc; include link.conf;\n\tlocation", 1))
				s.mkdir("opt")
				s.write("srv/v1/web/a.inc", "# nothing\n")
				s.write("srv/files/b.conf", "# nothing\n")
				s.leads("srv/current", "v1")
				s.leads("link.conf", "srv/files/b.conf")
				s.up(s.blue)
				_, swtch, _ := s.steps(s.blue, s.green)
				s.must(swtch.Do)
				tt.meddle(s)
				l := s.live()
				equal(t, "known", l.LoadedKnown, tt.known)
				if tt.known {
					equal(t, "loaded", l.Loaded, []string{s.green.addr})
				}
			})
		}
	})
}
