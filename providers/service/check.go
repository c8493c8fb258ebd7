package service

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
)

// check refuses what a machine may have written into its record and decode lets no configuration have.
func check(ref config.Ref, s Spec) error {
	var f providers.Faults
	f.Unless(s.Name == nameOf(ref.Name), "it is about %q", s.Name)
	f.Hosts(s.Hosts)
	f.Unless(len(active(s.Hosts)) > 0, "it runs on no machine")
	f.Release(s.Release)
	f.User(s.RunAs)
	f.Unless(s.Runner == "systemd" || s.Runner == "process", "runner: %q", s.Runner)
	for _, p := range s.Unit {
		f.Unless(propertyName.MatchString(p.Name) && !slices.Contains(ours, p.Name) && !strings.HasSuffix(p.Value, `\`), "property %q = %q", p.Name, p.Value)
		f.Line(p.Name, p.Value)
	}
	for _, h := range s.Before {
		f.Unless(plainName.MatchString(h.Name), "before_start: %q", h.Name)
		f.Duration("timeout", h.Timeout, 1, 24*time.Hour)
	}
	checkSlots(&f, s)
	f.Unless(slices.Contains(stopSignals(), s.Stop.Signal), "stop: %q", s.Stop.Signal)
	f.Duration("grace", s.Stop.Grace, 1, 24*time.Hour)
	f.Unless(s.Strategy == "" || s.recreates(), "strategy: %q", s.Strategy)
	f.Unless(s.Previous == "stopped" || s.Previous == "running" && !s.recreates(), "previous: %q", s.Previous)
	if len(s.Nginx.Hosts) > 0 || s.Nginx.File != "" || !s.recreates() {
		checkNginx(&f, s)
	}
	return f.Err
}

func nameOf(block string) string { return strings.NewReplacer(`["`, ".", `"]`, "").Replace(block) }

func stopSignals() []string { return []string{"TERM", "INT", "QUIT", "HUP", "USR1", "USR2"} }

func checkSlots(f *providers.Faults, s Spec) {
	f.Unless(len(s.Slots) == 2 && !s.recreates() || len(s.Slots) == 1 && s.recreates(), "%d slots", len(s.Slots))
	for i, sl := range s.Slots {
		f.Unless(plainName.MatchString(sl.Name), "slot %q", sl.Name)
		f.Unless(sl.Port > 0 && sl.Port < 1<<16, "port %d", sl.Port)
		f.Unless(i == 0 || sl.Name != s.Slots[0].Name && sl.Port != s.Slots[0].Port, "slots overlap")
		f.Command("command", sl.Command)
		f.Env(sl.Env)
		f.Unless(len(sl.Hooks) == len(s.Before), "%d commands of %d", len(sl.Hooks), len(s.Before))
		for _, h := range sl.Hooks {
			f.Command("before_start", h)
		}
		checkHealth(f, sl.Health)
		f.Line("verify", sl.Verify)
		checkAnswer(f, "", nil, sl.Verify)
	}
}

func checkHealth(f *providers.Faults, h Health) {
	f.Duration("interval", h.Interval, 1, 24*time.Hour)
	f.Duration("timeout", h.Timeout, 1, 24*time.Hour)
	f.Duration("deadline", h.Deadline, 1, 24*time.Hour)
	f.Duration("healthy_for", h.HealthyFor, 0, h.Deadline-1)
	switch h.Kind {
	case "http":
		f.Unless(strings.HasPrefix(h.Path, "/") && !strings.ContainsAny(h.Path, " \"'\\"), "path %q", h.Path)
		f.Line("answer", h.Path, h.Body)
		checkAnswer(f, h.Host, h.Status, h.Body)
	case "exec":
		f.Command("health", h.Exec)
	default:
		f.Unless(h.Kind == "tcp", "health: %q", h.Kind)
	}
}

func checkAnswer(f *providers.Faults, host string, status []int, body string) {
	f.Unless(host == "" || hostHeader.MatchString(strings.ReplaceAll(host, ReleaseID, "x")), "host %q", host)
	f.Unless(!slices.ContainsFunc(status, func(n int) bool { return n < 100 || n > 599 }), "status %v", status)
	_, err := regexp.CompilePOSIX(body)
	f.Unless(err == nil, "body %q", body)
}

func checkNginx(f *providers.Faults, s Spec) {
	n := s.Nginx
	f.Hosts(n.Hosts)
	f.Unless((n.Variable == "") != (n.Upstream == "") && nginxName.MatchString(n.Variable+n.Upstream), "variable %q, upstream %q", n.Variable, n.Upstream)
	f.Unless(cleanPath(n.File), "file %q", n.File)
	for _, p := range []string{n.Config, n.Prefix} {
		f.Unless(p == "" || cleanPath(p), "not a path: %q", p)
	}
	f.Unless(n.Binary == "" || cleanPath(n.Binary) || plainName.MatchString(n.Binary), "binary %q", n.Binary)
	f.Duration("drain", n.Drain, 1, 24*time.Hour)
	for _, h := range active(s.Hosts) {
		_, err := netip.ParseAddr(h.PrivateAddress)
		elsewhere := slices.ContainsFunc(n.Hosts, func(w config.HostValue) bool { return w.Name != h.Name })
		f.Unless(err == nil || !elsewhere, "no address of %s", h.Name)
	}
	if v := n.Verify; v != nil {
		u, err := url.Parse(v.URL)
		f.Unless(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && !strings.ContainsAny(v.URL, " '\"\\"), "url %q", v.URL)
		f.Line("verify", v.URL, v.Body)
		checkAnswer(f, v.Host, v.Status, v.Body)
	}
}
