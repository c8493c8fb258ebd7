package service

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// TestAdoptLook: what a program was started with comes out word by word, and of its environment the names alone.
func TestAdoptLook(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		dir := t.TempDir() + "/a ${b} \"c\""
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		args := []string{
			"--version=a b\"'${c}$(d)`e`\\n", "--boot=0s", "--port=" + itoa(b.port), "two\nlines", "a\ttab", "", "--password=hunter2", "--api-key", "hunter3", "-Ddb.password=hunter4",
			"postgres://ann:hunter5@db/x", "--token-file", "--next",
		}
		cmd := exec.Command(program, args...)
		cmd.Dir = dir
		cmd.Env = []string{"PATH=/usr/bin", "SECRET=hunter6\nFAKE=hunter7", "PORT=" + itoa(b.port), "odd-name=hunter8", "ÄÖ=hunter9", "EMPTY="}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		var f found
		var a remote.Answer
		var p *foundProc
		for end := time.Now().Add(20 * time.Second); p == nil && time.Now().Before(end); {
			a = remotetest.Query(t, b.m, "service/adopt")
			f = parseFound(a.Text)
			p, _ = f.on(b.port)
		}
		if a.Sight != remote.Seen || !f.whole || p == nil {
			t.Fatal(a.Sight, a.Why, f.whole, p)
		}
		want := []string{
			program, args[0], args[1], args[2], "two\x01lines", "a\x02tab", "", "--password=\x03", "--api-key", "\x03", "-Ddb.password=\x03",
			"postgres://\x03@db/x", "--token-file", "--next",
		}
		if got := strings.Join(p.args, "|"); got != strings.Join(want, "|") {
			t.Errorf("the command line is\n%q, want\n%q", got, strings.Join(want, "|"))
		}
		var env []string
		for _, e := range p.env {
			env = append(env, e.name+map[bool]string{true: "=port"}[e.port])
		}
		if got := strings.Join(env, " "); got != "PATH SECRET PORT=port EMPTY" {
			t.Errorf("the environment is %q", got)
		}
		if p.pid != cmd.Process.Pid || p.dir != dir || p.ours || p.user == "?" {
			t.Errorf("%+v", p)
		}
		if strings.Contains(a.Text, "hunter") {
			t.Errorf("a secret left the machine:\n%s", a.Text)
		}
	})
}
