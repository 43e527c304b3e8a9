package functions

import (
	"errors"
	"math/big"
	"net/netip"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

func numberParam(name string) function.Parameter {
	return function.Parameter{Name: name, Type: cty.Number}
}

// addrFrom is base + n within bits bits of address, or false if it does not fit.
func addrFrom(base netip.Addr, n *big.Int) (netip.Addr, bool) {
	raw := base.AsSlice()
	sum := new(big.Int).Add(new(big.Int).SetBytes(raw), n)
	if sum.Sign() < 0 || sum.BitLen() > len(raw)*8 {
		return netip.Addr{}, false
	}
	addr, ok := netip.AddrFromSlice(sum.FillBytes(make([]byte, len(raw))))
	return addr, ok
}

func parsePrefix(v cty.Value) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(v.AsString())
	if err != nil {
		return p, function.NewArgErrorf(0, "an address range such as 10.0.0.0/16 is required")
	}
	return p.Masked(), nil
}

func wholeNumber(v cty.Value, arg int) (*big.Int, error) {
	n, acc := v.AsBigFloat().Int(nil)
	if acc != big.Exact {
		return nil, function.NewArgErrorf(arg, "a whole number is required")
	}
	if n.BitLen() > 128 {
		return nil, function.NewArgErrorf(arg, "the number is too large")
	}
	return n, nil
}

func cidrHostFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{stringParam("prefix"), numberParam("hostnum")},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
			p, err := parsePrefix(args[0])
			if err != nil {
				return cty.UnknownVal(ret), err
			}
			n, err := wholeNumber(args[1], 1)
			if err != nil {
				return cty.UnknownVal(ret), err
			}
			if n.Sign() < 0 { // from the end
				size := new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))
				n.Add(n, size)
			}
			addr, ok := addrFrom(p.Addr(), n)
			if !ok || !p.Contains(addr) {
				return cty.UnknownVal(ret), function.NewArgErrorf(1, "the host number is out of the range")
			}
			return cty.StringVal(addr.String()), nil
		},
	})
}

func cidrNetmaskFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{stringParam("prefix")},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
			p, err := parsePrefix(args[0])
			if err != nil {
				return cty.UnknownVal(ret), err
			}
			if !p.Addr().Is4() {
				return cty.UnknownVal(ret), function.NewArgError(0, errors.New("only IPv4 ranges have a netmask"))
			}
			ones := netip.AddrFrom4([4]byte{255, 255, 255, 255})
			mask, _ := ones.Prefix(p.Bits())
			return cty.StringVal(mask.Addr().String()), nil
		},
	})
}

func cidrSubnetFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{stringParam("prefix"), numberParam("newbits"), numberParam("netnum")},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
			p, err := parsePrefix(args[0])
			if err != nil {
				return cty.UnknownVal(ret), err
			}
			newBits, err := wholeNumber(args[1], 1)
			if err != nil {
				return cty.UnknownVal(ret), err
			}
			num, err := wholeNumber(args[2], 2)
			if err != nil {
				return cty.UnknownVal(ret), err
			}
			free := p.Addr().BitLen() - p.Bits()
			if newBits.Sign() < 0 || newBits.Cmp(big.NewInt(int64(free))) > 0 {
				return cty.UnknownVal(ret), function.NewArgErrorf(1, "the range has only %d bits left", free)
			}
			bits := int(newBits.Int64())
			if num.Sign() < 0 || num.BitLen() > bits {
				return cty.UnknownVal(ret), function.NewArgErrorf(2, "the network number does not fit in %d more bits", bits)
			}
			addr, ok := addrFrom(p.Addr(), new(big.Int).Lsh(num, uint(free-bits)))
			if !ok {
				return cty.UnknownVal(ret), function.NewArgErrorf(2, "the network is out of the range")
			}
			return cty.StringVal(netip.PrefixFrom(addr, p.Bits()+bits).String()), nil
		},
	})
}
