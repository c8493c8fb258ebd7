package remote

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
)

// frame is what came between "@nonce i begin" and "@nonce i end status".
type frame struct {
	text   []byte
	status int
	cut    bool // longer than the limit: the rest was dropped
	ended  bool
}

// frames is an io.Writer that picks the frames of one nonce out of everything else that a login shell, sudo or a
// message of the day prints. A line that looks like a frame of another nonce or index is text.
type frames struct {
	prefix string
	limit  int // bytes of text kept of one frame
	last   int // the frame after which nothing is wanted any more
	done   chan struct{}

	mu      sync.Mutex
	open    int // index of the open frame; -1: none
	byIndex map[int]*frame
	pending []byte // a line's beginning that may still become a mark
	midline bool   // the line's beginning was no mark: the rest is text
	outside []byte // the last of what was printed outside of frames
	closed  bool
}

// What is kept of the text outside of frames; as much again before it is cut, so that a secret is not cut in two.
const outsideLimit = 16 << 10

func newFrames(nonce string, limit, last int) *frames {
	return &frames{
		prefix: "@" + nonce + " ", limit: limit, last: last, done: make(chan struct{}),
		open: -1, byIndex: map[int]*frame{},
	}
}

// Write never fails: a reader that stops would make the script on the other side fail.
func (f *frames) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(p)
	for len(p) > 0 && !f.closed {
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		if whole {
			line = p[:len(line)+1]
		}
		p = rest
		f.piece(line, whole)
	}
	return n, nil
}

func (f *frames) piece(line []byte, whole bool) {
	if f.midline {
		f.keep(line)
		f.midline = !whole
		return
	}
	f.pending = append(f.pending, line...)
	switch {
	case whole:
		if !f.mark(strings.TrimSuffix(string(f.pending), "\n")) {
			f.keep(f.pending)
		}
		f.pending = f.pending[:0]
	case len(f.pending) > len(f.prefix)+32 || !couldBe(f.pending, f.prefix):
		f.keep(f.pending)
		f.pending = f.pending[:0]
		f.midline = true
	}
}

func couldBe(start []byte, prefix string) bool {
	n := min(len(start), len(prefix))
	return string(start[:n]) == prefix[:n]
}

// mark handles a line that is a mark and says whether it was one.
func (f *frames) mark(line string) bool {
	rest, ok := strings.CutPrefix(line, f.prefix)
	if !ok {
		return false
	}
	words := strings.Split(rest, " ")
	i, err := strconv.Atoi(words[0])
	if err != nil || i < 0 || i > f.last || strconv.Itoa(i) != words[0] {
		return false
	}
	switch {
	case f.open < 0 && len(words) == 2 && words[1] == "begin" && f.byIndex[i] == nil:
		f.open, f.byIndex[i] = i, &frame{}
		return true
	case f.open == i && len(words) == 3 && words[1] == "end":
		status, err := strconv.Atoi(words[2])
		if err != nil || status < 0 || status > 255 {
			return false
		}
		f.end(f.byIndex[i], status)
		return true
	}
	return false
}

func (f *frames) end(fr *frame, status int) {
	fr.text = bytes.TrimSuffix(fr.text, []byte("\n")) // the mark's own
	fr.status, fr.ended = status, true
	if f.open == f.last {
		f.closed = true
		close(f.done)
	}
	f.open = -1
}

func (f *frames) keep(b []byte) {
	if f.open < 0 {
		f.outside = append(f.outside, b...)
		if over := len(f.outside) - outsideLimit; over > outsideLimit {
			f.outside = append(f.outside[:0], f.outside[over:]...)
		}
		return
	}
	fr := f.byIndex[f.open]
	// One byte more than the limit: the newline of the mark that follows.
	if room := f.limit + 1 - len(fr.text); len(b) > room {
		fr.cut = true
		b = b[:max(0, room)]
	}
	fr.text = append(fr.text, b...)
}

// get returns a frame, whole or what came of it; nil when it never began.
func (f *frames) get(i int) *frame {
	f.mu.Lock()
	defer f.mu.Unlock()
	fr := f.byIndex[i]
	if fr == nil {
		return nil
	}
	c := *fr
	c.text = bytes.Clone(fr.text)
	return &c
}

// stray is the last of what was printed outside of frames.
func (f *frames) stray() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return string(f.outside) + string(f.pending)
}
