package ssh

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/hcl/v2"

	"github.com/shipctl/shipctl/config"
)

// settings is a host block as far as connecting goes.
type settings struct {
	Port         *int    `hcl:"port,optional"`
	User         *string `hcl:"user,optional"`
	IdentityFile *string `hcl:"identity_file,optional"`
	ProxyJump    *string `hcl:"proxy_jump,optional"`
	KnownHosts   *string `hcl:"known_hosts,optional"`
	Connection   *string `hcl:"connection,optional"`
	Sudo         *bool   `hcl:"sudo,optional"`
	StateDir     *string `hcl:"state_dir,optional"`
	Timeout      *string `hcl:"timeout,optional"`
}

// Decode reads how a machine is reached. No value may be taken for an option by a program that it is handed to.
func Decode(h config.Host) (Settings, hcl.Diagnostics) {
	var raw settings
	diags := h.Settings.Decode(&raw)
	if diags.HasErrors() {
		return Settings{}, diags
	}
	s := Settings{
		Host: h.Name, Address: h.Address, Connection: value(raw.Connection), Port: value(raw.Port), User: value(raw.User),
		IdentityFile: value(raw.IdentityFile), ProxyJump: value(raw.ProxyJump), KnownHosts: value(raw.KnownHosts),
		Sudo: value(raw.Sudo), StateDir: value(raw.StateDir),
	}
	d := decoder{host: h, diags: diags}
	d.check(raw.Connection != nil && s.Connection != OverSSH && s.Connection != Local, "connection",
		`The connection is "ssh", which is the default, or "local" for the machine that shipctl runs on.`)
	d.check(raw.Port != nil && (s.Port < 1 || s.Port > 65535), "port", "A port is a number from 1 to 65535.")
	d.check(raw.User != nil && !isUser(s.User), "user",
		"A user's name has letters, digits, dots, dashes and underlines, and begins with none of the last three but an underline.")
	d.check(raw.IdentityFile != nil && !isPath(s.IdentityFile), "identity_file", "This is not a path to a file.")
	d.check(raw.KnownHosts != nil && !isPath(s.KnownHosts), "known_hosts", "This is not a path to a file.")
	d.check(raw.StateDir != nil && (!isPath(s.StateDir) || path.Clean(s.StateDir) != s.StateDir || !path.IsAbs(s.StateDir) || s.StateDir == "/"),
		"state_dir", "The state directory is an absolute path on the machine, without a slash at its end.")
	d.jump(s.ProxyJump)
	if raw.Timeout != nil {
		s.Timeout = d.timeout(*raw.Timeout)
	}
	return s, d.diags
}

type decoder struct {
	host  config.Host
	diags hcl.Diagnostics
}

func (d *decoder) check(wrong bool, attribute, detail string) {
	if !wrong {
		return
	}
	d.diags = append(d.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Invalid " + attribute, Detail: detail, Subject: d.host.Settings.At(attribute),
	})
}

func (d *decoder) jump(list string) {
	if list == "" || list == "none" {
		return
	}
	for _, spec := range strings.Split(list, ",") {
		_, err := parseJump(spec)
		if strings.ContainsFunc(spec, unicode.IsControl) {
			err = fmt.Errorf("a control character in %q", spec)
		}
		d.check(err != nil, "proxy_jump", fmt.Sprintf("A jump host is [user@]host[:port], several are separated by commas: %v.", err))
	}
}

func (d *decoder) timeout(text string) time.Duration {
	t, err := time.ParseDuration(text)
	d.check(err != nil || t < time.Second || t > time.Hour, "timeout", `The time that connecting may take is a duration from "1s" to "1h", such as "30s".`)
	return t
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func isUser(s string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\$?$`).MatchString(s)
}

func isAddress(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}$`).MatchString(s)
}

func isPath(s string) bool {
	return s != "" && !strings.HasPrefix(s, "-") && !strings.ContainsFunc(s, unicode.IsControl)
}
