// Command teatime is the example program: a web server that behaves, or misbehaves, as it is told.
//
// It answers / with its version, slot and PID as JSON (?ms=300 makes it take 300 ms), /profile with the slot's name,
// /health with "ok VERSION", /actuator/scheduledtasks with its jobs as Spring Boot does, /api/tasks/ with 403 while one
// runs, /stream?s=60 with a line every 100 ms for a minute. On TERM it stops listening, finishes the
// requests in flight and leaves.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "teatime:", err)
		os.Exit(1)
	}
}

// options are the flags; PORT, VERSION and SLOT may come from the environment.
type options struct {
	address, port, version, slot string
	boot, crash, slow, sleeper   time.Duration
	ignoreTerm, abrupt           bool
	unhealthy, orphan, hideEnv   bool
	jobs, busy                   string
}

func parse(args []string, env func(string) string) (options, error) {
	var o options
	f := flag.NewFlagSet("teatime", flag.ContinueOnError)
	f.StringVar(&o.address, "address", "", "address to listen on; default: all")
	f.StringVar(&o.port, "port", first(env("PORT"), "8080"), "port to listen on")
	f.StringVar(&o.version, "version", env("VERSION"), "version to answer with; default: the file VERSION in the working directory")
	f.StringVar(&o.slot, "slot", env("SLOT"), "name of the slot, /profile's answer")
	f.DurationVar(&o.boot, "boot", 0, "listen only after this long")
	f.DurationVar(&o.crash, "crash-after", 0, "crash this long after listening")
	f.DurationVar(&o.slow, "slow", 0, "how long a request to / takes without ?ms=")
	f.DurationVar(&o.sleeper, "sleeper", 0, "do nothing for this long: what -orphan leaves behind")
	f.BoolVar(&o.ignoreTerm, "ignore-term", false, "ignore TERM")
	f.BoolVar(&o.abrupt, "abrupt", false, "end at once on TERM, requests in flight or not")
	f.BoolVar(&o.unhealthy, "unhealthy", false, "/health and /profile answer 503")
	f.BoolVar(&o.orphan, "orphan", false, "leave a child that holds standard output open")
	f.BoolVar(&o.hideEnv, "hide-env", false, "overwrite the environment in memory, as programs do that show a title in ps")
	f.StringVar(&o.jobs, "jobs", "", "cron expressions of jobs, separated by ;")
	f.StringVar(&o.busy, "busy", "", "a job runs while this file is there")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.version == "" {
		b, _ := os.ReadFile("VERSION")
		o.version = strings.TrimSpace(string(b))
	}
	return o, nil
}

func first(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}

func run(ctx context.Context, args []string, env func(string) string, out io.Writer) error {
	o, err := parse(args, env)
	if err != nil {
		return err
	}
	if o.sleeper > 0 {
		time.Sleep(o.sleeper)
		return nil
	}
	if o.hideEnv {
		// The variables' strings lie in the memory that is overwritten.
		o.version, o.slot, o.port = strings.Clone(o.version), strings.Clone(o.slot), strings.Clone(o.port)
		if err := hideEnvironment(); err != nil {
			return err
		}
	}
	say := func(format string, a ...any) {
		fmt.Fprintf(out, "%s teatime %s %s: %s\n", time.Now().Format(time.RFC3339Nano), o.version, o.slot, fmt.Sprintf(format, a...))
	}
	switch {
	case o.ignoreTerm:
		signal.Ignore(syscall.SIGTERM)
	case !o.abrupt:
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
		defer stop()
	}
	if o.orphan {
		if err := leaveChild(); err != nil {
			return err
		}
	}
	say("booting (pid %d)", os.Getpid())
	select {
	case <-time.After(o.boot):
	case <-ctx.Done():
		say("stopped while booting")
		return nil
	}
	return serve(ctx, o, say)
}

// hideEnvironment overwrites what /proc/PID/environ shows. Fields 50 and 51 of stat say where it is (proc_pid_stat(5)).
func hideEnvironment() error {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 49 {
		return errors.New("the kernel does not say where the environment is")
	}
	from, err := strconv.ParseInt(fields[47], 10, 64)
	if err != nil {
		return err
	}
	to, err := strconv.ParseInt(fields[48], 10, 64)
	if err != nil {
		return err
	}
	memory, err := os.OpenFile("/proc/self/mem", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer memory.Close()
	_, err = memory.WriteAt(make([]byte, to-from), from)
	return err
}

// leaveChild starts a child that outlives us with our standard output; it ends by itself after ten minutes.
func leaveChild() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.Command(self, "-sleeper=10m")
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return c.Start()
}

func serve(ctx context.Context, o options, say func(string, ...any)) error {
	l, err := net.Listen("tcp", net.JoinHostPort(o.address, o.port))
	if err != nil {
		return err
	}
	say("listening on %s (pid %d)", l.Addr(), os.Getpid())
	s := &http.Server{Handler: handler(o), ReadHeaderTimeout: 10 * time.Second}
	if o.crash > 0 {
		time.AfterFunc(o.crash, func() {
			say("crashing, as told")
			os.Exit(2)
		})
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	say("stopping: no new connections")
	err = s.Shutdown(context.Background()) // the listener first, then waits for what is in flight
	if served := <-ended; err == nil && !errors.Is(served, http.ErrServerClosed) {
		err = served
	}
	say("stopped")
	return err
}
