package functions

import (
	"math"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// growths say, for functions that can make much of little, what a call would cost at most: steps of work and bytes. All
// other functions make no more than a few times what they are given.
var growths = map[string]func(args []cty.Value) (steps, bytes int64){
	"join": func(args []cty.Value) (int64, int64) {
		n, bytes := int64(0), int64(0)
		for _, list := range args[1:] {
			steps, size := sizeOf(list)
			n, bytes = n+steps, bytes+size
		}
		return n, mul(n, textLen(args[0])) + bytes
	},
	"indent": func(args []cty.Value) (int64, int64) {
		spaces, _ := args[0].AsBigFloat().Int64()
		text := textOf(args[1])
		return 0, mul(int64(strings.Count(text, "\n")+1), max(spaces, 0)) + int64(len(text))
	},
	"replace":       replaced,
	"regex_replace": replaced,
	"regexall": func(args []cty.Value) (int64, int64) {
		re, err := regexp.Compile(textOf(args[0]))
		if err != nil {
			return 0, 0 // the function says so
		}
		const most = maxBytes / elementBytes
		n := len(re.FindAllStringIndex(textOf(args[1]), most))
		return int64(n), mul(int64(n), elementBytes*int64(re.NumSubexp()+1)) + textLen(args[1])
	},
	"format":     formatted,
	"formatlist": formatted,
	"setproduct": func(args []cty.Value) (int64, int64) {
		n := int64(1)
		for _, set := range args {
			n = mul(n, lengthOf(set))
		}
		return n, mul(n, elementBytes*int64(len(args)))
	},
	"distinct":  squared,
	"matchkeys": squared,
	"jsonencode": func(args []cty.Value) (int64, int64) { // a character is written with at most six
		steps, bytes := sizeOf(args[0])
		return steps, mul(bytes, 6)
	},
	"yamlencode": func(args []cty.Value) (int64, int64) {
		steps, bytes := sizeOf(args[0])
		return steps, mul(bytes, 6)
	},
	"jsondecode": decoded,
	"csvdecode":  decoded,
	"yamldecode": func(args []cty.Value) (int64, int64) {
		steps, bytes := decoded(args)
		return steps + mul(yamlSize(textOf(args[0])), 10), bytes
	},
	"split": func(args []cty.Value) (int64, int64) {
		n := int64(strings.Count(textOf(args[1]), textOf(args[0])) + 1)
		return n, mul(n, elementBytes)
	},
	// The numbers that are supported are shorter by far; to read a longer one takes its square.
	"parseint": func(args []cty.Value) (int64, int64) {
		n := textLen(args[0])
		return mul(n/64, n/64), n
	},
}

// decoded: one character can be an element.
func decoded(args []cty.Value) (int64, int64) {
	n := textLen(args[0])
	return n / 16, mul(n/4, elementBytes)
}

// squared: each element is compared with each.
func squared(args []cty.Value) (int64, int64) {
	n := int64(0)
	for _, a := range args {
		n += lengthOf(a)
	}
	return mul(n, n) / 8, 0
}

// replaced: what is found is replaced by a text that may repeat what was found.
func replaced(args []cty.Value) (int64, int64) {
	text, old, with := textOf(args[0]), textOf(args[1]), textOf(args[2])
	n := int64(len(text)) + 1
	if !strings.HasPrefix(old, "/") && !strings.ContainsAny(old, `\.+*?()|[]{}^$`) {
		n = int64(strings.Count(text, old))
	}
	return n, int64(len(text)) + mul(n, int64(len(with))) + mul(int64(strings.Count(with, "$")), int64(len(text)))
}

// formatted: each verb can repeat an argument, for each element of the longest list.
func formatted(args []cty.Value) (int64, int64) {
	rows, largest := int64(1), int64(0)
	for _, a := range args[1:] {
		_, bytes := sizeOf(a)
		largest = max(largest, bytes)
		if t := a.Type(); t.IsListType() || t.IsSetType() || t.IsTupleType() {
			rows = max(rows, lengthOf(a))
		}
	}
	format := textOf(args[0])
	row := int64(len(format)) + mul(int64(strings.Count(format, "%")), largest+maxFormatWidth)
	return rows, mul(rows, row)
}

func textOf(v cty.Value) string {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

func textLen(v cty.Value) int64 { return int64(len(textOf(v))) }

func lengthOf(v cty.Value) int64 {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() || !v.CanIterateElements() {
		return 0
	}
	return int64(v.LengthInt())
}

func sizeOf(v cty.Value) (steps, bytes int64) {
	_ = measure(v, maxSteps, &steps, &bytes) // the meter has refused what is out of range
	return steps, bytes
}

// mul multiplies sizes; what does not fit is more than anybody can afford.
func mul(a, b int64) int64 {
	if a > 0 && b > math.MaxInt64/4/a {
		return math.MaxInt64 / 4
	}
	return a * b
}
