// Package jsonnetfuncs has jsonnetfile and jsonnetdir, which render Jsonnet to JSON files and return their path.
package jsonnetfuncs

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-jsonnet"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

// maxStack bounds recursion in Jsonnet programs; it is jsonnet's own default.
const maxStack = 500

// Table makes the functions. Relative paths start at dir; tempDir makes a fresh directory for what is rendered. ctx ends them.
func Table(ctx context.Context, dir string, tempDir func() (string, error)) map[string]function.Function {
	return map[string]function.Function{
		"jsonnetfile": pathFunc(func(path string, o options) (string, error) {
			full, err := functions.Expand(dir, path)
			if err != nil {
				return "", err
			}
			out, err := tempDir()
			if err != nil {
				return "", err
			}
			target := filepath.Join(out, jsonName(filepath.Base(full)))
			return target, render(ctx, full, target, o)
		}),
		"jsonnetdir": pathFunc(func(path string, o options) (string, error) {
			full, err := functions.Expand(dir, path)
			if err != nil {
				return "", err
			}
			out, err := tempDir()
			if err != nil {
				return "", err
			}
			return out, renderDir(ctx, full, out, o)
		}),
	}
}

func jsonName(name string) string { return strings.TrimSuffix(name, filepath.Ext(name)) + ".json" }

// renderDir renders every .jsonnet file below dir; libraries (.libsonnet) are only imported.
func renderDir(ctx context.Context, dir, out string, o options) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".jsonnet" {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		target := filepath.Join(out, filepath.Dir(rel), jsonName(filepath.Base(rel)))
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return err
		}
		return render(ctx, path, target, o)
	})
}

func render(ctx context.Context, path, target string, o options) error {
	vm := jsonnet.MakeVM()
	vm.MaxStack = maxStack
	vm.Importer(&jsonnet.FileImporter{JPaths: []string{filepath.Dir(path)}})
	for kind, set := range map[string]func(string, string){
		"ext_vars": vm.ExtVar, "ext_code": vm.ExtCode, "tla_vars": vm.TLAVar, "tla_code": vm.TLACode,
	} {
		for name, value := range o[kind] {
			set(name, value)
		}
	}
	text, err := bounded(ctx, func() (string, error) { return vm.EvaluateFile(path) })
	if err != nil {
		return fmt.Errorf("evaluating %s: %s", path, strings.TrimSpace(err.Error()))
	}
	return os.WriteFile(target, []byte(text), 0o600)
}

// options are ext_vars, ext_code, tla_vars and tla_code, each a map.
type options map[string]map[string]string

func parseOptions(v cty.Value) (options, error) {
	o := options{}
	if v.IsNull() {
		return o, nil
	}
	if t := v.Type(); !t.IsObjectType() && !t.IsMapType() {
		return nil, fmt.Errorf("the options must be an object with ext_vars, ext_code, tla_vars or tla_code")
	}
	for it := v.ElementIterator(); it.Next(); {
		key, val := it.Element()
		switch name := key.AsString(); name {
		case "ext_vars", "ext_code", "tla_vars", "tla_code":
			m, err := convert.Convert(val, cty.Map(cty.String))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if o[name], err = functions.StringMap(m); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		default:
			return nil, fmt.Errorf("there is no option %q; there are ext_vars, ext_code, tla_vars and tla_code", name)
		}
	}
	return o, nil
}

func pathFunc(f func(string, options) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "path", Type: cty.String}},
		VarParam: &function.Parameter{Name: "options", Type: cty.DynamicPseudoType, AllowNull: true},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			opts := options{}
			for i, arg := range args[1:] {
				o, err := parseOptions(arg)
				if err != nil {
					return cty.UnknownVal(cty.String), function.NewArgError(i+1, err)
				}
				for kind, m := range o {
					opts[kind] = m
				}
			}
			path, err := f(args[0].AsString(), opts)
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(0, err)
			}
			return cty.StringVal(path), nil
		},
	})
}
