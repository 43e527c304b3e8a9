package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// FindAutoFiles lists *.auto.wpvars and *.auto.wpvars.json in dir, in lexical order: later ones win.
func FindAutoFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for *.auto.wpvars: %w", err)
	}
	var paths []string
	for _, e := range entries {
		name := e.Name()
		if !e.IsDir() && (strings.HasSuffix(name, ".auto.wpvars") || strings.HasSuffix(name, ".auto.wpvars.json")) {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	slices.Sort(paths)
	return paths, nil
}

// LoadVarFile reads a file of values: HCL attributes, or a JSON object if its name ends in .json. source is
// SourceAutoFile or SourceFile. Values are constants.
func LoadVarFile(path string, source VarSource) ([]VarInput, hcl.Diagnostics) {
	src, diag := readBounded(path, maxFileSize)
	if diag != nil {
		return nil, hcl.Diagnostics{diag}
	}
	return ParseVarFile(src, path, source)
}

// ParseVarFile is LoadVarFile of a file's content. Its diagnostics do not show values: whether they are sensitive is
// known only later.
func ParseVarFile(src []byte, filename string, source VarSource) (inputs []VarInput, diags hcl.Diagnostics) {
	f := &File{Name: filename, secrets: &secrets{}}
	defer f.guard(&diags)
	body, diags := parseBody(src, filename)
	if body == nil || diags.HasErrors() {
		return nil, diags
	}
	attributes, more := body.JustAttributes()
	for _, d := range more {
		if strings.HasPrefix(d.Summary, "Unexpected") {
			d.Detail = "A file of values can contain only lines such as name = value; variables are declared in waypoint.hcl."
		}
	}
	diags = append(diags, more...)
	list := make([]*hcl.Attribute, 0, len(attributes))
	for _, a := range attributes {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *hcl.Attribute) int { return a.Range.Start.Byte - b.Range.Start.Byte })
	for _, a := range list {
		val, more := constant(a.Expr)
		if more.HasErrors() && (isNumber(more) || isStopped(more)) {
			diags = append(diags, more...)
			continue
		}
		if more.HasErrors() {
			diags = append(diags, errorAt(a.Expr.Range(), fmt.Sprintf("Invalid value for variable %q", a.Name),
				"A file of values can contain only constants, not names or functions. Text must be in quotes."))
			continue
		}
		inputs = append(inputs, VarInput{
			Name: a.Name, Typed: val, Source: source, Origin: filename, Range: a.Expr.Range(),
		})
	}
	return inputs, diags
}

// envPrefix is how environment variables for input variables begin.
const envPrefix = "WP_VAR_"

// VarsFromEnv reads the values that an environment ("NAME=value", as of os.Environ) has for declared variables:
// WP_VAR_name, and for SourceRunnerEnv also the names that the declaration lists, first listed first.
func (f *File) VarsFromEnv(environ []string, source VarSource) []VarInput {
	env := make(map[string]string, len(environ))
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok {
			env[name] = value
		}
	}
	var inputs []VarInput
	for _, v := range f.variables {
		names := []string{envPrefix + v.Name}
		if source == SourceRunnerEnv {
			names = append(names, v.Env...)
		}
		for _, name := range names {
			if value, ok := env[name]; ok {
				inputs = append(inputs, VarInput{Name: v.Name, Value: value, Source: source, Origin: name})
				break
			}
		}
	}
	return inputs
}

// ParseVarFlag reads the argument of -var: "name=value". The error does not show the value.
func ParseVarFlag(arg string) (VarInput, error) {
	name, value, ok := strings.Cut(arg, "=")
	name = strings.TrimSpace(name)
	if !ok || name == "" {
		return VarInput{}, errors.New("-var requires name=value")
	}
	return VarInput{Name: name, Value: value, Source: SourceFlag, Origin: "-var"}, nil
}
