// Package deferred evaluates configuration values that were known only in part when waypoint.hcl was read: the entrypoint
// does it, once dynamic values are fetched. It has the standard functions and config.env, config.internal and
// config.file; git, Jsonnet and template functions are not among them, nor linked.
package deferred

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

// Values are what templates may refer to.
type Values struct {
	Env, Internal, File map[string]string
}

// Refs lists the values that a template refers to, as "env.NAME", "internal.NAME" or "file.NAME", so that the caller can
// order templates that refer to each other.
func Refs(template string) ([]string, error) {
	e, err := parse(template)
	if err != nil {
		return nil, err
	}
	var refs []string
	for _, t := range e.Variables() {
		if t.RootName() != "config" || len(t) < 3 {
			continue
		}
		var parts []string
		for _, step := range t[1:3] {
			switch s := step.(type) {
			case hcl.TraverseAttr:
				parts = append(parts, s.Name)
			case hcl.TraverseIndex:
				if key, err := convert.Convert(s.Key, cty.String); err == nil && !key.IsNull() {
					parts = append(parts, key.AsString())
				}
			}
		}
		if len(parts) == 2 {
			refs = append(refs, strings.Join(parts, "."))
		}
	}
	return refs, nil
}

// Evaluate makes the text that a template (ConfigEntry.Template) stands for. Relative paths in it start at env.Dir. The
// error shows no value.
func Evaluate(template string, v Values, env functions.Env) (text string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("evaluating the value failed unexpectedly (%T)", r)
		}
	}()
	e, err := parse(template)
	if err != nil {
		return "", err
	}
	val, diags := e.Value(&hcl.EvalContext{
		Functions: functions.Table(env),
		Variables: map[string]cty.Value{"config": cty.ObjectVal(map[string]cty.Value{
			"env": object(v.Env), "internal": object(v.Internal), "file": object(v.File),
		})},
	})
	if diags.HasErrors() {
		// Details of failed calls hold values, which may be secret; summaries never do.
		return "", fmt.Errorf("evaluating the value: %s", strings.ToLower(diags[0].Summary))
	}
	val, _ = val.UnmarkDeep()
	val, err = convert.Convert(val, cty.String)
	if err != nil || val.IsNull() || !val.IsKnown() {
		return "", errors.New("evaluating the value: it is not text")
	}
	return val.AsString(), nil
}

func parse(template string) (hclsyntax.Expression, error) {
	e, diags := hclsyntax.ParseTemplate([]byte(template), "value", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, fmt.Errorf("reading the value: %s", strings.ToLower(diags[0].Summary))
	}
	return e, nil
}

func object(m map[string]string) cty.Value {
	vals := make(map[string]cty.Value, len(m))
	for k, v := range m {
		vals[k] = cty.StringVal(v)
	}
	return cty.ObjectVal(vals)
}
