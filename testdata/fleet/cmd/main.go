// Command cmd boots a fleet that stays, tells what fleets there are, and takes them down:
//
//	go run ./testdata/fleet/cmd up app-1 web-1 web-2
//	go run ./testdata/fleet/cmd status
//	go run ./testdata/fleet/cmd down
//
// down takes numbers, or all, and also removes what crashed runs left; the fleets of tests that are still running stay.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"

	"github.com/shipctl/shipctl/testdata/fleet"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if len(args) == 0 {
		args = []string{""}
	}
	switch args[0] {
	case "base":
		base, err := fleet.Base(ctx, say)
		fmt.Println(base)
		return err
	case "up":
		return up(ctx, args[1:])
	case "down":
		return down(args[1:])
	case "status":
		return status()
	}
	return fmt.Errorf("usage: base | up NAME... | status | down [NUMBER...]")
}

func say(format string, a ...any) { fmt.Fprintf(os.Stderr, format+"\n", a...) }

func up(ctx context.Context, names []string) error {
	f, err := fleet.New(ctx, fleet.Options{Names: names, Keep: true, Log: say})
	if err != nil {
		return err
	}
	for _, m := range f.Machines {
		fmt.Printf("%s\t%s\tssh -F %s %s\n", m.Name, m.Addr, f.SSHConfig, m.Name)
	}
	return nil
}

func down(args []string) error {
	var numbers []int
	for _, a := range args {
		n, err := strconv.Atoi(a)
		if err != nil {
			return err
		}
		numbers = append(numbers, n)
	}
	gone, err := fleet.Down(numbers...)
	fmt.Printf("%d down %v\n", len(gone), gone)
	return err
}

func status() error {
	runs, err := fleet.Status()
	for _, n := range slices.Sorted(maps.Keys(runs)) {
		fmt.Printf("fleet %d: %s\n", n, runs[n])
	}
	return err
}
