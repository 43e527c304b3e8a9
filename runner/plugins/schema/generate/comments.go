package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// fieldsJSON reads the packages below root and gives the content of schema/fields.json: the comment of every struct field
// with an hcl tag, sorted by its key. A field without a comment has no entry; a test of all schemas finds it.
func fieldsJSON(root string) ([]byte, error) {
	comments := map[string]string{}
	dirs, err := filepath.Glob(filepath.Join(root, "*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		if err := packageComments(dir, schema.PluginsPath+filepath.Base(dir), comments); err != nil {
			return nil, err
		}
	}
	if len(comments) == 0 {
		return nil, fmt.Errorf("no struct below %s has hcl tags; run this in the repository's root", root)
	}
	// A map is written in the order of its keys.
	return terminal.JSON(comments, "  ")
}

// packageComments reads the comments of one package, tests aside.
func packageComments(dir, pkgPath string, comments map[string]string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("reading the comments of fields: %w", err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				structComments(s, pkgPath, spec.Name.Name, comments)
			}
			return true
		})
	}
	return nil
}

func structComments(s *ast.StructType, pkgPath, typ string, comments map[string]string) {
	for _, f := range s.Fields.List {
		if f.Tag == nil || f.Doc == nil {
			continue
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		if err != nil || reflect.StructTag(tag).Get("hcl") == "" {
			continue
		}
		for _, name := range f.Names {
			comments[schema.CommentKey(pkgPath, typ, name.Name)] = strings.Join(strings.Fields(f.Doc.Text()), " ")
		}
	}
}
