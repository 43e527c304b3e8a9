package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

// maxFileSize is the largest waypoint.hcl that is read, in bytes; the same as the server stores.
const maxFileSize = 5 << 20

// maxNesting is how deep brackets may nest, and maxOperators how many operators a file may have: parser and evaluator
// recurse over both. Nobody writes this.
const (
	maxNesting   = 500
	maxOperators = 300_000
)

// File is a parsed waypoint.hcl.
type File struct {
	// Name is as given to Parse or Load; diagnostics show it.
	Name string

	src  []byte
	body hcl.Body
	// native is nil for JSON.
	native *hclsyntax.Body

	lang      *language
	root      *node
	variables []*VariableDecl
	plugins   []*PluginDecl

	secrets *secrets
	// meteredCopies are the expressions that are evaluated, by those that were parsed.
	meteredCopies sync.Map
}

// Variables lists the declared variables in the order of the file.
func (f *File) Variables() []*VariableDecl { return f.variables }

func (f *File) variable(name string) *VariableDecl {
	for _, v := range f.variables {
		if v.Name == name {
			return v
		}
	}
	return nil
}

// Load is Parse of a file on disk.
func Load(path string) (*File, hcl.Diagnostics) {
	src, diag := readBounded(path, maxFileSize)
	if diag != nil {
		return &File{Name: path, body: hcl.EmptyBody(), secrets: &secrets{}}, hcl.Diagnostics{diag}
	}
	return Parse(src, path)
}

func readBounded(path string, limit int64) ([]byte, *hcl.Diagnostic) {
	fail := func(detail string) *hcl.Diagnostic {
		return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: fmt.Sprintf("Cannot read %s", path), Detail: detail}
	}
	file, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fail("There is no such file.")
	case err != nil:
		return nil, fail(sentenceOf(err))
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, fail("It is a directory.")
	}
	src, err := io.ReadAll(io.LimitReader(file, limit+1))
	switch {
	case err != nil:
		return nil, fail(sentenceOf(err))
	case int64(len(src)) > limit:
		return nil, fail(fmt.Sprintf("It is larger than %d MB.", limit>>20))
	}
	return src, nil
}

func sentenceOf(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// Parse reads the structure of a file and checks all that can be checked without values: stanzas and their places,
// names of variables and functions, constant values. filename's ending .json selects the JSON syntax.
// It never returns nil; with errors, the file holds what could be read.
func Parse(src []byte, filename string) (f *File, diags hcl.Diagnostics) {
	f = &File{Name: filename, src: src, body: hcl.EmptyBody(), lang: newLanguage(), secrets: &secrets{}}
	defer f.guard(&diags)
	body, diags := parseBody(src, filename)
	if body == nil {
		return f, diags
	}
	f.body = body
	f.native, _ = body.(*hclsyntax.Body)
	broken := diags.HasErrors()
	surplus := explainSyntax(src, filename, diags)
	more := f.readRoot()
	if broken {
		// What is missing from a file that cannot be read to its end is no news, but a block in the wrong place is: it
		// shows where the brace is missing. After a brace too many every block is in the wrong place.
		for _, d := range more {
			if strings.HasPrefix(d.Summary, "Misplaced block") && (surplus.Empty() || d.Subject.Start.Byte < surplus.Start.Byte) {
				diags = append(diags, d)
			}
		}
		return f, f.finish(diags)
	}
	diags = append(diags, more...)
	diags = append(diags, f.checkNames()...)
	diags = append(diags, f.checkNumbers()...)
	return f, f.finish(diags)
}

// checkNumbers finds the numbers that no value can be made of. Those of JSON are found when they are evaluated.
func (f *File) checkNumbers() (diags hcl.Diagnostics) {
	if f.native == nil {
		return nil
	}
	return hclsyntax.VisitAll(f.native, func(n hclsyntax.Node) hcl.Diagnostics {
		literal, ok := n.(*hclsyntax.LiteralValueExpr)
		if !ok || literal.Val.Type() != cty.Number || literal.Val.IsNull() || functions.CheckNumber(literal.Val.AsBigFloat()) == nil {
			return nil
		}
		return hcl.Diagnostics{numberOutOfRange(literal.SrcRange)}
	})
}

// parseBody parses either syntax. The body is nil if nothing could be read.
func parseBody(src []byte, filename string) (hcl.Body, hcl.Diagnostics) {
	if len(src) > maxFileSize {
		return nil, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  fmt.Sprintf("Cannot read %s", filename),
			Detail:   fmt.Sprintf("It is larger than %d MB.", maxFileSize>>20),
		}}
	}
	if diag := tooDeep(src, filename); diag != nil {
		return nil, hcl.Diagnostics{diag}
	}
	if strings.HasSuffix(filename, ".json") {
		file, diags := json.Parse(src, filename)
		if file == nil {
			return nil, diags
		}
		return file.Body, diags
	}
	file, diags := hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
	if file == nil {
		return nil, diags
	}
	return file.Body, diags
}

// tooDeep refuses sources whose brackets or operators nest so deep that recursion over them could exhaust the stack,
// which no recover can catch. Strings are not told apart: that costs precision only beyond what anybody writes.
func tooDeep(src []byte, filename string) *hcl.Diagnostic {
	depth, prefixes, operators, line, lineStart := 0, 0, 0, 1, 0
	for i, b := range src {
		switch b {
		case '\n':
			line++
			lineStart = i + 1
		case '{', '(':
			depth++
		case '[':
			depth++
			operators++
		case '}', ']', ')':
			depth = max(depth-1, 0)
		case '+', '*', '/', '%', '&', '|', '<', '>', '=', '?':
			operators++
		}
		switch b {
		case '!', '-':
			prefixes++
			operators++
		case ' ', '\t':
		default:
			prefixes = 0
		}
		if depth > maxNesting || prefixes > maxNesting || operators > maxOperators {
			pos := hcl.Pos{Line: line, Column: i - lineStart + 1, Byte: i}
			return &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Nested too deeply",
				Detail:   fmt.Sprintf("Brackets may nest %d deep, and a file may have %d operators.", maxNesting, maxOperators),
				Subject:  &hcl.Range{Filename: filename, Start: pos, End: pos},
			}
		}
	}
	return nil
}

// finish is what every diagnostic goes through before it leaves the package.
func (f *File) finish(diags hcl.Diagnostics) hcl.Diagnostics {
	diags = dedupe(diags)
	f.secrets.scrub(diags)
	return diags
}

func dedupe(diags hcl.Diagnostics) hcl.Diagnostics {
	type key struct{ where, summary, detail string }
	seen := make(map[key]bool, len(diags))
	out := diags[:0:0]
	for _, d := range diags {
		k := key{summary: d.Summary, detail: d.Detail}
		if d.Subject != nil {
			k.where = d.Subject.String()
		}
		if !seen[k] {
			seen[k] = true
			out = append(out, d)
		}
	}
	return out
}

// guard turns a panic, which can only be a defect of ours or of a library, into an error. What was being evaluated
// may be secret, so the panic's text is not shown.
func (f *File) guard(diags *hcl.Diagnostics) {
	if r := recover(); r != nil {
		*diags = append(*diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Internal error",
			Detail:   fmt.Sprintf("Reading %s failed unexpectedly (%T). Please report this, with the file if possible.", f.Name, r),
		})
	}
}
