package dynamodb

import (
	"fmt"
	"slices"
	"strings"
)

// update is a parsed UpdateExpression.
type update struct {
	sets          []setAction
	removes       []path
	adds, deletes []setAction // right is a literal
	touched       *node
}

type setAction struct {
	path path
	expr sum
}

// sum is the right side of a SET: one operand, or two with + or - between.
type sum struct {
	left  operand
	op    string
	right operand
}

func parseUpdate(src string, subs *placeholders) (*update, error) {
	u := &update{touched: &node{}}
	err := parse("UpdateExpression", src, subs, u.parse)
	return u, err
}

func (u *update) parse(p *parser) error {
	seen := map[string]bool{}
	for p.tok.kind != tokEnd {
		if p.tok.kind != tokWord {
			return p.syntax()
		}
		section := strings.ToUpper(p.tok.text)
		var parseOne func(*parser) error
		switch section {
		case "SET":
			parseOne = u.set
		case "REMOVE":
			parseOne = u.remove
		case "ADD":
			parseOne = func(p *parser) error { return u.addOrDelete(p, "ADD", &u.adds) }
		case "DELETE":
			parseOne = func(p *parser) error { return u.addOrDelete(p, "DELETE", &u.deletes) }
		default:
			return p.syntax()
		}
		if seen[section] {
			return fmt.Errorf("The %q section can only be used once in an update expression;", section)
		}
		seen[section] = true
		if err := p.next(); err != nil {
			return err
		}
		for {
			if err := parseOne(p); err != nil {
				return err
			}
			if !p.is(",") {
				break
			}
			if err := p.next(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (u *update) target(p *parser) (path, error) {
	if err := p.operator(); err != nil {
		return nil, err
	}
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	return path, u.touched.add(path)
}

func (u *update) set(p *parser) error {
	path, err := u.target(p)
	if err != nil {
		return err
	}
	if err := p.expect("="); err != nil {
		return err
	}
	s, err := p.sum()
	u.sets = append(u.sets, setAction{path, s})
	return err
}

// sum reads the right side of a SET, which may stand in parentheses as a whole.
func (p *parser) sum() (s sum, err error) {
	if p.is("(") {
		start, operators := p.lexer, p.operators
		if s, err := p.sumInParens(); err == nil && !p.is("+") && !p.is("-") {
			return s, nil
		}
		p.lexer, p.operators = start, operators
	}
	if s.left, err = p.updateOperand(); err != nil {
		return s, err
	}
	if p.is("+") || p.is("-") {
		s.op = p.tok.text
		if err := p.next(); err != nil {
			return s, err
		}
		if s.right, err = p.updateOperand(); err != nil {
			return s, err
		}
		for _, o := range []*operand{&s.left, &s.right} {
			if o.lit != nil && o.lit.kind != kindN {
				return s, badOperand(s.op, o.lit.kind)
			}
			if o.fn == "list_append" {
				return s, badOperand(s.op, kindL)
			}
		}
	}
	return s, nil
}

func (p *parser) sumInParens() (sum, error) {
	if err := p.nested(); err != nil {
		return sum{}, err
	}
	if err := p.next(); err != nil {
		return sum{}, err
	}
	s, err := p.sum()
	if err != nil {
		return s, err
	}
	return s, p.expect(")")
}

func (u *update) remove(p *parser) error {
	path, err := u.target(p)
	u.removes = append(u.removes, path)
	return err
}

func (u *update) addOrDelete(p *parser, op string, into *[]setAction) error {
	path, err := u.target(p)
	if err != nil {
		return err
	}
	if p.tok.kind != tokValue {
		return p.syntax()
	}
	v, err := p.subs.value(p.tok.text)
	if err != nil {
		return err
	}
	if !v.kind.isSet() && (op == "DELETE" || v.kind != kindN) {
		return fmt.Errorf("Incorrect operand type for operator or function; operator: %s, operand type: %s, typeSet: ALLOWED_FOR_%s_OPERAND", op, v.kind.longName(), op)
	}
	*into = append(*into, setAction{path, sum{left: operand{lit: v}}})
	return p.next()
}

// updateOperand reads an operand of a SET: a path, a value, if_not_exists or
// list_append.
func (p *parser) updateOperand() (operand, error) {
	if p.is("(") {
		return p.inParens(p.updateOperand)
	}
	if !p.call() {
		return p.operand()
	}
	name := p.tok.text
	switch name {
	case "if_not_exists", "list_append":
	default:
		if _, ok := conditionFunction(name); ok || name == "size" {
			return operand{}, fmt.Errorf("The function is not allowed in an update expression; function: %s", name)
		}
		return operand{}, fmt.Errorf("Invalid function name; function: %s", name)
	}
	if err := p.nested(); err != nil {
		return operand{}, err
	}
	if err := p.operator(); err != nil {
		return operand{}, err
	}
	if err := p.next(); err != nil {
		return operand{}, err
	}
	if err := p.expect("("); err != nil {
		return operand{}, err
	}
	o := operand{fn: name}
	for {
		arg, err := p.updateOperand()
		if err != nil {
			return operand{}, err
		}
		o.args = append(o.args, arg)
		if !p.is(",") {
			break
		}
		if err := p.next(); err != nil {
			return operand{}, err
		}
	}
	if len(o.args) != 2 {
		return operand{}, fmt.Errorf("Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", name, len(o.args))
	}
	if err := o.checkFunction(); err != nil {
		return operand{}, err
	}
	return o, p.expect(")")
}

func (o *operand) checkFunction() error {
	if o.fn == "if_not_exists" {
		if o.args[0].path == nil {
			return fmt.Errorf("Operator or function requires a document path; operator or function: if_not_exists")
		}
		return nil
	}
	for i := range o.args {
		if lit := o.args[i].lit; lit != nil && lit.kind != kindL {
			return badOperand("list_append", lit.kind)
		}
		if o.args[i].fn == "list_append" {
			return fmt.Errorf("The function is not allowed to be used this way in an expression; function: list_append")
		}
	}
	return nil
}

var (
	errNoAttribute = validation("The provided expression refers to an attribute that does not exist in the item")
	errOperandType = validation("An operand in the update expression has an incorrect data type")
	errInvalidPath = validation("The document path provided in the update expression is invalid for update")
)

func (o *operand) compute(it item) (value, error) {
	switch {
	case o.lit != nil:
		return o.lit.clone(), nil
	case o.path != nil:
		if v := o.path.lookup(it); v != nil {
			return v.clone(), nil
		}
		return value{}, errNoAttribute
	case o.fn == "if_not_exists":
		if v := o.args[0].path.lookup(it); v != nil {
			return v.clone(), nil
		}
		return o.args[1].compute(it)
	}
	a, err := o.args[0].compute(it)
	if err != nil {
		return value{}, err
	}
	b, err := o.args[1].compute(it)
	if err != nil {
		return value{}, err
	}
	if a.kind != kindL || b.kind != kindL {
		return value{}, errOperandType
	}
	return value{kind: kindL, list: slices.Concat(a.list, b.list)}, nil
}

func (s *sum) compute(it item) (value, error) {
	a, err := s.left.compute(it)
	if err != nil || s.op == "" {
		return a, err
	}
	b, err := s.right.compute(it)
	if err != nil {
		return value{}, err
	}
	if a.kind != kindN || b.kind != kindN {
		return value{}, errOperandType
	}
	n, err := addNumbers(a.s, b.s, s.op == "-")
	return value{kind: kindN, s: n}, err
}

// apply returns the updated item; before stays as it is. Every right side is
// computed from before, as AWS does.
func (u *update) apply(before item) (item, error) {
	results := make([]value, len(u.sets))
	for i := range u.sets {
		v, err := u.sets[i].expr.compute(before)
		if err != nil {
			return nil, err
		}
		results[i] = v
	}
	after := before.clone()
	order := make([]int, len(u.sets))
	for i := range order {
		order[i] = i
	}
	// Elements beyond the end of a list are appended in the order of their indexes.
	slices.SortStableFunc(order, func(a, b int) int { return comparePaths(u.sets[a].path, u.sets[b].path) })
	for _, i := range order {
		if err := assign(&after, u.sets[i].path, results[i]); err != nil {
			return nil, err
		}
	}
	for i := range u.adds {
		if err := add(&after, u.adds[i].path, u.adds[i].expr.left.lit); err != nil {
			return nil, err
		}
	}
	for i := range u.deletes {
		if err := deleteElements(&after, u.deletes[i].path, u.deletes[i].expr.left.lit); err != nil {
			return nil, err
		}
	}
	removes := slices.Clone(u.removes)
	// From the back, so that an index still means what it meant in before.
	slices.SortStableFunc(removes, func(a, b path) int { return comparePaths(b, a) })
	for _, p := range removes {
		if err := removeAt(&after, p); err != nil {
			return nil, err
		}
	}
	return after, nil
}

func comparePaths(a, b path) int {
	for i := range min(len(a), len(b)) {
		if c := strings.Compare(a[i].name, b[i].name); c != 0 {
			return c
		}
		if a[i].index != b[i].index {
			return a[i].index - b[i].index
		}
	}
	return len(a) - len(b)
}

// parent follows all but the last step of a path of two or more steps.
func parent(it item, p path) (*value, error) {
	v := p[:len(p)-1].lookup(it)
	last := p[len(p)-1]
	if v == nil || last.name != "" && v.kind != kindM || last.name == "" && v.kind != kindL {
		return nil, errInvalidPath
	}
	return v, nil
}

func assign(it *item, p path, v value) error {
	last := p[len(p)-1]
	if len(p) == 1 {
		it.set(last.name, v)
		return nil
	}
	in, err := parent(*it, p)
	switch {
	case err != nil:
		return err
	case last.name != "":
		in.m.set(last.name, v)
	case last.index < len(in.list):
		in.list[last.index] = v
	default:
		in.list = append(in.list, v)
	}
	return nil
}

func removeAt(it *item, p path) error {
	last := p[len(p)-1]
	if len(p) == 1 {
		it.remove(last.name)
		return nil
	}
	in, err := parent(*it, p)
	switch {
	case err != nil:
		return err
	case last.name != "":
		in.m.remove(last.name)
	case last.index < len(in.list):
		in.list = slices.Delete(in.list, last.index, last.index+1)
	}
	return nil
}

func add(it *item, p path, operand *value) error {
	old := p.lookup(*it)
	if old == nil {
		return assign(it, p, operand.clone())
	}
	if old.kind != operand.kind {
		return errOperandType
	}
	if operand.kind == kindN {
		n, err := addNumbers(old.s, operand.s, false)
		old.s = n
		return err
	}
	merged := value{kind: old.kind, list: slices.Clone(old.list)}
	for i := range operand.list {
		if !setContains(old, &operand.list[i]) {
			merged.list = append(merged.list, operand.list[i])
		}
	}
	sortSet(merged.list)
	*old = merged
	return nil
}

func deleteElements(it *item, p path, operand *value) error {
	old := p.lookup(*it)
	if old == nil {
		if len(p) > 1 {
			_, err := parent(*it, p)
			return err
		}
		return nil
	}
	if old.kind != operand.kind {
		return errOperandType
	}
	var kept []value
	for i := range old.list {
		if !setContains(operand, &old.list[i]) {
			kept = append(kept, old.list[i])
		}
	}
	if len(kept) == 0 { // a set is never empty: its attribute goes with its last element
		return removeAt(it, p)
	}
	old.list = kept
	return nil
}
