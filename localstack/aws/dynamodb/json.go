package dynamodb

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// decoder reads JSON out of a string. Strings without escapes are slices of
// the input, so a request costs one allocation for all of its text.
type decoder struct {
	s       string
	i       int
	trusted bool // the input is an item that we wrote: canonical and valid
}

func (d *decoder) space() {
	for d.i < len(d.s) {
		switch d.s[d.i] {
		case ' ', '\t', '\n', '\r':
			d.i++
		default:
			return
		}
	}
}

func (d *decoder) bad() error {
	if d.i >= len(d.s) {
		return serialization("Unexpected end of the request")
	}
	return serialization("Unexpected character at offset " + strconv.Itoa(d.i))
}

func (d *decoder) expect(c byte) error {
	d.space()
	if d.i >= len(d.s) || d.s[d.i] != c {
		return d.bad()
	}
	d.i++
	return nil
}

// accept consumes c if it is next.
func (d *decoder) accept(c byte) bool {
	d.space()
	if d.i < len(d.s) && d.s[d.i] == c {
		d.i++
		return true
	}
	return false
}

func (d *decoder) literal(word string) bool {
	d.space()
	if strings.HasPrefix(d.s[d.i:], word) {
		d.i += len(word)
		return true
	}
	return false
}

func (d *decoder) null() bool { return d.literal("null") }

func (d *decoder) boolean() (bool, error) {
	switch {
	case d.literal("true"):
		return true, nil
	case d.literal("false"):
		return false, nil
	}
	return false, d.bad()
}

func (d *decoder) integer() (int, error) {
	d.space()
	start := d.i
	for d.i < len(d.s) && (d.s[d.i] == '-' || d.s[d.i] >= '0' && d.s[d.i] <= '9') {
		d.i++
	}
	n, err := strconv.Atoi(d.s[start:d.i])
	if err != nil {
		return 0, d.bad()
	}
	return n, nil
}

func (d *decoder) str() (string, error) {
	if err := d.expect('"'); err != nil {
		return "", err
	}
	start := d.i
	for d.i < len(d.s) {
		switch c := d.s[d.i]; {
		case c == '"':
			out := d.s[start:d.i]
			d.i++
			if !d.trusted && !utf8.ValidString(out) {
				return "", serialization("A string is not valid UTF-8")
			}
			return out, nil
		case c == '\\':
			return d.escaped(start)
		case c < 0x20:
			return "", d.bad()
		}
		d.i++
	}
	return "", d.bad()
}

// escaped reads the rest of a string that has escapes in it.
func (d *decoder) escaped(start int) (string, error) {
	var b strings.Builder
	b.WriteString(d.s[start:d.i])
	for d.i < len(d.s) {
		c := d.s[d.i]
		d.i++
		switch {
		case c == '"':
			if out := b.String(); d.trusted || utf8.ValidString(out) {
				return out, nil
			}
			return "", serialization("A string is not valid UTF-8")
		case c < 0x20:
			return "", d.bad()
		case c != '\\':
			b.WriteByte(c)
			continue
		}
		if d.i >= len(d.s) {
			break
		}
		c = d.s[d.i]
		d.i++
		switch c {
		case '"', '\\', '/':
			b.WriteByte(c)
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			r, err := d.hex4()
			if err != nil {
				return "", err
			}
			if utf16.IsSurrogate(r) {
				r = d.pair(r)
			}
			b.WriteRune(r)
		default:
			return "", d.bad()
		}
	}
	return "", d.bad()
}

func (d *decoder) hex4() (rune, error) {
	if d.i+4 > len(d.s) {
		return 0, d.bad()
	}
	n, err := strconv.ParseUint(d.s[d.i:d.i+4], 16, 32)
	if err != nil {
		return 0, d.bad()
	}
	d.i += 4
	return rune(n), nil
}

// pair joins a surrogate with the one that follows; a lone one is replaced.
func (d *decoder) pair(first rune) rune {
	if strings.HasPrefix(d.s[d.i:], `\u`) {
		mark := d.i
		d.i += 2
		if second, err := d.hex4(); err == nil {
			if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
				return r
			}
		}
		d.i = mark
	}
	return utf8.RuneError
}

// object calls member for each key; member must consume the value. A null in
// place of an object counts as absent.
func (d *decoder) object(member func(key string) error) error {
	if d.null() {
		return nil
	}
	if err := d.expect('{'); err != nil {
		return err
	}
	if d.accept('}') {
		return nil
	}
	for {
		key, err := d.str()
		if err != nil {
			return err
		}
		if err := d.expect(':'); err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
		if d.accept(',') {
			continue
		}
		return d.expect('}')
	}
}

func (d *decoder) array(element func() error) error {
	if d.null() {
		return nil
	}
	if err := d.expect('['); err != nil {
		return err
	}
	if d.accept(']') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if d.accept(',') {
			continue
		}
		return d.expect(']')
	}
}

func (d *decoder) end() error {
	d.space()
	if d.i != len(d.s) {
		return d.bad()
	}
	return nil
}

// item reads a map of attribute values.
func (d *decoder) item() (item, error) { return d.itemAt(0) }

func (d *decoder) itemAt(depth int) (item, error) {
	it := make(item, 0, 8)
	err := d.object(func(name string) error {
		v, err := d.valueAt(depth)
		if err != nil {
			return err
		}
		it = append(it, attr{name, v})
		return nil
	})
	if err != nil || d.trusted {
		return it, err
	}
	if name, ok := it.sort(); !ok {
		return nil, serialization("Duplicate attribute name " + strconv.Quote(name))
	}
	return it, nil
}

func (d *decoder) valueAt(depth int) (value, error) {
	var v value
	if depth > maxNestingLevels {
		return v, validation("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit")
	}
	err := d.object(func(key string) error {
		if v.kind != kindNone {
			return validation("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
		}
		return d.typed(&v, key, depth)
	})
	if err == nil && v.kind == kindNone {
		err = validation("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	}
	return v, err
}

func (d *decoder) typed(v *value, key string, depth int) (err error) {
	switch key {
	case "S":
		v.kind = kindS
		v.s, err = d.str()
	case "N":
		v.kind = kindN
		v.s, err = d.number()
	case "B":
		v.kind = kindB
		v.s, err = d.binary()
	case "BOOL":
		v.kind = kindBool
		v.truth, err = d.boolean()
	case "NULL":
		v.kind = kindNull
		var truth bool
		if truth, err = d.boolean(); err == nil && !truth {
			err = invalidParameter("Null attribute value types must have the value of true")
		}
	case "M":
		v.kind = kindM
		v.m, err = d.itemAt(depth + 1)
	case "L":
		v.kind = kindL
		v.list = []value{}
		err = d.array(func() error {
			e, err := d.valueAt(depth + 1)
			v.list = append(v.list, e)
			return err
		})
	case "SS":
		return d.set(v, kindSS, d.str)
	case "NS":
		return d.set(v, kindNS, d.number)
	case "BS":
		return d.set(v, kindBS, d.binary)
	default:
		return serialization("Unknown attribute value type " + strconv.Quote(key))
	}
	return err
}

func (d *decoder) number() (string, error) {
	s, err := d.str()
	if err != nil || d.trusted {
		return s, err
	}
	return normalise(s)
}

func (d *decoder) binary() (string, error) {
	s, err := d.str()
	if err != nil {
		return "", err
	}
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(s)))
	n, err := base64.StdEncoding.Decode(raw, []byte(s))
	if err != nil {
		return "", serialization("A binary value is not base64")
	}
	return string(raw[:n]), nil
}

func (d *decoder) set(v *value, k kind, element func() (string, error)) error {
	v.kind = k
	err := d.array(func() error {
		s, err := element()
		v.list = append(v.list, value{kind: k.element(), s: s})
		return err
	})
	if err != nil || d.trusted {
		return err
	}
	if len(v.list) == 0 {
		name := map[kind]string{kindSS: "string", kindNS: "number", kindBS: "binary"}[k]
		return invalidParameter("An " + name + " set  may not be empty")
	}
	if dup := sortSet(v.list); dup != nil {
		if k == kindNS {
			return validation("Input collection contains duplicates")
		}
		return invalidParameter("Input collection [" + joined(v.list) + "] contains duplicates.")
	}
	return nil
}

// joined shows a set's elements. Binary ones are shown as on the wire.
func joined(list []value) string {
	texts := make([]string, len(list))
	for i := range list {
		if texts[i] = list[i].s; list[i].kind == kindB {
			texts[i] = base64.StdEncoding.EncodeToString([]byte(list[i].s))
		}
	}
	return strings.Join(texts, ", ")
}

// decodeItem reads an item that this engine wrote.
func decodeItem(stored string) (item, error) {
	d := decoder{s: stored, trusted: true}
	return d.item()
}

func appendItem(b []byte, it item) []byte {
	b = append(b, '{')
	for i := range it {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, it[i].name)
		b = append(b, ':')
		b = appendValue(b, &it[i].value)
	}
	return append(b, '}')
}

func appendValue(b []byte, v *value) []byte {
	b = append(b, '{', '"')
	b = append(b, v.kind.String()...)
	b = append(b, '"', ':')
	switch v.kind {
	case kindS, kindN, kindB:
		b = appendScalar(b, v)
	case kindBool:
		b = strconv.AppendBool(b, v.truth)
	case kindNull:
		b = append(b, "true"...)
	case kindM:
		b = appendItem(b, v.m)
	default:
		b = append(b, '[')
		for i := range v.list {
			if i > 0 {
				b = append(b, ',')
			}
			if v.kind == kindL {
				b = appendValue(b, &v.list[i])
			} else {
				b = appendScalar(b, &v.list[i])
			}
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func appendScalar(b []byte, v *value) []byte {
	if v.kind != kindB {
		return appendString(b, v.s)
	}
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, []byte(v.s))
	return append(b, '"')
}

const hexDigits = "0123456789abcdef"

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}
