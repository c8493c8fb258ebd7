package executor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// Journal writes down on the machines what a run does there: that it began, how it ended, and what is there now.
type Journal struct {
	Run   string
	Dial  planner.Dial
	Epoch func(host string) int64
}

// journalLimit is more than a small file takes, and less than anybody waits for one.
const journalLimit = 30 * time.Second

// Begin writes what is about to be done, and the record while it is. Where it can't be written nothing should be begun.
func (j Journal) Begin(ctx context.Context, entries map[string]planner.Entry, records map[string]planner.Record) error {
	return j.lines(ctx, "begin", entries, records)
}

// End writes what became of it, and the record of what is there now.
func (j Journal) End(ctx context.Context, entries map[string]planner.Entry, records map[string]planner.Record) error {
	return j.lines(ctx, "end", entries, records)
}

// lines writes each machine's entry, and its record; where a machine has none in records, its record stays as it is.
func (j Journal) lines(ctx context.Context, what string, entries map[string]planner.Entry, records map[string]planner.Record) error {
	return j.each(ctx, what, slices.Collect(maps.Keys(entries)), func(host string) string {
		line := string(providers.JSON(entries[host])) + "\n"
		if r, ok := records[host]; ok {
			return line + string(providers.JSON(r))
		}
		return line + "-"
	})
}

func (j Journal) each(ctx context.Context, what string, hosts []string, input func(string) string) error {
	slices.Sort(hosts)
	errs := make([]error, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() { errs[i] = j.write(ctx, h, what, input(h)) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// write tries twice: the script does nothing that it has done already.
func (j Journal) write(ctx context.Context, host, what, input string) (err error) {
	for range 2 {
		if err = j.once(ctx, host, what, input); err == nil {
			return nil
		}
		var said *remote.ScriptError
		if errors.As(err, &said) {
			break
		}
	}
	return fmt.Errorf("%s: the history: %w", host, err)
}

func (j Journal) once(ctx context.Context, host, what, input string) (err error) {
	defer remote.Caught(&err)
	ctx, cancel := context.WithTimeout(ctx, journalLimit)
	defer cancel()
	m, err := j.Dial(ctx, host)
	if err != nil {
		return err
	}
	t := remote.Ticket{Run: j.Run, Step: "journal/" + what}
	if j.Epoch != nil {
		t.Epoch = j.Epoch(host)
	}
	_, err = m.Run(ctx, t, remote.Call{Script: "remote/journal", Args: []string{what}, Stdin: []remote.Part{{Text: input}}})
	return held(err)
}
