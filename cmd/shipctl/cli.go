package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/shipctl/shipctl/cmd/view"
	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/providers/remote"
)

// cli is one invocation.
type cli struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
	now      func() time.Time
	global   global
	format   string // how -json comes out: stream, document or "" for not at all
	detailed bool   // exit codes say more
	log      hclog.Logger
	closers  []func() error

	mu    sync.Mutex // the interrupts look at these too
	run   *run
	lease *executor.Lease // from before it is taken
	shown view.View
}

// global are the flags that every command has.
type global struct {
	chdir, logLevel      string
	noColor, input, json bool
}

// Main runs shipctl and returns its exit code. environ is a list of KEY=value. It changes the working directory while
// it runs with -chdir.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	c := &cli{in: stdin, out: stdout, err: stderr, environ: environ, now: time.Now, log: hclog.NewNullLogger()}
	defer c.close()
	root := c.root()
	words, err := prepare(root, args, c.env("SHIPCTL_CLI_ARGS"))
	if err != nil {
		c.foresee(root, args)
		return c.exit(err)
	}
	c.foresee(root, words)
	if completes(args) {
		plainUsage(root)
	}
	out, finish := c.completing(args)
	root.SetIn(stdin)
	root.SetOut(out)
	root.SetErr(stderr)
	root.SetArgs(words)
	ctx, first, second, stop := interrupts()
	defer stop()
	done := make(chan error, 1)
	go func() {
		err := c.guarded(func() error { return root.ExecuteContext(ctx) })
		finish()
		done <- err
	}()
	for {
		select {
		case err := <-done:
			return c.exit(err)
		case <-first:
			first = nil
			c.interrupted()
		case <-second:
			return c.exit(c.abandon())
		}
	}
}

// guarded makes an error of a panic: a trace means nothing to who deploys, and its exit status has a meaning here.
func (c *cli) guarded(f func() error) (err error) {
	defer func() {
		what := recover()
		if what == nil {
			return
		}
		c.log.Trace("panic", "stack", string(debug.Stack()))
		text := "Nothing was changed."
		if c.running() != nil {
			text = "Steps may have been begun: \"shipctl status\" says what runs now, and apply can be run again."
		}
		err = fmt.Errorf("this is a bug in shipctl %s: %v\n%s Please report it, with this line and the command; -log-level=trace shows where it is.", version, what, text)
	}()
	return f()
}

// interrupts: the first one ends the context, the second one closes the second channel. A terminal that goes away is one
// too, unless we were told not to mind (nohup). Output that nobody reads any more is none: with "| tee log" Ctrl-C ends
// tee at once, and what is to be undone is still undone.
func interrupts() (ctx context.Context, first, second <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE) // writing gives an error instead
	again, quit := make(chan struct{}), make(chan struct{})
	told := make(chan struct{})
	go func() {
		for n := range 2 {
			select {
			case <-quit:
				return
			case <-signals:
			}
			if n == 0 {
				cancel()
				close(told)
			} else {
				close(again)
			}
		}
	}()
	return ctx, told, again, func() {
		signal.Stop(signals)
		signal.Stop(broken)
		close(quit)
		cancel()
	}
}

func (c *cli) close() {
	for _, f := range c.closers {
		_ = f()
	}
}

// env is a variable of our environment; the last of several counts.
func (c *cli) env(name string) (value string) {
	for _, e := range c.environ {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}

// before is what every command does first.
func (c *cli) before(cmd *cobra.Command) error {
	c.format = cmd.Annotations[annotationJSON]
	if c.global.json && c.format == "" {
		c.global.json = false
		return fmt.Errorf("%s has no -json.%s", cmd.CommandPath(), c.ofExtra("json"))
	}
	if err := c.openLog(); err != nil {
		return err
	}
	if c.global.chdir == "" {
		return nil
	}
	back, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := os.Chdir(c.global.chdir); err != nil {
		return fmt.Errorf("-chdir: %w", err)
	}
	c.closers = append(c.closers, func() error { return os.Chdir(back) })
	return nil
}

func (c *cli) openLog() error {
	name := c.global.logLevel
	if name == "" {
		name = c.env("SHIPCTL_LOG")
	}
	if name == "" || strings.EqualFold(name, "off") {
		return nil
	}
	level := hclog.LevelFromString(name)
	if level == hclog.NoLevel {
		return fmt.Errorf("there is no log level %q: use trace, debug, info, warn, error or off", name)
	}
	out := c.err
	if path := c.env("SHIPCTL_LOG_PATH"); path != "" {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("SHIPCTL_LOG_PATH: %w", err)
		}
		c.closers = append(c.closers, f.Close)
		out = f
	}
	c.log = hclog.New(&hclog.LoggerOptions{Name: "shipctl", Level: level, Output: out, DisableTime: false})
	return nil
}

// terminal says whether a stream is one, and how wide.
func terminal(stream any) (width int, is bool) {
	f, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	return width, true
}

// text is a stream for people.
func (c *cli) text(w io.Writer) view.Text {
	width, is := terminal(w)
	color := is && !c.global.noColor && c.env("NO_COLOR") == "" && c.env("TERM") != "dumb"
	return view.Text{Out: w, Color: color, Width: width}
}

func (c *cli) human(compact bool) view.Human {
	_, is := terminal(c.out)
	return view.Human{
		Out: c.text(c.out), Err: c.text(c.err), Compact: compact, Environ: c.environ,
		Terminal: is && c.env("TERM") != "dumb" && c.env("SHIPCTL_IN_AUTOMATION") == "",
	}
}

// view chooses how the command shows what it does; the choice is made once.
func (c *cli) view(compact bool) view.View {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shown == nil {
		c.shown = c.human(compact)
		if c.global.json && c.format == jsonStream {
			c.shown = view.NewStream(c.out, c.now, version)
		}
	}
	return c.shown
}

// document says that a command's result goes to standard output as one JSON document.
func (c *cli) document() bool { return c.global.json && c.format == jsonDocument }

// interactive says whether somebody may be there to answer: at a terminal, or before it on standard input.
func (c *cli) interactive() bool {
	_, is := terminal(c.in)
	off := c.env("SHIPCTL_INPUT")
	return (is || !c.automation()) && c.global.input && off != "0" && !strings.EqualFold(off, "false")
}

// automation: no hints about what to type next.
func (c *cli) automation() bool { return c.env("SHIPCTL_IN_AUTOMATION") != "" }

// diagnosed is an error with places in the configuration.
type diagnosed struct {
	diags hcl.Diagnostics
	files map[string]*hcl.File
}

func (d diagnosed) Error() string { return d.diags.Error() }

// check makes an error of diagnostics that contain one, and shows the warnings of others.
func (c *cli) check(diags hcl.Diagnostics, files map[string]*hcl.File) error {
	if diags.HasErrors() {
		return diagnosed{diags, files}
	}
	if len(diags) > 0 {
		c.view(false).Diagnostics(diags, files)
	}
	return nil
}

// whence logs where an error that was a panic came from.
func (c *cli) whence(err error) {
	var bug *remote.Bug
	if errors.As(err, &bug) {
		c.log.Trace("panic", "stack", bug.Stack)
	}
}

// exit shows an error that nobody has shown yet.
func (c *cli) exit(err error) int {
	c.whence(err)
	var d diagnosed
	switch {
	case err == nil || errors.Is(err, errQuiet):
	case errors.As(err, &d):
		c.view(false).Diagnostics(d.diags, d.files)
	default:
		summary, detail, _ := strings.Cut(err.Error(), "\n")
		if errors.Is(err, context.Canceled) {
			summary, detail = "Interrupted", "Nothing was changed."
		}
		one := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: strings.Trim(detail, "\n")}
		c.view(false).Diagnostics(hcl.Diagnostics{one}, nil)
	}
	return exitCode(err, c.detailed)
}
