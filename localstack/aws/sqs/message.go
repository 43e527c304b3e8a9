package sqs

import (
	"crypto/md5" //nolint:gosec // SQS's checksums are MD5; they are no security
	"encoding/binary"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// attribute is a message attribute on the wire and in the store.
type attribute struct {
	DataType    string  `json:"DataType"`
	StringValue *string `json:"StringValue,omitempty"`
	BinaryValue []byte  `json:"BinaryValue,omitempty"`
}

const maxAttributes = 10

var attributeNames = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`) })

// checkMessage holds a message to SQS's rules and returns its size in bytes.
func checkMessage(body string, attrs, system map[string]attribute) (int, error) {
	if body == "" {
		return 0, missing("MessageBody")
	}
	if !allowedText(body) {
		return 0, contents("Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF.")
	}
	if len(attrs) > maxAttributes {
		return 0, invalidValue("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(attrs), maxAttributes)
	}
	size := len(body)
	for name, a := range attrs {
		if err := checkAttribute(name, a); err != nil {
			return 0, err
		}
		size += len(name) + len(a.DataType) + len(a.BinaryValue)
		if a.StringValue != nil {
			size += len(*a.StringValue)
		}
	}
	for name, a := range system {
		if name != "AWSTraceHeader" {
			return 0, invalidValue("Message system attribute name '%s' is invalid.", printable(name))
		}
		if a.DataType != "String" || a.StringValue == nil || *a.StringValue == "" {
			return 0, invalidValue("The message system attribute '%s' must be a non-empty String.", name)
		}
	}
	return size, nil
}

func checkAttribute(name string, a attribute) error {
	lower := strings.ToLower(name)
	if len(name) > 256 || !attributeNames().MatchString(name) || strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.") {
		return invalidValue("The message attribute name '%s' is invalid.", printable(name))
	}
	kind, _, _ := strings.Cut(a.DataType, ".")
	switch kind {
	case "String", "Number":
		if a.StringValue == nil || *a.StringValue == "" || a.BinaryValue != nil {
			return invalidValue("The message attribute '%s' with type '%s' must use field 'StringValue' and must not be empty.", name, kind)
		}
		if !allowedText(*a.StringValue) {
			return contents("Invalid characters found in a message attribute.")
		}
		if kind == "Number" && !decimal().MatchString(*a.StringValue) {
			return invalidValue("Can't cast the value of message (user) attribute '%s' to a number.", name)
		}
	case "Binary":
		if a.StringValue != nil || len(a.BinaryValue) == 0 {
			return invalidValue("The message attribute '%s' with type 'Binary' must use field 'BinaryValue' and must not be empty.", name)
		}
	default:
		return invalidValue("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	}
	if len(a.DataType) > 256 {
		return invalidValue("The type of the message attribute '%s' is too long.", name)
	}
	return nil
}

var decimal = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$`) })

// allowedText says whether s consists of the characters that SQS allows (XML's).
func allowedText(s string) bool {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || r == 0xFFFE || r == 0xFFFF {
			return false
		}
		i += n
	}
	return true
}

func bodyMD5(body string) string {
	sum := md5.Sum([]byte(body)) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}

// attributesMD5 is SQS's checksum over attributes in order of their names: each name, type
// and value with its length in front. It is empty without attributes.
func attributesMD5(attrs map[string]attribute) string {
	if len(attrs) == 0 {
		return ""
	}
	var b []byte
	field := func(s []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		a := attrs[name]
		field([]byte(name))
		field([]byte(a.DataType))
		if a.StringValue != nil {
			b = append(b, 1)
			field([]byte(*a.StringValue))
		} else {
			b = append(b, 2)
			field(a.BinaryValue)
		}
	}
	sum := md5.Sum(b) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}

// selectAttributes returns the attributes that a receive asked for: by name, "All", ".*"
// or "prefix.*".
func selectAttributes(attrs map[string]attribute, names []string) map[string]attribute {
	var out map[string]attribute
	for name, a := range attrs {
		if !wanted(name, names) {
			continue
		}
		if out == nil {
			out = make(map[string]attribute)
		}
		out[name] = a
	}
	return out
}

func wanted(name string, patterns []string) bool {
	for _, p := range patterns {
		prefix, all := strings.CutSuffix(p, ".*")
		if p == "All" || p == name || all && (prefix == "" || name == prefix || strings.HasPrefix(name, prefix+".")) {
			return true
		}
	}
	return false
}
