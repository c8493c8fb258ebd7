package remote_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// run runs a line of script with the prelude and wants it to succeed.
func run(t *testing.T, shell, script string, args ...string) string {
	t.Helper()
	r := remotetest.Run(t, shell, script, args)
	if r.Status != 0 || r.Stderr != "" {
		t.Fatalf("%s: status %d, %s", script, r.Status, r.Stderr)
	}
	return strings.TrimSuffix(r.Stdout, "\n")
}

// everyShell runs a test under each shell.
func everyShell(t *testing.T, test func(t *testing.T, shell string)) {
	for _, shell := range remotetest.Shells(t) {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			test(t, shell)
		})
	}
}

// inTurn is everyShell, one after the other.
func inTurn(t *testing.T, test func(t *testing.T, shell string)) {
	for _, shell := range remotetest.Shells(t) {
		t.Run(shell, func(t *testing.T) { test(t, shell) })
	}
}

// startTime is field 22 of a process's stat, read by other means than the script's.
func startTime(t *testing.T, pid int) string {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	return strings.Fields(text[strings.LastIndex(text, ")")+1:])[19]
}

// sleeper starts a program of that name that waits until the test ends.
func sleeper(t *testing.T, name string, env ...string) *exec.Cmd {
	t.Helper()
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(cat, program); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = env
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return cmd
}

func TestProcStart(t *testing.T) {
	everyShell(t, func(t *testing.T, shell string) {
		for _, name := range []string{"plain", "a) S 1 (b", ") ) )", "two words", "line\nbreak", "(", "$(id)", `\n*`} {
			pid := sleeper(t, name).Process.Pid
			want := startTime(t, pid)
			if got := run(t, shell, `proc_start "$1"`, strconv.Itoa(pid)); got != want {
				t.Errorf("%q: %q, want %s", name, got, want)
			}
			run(t, shell, `proc_is "$1" "$2"`, strconv.Itoa(pid), want)
			run(t, shell, `! proc_is "$1" 1`, strconv.Itoa(pid))
		}
		gone := sleeper(t, "gone")
		_ = gone.Process.Kill()
		run(t, shell, `while proc_start "$1" >/dev/null; do nap; done`, strconv.Itoa(gone.Process.Pid)) // a zombie
		_ = gone.Wait()
		run(t, shell, `! proc_start "$1"`, strconv.Itoa(gone.Process.Pid))
	})
}

func TestEnvAndCommandLine(t *testing.T) {
	everyShell(t, func(t *testing.T, shell string) {
		p := strconv.Itoa(sleeper(t, "a b\tc", "FIRST=x\nMARK=false", "XMARK=no", "MARK=a=b c "+shell, "EMPTY=", "LINES=1\n2").Process.Pid)
		for name, want := range map[string]string{"MARK": "a=b c " + shell, "FIRST": "x\nMARK=false", "EMPTY": "", "LINES": "1\n2", "ARK": "", "NONE": ""} {
			if got := run(t, shell, `env_of "$1" "$2"`, p, name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if got := run(t, shell, `cmd_of "$1"`, p); !strings.Contains(got, "a b?c") {
			t.Errorf("%q", got)
		}
		if got := run(t, shell, `with_env "$1"`, "MARK=a=b c "+shell); got != p {
			t.Errorf("with_env: %q, want %s", got, p)
		}
		if got := run(t, shell, `env_of 999999999 MARK; cmd_of 999999999`); got != "" {
			t.Errorf("%q", got)
		}
	})
}

func TestSockets(t *testing.T) {
	me := fmt.Sprintf("%d %s", os.Getpid(), startTime(t, os.Getpid()))
	inTurn(t, func(t *testing.T, shell string) { // whatever is started beside it has our sockets too, for a moment
		for _, tt := range []struct{ network, addr, peer string }{
			{"tcp4", "127.0.0.1:0", "127.0.0.1"},
			{"tcp6", "[::1]:0", "::1"},
			{"tcp", "[::]:0", "127.0.0.1"},
		} {
			l, err := net.Listen(tt.network, tt.addr)
			if err != nil {
				t.Fatal(err)
			}
			_, port, _ := net.SplitHostPort(l.Addr().String())
			if got := run(t, shell, `sockets 0A 1 "$1" 65535 | awk '{ print $1, $3 }'; listeners "$1"; peers "$1"`, port); !strings.HasPrefix(got, port+" ") || !strings.HasSuffix(got, "\n"+me) {
				t.Errorf("%s: %q, want %s by %q", tt.addr, got, port, me)
			}
			to := net.JoinHostPort(tt.peer, port)
			var open []net.Conn
			for range 2 {
				open = append(open, connect(t, l, tt.network, to)...)
			}
			// The port may have been another program's a moment ago, whose client tries it still: what is nobody's of ours
			// is taken from the queue and closed.
			got := run(t, shell, `peers "$1"`, port)
			for i := 0; i < 5 && got != "2 "+tt.peer; i++ {
				_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(200 * time.Millisecond))
				if c, err := l.Accept(); err == nil {
					t.Logf("%s: a stranger, %s", tt.addr, c.RemoteAddr())
					_ = c.Close()
				}
				table, _ := os.ReadFile("/proc/net/tcp6")
				t.Logf("%s: peers %q\n%s", tt.addr, got, table)
				got = run(t, shell, `peers "$1"`, port)
			}
			// The same where there is no ss.
			without := run(t, shell, `have() { case $1 in ss) return 1 ;; esac; }; peers "$1"`, port)
			if got != "2 "+tt.peer || without != got {
				t.Errorf("%s: peers %q, without ss %q", tt.addr, got, without)
			}
			for _, c := range open {
				_ = c.Close()
			}
			_ = l.Close()
			if got := run(t, shell, `listeners "$1"; peers "$1"`, port); got != "" {
				t.Errorf("%s: closed, and yet %q", tt.addr, got)
			}
		}
	})
}

// TestSocketsOnce: the kernel hands the table out a page at a time, and a socket may be in two of them.
func TestSocketsOnce(t *testing.T) {
	dir := t.TempDir()
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	const row = "   0: 0100007F:1F90 0100007F:%s 01 00000000:00000000 00:00000000 00000000     0        0 %d 1 x 20 4 30 10 -1\n"
	table := head + fmt.Sprintf(row, "C001", 11) + fmt.Sprintf(row, "C002", 0) + fmt.Sprintf(row, "C001", 11) + fmt.Sprintf(row, "C003", 0)
	if err := os.WriteFile(filepath.Join(dir, "tcp"), []byte(table), 0o644); err != nil {
		t.Fatal(err)
	}
	everyShell(t, func(t *testing.T, shell string) {
		if got := run(t, shell, `have() { return 1; }; cat() { command cat "$T/tcp"; }; T=$1; peers 8080`, dir); got != "3 127.0.0.1" {
			t.Errorf("%q", got)
		}
	})
}

// connect opens a connection to the listener; both of its ends.
func connect(t *testing.T, l net.Listener, network, to string) []net.Conn {
	t.Helper()
	c, err := net.Dial(network, to)
	if err != nil {
		t.Fatal(err)
	}
	for {
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if accepted.RemoteAddr().String() == c.LocalAddr().String() {
			return []net.Conn{c, accepted}
		}
		_ = accepted.Close()
	}
}

// A listener of another user that we may not see is reported as such.
func TestListenersNotPermitted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	everyShell(t, func(t *testing.T, shell string) {
		if got := run(t, shell, `socket_owners() { :; }; listeners "$1"`, port); got != "? ?" {
			t.Errorf("%q", got)
		}
	})
}

func TestWriteAtomic(t *testing.T) {
	everyShell(t, func(t *testing.T, shell string) {
		dir := t.TempDir()
		file := filepath.Join(dir, "it's a file")
		for _, text := range []string{"first\n", "second", ""} {
			run(t, shell, `printf %s "$2" | write_atomic "$1" 0640`, file, text)
			got, err := os.ReadFile(file)
			if err != nil || string(got) != text {
				t.Errorf("%q, %v, want %q", got, err, text)
			}
		}
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o640 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		if r := remotetest.Run(t, shell, `echo x | write_atomic "$1" 0644`, []string{dir}); r.Status == 0 {
			t.Error("a directory was replaced")
		}
		if r := remotetest.Run(t, shell, `echo x | write_atomic "$1" 0644`, []string{dir + "/none/file"}); r.Status == 0 {
			t.Error("written into a directory that isn't there")
		}
		nothingElse(t, dir, "it's a file")
	})
}

func nothingElse(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, "|") != strings.Join(names, "|") {
		t.Errorf("%s has %q, want %q", dir, got, names)
	}
}

func TestSwitchLink(t *testing.T) {
	everyShell(t, func(t *testing.T, shell string) {
		dir := t.TempDir()
		for _, d := range []string{"1", "2", "real"} {
			if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		link := filepath.Join(dir, "current")
		for _, target := range []string{"1", "2", "2", "gone", "1"} {
			run(t, shell, `switch_link "$1" "$2"`, target, link)
			if got, err := os.Readlink(link); err != nil || got != target {
				t.Errorf("%q, %v, want %s", got, err, target)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"real", "file"} {
			r := remotetest.Run(t, shell, `switch_link 1 "$1"`, []string{filepath.Join(dir, name)})
			if r.Status == 0 || !strings.Contains(r.Stderr, "not a symbolic link") {
				t.Errorf("%s: %+v", name, r)
			}
		}
		nothingElse(t, filepath.Join(dir, "real"))
		nothingElse(t, dir, "1", "2", "current", "file", "real")
	})
}

// While a link is switched again and again it is never absent.
func TestSwitchLinkNeverAbsent(t *testing.T) {
	everyShell(t, func(t *testing.T, shell string) {
		dir := t.TempDir()
		link := filepath.Join(dir, "current")
		for _, d := range []string{"1", "2"} {
			if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("1", link); err != nil {
			t.Fatal(err)
		}
		switching := make(chan struct{})
		go func() {
			defer close(switching)
			run(t, shell, `sync_path() { :; }; i=0; while [ $i -lt 40 ]; do switch_link 2 "$1"; switch_link 1 "$1"; i=$((i + 1)); done`, link)
		}()
		for reads := 0; ; reads++ {
			if _, err := os.Stat(link); err != nil {
				t.Fatalf("after %d reads: %v", reads, err)
			}
			select {
			case <-switching:
				return
			default:
			}
		}
	})
}

func TestNowMs(t *testing.T) {
	everyShell(t, func(t *testing.T, shell string) {
		got := strings.Split(run(t, shell, `now_ms; nap; nap; now_ms`), "\n")
		a, err := strconv.Atoi(got[0])
		if err != nil {
			t.Fatal(err)
		}
		b, err := strconv.Atoi(got[1])
		if err != nil || b-a < 150 || b-a > 20_000 {
			t.Errorf("%q: %v", got, err)
		}
		raw, err := os.ReadFile("/proc/uptime")
		if err != nil {
			t.Fatal(err)
		}
		up, err := strconv.ParseFloat(strings.Fields(string(raw))[0], 64)
		if err != nil || up*1000-float64(b) > 60_000 || up*1000 < float64(b) {
			t.Errorf("%d ms, uptime is %f s", b, up)
		}
	})
}

func TestHTTPGet(t *testing.T) {
	big := strings.Repeat("0123456789abcde\n", 10_000)
	mux := http.NewServeMux()
	reply := func(path string, status int, body string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	reply("/plain", 200, "real1")
	reply("/newline", 200, "a\n\nb\n")
	reply("/empty", 204, "")
	reply("/odd", 200, "\n@0\nHTTP/1.1 500 no\r\n\r\n\xff\tx\r\n\n")
	reply("/status", 200, "line\n@7")
	reply("/down", 503, "starting")
	reply("/big", 200, big)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s host=%s agent=%s", r.URL.RequestURI(), r.Host, r.UserAgent())
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/plain", http.StatusFound) })
	mux.HandleFunc("/hints", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "after hints")
	})
	release := make(chan struct{})
	mux.HandleFunc("/hangs", func(w http.ResponseWriter, _ *http.Request) { <-release })
	mux.HandleFunc("/half", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		<-release
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	at := strings.TrimPrefix(server.URL, "http://")
	tests := []struct{ url, host, want string }{
		{server.URL + "/plain", "", "200\nreal1\n"},
		{server.URL + "/newline", "", "200\na\n\nb\n"},
		{server.URL + "/empty", "", "204\n"},
		{server.URL + "/odd", "", "200\n\n@0\nHTTP/1.1 500 no\r\n\r\n\xff\tx\r\n\n"},
		{server.URL + "/status", "", "200\nline\n@7\n"},
		{server.URL + "/down", "", "503\nstarting\n"},
		{server.URL + "/big", "", "200\n" + big[:65536]},
		{server.URL + "/a?b=c%20d&e#f", "", "200\n/a?b=c%20d&e host=" + at + " agent=shipctl\n"},
		{server.URL, "", "200\n/ host=" + at + " agent=shipctl\n"},
		{server.URL + "?x=1", "", "200\n/?x=1 host=" + at + " agent=shipctl\n"},
		{server.URL + "/v", "teatime.example", "200\n/v host=teatime.example agent=shipctl\n"},
		{server.URL + "/moved", "", "302\n<a href=\"/plain\">Found</a>.\n\n"},
		{server.URL + "/hints", "", "200\nafter hints\n"},
		{server.URL + "/hangs", "", "000\nno whole answer within 1 s\n"},
		{server.URL + "/half", "", "000\nno whole answer within 1 s\n"},
	}
	everyShell(t, func(t *testing.T, shell string) {
		for _, client := range []string{"curl", "bash", "nc"} {
			t.Run(client, func(t *testing.T) {
				t.Parallel()
				path := tools(t, client)
				for _, tt := range tests {
					limit := "20"
					if strings.Contains(tt.want, "within 1 s") {
						limit = "1"
					}
					r := remotetest.Run(t, shell, `PATH=`+path+`:$PATH; `+only(client)+`http_get "$3" "$1" "$2" 0`, []string{tt.url, tt.host, limit})
					if r.Stdout != tt.want || r.Stderr != "" || r.Status != 0 {
						t.Errorf("%s: %.300q, status %d, %s; want %.300q", tt.url, r.Stdout, r.Status, r.Stderr, tt.want)
					}
				}
				r := remotetest.Run(t, shell, `PATH=`+path+`:$PATH; `+only(client)+`http_get 20 "$1" "" 0`, []string{"http://127.0.0.1:1/"})
				if !strings.HasPrefix(r.Stdout, "000\n") || !strings.Contains(strings.ToLower(r.Stdout), "connect") {
					t.Errorf("nobody listens: %q %s", r.Stdout, r.Stderr)
				}
			})
		}
		t.Run("neither", func(t *testing.T) {
			r := remotetest.Run(t, shell, `have() { return 1; }; http_get 1 http://127.0.0.1/ "" 0; http_get 1 https://127.0.0.1/ "" 0`, nil)
			if want := "000\ncurl, or timeout and one of bash and nc, is not on this machine: install curl\n000\ncurl is not on this machine: install curl\n"; r.Stdout != want {
				t.Errorf("%q", r.Stdout)
			}
		})
	})
}

// Servers that are none, or do not speak IPv4.
func TestHTTPGetOthers(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "safe") }))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // who does not trust its certificate
	secure.StartTLS()
	t.Cleanup(secure.Close)
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	six := &httptest.Server{Listener: l, Config: &http.Server{Handler: secure.Config.Handler, ReadHeaderTimeout: time.Minute}}
	six.Start()
	t.Cleanup(six.Close)
	everyShell(t, func(t *testing.T, shell string) {
		for _, client := range []string{"curl", "bash", "nc"} {
			get := `PATH=` + tools(t, client) + `:$PATH; ` + only(client) + `http_get 20 "$1" "" "$2"`
			if r := remotetest.Run(t, shell, get, []string{six.URL + "/x", "0"}); r.Stdout != "200\nsafe\n" {
				t.Errorf("%s: IPv6: %+v", client, r)
			}
			for insecure, want := range map[string]string{"1": "200\nsafe\n", "0": "000\n"} {
				if client != "curl" {
					want = "000\ncurl is not on this machine: install curl\n"
				}
				if r := remotetest.Run(t, shell, get, []string{secure.URL, insecure}); !strings.HasPrefix(r.Stdout, want) {
					t.Errorf("%s: insecure=%s: %+v", client, insecure, r)
				}
			}
		}
	})
}

// tools is a directory with the client alone, for shells that have no other way to it.
func tools(t *testing.T, client string) string {
	t.Helper()
	program := client
	if client == "nc" {
		program = "busybox"
	}
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is needed: apt-get install %s", program, program)
	}
	dir := t.TempDir()
	if err := os.Symlink(path, filepath.Join(dir, client)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// only hides the other clients.
func only(client string) string {
	return `have() { for _p in "$@"; do case $_p in '` + client + `') ;; curl | bash | nc) return 1 ;; esac; command -v "$_p" >/dev/null || return 1; done; }; `
}

// TestPeersUnseen: where connections can't be seen, that is not nobody.
func TestPeersUnseen(t *testing.T) {
	for _, shell := range remotetest.Shells(t) {
		r := remotetest.Run(t, shell, "sockets() { denied 'may not look'; }\nwho=$(peers 80) || echo \"unseen $who\"", nil)
		if r.Stdout != "unseen \n" || !strings.Contains(r.Stderr, "may not look") {
			t.Errorf("%s: %+v", shell, r)
		}
	}
}
