package ssh

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// target is one machine, or one hop, with every setting known.
type target struct {
	host       string // as messages name it
	address    string
	port       int
	user       string
	identities []identityFile
	only       bool // IdentitiesOnly: of the agent's keys those of the identity files alone
	agent      string
	knownHosts []string
	knownNamed bool // the configuration names that one file: ssh by itself would look, and write, elsewhere
	keyAlias   string
	jump       string
}

type identityFile struct {
	path  string
	named bool // by the configuration: it must be there
}

func (t target) addr() string { return net.JoinHostPort(t.address, strconv.Itoa(t.port)) }

// keyName is the name under which the host key is looked up.
func (t target) keyName() string {
	if t.keyAlias != "" {
		return net.JoinHostPort(t.keyAlias, "22")
	}
	return t.addr()
}

// resolve fills in what the configuration leaves out, as the ssh program would.
func resolve(ctx context.Context, s Settings) (target, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return target{}, err
	}
	said, err := ask(ctx, s, home)
	if err != nil {
		return target{}, err
	}
	t := target{
		host: s.Host, address: said.first("hostname", s.Address), user: said.first("user", currentUser()),
		keyAlias: said.first("hostkeyalias", ""), jump: said.first("proxyjump", ""),
		agent: said.first("identityagent", ""), only: said.first("identitiesonly", "no") == "yes",
	}
	if t.port, err = strconv.Atoi(said.first("port", "22")); err != nil {
		return target{}, fmt.Errorf("%s: the port %q in the SSH configuration is no number", s.Host, said.first("port", ""))
	}
	s.override(&t)
	if c := said.first("proxycommand", "none"); c != "none" && t.jump == "" {
		return target{}, fmt.Errorf("%s: the SSH configuration has a ProxyCommand for it, which shipctl does not run: use ProxyJump, or proxy_jump in its host block", s.Host)
	}
	expand := tokens(home, s.Address, t)
	for _, f := range said["identityfile"] {
		t.identities = append(t.identities, identityFile{path: expand(f)})
	}
	if s.IdentityFile != "" {
		t.identities, t.only = []identityFile{{path: expand(s.IdentityFile), named: true}}, true
	}
	t.agent = agentSocket(expand(t.agent))
	if s.KnownHosts != "" {
		t.knownHosts, t.knownNamed = []string{expand(s.KnownHosts)}, true
		return t, nil
	}
	for _, key := range []string{"userknownhostsfile", "globalknownhostsfile"} {
		for _, f := range strings.Fields(strings.Join(said[key], " ")) {
			t.knownHosts = append(t.knownHosts, expand(strings.Trim(f, `"`)))
		}
	}
	return t, nil
}

// override puts what the host block says in front of everything else.
func (s Settings) override(t *target) {
	if s.Port != 0 {
		t.port = s.Port
	}
	if s.User != "" {
		t.user = s.User
	}
	if s.ProxyJump != "" {
		t.jump = s.ProxyJump
	}
	if t.jump == "none" {
		t.jump = ""
	}
}

// agentSocket reads the setting IdentityAgent.
func agentSocket(setting string) string {
	switch {
	case setting == "none":
		return ""
	case setting == "" || setting == "SSH_AUTH_SOCK":
		return os.Getenv("SSH_AUTH_SOCK")
	case strings.HasPrefix(setting, "$"):
		return os.Getenv(strings.Trim(setting[1:], "{}"))
	}
	return setting
}

// tokens expands "~" and the percent tokens that are usual in file names.
func tokens(home, original string, t target) func(string) string {
	percent := strings.NewReplacer("%%", "%", "%d", home, "%h", t.address, "%n", original,
		"%p", strconv.Itoa(t.port), "%r", t.user, "%u", currentUser())
	return func(path string) string {
		path = percent.Replace(path)
		if rest, ok := strings.CutPrefix(path, "~/"); ok {
			return filepath.Join(home, rest)
		}
		return path
	}
}

// answers is what the SSH configuration says: lower-case keyword → values.
type answers map[string][]string

func (a answers) first(key, otherwise string) string {
	if len(a[key]) == 0 || a[key][0] == "" {
		return otherwise
	}
	return a[key][0]
}

// ask has the ssh program read its configuration, which it alone reads right; without one a parser does.
func ask(ctx context.Context, s Settings, home string) (answers, error) {
	program, err := exec.LookPath("ssh")
	if errors.Is(err, exec.ErrNotFound) {
		return parse(s, home)
	}
	if err != nil {
		return nil, err
	}
	args := []string{"-G"}
	if s.User != "" {
		args = append(args, "-l", s.User)
	}
	if s.Port != 0 {
		args = append(args, "-p", strconv.Itoa(s.Port))
	}
	var complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, program, append(args, "--", s.Address)...)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: ssh -G %s: %w: %s", s.Host, s.Address, err, strings.TrimSpace(complaint.String()))
	}
	said := answers{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), " ")
		said[key] = append(said[key], value)
	}
	return said, nil
}
