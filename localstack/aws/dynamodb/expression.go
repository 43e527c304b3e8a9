package dynamodb

import (
	"fmt"
	"strings"
)

// Limits of expressions (AWS, "Service, account, and table quotas").
const (
	maxExpression = 4096
	maxOperators  = 300
	maxPathDepth  = 32
)

// step is one element of a document path: a name, or an index when name is
// empty (attribute names in expressions never are).
type step struct {
	name  string
	index int
}

// path leads to an attribute or into a document.
type path []step

func (p path) String() string {
	var b strings.Builder
	b.WriteByte('[')
	for i, s := range p {
		if i > 0 {
			b.WriteString(", ")
		}
		if s.name == "" {
			fmt.Fprintf(&b, "[%d]", s.index)
		} else {
			b.WriteString(s.name)
		}
	}
	return b.String() + "]"
}

func (p path) equal(q path) bool {
	if len(p) != len(q) {
		return false
	}
	for i := range p {
		if p[i] != q[i] {
			return false
		}
	}
	return true
}

// lookup follows the path; nil if there is nothing.
func (p path) lookup(it item) *value {
	v := it.get(p[0].name)
	for _, s := range p[1:] {
		switch {
		case v == nil:
			return nil
		case s.name != "" && v.kind == kindM:
			v = v.m.get(s.name)
		case s.name == "" && v.kind == kindL && s.index < len(v.list):
			v = &v.list[s.index]
		default:
			return nil
		}
	}
	return v
}

// placeholders are a request's ExpressionAttributeNames and -Values, and which
// of them its expressions have used.
type placeholders struct {
	names      []nameSub
	values     item
	usedNames  []bool
	usedValues []bool
}

type nameSub struct{ placeholder, name string }

func newPlaceholders(r *request) (*placeholders, error) {
	p := &placeholders{names: r.names, values: r.values}
	hasExpression := r.has&(memberCondition|memberUpdate|memberProjection|memberFilter|memberKeyCondition) != 0
	hasCondition := r.has&(memberCondition|memberUpdate|memberFilter|memberKeyCondition) != 0
	if r.has&memberNames != 0 {
		if !hasExpression {
			return nil, validation("ExpressionAttributeNames can only be specified when using expressions")
		}
		if len(r.names) == 0 {
			return nil, validation("ExpressionAttributeNames must not be empty")
		}
		for _, n := range r.names {
			if !isPlaceholder(n.placeholder, '#') {
				return nil, validation(fmt.Sprintf("ExpressionAttributeNames contains invalid key: Syntax error; key: %q", n.placeholder))
			}
			if n.name == "" || len(n.name) > 65535 {
				return nil, validation(fmt.Sprintf("ExpressionAttributeNames contains invalid value for key %s", n.placeholder))
			}
		}
		p.usedNames = make([]bool, len(r.names))
	}
	if r.has&memberValues != 0 {
		if !hasCondition {
			return nil, validation("ExpressionAttributeValues can only be specified when using expressions: no expression that takes values is given")
		}
		if len(r.values) == 0 {
			return nil, validation("ExpressionAttributeValues must not be empty")
		}
		for i := range r.values {
			if !isPlaceholder(r.values[i].name, ':') {
				return nil, validation(fmt.Sprintf("ExpressionAttributeValues contains invalid key: Syntax error; key: %q", r.values[i].name))
			}
		}
		p.usedValues = make([]bool, len(r.values))
	}
	return p, nil
}

func isPlaceholder(s string, mark byte) bool {
	if len(s) < 2 || s[0] != mark {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !isNamePart(s[i]) {
			return false
		}
	}
	return true
}

func (p *placeholders) name(placeholder string) (string, error) {
	for i := range p.names {
		if p.names[i].placeholder == placeholder {
			p.usedNames[i] = true
			return p.names[i].name, nil
		}
	}
	return "", fmt.Errorf("An expression attribute name used in the document path is not defined; attribute name: %s", placeholder) //nolint:staticcheck // AWS's own wording
}

func (p *placeholders) value(placeholder string) (*value, error) {
	if i, ok := p.values.find(placeholder); ok {
		p.usedValues[i] = true
		return &p.values[i].value, nil
	}
	return nil, fmt.Errorf("An expression attribute value used in expression is not defined; attribute value: %s", placeholder) //nolint:staticcheck // AWS's own wording
}

// allUsed refuses placeholders that no expression mentions.
func (p *placeholders) allUsed() error {
	for i, used := range p.usedNames {
		if !used {
			return validation("Value provided in ExpressionAttributeNames unused in expressions: keys: {" + p.names[i].placeholder + "}")
		}
	}
	for i, used := range p.usedValues {
		if !used {
			return validation("Value provided in ExpressionAttributeValues unused in expressions: keys: {" + p.values[i].name + "}")
		}
	}
	return nil
}

// parser is what all four kinds of expression have in common.
type parser struct {
	lexer
	subs      *placeholders
	operators int
	depth     int
}

// parse runs one kind of expression over src. member names it in errors.
func parse(member, src string, subs *placeholders, run func(*parser) error) error {
	if src == "" {
		return validation("Invalid " + member + ": The expression can not be empty;")
	}
	if strings.TrimSpace(src) == "" {
		return validation(fmt.Sprintf("Invalid %s: Syntax error; token: \"<EOF>\", near: %q", member, src))
	}
	if len(src) > maxExpression {
		return validation("Invalid " + member + ": Expression size has exceeded the maximum allowed size; expression size: " + fmt.Sprint(len(src)))
	}
	p := &parser{lexer: lexer{src: src}, subs: subs}
	err := p.next()
	if err == nil {
		err = run(p)
	}
	if err == nil && p.tok.kind != tokEnd {
		err = p.syntax()
	}
	if err == nil {
		return nil
	}
	if e, ok := err.(*apiError); ok { //nolint:errorlint // never wrapped here
		return e
	}
	return validation("Invalid " + member + ": " + err.Error())
}

func (p *parser) expect(symbol string) error {
	if !p.is(symbol) {
		return p.syntax()
	}
	return p.next()
}

// operator counts towards the limit that keeps evaluation cheap.
func (p *parser) operator() error {
	p.operators++
	if p.operators > maxOperators {
		return fmt.Errorf("The expression contains too many operators; operator count: %d", p.operators) //nolint:staticcheck // AWS's own wording
	}
	return nil
}

func (p *parser) path() (path, error) {
	var out path
	for {
		var name string
		switch p.tok.kind {
		case tokName:
			n, err := p.subs.name(p.tok.text)
			if err != nil {
				return nil, err
			}
			name = n
		case tokWord:
			name = p.tok.text
			if isReserved(name) {
				return nil, fmt.Errorf("Attribute name is a reserved keyword; reserved keyword: %s", name) //nolint:staticcheck // AWS's own wording
			}
		default:
			return nil, p.syntax()
		}
		out = append(out, step{name: name})
		if err := p.next(); err != nil {
			return nil, err
		}
		for p.is("[") {
			s, err := p.index()
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
		if len(out) > maxPathDepth {
			return nil, fmt.Errorf("The document path has too many nesting elements; nesting level: %d", len(out)) //nolint:staticcheck // AWS's own wording
		}
		if !p.is(".") {
			return out, nil
		}
		if err := p.next(); err != nil {
			return nil, err
		}
	}
}

func (p *parser) index() (step, error) {
	if err := p.next(); err != nil {
		return step{}, err
	}
	if p.tok.kind != tokInteger || len(p.tok.text) > 1 && p.tok.text[0] == '0' {
		return step{}, p.syntax()
	}
	n := 0
	for i := 0; i < len(p.tok.text); i++ {
		if n = n*10 + int(p.tok.text[i]-'0'); n > 1<<30 {
			return step{}, fmt.Errorf("List index is not within the allowable range; index: [%s]", p.tok.text) //nolint:staticcheck // AWS's own wording
		}
	}
	if err := p.next(); err != nil {
		return step{}, err
	}
	return step{index: n}, p.expect("]")
}
