package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shipctl/shipctl/cmd/view"
	"github.com/shipctl/shipctl/config"
)

func (c *cli) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Write a commented configuration to start from",
		Long:  "init writes main.hcl, a commented configuration to start from. Where there are .hcl files already it does nothing.",
		Args:  noArguments,
		RunE:  func(*cobra.Command, []string) error { return c.init() },
	}
}

func (c *cli) init() error {
	out := c.text(c.out)
	there, err := filepath.Glob("*.hcl")
	if err != nil {
		return err
	}
	if len(there) > 0 {
		out.Say("There is a configuration here already: nothing was written.")
		return nil
	}
	const name = "main.hcl"
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err = f.Write(config.Starter()); err == nil {
		err = f.Close()
	}
	if err != nil {
		return err
	}
	out.Say("Wrote " + name + ". Change it to what you have, then run \"shipctl validate\" and \"shipctl plan\".")
	return nil
}

func (c *cli) validateCommand() *cobra.Command {
	var v values
	cmd := &cobra.Command{
		Use:         "validate [flags]",
		Short:       "Check the configuration, without asking any machine",
		Annotations: speaks(jsonDocument),
		Args:        noArguments,
		RunE:        func(*cobra.Command, []string) error { return c.validate(v) },
	}
	v.add(cmd.Flags())
	return cmd
}

func (c *cli) validate(v values) error {
	p, diags := load(c.options(v))
	diags, unset := config.Unset(diags)
	if c.document() {
		if err := view.ValidateDocument(c.out, diags, unset, p.unchecked, p.config.Files); err != nil {
			return err
		}
		if diags.HasErrors() {
			return errFailed
		}
		return nil
	}
	if err := c.check(diags, p.config.Files); err != nil {
		return err
	}
	said := "Success! The configuration is valid"
	if len(unset) > 0 {
		said += ", as far as that can be said without a value for " + strings.Join(unset, ", ")
	}
	said += "."
	if len(p.unchecked) > 0 {
		said += "\nNot checked to the end, because they depend on that: " + strings.Join(p.unchecked, ", ") + "."
	}
	c.text(c.out).Say(said)
	return nil
}

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:         "version [-json]",
		Short:       "Print the version",
		Annotations: speaks(jsonDocument),
		Args:        noArguments,
		RunE: func(*cobra.Command, []string) error {
			platform := runtime.GOOS + "_" + runtime.GOARCH
			if c.document() {
				return view.VersionDocument(c.out, version, platform, runtime.Version())
			}
			_, err := fmt.Fprintf(c.out, "shipctl %s\non %s\n", version, platform)
			return err
		},
	}
}
