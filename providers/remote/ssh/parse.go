package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/kevinburke/ssh_config"
)

// The keywords that are asked for where there is no ssh program.
const keywords = "HostName User Port IdentityFile IdentitiesOnly IdentityAgent UserKnownHostsFile GlobalKnownHostsFile ProxyJump ProxyCommand HostKeyAlias"

// What ssh includes in one another at most.
const deepest = 16

// parse reads the user's and the system's SSH configuration. The parser takes a Match block with several criteria for
// another one, so those are refused.
func parse(s Settings, home string) (answers, error) {
	said := answers{
		"identityfile":         nil,
		"userknownhostsfile":   {"~/.ssh/known_hosts ~/.ssh/known_hosts2"},
		"globalknownhostsfile": {"/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"},
	}
	found := answers{}
	for _, file := range []string{filepath.Join(home, ".ssh/config"), "/etc/ssh/ssh_config"} {
		raw, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Host, err)
		}
		if err := refuseMatch(file, raw, home, deepest); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Host, err)
		}
		c, err := ssh_config.Decode(bytes.NewReader(raw))
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", s.Host, file, err)
		}
		if err := collect(found, c, s.Address); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", s.Host, file, err)
		}
	}
	for key, values := range found {
		said[key] = values
	}
	if said["identityfile"] == nil {
		said["identityfile"] = []string{"~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519"}
	}
	if name := said.first("hostname", ""); name != "" {
		said["hostname"] = []string{strings.ReplaceAll(name, "%h", s.Address)}
	}
	return said, nil
}

// collect adds what a file says; a keyword that an earlier file has set stays, identity files add up.
func collect(found answers, c *ssh_config.Config, alias string) error {
	for _, keyword := range strings.Fields(keywords) {
		key := strings.ToLower(keyword)
		values, err := c.GetAll(alias, keyword)
		if err != nil {
			return err
		}
		if key == "identityfile" || found[key] == nil {
			found[key] = append(found[key], values...)
		}
		if found[key] == nil {
			delete(found, key)
		}
	}
	return nil
}

func refuseMatch(file string, raw []byte, home string, depth int) error {
	match := regexp.MustCompile(`(?i)^\s*match[\s=]+"?([^#"]*)`)
	include := regexp.MustCompile(`(?i)^\s*include[\s=]+([^#]*)`)
	for n, line := range strings.Split(string(raw), "\n") {
		if m := match.FindStringSubmatch(line); m != nil {
			criteria := strings.Fields(strings.ToLower(m[1]))
			single := len(criteria) == 2 && criteria[0] == "host" && !strings.ContainsAny(criteria[1], ",!*?")
			if !single && strings.Join(criteria, " ") != "all" {
				return fmt.Errorf("%s:%d: without an ssh program here this Match block can't be read for certain: install openssh-client, or write Host instead", file, n+1)
			}
		}
		m := include.FindStringSubmatch(line)
		if m == nil || depth == 0 {
			continue
		}
		for _, pattern := range strings.Fields(m[1]) {
			if err := refuseMatchIn(pattern, file, home, depth-1); err != nil {
				return err
			}
		}
	}
	return nil
}

func refuseMatchIn(pattern, from, home string, depth int) error {
	pattern = strings.Trim(pattern, `"`)
	if rest, ok := strings.CutPrefix(pattern, "~/"); ok {
		pattern = filepath.Join(home, rest)
	}
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(filepath.Dir(from), pattern)
	}
	files, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := refuseMatch(file, raw, home, depth); err != nil {
			return err
		}
	}
	return nil
}
