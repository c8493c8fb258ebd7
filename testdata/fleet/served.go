package fleet

import "strings"

// Mark is a moment in a machine's journal.
type Mark string

// Served is what a machine's sshd served since a mark, from its own log.
type Served struct {
	Connections int      // TCP connections, those that never logged in included
	Logins      int      // that got past authentication
	Commands    int      // commands, shells and subsystems started
	Sessions    []string // sshd's line for each of them
	Log         string   // everything that sshd said
}

// Mark is taken before what shall be counted. It forgets connections that are still being set up.
func (m *Machine) Mark() Mark {
	return Mark(strings.TrimSpace(m.Exec(`journalctl --sync && journalctl -n 1 --show-cursor -o cat -q | sed -n 's/^-- cursor: //p'`)))
}

// Served counts since the mark.
func (m *Machine) Served(since Mark) Served {
	var s Served
	// Without a filter: with one, this journalctl leaves out the first line after the cursor.
	out := m.Exec("journalctl --sync && journalctl -q -o short --after-cursor=" + shellQuote(string(since)))
	for line := range strings.Lines(out) {
		_, line, ok := strings.Cut(line, " sshd[")
		if !ok {
			continue
		}
		s.Log += "sshd[" + line
		_, line, _ = strings.Cut(line, "]: ")
		switch {
		case strings.HasPrefix(line, "Connection from "):
			s.Connections++
		case strings.HasPrefix(line, "Accepted ") && strings.Contains(line, " for "):
			s.Logins++
		case strings.HasPrefix(line, "Starting session: "):
			s.Commands++
			s.Sessions = append(s.Sessions, strings.TrimSpace(line))
		}
	}
	return s
}
