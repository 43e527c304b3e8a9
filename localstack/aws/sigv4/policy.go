package sigv4

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

type principalKey struct{}

// WithPrincipal returns a context that carries p, for callers that know the principal
// by other means than a signature.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom returns who signed the request of this context.
func PrincipalFrom(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}

// Authorize reports whether the principal of ctx may perform action ("sqs:ReceiveMessage")
// on resource (an ARN). A context without a principal is refused. The error is an *Error
// with code AccessDeniedException.
func Authorize(ctx context.Context, action, resource string) error {
	p, ok := PrincipalFrom(ctx)
	if ok && p.Policy.Allows(action, resource) {
		return nil
	}
	who := p.ARN
	if !ok {
		who = "anonymous"
	}
	return &Error{http.StatusForbidden, "AccessDeniedException", fmt.Sprintf(
		"User: %s is not authorized to perform: %s on resource: %s because no session policy allows the action", who, action, resource)}
}

// Policy is the part of an IAM policy that a session policy of ours needs: statements
// with Effect, Action and Resource, wildcards * and ?. Everything else is refused by name.
type Policy struct {
	Version   string
	Statement []Statement
}

// Statement allows or denies actions on resources.
type Statement struct {
	Sid      string
	Effect   string
	Action   []string
	Resource []string
}

// ParsePolicy reads an IAM policy document. Elements outside the subset (Condition,
// NotAction, NotResource, Principal, …) are errors that name them.
func ParsePolicy(document []byte) (*Policy, error) {
	var doc struct {
		Version   string
		ID        string `json:"Id"`
		Statement oneOrMany[map[string]json.RawMessage]
	}
	dec := json.NewDecoder(bytes.NewReader(document))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("policy document: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("policy document: text after the document")
	}
	if doc.Version != "2012-10-17" {
		return nil, errors.New(`policy document: Version must be "2012-10-17"`)
	}
	if len(doc.Statement) == 0 {
		return nil, errors.New("policy document: no Statement")
	}
	p := &Policy{Version: doc.Version}
	for i, raw := range doc.Statement {
		s, err := parseStatement(raw)
		if err != nil {
			return nil, fmt.Errorf("policy document: statement %d: %w", i+1, err)
		}
		p.Statement = append(p.Statement, s)
	}
	return p, nil
}

func parseStatement(raw map[string]json.RawMessage) (Statement, error) {
	var s Statement
	for name, value := range raw {
		var err error
		switch name {
		case "Sid":
			err = json.Unmarshal(value, &s.Sid)
		case "Effect":
			err = json.Unmarshal(value, &s.Effect)
		case "Action":
			err = json.Unmarshal(value, (*oneOrMany[string])(&s.Action))
		case "Resource":
			err = json.Unmarshal(value, (*oneOrMany[string])(&s.Resource))
		default:
			return s, fmt.Errorf("element %q is not implemented", printable(name))
		}
		if err != nil {
			return s, fmt.Errorf("element %s: %w", name, err)
		}
	}
	switch {
	case s.Effect != "Allow" && s.Effect != "Deny":
		return s, errors.New("the element Effect must be Allow or Deny")
	case len(s.Action) == 0:
		return s, errors.New("the element Action is missing")
	case len(s.Resource) == 0:
		return s, errors.New("the element Resource is missing")
	}
	for _, r := range s.Resource {
		if strings.Contains(r, "${") {
			return s, errors.New("policy variables in Resource are not implemented")
		}
	}
	return s, nil
}

// oneOrMany reads a JSON value or a list of such values, as IAM documents have them.
type oneOrMany[T any] []T

func (o *oneOrMany[T]) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]T)(o))
	}
	var one T
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	*o = []T{one}
	return nil
}

// Allows decides as IAM does: an explicit Deny wins, then an Allow, and the default is
// no. A nil policy allows everything. Actions are compared without case, resources with.
func (p *Policy) Allows(action, resource string) bool {
	if p == nil {
		return true
	}
	action = strings.ToLower(action)
	allowed := false
	for _, s := range p.Statement {
		if !s.covers(action, resource) {
			continue
		}
		if s.Effect == "Deny" {
			return false
		}
		allowed = true
	}
	return allowed
}

func (s Statement) covers(lowerAction, resource string) bool {
	hit := false
	for _, a := range s.Action {
		hit = hit || wildcard(strings.ToLower(a), lowerAction)
	}
	if !hit {
		return false
	}
	for _, r := range s.Resource {
		if wildcard(r, resource) {
			return true
		}
	}
	return false
}

// wildcard matches s against a pattern of * (any text) and ? (any one character) in
// O(len(pattern)·len(s)) without recursion: patterns come from callers.
func wildcard(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
