package e2e

import (
	"os/exec"
	"syscall"
	"testing"
)

// freeze stops a process as a suspended machine would, or lets it go on.
func freeze(t *testing.T, cmd *exec.Cmd, frozen bool) {
	t.Helper()
	sig := syscall.SIGCONT
	if frozen {
		sig = syscall.SIGSTOP
	}
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}
