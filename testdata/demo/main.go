// Command demo shows shipctl's main job on this machine: two deployments of a program through a real nginx over a real
// SSH connection, the second one under load. It sets up everything in a scratch folder and leaves nothing.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/shipctl/shipctl/testdata/lab"
	"github.com/shipctl/shipctl/testdata/load"
)

// Requests that are made, and how many a second; how many it takes to show something, and how long all may last.
const (
	requests = 6000
	rate     = 300
	least    = 5000
	limit    = 3 * time.Minute
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	begin := time.Now()
	say("Setting up: a machine with sshd and nginx on loopback ports, and two versions of a program.")
	l, err := lab.New(lab.Options{NoNginx: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := l.SetUpstream(fmt.Sprintf("127.0.0.1:%d", l.Ports[2])); err != nil { // the lab's other site, not ours
		return err
	}
	d := demo{ctx: ctx, lab: l, shipctl: filepath.Join(l.Dir, "bin", "shipctl")}
	if err := d.build(); err != nil {
		return err
	}
	if err := d.configure(); err != nil {
		return err
	}
	say("The first deployment: nginx is down, and the file that it includes is not there yet.")
	if err := d.run("apply", "-auto-approve", "-var", "version=1"); err != nil {
		return err
	}
	say("The plan for version 2. Nothing is changed yet.")
	if err := d.run("plan", "-var", "version=2"); err != nil {
		return err
	}
	say("Applied, with %d requests a second through nginx, each on a connection of its own.", rate)
	meter, err := load.Start(ctx, load.Options{Targets: []string{d.url()}, Paths: []string{"/", "/?ms=100"}, Rate: rate})
	if err != nil {
		return err
	}
	if err := d.run("apply", "-auto-approve", "-var", "version=2"); err != nil {
		meter.Stop()
		return err
	}
	result := meter.StopAfter(requests) // the deployment may have been quicker, or slower
	say("What runs now.")
	if err := d.run("status"); err != nil {
		return err
	}
	say("What the machine remembers of it.")
	if err := d.run("history"); err != nil {
		return err
	}
	say("And a plan once more.")
	var said bytes.Buffer
	if err := d.call(io.MultiWriter(os.Stdout, &said), "plan", "-detailed-exitcode"); err != nil {
		return fmt.Errorf("the plan afterwards: %w", err)
	}
	fmt.Println()
	fmt.Println(result)
	return shown(result, said.String(), time.Since(begin))
}

// shown says what is missing from a demonstration: of the load, of what was printed, of the time.
func shown(r load.Result, said string, took time.Duration) error {
	switch {
	case r.Versions()["1"] == 0 || r.Versions()["2"] == 0:
		return fmt.Errorf("both versions were to answer: %v", r.Versions())
	case r.Lost() > 0:
		return fmt.Errorf("%d requests were lost", r.Lost())
	case r.Requests() < least:
		return fmt.Errorf("%d requests only, not %d", r.Requests(), least)
	case !strings.Contains(said, "No changes."):
		return errors.New("after the deployment there is still something to do")
	case took > limit:
		return fmt.Errorf("it took %s, more than %s", took.Round(time.Second), limit)
	}
	return nil
}

func say(format string, args ...any) { fmt.Printf("\n── "+format+"\n\n", args...) }

type demo struct {
	ctx     context.Context
	lab     *lab.Lab
	shipctl string
	config  string
}

func (d *demo) url() string { return fmt.Sprintf("http://127.0.0.1:%d", d.lab.NginxPort) }

// build makes shipctl, and the program in two versions.
func (d *demo) build() error {
	for out, pkg := range map[string]string{
		d.shipctl: "./cmd/shipctl",
		filepath.Join(d.lab.Dir, "build", "teatime-1", "teatime"): "./examples/teatime",
		filepath.Join(d.lab.Dir, "build", "teatime-2", "teatime"): "./examples/teatime",
	} {
		cmd := exec.CommandContext(d.ctx, "go", "build", "-o", out, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("go build %s: %w", pkg, err)
		}
	}
	return nil
}

// configure copies the configuration and writes the lab's values beside it.
func (d *demo) configure() error {
	d.config = filepath.Join(d.lab.Dir, "config")
	if err := os.CopyFS(d.config, os.DirFS("testdata/demo/teatime")); err != nil {
		return err
	}
	l := d.lab
	values := fmt.Sprintf(`lab = {
  dir         = %q
  port        = %d
  user        = %q
  key         = %q
  known_hosts = %q
  nginx_conf  = %q
  include     = %q
  url         = %q
  blue        = %d
  green       = %d
}
`, l.Dir, l.SSHPort, l.User, l.KeyFile, l.KnownHosts, l.NginxConf, l.Include, d.url(), l.Ports[0], l.Ports[1])
	return os.WriteFile(filepath.Join(d.config, "shipctl.hclvars"), []byte(values), 0o600)
}

// run is shipctl as a user would call it, with its command line shown.
func (d *demo) run(args ...string) error { return d.call(os.Stdout, args...) }

func (d *demo) call(out io.Writer, args ...string) error {
	fmt.Printf("$ shipctl")
	for _, a := range args {
		fmt.Printf(" %s", a)
	}
	fmt.Println()
	ctx, cancel := context.WithTimeout(d.ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.shipctl, append([]string{"-chdir=" + d.config}, args...)...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(d.lab.Dir, "journals"))
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	return cmd.Run()
}
