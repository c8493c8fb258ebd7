package ssh

import (
	"context"
	"sync"
)

// gate lets a limited number through at once. The limit can shrink to what turned out to be possible.
type gate struct {
	mu            sync.Mutex
	limit, inside int
	changed       chan struct{} // closed, and made anew, when somebody leaves
}

func newGate(limit int) *gate { return &gate{limit: limit, changed: make(chan struct{})} }

func (g *gate) acquire(ctx context.Context) error {
	for {
		g.mu.Lock()
		if g.inside < g.limit {
			g.inside++
			g.mu.Unlock()
			return nil
		}
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	close(g.changed)
	g.changed = make(chan struct{})
}

// shrink takes the caller out and lowers the limit to the others. Whoever is alone stays inside: false.
func (g *gate) shrink() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside <= 1 {
		return false
	}
	g.inside--
	g.limit = g.inside
	return true
}
