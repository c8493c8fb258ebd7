package remote

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Limits of what is kept of what a machine sends, in bytes.
const (
	answerLimit = 1 << 20
	outputLimit = 1 << 20
	strayShown  = 2 << 10
)

// How long an Ask may take where nobody says otherwise.
const defaultTimeout = 30 * time.Second

// ErrNotStarted marks an error of Run after which it is certain that nothing was begun on the machine.
var ErrNotStarted = errors.New("nothing was started")

// Hopeless is an error that trying again does not change: it says what Err says.
type Hopeless struct{ Err error }

func (h Hopeless) Error() string { return h.Err.Error() }
func (h Hopeless) Unwrap() error { return h.Err }

// Setup is what machines of one run share.
type Setup struct {
	Library Library
	Project string
	// Open gives the payload of a call's File and its size in bytes.
	Open func(Call) (io.ReadCloser, int64, error)
	// Secret gives the value of a sensitive variable.
	Secret func(name string) (string, bool)
	// Redact takes the values of all sensitive variables out of everything that machines send. Made once, for it is dear.
	Redact Redactor
	Log    hclog.Logger // nil: nobody reads it
}

// Exchange is one command on a machine: a constant command line, the script on standard input.
type Exchange struct {
	Command        string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Done is closed when everything that was wanted has been printed: a child that keeps the output open is not
	// waited for.
	Done <-chan struct{}
}

// Transport carries exchanges to a machine. It returns when the command has ended, Done is closed, or the context is
// over, whichever is first; status is the command's, -1 where it isn't known. An error that wraps ErrNotStarted says
// that the command was not begun.
type Transport interface {
	Exchange(context.Context, Exchange) (status int, err error)
	Close() error
}

// Shell is a machine that runs scripts with sh.
type Shell struct {
	Host     string // as messages name it
	Sudo     bool   // everything through sudo -n, or nothing
	StateDir string // absolute; "" for the default
	// Timeout bounds an Ask; 0 means half a minute.
	Timeout time.Duration
	Setup   Setup
	Over    Transport
}

var _ Machine = (*Shell)(nil)

func (m *Shell) scene() (Scene, error) {
	var nonce [16]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return Scene{}, err
	}
	return Scene{Nonce: hex.EncodeToString(nonce[:]), StateDir: m.StateDir, Project: m.Setup.Project}, nil
}

func (m *Shell) command(payload bool) string {
	c := shell
	if payload {
		c = shellWithPayload
	}
	if m.Sudo {
		c = sudo + c
	}
	return c
}

func (m *Shell) log() hclog.Logger {
	if m.Setup.Log == nil {
		return hclog.NewNullLogger()
	}
	return m.Setup.Log
}

// Close ends the connection.
func (m *Shell) Close() error { return m.Over.Close() }

// Ask asks everything in one script, who the machine is always first; the same question twice is asked once.
func (m *Shell) Ask(ctx context.Context, queries []Query) ([]Answer, error) {
	distinct, place := m.distinct(queries)
	scene, err := m.scene()
	if err != nil {
		return nil, err
	}
	text, err := m.Setup.Library.Questions(scene, distinct)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Host, err)
	}
	timeout := m.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out := newFrames(scene.Nonce, answerLimit, len(distinct)-1)
	noise := newFrames(scene.Nonce, 0, -1)
	begun := time.Now()
	status, err := m.Over.Exchange(ctx, Exchange{
		Command: m.command(false), Stdin: strings.NewReader(text), Stdout: out, Stderr: noise, Done: out.done,
	})
	m.log().Debug("asked", "host", m.Host, "queries", len(distinct), "took", time.Since(begun), "status", status, "error", err)
	redact := m.Setup.Redact
	why := m.whyCut(status, err, out, noise, redact)
	if out.get(0) == nil {
		return nil, why
	}
	answers := make([]Answer, len(queries))
	for i := range queries {
		answers[i] = answer(out.get(place[i]), why, redact)
	}
	return answers, nil
}

func (m *Shell) distinct(queries []Query) (distinct []Query, place []int) {
	at := map[string]int{}
	add := func(q Query) int {
		key := q.Script + "\x00" + strings.Join(q.Args, "\x00")
		if i, ok := at[key]; ok {
			return i
		}
		at[key] = len(distinct)
		distinct = append(distinct, q)
		return at[key]
	}
	add(Identity(m.Host))
	for _, q := range queries {
		place = append(place, add(q))
	}
	return distinct, place
}

func answer(f *frame, why error, redact Redactor) Answer {
	if f == nil || !f.ended {
		return Answer{Sight: Unreachable, Why: why.Error()}
	}
	text := clean(f.text, redact)
	switch {
	case f.status == 44:
		return Answer{Sight: Absent, Why: strings.TrimSpace(text)}
	case f.status == 43:
		// Its last word; what it had printed before may not be taken for an answer.
		text = strings.TrimSpace(text)
		return Answer{Sight: Denied, Why: text[strings.LastIndexByte(text, '\n')+1:]}
	case f.status != 0:
		text = strings.TrimSpace(last(text, strayShown))
		if text == "" {
			text = fmt.Sprintf("the question's script ended with status %d and said nothing", f.status)
		}
		return Answer{Sight: Unreachable, Why: text}
	case f.cut:
		return Answer{Sight: Unreachable, Why: fmt.Sprintf("the answer is longer than %d bytes", answerLimit)}
	}
	return Answer{Sight: Seen, Text: text}
}

// Run runs one step.
func (m *Shell) Run(ctx context.Context, t Ticket, c Call) ([]byte, error) {
	input, secrets, err := m.input(c)
	if err != nil {
		return nil, m.notStarted(err)
	}
	redact := m.Setup.Redact.With(secrets...)
	scene, err := m.scene()
	if err != nil {
		return nil, m.notStarted(err)
	}
	deadline, ok := ctx.Deadline()
	if !t.Deadline.IsZero() && (!ok || t.Deadline.Before(deadline)) {
		deadline, ok = t.Deadline, true
	}
	if !ok {
		return nil, m.notStarted(fmt.Errorf("the step %s has no deadline", t.Step))
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	text, err := m.Setup.Library.StepScript(scene, t, c, input, time.Until(deadline))
	if err != nil {
		return nil, m.notStarted(err)
	}
	in, err := m.stdin(text, t, c)
	if err != nil {
		return nil, m.notStarted(err)
	}
	defer in.Close()
	out, errs := newFrames(scene.Nonce, outputLimit, 0), newFrames(scene.Nonce, outputLimit, 0)
	begun := time.Now()
	status, err := m.Over.Exchange(ctx, Exchange{
		Command: m.command(c.File != ""), Stdin: in, Stdout: out, Stderr: errs, Done: both(ctx, out.done, errs.done),
	})
	m.log().Debug("ran", "host", m.Host, "script", c.Script, "step", t.Step, "took", time.Since(begun), "status", status, "error", err)
	if errors.Is(err, ErrNotStarted) {
		return nil, err
	}
	o := out.get(0)
	if o == nil || !o.ended {
		return nil, m.unknown(t, o != nil, m.whyCut(status, err, out, errs, redact))
	}
	printed := []byte(clean(o.text, redact))
	if o.status == 0 {
		return printed, nil
	}
	return printed, m.refusal(c, o.status, errs, in.err(), redact)
}

func (m *Shell) notStarted(err error) error {
	return fmt.Errorf("%s: %w: %w", m.Host, ErrNotStarted, err)
}

func (m *Shell) unknown(t Ticket, begun bool, why error) error {
	if !begun {
		return fmt.Errorf("%w; %s printed nothing, so whether it was begun is not known", why, t.Step)
	}
	return fmt.Errorf("%w; whether %s was finished is not known", why, t.Step)
}

func (m *Shell) refusal(c Call, status int, errs *frames, reading error, redact Redactor) error {
	var said string
	if e := errs.get(0); e != nil {
		said = strings.TrimSpace(clean(e.text, redact))
	}
	if said == "" {
		said = fmt.Sprintf("%s ended with status %d and said nothing", c.Script, status)
	}
	if reading != nil {
		said += "\nreading " + c.File + ": " + redact.Text(reading.Error())
	}
	return &ScriptError{Script: c.Script, Status: status, Output: said}
}

// input fills in the values of sensitive variables, and gives them.
func (m *Shell) input(c Call) (input string, secrets []string, err error) {
	var b strings.Builder
	for _, p := range c.Stdin {
		b.WriteString(p.Text)
		if p.Var == "" {
			continue
		}
		if m.Setup.Secret == nil {
			return "", nil, fmt.Errorf("nobody knows the value of the sensitive variable %s", p.Var)
		}
		v, ok := m.Setup.Secret(p.Var)
		if !ok {
			return "", nil, fmt.Errorf("the sensitive variable %s has no value: a plan file holds none, give it again (-var, -var-file or SHIPCTL_VAR_%s)", p.Var, p.Var)
		}
		b.WriteString(v)
		secrets = append(secrets, v)
	}
	return b.String(), secrets, nil
}

// whyCut says why there is no complete answer.
func (m *Shell) whyCut(status int, err error, out, errs *frames, redact Redactor) error {
	said := strings.TrimSpace(clean([]byte(errs.stray()), redact))
	if printed := strings.TrimSpace(clean([]byte(out.stray()), redact)); printed != "" && out.get(0) == nil {
		said = strings.TrimSpace(printed + "\n" + said)
	}
	said = last(said, strayShown)
	switch {
	case err != nil && said != "":
		return fmt.Errorf("%w: %s", err, said)
	case err != nil:
		return err
	case m.Sudo && status == 127:
		return fmt.Errorf("%s: there is no sudo on this machine (%s): install it, or set sudo = false and log in as root", m.Host, said)
	case m.Sudo && strings.Contains(said, "sudo:"):
		return fmt.Errorf("%s: sudo -n does not work there for the user that we log in as (%s): allow it every command without a password, or set sudo = false", m.Host, said)
	case said == "":
		return fmt.Errorf("%s: the script ended early, with status %d and no word", m.Host, status)
	}
	return fmt.Errorf("%s: the script ended early, with status %d: %s", m.Host, status, said)
}

// clean makes text of what a machine sent.
func clean(b []byte, redact Redactor) string {
	return strings.ToValidUTF8(redact.Text(string(b)), "\uFFFD")
}

// last is the end of s, at most n bytes and from a line's or a character's beginning.
func last(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = s[len(s)-n:]
	if _, rest, ok := strings.Cut(s, "\n"); ok {
		return "…\n" + rest
	}
	return "…" + strings.ToValidUTF8(s, "")
}

// both is closed when a and b are.
func both(ctx context.Context, a, b <-chan struct{}) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		for _, c := range []<-chan struct{}{a, b} {
			select {
			case <-c:
			case <-ctx.Done():
				return
			}
		}
		close(done)
	}()
	return done
}
