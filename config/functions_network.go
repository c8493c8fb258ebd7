package config

import (
	"math/big"
	"net/netip"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/gocty"
)

// networkFunctions compute addresses within a network.
func networkFunctions() map[string]function.Function {
	return map[string]function.Function{
		"cidrhost":    cidrHostFunction(),
		"cidrnetmask": cidrNetmaskFunction(),
		"cidrsubnet":  cidrSubnetFunction(),
		"cidrsubnets": cidrSubnetsFunction(),
	}
}

func prefixOf(v cty.Value) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(v.AsString())
	if err != nil {
		return p, function.NewArgErrorf(0, "not a network as 10.0.0.0/24")
	}
	return p.Masked(), nil
}

// cidrHostFunction gives the n-th address of a network, counting from its end where n is negative.
func cidrHostFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{param("prefix", cty.String), param("number", cty.Number)},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			p, err := prefixOf(args[0])
			if err != nil {
				return cty.NilVal, err
			}
			var n *big.Int
			if err := gocty.FromCtyValue(args[1], &n); err != nil {
				return cty.NilVal, function.NewArgErrorf(1, "a whole number is required")
			}
			size := new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits())) //nolint:gosec // 0 to 128
			if n.Sign() < 0 {
				n = new(big.Int).Add(size, n)
			}
			if n.Sign() < 0 || n.Cmp(size) >= 0 {
				return cty.NilVal, function.NewArgErrorf(1, "the network has %s addresses only", size)
			}
			return cty.StringVal(subnet(p, p.Addr().BitLen(), n).Addr().String()), nil
		},
	})
}

// cidrNetmaskFunction gives an IPv4 network's mask in dotted notation.
func cidrNetmaskFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{param("prefix", cty.String)},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			p, err := prefixOf(args[0])
			if err != nil {
				return cty.NilVal, err
			}
			if !p.Addr().Is4() {
				return cty.NilVal, function.NewArgErrorf(0, "only IPv4 networks have a netmask")
			}
			mask := ^uint32(0) << (32 - p.Bits())
			return cty.StringVal(netip.AddrFrom4([4]byte{byte(mask >> 24), byte(mask >> 16), byte(mask >> 8), byte(mask)}).String()), nil
		},
	})
}

// subnet is the n-th network of that many bits within p, from 0.
func subnet(p netip.Prefix, bits int, n *big.Int) netip.Prefix {
	all := p.Addr().BitLen()
	sum := new(big.Int).Lsh(n, uint(all-bits)) //nolint:gosec // 0 to 128
	sum.Add(sum, new(big.Int).SetBytes(p.Addr().AsSlice()))
	a, _ := netip.AddrFromSlice(sum.FillBytes(make([]byte, all/8)))
	return netip.PrefixFrom(a, bits)
}

// longer is the length of a network within p that has that many bits more.
func longer(p netip.Prefix, v cty.Value, arg int) (newBits, bits int, err error) {
	if err := gocty.FromCtyValue(v, &newBits); err != nil || newBits < 0 {
		return 0, 0, function.NewArgErrorf(arg, "a whole number that is not negative is required")
	}
	if most := p.Addr().BitLen() - p.Bits(); newBits > most {
		return 0, 0, function.NewArgErrorf(arg, "the network can be divided by %d bits at most", most)
	}
	return newBits, p.Bits() + newBits, nil
}

// cidrSubnetFunction gives the n-th of the networks that a network is divided into by some bits more.
func cidrSubnetFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{param("prefix", cty.String), param("newbits", cty.Number), param("netnum", cty.Number)},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			p, err := prefixOf(args[0])
			if err != nil {
				return cty.NilVal, err
			}
			newBits, bits, err := longer(p, args[1], 1)
			if err != nil {
				return cty.NilVal, err
			}
			var n *big.Int
			if err := gocty.FromCtyValue(args[2], &n); err != nil || n.Sign() < 0 {
				return cty.NilVal, function.NewArgErrorf(2, "a whole number that is not negative is required")
			}
			if n.BitLen() > newBits {
				return cty.NilVal, function.NewArgErrorf(2, "%d bits can't hold %s", newBits, n)
			}
			return cty.StringVal(subnet(p, bits, n).String()), nil
		},
	})
}

// cidrSubnetsFunction gives networks one after the other, each at the next address that its length allows.
func cidrSubnetsFunction() function.Function {
	more := param("newbits", cty.Number)
	return function.New(&function.Spec{
		Params:   []function.Parameter{param("prefix", cty.String)},
		VarParam: &more,
		Type:     function.StaticReturnType(cty.List(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			p, err := prefixOf(args[0])
			if err != nil {
				return cty.NilVal, err
			}
			var out []cty.Value
			next := new(big.Int) // free address, from the network's first
			for i, arg := range args[1:] {
				newBits, bits, err := longer(p, arg, i+1)
				if err != nil {
					return cty.NilVal, err
				}
				size := new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-bits)) //nolint:gosec // 0 to 128
				n, rest := new(big.Int).DivMod(next, size, new(big.Int))
				if rest.Sign() > 0 {
					n.Add(n, big.NewInt(1))
				}
				if n.BitLen() > newBits {
					return cty.NilVal, function.NewArgErrorf(i+1, "the network has no room left for it")
				}
				out = append(out, cty.StringVal(subnet(p, bits, n).String()))
				next.Mul(n.Add(n, big.NewInt(1)), size)
			}
			if len(out) == 0 {
				return cty.ListValEmpty(cty.String), nil
			}
			return cty.ListVal(out), nil
		},
	})
}
