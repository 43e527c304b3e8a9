package standin

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// document is a template as the stand-in reads it.
type document struct {
	Version     string `json:"AWSTemplateFormatVersion"`
	Description string
	Parameters  map[string]parameterSpec
	Conditions  map[string]any
	Resources   map[string]resourceSpec
	Outputs     map[string]struct {
		Description string
		Value       any
	}
}

type parameterSpec struct {
	Type, Description, AllowedPattern string
	Default                           any
	AllowedValues                     []any
	MinValue, MaxValue                *float64
	MinLength                         int
}

type resourceSpec struct {
	Type, Condition, DeletionPolicy, UpdateReplacePolicy string
	DependsOn                                            []string
	Properties                                           map[string]any
}

// readTemplate refuses by name what the stand-in does not know.
func readTemplate(body string) (*document, error) {
	dec := json.NewDecoder(strings.NewReader(body))
	dec.DisallowUnknownFields()
	d := new(document)
	if err := dec.Decode(d); err != nil {
		return nil, bad("ValidationError", "Template format error: %v", err)
	}
	for name, r := range d.Resources {
		if !knownKind(r.Type) {
			return nil, bad("ValidationError", "the stand-in has no resource type %s (%s)", r.Type, name)
		}
	}
	return d, nil
}

// evaluation resolves a template's intrinsic functions against parameters and what exists.
type evaluation struct {
	doc    *document
	params map[string]string
	stack  *stack
	values func(logical string) *resource
}

// check fills in defaults and holds parameters to their rules.
func (d *document) check(given map[string]string) (map[string]string, error) {
	out := map[string]string{}
	for name := range given {
		if _, ok := d.Parameters[name]; !ok {
			return nil, bad("ValidationError", "Parameters: [%s] do not exist in the template", name)
		}
	}
	for name, spec := range d.Parameters {
		v, ok := given[name]
		if !ok {
			if spec.Default == nil {
				return nil, bad("ValidationError", "Parameters: [%s] must have values", name)
			}
			v = scalar(spec.Default)
		}
		if err := spec.check(name, v); err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
}

func (p parameterSpec) check(name, v string) error {
	if p.AllowedPattern != "" && !regexp.MustCompile("^(?:"+p.AllowedPattern+")$").MatchString(v) {
		return bad("ValidationError", "Parameter %s failed to satisfy constraint: must match pattern %s", name, p.AllowedPattern)
	}
	if len(p.AllowedValues) > 0 && !slices.ContainsFunc(p.AllowedValues, func(a any) bool { return scalar(a) == v }) {
		return bad("ValidationError", "Template validation error: Parameter '%s' must be one of AllowedValues", name)
	}
	if len(v) < p.MinLength {
		return bad("ValidationError", "Parameter %s must have at least %d characters", name, p.MinLength)
	}
	if p.Type == "Number" {
		n, err := strconv.ParseFloat(v, 64)
		if err != nil || p.MinValue != nil && n < *p.MinValue || p.MaxValue != nil && n > *p.MaxValue {
			return bad("ValidationError", "Parameter '%s' must be a number within its limits", name)
		}
	}
	return nil
}

func scalar(v any) string {
	if n, ok := v.(float64); ok {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// absent is what AWS::NoValue leaves.
type absent struct{}

func (e *evaluation) resolve(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		out := []any{}
		for _, item := range v {
			r, err := e.resolve(item)
			if err != nil {
				return nil, err
			}
			if r != (absent{}) {
				out = append(out, r)
			}
		}
		return out, nil
	case map[string]any:
		if len(v) == 1 {
			for name, arg := range v {
				if name == "Ref" || name == "Condition" && isText(arg) || strings.HasPrefix(name, "Fn::") {
					return e.intrinsic(name, arg)
				}
			}
		}
		out := map[string]any{}
		for k, item := range v {
			r, err := e.resolve(item)
			if err != nil {
				return nil, err
			}
			if r != (absent{}) {
				out[k] = r
			}
		}
		return out, nil
	}
	return v, nil
}

func isText(v any) bool { _, ok := v.(string); return ok }

func (e *evaluation) intrinsic(name string, arg any) (any, error) {
	list, _ := arg.([]any)
	switch name {
	case "Ref":
		return e.ref(arg.(string))
	case "Fn::Sub":
		return e.sub(arg)
	case "Fn::GetAtt":
		if len(list) == 2 {
			return e.attribute(scalar(list[0]), scalar(list[1]))
		}
	case "Fn::If":
		if len(list) == 3 {
			yes, err := e.condition(scalar(list[0]))
			if err != nil {
				return nil, err
			}
			if yes {
				return e.resolve(list[1])
			}
			return e.resolve(list[2])
		}
	case "Fn::Equals":
		if len(list) == 2 {
			a, errA := e.resolve(list[0])
			b, errB := e.resolve(list[1])
			if errA == nil && errB == nil {
				return scalar(a) == scalar(b), nil
			}
		}
	case "Fn::Not":
		if len(list) == 1 {
			v, err := e.resolve(list[0])
			if yes, ok := v.(bool); ok && err == nil {
				return !yes, nil
			}
		}
	}
	return nil, bad("ValidationError", "the stand-in cannot evaluate %s of this form", name)
}

func (e *evaluation) condition(name string) (bool, error) {
	c, ok := e.doc.Conditions[name]
	if !ok {
		return false, bad("ValidationError", "Unresolved condition %s", name)
	}
	v, err := e.resolve(c)
	if err != nil {
		return false, err
	}
	yes, ok := v.(bool)
	if !ok {
		return false, bad("ValidationError", "the condition %s is not a valid condition", name)
	}
	return yes, nil
}

func (e *evaluation) ref(name string) (any, error) {
	switch name {
	case "AWS::NoValue":
		return absent{}, nil
	case "AWS::Region":
		return Region, nil
	case "AWS::AccountId":
		return Account, nil
	case "AWS::Partition":
		return "aws", nil
	case "AWS::URLSuffix":
		return "amazonaws.com", nil
	case "AWS::StackName":
		return e.stack.name, nil
	}
	if v, ok := e.params[name]; ok {
		return v, nil
	}
	if r := e.values(name); r != nil {
		return r.physical, nil
	}
	return nil, bad("ValidationError", "Unresolved resource dependencies [%s]", name)
}

func (e *evaluation) attribute(logical, name string) (any, error) {
	r := e.values(logical)
	if r == nil {
		return nil, bad("ValidationError", "Unresolved resource dependencies [%s]", logical)
	}
	v, ok := r.attributes[name]
	if !ok {
		return nil, bad("ValidationError", "the stand-in does not support the attribute %s of %s", name, r.kind)
	}
	return v, nil
}

var placeholder = regexp.MustCompile(`\$\{([A-Za-z0-9:.]+)\}`)

func (e *evaluation) sub(arg any) (any, error) {
	pattern, ok := arg.(string)
	if !ok {
		return nil, bad("ValidationError", "the stand-in cannot evaluate Fn::Sub of this form")
	}
	var failed error
	out := placeholder.ReplaceAllStringFunc(pattern, func(m string) string {
		name := m[2 : len(m)-1]
		var v any
		var err error
		if logical, attr, dotted := strings.Cut(name, "."); dotted {
			v, err = e.attribute(logical, attr)
		} else {
			v, err = e.ref(name)
		}
		if err != nil {
			failed = err
			return ""
		}
		return scalar(v)
	})
	return out, failed
}

// order sorts the resources that stand (their condition holds) so that each comes after those it names.
func (e *evaluation) order() ([]string, error) {
	stands := map[string]bool{}
	for name, r := range e.doc.Resources {
		yes := true
		if r.Condition != "" {
			var err error
			if yes, err = e.condition(r.Condition); err != nil {
				return nil, err
			}
		}
		stands[name] = yes
	}
	var out []string
	state := map[string]int{} // 1: being visited, 2: done
	var visit func(name string) error
	visit = func(name string) error {
		switch {
		case state[name] == 1:
			return bad("ValidationError", "Circular dependency between resources: [%s]", name)
		case state[name] == 2 || !stands[name]:
			return nil
		}
		state[name] = 1
		r := e.doc.Resources[name]
		needs := append([]string(nil), r.DependsOn...)
		mentions(r.Properties, func(other string) {
			if _, ok := e.doc.Resources[other]; ok {
				needs = append(needs, other)
			}
		})
		slices.Sort(needs)
		for _, n := range needs {
			if err := visit(n); err != nil {
				return err
			}
		}
		state[name] = 2
		out = append(out, name)
		return nil
	}
	names := make([]string, 0, len(stands))
	for name := range stands {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// mentions calls f for each name that Ref, Fn::GetAtt or Fn::Sub mention.
func mentions(v any, f func(string)) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			mentions(item, f)
		}
	case map[string]any:
		for k, item := range v {
			switch {
			case k == "Ref" && isText(item):
				f(item.(string))
			case k == "Fn::GetAtt":
				if list, ok := item.([]any); ok && len(list) > 0 {
					f(scalar(list[0]))
				}
			case k == "Fn::Sub" && isText(item):
				for _, m := range placeholder.FindAllStringSubmatch(item.(string), -1) {
					name, _, _ := strings.Cut(m[1], ".")
					f(name)
				}
			}
			mentions(item, f)
		}
	}
}

// Reading of resolved properties.

func object(p map[string]any, name string) map[string]any {
	v, _ := p[name].(map[string]any)
	return v
}

func text(p map[string]any, name string) string {
	if v, ok := p[name]; ok {
		return scalar(v)
	}
	return ""
}

func number(p map[string]any, name string) int {
	n, _ := strconv.Atoi(text(p, name)) // 0 for what is not there
	return n
}
