// Package remotetest runs our scripts for real, in tests: under each shell that a machine may have, through the very
// text that a machine gets, on this machine or through an sshd of the test's own. It is for tests only.
package remotetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/local"
)

// Project is the project's name in everything that this package runs.
const Project = "teatime"

// What of busybox the scripts may use: all of it takes long to link, again and again.
const applets = "ash awk base64 basename cat chgrp chmod chown clear cmp cp cut date dd df diff dirname du echo env expr false find fold free " +
	"getopt grep groups gunzip gzip head hexdump hostname id install kill killall link ln logger ls md5sum mkdir mkfifo mktemp mount mv nc nice nl " +
	"nohup od paste pgrep pidof ps pwd readlink realpath rm rmdir sed seq setpriv setsid sh sha1sum sha256sum sha512sum sleep sort split stat " +
	"strings su sync tac tail tar tee test time timeout top touch tr true truncate tty umount uname uniq unlink unxz unzip uptime usleep vi wc " +
	"wget which whoami xargs xxd yes zcat"

// How long anything here may take.
const limit = time.Minute

// Shells are the shells that every script is tested under. "busybox" is its ash with its own tools alone, as on a
// machine that has nothing else but flock.
func Shells(t testing.TB) []string {
	t.Helper()
	need(t, "dash", "dash")
	need(t, "bash", "bash")
	need(t, "busybox", "busybox")
	return []string{"dash", "busybox", "bash"}
}

// need fails the test where a program is missing, naming Debian's package.
func need(t testing.TB, program, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is needed: apt-get install %s", program, pkg)
	}
	return path
}

// login is how a shell of Shells reads a command line, and the environment that goes with it.
func login(t testing.TB, shell string) (argv, env []string) {
	t.Helper()
	home := t.TempDir()
	env = []string{"HOME=" + home, "USER=" + os.Getenv("USER"), "TERM=dumb"}
	bin := filepath.Join(t.TempDir(), "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	sh := filepath.Join(bin, "sh")
	if shell != "busybox" {
		link(t, need(t, shell, shell), sh)
		return []string{sh}, append(env, "PATH="+bin+":"+os.Getenv("PATH"))
	}
	box := need(t, "busybox", "busybox")
	for _, a := range strings.Fields(applets) {
		link(t, box, filepath.Join(bin, a))
	}
	link(t, need(t, "flock", "util-linux"), filepath.Join(bin, "flock"))
	return []string{sh}, append(env, "PATH="+bin)
}

func link(t testing.TB, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

// Result is what a script came to.
type Result struct {
	Status         int
	Stdout, Stderr string
}

// Run runs script text in front of which stands the prelude, with args as its positional parameters and env added to
// the environment (NAME=VALUE; STATE, PROJECT and the like are set like this).
func Run(t testing.TB, shell, script string, args []string, env ...string) Result {
	t.Helper()
	argv, base := login(t, shell)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], append([]string{"-c", remote.Prelude() + script, "sh"}, args...)...)
	cmd.Env = append(append(base, "PROJECT="+Project), env...)
	cmd.Dir = t.TempDir()
	cmd.WaitDelay = limit
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", shell, err)
	}
	return Result{Status: cmd.ProcessState.ExitCode(), Stdout: out.String(), Stderr: errs.String()}
}

// Local is this machine under /bin/sh, as connection = "local" is.
func Local(t testing.TB, lib remote.Library, stateDir string) remote.Machine {
	t.Helper()
	return local.New(local.Settings{Host: "here", StateDir: stateDir}, Setup(lib))
}

// Under is this machine under one of Shells.
func Under(t testing.TB, shell string, lib remote.Library, stateDir string) remote.Machine {
	t.Helper()
	return With(t, shell, Setup(lib), stateDir)
}

// With is Under with a setup of the test's own.
func With(t testing.TB, shell string, setup remote.Setup, stateDir string) remote.Machine {
	t.Helper()
	argv, env := login(t, shell)
	return local.New(local.Settings{Host: "here-" + shell, StateDir: stateDir, Shell: argv, Env: env}, setup)
}

// Setup is one whose files are read as they are, and which knows a single sensitive variable, "password".
func Setup(lib remote.Library) remote.Setup {
	return remote.Setup{
		Library: lib, Project: Project,
		Open: func(c remote.Call) (io.ReadCloser, int64, error) {
			f, err := os.Open(c.File)
			if err != nil {
				return nil, 0, err
			}
			info, err := f.Stat()
			if err != nil {
				return nil, 0, errors.Join(err, f.Close())
			}
			return f, info.Size(), nil
		},
		Secret: func(name string) (string, bool) { return Password, name == "password" },
		Redact: remote.NewRedactor(Password),
	}
}

// Password is the value of the sensitive variable "password".
const Password = `s3cr'et pass/wörd`

// Query asks one question.
func Query(t testing.TB, m remote.Machine, script string, args ...string) remote.Answer {
	t.Helper()
	answers, err := m.Ask(t.Context(), []remote.Query{{Script: script, Args: args}})
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return answers[0]
}

// Step runs one step with no lease held.
func Step(t testing.TB, m remote.Machine, c remote.Call) (string, error) {
	t.Helper()
	out, err := m.Run(t.Context(), remote.Ticket{Run: "run-1", Step: c.Script, Deadline: time.Now().Add(limit)}, c)
	return string(out), err
}

// SHA256 is the hex digest of a text.
func SHA256(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Sudo is this machine with sudo = true, where sudo is the shell script given; there is none where it is empty.
func Sudo(t testing.TB, lib remote.Library, stateDir, script string) remote.Machine {
	t.Helper()
	argv, env := login(t, "busybox")
	if script != "" {
		bin := strings.TrimPrefix(env[len(env)-1], "PATH=")
		write(t, filepath.Join(bin, "sudo"), "#!"+argv[0]+"\n"+script)
		if err := os.Chmod(filepath.Join(bin, "sudo"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return local.New(local.Settings{Host: "here", Sudo: true, StateDir: stateDir, Shell: argv, Env: env}, Setup(lib))
}

// Short is this machine, to which every payload is sent as content although it was said to be of that size.
func Short(t testing.TB, lib remote.Library, stateDir string, content []byte, size int64) remote.Machine {
	t.Helper()
	setup := Setup(lib)
	setup.Open = func(remote.Call) (io.ReadCloser, int64, error) {
		return io.NopCloser(bytes.NewReader(content)), size, nil
	}
	return local.New(local.Settings{Host: "here", StateDir: stateDir}, setup)
}

// Shellcheck wants every *.sh of a folder to be clean.
func Shellcheck(t testing.TB, folder string) {
	t.Helper()
	scripts, err := filepath.Glob(filepath.Join(folder, "*.sh"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts in %s: %v", folder, err)
	}
	out, err := exec.Command(need(t, "shellcheck", "shellcheck"), append([]string{"-s", "sh"}, scripts...)...).CombinedOutput()
	if err != nil {
		t.Errorf("shellcheck: %v\n%s", err, out)
	}
}

// FreePort is one that nobody listens on, below those that the kernel gives to outgoing connections: none of these can take
// it before whoever it is for.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 10000 + rand.IntN(22000)
		if l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}
