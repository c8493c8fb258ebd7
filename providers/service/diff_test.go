package service

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

const routeFile = "/etc/nginx/conf.d/service-url.inc"

func ref() config.Ref { return config.Ref{Kind: "service", Name: "teatime"} }

func machine(name, ip string) config.HostValue {
	return config.HostValue{Name: name, Address: ip, PrivateAddress: ip}
}

// teatime is release 42 on app-1 behind web-1 and web-2, by variable.
func teatime(edit ...func(*Spec)) Spec {
	slot := func(name string, port int) Slot {
		return Slot{
			Name: name, Port: port, Command: []string{"./teatime", "--port=" + itoa(port)},
			Env: []Env{{Name: "SLOT", Value: remote.Part{Text: name}}},
			Health: Health{
				Kind: "http", Path: "/profile", Status: []int{200}, Body: "^" + name + "$",
				Interval: time.Second, Timeout: 2 * time.Second, Deadline: 100 * time.Second, HealthyFor: 3 * time.Second,
			},
		}
	}
	s := Spec{
		Project: "teatime", Name: "teatime", Runner: "systemd", Previous: "stopped", RunAs: "teatime",
		Release: Release{Ref: config.Ref{Kind: "release", Name: "teatime"}, ID: "42", Pin: "version", Root: "/srv/teatime"},
		Hosts:   []config.HostValue{machine("app-1", "10.0.0.11")},
		Slots:   []Slot{slot("blue", 8081), slot("green", 8082)},
		Nginx: Nginx{
			Hosts: []config.HostValue{machine("web-1", "10.0.0.21"), machine("web-2", "10.0.0.22")}, File: routeFile, Variable: "service_url",
			Drain: 30 * time.Second, Verify: &Verify{URL: "http://127.0.0.1/profile"},
		},
		Stop: Stop{Signal: "TERM", Grace: 30 * time.Second},
	}
	for _, f := range edit {
		f(&s)
	}
	return s
}

// two is teatime on two machines, by upstream.
func two(s *Spec) {
	s.Hosts = append(s.Hosts, machine("app-2", "10.0.0.12"))
	s.Nginx.Variable, s.Nginx.Upstream = "", "teatime"
}

func live42(s *Spec) { s.Release.Pin, s.Release.ID = "live", "" }

// scene is what the machines say: the lines of their look scripts by host, or why there are none.
type scene struct {
	spec    Spec
	lines   map[string][]string
	denied  map[string]remote.Answer
	consent []string
}

func see(s Spec) *scene {
	return &scene{spec: s, lines: map[string][]string{}, denied: map[string]remote.Answer{}}
}

func (c *scene) add(host string, lines ...string) *scene {
	c.lines[host] = append(c.lines[host], lines...)
	return c
}

func tab(parts ...any) string {
	s := make([]string, len(parts))
	for i, p := range parts {
		s[i] = fmt.Sprint(p)
	}
	return strings.Join(s, "\t")
}

// runs is a program of ours in a slot, healthy, with the settings of today's configuration; pid 2100 + port % 100.
func (c *scene) runs(host, slot, release string) *scene { return c.runsAs(host, slot, release, "") }

func (c *scene) runsAs(host, slot, release, digest string) *scene {
	i := slices.IndexFunc(c.spec.Slots, func(s Slot) bool { return s.Name == slot })
	if digest == "" {
		digest = c.spec.digest(c.spec.Slots[i], release)
	}
	port := c.spec.Slots[i].Port
	return c.process(host, slot, release, digest, port).add(host,
		tab("unit", slot, "active", "enabled"), tab("answer", port, 200, slot))
}

func (c *scene) process(host, slot, release, digest string, port int) *scene {
	pid := 2100 + port%100
	return c.add(host, tab("proc", pid, 500, slot, release, digest, "/srv/teatime/releases/"+release), tab("listen", port, pid, 500, slot, "-", "-"))
}

func (c *scene) stranger(host string, port int) *scene {
	return c.add(host, tab("listen", port, 777, 99, "-", "java -jar old.jar", "-"))
}

func (c *scene) unseen(host string, port int) *scene {
	return c.add(host, tab("listen", port, 0, 0, "?", "-", "-"))
}

// url is the line of the include, in the form of the spec.
func (c *scene) url(addrs ...string) (lines []string) {
	if c.spec.Nginx.Variable != "" {
		return []string{"text set $service_url http://" + addrs[0] + ";"}
	}
	lines = append(lines, "text upstream teatime {")
	for _, a := range addrs {
		lines = append(lines, "text server "+a+";")
	}
	return append(lines, "text }")
}

var installed = []string{"installed /usr/sbin/nginx", "version nginx/1.22.1", "included /etc/nginx/nginx.conf:9", "shutdown 60s"}

var up = []string{"master 900 10", "worker 901 11 serving"}

// routes is an nginx that has loaded what is on disk, by our record.
func (c *scene) routes(host string, addrs ...string) *scene {
	c.add(host, installed...).add(host, up...).add(host, "file present").add(host, c.url(addrs...)...).add(host, "known record")
	for _, a := range addrs {
		c.add(host, "loaded "+a)
	}
	return c
}

// unknown is an nginx with this on disk, whose workers are not those of a reload of ours; body answers through it.
func (c *scene) unknown(host, addr, body string) *scene {
	return c.add(host, installed...).add(host, up...).add(host, "file present").add(host, c.url(addr)...).
		add(host, "known no", "why a worker is newer than our last verified reload", "probe 200", "body "+body)
}

// down is an nginx that does not run and has no include yet.
func (c *scene) down(host string) *scene {
	return c.add(host, installed...).add(host, "pidnote there is no pidfile", "file absent")
}

// bare is a running nginx without the include, which it accepts.
func (c *scene) bare(host string) *scene {
	return c.add(host, installed...).add(host, up...).add(host, "file absent", "known absent")
}

func (c *scene) cannot(host string, a remote.Answer) *scene { c.denied[host] = a; return c }

func (c *scene) agree(name string) *scene { c.consent = append(c.consent, name); return c }

func (c *scene) facts() remote.Facts {
	f := remote.Facts{}
	for _, q := range facts(ref(), c.spec) {
		a, no := c.denied[q.Host]
		switch {
		case strings.HasPrefix(q.Script, "consent/"):
			a = remote.Answer{Sight: remote.Absent}
			if slices.Contains(c.consent, strings.TrimPrefix(q.Script, "consent/")) {
				a.Sight = remote.Seen
			}
		case no:
		case q.Script == "service/look":
			a = remote.Answer{Sight: remote.Seen, Text: c.text(q.Host, true)}
		case q.Script == "nginx/look":
			a = remote.Answer{Sight: remote.Seen, Text: c.text(q.Host, false)}
		}
		f.Put(q, a)
	}
	return f
}

// text is a machine's answer to one of the two looks: only that of service has tabs.
func (c *scene) text(host string, service bool) string {
	var b strings.Builder
	if service {
		b.WriteString("boot\t1700000000\t100\n")
	}
	for _, l := range c.lines[host] {
		if strings.Contains(l, "\t") == service {
			b.WriteString(l + "\n")
		}
	}
	if !service {
		b.WriteString("end\n")
	}
	return b.String()
}

// told is a diff in words: a line for each step, "!" for a problem, "?" for a warning.
func told(cs []providers.Change) (out []string) {
	for _, c := range cs {
		if c.Problem != "" {
			out = append(out, c.Addr.Host+"! "+c.Problem)
		}
		for _, w := range c.Warnings {
			out = append(out, c.Addr.Host+"? "+w)
		}
		for _, s := range c.Steps {
			out = append(out, c.Addr.Host+" "+s.Title)
		}
	}
	return out
}

const blue, green = "10.0.0.11:8081", "10.0.0.11:8082"

func TestDiff(t *testing.T) {
	for _, tt := range []struct {
		name string
		see  *scene
		want []string
	}{
		{"first deployment: nginx runs without the include", see(teatime()).add("app-1").bare("web-1").bare("web-2"), []string{
			"app-1 start blue on :8081", "app-1 wait until blue is healthy (100 s at most)", "app-1 confirm that blue still runs",
			"web-1 check that nginx accepts blue", "web-1 switch to blue", "web-1 drain the earlier workers (30 s at most)",
			"web-2 check that nginx accepts blue", "web-2 switch to blue", "web-2 drain the earlier workers (30 s at most)",
		}},
		{"first deployment: nginx is down", see(teatime()).down("web-1").down("web-2"), []string{
			"app-1 start blue on :8081", "app-1 wait until blue is healthy (100 s at most)", "app-1 confirm that blue still runs",
			"web-1 check that nginx accepts blue", "web-1 switch to blue", "web-1 drain the earlier workers (30 s at most)",
			"web-2 check that nginx accepts blue", "web-2 switch to blue", "web-2 drain the earlier workers (30 s at most)",
		}},
		{"blue to green", see(teatime()).runs("app-1", "blue", "41").routes("web-1", blue).routes("web-2", blue), []string{
			"app-1 start green on :8082", "app-1 wait until green is healthy (100 s at most)", "app-1 confirm that green still runs", "app-1 stop blue (pid 2181)",
			"web-1 check that nginx accepts green", "web-1 switch to green", "web-1 drain blue (30 s at most)",
			"web-2 check that nginx accepts green", "web-2 switch to green", "web-2 drain blue (30 s at most)",
		}},
		{"green to blue, which ran before and is kept", see(teatime(func(s *Spec) { s.Previous = "running" })).
			runs("app-1", "green", "41").runs("app-1", "blue", "40").routes("web-1", green).routes("web-2", green), []string{
			"app-1 stop what is left in blue (pid 2181)", "app-1 start blue on :8081", "app-1 wait until blue is healthy (100 s at most)", "app-1 confirm that blue still runs",
			"web-1 check that nginx accepts blue", "web-1 switch to blue", "web-1 drain green (30 s at most)",
			"web-2 check that nginx accepts blue", "web-2 switch to blue", "web-2 drain green (30 s at most)",
		}},
		{"back to what is kept running: one switch", see(teatime(func(s *Spec) { s.Previous = "running" })).
			runs("app-1", "green", "43").runs("app-1", "blue", "42").routes("web-1", green).routes("web-2", green), []string{
			"app-1 wait until blue is healthy (100 s at most)", "app-1 confirm that blue still runs",
			"web-1 check that nginx accepts blue", "web-1 switch to blue", "web-1 drain green (30 s at most)",
			"web-2 check that nginx accepts blue", "web-2 switch to blue", "web-2 drain green (30 s at most)",
		}},
		{"nothing to do", see(teatime()).runs("app-1", "green", "42").routes("web-1", green).routes("web-2", green), nil},
		{"nothing to do, version null", see(teatime(live42)).runs("app-1", "green", "42").routes("web-1", green).routes("web-2", green), nil},
		{"version null and nothing there", see(teatime(live42)).bare("web-1").bare("web-2"), []string{
			"app-1! nothing of service.teatime runs here and no release is given: give a version (-var version=…)",
		}},
		{"nothing to do, with the machines in another order", see(teatime(two)).runs("app-1", "green", "42").runs("app-2", "green", "42").
			routes("web-1", "10.0.0.12:8082", green).routes("web-2", green, "10.0.0.12:8082"), nil},
		{"other settings, no new version", see(teatime(live42)).runsAs("app-1", "green", "42", "another").routes("web-1", green).routes("web-2", green), []string{
			"app-1 start blue on :8081", "app-1 wait until blue is healthy (100 s at most)", "app-1 confirm that blue still runs", "app-1 stop green (pid 2182)",
			"web-1 check that nginx accepts blue", "web-1 switch to blue", "web-1 drain green (30 s at most)",
			"web-2 check that nginx accepts blue", "web-2 switch to blue", "web-2 drain green (30 s at most)",
		}},
		{"one nginx is settled already", see(teatime()).runs("app-1", "blue", "41").runs("app-1", "green", "42").routes("web-1", green).routes("web-2", blue), []string{
			"app-1 wait until green is healthy (100 s at most)", "app-1 confirm that green still runs", "app-1 stop blue (pid 2181)",
			"web-2 check that nginx accepts green", "web-2 switch to green", "web-2 drain blue (30 s at most)",
		}},
		{"left behind in the idle slot", see(teatime()).runs("app-1", "blue", "41").runs("app-1", "green", "39").routes("web-1", blue).routes("web-2", blue), []string{
			"app-1 stop what is left in green (pid 2182)", "app-1 start green on :8082", "app-1 wait until green is healthy (100 s at most)", "app-1 confirm that green still runs", "app-1 stop blue (pid 2181)",
			"web-1 check that nginx accepts green", "web-1 switch to green", "web-1 drain blue (30 s at most)",
			"web-2 check that nginx accepts green", "web-2 switch to green", "web-2 drain blue (30 s at most)",
		}},
		{"what is wanted was begun and never switched to", see(teatime()).runs("app-1", "blue", "41").runs("app-1", "green", "42").routes("web-1", blue).routes("web-2", blue), []string{
			"app-1 wait until green is healthy (100 s at most)", "app-1 confirm that green still runs", "app-1 stop blue (pid 2181)",
			"web-1 check that nginx accepts green", "web-1 switch to green", "web-1 drain blue (30 s at most)",
			"web-2 check that nginx accepts green", "web-2 switch to green", "web-2 drain blue (30 s at most)",
		}},
		{"switched, and the old one not stopped", see(teatime()).runs("app-1", "blue", "41").runs("app-1", "green", "42").routes("web-1", green).routes("web-2", green), []string{
			"app-1 stop blue (pid 2181)",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { compare(t, tt.see, tt.want) })
	}
}

func compare(t *testing.T, c *scene, want []string) {
	t.Helper()
	got := diff(ref(), c.spec, c.facts())
	if d := cmp.Diff(want, told(got)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if again := diff(ref(), c.spec, c.facts()); string(providers.JSON(got)) != string(providers.JSON(again)) {
		t.Error("the same facts give another diff")
	}
}

// TestDiffMixed: app-1 on blue, app-2 on green; each machine goes to its own idle slot.
func TestDiffMixed(t *testing.T) {
	c := see(teatime(two)).runs("app-1", "blue", "41").runs("app-2", "green", "41").
		routes("web-1", blue, "10.0.0.12:8082").routes("web-2", blue, "10.0.0.12:8082")
	compare(t, c, []string{
		"app-1 start green on :8082", "app-1 wait until green is healthy (100 s at most)", "app-1 confirm that green still runs", "app-1 stop blue (pid 2181)",
		"app-2 start blue on :8081", "app-2 wait until blue is healthy (100 s at most)", "app-2 confirm that blue still runs", "app-2 stop green (pid 2182)",
		"web-1 check that nginx accepts app-1 green, app-2 blue", "web-1 switch to app-1 green, app-2 blue", "web-1 drain blue, green (30 s at most)",
		"web-2 check that nginx accepts app-1 green, app-2 blue", "web-2 switch to app-1 green, app-2 blue", "web-2 drain blue, green (30 s at most)",
	})
	for _, ch := range diff(ref(), c.spec, c.facts()) {
		for _, s := range ch.Steps {
			if s.Do.Script == "nginx/switch" && !slices.Contains(s.Do.Args, "10.0.0.11:8082,10.0.0.12:8081") {
				t.Errorf("%s goes to %v", s.ID, s.Do.Args)
			}
		}
	}
}

// TestDiffServes: without a version what serves counts, not what only runs; current follows it, and where the release does
// not do that, it is asked.
func TestDiffServes(t *testing.T) {
	current := func(f remote.Facts, id string) {
		f.Put(remote.Query{Host: "app-1", Script: "release/look", Args: []string{"/srv/teatime", "x"}}, remote.Answer{
			Sight: remote.Seen, Text: "root /srv/teatime\ncurrent link /srv/teatime/releases/" + id + "\nrelease 41 x\nrelease 42 x\n",
		})
	}
	routed := see(teatime(live42)).runs("app-1", "blue", "42").runs("app-1", "green", "41").routes("web-1", blue).routes("web-2", blue)
	aside := see(teatime(live42)).runs("app-1", "green", "41").routes("web-1", blue).routes("web-2", blue)
	for _, c := range []struct {
		name    string
		c       *scene
		current string
		serves  string // what all that run a release of the root say
		id      string
		problem string
	}{
		{"as current says", routed, "42", "42", "42", ""},
		{"current follows", routed, "41", "42", "42", ""},
		{"current does not follow", routed, "41", "", "42", "release 42 serves here, and /srv/teatime/current leads to 41"},
		{"left over", aside, "42", "", "42", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := c.c.facts()
			current(f, c.current)
			if c.serves != "" {
				f.Put(providers.Serves("app-1", "/srv/teatime"), remote.Answer{Sight: remote.Seen, Text: c.serves})
			}
			l := observe(ref(), c.c.spec, f)
			if id := l.hosts["app-1"].id; id != c.id {
				t.Errorf("release %s, want %s", id, c.id)
			}
			var said []string
			for _, ch := range diff(ref(), c.c.spec, f) {
				said = append(said, ch.Problem)
			}
			if got := strings.Join(said, ""); !strings.Contains(got, c.problem) || c.problem == "" && got != "" {
				t.Errorf("%q, want %q", got, c.problem)
			}
		})
	}
	if got := fmt.Sprint(serving(ref(), routed.spec, routed.facts())); got != "[{app-1 /srv/teatime 42}]" {
		t.Errorf("serves: %s", got)
	}
	if got := serving(ref(), aside.spec, aside.facts()); len(got) > 0 {
		t.Errorf("nothing serves, and it says %v", got)
	}
}

// TestDiffGather: nginx machines that disagree, and no slot idle, are gathered on the healthy slot first.
func TestDiffGather(t *testing.T) {
	c := see(teatime()).runs("app-1", "blue", "41").runs("app-1", "green", "40").routes("web-1", blue).routes("web-2", green)
	want := []string{
		"app-1 stop what is left in green (pid 2182)", "app-1 start green on :8082", "app-1 wait until green is healthy (100 s at most)", "app-1 confirm that green still runs", "app-1 stop blue (pid 2181)",
		"web-1 check that nginx accepts blue", "web-1 switch to blue", "web-1 drain the earlier workers (30 s at most)",
		"web-1 check that nginx accepts green", "web-1 switch to green", "web-1 drain blue (30 s at most)",
		"web-2 check that nginx accepts blue", "web-2 switch to blue", "web-2 drain green (30 s at most)",
		"web-2 check that nginx accepts green", "web-2 switch to green", "web-2 drain blue (30 s at most)",
	}
	compare(t, c, want)
	for _, ch := range diff(ref(), c.spec, c.facts()) {
		for _, s := range ch.Steps {
			if s.ID == `service.teatime["app-1"]/clear-green` && !slices.Contains(s.After, `service.teatime["web-2"]/gather-drain`) {
				t.Errorf("green is cleared before the traffic has left it: after %v", s.After)
			}
		}
	}
	t.Run("on the one that is healthy", func(t *testing.T) {
		c := see(teatime()).process("app-1", "blue", "41", "x", 8081).add("app-1", tab("answer", 8081, 503, "no")).
			runs("app-1", "green", "40").routes("web-1", blue).routes("web-2", green)
		got := told(diff(ref(), c.spec, c.facts()))
		if !slices.Contains(got, "app-1 start blue on :8081") || !slices.Contains(got, "app-1 stop what is left in blue (pid 2181)") {
			t.Errorf("got %q", got)
		}
	})
}

// TestDiffUnknown: what workers have loaded is known from our record, or from an answer that only one slot gives.
func TestDiffUnknown(t *testing.T) {
	t.Run("the answer shows that the file is what is served", func(t *testing.T) {
		c := see(teatime()).runs("app-1", "blue", "42").unknown("web-1", blue, "blue").routes("web-2", blue)
		compare(t, c, nil)
	})
	t.Run("of an upstream one answer shows nothing", func(t *testing.T) {
		c := see(teatime(two)).runs("app-1", "blue", "42").runs("app-2", "blue", "42").routes("web-2", blue, "10.0.0.12:8081")
		c.add("web-1", installed...).add("web-1", up...).add("web-1", "file present").add("web-1", c.url(blue, "10.0.0.12:8081")...).
			add("web-1", "known no", "why a worker is newer than our last verified reload", "probe 200", "body blue")
		if got := told(diff(ref(), c.spec, c.facts())); !slices.Contains(got, "web-1 switch to blue") || slices.Contains(got, "web-2 switch to blue") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("the answer is the other slot's", func(t *testing.T) {
		c := see(teatime()).runs("app-1", "blue", "42").runs("app-1", "green", "41").unknown("web-1", blue, "green").routes("web-2", blue)
		got := told(diff(ref(), c.spec, c.facts()))
		if !slices.Contains(got, "web-1 switch to blue") || !slices.Contains(got, "app-1 stop green (pid 2182)") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("the answer is the other slot's, whatever the times of the files say", func(t *testing.T) {
		c := see(teatime()).runs("app-1", "blue", "42").runs("app-1", "green", "41").routes("web-2", blue)
		c.add("web-1", installed...).add("web-1", up...).add("web-1", "file present").add("web-1", c.url(blue)...).
			add("web-1", "known started", "probe 200", "body green")
		if got := told(diff(ref(), c.spec, c.facts())); !slices.Contains(got, "web-1 switch to blue") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("both slots could be served: nothing is stopped before all are gathered", func(t *testing.T) {
		c := see(teatime()).runs("app-1", "blue", "41").runs("app-1", "green", "40").unknown("web-1", blue, "?").routes("web-2", blue)
		got := told(diff(ref(), c.spec, c.facts()))
		if !slices.Contains(got, "web-1 drain the earlier workers (30 s at most)") && !slices.Contains(got, "web-1 drain blue (30 s at most)") {
			t.Errorf("got %q", got)
		}
		for _, ch := range diff(ref(), c.spec, c.facts()) {
			for _, s := range ch.Steps {
				if strings.HasSuffix(string(s.ID), "/clear-green") && !slices.Contains(s.After, `service.teatime["web-1"]/gather-drain`) {
					t.Errorf("%s after %v", s.ID, s.After)
				}
			}
		}
	})
}

// TestDiffRedirect: a plan warns of a verify that nginx answers with a redirect, unless that is what is expected.
func TestDiffRedirect(t *testing.T) {
	warned := func(edit func(*Spec)) string {
		c := see(teatime(edit)).runs("app-1", "blue", "41").routes("web-2", blue)
		c.add("web-1", installed...).add("web-1", up...).add("web-1", "file present").add("web-1", c.url(blue)...).add("web-1", "known started", "probe 301", "body moved")
		return strings.Join(told(diff(ref(), c.spec, c.facts())), "\n")
	}
	want := `web-1? nginx answers http://127.0.0.1/profile with a redirect (status 301), which is not followed: if it does so after the switch too, that is put back. ` +
		`So give verify the url that this one leads to; for https, url = "https://127.0.0.1/profile", host = the name that the server has and insecure = true, since the certificate is for another name`
	if got := warned(func(*Spec) {}); !strings.Contains(got, want) {
		t.Errorf("no warning in\n%s", got)
	}
	if got := warned(func(s *Spec) { s.Nginx.Verify.Status = []int{301} }); strings.Contains(got, "redirect") {
		t.Errorf("it is expected, and yet\n%s", got)
	}
}

// TestDiffBothRun: a plan that leaves the old program running warns where a window says that there are jobs inside.
func TestDiffBothRun(t *testing.T) {
	const want = `app-1? previous = "running" and a window: jobs that the program schedules by itself would be run by both slots; rollout { strategy = "recreate" } never runs two`
	night := []config.Ref{{Kind: "batch_window", Name: "night"}}
	for _, c := range []struct {
		name, previous, runs string
		windows              []config.Ref
		warns                bool
	}{
		{"running, and a window", "running", "41", night, true},
		{"running, and no window", "running", "41", nil, false},
		{"stopped", "stopped", "41", night, false},
		{"nothing is switched", "running", "42", night, false},
	} {
		sc := see(teatime(func(s *Spec) { s.Previous, s.Windows = c.previous, c.windows })).runs("app-1", "blue", c.runs).routes("web-1", blue).routes("web-2", blue)
		got := told(diff(ref(), sc.spec, sc.facts()))
		if slices.Contains(got, want) != c.warns {
			t.Errorf("%s:\n%s", c.name, strings.Join(got, "\n"))
		}
	}
}

// TestDiffUnits: a unit that was changed by hand is written again; what was started with it since is replaced; a file that
// somebody put beside it is theirs.
func TestDiffUnits(t *testing.T) {
	edited := func(what string, edit ...func(*Spec)) *scene {
		return see(teatime(edit...)).runs("app-1", "blue", "42").add("app-1", tab("edited", "blue", what, "/etc/x is not as it was written")).
			routes("web-1", blue).routes("web-2", blue)
	}
	compare(t, edited("file"), []string{"app-1 write the unit of blue again"})
	compare(t, edited("more"), []string{"app-1? the unit of blue is not all that systemd goes by: /etc/x is not as it was written. It was left as it is"})
	used := told(diff(ref(), teatime(), edited("used").facts()))
	for _, want := range []string{"app-1 start green on :8082", "web-1 switch to green", "app-1 stop blue (pid 2181)"} {
		if !slices.Contains(used, want) {
			t.Errorf("no %q in %q", want, used)
		}
	}
	if slices.Contains(used, "app-1 write the unit of blue again") {
		t.Errorf("it is stopped, and yet: %q", used)
	}
	next := told(diff(ref(), teatime(), see(teatime()).runs("app-1", "blue", "41").add("app-1", tab("edited", "blue", "file", "x")).routes("web-1", blue).routes("web-2", blue).facts()))
	if slices.Contains(next, "app-1 write the unit of blue again") || !slices.Contains(next, "app-1 stop blue (pid 2181)") {
		t.Errorf("a deployment to the other slot: %q", next)
	}
	running := func(s *Spec) { s.Previous = "running" }
	both := see(teatime(running)).runs("app-1", "blue", "42").runs("app-1", "green", "41").add("app-1", tab("edited", "green", "file", "x")).routes("web-1", blue).routes("web-2", blue)
	compare(t, both, []string{"app-1 write the unit of green again"})
	rollback := see(teatime(running)).runs("app-1", "blue", "42").runs("app-1", "green", "41").add("app-1", tab("edited", "green", "used", "x")).routes("web-1", blue).routes("web-2", blue)
	compare(t, rollback, []string{"app-1 stop green (pid 2182)"})
	empty := see(teatime(running)).runs("app-1", "blue", "42").add("app-1", tab("edited", "green", "file", "x")).routes("web-1", blue).routes("web-2", blue)
	compare(t, empty, []string{"app-1 clear away what is left of green"})
	for _, c := range diff(ref(), teatime(), edited("file").facts()) {
		if c.Addr.Host == "app-1" && (c.Action != providers.Update || c.Line != "the unit of blue was changed by hand: it is written again, and nothing is restarted" || len(c.Drift) != 1) {
			t.Errorf("%+v", c)
		}
	}
	if _, err := parse("edited\tblue\tmuch\tx\n"); err == nil {
		t.Error("an edit of an unknown kind is understood")
	}
}

// drifts are what is said of the machines, a line each.
func drifts(c *scene) (out []string) {
	for _, x := range diff(ref(), c.spec, c.facts()) {
		for _, d := range x.Drift {
			out = append(out, x.Addr.Host+" "+d)
		}
	}
	return out
}

// TestDriftEmpty: a slot of which nothing runs gets requests where nginx has loaded that, and only then.
func TestDriftEmpty(t *testing.T) {
	runs := func() *scene { return see(teatime()).runs("app-1", "blue", "42").routes("web-2", blue) }
	file := func(c *scene) *scene {
		return c.add("web-1", installed...).add("web-1", "file present").add("web-1", c.url(green)...)
	}
	names := "app-1 " + routeFile + " on web-1 names slot green on port 8082, of which nothing runs: "
	for name, tt := range map[string]struct {
		c    *scene
		want string
	}{
		"loaded":         {runs().routes("web-1", green), "app-1 nginx sends requests to slot green on port 8082, and nothing of it runs"},
		"not loaded":     {file(runs()).add("web-1", up...).add("web-1", "known record", "loaded "+blue), names + "nginx was not reloaded and still sends requests to slot blue (" + blue + "), and a reload would send them there"},
		"nobody knows":   {runs().unknown("web-1", green, "neither"), names + "whether nginx sends requests there already is not known, and a reload would send them there"},
		"it is not up":   {file(runs()).add("web-1", "pidnote there is no pidfile"), names + "once nginx runs, it sends requests there"},
		"a stranger":     {runs().stranger("app-1", 8082).routes("web-1", green), "app-1 nginx sends requests to port 8082 of slot green, which is held by pid 777: java -jar old.jar"},
		"one of another": {file(runs()).stranger("app-1", 8082).add("web-1", up...).add("web-1", "known record", "loaded "+blue), "on port 8082, which is held by pid 777: java -jar old.jar: nginx was not reloaded"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(drifts(tt.c), "\n")
			if !strings.Contains(got, tt.want) || !strings.Contains(tt.want, "app-1 nginx sends") && strings.Contains(got, "app-1 nginx sends") {
				t.Errorf("%s\nnot: %s", got, tt.want)
			}
		})
	}
}

// TestDiffStrangers: who listens on our ports without our marker is named, and stopped with consent only, when the
// traffic has left it.
func TestDiffStrangers(t *testing.T) {
	s := teatime()
	for _, tt := range []struct {
		name string
		see  *scene
		want []string
	}{
		{"on the idle port", see(s).runs("app-1", "blue", "41").stranger("app-1", 8082).routes("web-1", blue).routes("web-2", blue), []string{
			"app-1! port 8082, where green is to run, is held by pid 777: java -jar old.jar, which shipctl did not start. It was left alone: stop it, or give the slot another port",
		}},
		{"on the idle port, with nothing to do", see(s).runs("app-1", "blue", "42").stranger("app-1", 8082).routes("web-1", blue).routes("web-2", blue), []string{
			"app-1? port 8082 is held by pid 777: java -jar old.jar, which shipctl did not start: the next deployment needs it",
		}},
		{"on the idle port, with consent: it serves nobody", see(s).runs("app-1", "blue", "41").stranger("app-1", 8082).routes("web-1", blue).routes("web-2", blue).agree("take-over"), []string{
			"app-1! port 8082, where green is to run, is held by pid 777: java -jar old.jar, which shipctl did not start. It was left alone: stop it, or give the slot another port",
		}},
		{
			"where an nginx of which nothing is known may send to: left alone, with consent too",
			see(s).runs("app-1", "green", "42").stranger("app-1", 8081).unknown("web-1", green, "?").routes("web-2", green).agree("take-over"),
			[]string{
				"app-1? port 8081 is held by pid 777: java -jar old.jar, which shipctl did not start: the next deployment needs it",
				"app-1 wait until green is healthy (100 s at most)", "app-1 confirm that green still runs",
				"web-1 check that nginx accepts green", "web-1 switch to green", "web-1 drain the earlier workers (30 s at most)",
			},
		},
		{"on the port that nginx sends to", see(s).stranger("app-1", 8081).routes("web-1", blue).routes("web-2", blue), []string{
			"app-1! port 8081, to which nginx sends requests, is held by pid 777: java -jar old.jar, which shipctl did not start. -take-over=service.teatime makes it a step of the plan to stop it, after the traffic has moved",
		}},
		{"taken over", see(s).stranger("app-1", 8081).routes("web-1", blue).routes("web-2", blue).agree("take-over"), []string{
			"app-1 start green on :8082", "app-1 wait until green is healthy (100 s at most)", "app-1 confirm that green still runs", "app-1 stop pid 777: java -jar old.jar, which is taken over",
			"web-1 check that nginx accepts green", "web-1 switch to green", "web-1 drain blue (30 s at most)",
			"web-2 check that nginx accepts green", "web-2 switch to green", "web-2 drain blue (30 s at most)",
		}},
		{"another project's", see(s).runs("app-1", "blue", "41").add("app-1", tab("listen", 8082, 778, 9, "=coffee/bar/green/7/x", "java", "-")).routes("web-1", blue).routes("web-2", blue).agree("take-over"), []string{
			`app-1! port 8082 is held by slot green of service.bar of the project coffee (pid 778). If the project was renamed, write project = "coffee" again, or remove what runs under that name first (apply -destroy); otherwise give the slot another port`,
		}},
		{"with another project's marker, where nginx sends requests", see(s).runs("app-1", "green", "41").add("app-1", tab("listen", 8081, 778, 9, "=coffee/bar/green/7/x", "java", "-")).routes("web-1", blue).routes("web-2", blue), []string{
			`app-1! port 8081 is held by slot green of service.bar of the project coffee (pid 778). If the project was renamed, write project = "coffee" again, or remove what runs under that name first (apply -destroy); otherwise give the slot another port. If it is no slot, but was started from within one: -take-over=service.teatime makes it a step of the plan to stop it`,
		}},
		{"another project's unit, where nginx sends requests, with consent", see(s).runs("app-1", "green", "41").add("app-1", tab("listen", 8081, 778, 9, "=coffee/bar/green/7/x", "java", "shipctl-coffee-bar-green.service")).routes("web-1", blue).routes("web-2", blue).agree("take-over"), []string{
			`app-1! port 8081 is held by slot green of service.bar of the project coffee (pid 778). If the project was renamed, write project = "coffee" again, or remove what runs under that name first (apply -destroy); otherwise give the slot another port`,
		}},
		{"another project's, with nothing to do", see(s).runs("app-1", "blue", "42").add("app-1", tab("listen", 8082, 778, 9, "=coffee/bar/green/7/x", "java", "-")).routes("web-1", blue).routes("web-2", blue), []string{
			"app-1? port 8082 is held by slot green of service.bar of the project coffee (pid 778): the next deployment needs it",
		}},
		{"another service's of this project", see(s).runs("app-1", "blue", "42").add("app-1", tab("listen", 8082, 778, 9, "=teatime/bar/green/7/x", "java", "-")).routes("web-1", blue).routes("web-2", blue), []string{
			"app-1? port 8082 is held by pid 778: java, which shipctl did not start: the next deployment needs it",
		}},
		{"one that this user may not see, where something is to run", see(s).runs("app-1", "blue", "41").unseen("app-1", 8082).routes("web-1", blue).routes("web-2", blue), []string{
			"app-1! port 8082 is held by a process that this user may not see; with sudo = true for this host it could be told whose it is",
		}},
		{"one that this user may not see, where nginx sends to", see(s).unseen("app-1", 8081).routes("web-1", blue).routes("web-2", blue).agree("take-over"), []string{
			"app-1! port 8081 is held by a process that this user may not see; with sudo = true for this host it could be told whose it is",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { compare(t, tt.see, tt.want) })
	}
}

// TestDiffBlind: what could not be seen is never taken for absent.
func TestDiffBlind(t *testing.T) {
	start := func() *scene { return see(teatime()) }
	for _, tt := range []struct {
		name string
		see  *scene
		want []string
	}{
		{"not permitted to look", start().cannot("app-1", remote.Answer{Sight: remote.Denied, Why: "/proc"}).bare("web-1").bare("web-2"), []string{
			"app-1! could not look: not permitted to look: /proc",
		}},
		{"unreachable", start().cannot("web-2", remote.Answer{Sight: remote.Unreachable, Why: "no route to host"}).bare("web-1"), []string{
			"web-2! could not look: web-2: nginx: could not ask: no route to host",
		}},
		{"not asked", start().cannot("app-1", remote.Answer{}).bare("web-1").bare("web-2"), []string{
			"app-1! could not look: not asked",
		}},
		{"said to be absent, which a look never is", start().cannot("app-1", remote.Answer{Sight: remote.Absent}).bare("web-1").bare("web-2"), []string{
			"app-1! could not look: absent",
		}},
		{"a line that nobody knows", start().add("app-1", tab("proces", 1, 2, "blue", "41", "x", "/srv")).bare("web-1").bare("web-2"), []string{
			`app-1! could not look: line 2 of the answer: "proces" with 6 fields`,
		}},
		{"an answer that makes no sense", start().add("app-1", tab("proc", "x")).bare("web-1").bare("web-2"), []string{
			`app-1! could not look: line 2 of the answer: "proc" with 1 fields`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { compare(t, tt.see, tt.want) })
	}
}

// TestDiffNginx: reasons for which an nginx can't be moved stop the whole service.
func TestDiffNginx(t *testing.T) {
	both := func(f func(*scene)) *scene {
		c := see(teatime()).runs("app-1", "blue", "41").routes("web-1", blue)
		f(c)
		return c
	}
	for _, tt := range []struct {
		name, want string
		see        *scene
	}{
		{"not installed", "web-2! nginx is not installed: install it", both(func(c *scene) { c.add("web-2", "file absent") })},
		{"nobody includes the file", "web-2! no server of nginx includes " + routeFile, both(func(c *scene) {
			c.add("web-2", "installed /usr/sbin/nginx", "shutdown 60s").add("web-2", up...).add("web-2", "file absent", "known absent")
		})},
		{"another has the last word", "web-2! /etc/nginx/x.conf:3 sets service_url too", both(func(c *scene) { c.routes("web-2", blue).add("web-2", "other /etc/nginx/x.conf:3") })},
		{"broken before", "web-2! nginx does not accept the configuration that is on the disk now", both(func(c *scene) { c.routes("web-2", blue).add("web-2", "broken unknown directive") })},
		{"another project's file", "web-2! " + routeFile + " belongs to the project other", both(func(c *scene) {
			c.add("web-2", installed...).add("web-2", up...).add("web-2", "file present",
				"text # Written by shipctl for service.x of project other. Do not edit: the next deployment replaces it.", "text set $service_url http://"+blue+";",
				"known record", "loaded "+blue)
		})},
		{"somebody's half-edited file", "web-2! a reload would bring to life", both(func(c *scene) { c.routes("web-2", blue).add("web-2", "pending /etc/nginx/y.conf") })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cs := diff(ref(), tt.see.spec, tt.see.facts())
			got := told(cs)
			if len(got) != 1 || !strings.HasPrefix(got[0], tt.want) {
				t.Errorf("got %q", got)
			}
			for _, c := range cs {
				if c.Action != providers.NoOp {
					t.Errorf("%s: %s", c.Addr, c.Action)
				}
			}
		})
	}
	t.Run("somebody's half-edited file, with consent", func(t *testing.T) {
		c := both(func(c *scene) {
			c.routes("web-2", blue).add("web-2", "pending /etc/nginx/y.conf").agree("pending-nginx")
		})
		if got := told(diff(ref(), c.spec, c.facts())); !slices.Contains(got, "web-2 switch to green") {
			t.Errorf("got %q", got)
		}
	})
}

// TestDiffFirstWeek: a slot renamed, a port changed, a root moved, a machine taken out, one added.
func TestDiffFirstWeek(t *testing.T) {
	green42 := []string{
		"web-1 check that nginx accepts green", "web-1 switch to green", "web-1 drain blue (30 s at most)",
		"web-2 check that nginx accepts green", "web-2 switch to green", "web-2 drain blue (30 s at most)",
	}
	for _, tt := range []struct {
		name string
		see  *scene
		want []string
	}{
		{"slot renamed", func() *scene {
			c := see(teatime(func(s *Spec) { s.Slots[0].Name = "azure" }))
			c.process("app-1", "blue", "42", "x", 8081)
			return c.routes("web-1", blue).routes("web-2", blue)
		}(), append([]string{
			"app-1 start green on :8082", "app-1 wait until green is healthy (100 s at most)", "app-1 confirm that green still runs", "app-1 stop blue (pid 2181)",
		}, replace(green42, "drain blue", "drain azure")...)},
		{"port changed of the idle slot", see(teatime(func(s *Spec) { s.Slots[1].Port = 9082 })).runs("app-1", "blue", "42").routes("web-1", blue).routes("web-2", blue), nil},
		{"port changed of the live slot", func() *scene {
			c := see(teatime(func(s *Spec) { s.Slots[0].Port = 9081 }))
			c.process("app-1", "blue", "42", "x", 8081)
			return c.routes("web-1", blue).routes("web-2", blue)
		}(), append([]string{
			"app-1 start green on :8082", "app-1 wait until green is healthy (100 s at most)", "app-1 confirm that green still runs", "app-1 stop blue (pid 2181)",
		}, replace(green42, "drain blue", "drain the earlier workers")...)},
		{"ports of the slots exchanged: the live one is in the way of both", func() *scene {
			c := see(teatime(func(s *Spec) { s.Slots[0].Port, s.Slots[1].Port = 8082, 8081 }))
			c.process("app-1", "blue", "42", "x", 8081)
			return c.routes("web-1", blue).routes("web-2", blue)
		}(), []string{
			"app-1! slot blue serves on port 8081, and the configuration leaves no slot free beside it: green :8081 has its port. Give the slots one new name or one new port at a time, with an apply in between",
		}},
		{"root moved", see(teatime(func(s *Spec) { s.Release.Root = "/opt/teatime" })).runsAs("app-1", "blue", "42", "older").routes("web-1", blue).routes("web-2", blue), append([]string{
			"app-1 start green on :8082", "app-1 wait until green is healthy (100 s at most)", "app-1 confirm that green still runs", "app-1 stop blue (pid 2181)",
		}, green42...)},
		{"a machine taken out, where previous ones are kept", func() *scene {
			c := see(teatime(two, func(s *Spec) { s.Hosts[1].Retired, s.Previous = true, "running" }))
			c.runs("app-1", "blue", "42").runs("app-2", "blue", "42")
			return c.routes("web-1", blue).routes("web-2", blue)
		}(), []string{"app-2 stop blue (pid 2181)"}},
		{"a machine taken out", func() *scene {
			c := see(teatime(two, func(s *Spec) { s.Hosts[1].Retired = true }))
			c.runs("app-1", "blue", "42").runs("app-2", "blue", "42")
			return c.routes("web-1", blue, "10.0.0.12:8081").routes("web-2", blue, "10.0.0.12:8081")
		}(), []string{
			"app-1 wait until blue is healthy (100 s at most)", "app-1 confirm that blue still runs", "app-2 stop blue (pid 2181)",
			"web-1 check that nginx accepts blue", "web-1 switch to blue", "web-1 drain the earlier workers (30 s at most)",
			"web-2 check that nginx accepts blue", "web-2 switch to blue", "web-2 drain the earlier workers (30 s at most)",
		}},
		{"a machine added", see(teatime(two)).runs("app-1", "green", "42").routes("web-1", green).routes("web-2", green), []string{
			"app-1 wait until green is healthy (100 s at most)", "app-1 confirm that green still runs", "app-2 start blue on :8081", "app-2 wait until blue is healthy (100 s at most)", "app-2 confirm that blue still runs",
			"web-1 check that nginx accepts app-1 green, app-2 blue", "web-1 switch to app-1 green, app-2 blue", "web-1 drain the earlier workers (30 s at most)",
			"web-2 check that nginx accepts app-1 green, app-2 blue", "web-2 switch to app-1 green, app-2 blue", "web-2 drain the earlier workers (30 s at most)",
		}},
		{"a slot kept running that a reboot would not bring back", see(teatime()).process("app-1", "blue", "42", teatime().digest(teatime().Slots[0], "42"), 8081).
			add("app-1", tab("answer", 8081, 200, "blue"), tab("unit", "blue", "active", "disabled")).routes("web-1", blue).routes("web-2", blue), append([]string{
			"app-1 start green on :8082", "app-1 wait until green is healthy (100 s at most)", "app-1 confirm that green still runs", "app-1 stop blue (pid 2181)",
		}, green42...)},
	} {
		t.Run(tt.name, func(t *testing.T) { compare(t, tt.see, tt.want) })
	}
}

func replace(in []string, from, to string) []string {
	out := slices.Clone(in)
	for i := range out {
		out[i] = strings.ReplaceAll(out[i], from, to)
	}
	return out
}

// TestDiffOrder: nothing is stopped before every nginx has moved and drained, nothing is switched to before it is healthy.
func TestDiffOrder(t *testing.T) {
	c := see(teatime(two)).runs("app-1", "blue", "41").runs("app-2", "blue", "41").
		routes("web-1", blue, "10.0.0.12:8081").routes("web-2", blue, "10.0.0.12:8081")
	steps := map[providers.StepID]providers.Step{}
	for _, ch := range diff(ref(), c.spec, c.facts()) {
		for _, s := range ch.Steps {
			steps[s.ID] = s
		}
	}
	id := func(host, verb string) providers.StepID { return providers.Addr{Ref: ref(), Host: host}.Step(verb) }
	release := func(host, verb string) providers.StepID {
		return providers.Addr{Ref: config.Ref{Kind: "release", Name: "teatime"}, Host: host}.Step(verb)
	}
	for _, app := range []string{"app-1", "app-2"} {
		other := map[string]string{"app-1": "app-2", "app-2": "app-1"}[app]
		for _, web := range []string{"web-1", "web-2"} {
			want(t, steps[id(web, "check")].After, id(app, "health"))
			want(t, steps[id(web, "switch")].After, id("web-1", "check"), id("web-2", "check"), id(app, "confirm"))
			want(t, steps[id(app, "confirm")].After, id(web, "check"), id(app, "health"))
			want(t, steps[id(web, "switch")].Before, release(app, providers.Activate))
			want(t, steps[id(app, "stop-blue")].After, id(web, "drain"), release(app, providers.Activate), release(other, providers.Activate))
		}
		want(t, steps[id(app, "start")].After, release(app, providers.Publish))
		want(t, steps[id(app, "stop-blue")].Before, release(app, providers.Prune))
		if s := steps[id(app, "stop-blue")]; !s.Final || s.Undo != nil {
			t.Errorf("%s is not final", s.ID)
		}
		if u := steps[id(app, "start")].Undo; u == nil || u.Script != "service/stop" || u.Args[1] != "green" {
			t.Errorf("start is undone by %v", u)
		}
	}
}

func want(t *testing.T, list []providers.StepID, ids ...providers.StepID) {
	t.Helper()
	for _, id := range ids {
		if !slices.Contains(list, id) {
			t.Errorf("%s is not among %v", id, list)
		}
	}
}

// TestDiffUnhealthy: the slot that serves is not left for a check that failed; an idle one must be healthy.
func TestDiffUnhealthy(t *testing.T) {
	digest := func(slot int) string { return teatime().digest(teatime().Slots[slot], "42") }
	t.Run("the one that serves", func(t *testing.T) {
		c := see(teatime()).process("app-1", "blue", "42", digest(0), 8081).
			add("app-1", tab("answer", 8081, 503, "busy"), tab("unit", "blue", "active", "enabled")).routes("web-1", blue).routes("web-2", blue)
		compare(t, c, nil)
	})
	t.Run("an idle one", func(t *testing.T) {
		c := see(teatime()).runs("app-1", "blue", "41").process("app-1", "green", "42", digest(1), 8082).
			add("app-1", tab("answer", 8082, 503, "broken"), tab("unit", "green", "active", "enabled")).routes("web-1", blue).routes("web-2", blue)
		if got := told(diff(ref(), c.spec, c.facts())); !slices.Contains(got, "app-1 stop what is left in green (pid 2182)") || !slices.Contains(got, "app-1 start green on :8082") {
			t.Errorf("got %q", got)
		}
	})
}

// TestDiffHooks: once means on the first machine; nothing starts before every hook has run.
func TestDiffHooks(t *testing.T) {
	c := see(teatime(two, func(s *Spec) {
		s.Before = []Hook{{Name: "migrate", Once: true, Timeout: time.Minute}, {Name: "warm", Timeout: time.Minute}}
		for i := range s.Slots {
			s.Slots[i].Hooks = [][]string{{"./migrate"}, {"./warm"}}
		}
	})).runs("app-1", "blue", "41").runs("app-2", "blue", "41").routes("web-1", blue, "10.0.0.12:8081").routes("web-2", blue, "10.0.0.12:8081")
	steps := map[string][]providers.StepID{}
	for _, ch := range diff(ref(), c.spec, c.facts()) {
		for _, s := range ch.Steps {
			steps[s.Host+" "+s.Title] = s.After
		}
	}
	migrate, warm1, warm2 := providers.StepID(`service.teatime["app-1"]/before-migrate`), providers.StepID(`service.teatime["app-1"]/before-warm`), providers.StepID(`service.teatime["app-2"]/before-warm`)
	if _, twice := steps["app-2 run migrate (./migrate)"]; twice {
		t.Error("migrated on both machines")
	}
	want(t, steps["app-1 run warm (./warm)"], migrate)
	want(t, steps["app-2 run warm (./warm)"], migrate)
	want(t, steps["app-1 start green on :8082"], migrate, warm1, warm2)
	want(t, steps["app-2 start green on :8082"], migrate, warm1, warm2)
}

// TestCurrentIsLive: with no version given and nothing running (a reboot, with the runner "process"), the release that
// current leads to is what was live.
func TestCurrentIsLive(t *testing.T) {
	s := Spec{Release: Release{Root: "/srv/teatime", Pin: "live"}}
	q := remote.Query{Host: "app-1", Script: "release/look", Args: []string{"/srv/teatime", "key"}}
	for text, want := range map[string]string{
		"root /srv/teatime\ncurrent link /srv/teatime/releases/41\nrelease 41 - - - -\n": "41",
		"root /srv/teatime\ncurrent link releases/41\nrelease 41 - - - -\n":              "41",
		"root /srv/teatime\ncurrent link /srv/teatime/releases/41\nrelease 4 - - - -\n":  "", // it leads nowhere
		"root /srv/teatime\ncurrent link /somewhere/41\nrelease 41 - - - -\n":            "",
		"root /srv/teatime\ncurrent none\nrelease 41 - - - -\n":                          "",
	} {
		f := remote.Facts{}
		f.Put(q, remote.Answer{Sight: remote.Seen, Text: text})
		l := &live{hosts: map[string]*hostLive{"app-1": {}}}
		if got := s.release(l, "app-1", f); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// batchServer is teatime in one slot, behind no nginx.
func batchServer(s *Spec) {
	s.Strategy, s.Slots, s.Nginx = recreate, s.Slots[:1], Nginx{}
	s.Windows = []config.Ref{{Kind: "batch_window", Name: "settlement"}}
}

// oneSlot is the same behind nginx.
func oneSlot(s *Spec) { s.Strategy, s.Slots = recreate, s.Slots[:1] }

func TestDiffRecreate(t *testing.T) {
	const down = "app-1? nothing serves from the stop until the new program is healthy (100 s at most); if it does not get so, the old one is started again"
	swap := []string{down, "app-1 stop blue (pid 2181)", "app-1 start blue on :8081", "app-1 wait until blue is healthy (100 s at most)"}
	for _, tt := range []struct {
		name string
		see  *scene
		want []string
	}{
		{"the first time", see(teatime(batchServer)).add("app-1"), []string{"app-1 start blue on :8081", "app-1 wait until blue is healthy (100 s at most)"}},
		{"stop, then start", see(teatime(batchServer)).runs("app-1", "blue", "41"), swap},
		{"nothing to do", see(teatime(batchServer)).runs("app-1", "blue", "42"), nil},
		{"nothing to do, version null", see(teatime(batchServer, live42)).runs("app-1", "blue", "42"), nil},
		{"other settings", see(teatime(batchServer, live42)).runsAs("app-1", "blue", "42", "another"), swap},
		{"what runs is not stopped for an answer that failed", see(teatime(batchServer)).process("app-1", "blue", "42", teatime(batchServer).digest(teatime(batchServer).Slots[0], "42"), 8081).
			add("app-1", tab("unit", "blue", "active", "enabled"), tab("answer", 8081, 503, "no")), []string{
			"app-1 wait until blue is healthy (100 s at most)",
		}},
		{"behind nginx: nothing to switch", see(teatime(oneSlot)).runs("app-1", "blue", "41").routes("web-1", blue).routes("web-2", blue), swap},
		{"from two slots: both are stopped first", see(teatime(oneSlot)).process("app-1", "blue", "40", "x", 8081).process("app-1", "green", "41", "x", 8082).routes("web-1", blue).routes("web-2", blue), []string{
			down, "app-1 stop blue (pid 2181)", "app-1 stop green (pid 2182)", "app-1 start blue on :8081", "app-1 wait until blue is healthy (100 s at most)",
		}},
		{"a stranger", see(teatime(batchServer)).add("app-1", tab("listen", 8081, 777, 5, "-", "java -jar old.jar", "-")), []string{
			"app-1! port 8081, where blue is to run, is held by pid 777: java -jar old.jar, which shipctl did not start. -take-over=service.teatime makes it a step of the plan to stop it first",
		}},
		{"a stranger, taken over", see(teatime(batchServer)).add("app-1", tab("listen", 8081, 777, 5, "-", "java -jar old.jar", "-")).agree("take-over"), []string{
			"app-1? pid 777: java -jar old.jar is stopped before the new program is started, and shipctl can't start it again", down,
			"app-1 stop pid 777: java -jar old.jar, which is taken over", "app-1 start blue on :8081", "app-1 wait until blue is healthy (100 s at most)",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { compare(t, tt.see, tt.want) })
	}
}

// TestDiffRecreateOrder: stop, start, health, then activate; gated; nothing is final; machines one after the other.
func TestDiffRecreateOrder(t *testing.T) {
	c := see(teatime(batchServer, func(s *Spec) { s.Hosts = append(s.Hosts, machine("app-2", "10.0.0.12")) })).runs("app-1", "blue", "41").runs("app-2", "blue", "41")
	steps := map[providers.StepID]providers.Step{}
	for _, ch := range diff(ref(), c.spec, c.facts()) {
		for _, s := range ch.Steps {
			steps[s.ID] = s
		}
	}
	id := func(host, verb string) providers.StepID { return providers.Addr{Ref: ref(), Host: host}.Step(verb) }
	release := func(host, verb string) providers.StepID {
		return providers.Addr{Ref: config.Ref{Kind: "release", Name: "teatime"}, Host: host}.Step(verb)
	}
	for _, app := range []string{"app-1", "app-2"} {
		stop := steps[id(app, "stop-blue")]
		want(t, stop.After, release(app, providers.Publish))
		want(t, steps[id(app, "start")].After, id(app, "stop-blue"))
		want(t, steps[id(app, "health")].Before, release("app-1", providers.Activate), release("app-2", providers.Activate), release(app, providers.Prune))
		if stop.Final || stop.Undo == nil || stop.Undo.Script != "service/revive" || len(stop.Gates) != 1 || stop.Do.Args[8] != "again" {
			t.Errorf("stop: %+v", stop)
		}
		if stop.Until != id(app, "health") {
			t.Errorf("jobs wait until %q", stop.Until)
		}
	}
	want(t, steps[id("app-2", "stop-blue")].After, id("app-1", "health"))
}

// verified: each slot shows itself through nginx by its name, and by its port alone when it starts.
func verified(s *Spec) {
	for i := range s.Slots {
		s.Slots[i].Health = Health{Kind: "tcp", Interval: time.Second, Timeout: time.Second, Deadline: 100 * time.Second}
		s.Slots[i].Verify = "^" + s.Slots[i].Name + "$"
	}
}

// TestDiffVerifySlot: a switch expects the answer of the slot that it leads to, going back that of the other one; and with
// one for each nothing is unproven.
func TestDiffVerifySlot(t *testing.T) {
	s := teatime(verified)
	changes := diff(ref(), s, see(s).runs("app-1", "blue", "41").routes("web-1", blue).routes("web-2", blue).facts())
	found := 0
	for _, c := range changes {
		if strings.Contains(strings.Join(c.Warnings, "\n"), "tell the slots apart") {
			t.Errorf("%s: %q", c.Addr, c.Warnings)
		}
		for _, step := range c.Steps {
			if step.Do.Script == "nginx/switch" {
				found++
				if !slices.Contains(step.Do.Args, "^green$") {
					t.Errorf("%s: %q", step.ID, step.Do.Args)
				}
			}
		}
	}
	if found != 2 {
		t.Errorf("%d switches", found)
	}
}

// TestRollbackVerify: what ran then answers as it did then, unless one body is given for all now.
func TestRollbackVerify(t *testing.T) {
	then := teatime(verified)
	then.Slots[0].Verify = "^blue-41$"
	now := teatime(verified)
	if got := rollback(now, then); got.expected(got.Slots[0]).body != "^blue-41$" {
		t.Errorf("%+v", got.Slots[0])
	}
	one := teatime()
	one.Nginx.Verify.Body = "^ok$"
	if got := rollback(one, then); got.expected(got.Slots[0]).body != "^ok$" || then.Slots[0].Verify == "" {
		t.Errorf("%+v", got.Slots[0])
	}
	if got := rollback(now, teatime()); got.expected(got.Slots[0]).body != "^blue$" { // the health check's of then
		t.Errorf("%+v", got.Slots[0])
	}
}

// TestRollbackRecreate: between one slot and two, a rollback never runs two.
func TestRollbackRecreate(t *testing.T) {
	for name, s := range map[string]Spec{"to one slot": rollback(teatime(), teatime(oneSlot)), "from one slot": rollback(teatime(oneSlot), teatime())} {
		t.Run(name, func(t *testing.T) {
			if !s.recreates() || len(s.Slots) != 1 {
				t.Fatalf("strategy %q, %d slots", s.Strategy, len(s.Slots))
			}
			compare(t, see(s).runs("app-1", "blue", "41").routes("web-1", blue).routes("web-2", blue), []string{
				"app-1? nothing serves from the stop until the new program is healthy (100 s at most); if it does not get so, the old one is started again",
				"app-1 stop blue (pid 2181)", "app-1 start blue on :8081", "app-1 wait until blue is healthy (100 s at most)",
			})
		})
	}
}

// TestDiffInheritedMarker: a program that was started from within another project's slot carries its marker. With consent
// it is taken over like any other, named by the marker.
func TestDiffInheritedMarker(t *testing.T) {
	s := teatime()
	got := told(diff(ref(), s, see(s).add("app-1", tab("listen", 8081, 778, 9, "=coffee/bar/green/7/x", "java", "-")).routes("web-1", blue).routes("web-2", blue).agree("take-over").facts()))
	if want := "app-1 stop slot green of service.bar of the project coffee (pid 778), which is taken over"; !slices.Contains(got, want) {
		t.Errorf("no %q in %q", want, got)
	}
}

// TestStatusDown: a live slot of which nothing runs is down; one that a stranger holds, or that waits, is not.
func TestStatusDown(t *testing.T) {
	s := teatime()
	for _, tt := range []struct {
		name string
		see  *scene
		want string
	}{
		{"nothing runs", see(s).routes("web-1", blue).routes("web-2", blue), "blue DOWN (not running), green -"},
		{"a stranger serves", see(s).stranger("app-1", 8081).routes("web-1", blue).routes("web-2", blue), "blue -, green -"},
		{"the other runs", see(s).runs("app-1", "green", "42").routes("web-1", blue).routes("web-2", blue), "green healthy, blue DOWN (not running)"},
	} {
		var got []string
		for _, line := range status(ref(), s, tt.see.facts()) {
			got = append(got, line.Slot+" "+line.Health)
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: %q, not %q", tt.name, got, tt.want)
		}
	}
}

// TestStatusNginxDown: a program is healthy, and nobody reaches it.
func TestStatusNginxDown(t *testing.T) {
	s := teatime(func(s *Spec) { s.Nginx.Hosts = s.Nginx.Hosts[:1] })
	runs := func() *scene { return see(s).runs("app-1", "blue", "41").runs("app-1", "green", "42") }
	stopped := func(lines ...string) *scene {
		c := runs()
		return c.add("web-1", installed...).add("web-1", lines...).add("web-1", "file present").add("web-1", c.url(green)...)
	}
	for _, tt := range []struct {
		name string
		see  *scene
		want string
	}{
		{"up", runs().routes("web-1", green), "blue: , green: "},
		{"down", stopped("pidnote there is no pidfile"), "blue: , green: nginx on web-1 is not running"},
		{"down, and leads nowhere", runs().down("web-1"), "blue: nginx on web-1 is not running, green: "},
		{"a stray", stopped("pidnote there is no pidfile", "stray 77"), "blue: , green: nginx on web-1 runs as pid 77, but there is no pidfile"},
		{"not installed", runs().add("web-1", "file absent"), "blue: nginx is not installed on web-1, green: "},
		{"could not look", runs().cannot("web-1", remote.Answer{Sight: remote.Denied}), "blue: , green: "},
	} {
		var got []string
		for _, l := range status(ref(), s, tt.see.facts()) {
			got = append(got, l.Slot+": "+l.Note)
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestStatusUnknown: what nobody could see is told from what is not there.
func TestStatusUnknown(t *testing.T) {
	s := teatime()
	out := remote.Answer{Sight: remote.Unreachable, Why: "no route"}
	c := see(s).runs("app-1", "blue", "42").routes("web-1", green)
	c.denied["web-2"] = out
	for _, line := range status(ref(), s, c.facts()) {
		if line.Unknown || !line.Hidden || line.Live != (line.Slot == "green") {
			t.Errorf("with one nginx that could not be asked: %+v", line)
		}
	}
	c = see(s).routes("web-1", green).routes("web-2", green)
	c.denied["app-1"] = out
	if got := status(ref(), s, c.facts()); len(got) != 1 || !got[0].Unknown || got[0].Hidden || !strings.Contains(got[0].Note, "no route") {
		t.Errorf("a machine that could not be asked: %+v", got)
	}
}

// TestRemove: what nginx still sends requests to, by its disk or by its workers, is not stopped before nginx is without it.
func TestRemove(t *testing.T) {
	const stop, gone = "app-1 stop blue (pid 2181)", "web-1 remove " + routeFile
	uses := `web-1! nginx still uses ` + routeFile + `, so removing it would cost answers: take what proxies to it out of nginx's configuration, reload, and plan again`
	named := `web-1! nginx can't do without ` + routeFile + `, since it is included by its name: take the include in /etc/nginx/nginx.conf:9 out of nginx's configuration, reload, and plan again`
	s := teatime(func(s *Spec) { s.Nginx.Hosts = s.Nginx.Hosts[:1] })
	runs := func() *scene { return see(s).runs("app-1", "blue", "42") }
	deleted := func(lines ...string) *scene {
		return runs().add("web-1", installed...).add("web-1", up...).add("web-1", "file absent").add("web-1", lines...)
	}
	for _, tt := range []struct {
		name string
		see  *scene
		want []string
	}{
		{"not used", runs().routes("web-1", blue), []string{stop, gone}},
		{"used", runs().routes("web-1", blue).add("web-1", "used"), []string{uses}},
		{"included by its name", runs().routes("web-1", blue).add("web-1", "named /etc/nginx/nginx.conf:9"), []string{named}},
		{"included by its name, and down", runs().down("web-1").add("web-1", "named /etc/nginx/nginx.conf:9"), []string{stop}},
		{"used, and included by its name", runs().routes("web-1", blue).add("web-1", "used", "named /etc/nginx/nginx.conf:9"), []string{
			strings.Replace(uses, "proxies to it", "proxies to it, and the include in /etc/nginx/nginx.conf:9,", 1),
		}},
		{"never there", runs().bare("web-1"), []string{stop}},
		{"nginx is down", runs().down("web-1"), []string{stop}},
		{"deleted by hand, used and loaded", deleted("known record", "loaded "+blue, "used"), []string{uses}},
		{"deleted by hand, used, and not known", deleted("known no", "why w", "used"), []string{uses}},
		{"deleted by hand and loaded", deleted("known record", "loaded "+blue), []string{stop, gone}},
		{"deleted by hand, and not known", deleted("known no", "why w"), []string{stop, gone}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cs := remove(ref(), s, tt.see.facts())
			got := told(cs)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			for _, c := range cs {
				for _, st := range c.Steps {
					if st.Host == "app-1" && slices.Contains(tt.want, gone) {
						want(t, st.After, providers.Addr{Ref: ref(), Host: "web-1"}.Step("remove-route"))
					}
				}
			}
		})
	}
}
