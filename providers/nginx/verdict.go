package nginx

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Problems are the reasons for which the route can't be moved to the addresses as things are; each says what to do.
// They matter only where something is to be changed. allowPending is the user's consent to bring others' files to life.
func Problems(r Route, l Live, to []string, allowPending bool) (out []string) {
	bad := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if _, err := Content(r, to); err != nil {
		bad("%v", err)
	}
	if !l.Installed {
		return append(out, fmt.Sprintf("%s is not installed: install it, and include %s where it is to be used", r.program(), r.File))
	}
	if len(l.Strays) > 0 {
		bad("nginx runs with this configuration as pid %d, but %s: stop it, or write its number into the pidfile", l.Strays[0], l.PidNote)
	}
	if l.Upgrade != 0 {
		bad("%s", l.Why)
	}
	if p := owner(l.FileText); p != "" && p != r.Project {
		bad("%s belongs to the project %s, by its first line: give this route a file of its own", r.File, p)
	}
	lack := slices.ContainsFunc(l.Missing, func(m string) bool { return strings.Contains(l.Broken, m) })
	if l.Broken != "" && !r.ownFault(l) && !lack {
		bad("nginx does not accept the configuration that is on the disk now, before any change of ours: %s", l.Broken)
	}
	if len(l.Missing) > 0 {
		bad("%s", r.missing(l, to))
	}
	for _, u := range l.Unread {
		bad("%s is included but can't be read: who else sets %s is not known", u, r.name())
	}
	for _, o := range l.Others {
		bad("%s sets %s too and would have the last word over %s: remove it there", o, r.name(), r.File)
	}
	if !l.Included {
		bad("%s", r.notIncluded())
	}
	if len(l.Pending) > 0 && !allowPending {
		way := "then reload nginx or use -allow-pending-nginx"
		if r.ownFault(l) && !l.Exists { // nobody can reload it as it is
			way = fmt.Sprintf("then use -allow-pending-nginx, or give %s a first content and reload nginx:\n  echo '%s' >%s && nginx -t && nginx -s reload", r.File, r.first(to), r.File)
		}
		bad("a reload would bring to life what others have changed since nginx loaded its configuration: %s; have a look, %s", strings.Join(l.Pending, ", "), way)
	}
	return out
}

// Warnings are worth showing beside a plan that moves the route.
func Warnings(r Route, l Live) (out []string) {
	if r.ownFault(l) && len(l.Missing) == 0 {
		out = append(out, fmt.Sprintf("nginx does not accept its configuration without a good %s; whether it does with one, the check will show: %s", r.File, l.Broken))
	}
	if l.Installed && r.Drain > 0 {
		d, set := nginxTime(l.ShutdownTimeout)
		switch {
		case !set && misread.MatchString(l.Broken): // it may be what comes behind the mistake
		case !set:
			out = append(out, fmt.Sprintf("worker_shutdown_timeout is not set: a worker with one long connection stays for ever; %s would fit drain", short(r.Drain)))
		case d < r.Drain:
			out = append(out, fmt.Sprintf("worker_shutdown_timeout %s is shorter than drain (%s): nginx cuts requests off before", l.ShutdownTimeout, short(r.Drain)))
		}
	}
	if len(l.Strange) > 0 {
		out = append(out, fmt.Sprintf("%s is replaced; not understood in it: %s", r.File, strings.Join(l.Strange, "; ")))
	}
	return out
}

// misread are nginx's complaints about a text that can't be taken apart as it is meant: a semicolon or a brace is missing.
var misread = regexp.MustCompile(`unexpected |is not terminated|unknown directive|invalid number of arguments|is not allowed here`)

// missing: nginx takes no configuration in which another file is missing, so of several new routes none can be the first.
func (r Route) missing(l Live, to []string) string {
	s := fmt.Sprintf("nginx includes %s, which is not there, and accepts no change as long as that is so: write it, or take the include out. ", strings.Join(l.Missing, ", "))
	if l.Exists {
		return s + "If it is another new service's, the plan says there what to write"
	}
	return s + fmt.Sprintf("If it is another new service's, give each of them a first content, which the next apply replaces. For this one:\n  echo '%s' >%s\nThen reload nginx (nginx -t && nginx -s reload), and apply", r.first(to), r.File)
}

// first is a content with which nginx accepts its configuration.
func (r Route) first(to []string) string {
	if r.Upstream != "" {
		return "upstream " + r.Upstream + " { server " + strings.Join(to, "; server ") + "; }"
	}
	return "set $" + r.Variable + " http://" + strings.Join(to, "") + ";"
}

// ownFault says that our file may be all that is wrong: it is named, or not there yet, and its upstream or variable missing.
func (r Route) ownFault(l Live) bool {
	return l.Broken != "" && (!l.Exists || strings.Contains(l.Broken, r.File))
}

func (r Route) program() string {
	if r.Binary != "" {
		return r.Binary
	}
	return "nginx"
}

func (r Route) notIncluded() string {
	if r.Variable != "" {
		return fmt.Sprintf("no server of nginx includes %s: put \"include %s;\" into the server that has \"proxy_pass $%s;\"", r.File, r.File, r.Variable)
	}
	return fmt.Sprintf("nginx does not include %s: put \"include %s;\" into its http block", r.File, r.File)
}

// nginxTime reads a time of nginx's: "30s", "1m30s", "500ms", "30".
func nginxTime(s string) (d time.Duration, ok bool) {
	units := map[string]time.Duration{
		"ms": time.Millisecond, "s": time.Second, "": time.Second, "m": time.Minute, "h": time.Hour,
		"d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "M": 30 * 24 * time.Hour, "y": 365 * 24 * time.Hour,
	}
	if !regexp.MustCompile(`^(\d{1,9}(ms|[smhdwMy])?\s*)+$`).MatchString(s) {
		return 0, false
	}
	for _, m := range regexp.MustCompile(`(\d+)(ms|[smhdwMy])?`).FindAllStringSubmatch(s, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return 0, false
		}
		d += time.Duration(n) * units[m[2]]
	}
	return d, true
}
