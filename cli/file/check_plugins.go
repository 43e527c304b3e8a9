package file

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// CheckPlugins checks the body of every `use`, and every dynamic(…), against its plugin's settings, without
// evaluating what is known only later. A plugin that this binary does not have, or cannot run yet, is a warning: the
// file is valid, but the operation will fail.
func CheckPlugins(file *config.File, plugins *catalog.Catalog) (diags hcl.Diagnostics) {
	declared := map[string]bool{}
	for _, p := range file.Plugins() {
		declared[p.Name] = true
	}
	uses := file.Uses()
	said := map[string]bool{} // one warning for a plugin is enough
	for _, use := range uses {
		kind := componentKind(use.Kind)
		component, known := plugins.Schema(kind, use.Plugin)
		if known {
			diags = append(diags, use.Check(fresh(component.Config), outputsBefore(uses, use, plugins))...)
		}
		if known && !component.Planned {
			continue
		}
		if key := string(kind) + " " + use.Plugin; !said[key] {
			said[key] = true
			diags = append(diags, missingPlugin(plugins, kind, use.Plugin, use.Range, declared[use.Plugin]))
		}
	}
	for _, use := range file.SourceUses() {
		component, known := plugins.Schema(schema.ConfigSourcer, use.Source)
		if known {
			diags = append(diags, use.Check(fresh(component.Config))...)
			continue
		}
		if key := string(schema.ConfigSourcer) + " " + use.Source; !said[key] {
			said[key] = true
			diags = append(diags, missingPlugin(plugins, schema.ConfigSourcer, use.Source, use.Range, declared[use.Source]))
		}
	}
	return diags
}

// missingPlugin says what the operation will say. It is a warning also for a plugin that is here and has no such
// component: as in Waypoint the file loads, and the other stages work.
func missingPlugin(plugins *catalog.Catalog, kind schema.Kind, name string, rng hcl.Range, declared bool) *hcl.Diagnostic {
	err := plugins.Missing(kind, name)
	d := &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: render.FirstUpper(err.Error()), Detail: "The operation will fail.", Subject: &rng}
	_, there := plugins.Get(name)
	if declared && !there {
		d.Detail = "Plugins are part of this binary; external plugin programs are not run."
		return d
	}
	if near := config.Nearest(name, plugins.NamesOf(kind)); near != "" && !there {
		d.Detail += fmt.Sprintf(" Did you mean %q?", near)
	}
	if e, ok := errors.AsType[*plugin.Error](err); ok {
		d.Detail = strings.TrimSpace(d.Detail + " " + e.Hint)
	}
	return d
}

// outputsBefore says what the stages before a use have, as far as the file says which plugins those are.
func outputsBefore(uses []config.Use, use config.Use, plugins *catalog.Catalog) map[string]any {
	var built, pushed, deployed []config.Use
	for _, u := range uses {
		if u.App != use.App {
			continue
		}
		switch u.Kind {
		case config.Build:
			built = append(built, u)
		case config.Registry:
			pushed = append(pushed, u)
		case config.Deploy:
			deployed = append(deployed, u)
		}
	}
	if len(pushed) == 0 || use.Kind == config.Registry {
		pushed = built
	}
	outputs := map[string]any{}
	for name, list := range map[string][]config.Use{"artifact": pushed, "deploy": deployed} {
		if out := commonOutput(list, plugins); out != nil {
			outputs[name] = out
		}
	}
	return outputs
}

// commonOutput is what one of these uses has, if they are all of one plugin whose output is known.
func commonOutput(uses []config.Use, plugins *catalog.Catalog) any {
	for _, u := range uses {
		if u.Plugin != uses[0].Plugin {
			return nil
		}
	}
	if len(uses) == 0 {
		return nil
	}
	component, ok := plugins.Schema(componentKind(uses[0].Kind), uses[0].Plugin)
	if !ok || component.Open {
		return nil
	}
	if component.Output == nil {
		return struct{}{} // it has none
	}
	return component.Output()
}

// componentKind is the kind of component that a stage uses.
func componentKind(stage config.StageKind) schema.Kind {
	switch stage {
	case config.Build:
		return schema.Builder
	case config.Registry:
		return schema.Registry
	case config.Deploy:
		return schema.Platform
	}
	return schema.Releaser
}

// fresh makes a configuration; nil for a component that takes none.
func fresh(config func() any) any {
	if config == nil {
		return nil
	}
	return config()
}
