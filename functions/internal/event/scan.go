package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// scanner reads JSON once, front to back, and copies only what is asked for: this is on the path of every
// request, and encoding/json reads an event twice and copies its body once more.
//
// It accepts every JSON text that encoding/json accepts; of broken ones it refuses those whose structure it
// cannot follow, which is all that is needed of text that Lambda has already parsed.
type scanner struct {
	b []byte
	i int
}

var errSyntax = errors.New("the event is not valid JSON")

func (s *scanner) fail(what string) error {
	return fmt.Errorf("%w: %s at byte %d", errSyntax, what, s.i)
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// next skips space and returns the byte that the next value begins with; 0 at the end.
func (s *scanner) next() byte {
	s.space()
	if s.i == len(s.b) {
		return 0
	}
	return s.b[s.i]
}

func (s *scanner) expect(c byte) error {
	if s.next() != c {
		return s.fail("expected " + string(rune(c)))
	}
	s.i++
	return nil
}

// raw reads a string and returns what stands between its quotes, and whether that has escapes.
func (s *scanner) raw() (text []byte, escaped bool, err error) {
	if err := s.expect('"'); err != nil {
		return nil, false, err
	}
	start := s.i
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			text = s.b[start:s.i]
			s.i++
			return text, escaped, nil
		case c == '\\':
			escaped = true
			s.i += 2
		case c < ' ':
			return nil, false, s.fail("control character in a string")
		default:
			s.i++
		}
	}
	s.i = len(s.b)
	return nil, false, s.fail("unfinished string")
}

// str reads a string, or null as "".
func (s *scanner) str() (string, error) {
	if s.next() == 'n' {
		return "", s.skip()
	}
	start := s.i
	text, escaped, err := s.raw()
	if err != nil {
		return "", err
	}
	if !escaped && utf8.Valid(text) {
		return string(text), nil
	}
	var out string
	if err := json.Unmarshal(s.b[start:s.i], &out); err != nil {
		return "", fmt.Errorf("%w: %w", errSyntax, err)
	}
	return out, nil
}

// object calls member for each member; member reads the value. null is an object without members.
func (s *scanner) object(member func(key string) error) error {
	if s.next() == 'n' {
		return s.skip()
	}
	if err := s.expect('{'); err != nil {
		return err
	}
	if s.next() == '}' {
		s.i++
		return nil
	}
	for {
		key, err := s.str()
		if err != nil {
			return err
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
		if s.next() == ',' {
			s.i++
			continue
		}
		return s.expect('}')
	}
}

// array calls element before each element; element reads it. null is an array without elements.
func (s *scanner) array(element func() error) error {
	if s.next() == 'n' {
		return s.skip()
	}
	if err := s.expect('['); err != nil {
		return err
	}
	if s.next() == ']' {
		s.i++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if s.next() == ',' {
			s.i++
			continue
		}
		return s.expect(']')
	}
}

// skip passes over one value of any kind.
func (s *scanner) skip() error {
	depth := 0
	for {
		switch c := s.next(); c {
		case 0:
			return s.fail("unexpected end")
		case '"':
			if _, _, err := s.raw(); err != nil {
				return err
			}
		case '{', '[':
			depth++
			s.i++
		case '}', ']':
			if depth == 0 {
				return s.fail("unexpected end of an object or array")
			}
			depth--
			s.i++
		case ',', ':':
			if depth == 0 {
				return s.fail("a value is missing")
			}
			s.i++
			continue
		default:
			s.literal()
		}
		if depth == 0 {
			return nil
		}
	}
}

// literal passes over a number, true, false or null.
func (s *scanner) literal() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r', ',', ':', '}', ']', '{', '[', '"':
			return
		}
		s.i++
	}
}
