package main

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
)

// offering completes addresses of the configuration. What is wrong in it costs what can't be decoded, and no more.
func (c *cli) offering(v *values, choose func([]providers.Resource) []config.Ref) cobra.CompletionFunc {
	return func(_ *cobra.Command, typed []string, partial string) (out []string, _ cobra.ShellCompDirective) {
		if len(typed) > 0 || c.global.chdir != "" && os.Chdir(c.global.chdir) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		p, _ := load(c.options(*v))
		for _, ref := range choose(p.resources) {
			if a := ref.String(); strings.HasPrefix(a, partial) {
				out = append(out, a)
			}
		}
		slices.Sort(out)
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// offerAddresses is for the flags that take them.
func (c *cli) offerAddresses(cmd *cobra.Command, a *planning) {
	can := map[string]func(rs []providers.Resource, r providers.Resource) bool{
		"target": func(rs []providers.Resource, r providers.Resource) bool {
			_, err := planner.Select(rs, []string{r.Ref.String()})
			return err == nil
		},
		"take-over": func(_ []providers.Resource, r providers.Resource) bool { return takesOver(r) },
	}
	for name, takes := range can {
		offer := c.offering(&a.values, func(rs []providers.Resource) (out []config.Ref) {
			for _, r := range rs {
				if takes(rs, r) {
					out = append(out, r.Ref)
				}
			}
			return out
		})
		// They are flags of this command, and have no other function: there is no error.
		_ = cmd.RegisterFlagCompletionFunc(name, func(cmd *cobra.Command, _ []string, partial string) ([]string, cobra.ShellCompDirective) {
			return offer(cmd, nil, partial)
		})
	}
}
