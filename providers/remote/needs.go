package remote

import (
	"fmt"
	"slices"
	"strings"
)

// Lacks says which of the programs a machine does not have, and what to install; "" where it has them all, or was not
// asked.
func Lacks(f Facts, host string, programs ...string) string {
	id := f.Get(Identity(host))
	if id.Sight != Seen {
		return ""
	}
	has := strings.Split(id.Text, "\n")
	var missing, install []string
	for _, p := range programs {
		if slices.Contains(has, "has "+p) {
			continue
		}
		missing = append(missing, p)
		if pkg := packageOf(p); !slices.Contains(install, pkg) {
			install = append(install, pkg)
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("there is no %s on %s: install the package %s", strings.Join(missing, ", "), host, strings.Join(install, ", "))
}

// Unfit says why no step can run on a machine; "" where nothing is known against it.
func Unfit(f Facts, host string) string { return Lacks(f, host, "flock") }

// packageOf is the package that most distributions have a program in.
func packageOf(program string) string {
	switch program {
	case "flock", "setsid", "setpriv":
		return "util-linux"
	case "sha256sum", "timeout":
		return "coreutils"
	case "systemctl", "journalctl":
		return "systemd"
	}
	return program
}
