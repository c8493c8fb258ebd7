package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/all"
	"github.com/shipctl/shipctl/providers/nginx"
	"github.com/shipctl/shipctl/providers/remote"
	"github.com/shipctl/shipctl/providers/remote/ssh"
)

// library is every script that may be sent to a machine.
func library() (remote.Library, error) {
	folders := map[string]fs.FS{"nginx": nginx.Scripts()}
	for _, k := range all.Kinds() {
		folders[k.Name] = k.Scripts
	}
	return remote.Scripts(folders)
}

// digests of the scripts, by name.
func digests(l remote.Library) map[string]string {
	out := map[string]string{}
	for name := range l {
		out[name] = l.SHA256(name)
	}
	return out
}

// session is the machines of one run: one connection for each, made when it is first needed.
type session struct {
	settings   map[string]ssh.Settings // by host block
	dialer     *ssh.Dialer
	controller planner.Controller
	scripts    map[string]string // SHA-256 (hex) by name

	mu    sync.Mutex
	lines map[string]*connection
}

type connection struct {
	mu      sync.Mutex
	machine remote.Machine
	refused error
}

// opening is what a session is made of.
type opening struct {
	project   string
	settings  map[string]ssh.Settings
	variables map[string]config.Variable
	consents  planner.Consents
	log       hclog.Logger
}

func (o opening) session() (*session, error) {
	lib, err := library()
	if err != nil {
		return nil, err
	}
	known := secrets(o.variables)
	setup := remote.Setup{
		Library: lib, Project: o.project, Open: payload, Log: o.log, Redact: remote.NewRedactor(sensitive(o.variables)...),
		Secret: func(name string) (string, bool) {
			v, ok := known[name]
			return v, ok
		},
	}
	return &session{
		settings: o.settings, dialer: ssh.NewDialer(setup), controller: planner.NewController(all.Kinds(), o.consents),
		scripts: digests(lib), lines: map[string]*connection{},
	}, nil
}

// payload opens what a step sends, and refuses it when it is not what was planned.
func payload(call remote.Call) (io.ReadCloser, int64, error) {
	for _, k := range all.Kinds() {
		open := k.Open[call.Script]
		if open == nil {
			continue
		}
		p, err := open(call.File)
		if err != nil {
			return nil, 0, err
		}
		if p.SHA256 != call.FileSHA256 {
			_ = p.Body.Close()
			return nil, 0, fmt.Errorf("%s has changed since the plan was made (SHA-256 %s, planned %s): plan again", call.File, p.SHA256, call.FileSHA256)
		}
		return p.Body, p.Size, nil
	}
	return nil, 0, fmt.Errorf("nobody knows how to open %s for %s", call.File, call.Script)
}

// dial is a planner.Dial. Two host blocks that lead to one machine in the same way share a connection.
func (s *session) dial(ctx context.Context, host string) (remote.Machine, error) {
	if host == remote.Controller {
		return s.controller, nil
	}
	settings, ok := s.settings[host]
	if !ok {
		return nil, fmt.Errorf("there is no host %q", host)
	}
	c := s.connection(settings)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.machine != nil || c.refused != nil {
		return c.machine, c.refused
	}
	m, err := s.dialer.Dial(ctx, settings)
	if errors.Is(err, ssh.ErrRefused) {
		c.refused = err // servers lock out who tries again
	}
	if err == nil {
		c.machine = m
	}
	return m, err
}

func (s *session) connection(settings ssh.Settings) *connection {
	same := settings
	same.Host = ""
	key := settings.Key() + string(providers.JSON(same))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lines[key] == nil {
		s.lines[key] = &connection{}
	}
	return s.lines[key]
}

func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.lines {
		c.mu.Lock()
		if c.machine != nil {
			_ = c.machine.Close()
		}
		c.mu.Unlock()
	}
}

// hosts are the machines that a plan is about, as it records them.
func (s *session) hosts(p *planner.Plan) (out []planner.Host) {
	used := map[string]bool{}
	for host := range p.Facts {
		used[host] = true
	}
	for _, step := range p.Steps() {
		used[step.Host] = true
	}
	delete(used, remote.Controller)
	for _, name := range slices.Sorted(maps.Keys(used)) {
		out = append(out, planner.Host{Name: name, Settings: providers.JSON(s.settings[name])})
	}
	return out
}

// settingsOf reads them back. As anywhere in a plan file, what this shipctl does not know is refused: it could be what keeps
// a machine from being taken for another one.
func settingsOf(hosts []planner.Host) (map[string]ssh.Settings, error) {
	out := map[string]ssh.Settings{}
	for _, h := range hosts {
		var s ssh.Settings
		if err := providers.Strict(h.Settings, &s); err != nil {
			return nil, fmt.Errorf("host %s in the plan file: %w", h.Name, err)
		}
		out[h.Name] = s
	}
	return out, nil
}
