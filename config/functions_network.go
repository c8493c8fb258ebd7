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
			sum := new(big.Int).Add(new(big.Int).SetBytes(p.Addr().AsSlice()), n)
			a, _ := netip.AddrFromSlice(sum.FillBytes(make([]byte, p.Addr().BitLen()/8)))
			return cty.StringVal(a.String()), nil
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
