package nginx

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

func byVariable() Route {
	return Route{Host: "web-1", File: "/etc/nginx/conf.d/service-url.inc", Variable: "service_url", Project: "teatime", Owner: "service.teatime", Drain: 30 * time.Second}
}

func byUpstream() Route {
	r := byVariable()
	r.Variable, r.Upstream = "", "teatime"
	return r
}

func TestContent(t *testing.T) {
	const line = "# Written by shipctl for service.teatime of project teatime. Do not edit: the next deployment replaces it.\n"
	tests := []struct {
		route Route
		addrs []string
		want  string // "": an error
	}{
		{byVariable(), []string{"10.0.0.11:8081"}, line + "set $service_url http://10.0.0.11:8081;\n"},
		{byVariable(), []string{"[fd00::1]:8081"}, line + "set $service_url http://[fd00::1]:8081;\n"},
		{byUpstream(), []string{"10.0.0.11:8081", "10.0.0.12:8082"}, line + "upstream teatime {\n    server 10.0.0.11:8081;\n    server 10.0.0.12:8082;\n}\n"},
		{byVariable(), nil, ""},
		{byUpstream(), nil, ""},
		{byVariable(), []string{"10.0.0.11:8081", "10.0.0.12:8082"}, ""},
		{byVariable(), []string{"localhost:8081"}, ""},
		{byVariable(), []string{"10.0.0.11"}, ""},
		{byVariable(), []string{"10.0.0.11:8081/"}, ""},
		{byVariable(), []string{"10.0.0.11:0"}, ""},
		{byVariable(), []string{"0.0.0.0:8081"}, ""},
		{byVariable(), []string{"[fe80::1%eth0]:80"}, ""},
		{byVariable(), []string{"[FD00::1]:80"}, ""}, // one spelling, so that addresses can be compared
	}
	for _, tt := range tests {
		got, err := Content(tt.route, tt.addrs)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%v: %q, %v, want %q", tt.addrs, got, err, tt.want)
		}
		if err != nil {
			continue
		}
		if addrs, strange := Parse(tt.route, got); !slices.Equal(addrs, tt.addrs) || strange != nil || owner(got) != "teatime" {
			t.Errorf("%q reads as %v, %v of %q", got, addrs, strange, owner(got))
		}
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		route   Route
		content string
		addrs   string
		strange string // part of it
	}{
		{byVariable(), "set $service_url http://10.0.0.11:8080;", "[10.0.0.11:8080]", ""},
		{byVariable(), "set $service_url http://10.0.0.11:8080; # blue", "[10.0.0.11:8080]", ""},
		{byVariable(), "\tset\n $service_url\t\"http://10.0.0.11:8080\" ;\r\n", "[10.0.0.11:8080]", ""},
		{byVariable(), "# set $service_url http://1.1.1.1:1;\nset $service_url http://10.0.0.11;", "[10.0.0.11:80]", ""},
		{byVariable(), "set $service_url http://1.1.1.1:1;set $service_url http://1.1.1.1:2;", "[1.1.1.1:2]", ""},
		{byVariable(), "set $service_url http://localhost:8080;", "[]", "localhost:8080"},
		{byVariable(), "set $service_url http://10.0.0.11:8080/;", "[]", "10.0.0.11:8080/"},
		{byVariable(), "set $service_url https://10.0.0.11:8080;", "[]", "http://"},
		{byVariable(), "set $service_url http://10.0.0.11:8080", "[]", "not finished"},
		{byVariable(), "set $other http://10.0.0.11:8080;", "[]", "$other"},
		{byVariable(), "set $service_url http://1.1.1.1:1;\nadd_header X y;", "[1.1.1.1:1]", `line 2: "add_header X y"`},
		{byVariable(), "set $service_url http://1.1.1.1:1; if ($a ~ \"x{2}\") { set $service_url http://1.1.1.1:2; }", "[1.1.1.1:1]", `the block "if`},
		{byVariable(), "", "[]", "routes nowhere"},
		{byVariable(), "\x00{};'", "[]", "block"},
		{byUpstream(), "upstream teatime { server 10.0.0.11:8081 weight=5; server 10.0.0.12; keepalive 16; }", "[10.0.0.11:8081 10.0.0.12:80]", ""},
		{byUpstream(), "upstream teatime { server unix:/run/x.sock; }", "[]", "unix:"},
		{byUpstream(), "upstream other { server 10.0.0.11:8081; }", "[]", `the block "upstream other"`},
	}
	for _, tt := range tests {
		addrs, strange := Parse(tt.route, tt.content)
		said := strings.Join(strange, "; ")
		if fmt.Sprint(addrs) != tt.addrs || !strings.Contains(said, tt.strange) || tt.strange == "" && said != "" {
			t.Errorf("%q: %v, %q, want %s and %q", tt.content, addrs, said, tt.addrs, tt.strange)
		}
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		change func(*Route)
		says   string // "": fine
	}{
		{func(r *Route) {}, ""},
		{func(r *Route) { r.VerifyURL, r.VerifyHost = "https://127.0.0.1:8443/profile?x=1", "teatime.example" }, ""},
		{func(r *Route) { r.Upstream = "x" }, "both set"},
		{func(r *Route) { r.Variable = "" }, "neither"},
		{func(r *Route) { r.Variable = "$service_url" }, "without the $"},
		{func(r *Route) { r.Variable = "a;id" }, "letters"},
		{func(r *Route) { r.File = "conf.d/x.inc" }, "not an absolute path"},
		{func(r *Route) { r.File = "/etc/../x.inc" }, "not a clean path"},
		{func(r *Route) { r.File = "/etc/x y.inc" }, "character"},
		{func(r *Route) { r.File = "/etc/*.inc" }, "character"},
		{func(r *Route) { r.Config = "/etc/$(id)" }, "character"},
		{func(r *Route) { r.Binary = "-rf" }, "binary"},
		{func(r *Route) { r.VerifyURL = "ftp://x/" }, "URL"},
		{func(r *Route) { r.VerifyURL = "http://u:p@x/" }, "URL"},
		{func(r *Route) { r.VerifyHost = "a\nb" }, "host"},
		{func(r *Route) { r.Drain = -1 }, "drain"},
	}
	for _, tt := range tests {
		r := byVariable()
		tt.change(&r)
		err := r.Validate()
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v, want %q", r, err, tt.says)
		}
	}
}

func TestExpectValidate(t *testing.T) {
	for body, ok := range map[string]bool{"": true, "^real1$": true, "a{2}": true, "(": false, `\d`: false, "a\nb": false} {
		if err := (Expect{Body: body}).Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", body, err)
		}
	}
}

const looked = `boot b
installed /usr/sbin/nginx
version nginx/1.22.1
pidfile /run/nginx.pid
file present
text set $service_url http://10.0.0.11:8081;
master 10 100
worker 11 101 serving
worker 12 102 leaving
known record
loaded 10.0.0.12:8082
included /etc/nginx/sites-enabled/teatime:3
shutdown 10s
end
`

func TestLive(t *testing.T) {
	tests := []struct {
		name        string
		replace, by string
		want        string
	}{
		{"as recorded", "", "", "up true file [10.0.0.11:8081] loaded true [10.0.0.12:8082] "},
		{"started since", "known record\nloaded 10.0.0.12:8082", "known started", "up true file [10.0.0.11:8081] loaded true [10.0.0.11:8081] "},
		{"started since, by hand, odd", "known record\nloaded 10.0.0.12:8082", "known started\ntext gzip on;", "up true file [] loaded false [] /etc/nginx/conf.d/service-url.inc could not be understood: line 2: \"gzip on\""},
		{"not known", "known record\nloaded 10.0.0.12:8082", "known no\nwhy so\nprobe 200\nbody blue\nbody x", "up true file [10.0.0.11:8081] loaded false [] so {200 blue\nx}"},
		{"no connection", "known record\nloaded 10.0.0.12:8082", "known no\nwhy so\nprobe 000\nbody refused", "up true file [10.0.0.11:8081] loaded false [] so {0 refused}"},
		{"never there", "known record\nloaded 10.0.0.12:8082", "known absent", "up true file [10.0.0.11:8081] loaded true [] "},
		{"down", "master 10 100\nworker 11 101 serving\nworker 12 102 leaving\nknown record\nloaded 10.0.0.12:8082", "pidnote gone", "up false file [10.0.0.11:8081] loaded true [] "},
		{"down, a stray", "master 10 100\nworker 11 101 serving\nworker 12 102 leaving\nknown record\nloaded 10.0.0.12:8082", "pidnote gone\nstray 9", "up false file [10.0.0.11:8081] loaded false [] a master runs that the pidfile does not name"},
		{"cut", "end\n", "", "error: not complete"},
		{"a second end", "end\n", "end\nloaded 1.1.1.1:1\nend\n", "error: goes on"},
		{"no address", "10.0.0.12:8082", "x", "error: not IP:port"},
		{"no process", "master 10", "master x", "error: not a process"},
		{"a state", "leaving", "dancing", "error: dancing"},
		{"a rule", "known record", "known perhaps", "error: perhaps"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := byVariable()
			f := remote.Facts{}
			f.Put(r.Query(), remote.Answer{Sight: remote.Seen, Text: strings.Replace(looked, tt.replace, tt.by, 1)})
			l, err := r.Live(f)
			got := fmt.Sprint("error: ", err)
			if err == nil {
				got = fmt.Sprintf("up %v file %v loaded %v %v %s", l.Up, l.File, l.LoadedKnown, l.Loaded, l.Why)
				if l.Probe != nil {
					got += fmt.Sprintf(" %v", *l.Probe)
				}
			}
			if want, ok := strings.CutPrefix(tt.want, "error: "); ok && !strings.Contains(got, want) || !ok && got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
	for _, sight := range []remote.Sight{remote.NotAsked, remote.Absent, remote.Denied, remote.Unreachable} {
		f := remote.Facts{}
		f.Put(byVariable().Query(), remote.Answer{Sight: sight, Why: "because"})
		if _, err := byVariable().Live(f); err == nil || !strings.Contains(err.Error(), sight.String()) {
			t.Errorf("%s: %v", sight, err)
		}
	}
}

func FuzzLive(f *testing.F) {
	f.Add(looked)
	f.Add("file absent\nend\n")
	f.Add("file present\ntext upstream x {\nmaster 1 2\nknown no\nprobe 200\nend\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range []Route{byVariable(), byUpstream()} {
			l, err := read(r, text)
			if err != nil {
				continue
			}
			if !l.LoadedKnown && (l.Loaded != nil || l.Why == "") {
				t.Errorf("not known, but %v, %q", l.Loaded, l.Why)
			}
			for _, a := range slices.Concat(l.File, l.Loaded) {
				if c, err := Address(a); err != nil || c != a {
					t.Errorf("%q is not an address", a)
				}
			}
			if l.Up != (l.Master != nil) {
				t.Error("up without a master")
			}
			Problems(r, l, []string{"10.0.0.1:80"}, false)
			Warnings(r, l)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("set $service_url http://10.0.0.11:8081;", true)
	f.Add("upstream teatime {\n server \"10.0.0.11:8081\"; # x\n}", false)
	f.Fuzz(func(t *testing.T, text string, variable bool) {
		r := byVariable()
		if !variable {
			r = byUpstream()
		}
		addrs, strange := Parse(r, text)
		if len(addrs) == 0 && len(strange) == 0 {
			t.Error("neither understood nor not")
		}
		if !utf8.ValidString(text) || len(strange) > 0 || variable && len(addrs) > 1 {
			return
		}
		again, err := Content(r, addrs)
		if err != nil {
			t.Fatal(err)
		}
		if back, s := Parse(r, again); !slices.Equal(back, addrs) || s != nil {
			t.Errorf("%v reads as %v, %v", addrs, back, s)
		}
	})
}

func TestProblems(t *testing.T) {
	good := Live{Installed: true, Up: true, Exists: true, Included: true, LoadedKnown: true, ShutdownTimeout: "1m"}
	tests := []struct {
		name     string
		change   func(*Live)
		says     string // the only problem; "": none
		pendings bool
	}{
		{"none", func(l *Live) {}, "", false},
		{"not installed", func(l *Live) { *l = Live{} }, "is not installed", false},
		{"nobody includes it", func(l *Live) { l.Included = false }, `put "include /etc/nginx/conf.d/service-url.inc;" into the server`, false},
		{"another sets it", func(l *Live) { l.Others = []string{"/etc/nginx/x:3"} }, "/etc/nginx/x:3 sets service_url too", false},
		{"unread", func(l *Live) { l.Unread = []string{"/etc/nginx/y"} }, "/etc/nginx/y is included but can't be read", false},
		{"another file is missing", func(l *Live) {
			l.Missing, l.Broken = []string{"/etc/nginx/y.inc"}, "[emerg] open() \"/etc/nginx/y.inc\" failed"
		}, "nginx includes /etc/nginx/y.inc, which is not there", false},
		{"another file is missing, and ours", func(l *Live) {
			l.Missing, l.Exists, l.Broken = []string{"/etc/nginx/y.inc"}, false, "[emerg] open() failed"
		}, "\n  echo 'set $service_url http://10.0.0.1:80;' >/etc/nginx/conf.d/service-url.inc\nThen reload nginx", false},
		{"broken", func(l *Live) { l.Broken = "[emerg] nonsense in /etc/nginx/x:3" }, "[emerg] nonsense", false},
		{"broken by the lack of our file", func(l *Live) { l.Broken, l.Exists = "[emerg] open()", false }, "", false},
		{"pending", func(l *Live) { l.Pending = []string{"/etc/nginx/z"} }, "/etc/nginx/z; have a look", false},
		{"pending, and ours is missing", func(l *Live) {
			l.Pending, l.Exists, l.Broken = []string{"/etc/nginx/z"}, false, "[emerg] open() failed"
		}, "have a look, then use -allow-pending-nginx, or give /etc/nginx/conf.d/service-url.inc a first content and reload nginx:\n  echo 'set $service_url http://10.0.0.1:80;' >", false},
		{"pending, with consent", func(l *Live) { l.Pending = []string{"/etc/nginx/z"} }, "", true},
		{"a stray", func(l *Live) { l.Up, l.Strays, l.PidNote = false, []int{7}, "there is no pidfile" }, "pid 7", false},
		{"another project's", func(l *Live) {
			l.FileText = "# Written by shipctl for service.x of project coffee. Do not edit: the next deployment replaces it.\n"
		}, "belongs to the project coffee", false},
	}
	for _, tt := range tests {
		l := good
		tt.change(&l)
		got := Problems(byVariable(), l, []string{"10.0.0.1:80"}, tt.pendings)
		if tt.says == "" && len(got) != 0 || tt.says != "" && (len(got) != 1 || !strings.Contains(got[0], tt.says)) {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
	if got := Problems(byVariable(), good, []string{"10.0.0.1:80", "10.0.0.2:80"}, false); len(got) != 1 {
		t.Errorf("two addresses by variable: %q", got)
	}
}

func TestWarnings(t *testing.T) {
	for timeout, says := range map[string]string{"": "is not set", "10s": "shorter than drain (30 s)", "500ms": "shorter", "30": "", "1m 30s": "", "1h": "", "x": "is not set"} {
		l := Live{Installed: true, Exists: true, ShutdownTimeout: timeout}
		got := strings.Join(Warnings(byVariable(), l), "\n")
		if says == "" && got != "" || !strings.Contains(got, says) {
			t.Errorf("%q: %q", timeout, got)
		}
	}
}

// TestWarningsMisread: what follows a mistake in the configuration can't be told; a variable that is not there yet is none.
func TestWarningsMisread(t *testing.T) {
	for broken, says := range map[string]bool{
		`[emerg] unexpected "}" in /etc/nginx/nginx.conf:3`:                                  false,
		`[emerg] invalid number of arguments in "pid" directive in /etc/nginx/nginx.conf:2`:  false,
		`[emerg] directive "user" is not terminated by ";" in /etc/nginx/nginx.conf:2`:       false,
		`[emerg] unknown directive "usr" in /etc/nginx/nginx.conf:1`:                         false,
		`[emerg] unknown "service_url" variable`:                                             true,
		`[emerg] host not found in upstream "teatime" in /etc/nginx/sites-enabled/teatime:4`: true,
	} {
		l := Live{Installed: true, Broken: broken}
		if got := strings.Join(Warnings(byVariable(), l), "\n"); strings.Contains(got, "worker_shutdown_timeout") != says {
			t.Errorf("%s: %q", broken, got)
		}
	}
}

func TestSteps(t *testing.T) {
	r := byVariable()
	check, swtch, drain := r.Steps(Move{
		To: []string{"10.0.0.11:8082"}, From: []string{"10.0.0.11:8081"}, Label: "green", Left: "blue",
		Direct: Expect{Path: "/profile", Host: "teatime.example", Status: []int{200, 204}, Body: "^real2$"},
		ID:     func(verb string) providers.StepID { return providers.StepID("x/" + verb) },
	})
	titles := fmt.Sprint([]string{check.Title, swtch.Title, drain.Title}, drain.After)
	if want := "[check that nginx accepts green switch to green drain blue (30 s at most)] [x/switch]"; titles != want {
		t.Errorf("%s, want %s", titles, want)
	}
	if got := strings.Join(check.Do.Args[11:], "|"); got != "10.0.0.11:8082|/profile|teatime.example|200 204|^real2$" {
		t.Errorf("check gets %s", got)
	}
	tag := swtch.Do.Args[14]
	if tag != swtch.Undo.Args[14] || tag == check.Undo.Args[14] || !regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(tag) {
		t.Errorf("tags %q %q %q", tag, swtch.Undo.Args[14], check.Undo.Args[14])
	}
	if got := strings.Join(swtch.Undo.Args[11:14], "|"); got != "10.0.0.11:8081||" {
		t.Errorf("the undo gets %s", got)
	}
}
