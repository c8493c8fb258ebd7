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
		if ctx.Err() != nil { // who was woken by both must not go in
			return context.Cause(ctx)
		}
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

// yield lowers the limit to the others inside and waits until one of them has left. The caller is inside again in any case.
// Whoever is alone has nobody to wait for: false.
func (g *gate) yield(ctx context.Context) (bool, error) {
	g.mu.Lock()
	if g.inside <= 1 {
		g.mu.Unlock()
		return false, nil
	}
	g.inside--
	g.limit = g.inside
	g.mu.Unlock()
	err := g.acquire(ctx)
	if err != nil {
		g.mu.Lock()
		g.inside++
		g.mu.Unlock()
	}
	return true, err
}
