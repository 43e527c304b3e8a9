// Package functions has the functions that expressions in waypoint.hcl can call: HCL's standard set, the pure
// functions that people know from Terraform, and those that read files. Git, Jsonnet and template functions are
// elsewhere (gitfuncs, jsonnetfuncs, and package config itself), so that the entrypoint, which evaluates deferred
// values with this set, links none of them.
//
// Nothing is built before Table is called, and there is no global table.
package functions

import (
	"context"
	"crypto/rand"
	"io"
	"time"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	ctyyaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// Env is what functions depend on beside their arguments.
type Env struct {
	// Dir is where relative paths start.
	Dir string
	// Now and Rand feed timestamp() and uuid(). nil: the clock and crypto/rand.
	Now  func() time.Time
	Rand io.Reader
	// Meter bounds what the calls cost; nil: a new one.
	Meter *Meter
}

// Table makes the functions, by name.
func Table(env Env) map[string]function.Function {
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.Meter == nil {
		env.Meter = NewMeter(context.Background())
	}
	if env.Rand == nil {
		env.Rand = rand.Reader
	}
	table := map[string]function.Function{
		// numbers
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "log": stdlib.LogFunc,
		"max": stdlib.MaxFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc,
		"signum": stdlib.SignumFunc, "sum": sumFunc(),
		// strings
		"chomp": stdlib.ChompFunc, "format": bounded(stdlib.FormatFunc), "formatlist": bounded(stdlib.FormatListFunc),
		"indent": stdlib.IndentFunc, "join": stdlib.JoinFunc, "lower": stdlib.LowerFunc, "regex": stdlib.RegexFunc,
		"regexall": stdlib.RegexAllFunc, "regex_replace": stdlib.RegexReplaceFunc, "replace": stdlib.ReplaceFunc,
		"split": stdlib.SplitFunc, "strlen": stdlib.StrlenFunc, "strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc,
		"title": stdlib.TitleFunc, "trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc,
		"trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc, "upper": stdlib.UpperFunc,
		"startswith": stringTest("startswith"), "endswith": stringTest("endswith"), "strcontains": stringTest("strcontains"),
		// collections
		"chunklist": stdlib.ChunklistFunc, "coalesce": coalesceFunc(), "coalescelist": stdlib.CoalesceListFunc,
		"compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc,
		"distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc,
		"index": indexFunc(), "keys": stdlib.KeysFunc, "length": lengthFunc(), "lookup": lookupFunc(),
		"merge": stdlib.MergeFunc, "range": stdlib.RangeFunc, "reverse": stdlib.ReverseListFunc,
		"setintersection": stdlib.SetIntersectionFunc, "setproduct": stdlib.SetProductFunc,
		"setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc,
		"setsymmetricdifference": stdlib.SetSymmetricDifferenceFunc, "sethaselement": stdlib.SetHasElementFunc,
		"slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,
		"alltrue": truthFunc(true), "anytrue": truthFunc(false), "one": oneFunc(), "matchkeys": matchkeysFunc(),
		"transpose": transposeFunc(),
		// conversion
		"tostring": toStringFunc(), "tonumber": toNumberFunc(), "tobool": toBoolFunc(), "tolist": toListFunc(),
		"toset": toSetFunc(), "tomap": toMapFunc(), "try": tryfunc.TryFunc, "can": tryfunc.CanFunc,
		"sensitive": sensitiveFunc(), "nonsensitive": nonsensitiveFunc(),
		// encoding
		"csvdecode": stdlib.CSVDecodeFunc, "jsondecode": stdlib.JSONDecodeFunc, "jsonencode": stdlib.JSONEncodeFunc,
		"yamldecode": ctyyaml.YAMLDecodeFunc, "yamlencode": ctyyaml.YAMLEncodeFunc,
		// time and identity
		"formatdate": stdlib.FormatDateFunc, "timeadd": stdlib.TimeAddFunc, "timestamp": timestampFunc(env.Now),
		"timecmp": timecmpFunc(), "uuid": uuidFunc(env.Rand), "uuidv5": uuidv5Func(),
		// labels
		"selectormatch": selectorMatchFunc(), "selectorlookup": selectorLookupFunc(),
		// networks
		"cidrhost": cidrHostFunc(), "cidrnetmask": cidrNetmaskFunc(), "cidrsubnet": cidrSubnetFunc(),
	}
	addEncoding(table)
	addHashes(table)
	addFilesystem(table, env.Dir, env.Meter)
	for name, f := range table {
		table[name] = env.Meter.Guard(name, f)
	}
	return table
}
