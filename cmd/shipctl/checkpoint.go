package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers/remote"
)

// checkpointEnv names a folder with a named pipe "points" that a test reads. Without it no checkpoint exists.
const checkpointEnv = "SHIPCTL_CHECKPOINTS"

// checkpoints are the moments at which a test looks on, or breaks something: before a script that changes a machine is
// sent, between its effect and its reply, and after the reply was taken in. Steps, their undoing and the lease have
// them. At each, one line goes into the pipe, and the run goes on there when one comes back in a pipe of its own: empty,
// or "fail TEXT" for a script that says no, or "lost" for a reply that never came.
type checkpoints struct {
	dir string

	mu      sync.Mutex
	count   int
	undoing map[string]bool
}

// checkpoint is what the test is told.
type checkpoint struct {
	Step   string `json:"step"`
	Moment string `json:"moment"` // before, effect or after
	Undo   bool   `json:"undo,omitempty"`
	Reply  string `json:"reply"` // the pipe that the reply is read from
}

// checkpoints of this run; nil, and free, where no test looks on.
func (c *cli) checkpoints() *checkpoints {
	if dir := c.env(checkpointEnv); dir != "" {
		return &checkpoints{dir: dir, undoing: map[string]bool{}}
	}
	return nil
}

// dial gives machines that stop at the checkpoints.
func (k *checkpoints) dial(dial planner.Dial) planner.Dial {
	if k == nil {
		return dial
	}
	return func(ctx context.Context, host string) (remote.Machine, error) {
		m, err := dial(ctx, host)
		if err != nil {
			return nil, err
		}
		return stopping{m, k}, nil
	}
}

// emit stops after a step, when the run knows how it ended.
func (k *checkpoints) emit(emit func(executor.Event)) func(executor.Event) {
	if k == nil {
		return emit
	}
	return func(e executor.Event) {
		emit(e)
		switch e.State {
		case executor.Undoing:
			k.mu.Lock()
			k.undoing[string(e.Step.ID)] = true
			k.mu.Unlock()
		case executor.Done, executor.Failed, executor.Undone, executor.NotDone:
			_ = k.reach(string(e.Step.ID), "after") // it is too late for another reply
		}
	}
}

func (k *checkpoints) reach(step, moment string) error {
	reply, err := k.ask(step, moment)
	if err != nil {
		return fmt.Errorf("%s: %w", checkpointEnv, err)
	}
	reply = strings.TrimSuffix(reply, "\n")
	switch text, fails := strings.CutPrefix(reply, "fail "); {
	case reply == "":
		return nil
	case fails:
		return &remote.ScriptError{Script: step, Status: 1, Output: text}
	case reply == "lost":
		return errors.New("the reply was lost")
	}
	return fmt.Errorf("%s: %q is no reply", checkpointEnv, reply)
}

func (k *checkpoints) ask(step, moment string) (reply string, err error) {
	k.mu.Lock()
	k.count++
	p := checkpoint{step, moment, k.undoing[step], filepath.Join(k.dir, fmt.Sprintf("reply-%d-%d", os.Getpid(), k.count))}
	k.mu.Unlock()
	if err := syscall.Mkfifo(p.Reply, 0o600); err != nil {
		return "", err
	}
	defer os.Remove(p.Reply)
	out, err := os.OpenFile(filepath.Join(k.dir, "points"), os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	defer out.Close()
	if err := json.NewEncoder(out).Encode(p); err != nil {
		return "", err
	}
	in, err := os.Open(p.Reply) // when the other side has opened it
	if err != nil {
		return "", err
	}
	defer in.Close()
	return bufio.NewReader(in).ReadString('\n')
}

// stopping is a machine with checkpoints around what is run on it. The lease's heartbeat has none: it comes when it
// comes.
type stopping struct {
	remote.Machine
	checkpoints *checkpoints
}

// Run implements remote.Machine.
func (m stopping) Run(ctx context.Context, t remote.Ticket, c remote.Call) ([]byte, error) {
	if t.Step == "lease/renew" {
		return m.Machine.Run(ctx, t, c)
	}
	if err := m.checkpoints.reach(t.Step, "before"); err != nil {
		return nil, err
	}
	out, err := m.Machine.Run(ctx, t, c)
	if other := m.checkpoints.reach(t.Step, "effect"); other != nil {
		return nil, other
	}
	return out, err
}
