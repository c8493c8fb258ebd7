package ssh

import (
	"context"
	"errors"
	"fmt"

	"github.com/shipctl/shipctl/providers/remote"
)

// transport carries exchanges over one connection, which is made again after a loss.
type transport struct {
	dialer   *Dialer
	settings Settings
	// turn holds one token: who has it looks after the fields below. A channel, because connecting takes long.
	turn    chan struct{}
	conn    *conn
	refused error // of a failed authentication
	closed  bool
}

func newTransport(d *Dialer, s Settings) *transport {
	return &transport{dialer: d, settings: s, turn: make(chan struct{}, 1)}
}

// connection is the one in use, or a new one.
func (t *transport) connection(ctx context.Context) (*conn, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: connecting: %w", t.settings.Host, context.Cause(ctx))
	}
	switch {
	case t.closed:
		return nil, fmt.Errorf("%s: the connection was closed", t.settings.Host)
	case t.refused != nil:
		return nil, t.refused
	case t.conn != nil && t.conn.usable():
		return t.conn, nil
	}
	l, err := t.dialer.link(ctx, t.settings)
	if errors.Is(err, ErrRefused) {
		t.refused = err
	}
	if err != nil {
		return nil, err
	}
	t.conn = newConn(t.settings.Host, l, t.dialer.keepalive)
	return t.conn, nil
}

// Exchange runs a command. Where the connection turns out to be lost before the command was sent it is made again.
func (t *transport) Exchange(ctx context.Context, x remote.Exchange) (int, error) {
	for again := false; ; again = true {
		c, err := t.connection(ctx)
		if err != nil {
			return -1, fmt.Errorf("%w: %w", remote.ErrNotStarted, err)
		}
		status, err := c.exchange(ctx, x)
		if again || !errors.Is(err, errLostBefore) {
			return status, err
		}
	}
}

// Close ends the connection and whatever is under way on it.
func (t *transport) Close() error {
	t.turn <- struct{}{}
	defer func() { <-t.turn }()
	t.closed = true
	if t.conn != nil {
		t.conn.end()
		<-t.conn.gone
	}
	return nil
}
