package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

// A preview renders templates to see whether that works, and writes nothing: what an operation would get is the path of a
// file that is gone with it.

// rendered is the result of templatefile and templatedir in a preview: an error on the way out of the rendering, and the
// mark of the unknown value that stands for the path.
type rendered struct {
	// text is "Dockerfile.tpl, sha256:1a2b3c4d5e6f", with the digest of what was rendered.
	text string
}

func (r *rendered) Error() string { return "rendered from " + r.text }

func renderedFrom(path string, sum []byte) *rendered {
	const shown = 6
	return &rendered{fmt.Sprintf("%s, sha256:%s", filepath.ToSlash(path), hex.EncodeToString(sum[:shown]))}
}

// renderedValue stands for the path of something that was rendered in a preview.
func renderedValue(r *rendered, secret bool) cty.Value {
	v := cty.UnknownVal(cty.String).Mark(*r)
	if secret {
		v = v.Mark(functions.Sensitive())
	}
	return v
}

// previewDir renders every file below root and returns a *rendered.
func (s *scope) previewDir(root, path string, vars map[string]cty.Value) (secret bool, err error) {
	sum := sha256.New()
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		src, err := functions.ReadFile(root, file)
		if err != nil {
			return err
		}
		text, hidden := string(src), false
		if utf8.Valid(src) {
			if text, hidden, err = s.renderTemplate(src, filepath.Join(path, rel), vars); err != nil {
				return err
			}
		}
		secret = secret || hidden
		_, _ = fmt.Fprintf(sum, "%d %s %d %s", len(rel), filepath.ToSlash(rel), len(text), text)
		return nil
	})
	if err != nil {
		return secret, err
	}
	return secret, renderedFrom(s.shownPath(path), sum.Sum(nil))
}

// shownPath is a path as a plan shows it: relative to the project's directory, so that two checkouts have one plan.
func (s *scope) shownPath(path string) string {
	if rel, err := filepath.Rel(s.in.ProjectDir, path); err == nil && filepath.IsAbs(path) && !outside(rel) {
		return rel
	}
	return path
}

func outside(rel string) bool {
	return rel == ".." || strings.HasPrefix(rel, ".."+string(os.PathSeparator))
}

// previewValue is a value in a preview. Files outside the project's directory that are not there may be on the runner: they
// make a value that is not known, and a warning.
func (s *scope) previewValue(v cty.Value, diags hcl.Diagnostics) (cty.Value, hcl.Diagnostics) {
	if !s.in.Preview || !diags.HasErrors() {
		return v, diags
	}
	for _, d := range diags {
		if d.Severity == hcl.DiagError && !s.onRunner(d) {
			return v, diags
		}
	}
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			d.Severity = hcl.DiagWarning
			d.Detail += " It may be on the runner: the value is known there."
		}
	}
	return cty.DynamicVal, diags
}

// onRunner reports whether an error is about a file outside the project that is not on this machine.
func (s *scope) onRunner(d *hcl.Diagnostic) bool {
	call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
	if !ok {
		return false
	}
	var path string
	missing, found := errors.AsType[*functions.MissingFileError](call.FunctionCallError())
	switch {
	case found:
		path = missing.Path
	case d.Expression != nil && strings.Contains(d.Detail, ": there is no file "): // an error about an argument hides its cause
		v, diags := d.Expression.Value(s.contextOf(d))
		given, err := asString(v)
		if diags.HasErrors() || err != nil {
			return false
		}
		if path, err = functions.Expand(s.in.ProjectDir, given); err != nil {
			return false
		}
	default:
		return false
	}
	rel, err := filepath.Rel(s.in.ProjectDir, path)
	return err != nil || outside(rel)
}

// Distinct returns the diagnostics without repetitions: what is evaluated twice is told once.
func Distinct(diags hcl.Diagnostics) hcl.Diagnostics { return dedupe(diags) }
