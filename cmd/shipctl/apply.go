package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shipctl/shipctl/cmd/view"
	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers/all"
	"github.com/shipctl/shipctl/providers/remote"
)

type applyArgs struct {
	planning
	file        string
	autoApprove bool
	lockTimeout time.Duration
	lease       time.Duration
	windowArgs
}

func (c *cli) applyCommand() *cobra.Command {
	var a applyArgs
	cmd := &cobra.Command{
		Use:   "apply [flags] [PLANFILE]",
		Short: "Make the machines as the configuration describes them",
		Long: "apply plans, asks, and carries the steps out; what fails is undone. With a PLANFILE it does exactly what that plan says,\nwithout asking, and refuses when the machines have changed since, or it was applied already. apply can always be run again.\n" +
			"Exit codes with -detailed-exitcode: 0 done, 1 error, 3 a window is closed, 4 another run has the lease, 5 the plan is stale or was applied already, 6 failed and undone, 7 failed and not undone.",
		Annotations: speaks(jsonStream),
		Args:        oneArgument("plan file", false),
	}
	f := cmd.Flags()
	a.add(f)
	c.offerAddresses(cmd, &a.planning)
	a.running(c, f)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.apply(cmd.Context(), a)
		}
		for _, name := range shaping() {
			if cmd.Flags().Changed(name) {
				return fmt.Errorf("-%s shapes a plan, and %s is one already: plan again with it", name, args[0])
			}
		}
		a.file = args[0]
		return c.applySaved(cmd.Context(), a)
	}
	return cmd
}

// running are the flags of what changes machines.
func (a *applyArgs) running(c *cli, f *pflag.FlagSet) {
	f.BoolVar(&a.autoApprove, "auto-approve", false, "don't ask")
	f.DurationVar(&a.lockTimeout, "lock-timeout", 30*time.Second, "how long to wait for another run on the same machines")
	f.DurationVar(&a.lease, "lease", 30*time.Second, "after how long without a sign of this run another one may take over; at least 2s")
	f.BoolVar(&c.detailed, "detailed-exitcode", false, "tell apart how it failed")
	a.addWindow(f)
}

// check refuses what no run can do with, of a plan file and of any other plan.
func (a applyArgs) check() error {
	var short error
	if a.lease < 2*time.Second {
		short = fmt.Errorf("-lease=%s: at least 2s", a.lease)
	}
	return errors.Join(a.planning.check(), short, a.checkWindow())
}

// apply plans, asks for approval and runs.
func (c *cli) apply(ctx context.Context, a applyArgs) error {
	if err := c.canAsk(a, "apply", "a plan file"); err != nil {
		return err
	}
	m, err := c.make(ctx, a.planning)
	if err != nil {
		return err
	}
	defer m.session.close()
	return c.carryOut(ctx, m, a)
}

// canAsk refuses flags that make no sense, before any machine is asked. instead is what the command takes besides
// -auto-approve.
func (c *cli) canAsk(a applyArgs, command, instead string) error {
	if err := a.check(); err != nil {
		return err
	}
	switch {
	case a.autoApprove:
	case c.global.json:
		return fmt.Errorf("%s -json can't ask: give it %s or -auto-approve", command, instead)
	case !c.interactive():
		return nobody(command, "input is turned off", instead)
	}
	return nil
}

// nobody is there to ask.
func nobody(command, why, instead string) error {
	return fmt.Errorf("there is nobody to ask\n%s asks for approval, and %s. Give it %s or -auto-approve.", command, why, instead)
}

// carryOut shows a plan, asks, and runs it.
func (c *cli) carryOut(ctx context.Context, m *made, a applyArgs) error {
	v := c.view(a.compact)
	v.Plan(m.plan)
	if err := c.sound(m, ""); err != nil {
		return err
	}
	w := c.patience(a)
	if err := c.awaitWindows(ctx, m, m.plan, a, w); err != nil {
		return err
	}
	if !a.autoApprove && !m.plan.Empty() {
		if err := c.approved(ctx); err != nil {
			return err
		}
	}
	var again func() error
	if a.autoApprove {
		again = func() error { return c.again(m, v) }
	}
	return c.leased(ctx, m, a, again, func(ctx context.Context, l *executor.Lease) error {
		return c.execute(ctx, m, l, a, w)
	})
}

// approved asks, and reads the answer from standard input, terminal or not.
func (c *cli) approved(ctx context.Context) error {
	fmt.Fprint(c.out, "\nDo you want to carry out these steps?\n  Only 'yes' will be accepted to approve.\n\n  Enter a value: ")
	answer := make(chan string, 1)
	go func() {
		s, _ := bufio.NewReader(c.in).ReadString('\n')
		answer <- s
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(c.out)
		return fmt.Errorf("nothing was changed: %w", ctx.Err())
	case s := <-answer:
		if _, echoed := terminal(c.in); !echoed {
			fmt.Fprintln(c.out)
		}
		if s == "" { // not even an empty line
			return nobody("shipctl", "standard input is empty", "an answer, a plan file")
		}
		if strings.TrimSpace(s) == "yes" {
			return nil
		}
		return errors.New("Apply cancelled.\nThe answer was not 'yes'. Nothing was changed.")
	}
}

// fresh plans again after the machines had time to change.
func (c *cli) fresh(ctx context.Context, m *made) error {
	gone := map[string]error{} // no resource is on them: once is enough
	for _, u := range m.plan.Unseen {
		gone[u.Host] = errors.New(u.Why)
	}
	now := &made{session: m.session, machines: sparing(m.machines, gone), wanted: m.wanted, how: m.how}
	if err := now.ask(ctx); err != nil {
		return err
	}
	if diags := unreachable(now.missed()); len(diags) > 0 {
		return diagnosed{diags: diags}
	}
	m.now, m.resources = now.plan, now.resources
	return c.already(ctx, m, stale(m.plan, now.plan))
}

// again goes on with what the machines are like now, after another run has changed them.
func (c *cli) again(m *made, v view.View) error {
	was := *m.plan
	m.plan = m.now
	p := m.plan
	p.Tool, p.Project, p.Made, p.Dir, p.VarFiles, p.Variables, p.Hosts = was.Tool, was.Project, was.Made, was.Dir, was.VarFiles, was.Variables, was.Hosts
	p.Targets, p.TakeOver, p.ClearHold = was.Targets, was.TakeOver, was.ClearHold
	fmt.Fprintln(c.err, "The machines have changed since: planned again.")
	v.Plan(p)
	return c.sound(m, "")
}

func stale(was, now *planner.Plan) error {
	differences := planner.Stale(was, now)
	if len(differences) == 0 {
		return nil
	}
	var b strings.Builder
	for _, d := range differences {
		host := d.Host
		if host == "" {
			host = "this machine"
		}
		fmt.Fprintf(&b, "\n  %s: %s: %s: %s → %s", host, d.Resource, d.Fact, d.Before, d.After)
	}
	return fmt.Errorf("%w: what it rests on has changed since it was made\nNothing was done. What changed:\n%s\n\nPlan again, and look at what it says now.", errStale, b.String())
}

// applySaved runs a plan file. The configuration is read for the values of sensitive variables only.
func (c *cli) applySaved(ctx context.Context, a applyArgs) error {
	if err := a.check(); err != nil {
		return err
	}
	p, err := readPlan(a.file)
	if err != nil {
		return err
	}
	if p.Tool != version {
		return fmt.Errorf("%s was made by shipctl %s, and this is shipctl %s: plan again with it", a.file, p.Tool, version)
	}
	if n := len(p.Problems()); n > 0 {
		return fmt.Errorf("%s has %d changes that can't be made: plan again", a.file, n)
	}
	rs, err := planner.Load(p.Resources, all.Kinds())
	if err != nil {
		return fmt.Errorf("%s: %w", a.file, err)
	}
	back, err := enter(p.Dir)
	if err != nil {
		return err
	}
	defer back()
	s, err := c.reopen(p)
	if err != nil {
		return fmt.Errorf("%s: %w", a.file, err)
	}
	defer s.close()
	m := &made{plan: p, session: s, machines: s.dial, wanted: rs, resources: rs, how: how{command: p.Command, clearHold: p.ClearHold}} // what is to go is marked in rs
	if err := c.fresh(ctx, m); err != nil {                                                                                            // what is stale, or was applied before, does not even take a lease
		return err
	}
	w := c.patience(a)
	if err := c.awaitWindows(ctx, m, m.now, a, w); err != nil {
		return err
	}
	return c.leased(ctx, m, a, nil, func(ctx context.Context, l *executor.Lease) error {
		if c.global.json {
			c.view(a.compact).Plan(p)
		} else {
			c.text(c.out).Notes(&planner.Plan{Held: p.Held})
		}
		return c.execute(ctx, m, l, a, w)
	})
}

func readPlan(name string) (*planner.Plan, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := planner.Read(f)
	switch {
	case errors.Is(err, planner.ErrNotPlan):
		return nil, fmt.Errorf("%s is %w\n\"shipctl plan -out=FILE\" writes one.", name, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// enter goes to where the plan was made, where that is still there: its files are named from there.
func enter(dir string) (back func(), err error) {
	was, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(dir); dir == "" || err != nil || !info.IsDir() {
		return func() {}, nil
	}
	if err := os.Chdir(dir); err != nil {
		return nil, err
	}
	return func() { _ = os.Chdir(was) }, nil
}

// reopen makes the session of a saved plan.
func (c *cli) reopen(p *planner.Plan) (*session, error) {
	settings, err := settingsOf(p.Hosts)
	if err != nil {
		return nil, err
	}
	o := opening{project: p.Project, settings: settings, consents: agreed(p.Facts), log: c.log}
	if o.variables, err = c.valuesFor(p); err != nil {
		return nil, err
	}
	s, err := o.session()
	if err != nil {
		return nil, err
	}
	return s, sameScripts(p, s.scripts)
}

// valuesFor reads the values of the variables of a saved plan, where it was made. Those that its steps need it must find;
// without another sensitive one what machines say can't be searched for it, which is said.
func (c *cli) valuesFor(p *planner.Plan) (map[string]config.Variable, error) {
	secret := map[string]bool{}
	for name, v := range p.Variables {
		if v.Sensitive && v.Print != "" {
			secret[name] = true
		}
	}
	needed := sensitiveNames(p)
	if len(secret)+len(needed) == 0 {
		return nil, nil
	}
	var files values
	for _, f := range p.VarFiles {
		files.flags = append(files.flags, config.Flag{Text: f, File: true})
	}
	variables, diags := config.Values(c.options(files))
	if len(needed) > 0 {
		if err := c.missing(needed, variables, diags); err != nil {
			return nil, err
		}
		if err := otherwise(needed, p.Variables, variables); err != nil {
			return nil, err
		}
	}
	for _, name := range needed {
		delete(secret, name)
	}
	if shown := different(slices.Sorted(maps.Keys(secret)), p.Variables, variables); len(shown) > 0 {
		c.view(false).Diagnostics(hcl.Diagnostics{{
			Severity: hcl.DiagWarning, Summary: "Secrets that can't be hidden",
			Detail: "These sensitive variables don't have the value here that the plan was made with: " + strings.Join(shown, ", ") +
				". No step needs them, but where a program prints one it is shown, and written down, as it is. Give each as SHIPCTL_VAR_name, or in a file where plan read it.",
		}}, nil)
	}
	return variables, nil
}

// missing names the variables that have no value, before anything runs.
func (c *cli) missing(needed []string, variables map[string]config.Variable, diags hcl.Diagnostics) error {
	have := secrets(variables)
	var without []string
	for _, name := range needed {
		if _, ok := have[name]; !ok {
			without = append(without, name)
		}
	}
	if len(without) > 0 {
		return fmt.Errorf("a plan file holds no secrets, and these variables have no value here: %s\nGive each as SHIPCTL_VAR_name, or in a file where plan read it.", strings.Join(without, ", "))
	}
	if diags.HasErrors() {
		return diagnosed{diags: diags}
	}
	return nil
}

// otherwise refuses values that are not those that the plan was made with.
func otherwise(needed []string, planned map[string]planner.Value, given map[string]config.Variable) error {
	other := different(needed, planned, given)
	if len(other) > 0 {
		return fmt.Errorf("these sensitive variables have another value now than when the plan was made: %s\nGive the same value, or plan again.", strings.Join(other, ", "))
	}
	return nil
}

// different are those of names whose value is not the planned one; none at all is not, either.
func different(names []string, planned map[string]planner.Value, given map[string]config.Variable) (out []string) {
	for _, name := range names {
		was := planned[name].Print
		salt, _, _ := strings.Cut(was, " ")
		if was != "" && imprint(given[name].Value, salt) != was {
			out = append(out, name)
		}
	}
	return out
}

// agreed reads a plan's consents back out of its facts.
func agreed(f remote.Facts) planner.Consents {
	out := planner.Consents{}
	for key, a := range f[remote.Controller] {
		rest, is := strings.CutPrefix(key, "consent/")
		if name, addr, ok := strings.Cut(rest, " "); is && ok && a.Sight == remote.Seen {
			if plain, err := strconv.Unquote(addr); err == nil {
				addr = plain
			}
			out[name] = append(out[name], addr)
		}
	}
	return out
}

// sensitiveNames are the variables whose values the plan's steps need.
func sensitiveNames(p *planner.Plan) []string {
	names := map[string]bool{}
	for _, s := range p.Steps() {
		calls := []remote.Call{s.Do}
		if s.Undo != nil {
			calls = append(calls, *s.Undo)
		}
		for _, call := range calls {
			for _, part := range call.Stdin {
				if part.Var != "" {
					names[part.Var] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func sameScripts(p *planner.Plan, have map[string]string) error {
	for _, s := range p.Steps() {
		calls := []remote.Call{s.Do}
		if s.Undo != nil {
			calls = append(calls, *s.Undo)
		}
		for _, call := range calls {
			if call.ScriptSHA256 == "" || have[call.Script] != call.ScriptSHA256 {
				return fmt.Errorf("the step %s was planned with another script %s than this shipctl has: plan again with it", s.ID, call.Script)
			}
		}
	}
	return nil
}
