// Command mutants makes small faults in shipctl, one at a time, and wants a named test to fail each time: what no test
// notices is not tested. It changes no file (go test -overlay).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// at once, and how long one may take.
const (
	workers = 2
	limit   = 3 * time.Minute
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run tries all mutants, or those whose names contain one of the words.
func run(ctx context.Context, out io.Writer, words []string) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := bench{root: root, dir: dir}
	chosen := choose(mutants(), words)
	begin := time.Now()
	if err := b.sound(ctx, chosen); err != nil {
		return err
	}
	fmt.Fprintf(out, "All tests pass without a fault (%s).\n", time.Since(begin).Round(time.Second))
	bad := 0
	for i, r := range b.all(ctx, chosen) {
		m := chosen[i]
		if r.verdict != killed {
			bad++
		}
		fmt.Fprintf(out, "%-9s %5.1f s  %-45s %s %s\n", r.verdict, r.took.Seconds(), m.name, m.pkg, m.test)
		if r.verdict != killed {
			fmt.Fprintf(out, "          %s\n", strings.ReplaceAll(last(r.output, 10), "\n", "\n          "))
		}
	}
	fmt.Fprintf(out, "%d of %d killed, in %s\n", len(chosen)-bad, len(chosen), time.Since(begin).Round(time.Second))
	if bad > 0 {
		return fmt.Errorf("%d mutants were not killed", bad)
	}
	return ctx.Err()
}

func choose(all []mutant, words []string) (out []mutant) {
	for _, m := range all {
		take := len(words) == 0
		for _, w := range words {
			take = take || strings.Contains(m.name, w)
		}
		if take {
			out = append(out, m)
		}
	}
	return out
}

func moduleRoot(ctx context.Context) (string, error) {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	path := strings.TrimSpace(string(mod))
	if path == "" || path == os.DevNull {
		return "", errors.New("not inside a module")
	}
	return filepath.Dir(path), nil
}

type verdict string

const (
	killed   verdict = "killed"
	survived verdict = "SURVIVED"
	invalid  verdict = "INVALID" // the text is not there, or it does not compile
)

type result struct {
	verdict verdict
	output  string
	took    time.Duration
}

type bench struct{ root, dir string }

// sound runs the tests as they are: one that always fails kills nothing.
func (b bench) sound(ctx context.Context, ms []mutant) error {
	tests := map[string][]string{}
	for _, m := range ms {
		tests[m.pkg] = append(tests[m.pkg], "("+m.test+")")
	}
	var mu sync.Mutex
	var errs []error
	var jobs []func()
	for pkg, names := range tests {
		jobs = append(jobs, func() {
			if failed, output := b.test(ctx, pkg, tops(names), ""); failed {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("without any fault, tests of %s fail:\n%s", pkg, last(output, 30)))
			}
		})
	}
	inParallel(jobs)
	return errors.Join(errs...)
}

// tops joins tests without their subtests: -run splits at slashes.
func tops(names []string) string {
	for i, n := range names {
		n, _, _ = strings.Cut(n, "/")
		names[i] = strings.TrimSuffix(n, ")") + ")"
	}
	return strings.Join(names, "|")
}

func (b bench) all(ctx context.Context, ms []mutant) []result {
	out := make([]result, len(ms))
	jobs := make([]func(), len(ms))
	for i, m := range ms {
		jobs[i] = func() { out[i] = b.one(ctx, i, m) }
	}
	inParallel(jobs)
	return out
}

func inParallel(jobs []func()) {
	todo := make(chan func())
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for job := range todo {
				job()
			}
		})
	}
	for _, j := range jobs {
		todo <- j
	}
	close(todo)
	wg.Wait()
}

func (b bench) one(ctx context.Context, i int, m mutant) (r result) {
	begin := time.Now()
	defer func() { r.took = time.Since(begin) }()
	file := filepath.Join(b.root, m.file)
	raw, err := os.ReadFile(file)
	if err != nil {
		return result{verdict: invalid, output: err.Error()}
	}
	if n := strings.Count(string(raw), m.old); n != 1 {
		return result{verdict: invalid, output: fmt.Sprintf("%s has the text %d times, not once: %s", m.file, n, m.old)}
	}
	overlay, err := b.overlay(i, file, strings.Replace(string(raw), m.old, m.with, 1))
	if err != nil {
		return result{verdict: invalid, output: err.Error()}
	}
	if out, err := b.parses(ctx, i, file); err != nil {
		return result{verdict: invalid, output: string(out)}
	}
	_, output := b.test(ctx, m.pkg, m.test, overlay)
	return result{verdict: judge(m, output), output: output}
}

// judge says what the test's output shows: killed is a mutant only by its own test, which failed and said so. One that
// stands still until it is stopped, or that can't be built, shows nothing.
func judge(m mutant, output string) verdict {
	switch {
	case strings.Contains(output, "[build failed]") || strings.Contains(output, "[setup failed]") || strings.Contains(output, "no tests to run"):
		return invalid
	case strings.Contains(output, "panic: test timed out"):
		return survived
	case regexp.MustCompile(`(?m)^--- FAIL: (` + tops([]string{"(" + m.test + ")"}) + `)[ /]`).MatchString(output):
		return killed
	}
	return survived
}

// parses: a script that is none fails every test.
func (b bench) parses(ctx context.Context, i int, file string) ([]byte, error) {
	if filepath.Ext(file) != ".sh" {
		return nil, nil
	}
	return exec.CommandContext(ctx, "sh", "-n", filepath.Join(b.dir, fmt.Sprintf("%d.sh", i))).CombinedOutput()
}

func (b bench) overlay(i int, file, text string) (string, error) {
	with := filepath.Join(b.dir, fmt.Sprintf("%d%s", i, filepath.Ext(file)))
	if err := os.WriteFile(with, []byte(text), 0o600); err != nil {
		return "", err
	}
	raw, err := json.Marshal(map[string]map[string]string{"Replace": {file: with}})
	if err != nil {
		return "", err
	}
	at := filepath.Join(b.dir, fmt.Sprintf("%d.overlay.json", i))
	return at, os.WriteFile(at, raw, 0o600)
}

func (b bench) test(ctx context.Context, pkg, name, overlay string) (failed bool, output string) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	args := []string{"test", "-count=1", "-run", "^" + name}
	if !strings.Contains(name, "/") {
		args[3] = "^(" + name + ")$"
	}
	if overlay != "" {
		args = append(args, "-overlay", overlay, "-failfast")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	cmd.Dir = b.root
	out, err := cmd.CombinedOutput()
	return err != nil, string(out)
}

// last are the last lines of a text, without what only takes up room.
func last(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(regexp.MustCompile(`(?m)^=== .*\n`).ReplaceAllString(s, "")), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
