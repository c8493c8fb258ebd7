package nginx_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/nginx"
	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/local"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// site is an nginx of the test's own on loopback, with a slot blue and a slot green behind it.
type site struct {
	t           *testing.T
	dir         string
	port        int
	route       nginx.Route
	machine     remote.Machine
	shim        string // a folder in front of the machine's PATH
	blue, green *slot
	run         string
}

// slot answers its name; a request for /slow waits until released.
type slot struct {
	name, addr string
	server     *httptest.Server
	entered    chan struct{}
	release    chan struct{}
}

func newSlot(t *testing.T, name string) *slot {
	s := &slot{name: name, entered: make(chan struct{}, 10), release: make(chan struct{})}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			s.entered <- struct{}{}
			<-s.release
		}
		fmt.Fprintln(w, name)
	}))
	s.addr = strings.TrimPrefix(s.server.URL, "http://")
	t.Cleanup(s.server.Close)
	return s
}

// under lists what every script is run with: dash with everything that this machine has, and busybox with its own
// tools, flock and bash alone, so without curl.
var under = []string{"dash", "busybox"}

func newSite(t *testing.T, shell string, upstream bool) *site {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: dir, port: remotetest.FreePort(t), blue: newSlot(t, "blue"), green: newSlot(t, "green"), run: "run-1"}
	s.route = nginx.Route{
		Host: "web-1", File: dir + "/conf.d/service.inc", Variable: "service_url",
		Config: dir + "/nginx.conf", Prefix: dir, Drain: 10 * time.Second,
		VerifyURL: fmt.Sprintf("http://127.0.0.1:%d/", s.port), VerifyHost: "teatime.example",
		Project: remotetest.Project, Owner: "service.teatime",
	}
	target, include, top := "$service_url", "include conf.d/service.inc;", ""
	if upstream {
		s.route.Variable, s.route.Upstream = "", "teatime"
		target, include, top = "http://teatime", "", "include conf.d/*.inc;"
	}
	s.write("nginx.conf", fmt.Sprintf(`pid nginx.pid;
error_log error.log notice;
worker_processes 2;
worker_shutdown_timeout 20s;
events {}
http {
	access_log off;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	%s
	include sites/*.conf;
}
`, top))
	s.write("sites/teatime.conf", fmt.Sprintf(`server {
	listen 127.0.0.1:%d;
	# include conf.d/none.inc; set $service_url "a comment";
	%s
	location / { proxy_pass %s; proxy_next_upstream off; }
}
`, s.port, include, target))
	s.mkdir("conf.d")
	s.mkdir("state")
	s.machine = s.under(shell)
	t.Cleanup(s.kill)
	return s
}

// under makes the machine: this one, with that shell and a PATH of its own.
func (s *site) under(shell string) remote.Machine {
	t := s.t
	t.Helper()
	lib, err := remote.Scripts(map[string]fs.FS{"nginx": nginx.Scripts()})
	if err != nil {
		t.Fatal(err)
	}
	s.shim = t.TempDir()
	bin := t.TempDir()
	path := s.shim + ":" + bin
	if shell == "busybox" {
		s.fill(bin)
	} else {
		s.link(shell, filepath.Join(bin, "sh"))
		path += ":" + os.Getenv("PATH")
	}
	return local.New(local.Settings{
		Host: "web-1", StateDir: filepath.Join(s.dir, "state"), Shell: []string{filepath.Join(bin, "sh")},
		Env: []string{"PATH=" + path, "HOME=" + s.dir},
	}, remotetest.Setup(lib))
}

// fill makes bin what a small machine has.
func (s *site) fill(bin string) {
	applets, err := exec.Command("busybox", "--list").Output()
	if err != nil {
		s.t.Fatalf("busybox is needed: apt-get install busybox (%v)", err)
	}
	for _, a := range strings.Fields(string(applets)) {
		s.link("busybox", filepath.Join(bin, a))
	}
	for _, p := range []string{"flock", "bash"} {
		if _, err := os.Lstat(filepath.Join(bin, p)); err != nil {
			s.link(p, filepath.Join(bin, p))
		}
	}
}

func (s *site) link(program, at string) {
	s.t.Helper()
	p, err := exec.LookPath(program)
	if err != nil {
		s.t.Fatalf("%s is needed: apt-get install %s", program, program)
	}
	if err := os.Symlink(p, at); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) mkdir(name string) {
	if err := os.MkdirAll(s.path(name), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) write(name, text string) {
	s.t.Helper()
	s.mkdir(filepath.Dir(name))
	if err := os.WriteFile(s.path(name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) read(name string) string {
	b, err := os.ReadFile(s.path(name))
	if errors.Is(err, os.ErrNotExist) {
		return "(none)"
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// nginx runs nginx itself, as an administrator would.
func (s *site) nginx(args ...string) {
	s.t.Helper()
	s.nginxAt("nginx", args...)
}

func (s *site) nginxAt(name string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(name, append([]string{"-p", s.dir, "-c", s.route.Config}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin"}
	cmd.Path = nginxPath(s.t)
	log, err := os.Create(filepath.Join(s.shim, "out")) // beside nothing that nginx reads
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log // not a pipe: a daemon would keep it open
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(log.Name())
		s.t.Fatalf("nginx %v: %v\n%s", args, err, text)
	}
}

func nginxPath(t *testing.T) string {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		if p := filepath.Join(dir, "nginx"); exec.Command(p, "-v").Run() == nil {
			return p
		}
	}
	t.Fatal("nginx is needed: apt-get install nginx-light")
	return ""
}

// up starts nginx, routed to a slot by a file that was written by hand, or by none.
func (s *site) up(to *slot) {
	s.t.Helper()
	if to != nil {
		s.writeRoute(to)
	}
	s.nginx()
	s.await("nginx is up", func() bool { return len(s.live().Serving) == 2 })
}

func (s *site) writeRoute(to *slot) {
	if s.route.Variable != "" {
		s.write("conf.d/service.inc", "set $service_url http://"+to.addr+";\n")
	} else {
		s.write("conf.d/service.inc", "upstream teatime { server "+to.addr+"; }\n")
	}
}

// kill ends whatever of this nginx is left, by the processes' own working directory and title.
func (s *site) kill() {
	for _, p := range s.masters() {
		_ = syscall.Kill(p, syscall.SIGTERM)
		s.await("nginx is gone", func() bool { return !slices.Contains(s.masters(), p) })
	}
}

// masters are the masters with our configuration, whatever the pidfile says.
func (s *site) masters() (out []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		line, _ := os.ReadFile(d + "/cmdline")
		if strings.HasPrefix(string(line), "nginx: master process") && strings.Contains(string(line), s.route.Config) {
			pid, _ := strconv.Atoi(filepath.Base(d))
			out = append(out, pid)
		}
	}
	return out
}

// await polls for what another process does.
func (s *site) await(what string, is func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			s.t.Fatalf("did not come about: %s", what)
		case <-tick.C:
		}
	}
}

func (s *site) live() nginx.Live {
	s.t.Helper()
	l, err := s.look()
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

func (s *site) look() (nginx.Live, error) {
	q := s.route.Query()
	answers, err := s.machine.Ask(context.Background(), []remote.Query{q})
	if err != nil {
		return nginx.Live{}, err
	}
	f := remote.Facts{}
	f.Put(q, answers[0])
	return s.route.Live(f)
}

// steps are those that move the route from one slot to the other.
func (s *site) steps(from, to *slot) (check, swtch, drain providers.Step) {
	m := nginx.Move{
		To: []string{to.addr}, Label: to.name,
		Direct:  nginx.Expect{Path: "/", Status: []int{200}, Body: "^" + to.name + "$"},
		Through: nginx.Expect{Status: []int{200}, Body: "^" + to.name + "$"},
		ID:      func(verb string) providers.StepID { return providers.StepID("service.teatime[\"web-1\"]/" + verb) },
	}
	if from != nil {
		m.From, m.Left = []string{from.addr}, from.name
		m.Back = nginx.Expect{Status: []int{200}, Body: "^" + from.name + "$"}
	}
	return s.route.Steps(m)
}

func (s *site) do(c remote.Call) (string, error) {
	out, err := s.machine.Run(context.Background(), remote.Ticket{Run: s.run, Step: c.Script, Deadline: time.Now().Add(time.Minute)}, c)
	return string(out), err
}

func (s *site) must(c remote.Call) string {
	s.t.Helper()
	out, err := s.do(c)
	if err != nil {
		s.t.Fatalf("%s: %v", c.Script, err)
	}
	return out
}

// fails runs a step that must fail, and say all of that.
func (s *site) fails(c remote.Call, says ...string) {
	s.t.Helper()
	_, err := s.do(c)
	var refused *remote.ScriptError
	if !errors.As(err, &refused) {
		s.t.Fatalf("%s: %v, want it to fail", c.Script, err)
	}
	for _, w := range says {
		if !strings.Contains(err.Error(), w) {
			s.t.Errorf("%s fails, but does not say %q:\n%v", c.Script, w, err)
		}
	}
}

// get makes one request through nginx.
func (s *site) get(path string) (string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	r, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d%s", s.port, path))
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	b := make([]byte, 100)
	n, _ := r.Body.Read(b)
	return strings.TrimSpace(string(b[:n])), nil
}

func (s *site) serves(to *slot) {
	s.t.Helper()
	for range 4 { // several workers
		if got, err := s.get("/"); err != nil || got != to.name {
			s.t.Fatalf("through nginx: %q, %v, want %s", got, err, to.name)
		}
	}
}

// conf lists the folders that nginx reads, with what the file of the route says.
func (s *site) conf() string {
	var out []string
	for _, d := range []string{".", "conf.d", "sites"} {
		entries, err := os.ReadDir(s.path(d))
		if err != nil {
			s.t.Fatal(err)
		}
		for _, e := range entries {
			if !e.IsDir() && !slices.Contains([]string{"error.log", "nginx.pid"}, e.Name()) {
				info, _ := e.Info()
				st := info.Sys().(*syscall.Stat_t)
				out = append(out, fmt.Sprintf("%s/%s %v %d:%d", d, e.Name(), info.Mode(), st.Uid, st.Gid))
			}
		}
	}
	return strings.Join(out, "\n") + "\n" + s.read("conf.d/service.inc")
}

// each runs a test under each shell.
func each(t *testing.T, f func(*testing.T, string)) {
	for _, shell := range under {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			f(t, shell)
		})
	}
}
