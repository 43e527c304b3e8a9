package suite

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Source reads an engine's source for what it can answer, so that nothing has to be listed twice, nor can be forgotten.
type Source struct {
	// Dir holds the engine's package.
	Dir string
	// Dispatch is the function whose switch names the operations.
	Dispatch string
	// Errors are the composite literals that make an error: type name to the position of the code in it.
	Errors map[string]int
	// Makers are the functions that make an error of a code: name to the position of the code.
	Makers map[string]int
	// Reasons are composite literals with a field that is a code: type name to the field's name.
	Reasons map[string]string
}

// Read gives the names of operations and error codes, sorted. It fails on an error whose code is not written out where
// the error is made (except in the makers themselves): such a code could not be held to account.
func (s Source) Read() (operations, codes []string, err error) {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the engine's source: %w", err)
	}
	r := &reader{Source: s, files: token.NewFileSet(), codes: map[string]bool{}}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(r.files, filepath.Join(s.Dir, e.Name()), nil, 0)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the engine's source: %w", err)
		}
		for _, decl := range file.Decls {
			r.declaration(decl)
		}
	}
	if r.unclear != nil {
		return nil, nil, r.unclear
	}
	for code := range r.codes {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	slices.Sort(r.operations)
	if len(r.operations) == 0 || len(codes) == 0 {
		return nil, nil, fmt.Errorf("no operations or codes were found in %s: its form has changed", s.Dir)
	}
	return r.operations, codes, nil
}

type reader struct {
	Source
	files      *token.FileSet
	operations []string
	codes      map[string]bool
	unclear    error
}

func (r *reader) declaration(decl ast.Decl) {
	f, isFunc := decl.(*ast.FuncDecl)
	_, isMaker := r.Makers[funcName(f, isFunc)]
	ast.Inspect(decl, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CaseClause:
			if isFunc && f.Name.Name == r.Dispatch {
				for _, e := range n.List {
					if name, ok := text(e); ok {
						r.operations = append(r.operations, name)
					}
				}
			}
		case *ast.CompositeLit:
			r.literal(n, isMaker)
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok {
				if at, ok := r.Makers[id.Name]; ok && at < len(n.Args) {
					r.code(n.Args[at], false)
				}
			}
		}
		return true
	})
}

func funcName(f *ast.FuncDecl, ok bool) string {
	if !ok {
		return ""
	}
	return f.Name.Name
}

func (r *reader) literal(n *ast.CompositeLit, inMaker bool) {
	name := ""
	switch t := n.Type.(type) {
	case *ast.Ident:
		name = t.Name
	case *ast.SelectorExpr:
		name = t.Sel.Name
	}
	if at, ok := r.Errors[name]; ok && at < len(n.Elts) {
		r.code(n.Elts[at], inMaker)
	}
	field, ok := r.Reasons[name]
	if !ok {
		return
	}
	for _, e := range n.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok && key.Name == field {
				r.code(kv.Value, false)
			}
		}
	}
}

func (r *reader) code(e ast.Expr, mayVary bool) {
	if sum, ok := e.(*ast.BinaryExpr); ok { // namespace + "Code"
		e = sum.Y
	}
	if code, ok := text(e); ok {
		r.codes[code] = true
		return
	}
	if !mayVary && r.unclear == nil {
		r.unclear = fmt.Errorf("%s: an error code that is not written out here", r.files.Position(e.Pos()))
	}
}

func text(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}
