package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/shipctl/shipctl/executor"
)

// leased runs f while this apply holds the lease on every machine of the plan. The plan is checked under it: what was
// seen before may have been changed by whoever held it then; again, where it is not nil, agrees to what is there now.
func (c *cli) leased(ctx context.Context, m *made, a applyArgs, again func() error, f func(context.Context, *executor.Lease) error) error {
	id := c.now().UTC().Format("20060102T150405Z") + rand.Text()[:8]
	if m.plan.Empty() && len(m.plan.Unrecorded(m.resources)) == 0 {
		return f(ctx, &executor.Lease{ID: id})
	}
	hosts, first := m.plan.Machines()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l := &executor.Lease{
		ID: id, Who: whoami(), URL: jobURL(env(c.environ)), Last: a.lease, Wait: a.lockTimeout, Pause: pause,
		Dial: c.checkpoints().dial(m.session.dial), Note: func(s string) { fmt.Fprintln(c.err, printable(s)) }, First: first,
	}
	c.holds(l)
	if err := l.Take(ctx, hosts, cancel); err != nil {
		return err
	}
	err := c.fresh(ctx, m)
	if errors.Is(err, errStale) && again != nil { // nobody looked at the plan yet: what is true now is what counts
		err = again()
	}
	if err == nil {
		err = f(ctx, l)
	}
	if why := context.Cause(ctx); errors.Is(why, executor.ErrHeld) {
		if errors.Is(err, context.Canceled) && !errors.Is(err, errQuiet) { // by us, before a step was begun
			err = errors.New("Nothing was changed.")
		}
		err = errors.Join(why, err)
	}
	if left := l.Release(context.WithoutCancel(ctx)); left != nil {
		fmt.Fprintf(c.err, "The lease could not be given back everywhere; it ends by itself within %s: %s\n", a.lease, printable(left.Error()))
	}
	return err
}

func whoami() string {
	host, err := os.Hostname()
	if err != nil {
		host = "?"
	}
	u, err := user.Current()
	if err != nil {
		return "?@" + host
	}
	return u.Username + "@" + host
}

// jobURL is where the CI job that runs this can be looked at; "" outside of CI.
func jobURL(getenv func(string) string) string {
	url := ""
	for _, name := range []string{"CI_JOB_URL", "BUILD_URL", "CIRCLE_BUILD_URL", "BUILDKITE_BUILD_URL"} {
		if url == "" {
			url = getenv(name)
		}
	}
	if id := getenv("GITHUB_RUN_ID"); url == "" && id != "" {
		url = getenv("GITHUB_SERVER_URL") + "/" + getenv("GITHUB_REPOSITORY") + "/actions/runs/" + id
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, url)
}

func (c *cli) unlockCommand() *cobra.Command {
	var a values
	cmd := &cobra.Command{
		Use:   "force-unlock [flags] ID",
		Short: "Take the lease away from a run that is known to be dead",
		Long: "force-unlock ends the lease with this ID (an apply that was refused names it) on every machine of the configuration.\n" +
			"A lease that is not renewed ends by itself, so this is seldom needed. If its holder lives after all, its next step is refused.",
		Annotations: speaks(""),
		Args:        oneArgument("ID", true),
	}
	a.add(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.unlock(cmd.Context(), a, args[0]) }
	return cmd
}

func (c *cli) unlock(ctx context.Context, a values, id string) error {
	p, diags := load(c.options(a))
	diags, _ = p.secretless(diags, hostBlock)
	if err := c.check(diags, p.config.Files); err != nil {
		return err
	}
	s, err := opening{p.config.Project, p.settings, p.config.Variables, nil, c.log}.session()
	if err != nil {
		return err
	}
	defer s.close()
	hosts := slices.Sorted(maps.Keys(p.settings)) // a run that removes has leases also where nothing is any more
	l := &executor.Lease{ID: id, Last: time.Second, Dial: s.dial}
	taken, there, failed := false, "", map[string]error{}
	for _, h := range hosts {
		out, err := l.Unlock(ctx, h)
		said := fmt.Sprintf("%s: %s\n", h, printable(strings.TrimSpace(out)))
		switch {
		case errors.Is(err, executor.ErrOther):
			there += "\n  " + strings.TrimSuffix(said, "; another ID was given\n")
		case err != nil:
			failed[h] = err
		default:
			taken = true
			fmt.Fprint(c.out, said)
		}
	}
	diags = unreachable(failed)
	if !taken && there != "" {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "There is no lease with the ID " + printable(id),
			Detail: "Nothing was done. What the machines have:\n" + strings.TrimRight(there, "\n"),
		})
	}
	if len(diags) > 0 {
		return diagnosed{diags: diags}
	}
	return nil
}

func env(environ []string) func(string) string {
	return func(name string) string {
		for _, e := range environ {
			if v, ok := strings.CutPrefix(e, name+"="); ok {
				return v
			}
		}
		return ""
	}
}

// printable is text of a machine's for a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) && r != '\n' {
			return '?'
		}
		return r
	}, s)
}
