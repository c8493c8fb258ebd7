package remote

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Scene is what the scripts of one exchange have in common.
type Scene struct {
	Nonce    string // of the frames; letters and digits
	StateDir string // absolute; "": /var/lib/shipctl for root, ~/.local/state/shipctl for others
	Project  string
}

// The commands that take a script on standard input. They are constant, so that nothing of a value is ever on a
// command line, and mean the same to every login shell: no newline and no "!".
const (
	shell = "sh -s"
	// What follows the script's line on standard input is left for the script: read takes no byte more than a line.
	shellWithPayload = `sh -c 'IFS= read -r s && eval "$s"'`
	sudo             = "sudo -n "
)

// text collects a script. Its first error sticks.
type text struct {
	strings.Builder
	err error
}

func (t *text) line(parts ...string) { t.WriteString(strings.Join(parts, "") + "\n") }

func (t *text) quote(s string) string {
	q, err := Quote(s)
	if err != nil && t.err == nil {
		t.err = err
	}
	return q
}

func (t *text) words(args []string) string {
	var b strings.Builder
	for _, a := range args {
		b.WriteString(" " + t.quote(a))
	}
	return b.String()
}

func (t *text) set(name, value string) { t.line(name, "=", t.quote(value)) }

// open begins a script. Everything is inside one brace group: a shell reads all of it before it runs any of it, so
// half a script does nothing.
func (t *text) open(s Scene) {
	t.line("{")
	t.WriteString(prelude)
	t.set("PROJECT", s.Project)
	if s.StateDir != "" {
		t.set("STATE", s.StateDir)
		return
	}
	t.line(`if [ "$(id -u)" = 0 ]; then STATE=/var/lib/shipctl; else STATE=$HOME/.local/state/shipctl; fi`)
}

func (t *text) function(name, body string) {
	t.line(name, "() {")
	t.WriteString(body)
	t.line("}")
}

func (t *text) close() (string, error) {
	t.line("}")
	return t.String(), t.err
}

func (s Scene) check() error {
	if !regexp.MustCompile(`^[0-9A-Za-z]{8,64}$`).MatchString(s.Nonce) {
		return errors.New("no nonce")
	}
	if !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`).MatchString(s.Project) {
		return fmt.Errorf("the project's name %q can't be used on a machine", s.Project)
	}
	if s.StateDir != "" && !strings.HasPrefix(s.StateDir, "/") {
		return fmt.Errorf("state_dir %q is not absolute", s.StateDir)
	}
	return nil
}

// Questions is the text that asks a machine everything: for `sh -s`. The answer to query i comes in frame i.
func (l Library) Questions(s Scene, queries []Query) (string, error) {
	if err := s.check(); err != nil {
		return "", err
	}
	var t text
	t.open(s)
	names := map[string]string{}
	for _, q := range queries {
		if names[q.Script] != "" {
			continue
		}
		body, err := l.body(q.Script)
		if err != nil {
			return "", err
		}
		names[q.Script] = "__q" + strconv.Itoa(len(names))
		t.function(names[q.Script], body)
	}
	if err := l.shared(&t, queries); err != nil {
		return "", err
	}
	for i, q := range queries {
		t.line(fmt.Sprintf(`printf '\n@%s %d begin\n'`, s.Nonce, i))
		t.line("( ", names[q.Script], t.words(q.Args), " ) </dev/null 2>&1")
		t.line(fmt.Sprintf(`printf '\n@%s %d end %%s\n' "$?"`, s.Nonce, i))
	}
	return t.close()
}

// shared looks once at what several queries of a script need: SCRIPT.shared, where there is one, is called in the shell that
// all queries fork from, with "each" and the arguments of each query, then with "all". It prints nothing, changes nothing
// but variables, and never exits.
func (l Library) shared(t *text, queries []Query) error {
	names := map[string]string{}
	var order []string
	for _, q := range queries {
		if _, ok := l[q.Script+".shared"]; !ok {
			continue
		}
		if names[q.Script] == "" {
			body, err := l.body(q.Script + ".shared")
			if err != nil {
				return err
			}
			names[q.Script] = "__s" + strconv.Itoa(len(names))
			order = append(order, names[q.Script])
			t.function(names[q.Script], body)
		}
		t.line(names[q.Script], " each", t.words(q.Args), " </dev/null >/dev/null 2>&1")
	}
	for _, name := range order {
		t.line(name, " all </dev/null >/dev/null 2>&1")
	}
	return nil
}

// StepScript is the text of a step: for `sh -s`, or, where the call has a File, for Line and what reads that. input is
// Call.Stdin with its values filled in, limit what remains of the step's time. Output and errors each come in frame 0.
func (l Library) StepScript(s Scene, t Ticket, c Call, input string, limit time.Duration) (string, error) {
	if err := s.check(); err != nil {
		return "", err
	}
	body, err := l.body(c.Script)
	if err != nil {
		return "", err
	}
	if c.ScriptSHA256 != "" && c.ScriptSHA256 != l.SHA256(c.Script) {
		return "", fmt.Errorf("the script %s is not the one that the plan was made with: plan again with this shipctl", c.Script)
	}
	var b text
	b.open(s)
	b.set("RUN", t.Run)
	b.set("STEP", t.Step)
	b.set("EPOCH", strconv.FormatInt(t.Epoch, 10))
	b.set("LIMIT", strconv.Itoa(max(1, int(limit/time.Second))))
	b.set("INPUT", input)
	b.function("__main", body)
	b.WriteString(step)
	from, sent := " </dev/null", ""
	if c.File != "" {
		from, sent = "", "1"
	}
	b.set("SENT", sent)
	b.line(fmt.Sprintf(`printf '\n@%s 0 begin\n'`, s.Nonce))
	b.line(fmt.Sprintf(`printf '\n@%s 0 begin\n' >&2`, s.Nonce))
	entry := "__step"
	if c.Unlocked {
		entry = "__main"
	}
	b.line("( ", entry, b.words(c.Args), " )", from)
	b.line("__status=$?")
	b.line(fmt.Sprintf(`printf '\n@%s 0 end %%s\n' "$__status" >&2`, s.Nonce))
	b.line(fmt.Sprintf(`printf '\n@%s 0 end %%s\n' "$__status"`, s.Nonce))
	return b.close()
}

// Line turns a script into one line that does the same, so that it can go in front of a payload.
func Line(script string) string {
	var b strings.Builder
	b.WriteString(`eval "$(printf %b '`)
	for i := range len(script) {
		switch c := script[i]; {
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ' || c > '~' || c == '\\' || c == '\'':
			fmt.Fprintf(&b, `\0%03o`, c) // of %b, not of the shell
		default:
			b.WriteByte(c)
		}
	}
	b.WriteString("')\"\n")
	return b.String()
}
