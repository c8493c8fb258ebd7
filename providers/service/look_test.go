package service

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

// TestLookMoved: a program of ours is seen where it listens, though its slot has another port, or another name, by now.
func TestLookMoved(t *testing.T) {
	eachShell(t, func(t *testing.T, b *bench) {
		if out, err := b.start(); err != nil {
			t.Fatal(out, err)
		}
		if out, err := b.health(soon, "^green$"); err != nil {
			t.Fatal(out, err)
		}
		for _, slot := range []string{"green", "right"} {
			a := remotetest.Query(t, b.m, "service/look", b.name, fmt.Sprintf("%s %d - ", slot, remotetest.FreePort(t)))
			seen, err := parse(a.Text)
			if a.Sight != remote.Seen || err != nil {
				t.Fatal(a, err)
			}
			if len(seen.Procs) != 1 || len(seen.Listeners) != 1 || seen.Listeners[0].Port != b.port || seen.Listeners[0].Owner != "green" {
				t.Errorf("%s: %+v", slot, seen)
			}
		}
	})
}

// TestForgedMarker: a marker that another user has written counts for nothing: neither as a program of ours nor as the
// release that is live. One of the user as whom the service was started counts.
func TestForgedMarker(t *testing.T) {
	if os.Getuid() != 0 {
		return // what another user has written into an environment can't be read then
	}
	eachShell(t, func(t *testing.T, b *bench) {
		marked := func(slot, release string) {
			t.Helper()
			cmd := exec.Command("sleep", "1000")
			cmd.Env = []string{"SHIPCTL=teatime/" + b.name + "/" + slot + "/" + release + "/" + digest}
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
		}
		marked("green", "42")
		marked("blue", "666")
		if got := b.look().Procs; len(got) != 0 {
			t.Errorf("nothing of ours runs, and seen is %+v", got)
		}
		if out, err := b.start(); err != nil || strings.Contains(out, "already runs") {
			t.Fatalf("%q, %v", out, err)
		}
		if got := b.look().Procs; len(got) != 1 || got[0].Release != "42" || got[0].Dir != b.dir {
			t.Errorf("one of ours runs, and seen is %+v", got)
		}
		home := filepath.Join(b.root, "state", "projects", remotetest.Project, "services", b.name)
		if err := os.WriteFile(filepath.Join(home, "users"), []byte("1\n65534\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := b.look().Procs; len(got) != 3 {
			t.Errorf("the service was started as that user, and seen is %+v", got)
		}
	})
}
