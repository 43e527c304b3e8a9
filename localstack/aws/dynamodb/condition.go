package dynamodb

import (
	"fmt"
	"strconv"
	"strings"
)

// operand is a path, a literal or a function of operands.
type operand struct {
	path path
	lit  *value
	fn   string // "size", and in updates "if_not_exists" and "list_append"
	args []operand
}

// same reports whether two operands name one thing; DynamoDB refuses to
// compare a thing with itself.
func (o *operand) same(q *operand) bool {
	switch {
	case o.path != nil:
		return q.path != nil && o.path.equal(q.path)
	case o.fn == q.fn && len(o.args) == len(q.args) && o.fn != "":
		for i := range o.args {
			if !o.args[i].same(&q.args[i]) {
				return false
			}
		}
		return true
	}
	return false
}

// eval returns the operand's value in it, nil if there is none.
func (o *operand) eval(it item) *value {
	switch {
	case o.path != nil:
		return o.path.lookup(it)
	case o.lit != nil:
		return o.lit
	}
	v := o.args[0].eval(it) // size
	if v == nil {
		return nil
	}
	n := 0
	switch v.kind {
	case kindS, kindB:
		n = len(v.s)
	case kindSS, kindNS, kindBS, kindL:
		n = len(v.list)
	case kindM:
		n = len(v.m)
	default:
		return nil
	}
	return &value{kind: kindN, s: strconv.Itoa(n)}
}

// condition is a node of a condition, filter or key condition.
type condition struct {
	op          string // AND OR NOT, comparators, BETWEEN, IN, functions
	left, right *condition
	args        []operand
	paren       bool
}

func parseCondition(member, src string, subs *placeholders) (c *condition, err error) {
	err = parse(member, src, subs, func(p *parser) error {
		c, err = p.or()
		return err
	})
	return c, err
}

func (p *parser) or() (*condition, error) {
	left, err := p.and()
	for err == nil && p.keyword("OR") {
		left, err = p.binary("OR", left, p.and)
	}
	return left, err
}

func (p *parser) and() (*condition, error) {
	left, err := p.not()
	for err == nil && p.keyword("AND") {
		left, err = p.binary("AND", left, p.not)
	}
	return left, err
}

func (p *parser) binary(op string, left *condition, parse func() (*condition, error)) (*condition, error) {
	if err := p.operator(); err != nil {
		return nil, err
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	right, err := parse()
	return &condition{op: op, left: left, right: right}, err
}

// nested bounds recursion: NOT and parentheses inside one another.
func (p *parser) nested() error {
	p.depth++
	if p.depth > maxOperators {
		return fmt.Errorf("The expression has too many nesting levels")
	}
	return nil
}

func (p *parser) not() (*condition, error) {
	if !p.keyword("NOT") {
		return p.primary()
	}
	if err := p.operator(); err != nil {
		return nil, err
	}
	if err := p.nested(); err != nil {
		return nil, err
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	inner, err := p.not()
	return &condition{op: "NOT", left: inner}, err
}

func (p *parser) primary() (*condition, error) {
	if !p.is("(") {
		return p.comparison()
	}
	start, operators := p.lexer, p.operators
	c, err := p.group()
	if err == nil {
		return c, nil
	}
	// Not a condition in parentheses; perhaps an operand: (a) = :v. Every try
	// counts as a nesting level, which bounds their number.
	p.lexer, p.operators = start, operators
	if c, again := p.comparison(); again == nil {
		return c, nil
	}
	return nil, err
}

func (p *parser) group() (*condition, error) {
	if err := p.nested(); err != nil {
		return nil, err
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	c, err := p.or()
	if err != nil {
		return nil, err
	}
	if c.paren {
		return nil, fmt.Errorf("The expression has redundant parentheses;")
	}
	c.paren = true
	return c, p.expect(")")
}

// conditionFunctions are the functions that are conditions themselves, and how
// many operands each takes.
func conditionFunction(name string) (arity int, ok bool) {
	switch name {
	case "attribute_exists", "attribute_not_exists":
		return 1, true
	case "attribute_type", "begins_with", "contains":
		return 2, true
	}
	return 0, false
}

// call reports whether the current word is followed by an opening parenthesis.
func (p *parser) call() bool {
	if p.tok.kind != tokWord {
		return false
	}
	rest := strings.TrimLeft(p.src[p.i:], " \t\r\n")
	return rest != "" && rest[0] == '('
}

func (p *parser) comparison() (*condition, error) {
	if p.call() {
		if arity, ok := conditionFunction(p.tok.text); ok {
			return p.function(p.tok.text, arity)
		}
		switch p.tok.text {
		case "size":
		case "if_not_exists", "list_append":
			return nil, fmt.Errorf("The function is not allowed in a condition expression; function: %s", p.tok.text)
		default:
			return nil, fmt.Errorf("Invalid function name; function: %s", p.tok.text)
		}
	}
	first, err := p.operand()
	if err != nil {
		return nil, err
	}
	switch {
	case p.keyword("BETWEEN"):
		return p.between(first)
	case p.keyword("IN"):
		return p.in(first)
	case p.tok.kind == tokSymbol && strings.Contains(" = <> < <= > >= ", " "+p.tok.text+" "):
		op := p.tok.text
		if err := p.operator(); err != nil {
			return nil, err
		}
		if err := p.next(); err != nil {
			return nil, err
		}
		second, err := p.operand()
		if err != nil {
			return nil, err
		}
		c := &condition{op: op, args: []operand{first, second}}
		return c, c.check()
	}
	if first.fn != "" && p.tok.kind == tokEnd {
		return nil, fmt.Errorf("The function is not allowed to be used this way in an expression; function: %s", first.fn)
	}
	return nil, p.syntax()
}

func (p *parser) operand() (operand, error) {
	if p.is("(") {
		return p.inParens(p.operand)
	}
	if p.tok.kind == tokValue {
		v, err := p.subs.value(p.tok.text)
		if err != nil {
			return operand{}, err
		}
		return operand{lit: v}, p.next()
	}
	if !p.call() {
		path, err := p.path()
		return operand{path: path}, err
	}
	name := p.tok.text
	if name != "size" {
		if _, ok := conditionFunction(name); ok {
			return operand{}, fmt.Errorf("The function is not allowed to be used this way in an expression; function: %s", name)
		}
		return operand{}, fmt.Errorf("Invalid function name; function: %s", name)
	}
	args, err := p.arguments(name, 1)
	if err != nil {
		return operand{}, err
	}
	if args[0].lit != nil && (args[0].lit.kind == kindN || args[0].lit.kind == kindBool || args[0].lit.kind == kindNull) {
		return operand{}, badOperand("size", args[0].lit.kind)
	}
	if args[0].fn != "" {
		return operand{}, fmt.Errorf("The function is not allowed to be used this way in an expression; function: size")
	}
	return operand{fn: name, args: args}, nil
}

// inParens reads an operand that stands in parentheses.
func (p *parser) inParens(read func() (operand, error)) (operand, error) {
	if err := p.nested(); err != nil {
		return operand{}, err
	}
	if err := p.next(); err != nil {
		return operand{}, err
	}
	o, err := read()
	if err != nil {
		return o, err
	}
	return o, p.expect(")")
}

// arguments reads name(operand, …).
func (p *parser) arguments(name string, arity int) ([]operand, error) {
	if err := p.operator(); err != nil {
		return nil, err
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	args, err := p.operandList()
	if err != nil {
		return nil, err
	}
	if len(args) != arity {
		return nil, fmt.Errorf("Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", name, len(args))
	}
	return args, nil
}

func (p *parser) operandList() ([]operand, error) {
	if err := p.nested(); err != nil {
		return nil, err
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var args []operand
	for {
		arg, err := p.operand()
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
		if !p.is(",") {
			return args, p.expect(")")
		}
		if err := p.next(); err != nil {
			return nil, err
		}
	}
}

func (p *parser) function(name string, arity int) (*condition, error) {
	args, err := p.arguments(name, arity)
	if err != nil {
		return nil, err
	}
	c := &condition{op: name, args: args}
	return c, c.check()
}

func (p *parser) between(first operand) (*condition, error) {
	if err := p.operator(); err != nil {
		return nil, err
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	lo, err := p.operand()
	if err != nil {
		return nil, err
	}
	if !p.keyword("AND") {
		return nil, p.syntax()
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	hi, err := p.operand()
	if err != nil {
		return nil, err
	}
	c := &condition{op: "BETWEEN", args: []operand{first, lo, hi}}
	return c, c.check()
}

func (p *parser) in(first operand) (*condition, error) {
	if err := p.operator(); err != nil {
		return nil, err
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	list, err := p.operandList()
	if err != nil {
		return nil, err
	}
	if len(list) > 100 {
		return nil, fmt.Errorf("Too many operands for operator or function; operator or function: IN, number of operands: %d", len(list))
	}
	c := &condition{op: "IN", args: append([]operand{first}, list...)}
	return c, c.check()
}

func badOperand(op string, k kind) error {
	return fmt.Errorf("Incorrect operand type for operator or function; operator or function: %s, operand type: %s", op, k)
}

func comparable3(k kind) bool { return k == kindS || k == kindN || k == kindB }

// check refuses what can be seen to be wrong without an item.
func (c *condition) check() error {
	args := c.args
	switch c.op {
	case "attribute_exists", "attribute_not_exists":
		if args[0].path == nil {
			return fmt.Errorf("Operator or function requires a document path; operator or function: %s", c.op)
		}
		return nil
	case "attribute_type":
		if args[1].lit == nil || args[1].lit.kind != kindS {
			return badOperand(c.op, literalKind(&args[1]))
		}
		for k := kindS; k <= kindNull; k++ {
			if k.String() == args[1].lit.s {
				return nil
			}
		}
		return fmt.Errorf("Invalid attribute type name found; type: %s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", args[1].lit.s)
	case "begins_with":
		for i := range args {
			if lit := args[i].lit; lit != nil && lit.kind != kindS && lit.kind != kindB {
				return badOperand(c.op, lit.kind)
			}
		}
	case "<", "<=", ">", ">=", "BETWEEN":
		for i := range args {
			if lit := args[i].lit; lit != nil && !comparable3(lit.kind) {
				return badOperand(c.op, lit.kind)
			}
		}
	}
	for i := 1; i < len(args); i++ {
		if args[0].same(&args[i]) {
			return fmt.Errorf("The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: %s", c.op, args[0].path)
		}
	}
	if c.op == "BETWEEN" {
		return checkBounds(args[1].lit, args[2].lit)
	}
	return nil
}

func literalKind(o *operand) kind {
	if o.lit == nil {
		return kindNone
	}
	return o.lit.kind
}

func checkBounds(lo, hi *value) error {
	if lo == nil || hi == nil {
		return nil
	}
	c, ok := order(lo, hi)
	if !ok {
		return fmt.Errorf("The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: %s, upper bound operand: AttributeValue: %s", shown(lo), shown(hi))
	}
	if c > 0 {
		return fmt.Errorf("The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: %s, upper bound operand: AttributeValue: %s", shown(lo), shown(hi))
	}
	return nil
}

// shown is a key's value as messages show it.
func shown(v *value) string { return "{" + v.kind.String() + ":" + v.s + "}" }

// holds evaluates the condition on an item; nil is the item that does not
// exist. What is missing or of another type makes a comparison false, except
// <>, which is then true.
func (c *condition) holds(it item) bool {
	switch c.op {
	case "AND":
		return c.left.holds(it) && c.right.holds(it)
	case "OR":
		return c.left.holds(it) || c.right.holds(it)
	case "NOT":
		return !c.left.holds(it)
	}
	first := c.args[0].eval(it)
	switch c.op {
	case "attribute_exists":
		return first != nil
	case "attribute_not_exists":
		return first == nil
	case "<>":
		second := c.args[1].eval(it)
		return first == nil || second == nil || !equal(first, second)
	}
	if first == nil {
		return false
	}
	if c.op == "IN" {
		for i := range c.args[1:] {
			if v := c.args[i+1].eval(it); v != nil && equal(first, v) {
				return true
			}
		}
		return false
	}
	second := c.args[1].eval(it)
	if second == nil {
		return false
	}
	switch c.op {
	case "=":
		return equal(first, second)
	case "attribute_type":
		return first.kind.String() == second.s
	case "begins_with":
		return first.kind == second.kind && (first.kind == kindS || first.kind == kindB) && strings.HasPrefix(first.s, second.s)
	case "contains":
		return contains(first, second)
	case "BETWEEN":
		third := c.args[2].eval(it)
		if third == nil {
			return false
		}
		lo, okLo := order(first, second)
		hi, okHi := order(first, third)
		return okLo && okHi && lo >= 0 && hi <= 0
	}
	n, ok := order(first, second)
	if !ok {
		return false
	}
	switch c.op {
	case "<":
		return n < 0
	case "<=":
		return n <= 0
	case ">":
		return n > 0
	default:
		return n >= 0
	}
}

func contains(in, what *value) bool {
	switch {
	case in.kind == kindS || in.kind == kindB:
		return in.kind == what.kind && strings.Contains(in.s, what.s)
	case in.kind.isSet():
		return in.kind.element() == what.kind && setContains(in, what)
	case in.kind == kindL:
		for i := range in.list {
			if equal(&in.list[i], what) {
				return true
			}
		}
	}
	return false
}

// paths calls f for every document path in the condition.
func (c *condition) paths(f func(path)) {
	if c == nil {
		return
	}
	c.left.paths(f)
	c.right.paths(f)
	for i := range c.args {
		c.args[i].paths(f)
	}
}

func (o *operand) paths(f func(path)) {
	if o.path != nil {
		f(o.path)
	}
	for i := range o.args {
		o.args[i].paths(f)
	}
}
