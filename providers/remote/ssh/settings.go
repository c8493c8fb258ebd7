// Package ssh is a machine that is reached over SSH: its settings, host keys, authentication, jumps, and the
// connection with its deadlines. What is sent over it is package remote's.
package ssh

import (
	"net"
	"os/user"
	"strconv"
	"time"
)

// The values of the setting connection.
const (
	OverSSH = "ssh"
	Local   = "local"
)

// Settings is how a machine is reached, as the configuration says: what is empty comes from ~/.ssh/config. Plain data,
// kept in plan files.
type Settings struct {
	Host         string        `json:"host"` // the block's label: how messages name the machine
	Connection   string        `json:"connection,omitempty"`
	Address      string        `json:"address"`
	Port         int           `json:"port,omitempty"`
	User         string        `json:"user,omitempty"`
	IdentityFile string        `json:"identity_file,omitempty"`
	ProxyJump    string        `json:"proxy_jump,omitempty"` // [user@]host[:port], several with commas; "none"
	KnownHosts   string        `json:"known_hosts,omitempty"`
	Sudo         bool          `json:"sudo,omitempty"`
	StateDir     string        `json:"state_dir,omitempty"`
	Timeout      time.Duration `json:"timeout,omitempty"` // of connecting, and of an Ask; 0 for the default
}

const defaultTimeout = 30 * time.Second

func (s Settings) timeout() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return defaultTimeout
}

// Key is the same for settings that lead to the same connection: "local", or user@host:port as far as the
// configuration says.
func (s Settings) Key() string {
	if s.Connection == Local {
		return Local
	}
	name, port := s.User, s.Port
	if name == "" {
		name = "-"
	}
	if port == 0 {
		port = 22
	}
	return name + "@" + net.JoinHostPort(s.Address, strconv.Itoa(port))
}

func currentUser() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}
