package exec

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/waypoint-serverless/waypoint/internal/filecopy"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// render renders a file, or each file of a directory, into to, whose directory it makes. The results can hold the
// entrypoint's token: they stand in a directory that only this user may enter. Modes and links are kept, by the rule of
// every copy (package filecopy).
func render(from, to string, env *plugin.Call, req *plugin.DeployRequest) error {
	err := renderTo(from, to, env, req)
	if err != nil {
		return &plugin.Error{Message: "rendering the template " + from, Cause: err}
	}
	return nil
}

func renderTo(from, to string, env *plugin.Call, req *plugin.DeployRequest) error {
	scope, err := variables(env, req)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	if info.IsDir() {
		result, err := filecopy.Tree(from, to, filecopy.Options{Owned: true, Render: func(path, _ string) ([]byte, error) {
			return renderFile(path, scope)
		}})
		for _, name := range result.LeftOut {
			env.UI.Line(plugin.Warning, "Left out of the template: %s", name)
		}
		return err
	}
	content, err := renderFile(from, scope)
	if err != nil {
		return err
	}
	return filecopy.Write(to, content, info.Mode()|0o600)
}

func renderFile(from string, scope *hcl.EvalContext) ([]byte, error) {
	src, err := os.ReadFile(from)
	if err != nil || !utf8.Valid(src) {
		return src, err // a picture, say: it is copied
	}
	expr, diags := hclsyntax.ParseTemplate(src, from, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	value, diags := expr.Value(scope)
	if diags.HasErrors() {
		return nil, diags
	}
	text, err := asString(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return []byte(text), nil
}

// asString is the text of a template; one that is a single expression has that expression's type.
func asString(v cty.Value) (string, error) {
	if v.IsNull() || !v.IsKnown() {
		return "", fmt.Errorf("the template has no value")
	}
	switch v.Type() {
	case cty.String:
		return v.AsString(), nil
	case cty.Number:
		return v.AsBigFloat().Text('f', -1), nil
	case cty.Bool:
		return fmt.Sprint(v.True()), nil
	}
	return "", fmt.Errorf("the template makes a %s, not text; use jsonencode", v.Type().FriendlyName())
}

func variables(env *plugin.Call, req *plugin.DeployRequest) (*hcl.EvalContext, error) {
	values := map[string]any{
		"artifact":   req.Artifact.Template,
		"deploy":     map[string]any{"id": req.DeploymentID, "sequence": req.Sequence},
		"entrypoint": map[string]any{"env": orEmpty(req.EntrypointEnv)},
		"labels":     orEmpty(env.Labels),
		"app":        map[string]any{"name": env.App},
		"project":    map[string]any{"name": env.Project},
		"workspace":  map[string]any{"name": env.Workspace},
		"path":       map[string]any{"app": env.Dir, "project": env.ProjectDir},
	}
	scope := &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: functions()}
	for name, value := range values {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("preparing %s for templates: %w", name, err)
		}
		kind, err := ctyjson.ImpliedType(text)
		if err == nil {
			scope.Variables[name], err = ctyjson.Unmarshal(text, kind)
		}
		if err != nil {
			return nil, fmt.Errorf("preparing %s for templates: %w", name, err)
		}
	}
	return scope, nil
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// functions are those that a text needs to show values; what must be computed is computed in waypoint.hcl.
func functions() map[string]function.Function {
	return map[string]function.Function{
		"format": stdlib.FormatFunc, "indent": stdlib.IndentFunc, "join": stdlib.JoinFunc,
		"jsonencode": stdlib.JSONEncodeFunc, "keys": stdlib.KeysFunc, "lower": stdlib.LowerFunc,
		"replace": stdlib.ReplaceFunc, "upper": stdlib.UpperFunc, "values": stdlib.ValuesFunc,
	}
}
