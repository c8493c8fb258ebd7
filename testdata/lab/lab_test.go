package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/shipctl/shipctl/testdata/load"
)

func slot(t *testing.T, port int, version string) {
	t.Helper()
	c, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"version":%q}`, version) })}
	go func() { _ = s.Serve(c) }()
	t.Cleanup(func() { s.Close() })
}

func (l *Lab) ssh(line string) *exec.Cmd { return exec.Command("ssh", "-F", l.SSHConfig, "lab", line) }

func TestServers(t *testing.T) {
	l := Start(t)
	out, err := l.ssh("id -un; echo $" + mark).CombinedOutput()
	if want := l.User + "\n" + l.Dir + "\n"; err != nil || string(out) != want {
		t.Errorf("over ssh: %q %v, want %q", out, err, want)
	}
	slot(t, l.Ports[0], "1")
	slot(t, l.Ports[1], "2")
	ask(t, l.NginxPort, "1")
	ask(t, l.UpstreamPort, "1")
	address := fmt.Sprintf("127.0.0.1:%d", l.Ports[1])
	if err := errors.Join(l.SetVariable(address), l.SetUpstream(address)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(l.NginxCommand()[0], append(l.NginxCommand()[1:], "-t")...).CombinedOutput(); err != nil {
		t.Errorf("nginx -t: %v\n%s", err, out)
	}
	if err := l.Reload(); err != nil {
		t.Fatal(err)
	}
	for _, port := range []int{l.NginxPort, l.UpstreamPort} {
		if err := eventually(func() error { return answer(port, "2") }); err != nil {
			t.Error(err)
		}
	}
}

func answer(port int, version string) error {
	r, err := load.Run(context.Background(), load.Options{Targets: []string{fmt.Sprintf("http://127.0.0.1:%d", port)}, Rate: 1000, Count: 5})
	if err == nil && r.Versions()[version] != 5 {
		err = fmt.Errorf("port %d: want version %s\n%s", port, version, r)
	}
	return err
}

func ask(t *testing.T, port int, version string) {
	t.Helper()
	if err := answer(port, version); err != nil {
		t.Error(err)
	}
}

// TestCloseLeavesNothing: not the servers, not an open session, not what was started over it, not the folder.
func TestCloseLeavesNothing(t *testing.T) {
	l, err := New(Options{Dir: filepath.Join(t.TempDir(), "lab")})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // when the test ends early
	c := l.ssh("setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $!; exec sleep 1000")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || !l.ours(pid) {
		t.Fatalf("process %d is not seen as the lab's (%v)", pid, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err == nil {
		t.Error("the session outlived the lab")
	}
	if left := l.Processes(); len(left) > 0 || l.ours(pid) {
		t.Errorf("left: %v", left)
	}
	if _, err := os.Stat(l.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is there: %v", err)
	}
	for _, port := range []int{l.SSHPort, l.NginxPort, l.UpstreamPort} {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			c.Close()
			t.Errorf("port %d is open", port)
		}
	}
	if err := l.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

func TestWithoutNginx(t *testing.T) {
	l, err := New(Options{NoNginx: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := os.Stat(l.Include); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the include is there: %v", err)
	}
	if err := l.StopNginx(); err != nil {
		t.Error(err)
	}
	slot(t, l.Ports[0], "1")
	address := fmt.Sprintf("127.0.0.1:%d", l.Ports[0])
	if err := errors.Join(l.SetVariable(address), l.SetUpstream(address), l.StartNginx()); err != nil {
		t.Fatal(err)
	}
	ask(t, l.NginxPort, "1")
}

// TestTwoLabs: as root they share /run/sshd, which must outlive the first to close.
func TestTwoLabs(t *testing.T) {
	_, before := os.Stat(runDirPath)
	a, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if out, err := b.ssh("echo here").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, after := os.Stat(runDirPath); os.IsNotExist(before) && after == nil {
		if _, others := os.Stat(filepath.Join(runDirPath, runDirMark)); others != nil {
			t.Error(runDirPath + " was left")
		}
	}
}

// TestWithoutRoot runs this package's tests again as an ordinary user, when we are root.
func TestWithoutRoot(t *testing.T) {
	if os.Geteuid() != 0 || os.Getenv("LAB_TEST_INNER") != "" {
		return // then the other tests are that already
	}
	const id = 54321
	home, err := os.MkdirTemp("", "lab-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home)
	if err := errors.Join(copyFile(os.Args[0], filepath.Join(home, "test")), os.Chmod(home, 0o755), os.Chown(home, id, id)); err != nil {
		t.Fatal(err)
	}
	// A user with a shell, in a mount namespace of the test's own; sshd lets in nobody without one.
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("labtest:x:%d:%d::%s:/bin/sh\n", id, id, home)
	if err := os.WriteFile(filepath.Join(home, "passwd"), append([]byte(line), passwd...), 0o644); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("unshare", "-m", "sh", "-ec", `mount --bind "$1/passwd" /etc/passwd
		exec setpriv --reuid="$2" --regid="$2" --clear-groups -- "$1/test" -test.run='TestServers|TestWithoutNginx|TestTwoLabs|TestCloseLeavesNothing' -test.v`,
		"sh", home, strconv.Itoa(id))
	c.Dir = home
	c.Env = append(os.Environ(), "LAB_TEST_INNER=1", "TMPDIR="+home, "HOME="+home)
	out, err := c.CombinedOutput()
	if err != nil || strings.Count(string(out), "--- PASS") != 4 {
		t.Errorf("as an ordinary user: %v\n%s", err, out)
	}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
