package config

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	modulePath = "github.com/waypoint-serverless/waypoint"
	thisPath   = modulePath + "/internal/config"
)

// A sourceCheck type-checks packages of this module from their source, with the packages of others empty: what an expression of
// this package's types is, can be told without them, and nothing has to be built.
type sourceCheck struct {
	fset *token.FileSet
	root string
	// checked and files are by import path; files are of the packages that use this one.
	checked map[string]*types.Package
	files   map[string][]*ast.File
	info    *types.Info
	// read are the fields and methods of this package ("App.Path") that a reader selects.
	read map[string]bool
}

// checkSources finds what the packages below some directories read of this package.
func checkSources(t *testing.T, dirs ...string) *sourceCheck {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	s := &sourceCheck{
		fset: token.NewFileSet(), root: root, checked: map[string]*types.Package{}, files: map[string][]*ast.File{},
		info: &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}}, read: map[string]bool{},
	}
	readers := 0
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() || d.Name() == "testdata" {
				return err
			}
			pkg, err := build.ImportDir(path, 0)
			if err != nil || !slices.Contains(pkg.Imports, thisPath) {
				return nil //nolint:nilerr // not a package
			}
			rel, err := filepath.Rel(root, must1(filepath.Abs(path)))
			if err != nil {
				return err
			}
			readers++
			importPath := modulePath + "/" + filepath.ToSlash(rel)
			_, err = s.Import(importPath)
			s.note(s.files[importPath], func(ast.Node) bool { return true })
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if readers < 8 {
		t.Fatalf("only %d packages read this one", readers)
	}
	s.note(s.files[thisPath], registers)
	return s
}

func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Import checks a package of this module, once; others are empty.
func (s *sourceCheck) Import(importPath string) (*types.Package, error) {
	if pkg := s.checked[importPath]; pkg != nil {
		return pkg, nil
	}
	rel, ours := strings.CutPrefix(importPath, modulePath+"/")
	if !ours {
		pkg := types.NewPackage(importPath, path.Base(importPath))
		pkg.MarkComplete()
		s.checked[importPath] = pkg
		return pkg, nil
	}
	dir := filepath.Join(s.root, filepath.FromSlash(rel))
	listed, err := build.ImportDir(dir, 0)
	if err != nil {
		return nil, err
	}
	reads := importPath == thisPath || slices.Contains(listed.Imports, thisPath)
	var files []*ast.File
	for _, name := range listed.GoFiles {
		file, err := parser.ParseFile(s.fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	if reads {
		s.files[importPath] = files
	}
	config := types.Config{Importer: s, Error: func(error) {}, IgnoreFuncBodies: !reads}
	pkg, _ := config.Check(importPath, s.fset, files, s.info) // what it cannot know of other packages is an error
	s.checked[importPath] = pkg
	return pkg, nil
}

// note adds what is selected in the parts of files that count.
func (s *sourceCheck) note(files []*ast.File, counts func(ast.Node) bool) {
	for _, file := range files {
		for _, decl := range file.Decls {
			ast.Inspect(decl, func(n ast.Node) bool {
				if n == nil || !counts(n) {
					return n != nil
				}
				ast.Inspect(n, func(n ast.Node) bool {
					if sel, ok := n.(*ast.SelectorExpr); ok {
						s.add(s.info.Selections[sel])
					}
					return true
				})
				return false
			})
		}
	}
}

func (s *sourceCheck) add(sel *types.Selection) {
	if sel == nil {
		return
	}
	recv := sel.Recv()
	if p, ok := recv.(*types.Pointer); ok {
		recv = p.Elem()
	}
	if named, ok := recv.(*types.Named); ok && named.Obj().Pkg() == s.checked[thisPath] {
		s.read[named.Obj().Name()+"."+sel.Obj().Name()] = true
	}
}

// registers reports whether a part of this package brings its values to the server: a register function of a stanza, or a
// method Contract.
func registers(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncDecl:
		return n.Name.Name == "Contract" || strings.HasPrefix(n.Name.Name, "register")
	case *ast.KeyValueExpr:
		key, ok := n.Key.(*ast.Ident)
		return ok && key.Name == "register"
	}
	return false
}

// exists reports whether "Type.Member" is a field or method of this package.
func (s *sourceCheck) exists(by string) bool {
	typ, member, _ := strings.Cut(by, ".")
	obj := s.checked[thisPath].Scope().Lookup(typ)
	if obj == nil {
		return false
	}
	found, _, _ := types.LookupFieldOrMethod(obj.Type(), true, s.checked[thisPath], member)
	return found != nil && found.Exported()
}
