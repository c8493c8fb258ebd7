package service

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers/remote"
)

func adoptQuery(host string) remote.Query { return remote.Query{Host: host, Script: "service/adopt"} }

// found is what adopt.sh saw on a machine.
type found struct {
	addrs     []string
	listeners []foundListener
	procs     map[int]*foundProc
	whole     bool // it came to its end
}

type foundListener struct {
	port, pid int // pid 0: not permitted to see whose
}

type foundProc struct {
	pid, parent int
	user, unit  string
	ours        bool
	dir         string
	args        []string // \x01 to \x03 as in adopt.sh
	env         []foundEnv
}

var foundName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

type foundEnv struct {
	name string
	port bool // its value is the port
}

// parseFound reads what a machine printed, which may be anything. What is odd is left out.
func parseFound(text string) found {
	f := found{procs: map[int]*foundProc{}}
	for line := range strings.Lines(text) {
		w := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case w[0] == "end":
			f.whole = true
		case w[0] == "addr" && len(w) == 2:
			if ip, err := netip.ParseAddr(w[1]); err == nil {
				f.addrs = append(f.addrs, ip.String())
			}
		case w[0] == "listen" && len(w) == 4:
			port, err := strconv.Atoi(w[1])
			pid, _ := strconv.Atoi(w[3])
			if l := (foundListener{port, pid}); err == nil && port > 0 && port < 65536 && pid >= 0 && !slices.Contains(f.listeners, l) {
				f.listeners = append(f.listeners, l)
			}
		case w[0] == "proc" && len(w) == 7:
			pid, err := strconv.Atoi(w[1])
			parent, _ := strconv.Atoi(w[2])
			if err == nil && pid > 0 {
				f.procs[pid] = &foundProc{pid: pid, parent: parent, user: w[3], unit: w[4], ours: w[5] == "ours", dir: w[6]}
			}
		case w[0] == "arg" && len(w) == 3:
			if p := f.procs[atoi(w[1])]; p != nil {
				p.args = append(p.args, w[2])
			}
		case w[0] == "env" && len(w) == 4:
			if p := f.procs[atoi(w[1])]; p != nil && foundName.MatchString(w[2]) {
				p.env = append(p.env, foundEnv{w[2], w[3] == "port"})
			}
		}
	}
	return f
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// on is who listens on a port: the process that is no child of another one of them. hidden says that somebody does whom
// we may not see.
func (f found) on(port int) (p *foundProc, hidden bool) {
	pids := map[int]bool{}
	for _, l := range f.listeners {
		if l.port == port {
			pids[l.pid] = true
		}
	}
	for _, l := range f.listeners {
		q := f.procs[l.pid]
		if l.port != port || q == nil || pids[q.parent] {
			continue
		}
		if p == nil || q.pid < p.pid {
			p = q
		}
	}
	return p, pids[0] || len(pids) > 0 && p == nil
}

func (f found) taken(port int) bool {
	return slices.ContainsFunc(f.listeners, func(l foundListener) bool { return l.port == port })
}

// has says that an IP address is one of the machine's.
func (f found) has(h config.HostValue, ip netip.Addr) bool {
	return slices.Contains(append([]string{h.Address, h.PrivateAddress}, f.addrs...), ip.String())
}

// writable: a configuration may have such a word in a command. Our stand-ins for a release's id may be in none.
func writable(word string) bool {
	word = strings.ReplaceAll(word, "\x03", "")
	return !slices.ContainsFunc([]string{ReleaseID, standInA, standInB}, func(s string) bool { return strings.Contains(word, s) }) &&
		!strings.ContainsFunc(word, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar })
}
