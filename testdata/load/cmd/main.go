// Command cmd sends an open-loop load and prints what came of it; the last line is "requests N, lost M". It ends after
// -count requests or -duration, or on INT or TERM, and exits 1 when any request was lost.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/shipctl/shipctl/testdata/load"
)

func main() {
	os.Exit(run())
}

func run() int {
	var o load.Options
	var length time.Duration
	var log string
	flag.Func("target", "base URL; may be given several times", func(s string) error {
		o.Targets = append(o.Targets, s)
		return nil
	})
	flag.Func("path", "path and query; may be given several times (default /)", func(s string) error {
		o.Paths = append(o.Paths, s)
		return nil
	})
	flag.StringVar(&o.Host, "host", "", "Host header")
	flag.IntVar(&o.Rate, "rate", 200, "requests a second")
	flag.IntVar(&o.Count, "count", 0, "end after this many requests")
	flag.DurationVar(&o.Timeout, "timeout", 10*time.Second, "of one request")
	flag.DurationVar(&length, "duration", 0, "end after this long")
	flag.StringVar(&log, "log", "", "file for a line on each request")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, length)
		defer cancel()
	}
	r, err := load.Run(ctx, o)
	if err == nil && log != "" {
		err = write(r, log)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	fmt.Println(r)
	if r.Lost() > 0 {
		return 1
	}
	return 0
}

func write(r load.Result, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := r.WriteLog(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
