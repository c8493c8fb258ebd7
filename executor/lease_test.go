package executor

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/shipctl/shipctl/providers/remote"
)

// holder is a machine that takes the lease, although it is not waited for.
type holder struct {
	reached chan struct{}
	ran     chan string
}

func (holder) Ask(context.Context, []remote.Query) ([]remote.Answer, error) { return nil, nil }
func (holder) Close() error                                                 { return nil }

func (h holder) Run(ctx context.Context, _ remote.Ticket, c remote.Call) ([]byte, error) {
	h.ran <- c.Args[0]
	if c.Args[0] == "acquire" {
		close(h.reached)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return nil, nil
}

// TestInterruptedTakeIsReleased: the script of a take that was cut off may go on and take the lease.
func TestInterruptedTakeIsReleased(t *testing.T) {
	h := holder{reached: make(chan struct{}), ran: make(chan string, 9)}
	l := &Lease{ID: "run", Last: time.Minute, Dial: func(context.Context, string) (remote.Machine, error) { return h, nil }}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-h.reached
		if held := l.Held(); !slices.Equal(held, []string{"a"}) {
			t.Errorf("held while it is taken: %v", held)
		}
		cancel()
	}()
	if err := l.Take(ctx, []string{"a", "b"}, func(error) {}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(h.ran)
	var ran []string
	for what := range h.ran {
		ran = append(ran, what)
	}
	if !slices.Equal(ran, []string{"acquire", "release"}) {
		t.Errorf("ran %v", ran)
	}
}

// TestRefusedTakeIsNotReleased: what certainly was not taken costs no second wait for the machine.
func TestRefusedTakeIsNotReleased(t *testing.T) {
	dials := 0
	l := &Lease{ID: "run", Last: time.Minute, Dial: func(context.Context, string) (remote.Machine, error) {
		dials++
		return nil, errors.New("no route")
	}}
	if err := l.Take(t.Context(), []string{"a"}, func(error) {}); err == nil || err.Error() != "a: the lease: no route" || dials != 1 {
		t.Errorf("%v after %d dials", err, dials)
	}
}
