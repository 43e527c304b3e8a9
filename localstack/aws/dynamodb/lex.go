package dynamodb

import (
	"fmt"
	"strings"
)

// tokenKind tells the words of an expression apart.
type tokenKind uint8

const (
	tokEnd     tokenKind = iota
	tokWord              // a keyword, function or attribute name
	tokName              // #name
	tokValue             // :value
	tokInteger           // inside an index
	tokSymbol            // = <> < <= > >= + - ( ) [ ] , .
)

type token struct {
	kind tokenKind
	text string
	at   int
}

// lexer cuts an expression into tokens, one ahead of the parser.
type lexer struct {
	src string
	i   int
	tok token
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// isNamePart: what may follow the first letter of a name, or the mark of a
// placeholder.
func isNamePart(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' }

// next moves on to the next token.
func (l *lexer) next() error {
	tok, ok := l.scan()
	if !ok {
		return l.syntaxAt(tok.at, tok.text)
	}
	l.tok = tok
	return nil
}

// scan cuts the next token; false is one that no expression has.
func (l *lexer) scan() (token, bool) {
	for l.i < len(l.src) && strings.IndexByte(" \t\r\n", l.src[l.i]) >= 0 {
		l.i++
	}
	start := l.i
	if start == len(l.src) {
		return token{tokEnd, "<EOF>", start}, true
	}
	c := l.src[l.i]
	l.i++
	kind := tokSymbol
	switch {
	case c == '#' || c == ':':
		for l.i < len(l.src) && isNamePart(l.src[l.i]) {
			l.i++
		}
		if l.i == start+1 {
			return token{kind, l.src[start:l.i], start}, false
		}
		kind = tokName
		if c == ':' {
			kind = tokValue
		}
	case isLetter(c):
		for l.i < len(l.src) && isNamePart(l.src[l.i]) {
			l.i++
		}
		kind = tokWord
	case isDigit(c):
		for l.i < len(l.src) && isDigit(l.src[l.i]) {
			l.i++
		}
		kind = tokInteger
	case c == '<' || c == '>':
		if l.i < len(l.src) && (l.src[l.i] == '=' || c == '<' && l.src[l.i] == '>') {
			l.i++
		}
	case strings.IndexByte("=+-()[],.", c) < 0:
		return token{kind, l.src[start:l.i], start}, false
	}
	return token{kind, l.src[start:l.i], start}, true
}

func (l *lexer) is(symbol string) bool { return l.tok.kind == tokSymbol && l.tok.text == symbol }

// keyword compares as DynamoDB does: keywords in any case.
func (l *lexer) keyword(word string) bool {
	return l.tok.kind == tokWord && strings.EqualFold(l.tok.text, word)
}

func (l *lexer) syntax() error { return l.syntaxAt(l.tok.at, l.tok.text) }

func (l *lexer) syntaxAt(at int, text string) error {
	return fmt.Errorf("Syntax error; token: %q, near: %q", text, l.near(at)) //nolint:staticcheck // AWS's own wording
}

// near is the text from the token before the one at the given place to the one after it, as AWS shows it.
func (l *lexer) near(at int) string {
	scan := lexer{src: l.src}
	from := at
	for {
		tok, _ := scan.scan()
		if tok.at >= at || tok.kind == tokEnd {
			break
		}
		from = tok.at
	}
	scan.scan()
	return l.src[from:scan.i]
}
