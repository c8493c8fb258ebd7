package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shipctl/shipctl/cmd/view"
	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// planning are the flags that shape a plan.
type planning struct {
	values
	targets, takeOver []string
	pendingNginx      bool
	clearHold         bool
	prune, destroy    bool
	compact           bool
	parallelism       int
	known             remote.Facts // from a file
	secretless        bool         // the plan is not for anybody: variables need no secret values
	look              bool         // for a file
}

func (p *planning) add(f *pflag.FlagSet) {
	p.values.add(f)
	f.StringArrayVar(&p.targets, "target", nil, "only this resource (`ADDR`: service.teatime) and what it refers to; may be repeated")
	f.StringArrayVar(&p.takeOver, "take-over", nil, "let the service `ADDR` replace a program that somebody else started on its port; may be repeated")
	f.BoolVar(&p.pendingNginx, "allow-pending-nginx", false, "reload nginx also where that brings other files to life that were changed since it last did")
	f.BoolVar(&p.clearHold, "clear-hold", false, "go forward again with what was rolled back")
	f.BoolVar(&p.prune, "prune", false, "remove also what an earlier apply put on the machines and the configuration no longer has")
	f.BoolVar(&p.destroy, "destroy", false, "remove everything that the configuration describes")
	f.BoolVar(&p.compact, "compact", false, "leave the steps out")
	f.IntVar(&p.parallelism, "parallelism", 10, "how many steps run at once; machines are asked all at once")
}

// shaping are the flags that a saved plan has no room for.
func shaping() []string {
	return []string{"var", "var-file", "target", "take-over", "allow-pending-nginx", "clear-hold", "prune", "destroy"}
}

func (p planning) check() error {
	if p.parallelism < 1 {
		return fmt.Errorf("-parallelism=%d: at least 1", p.parallelism)
	}
	if p.prune && len(p.targets) > 0 {
		return errors.New("-prune is about the whole configuration: it can't be used with -target")
	}
	return nil
}

func (p planning) consents() planner.Consents {
	c := planner.Consents{}
	if len(p.takeOver) > 0 {
		c["take-over"] = p.takeOver
	}
	if p.pendingNginx {
		c["pending-nginx"] = []string{"*"}
	}
	return c
}

type planArgs struct {
	planning
	out, markdown string
	facts         string
	detailed      bool
}

func (c *cli) planCommand() *cobra.Command {
	var a planArgs
	cmd := &cobra.Command{
		Use:         "plan [flags]",
		Short:       "Show what differs between the configuration and the machines, and the steps that would change it",
		Long:        "plan asks the machines and shows what differs from the configuration, and the steps that would change it. It changes\nnothing. Exit codes with -detailed-exitcode: 0 nothing to do, 1 error or a machine that could not be asked, 2 changes.",
		Annotations: speaks(jsonStream),
		Args:        noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.detailed = a.detailed
			return c.plan(cmd.Context(), a)
		},
	}
	f := cmd.Flags()
	a.add(f)
	c.offerAddresses(cmd, &a.planning)
	f.StringVar(&a.out, "out", "", "save the plan to `FILE`, for apply")
	f.StringVar(&a.markdown, "markdown", "", "write the plan as Markdown to `FILE`, for a review")
	f.StringVar(&a.facts, "facts", "", "plan on what shipctl facts wrote to `FILE`; no machine is asked")
	f.BoolVar(&a.detailed, "detailed-exitcode", false, "exit 2 when there are changes")
	return cmd
}

func (c *cli) plan(ctx context.Context, a planArgs) error {
	if err := a.check(); err != nil {
		return err
	}
	if err := errors.Join(writable("-out", a.out), openable("-markdown", a.markdown)); err != nil {
		return err
	}
	if a.facts != "" {
		var err error
		if a.known, err = readFacts(a.facts); err != nil {
			return err
		}
	}
	made, err := c.make(ctx, a.planning)
	if err != nil {
		return err
	}
	defer made.session.close()
	c.view(a.compact).Plan(made.plan)
	if a.markdown != "" {
		err := writeFile(a.markdown, 0o644, func(w io.Writer) error { return view.Markdown(w, made.plan, a.compact) })
		if err != nil {
			return err
		}
	}
	if err := c.sound(made, a.out); err != nil {
		return err
	}
	if diags := unreachable(made.failed); a.detailed && len(diags) > 0 { // of windows: sound has looked at the others
		if a.out != "" {
			last := diags[len(diags)-1]
			last.Detail += "\n" + c.unsaved(a.out)
		}
		return diagnosed{diags: diags}
	}
	if err := c.save(a, made); err != nil {
		return err
	}
	if a.detailed && !made.plan.Empty() {
		return errDiffers
	}
	return nil
}

// replacing are the addresses of the resources that may replace what somebody else started. One that means nothing is refused: a
// consent to nothing was meant for something.
func replacing(addrs []string, rs []providers.Resource) (out []string, err error) {
	for _, a := range addrs {
		named := planner.Named(rs, a)
		for _, r := range named {
			if !takesOver(r) {
				return nil, fmt.Errorf("-take-over=%s: a %s replaces no program%s", a, r.Ref.Kind, choices(rs))
			}
			out = append(out, r.Ref.String())
		}
		if len(named) == 0 {
			return nil, fmt.Errorf("-take-over=%s: there is no such resource%s", a, choices(rs))
		}
	}
	return out, nil
}

// takesOver: whoever can asks for the consent.
func takesOver(r providers.Resource) bool {
	ask := providers.Consent("take-over", r.Ref.String()).Key()
	return slices.ContainsFunc(r.Queries, func(q remote.Query) bool { return q.Key() == ask })
}

func choices(rs []providers.Resource) string {
	var have []string
	for _, r := range rs {
		if takesOver(r) {
			have = append(have, r.Ref.String())
		}
	}
	if len(have) == 0 {
		return "; the configuration has nothing that does"
	}
	return "; the configuration has " + strings.Join(have, ", ")
}

func (c *cli) header(p *planner.Plan, o config.Options, from *project, a planning) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	p.Tool, p.Project, p.Made, p.Dir = version, from.config.Project, c.now().UTC(), dir
	for _, g := range o.Flags {
		if !g.File {
			continue
		}
		f := g.Text
		if abs, err := filepath.Abs(f); err == nil && !strings.HasPrefix(abs, dir+string(filepath.Separator)) {
			f = abs
		}
		p.VarFiles = append(p.VarFiles, f)
	}
	p.Variables = recorded(from.config.Variables)
	p.Hosts = (&session{settings: from.settings}).hosts(p)
	p.Targets, p.TakeOver, p.ClearHold = a.targets, a.takeOver, a.clearHold
	return nil
}

// sound refuses a plan that can't be applied, once it has been shown, and so is not saved to a file.
func (c *cli) sound(m *made, file string) error {
	diags := unreachable(m.missed())
	problems := m.plan.Problems()
	if len(problems)+len(diags) == 0 {
		return nil
	}
	var why []string
	if len(diags) > 0 {
		why = append(why, "Not all machines could be asked.")
	}
	switch n := len(slices.DeleteFunc(problems, func(c providers.Change) bool { return c.Problem == planner.Unasked })); n {
	case 0:
	case 1:
		why = append(why, "One of its changes can't be made: the line with \"!\" says why.")
	default:
		why = append(why, fmt.Sprintf("%d of its changes can't be made: the lines with \"!\" say why.", n))
	}
	if file != "" {
		why = append(why, c.unsaved(file))
	}
	if targets := m.alone(); targets != "" {
		why = append(why, "\n\nWhat has nothing to do with that can be applied on its own: "+targets)
	}
	diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "This plan can't be applied", Detail: strings.ReplaceAll(strings.Join(why, " "), " \n", "\n")})
	return diagnosed{diags: diags}
}

// alone are the flags for what can be applied on its own, also while windows are closed.
func (m *made) alone(closed ...config.Ref) string {
	if m.how.prune || m.how.destroy || m.how.command != "apply" {
		return ""
	}
	var flags []string
	for _, ref := range m.plan.Apart(closed...) {
		flags = append(flags, pasted("-target="+ref.String()))
	}
	return strings.Join(flags, " ")
}

// unsaved says that there is no plan file of this plan, and that one of another may lie there.
func (c *cli) unsaved(file string) string {
	if _, err := os.Lstat(file); err != nil {
		return "No plan file was written."
	}
	return "No plan file was written: " + c.told(file) + " is as it was before."
}

// told is a file's name for the reader, who is where shipctl was called.
func (c *cli) told(file string) string {
	if c.global.chdir != "" && !filepath.IsAbs(file) {
		return filepath.Join(c.global.chdir, file)
	}
	return file
}

// missed are the machines that could not be asked, those apart that only a window looks at: it is closed then.
func (m *made) missed() map[string]error {
	out := maps.Clone(m.failed)
	for _, host := range m.plan.Watched {
		delete(out, host)
	}
	return out
}

// unreachable is a diagnostic for each machine that gave no answer.
func unreachable(failed map[string]error) (diags hcl.Diagnostics) {
	for _, host := range slices.Sorted(maps.Keys(failed)) {
		name := host
		if host == remote.Controller {
			name = "this machine"
		}
		summary := name + " could not be asked"
		if _, is := errors.AsType[unreadError](failed[host]); is {
			summary = "the record on " + name + " can't be read"
		}
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: summary,
			Detail: strings.TrimPrefix(failed[host].Error(), host+": "),
		})
	}
	return diags
}

// save writes the plan file.
func (c *cli) save(a planArgs, m *made) error {
	if a.out == "" {
		return nil
	}
	for _, g := range a.flags {
		name, _, _ := strings.Cut(g.Text, "=")
		name = strings.TrimSpace(name)
		if !g.File && m.plan.Variables[name].Sensitive {
			return fmt.Errorf("a plan file holds no secrets, so -var=%s would be lost: give it as SHIPCTL_VAR_%s or in a -var-file, at plan and at apply\n%s", name, name, c.unsaved(a.out))
		}
	}
	if err := writeFile(a.out, 0o600, m.plan.Save); err != nil {
		return err
	}
	if !c.global.json {
		out := c.text(c.out)
		out.Say("\nSaved the plan to " + c.told(a.out) + ".")
		if !c.automation() {
			out.Say("To do exactly this, run:  " + c.applying(a.out))
		}
	}
	return nil
}

// applying is the command line that applies a plan file, to be pasted where this one was typed.
func (c *cli) applying(file string) string {
	words := []string{"shipctl"}
	if c.global.chdir != "" {
		words = append(words, "-chdir="+c.global.chdir)
	}
	if strings.HasPrefix(file, "-") {
		file = "./" + file
	}
	return pasted(append(words, "apply", file)...)
}

// pasted is words as a shell takes them.
func pasted(words ...string) string {
	plain := regexp.MustCompile(`^[A-Za-z0-9_./=:@%+,-]+$`)
	out := slices.Clone(words)
	for i, w := range out {
		if q, err := remote.Quote(w); err == nil && !plain.MatchString(w) {
			out[i] = q
		}
	}
	return strings.Join(out, " ")
}
