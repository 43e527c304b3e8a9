package schema

import (
	_ "embed"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// PluginsPath is the import path below which the structs of plugins are.
const PluginsPath = "github.com/waypoint-serverless/waypoint/runner/plugins/"

// fields.json has the comments of the structs' fields, by "package.Type.Field". `make docs` writes it.
//
//go:embed fields.json
var fieldsJSON []byte

// comments reads them, once, when the first is asked for.
var comments = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	// The file is ours and a test reads it; without it the fields are there and undescribed.
	_ = json.Unmarshal(fieldsJSON, &all)
	return all
})

// comment is what stands above a field of a struct.
func comment(t reflect.Type, field string) string {
	return comments()[CommentKey(t.PkgPath(), t.Name(), field)]
}

// CommentKey is the key of a field's comment.
func CommentKey(pkgPath, typ, field string) string {
	return strings.TrimPrefix(pkgPath, PluginsPath) + "." + typ + "." + field
}
