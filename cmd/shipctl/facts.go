package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/shipctl/shipctl/cmd/view"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers/remote"
)

func (c *cli) factsCommand() *cobra.Command {
	var a values
	var out string
	cmd := &cobra.Command{
		Use:   "facts -out=FILE [flags]",
		Short: "Write down what the machines look like, to plan without them",
		Long: "facts asks the machines what plan asks them and writes the answers to a file. plan -facts=FILE plans on it, anywhere:\n" +
			"in a review without access to the machines, or to look into a strange plan later. The file holds no values of sensitive variables\n" +
			"that have one here; they may have none.",
		Annotations: speaks(""),
		Args:        noArguments,
	}
	a.add(cmd.Flags())
	cmd.Flags().StringVar(&out, "out", "", "`FILE` to write to")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if out == "" {
			return errors.New("facts needs -out=FILE")
		}
		if err := openable("-out", out); err != nil {
			return err
		}
		// With -prune, so that there is also what removing takes.
		m, err := c.make(cmd.Context(), planning{values: a, parallelism: 1, prune: true, look: true, secretless: true})
		if err != nil {
			return err
		}
		defer m.session.close()
		if diags := unreachable(m.missed()); len(diags) > 0 {
			return diagnosed{diags: diags}
		}
		c.view(false).Diagnostics(unseen(m.plan), nil)
		facts := maps.Clone(m.plan.Facts)
		maps.Copy(facts, m.spare)
		return writeFile(out, 0o600, func(w io.Writer) error { return planner.SaveFacts(w, facts) })
	}
	return cmd
}

// cantHide warns of secrets that answers of machines can't be searched for.
func (c *cli) cantHide(unset []string) {
	if len(unset) > 0 {
		c.view(false).Diagnostics(hcl.Diagnostics{{
			Severity: hcl.DiagWarning, Summary: "Secrets that can't be hidden",
			Detail: "These sensitive variables have no value here: " + strings.Join(unset, ", ") + ". None is needed, but where a machine's answer has one it is written down as it is.",
		}}, nil)
	}
}

// unseen are the machines of which the file says nothing: no resource is on them.
func unseen(p *planner.Plan) (diags hcl.Diagnostics) {
	for _, n := range view.Notes(&planner.Plan{Unseen: p.Unseen}) {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "Not all machines could be asked", Detail: n})
	}
	return diags
}

func readFacts(name string) (remote.Facts, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	facts, err := planner.ReadFacts(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return facts, nil
}
