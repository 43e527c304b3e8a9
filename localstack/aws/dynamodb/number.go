package dynamodb

import (
	"strconv"
	"strings"

	exact "github.com/shopspring/decimal"
)

// Limits of the number type: 38 significant digits, magnitudes from 1E-130 to
// 9.9…E+125 (AWS, "Supported data types and naming rules").
const (
	maxDigits = 38
	minExp    = -130
	maxExp    = 125
)

// decimal is a number taken apart: ±0.d1d2d3… scaled so that the first digit
// stands for 10^exp. digits has no zeros at its ends and is empty for zero.
type decimal struct {
	neg    bool
	digits string
	exp    int
}

// normalise returns the canonical text of a number: plain notation, no
// superfluous zeros or signs. Equal numbers have equal text.
func normalise(s string) (string, error) {
	if isPlainInteger(s) {
		return s, nil
	}
	d, err := parseDecimal(s)
	if err != nil {
		return "", err
	}
	return d.text(), nil
}

// isPlainInteger recognises what is canonical already, without an allocation:
// nearly every number in practice.
func isPlainInteger(s string) bool {
	if s == "0" {
		return true
	}
	digits := s
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > maxDigits || digits[0] == '0' {
		return false
	}
	for i := 0; i < len(digits); i++ {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}

func notNumeric(s string) error {
	if s == "" {
		return validation("The parameter cannot be converted to a numeric value")
	}
	return validation("The parameter cannot be converted to a numeric value: " + s)
}

func parseDecimal(s string) (decimal, error) {
	var d decimal
	rest := s
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		d.neg = rest[0] == '-'
		rest = rest[1:]
	}
	scale := 0
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		n, err := strconv.Atoi(rest[i+1:])
		if err != nil || n > 100000 || n < -100000 {
			return d, notNumeric(s)
		}
		scale, rest = n, rest[:i]
	}
	whole, fraction, _ := strings.Cut(rest, ".")
	if whole == "" && fraction == "" {
		return d, notNumeric(s)
	}
	digits := whole + fraction
	for i := 0; i < len(digits); i++ {
		if digits[i] < '0' || digits[i] > '9' {
			return d, notNumeric(s)
		}
	}
	point := len(whole)
	trimmed := strings.TrimLeft(digits, "0")
	point -= len(digits) - len(trimmed)
	d.digits = strings.TrimRight(trimmed, "0")
	if d.digits == "" {
		return decimal{}, nil
	}
	d.exp = point - 1 + scale
	return d, d.check()
}

func (d decimal) check() error {
	switch {
	case d.digits == "":
		return nil
	case d.exp > maxExp:
		return validation("Number overflow. Attempting to store a number with magnitude larger than supported range")
	case d.exp < minExp:
		return validation("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	case len(d.digits) > maxDigits:
		return validation("Attempting to store more than 38 significant digits in a Number")
	}
	return nil
}

func (d decimal) text() string {
	if d.digits == "" {
		return "0"
	}
	var b strings.Builder
	if d.neg {
		b.WriteByte('-')
	}
	switch n := len(d.digits); {
	case d.exp < 0:
		b.WriteString("0.")
		b.WriteString(strings.Repeat("0", -d.exp-1))
		b.WriteString(d.digits)
	case d.exp >= n-1:
		b.WriteString(d.digits)
		b.WriteString(strings.Repeat("0", d.exp-n+1))
	default:
		b.WriteString(d.digits[:d.exp+1])
		b.WriteByte('.')
		b.WriteString(d.digits[d.exp+1:])
	}
	return b.String()
}

// mustParse takes apart a number that is canonical already.
func mustParse(s string) decimal {
	d, _ := parseDecimal(s)
	return d
}

// compareNumbers orders two canonical numbers.
func compareNumbers(a, b string) int {
	if a == b {
		return 0
	}
	if strings.IndexByte(a, '.') < 0 && strings.IndexByte(b, '.') < 0 {
		return compareIntegers(a, b)
	}
	x, y := mustParse(a), mustParse(b)
	if x.sign() != y.sign() {
		return x.sign() - y.sign()
	}
	c := 0
	switch {
	case x.exp != y.exp:
		c = x.exp - y.exp
	default:
		c = strings.Compare(x.digits, y.digits) // no trailing zeros: text order is value order
	}
	if x.neg {
		return -c
	}
	return c
}

func compareIntegers(a, b string) int {
	an, bn := a[0] == '-', b[0] == '-'
	switch {
	case an && !bn:
		return -1
	case !an && bn:
		return 1
	case an:
		a, b = b, a
	}
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

func (d decimal) sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.neg:
		return -1
	default:
		return 1
	}
}

// addNumbers returns a+b, or a-b, in canonical form. The result must be exact:
// DynamoDB refuses a sum that needs more than 38 digits.
func addNumbers(a, b string, subtract bool) (string, error) {
	const small = 18 // digits that cannot overflow an int64 sum
	if len(a) <= small && len(b) <= small {
		x, errX := strconv.ParseInt(a, 10, 64)
		y, errY := strconv.ParseInt(b, 10, 64)
		if errX == nil && errY == nil {
			if subtract {
				y = -y
			}
			return strconv.FormatInt(x+y, 10), nil
		}
	}
	x, err := exact.NewFromString(a)
	if err != nil {
		return "", notNumeric(a)
	}
	y, err := exact.NewFromString(b)
	if err != nil {
		return "", notNumeric(b)
	}
	if subtract {
		y = y.Neg()
	}
	return normalise(x.Add(y).String())
}

func numberSize(s string) int {
	n, neg := 0, false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '-':
			neg = true
		case '.':
		default:
			n++
		}
	}
	if strings.IndexByte(s, '.') < 0 || n > maxDigits {
		n = max(len(mustParse(s).digits), 1)
	}
	size := (n+1)/2 + 1
	if neg {
		size++
	}
	return size
}
