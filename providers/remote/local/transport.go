package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/shipctl/shipctl/providers/remote"
)

// How long the command, and what it printed, is waited for once nothing more is wanted of it.
const patience = time.Second

type transport struct{ Settings }

func (transport) Close() error { return nil }

// Exchange runs the command in a group of its own, so that an interrupt at the terminal does not reach it and the end
// of the context reaches all of it.
func (t transport) Exchange(ctx context.Context, x remote.Exchange) (int, error) {
	argv := append(slices.Clone(t.Shell), "-c", x.Command)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = t.Env, home(t.Env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p, err := start(cmd, x)
	if err != nil {
		return -1, fmt.Errorf("%s: %w: %w", t.Host, remote.ErrNotStarted, err)
	}
	defer p.close()
	select {
	case <-x.Done:
		p.wait(p.ended)
		return -1, nil
	case <-p.ended:
		p.wait(p.printed)
		return cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		// A group that is another user's (sudo) can't be killed: it is left, and the outcome is not known either way.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		p.wait(p.ended)
		return -1, fmt.Errorf("%s: no answer in time: %w", t.Host, context.Cause(ctx))
	}
}

// pipes are our ends of a running command's descriptors.
type pipes struct {
	in, out, errs *os.File
	ended         chan struct{} // the command itself; what it started may live on
	printed       chan struct{} // nobody holds the output any more
}

func start(cmd *exec.Cmd, x remote.Exchange) (*pipes, error) {
	var files []*os.File
	closeAll := func() {
		for _, f := range files {
			_ = f.Close()
		}
	}
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll()
			return nil, err
		}
		files = append(files, r, w)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = files[0], files[3], files[5]
	if err := cmd.Start(); err != nil {
		closeAll()
		return nil, err
	}
	err := errors.Join(files[0].Close(), files[3].Close(), files[5].Close())
	p := &pipes{in: files[1], out: files[2], errs: files[4], ended: make(chan struct{}), printed: make(chan struct{})}
	go func() {
		_ = remote.Guarded(func() { _, _ = io.Copy(p.in, x.Stdin) }) // a script may end without reading all of it
		_ = p.in.Close()
	}()
	var copying sync.WaitGroup
	copying.Go(func() { _ = remote.Guarded(func() { _, _ = io.Copy(x.Stdout, p.out) }) })
	copying.Go(func() { _ = remote.Guarded(func() { _, _ = io.Copy(x.Stderr, p.errs) }) })
	go func() {
		copying.Wait()
		close(p.printed)
	}()
	go func() {
		_ = cmd.Wait() // the status is in ProcessState
		close(p.ended)
	}()
	return p, err
}

func (p *pipes) wait(c <-chan struct{}) {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-c:
	case <-t.C:
	}
}

func (p *pipes) close() {
	for _, f := range []*os.File{p.in, p.out, p.errs} {
		_ = f.Close() // twice is no harm
	}
}
