package builtin_test

import (
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// checkFile holds all bodies of a file to their schemas, as `waypoint validate` does.
func checkFile(t *testing.T, file *config.File) (diags hcl.Diagnostics) {
	t.Helper()
	all := builtIn()
	kinds := map[config.StageKind]schema.Kind{
		config.Build: schema.Builder, config.Registry: schema.Registry, config.Deploy: schema.Platform, config.Release: schema.Releaser,
	}
	for _, use := range file.Uses() {
		c, ok := all.Schema(kinds[use.Kind], use.Plugin)
		if !ok {
			t.Fatalf("there is no %s %q", kinds[use.Kind], use.Plugin)
		}
		diags = append(diags, use.Check(fresh(c.Config), nil)...)
	}
	for _, use := range file.SourceUses() {
		c, ok := all.Schema(schema.ConfigSourcer, use.Source)
		if !ok {
			t.Fatalf("there is no config source %q", use.Source)
		}
		diags = append(diags, use.Check(fresh(c.Config))...)
	}
	return diags
}

// fresh makes a configuration; nil for a component that takes none.
func fresh(newStruct func() any) any {
	if newStruct == nil {
		return nil
	}
	return newStruct()
}
