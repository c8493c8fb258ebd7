package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/all"
	"github.com/shipctl/shipctl/providers/remote/ssh"
)

type adoptArgs struct {
	values
	user, identityFile, proxyJump, knownHosts, connection string

	port int
	sudo bool
}

func (c *cli) adoptCommand() *cobra.Command {
	var a adoptArgs
	cmd := &cobra.Command{
		Use:   "adopt HOST... [flags]",
		Short: "Read machines and print the configuration that describes what runs there",
		Long: "adopt looks at machines that were set up by hand or by another tool, changes nothing, and prints the configuration that\n" +
			"describes what runs there. Name all machines of a service at once: its application machines and those with nginx.\n" +
			"HOST is a host block's name where there is a configuration here; else what ssh takes, [USER@]NAME[:PORT]. The flags are\n" +
			"for the latter, and are those of a host block.",
		Annotations: speaks(""),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("%s needs a HOST, or several\nSee \"%s -help\".", cmd.CommandPath(), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.adopt(cmd.Context(), a, args) },
	}
	f := cmd.Flags()
	a.values.add(f)
	f.StringVar(&a.user, "user", "", "log in as `NAME`")
	f.IntVar(&a.port, "port", 0, "`PORT` of the SSH server")
	f.StringVar(&a.identityFile, "identity-file", "", "`FILE` with the private key")
	f.StringVar(&a.proxyJump, "proxy-jump", "", "`[USER@]NAME[:PORT]` to go through")
	f.StringVar(&a.knownHosts, "known-hosts", "", "`FILE` with host keys")
	f.StringVar(&a.connection, "connection", "", "\"local\" for the machine that shipctl runs on")
	f.BoolVar(&a.sudo, "sudo", false, "look as root, by sudo; without, what belongs to other users can't be seen")
	return cmd
}

// scene is the machines to look at: the host blocks of a configuration, or those that were made of what was typed.
type scene struct {
	config   *config.Configuration
	settings map[string]ssh.Settings
	names    []string
	made     []*hclwrite.Block // of what was typed
}

func (c *cli) adopt(ctx context.Context, a adoptArgs, hosts []string) error {
	s, err := c.adoptScene(a, hosts)
	if err != nil {
		return err
	}
	session, err := opening{"adopt", s.settings, s.config.Variables, nil, c.log}.session()
	if err != nil {
		return err
	}
	defer session.close()
	var rs []providers.Resource
	for _, h := range s.names {
		r := providers.Resource{Ref: config.Ref{Kind: "host", Name: h}}
		for _, k := range all.Kinds() {
			if k.Adopt.Queries != nil {
				r.Queries = append(r.Queries, k.Adopt.Queries(h)...)
			}
		}
		rs = append(rs, r)
	}
	facts, failed := planner.Ask(ctx, rs, session.dial)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("asking the machines: %w", err)
	}
	if diags := unreachable(failed); len(diags) > 0 {
		return diagnosed{diags: diags}
	}
	found := &providers.Adoption{Facts: facts, Taken: s.taken(), Private: map[string]string{}}
	for _, h := range s.config.Hosts {
		if slices.Contains(s.names, h.Name) {
			found.Hosts = append(found.Hosts, config.HostValue{Name: h.Name, Address: h.Address, PrivateAddress: h.PrivateAddress})
		}
	}
	text, err := s.describe(found)
	if err != nil {
		return err
	}
	if _, err := c.out.Write(text); err != nil {
		return err
	}
	var diags hcl.Diagnostics
	for _, n := range found.Notes {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "Not everything could be described", Detail: n})
	}
	if len(diags) > 0 {
		c.text(c.err).Say("")
		c.view(false).Diagnostics(diags, nil)
	}
	return nil
}

// adoptScene finds out which machines are meant, and how they are reached.
func (c *cli) adoptScene(a adoptArgs, hosts []string) (*scene, error) {
	if there, err := filepath.Glob("*.hcl"); err != nil {
		return nil, err
	} else if len(there) == 0 {
		return c.typed(a, hosts)
	}
	if a.user+a.identityFile+a.proxyJump+a.knownHosts+a.connection != "" || a.port != 0 || a.sudo {
		return nil, errors.New("there is a configuration here, and how a machine is reached is in its host block: leave the flags out, or run adopt in an empty directory")
	}
	p, diags := load(c.options(a.values))
	if err := c.check(diags, p.config.Files); err != nil {
		return nil, err
	}
	s := &scene{config: p.config, settings: p.settings}
	for _, h := range hosts {
		if _, ok := p.settings[h]; !ok {
			return nil, fmt.Errorf("there is no host %q in the configuration here; it has %s\nIn a directory without .hcl files, HOST is what ssh takes.", h, strings.Join(slices.Sorted(maps.Keys(p.settings)), ", "))
		}
		if !slices.Contains(s.names, h) {
			s.names = append(s.names, h)
		}
	}
	return s, nil
}

// typed makes host blocks of SSH destinations, and reads them as if somebody had written them.
func (c *cli) typed(a adoptArgs, hosts []string) (*scene, error) {
	s := &scene{settings: map[string]ssh.Settings{}}
	for _, h := range hosts {
		b, name, err := a.host(h)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(s.names, name) {
			s.names, s.made = append(s.names, name), append(s.made, b)
		}
	}
	dir, err := os.MkdirTemp("", "shipctl-adopt-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "hosts.hcl"), document(append([]*hclwrite.Block{settingsBlock("adopt")}, s.made...)), 0o600); err != nil {
		return nil, err
	}
	o := c.options(a.values)
	o.Dir = dir
	var diags hcl.Diagnostics
	s.config, diags = config.Load(o)
	for _, h := range s.config.Hosts {
		set, d := ssh.Decode(h)
		diags = append(diags, d...)
		s.settings[h.Name] = set
	}
	for _, d := range diags { // there is no file that could be shown
		if d.Severity == hcl.DiagError {
			return nil, fmt.Errorf("%s: %s", strings.Join(hosts, " "), strings.TrimSpace(d.Summary+": "+d.Detail))
		}
	}
	return s, nil
}

// host is the block for an SSH destination.
func (a adoptArgs) host(dest string) (*hclwrite.Block, string, error) {
	user, name, port := a.user, strings.TrimPrefix(dest, "ssh://"), a.port
	if i := strings.LastIndexByte(name, '@'); i >= 0 {
		user, name = name[:i], name[i+1:]
	}
	if host, p, ok := cutPort(name); ok {
		n, err := strconv.Atoi(p)
		if err != nil || n == 0 {
			return nil, "", fmt.Errorf("%q: the port is no number", dest)
		}
		name, port = host, n
	}
	if name == "" || strings.HasPrefix(name, "-") {
		return nil, "", fmt.Errorf("%q is not a machine: [USER@]NAME[:PORT] is expected", dest)
	}
	block := hclwrite.NewBlock("host", []string{strings.ReplaceAll(name, ":", "-")})
	b := block.Body()
	if strings.Contains(name, ":") {
		b.SetAttributeValue("address", cty.StringVal(name)) // a label can't be an IPv6 address
	}
	for _, s := range []struct{ name, value string }{
		{"user", user}, {"identity_file", a.identityFile}, {"proxy_jump", a.proxyJump}, {"known_hosts", a.knownHosts}, {"connection", a.connection},
	} {
		if s.value != "" {
			b.SetAttributeValue(s.name, cty.StringVal(s.value))
		}
	}
	if port != 0 {
		b.SetAttributeValue("port", cty.NumberIntVal(int64(port)))
	}
	if a.sudo {
		b.SetAttributeValue("sudo", cty.True)
	}
	return block, block.Labels()[0], nil
}

// cutPort splits NAME:PORT and [IPV6]:PORT; an IPv6 address alone has no port.
func cutPort(s string) (host, port string, ok bool) {
	if rest, is := strings.CutPrefix(s, "["); is {
		host, port, ok = strings.Cut(rest, "]")
		if !ok || port == "" {
			return host, "", false
		}
		return host, strings.TrimPrefix(port, ":"), true
	}
	if strings.Count(s, ":") != 1 {
		return s, "", false
	}
	return strings.Cut(s, ":")
}

// taken are the names that the configuration has.
func (s *scene) taken() map[string]bool {
	out := map[string]bool{}
	for name := range s.config.Variables {
		out["variable."+name] = true
	}
	for _, b := range s.config.Blocks {
		name, _, _ := strings.Cut(b.Ref.Name, "[")
		out[b.Ref.Kind+"."+name] = true
	}
	return out
}

func settingsBlock(project string) *hclwrite.Block {
	b := hclwrite.NewBlock("shipctl", nil)
	b.Body().SetAttributeValue("project", cty.StringVal(project))
	return b
}

// describe has every kind describe what it knows, those that refer to others first, and lays the whole out.
func (s *scene) describe(a *providers.Adoption) ([]byte, error) {
	kinds := all.Kinds()
	for _, k := range slices.Backward(kinds) {
		if k.Adopt.Describe != nil {
			k.Adopt.Describe(a)
		}
	}
	var blocks []*hclwrite.Block
	if s.made != nil {
		blocks = append(blocks, settingsBlock(s.project(a)))
	}
	order := []string{"variable", "host"}
	for _, k := range kinds {
		order = append(order, k.Name)
	}
	s.addresses(a)
	all := slices.Concat(a.Blocks, s.made)
	for _, kind := range order {
		for _, b := range all {
			if b.Type() == kind {
				blocks = append(blocks, b)
			}
		}
	}
	text := slices.Concat(head(s.names, a.Notes), document(blocks))
	out, diags := config.Format(text, "adopt.hcl")
	if diags.HasErrors() {
		return nil, fmt.Errorf("what was found can't be written down: %w", diags)
	}
	return out, nil
}

// project is named after what runs there.
func (s *scene) project(a *providers.Adoption) string {
	for _, b := range a.Blocks {
		if len(b.Labels()) == 1 && b.Type() != "variable" {
			return b.Labels()[0]
		}
	}
	return "adopted"
}

// addresses gives the printed host blocks the addresses that nginx knows them by.
func (s *scene) addresses(a *providers.Adoption) {
	for i, name := range s.names {
		ip := a.Private[name]
		if ip == "" || slices.ContainsFunc(a.Hosts, func(h config.HostValue) bool { return h.Name == name && h.PrivateAddress == ip }) {
			continue
		}
		if s.made == nil {
			a.Note("host %q: nginx on another machine reaches it as %s: private_address = %q has to be in its block", name, ip, ip)
			continue
		}
		s.made[i].Body().SetAttributeValue("private_address", cty.StringVal(ip))
	}
}

// head says what this is, and what it does not describe.
func head(names, notes []string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# What shipctl adopt saw on %s. Nothing was changed there. Before the first apply: fill in\n", strings.Join(names, ", "))
	b.WriteString("# what the comments ask for, and read what \"shipctl plan\" says.\n")
	for _, n := range notes {
		b.WriteString("# Note: " + providers.Printable(n) + "\n")
	}
	b.WriteString("\n")
	return []byte(b.String())
}

// document is blocks with a line between them.
func document(blocks []*hclwrite.Block) []byte {
	f := hclwrite.NewEmptyFile()
	for i, b := range blocks {
		if i > 0 {
			f.Body().AppendNewline()
		}
		f.Body().AppendBlock(b)
	}
	return f.Bytes()
}
