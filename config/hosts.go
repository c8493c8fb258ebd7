package config

import (
	"net/netip"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"
)

// commonArguments of a host are read here; the others belong to whoever connects.
func commonArguments() []string { return []string{"address", "private_address", "labels", "state"} }

// host reads a host block's common arguments.
func (w *world) host(b Block) (Host, hcl.Diagnostics) {
	n, key := b.scope.node, b.scope.key
	name := n.name
	if n.each != nil {
		name = key
	}
	var args struct {
		Address        *string           `hcl:"address"`
		PrivateAddress *string           `hcl:"private_address"`
		Labels         map[string]string `hcl:"labels,optional"`
		State          *string           `hcl:"state"`
	}
	common := b
	common.Body = onlyArguments(n.body, commonArguments()...)
	diags := common.decode(&args)
	settings := b
	settings.Body = without(n.body, commonArguments()...)
	settings.scope = &scope{world: w, node: n, key: key, hidden: commonArguments(), hollow: b.scope.hollow}
	h := Host{Name: name, Address: name, Labels: args.Labels, Settings: settings}
	if b.scope.hollow != nil {
		return h, nil // what is wrong was kept
	}
	if args.Address != nil {
		h.Address = *args.Address
		diags = append(diags, checkAddress(h.Address, *b.At("address"))...)
	}
	if ip, err := netip.ParseAddr(h.Address); err == nil && ip.Zone() == "" {
		h.PrivateAddress = ip.Unmap().String()
	}
	if args.PrivateAddress != nil {
		h.PrivateAddress = *args.PrivateAddress
		if ip, err := netip.ParseAddr(h.PrivateAddress); err != nil || ip.Zone() != "" {
			diags = append(diags, fail(*b.At("private_address"), "Invalid address", "private_address is an IP address, as 10.0.0.11: other machines use it as it is, without a resolver."))
		}
	}
	if args.State != nil {
		h.Retired = *args.State == "retired"
		if !h.Retired {
			diags = append(diags, fail(*b.At("state"), "Invalid state", `The state is "retired", or left out.%s`, suggest(*args.State, []string{"retired"})))
		}
	}
	if diags.HasErrors() {
		w.hostless, n.failed = true, true
		return h, diags
	}
	v := HostValue{Name: h.Name, Address: h.Address, PrivateAddress: h.PrivateAddress, Labels: h.Labels, Retired: h.Retired}
	w.hosts = append(w.hosts, v)
	n.instances[key] = v.cty()
	return h, nil
}

// checkAddress refuses what an SSH client could take for something else.
func checkAddress(s string, at hcl.Range) hcl.Diagnostics {
	if _, err := netip.ParseAddr(s); err == nil {
		return nil
	}
	hint := "It is an IP address, or a host name: letters, digits, dots, underscores and dashes, not beginning with a dash."
	switch {
	case strings.Contains(s, "@"):
		hint = `The user is an argument of its own: user = "…".`
	case strings.Count(s, ":") == 1:
		hint = "The port is an argument of its own: port = …"
	case validHost(s):
		return nil
	}
	return hcl.Diagnostics{fail(at, "Invalid address", "%q is not an address. %s", s, hint)}
}

// machines reports machines that two blocks name, by for_each or by label.
func (w *world) machines(hosts []Host) hcl.Diagnostics {
	var diags hcl.Diagnostics
	first := map[string]Host{}
	for _, h := range hosts {
		other, ok := first[h.Name]
		if !ok {
			first[h.Name] = h
			continue
		}
		diags = append(diags, fail(h.Settings.Range, "Declared twice", "%s names the machine %q, which %s does already, at %s.", h.Settings.Ref, h.Name, other.Settings.Ref, place(other.Settings.Range)))
	}
	return diags
}

// hostType is the type of HostValue in expressions.
func hostType() cty.Type {
	t, err := gocty.ImpliedType(HostValue{})
	if err != nil {
		panic(err) // the struct's tags are wrong
	}
	return t
}

func (v HostValue) cty() cty.Value {
	if v.Labels == nil {
		v.Labels = map[string]string{}
	}
	out, err := gocty.ToCtyValue(v, hostType())
	if err != nil {
		panic(err) // strings and booleans always convert
	}
	return out
}
