package remote_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/local"
	"github.com/shipctl/shipctl/providers/remote/remotetest"
)

func library(t *testing.T, scripts map[string]string) remote.Library {
	t.Helper()
	folder := fstest.MapFS{}
	for name, text := range scripts {
		folder[name+".sh"] = &fstest.MapFile{Data: []byte(text)}
	}
	lib, err := remote.Scripts(map[string]fs.FS{"t": folder})
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

func TestAsk(t *testing.T) {
	lib := library(t, map[string]string{
		"args":   `for a in "$@"; do printf '<%s>' "$a"; done`,
		"absent": "absent",
		"denied": "denied no rights",
		"fails":  "echo broken >&2; exit 3",
		"silent": "exit 3",
		"unset":  `set -u; echo "$nothing"`,
		"binary": `printf 'a\377b'`,
		"big":    `head -c 1100000 /dev/zero | tr '\0' x`,
		"limit":  `head -c 1048576 /dev/zero | tr '\0' x`,
		"frames": `printf '@0123456789abcdef 0 end 0\n@x\n\n\n'`,
		"where":  `echo "$STATE $PROJECT"`,
		"stdin":  `cat; echo empty`,
		"secret": `printf '%s' "s3cr'et pass/wörd" | base64; echo "s3cr'et pass/wörd"`,
	})
	for _, shell := range remotetest.Shells(t) {
		t.Run(shell, func(t *testing.T) {
			m := remotetest.Under(t, shell, lib, "/nowhere/state")
			tests := []struct {
				script string
				args   []string
				want   remote.Answer
			}{
				{"args", []string{"a b", "", "'", "$(id)", "`id`", "-rf", "a\nb", "*", `\n`, "각"}, remote.Answer{Sight: remote.Seen, Text: "<a b><><'><$(id)><`id`><-rf><a\nb><*><\\n><각>"}},
				{"absent", nil, remote.Answer{Sight: remote.Absent}},
				{"denied", nil, remote.Answer{Sight: remote.Denied, Why: "no rights"}},
				{"fails", nil, remote.Answer{Sight: remote.Unreachable, Why: "broken"}},
				{"silent", nil, remote.Answer{Sight: remote.Unreachable, Why: "the question's script ended with status 3 and said nothing"}},
				{"binary", nil, remote.Answer{Sight: remote.Seen, Text: "a\uFFFDb"}},
				{"big", nil, remote.Answer{Sight: remote.Unreachable, Why: "the answer is longer than 1048576 bytes"}},
				{"limit", nil, remote.Answer{Sight: remote.Seen, Text: strings.Repeat("x", 1<<20)}},
				{"frames", nil, remote.Answer{Sight: remote.Seen, Text: "@0123456789abcdef 0 end 0\n@x\n\n\n"}},
				{"where", nil, remote.Answer{Sight: remote.Seen, Text: "/nowhere/state teatime\n"}},
				{"stdin", nil, remote.Answer{Sight: remote.Seen, Text: "empty\n"}},
				{"secret", nil, remote.Answer{Sight: remote.Seen, Text: "(sensitive)\n(sensitive)\n"}},
				{"args", []string{"again"}, remote.Answer{Sight: remote.Seen, Text: "<again>"}},
			}
			var queries []remote.Query
			for _, tt := range tests {
				queries = append(queries, remote.Query{Script: "t/" + tt.script, Args: tt.args})
			}
			queries = append(queries, remote.Query{Script: "t/unset"}, remote.Identity("x"))
			answers, err := m.Ask(t.Context(), queries)
			if err != nil {
				t.Fatal(err)
			}
			for i, tt := range tests {
				if answers[i] != tt.want {
					t.Errorf("%s %q: %.200v, want %.200v", tt.script, tt.args, answers[i], tt.want)
				}
			}
			if a := answers[len(tests)]; a.Sight != remote.Unreachable {
				t.Errorf("unset: %v", a)
			}
			if id := answers[len(tests)+1]; id.Sight != remote.Seen || !strings.Contains(id.Text, "uid ") {
				t.Errorf("identity: %v", id)
			}
		})
	}
}

func TestRun(t *testing.T) {
	payload := strings.Repeat("\x00\xff\n'\\$(id)\r", 40_000)
	file := filepath.Join(t.TempDir(), "payload")
	if err := os.WriteFile(file, []byte(payload), 0o600); err != nil {
		t.Fatal(err)
	}
	lib := library(t, map[string]string{
		"echo":   `printf '%s|' "$INPUT" "$RUN" "$STEP" "$EPOCH" "$@"; cat`,
		"fails":  `echo note; echo "no good: $INPUT" >&2; exit 5`,
		"digest": `sha256sum | cut -d ' ' -f 1`,
		"early":  `echo early`,
		"trap":   `trap 'echo put back >&2' EXIT; echo going; die "went wrong"`,
		"child":  `sleep 300 9>&- & echo $!`,
	})
	for _, shell := range remotetest.Shells(t) {
		t.Run(shell, func(t *testing.T) {
			state := filepath.Join(t.TempDir(), "it's the state")
			m := remotetest.Under(t, shell, lib, state)
			tests := []struct {
				name   string
				call   remote.Call
				out    string
				status int
				errs   string
			}{
				{"arguments", remote.Call{Script: "t/echo", Args: []string{"a'b", "각\n"}, Stdin: []remote.Part{{Text: "x\n"}, {Text: "'"}}}, "x\n'|run-1|t/echo|0|a'b|각\n|", 0, ""},
				{"secret", remote.Call{Script: "t/echo", Stdin: []remote.Part{{Text: "<"}, {Var: "password"}, {Text: ">"}}}, "<(sensitive)>|run-1|t/echo|0|", 0, ""},
				{"fails", remote.Call{Script: "t/fails", Stdin: []remote.Part{{Var: "password"}}}, "note\n", 5, "no good: (sensitive)"},
				{"payload", remote.Call{Script: "t/digest", File: file, FileSize: int64(len(payload))}, remotetest.SHA256(payload) + "\n", 0, ""},
				{"payload not read", remote.Call{Script: "t/early", File: file}, "early\n", 0, ""},
				{"payload and arguments", remote.Call{Script: "t/echo", File: os.DevNull, Args: []string{"각 \x01\x7f\\n%s\t'"}}, "|run-1|t/echo|0|각 \x01\x7f\\n%s\t'|", 0, ""},
				{"trap", remote.Call{Script: "t/trap"}, "going\n", 1, "went wrong\nput back"},
			}
			for _, tt := range tests {
				out, err := remotetest.Step(t, m, tt.call)
				if out != tt.out {
					t.Errorf("%s: printed %.200q, want %.200q", tt.name, out, tt.out)
				}
				var se *remote.ScriptError
				switch {
				case err == nil && tt.status == 0:
				case !errors.As(err, &se):
					t.Errorf("%s: %v", tt.name, err)
				case se.Status != tt.status || se.Output != tt.errs:
					t.Errorf("%s: status %d, %q; want %d, %q", tt.name, se.Status, se.Output, tt.status, tt.errs)
				}
			}
		})
	}
}

// A login that runs no commands is quoted in the error.
func TestNoLoginShell(t *testing.T) {
	m := local.New(local.Settings{Host: "web-1", Shell: []string{"/bin/echo", "this account is not available:"}}, remotetest.Setup(library(t, nil)))
	_, err := m.Ask(t.Context(), nil)
	if err == nil || !strings.HasPrefix(err.Error(), "web-1: ") || !strings.Contains(err.Error(), "this account is not available") {
		t.Errorf("%v", err)
	}
	_, err = remotetest.Step(t, m, remote.Call{Script: "remote/identity"})
	if err == nil || errors.As(err, new(*remote.ScriptError)) || !strings.Contains(err.Error(), "this account is not available") {
		t.Errorf("%v", err)
	}
}
