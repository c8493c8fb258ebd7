package remote

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// stdin is a script, and behind it the payload of a call's File, which is read as fast as the machine takes it.
type stdin struct {
	io.Reader
	body io.Closer

	mu   sync.Mutex
	fail error
}

func (m *Shell) stdin(text string, t Ticket, c Call) (*stdin, error) {
	if c.File == "" {
		return &stdin{Reader: strings.NewReader(text)}, nil
	}
	if m.Setup.Open == nil {
		return nil, fmt.Errorf("nobody can open %s", c.File)
	}
	body, size, err := m.Setup.Open(c)
	if err != nil {
		return nil, err
	}
	if c.FileSize != 0 && size != c.FileSize {
		return nil, errors.Join(fmt.Errorf("%s has %d bytes now, and had %d when the plan was made: plan again", c.File, size, c.FileSize), body.Close())
	}
	in := &stdin{body: body}
	in.Reader = io.MultiReader(strings.NewReader(Line(text)), &noting{in: in, r: body, left: size, stop: t.Stop})
	return in, nil
}

// Close may be called while a read is under way, as after a deadline.
func (s *stdin) Close() error {
	if s.body == nil {
		return nil
	}
	return s.body.Close()
}

func (s *stdin) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fail
}

// noting remembers why a payload could not be read to its end: the machine sees only that it is short.
type noting struct {
	in   *stdin
	r    io.Reader
	left int64
	stop <-chan struct{}
}

var errStopped = errors.New("told to stop")

func (n *noting) Read(p []byte) (got int, err error) {
	select {
	case <-n.stop:
		err = errStopped
	default:
		if bug := Guarded(func() { got, err = n.r.Read(p) }); bug != nil {
			got, err = 0, bug
		}
	}
	n.left -= int64(got)
	if errors.Is(err, io.EOF) && n.left > 0 {
		err = fmt.Errorf("the file ended %d bytes early: it was changed meanwhile", n.left)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		n.in.mu.Lock()
		n.in.fail = err
		n.in.mu.Unlock()
	}
	return got, err
}
