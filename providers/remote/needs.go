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

// LacksUser says that a machine has no user of that name, and what to do; "" where it has, or was not asked.
func LacksUser(f Facts, host, name string) string {
	if name == "" || f.Get(User(host, name)).Sight != Absent {
		return ""
	}
	return fmt.Sprintf("there is no user %s on %s: create it there (useradd --system %s), or change run_as", name, host, name)
}

// LacksSystemd says that systemd does not run on a machine, whether or not its programs are there, and what to do; "" where
// it runs, or the machine was not asked.
func LacksSystemd(f Facts, host string) string {
	if Lacks(f, host, "systemd") == "" {
		return Lacks(f, host, "systemctl")
	}
	return fmt.Sprintf("systemd does not run on %s: set runner = \"process\" in the service, or boot the machine with systemd", host)
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
