package nginx

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// Expect is what an HTTP answer must be.
type Expect struct {
	Path   string `json:"path,omitempty"` // of a request straight to an address; "": a connection is enough
	Host   string `json:"host,omitempty"` // Host header of such a request; "": the address
	Status []int  `json:"status,omitempty"`
	// Body is a POSIX extended regular expression, as grep -E takes it, that one line of the body must match.
	Body string `json:"body,omitempty"`
}

// Validate says what is wrong with the expectation.
func (e Expect) Validate() error {
	if e.Path != "" && (!strings.HasPrefix(e.Path, "/") || strings.ContainsFunc(e.Path, odd)) {
		return fmt.Errorf("the path %q does not begin with / or has a character that a URL can't have", e.Path)
	}
	if strings.ContainsFunc(e.Host, odd) {
		return fmt.Errorf("the host %q", e.Host)
	}
	for _, s := range e.Status {
		if s < 100 || s > 599 {
			return fmt.Errorf("the status %d is not between 100 and 599", s)
		}
	}
	if strings.ContainsAny(e.Body, "\n\x00") {
		return fmt.Errorf("the regular expression %q has more than one line", e.Body)
	}
	if _, err := regexp.CompilePOSIX(e.Body); err != nil {
		return fmt.Errorf("body is not a POSIX extended regular expression: %w", err)
	}
	return nil
}

func (e Expect) statuses() string {
	s := make([]string, len(e.Status))
	for i, n := range e.Status {
		s[i] = strconv.Itoa(n)
	}
	return strings.Join(s, " ")
}

// Move is what one nginx is to do.
type Move struct {
	To   []string // addresses
	From []string // what was seen loaded, to go back to; nil when not known
	// Label and Left are what people call the two: "green", "blue".
	Label, Left string
	Direct      Expect // of each new address, asked from the nginx machine
	Through     Expect // of the answer through nginx after the switch
	Back        Expect // of the answer through nginx after an undo; zero: nothing is asked of it
	ID          func(verb string) providers.StepID
}

// Steps are check, switch and drain. The caller orders them: all checks, then all switches, and nothing that the
// earlier addresses need before the last drain. The drain comes after its switch already.
func (r Route) Steps(m Move) (check, swtch, drain providers.Step) {
	args := func(more ...string) []string { return append(r.args(), more...) }
	to, from := strings.Join(m.To, ","), strings.Join(m.From, ",")
	id := m.ID("switch")
	tag := tagOf(id)
	undo := func(tag string) *remote.Call {
		return &remote.Call{Script: "nginx/restore", Args: args(from, m.Back.statuses(), m.Back.Body, tag, seconds(r.Drain))}
	}
	check = providers.Step{
		ID: m.ID("check"), Host: r.Host, Title: "check that nginx accepts " + m.Label,
		Do: remote.Call{
			Script: "nginx/check",
			Args:   args(to, m.Direct.Path, m.Direct.Host, m.Direct.statuses(), m.Direct.Body),
		},
		Undo:  undo(tagOf(m.ID("check"))), // of a check that was killed in the middle
		Limit: time.Minute + time.Duration(len(m.To))*5*time.Second,
	}
	swtch = providers.Step{
		ID: id, Host: r.Host, Title: "switch to " + m.Label,
		Do: remote.Call{
			Script: "nginx/switch",
			Args:   args(to, m.Through.statuses(), m.Through.Body, tag, from),
		},
		Undo:  undo(tag),
		Limit: 90*time.Second + r.Drain,
	}
	drain = providers.Step{
		ID: m.ID("drain"), Host: r.Host, After: []providers.StepID{id},
		Title: fmt.Sprintf("drain %s (%s at most)", m.Left, short(r.Drain)),
		Do:    remote.Call{Script: "nginx/drain", Args: args(seconds(r.Drain))},
		Waits: true,
		Limit: 30*time.Second + r.Drain,
	}
	return check, swtch, drain
}

// Remove is the step that takes the file away, reloads, and waits for the workers that knew it. It refuses where nginx
// can't do without the file.
func (r Route) Remove(id providers.StepID) providers.Step {
	tag := tagOf(id)
	return providers.Step{
		ID: id, Host: r.Host, Title: "remove " + r.File,
		Do:    remote.Call{Script: "nginx/remove", Args: append(r.args(), tag, seconds(r.Drain))},
		Undo:  &remote.Call{Script: "nginx/restore", Args: append(r.args(), "", "", "", tag, seconds(r.Drain))},
		Limit: 90*time.Second + r.Drain,
	}
}

// tagOf names a step where only letters and digits may be.
func tagOf(id providers.StepID) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:6])
}

func short(d time.Duration) string {
	if d%time.Second == 0 && d < 10*time.Minute {
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return d.String()
}
