package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shipctl/shipctl/cmd/view"
	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
)

type gateArgs struct {
	values
	listen  string
	timeout time.Duration
}

func (c *cli) gateCommand() *cobra.Command {
	var a gateArgs
	cmd := &cobra.Command{
		Use:   "gate [flags] [WINDOW …]",
		Short: "Say whether a deployment may begin now",
		Long: "gate asks the machines whether the windows (batch_window.NAME; all of the configuration where none is named) are open, and\n" +
			"prints until when and why. With -listen it answers over HTTP: 200 open, 403 closed or not known, with the same in JSON.\n" +
			"Exit codes: 0 open, 1 wrong usage, 3 closed, or it can't be known.",
		Annotations: speaks(jsonDocument),
	}
	a.add(cmd.Flags())
	cmd.Flags().StringVar(&a.listen, "listen", "", "answer HTTP requests at `ADDR` (127.0.0.1:8099), asking the machines for each")
	cmd.Flags().DurationVar(&a.timeout, "timeout", 30*time.Second, "how long to ask; after it, what is not known is closed")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.gateNow(cmd.Context(), a, args) }
	return cmd
}

func (c *cli) gateNow(ctx context.Context, a gateArgs, names []string) error {
	if a.timeout <= 0 {
		return fmt.Errorf("-timeout=%s: more than nothing", a.timeout)
	}
	p, diags := load(c.options(a.values))
	if err := c.check(diags, p.config.Files); err != nil {
		return err
	}
	none := len(names) == 0 && len(planner.Gates(p.resources, nil)) == 0
	if none && a.listen == "" && !c.document() {
		c.text(c.out).Say("open: this configuration has no window")
		return nil
	}
	var refs []config.Ref
	if !none {
		var err error
		if refs, err = chosen(p.resources, names); err != nil {
			return err
		}
	}
	s, err := opening{p.config.Project, p.settings, p.config.Variables, nil, c.log}.session()
	if err != nil {
		return err
	}
	defer s.close()
	ask := func(ctx context.Context) []planner.Window {
		ctx, cancel := context.WithTimeout(ctx, a.timeout)
		defer cancel()
		return planner.JudgeNow(ctx, p.resources, refs, s.dial, true)
	}
	if a.listen != "" {
		return c.serveGate(ctx, a, ask)
	}
	windows := ask(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.document() {
		err = view.GateDocument(c.out, windows)
	} else {
		c.text(c.out).Windows(windows)
	}
	if err == nil && executor.Closed(windows) != nil {
		return errShut
	}
	return err
}

// chosen are the windows with these names, all where none is given.
func chosen(rs []providers.Resource, names []string) ([]config.Ref, error) {
	var all []config.Ref
	var have []string
	for _, g := range planner.Gates(rs, nil) {
		all, have = append(all, g.Ref), append(have, g.Ref.String())
	}
	if len(all) == 0 {
		return nil, errors.New("there is no window in this configuration\nA block batch_window \"NAME\" says when not to deploy.")
	}
	if len(names) == 0 {
		return all, nil
	}
	var out []config.Ref
	for _, name := range names {
		found := false
		for i, ref := range all {
			if have[i] == name || ref.Name == name {
				out, found = append(out, ref), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no window %q; the configuration has %s", name, strings.Join(have, ", "))
		}
	}
	return out, nil
}

// answering lets one request ask at a time: a crowd of them must not become one of connections to the machines.
func answering(ask func(context.Context) []planner.Window) http.Handler {
	turn := make(chan struct{}, 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.Error(w, "there is only /: all windows that were named when this was started", http.StatusNotFound)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "GET or HEAD", http.StatusMethodNotAllowed)
			return
		}
		select {
		case turn <- struct{}{}:
		case <-r.Context().Done():
			return
		}
		windows := func() []planner.Window {
			defer func() { <-turn }() // net/http goes on after a panic
			return ask(r.Context())
		}()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if executor.Closed(windows) != nil {
			w.WriteHeader(http.StatusForbidden)
		}
		if r.Method == http.MethodGet {
			_ = view.GateDocument(w, windows) // who asked is gone
		}
	})
}

// serveGate answers until it is interrupted.
func (c *cli) serveGate(ctx context.Context, a gateArgs, ask func(context.Context) []planner.Window) error {
	handler := answering(ask)
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.listen)
	if err != nil {
		return fmt.Errorf("-listen=%s: %w", a.listen, err)
	}
	server := &http.Server{
		Handler: handler, ReadTimeout: 10 * time.Second, WriteTimeout: 2*a.timeout + 10*time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	fmt.Fprintf(c.err, "Answering at http://%s; interrupt to end.\n", l.Addr())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if server.Shutdown(closing) != nil {
		_ = server.Close()
	}
	return nil
}
