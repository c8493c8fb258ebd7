// Package local is the machine that shipctl itself runs on: connection = "local". It runs the same scripts in the same
// frames as over SSH, in a process group of their own.
package local

import (
	"os"
	"strings"
	"time"

	"github.com/shipctl/shipctl/providers/remote"
)

// Settings is how the machine is used.
type Settings struct {
	Host     string // as messages name it
	Sudo     bool
	StateDir string        // absolute; "" for the default
	Timeout  time.Duration // of an Ask
	// Shell reads each command line after "-c", as a login shell does; nil means /bin/sh.
	Shell []string
	// Env is the environment; nil means the few variables of our own that a login would set too.
	Env []string
}

// New is the machine. Nothing happens before it is used.
func New(s Settings, setup remote.Setup) remote.Machine {
	if len(s.Shell) == 0 {
		s.Shell = []string{"/bin/sh"}
	}
	if s.Env == nil {
		s.Env = login(os.Environ())
	}
	return &remote.Shell{
		Host: s.Host, Sudo: s.Sudo, StateDir: s.StateDir, Timeout: s.Timeout, Setup: setup,
		Over: transport{s},
	}
}

// login is what of our environment a login would have set: what CI puts there, secrets among it, must not end up in
// the programs that steps start.
func login(environ []string) []string {
	kept := []string{}
	for _, e := range environ {
		switch name, _, _ := strings.Cut(e, "="); name {
		case "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "XDG_RUNTIME_DIR":
			kept = append(kept, e)
		}
	}
	return kept
}

// home is where a login would be: the scripts of a step must not depend on where shipctl was started.
func home(environ []string) string {
	for _, e := range environ {
		if dir, ok := strings.CutPrefix(e, "HOME="); ok {
			if info, err := os.Stat(dir); err == nil && info.IsDir() {
				return dir
			}
		}
	}
	return "/"
}
