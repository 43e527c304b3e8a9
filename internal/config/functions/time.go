package functions

import (
	"crypto/sha1" //nolint:gosec // what UUID version 5 is made of
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

func timestampFunc(now func() time.Time) function.Function {
	return function.New(&function.Spec{
		Type: function.StaticReturnType(cty.String),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) {
			return cty.StringVal(now().UTC().Format(time.RFC3339)), nil
		},
	})
}

func timecmpFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{stringParam("a"), stringParam("b")},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			var t [2]time.Time
			for i := range t {
				var err error
				if t[i], err = time.Parse(time.RFC3339, args[i].AsString()); err != nil {
					return cty.UnknownVal(cty.Number), function.NewArgErrorf(i, "an RFC 3339 time such as 2024-01-31T10:00:00Z is required")
				}
			}
			return cty.NumberIntVal(int64(t[0].Compare(t[1]))), nil
		},
	})
}

func formatUUID(b []byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

func uuidFunc(random io.Reader) function.Function {
	return function.New(&function.Spec{
		Type: function.StaticReturnType(cty.String),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) {
			b := make([]byte, 16)
			if _, err := io.ReadFull(random, b); err != nil {
				return cty.UnknownVal(cty.String), err
			}
			return cty.StringVal(formatUUID(b, 4)), nil
		},
	})
}

// uuidNamespaces are those of RFC 4122, appendix C, that have a name.
func uuidNamespaces() map[string]string {
	return map[string]string{
		"dns":  "6ba7b8109dad11d180b400c04fd430c8",
		"url":  "6ba7b8119dad11d180b400c04fd430c8",
		"oid":  "6ba7b8129dad11d180b400c04fd430c8",
		"x500": "6ba7b8149dad11d180b400c04fd430c8",
	}
}

func uuidv5Func() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{stringParam("namespace"), stringParam("name")},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			ns := args[0].AsString()
			text, named := uuidNamespaces()[ns]
			if !named {
				for _, r := range ns {
					if r != '-' {
						text += string(r)
					}
				}
			}
			space, err := hex.DecodeString(text)
			if err != nil || len(space) != 16 {
				return cty.UnknownVal(cty.String), function.NewArgErrorf(0, `a UUID, or "dns", "url", "oid" or "x500", is required`)
			}
			h := sha1.New() //nolint:gosec // see the import
			h.Write(space)
			h.Write([]byte(args[1].AsString()))
			return cty.StringVal(formatUUID(h.Sum(nil)[:16], 5)), nil
		},
	})
}
