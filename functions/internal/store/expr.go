package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Expr is a condition, update or filter expression with its arguments. In the text, "#name" is the attribute called
// name (write it for every attribute: many plain words are reserved) and each "?" takes the next argument:
//
//	store.If("#live = ? AND #attempt = ?", true, 3)
//	store.Set("SET #state = ?, #n = #n + ? REMOVE #ring_due", "READY", 1)
type Expr struct {
	Text string
	Args []any
}

// If is a condition or filter.
func If(text string, args ...any) Expr { return Expr{text, args} }

// Set is a change: SET, REMOVE, ADD and DELETE clauses.
func Set(text string, args ...any) Expr { return Expr{text, args} }

// Absent is the condition that no item has this key.
func Absent() Expr { return If("attribute_not_exists(#pk)") }

// Exists is the condition that an item has this key.
func Exists() Expr { return If("attribute_exists(#pk)") }

// And joins conditions; empty ones are left out, and one alone stays as it is: DynamoDB refuses doubled parentheses.
func And(conds ...Expr) Expr {
	conds = slices.DeleteFunc(slices.Clone(conds), func(c Expr) bool { return c.Text == "" })
	if len(conds) == 1 {
		return conds[0]
	}
	var out Expr
	for i, c := range conds {
		if i > 0 {
			out.Text += " AND "
		}
		out.Text += "(" + c.Text + ")"
		out.Args = append(out.Args, c.Args...)
	}
	return out
}

// scope collects the names and values of all expressions of one request.
type scope struct {
	names  map[string]string
	values Item
}

// render rewrites an expression into DynamoDB's form; nil for an empty one.
func (s *scope) render(e Expr) (*string, error) {
	if e.Text == "" {
		return nil, nil
	}
	var b strings.Builder
	args := e.Args
	for i := 0; i < len(e.Text); i++ {
		switch c := e.Text[i]; c {
		case '#':
			end := i + 1
			for end < len(e.Text) && isWord(e.Text[end]) {
				end++
			}
			name := e.Text[i+1 : end]
			if name == "" {
				return nil, fmt.Errorf("expression %q: '#' without a name", e.Text)
			}
			if s.names == nil {
				s.names = map[string]string{}
			}
			s.names["#"+name] = name
			b.WriteString("#" + name)
			i = end - 1
		case '?':
			if len(args) == 0 {
				return nil, fmt.Errorf("expression %q: too few arguments", e.Text)
			}
			av, err := AV(args[0])
			if err != nil {
				return nil, fmt.Errorf("expression %q: %w", e.Text, err)
			}
			args = args[1:]
			b.WriteString(s.value(av))
		default:
			b.WriteByte(c)
		}
	}
	if len(args) > 0 {
		return nil, fmt.Errorf("expression %q: %d arguments too many", e.Text, len(args))
	}
	text := b.String()
	return &text, nil
}

func (s *scope) value(av types.AttributeValue) string {
	if s.values == nil {
		s.values = Item{}
	}
	name := ":" + strconv.Itoa(len(s.values))
	s.values[name] = av
	return name
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
