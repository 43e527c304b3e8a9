package functions

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"  //nolint:gosec // offered to users, as in Terraform; nothing here depends on it
	"crypto/sha1" //nolint:gosec // as above
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/url"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"golang.org/x/crypto/bcrypt"
)

// maxInflated bounds what base64gunzip makes, so that a small text cannot fill the memory.
const maxInflated = 64 << 20

// stringFunc makes a function from one string to another.
func stringFunc(param string, f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{stringParam(param)},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(0, err)
			}
			return cty.StringVal(s), nil
		},
	})
}

func addEncoding(table map[string]function.Function) {
	table["base64encode"] = stringFunc("string", func(s string) (string, error) {
		return base64.StdEncoding.EncodeToString([]byte(s)), nil
	})
	table["base64decode"] = stringFunc("base64", func(s string) (string, error) {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return "", fmt.Errorf("this is not base64: %w", err)
		}
		if !utf8.Valid(b) {
			return "", errors.New("the decoded bytes are not UTF-8 text")
		}
		return string(b), nil
	})
	table["base64gzip"] = stringFunc("string", gzip64)
	table["base64gunzip"] = stringFunc("base64", gunzip64)
	table["urlencode"] = stringFunc("string", func(s string) (string, error) { return url.QueryEscape(s), nil })
	table["urldecode"] = stringFunc("string", url.QueryUnescape)
}

func gzip64(s string) (string, error) {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write([]byte(s)); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(buf.Bytes()), nil
}

func gunzip64(s string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "", fmt.Errorf("this is not base64: %w", err)
	}
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return "", fmt.Errorf("this is not gzip: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(r, maxInflated+1))
	if err != nil {
		return "", fmt.Errorf("this is not gzip: %w", err)
	}
	if len(out) > maxInflated {
		return "", fmt.Errorf("more than %d MB of text", maxInflated>>20)
	}
	if !utf8.Valid(out) {
		return "", errors.New("the decoded bytes are not UTF-8 text")
	}
	return string(out), nil
}

// hashes are the hash functions that have a text, a base64 and a file form.
func hashes() map[string]func() hash.Hash {
	return map[string]func() hash.Hash{"md5": md5.New, "sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}
}

func sum(newHash func() hash.Hash, b []byte) []byte {
	h := newHash()
	h.Write(b)
	return h.Sum(nil)
}

func addHashes(table map[string]function.Function) {
	for name, newHash := range hashes() {
		table[name] = stringFunc("string", func(s string) (string, error) {
			return hex.EncodeToString(sum(newHash, []byte(s))), nil
		})
		if name == "sha256" || name == "sha512" {
			table["base64"+name] = stringFunc("string", func(s string) (string, error) {
				return base64.StdEncoding.EncodeToString(sum(newHash, []byte(s))), nil
			})
		}
	}
	table["bcrypt"] = function.New(&function.Spec{
		Params:   []function.Parameter{stringParam("string")},
		VarParam: &function.Parameter{Name: "cost", Type: cty.Number},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			cost := bcrypt.DefaultCost
			if len(args) > 1 {
				c, _ := args[1].AsBigFloat().Int64()
				// More than 16 takes seconds, and 31 takes days.
				if c < int64(bcrypt.MinCost) || c > 16 {
					return cty.UnknownVal(cty.String), function.NewArgErrorf(1, "the cost must be between %d and 16", bcrypt.MinCost)
				}
				cost = int(c)
			}
			b, err := bcrypt.GenerateFromPassword([]byte(args[0].AsString()), cost)
			if err != nil {
				return cty.UnknownVal(cty.String), errors.New("the string cannot be hashed: it must be at most 72 bytes")
			}
			return cty.StringVal(string(b)), nil
		},
	})
}
