package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
	"github.com/waypoint-serverless/waypoint/internal/filecopy"
)

// tempWriter makes directories for what functions write.
type tempWriter struct{ dir string }

func (w *tempWriter) newDir() (string, error) {
	if w.dir == "" {
		return "", errors.New("it writes a file, which is possible only while an operation runs")
	}
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return "", fmt.Errorf("making a temporary directory: %w", err)
	}
	dir, err := os.MkdirTemp(w.dir, "rendered-")
	if err != nil {
		return "", fmt.Errorf("making a temporary directory: %w", err)
	}
	return dir, nil
}

// templateError carries the place inside a template where it failed.
type templateError struct{ text string }

func (e *templateError) Error() string { return e.text }

// errLater says, in a preview, that a template's text is not known before something runs.
var errLater = errors.New("not known yet")

// templateFunctions are templatefile, templatedir and templatestring. Unlike Terraform's, the first two return the path
// of what they wrote, and all see the names of the scope that calls them, besides those that they are given.
func (s *scope) templateFunctions(w *tempWriter) map[string]function.Function {
	return map[string]function.Function{
		"templatestring": templateFunc("template", func(text string, vars map[string]cty.Value) (string, bool, error) {
			return s.renderTemplate([]byte(text), "template", vars)
		}),
		"templatefile": templateFunc("path", func(path string, vars map[string]cty.Value) (string, bool, error) {
			return s.renderFile(path, w, vars)
		}),
		"templatedir": templateFunc("path", func(path string, vars map[string]cty.Value) (string, bool, error) {
			return s.renderDir(path, w, vars)
		}),
	}
}

// renderDir renders every file below a directory into a new one. Files that are not text are copied; modes and links are
// kept, by the rule of every copy (package filecopy). The new directory stands in one that only this user may enter.
func (s *scope) renderDir(path string, w *tempWriter, vars map[string]cty.Value) (string, bool, error) {
	root, err := functions.Expand(s.in.ProjectDir, path)
	if err != nil {
		return "", false, err
	}
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return "", false, fmt.Errorf("there is no directory %s", root)
	}
	if s.in.Preview {
		secret, err := s.previewDir(root, path, vars)
		return "", secret, err
	}
	private, err := w.newDir()
	if err != nil {
		return "", false, err
	}
	out := filepath.Join(private, filepath.Base(root))
	anySecret := false
	_, err = filecopy.Tree(root, out, filecopy.Options{Owned: true, Render: func(file, rel string) ([]byte, error) {
		src, err := functions.ReadFile(root, file)
		if err != nil || !utf8.Valid(src) {
			return src, err
		}
		text, secret, err := s.renderTemplate(src, filepath.Join(path, rel), vars)
		anySecret = anySecret || secret
		return []byte(text), err
	}})
	return out, anySecret, err
}

// renderFile renders a file into a new directory that only this user may enter. It keeps the mode.
func (s *scope) renderFile(path string, w *tempWriter, vars map[string]cty.Value) (string, bool, error) {
	src, err := functions.ReadFile(s.in.ProjectDir, path)
	if err != nil {
		return "", false, err
	}
	text, secret, err := s.renderTemplate(src, path, vars)
	if err != nil {
		return "", secret, err
	}
	if s.in.Preview {
		sum := sha256.Sum256([]byte(text))
		return "", secret, renderedFrom(s.shownPath(path), sum[:])
	}
	full, err := functions.Expand(s.in.ProjectDir, path)
	if err != nil {
		return "", secret, err
	}
	info, err := os.Stat(full)
	if err != nil {
		return "", secret, err
	}
	dir, err := w.newDir()
	if err != nil {
		return "", secret, err
	}
	target := filepath.Join(dir, filepath.Base(path))
	return target, secret, filecopy.Write(target, []byte(text), info.Mode()|0o600)
}

// renderTemplate evaluates a template. The bool says whether something sensitive went into it.
func (s *scope) renderTemplate(src []byte, name string, vars map[string]cty.Value) (string, bool, error) {
	if !utf8.Valid(src) {
		return "", false, &templateError{fmt.Sprintf("%s is not UTF-8 text.", name)}
	}
	if len(src) > maxFileSize {
		return "", false, &templateError{fmt.Sprintf("%s is larger than %d MB.", name, maxFileSize>>20)}
	}
	if d := tooDeep(src, name); d != nil {
		return "", false, &templateError{templateDetail(d)}
	}
	e, diags := hclsyntax.ParseTemplate(src, name, hcl.InitialPos)
	if diags.HasErrors() {
		return "", false, &templateError{templateDetail(firstError(diags))}
	}
	inner := &scope{file: s.file, in: s.in, phase: s.phase, ctx: s.ctx.NewChild(), meter: s.meter}
	inner.phase.name = "the template"
	inner.ctx.Variables = vars
	for key := range vars {
		inner.phase.roots = append(inner.phase.roots[:len(inner.phase.roots):len(inner.phase.roots)], key)
	}
	refuse := refusedInTemplates()
	inner.ctx.Functions = refuse
	val, diags := copied(e, nil).evaluate(inner.ctx, inner.meter)
	if diags.HasErrors() {
		return "", false, &templateError{templateDetail(firstError(inner.explain(diags)))}
	}
	secret := functions.IsSensitive(val)
	val, _ = val.UnmarkDeep()
	val, err := convert.Convert(val, cty.String)
	if err == nil && s.in.Preview && !val.IsKnown() {
		return "", secret, errLater
	}
	if err != nil || val.IsNull() || !val.IsKnown() {
		return "", secret, &templateError{fmt.Sprintf("%s does not evaluate to text that is already known.", name)}
	}
	return val.AsString(), secret, nil
}

// refusedInTemplates keeps templates from calling themselves.
func refusedInTemplates() map[string]function.Function {
	out := map[string]function.Function{}
	for _, name := range []string{"templatefile", "templatedir", "templatestring"} {
		out[name] = function.New(&function.Spec{
			VarParam: &function.Parameter{
				Name: "args", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true,
			},
			Type: function.StaticReturnType(cty.String),
			Impl: func([]cty.Value, cty.Type) (cty.Value, error) {
				return cty.UnknownVal(cty.String), fmt.Errorf("%s cannot be called inside a template", name)
			},
		})
	}
	return out
}

func firstError(diags hcl.Diagnostics) *hcl.Diagnostic {
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			return d
		}
	}
	return &hcl.Diagnostic{Summary: "Unknown error"}
}

func templateDetail(d *hcl.Diagnostic) string {
	text := d.Summary
	if d.Subject != nil {
		text = fmt.Sprintf("%s:%d,%d: %s", d.Subject.Filename, d.Subject.Start.Line, d.Subject.Start.Column, d.Summary)
	}
	if d.Detail != "" {
		text += ". " + d.Detail
	} else {
		text += "."
	}
	return text
}

func templateFunc(param string, f func(string, map[string]cty.Value) (string, bool, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: param, Type: cty.String}},
		VarParam: &function.Parameter{
			Name: "vars", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowMarked: true, AllowDynamicType: true,
		},
		Type: function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			vars := map[string]cty.Value{}
			for i, arg := range args[1:] {
				bare, marks := arg.Unmark()
				if bare.IsNull() {
					continue
				}
				if !bare.IsKnown() {
					return cty.UnknownVal(cty.String), nil // whoever uses it says that it is not known
				}
				if t := bare.Type(); !t.IsMapType() && !t.IsObjectType() {
					return cty.UnknownVal(cty.String), function.NewArgErrorf(i+1, "an object such as { name = value } is required")
				}
				for it := bare.ElementIterator(); it.Next(); {
					key, val := it.Element()
					name := key.AsString()
					if !hclsyntax.ValidIdentifier(name) {
						return cty.UnknownVal(cty.String), function.NewArgErrorf(i+1, "%q cannot be a name in a template", name)
					}
					vars[name] = val.WithMarks(marks)
				}
			}
			text, secret, err := f(args[0].AsString(), vars)
			if errors.Is(err, errLater) {
				return cty.UnknownVal(cty.String), nil
			}
			if r, ok := errors.AsType[*rendered](err); ok {
				return renderedValue(r, secret), nil
			}
			if err != nil {
				return cty.UnknownVal(cty.String), err
			}
			out := cty.StringVal(text)
			if secret {
				out = out.Mark(functions.Sensitive())
			}
			return out, nil
		},
	})
}
