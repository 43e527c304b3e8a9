package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

func newCmdValidate(sh *shell) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "validate [FILE]", Short: "Check waypoint.hcl without a server", Args: argCount(0, 1),
		Long: `Checks a file, by default the nearest waypoint.hcl: its syntax, its stanzas, and the bodies of the plugins that this
binary has. All errors are shown at once, with their place in the file. It needs no server, and runs nothing.`,
		RunE: func(_ *cobra.Command, args []string) error { return runValidate(sh, args, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}

func runValidate(sh *shell, args []string, asJSON bool) error {
	path := ""
	if len(args) == 1 {
		path = args[0]
		if !filepath.IsAbs(path) {
			path = filepath.Join(sh.env.Dir, path)
		}
	} else {
		var err error
		if path, err = config.Find(sh.env.Dir); err != nil {
			return noFile(err)
		}
	}
	file, diags := config.Load(path)
	if !diags.HasErrors() {
		_, more := file.Project(sh.hclInput(filepath.Dir(path)))
		diags = append(diags, more...)
		diags = append(diags, checkPlugins(file, sh.deps.Catalog())...)
	}
	if asJSON {
		if err := config.RenderJSON(sh.env.Out, file, diags); err != nil {
			return fmt.Errorf("printing the findings: %w", err)
		}
		if diags.HasErrors() {
			return errSilent
		}
		return nil
	}
	if diags.HasErrors() {
		return asError(file, diags)
	}
	if len(diags) > 0 {
		config.Render(sh.env.Err, file, diags, sh.errSetting().Color())
	}
	sh.sayf(" %s %s is valid\n", terminal.Paint("ok", terminal.Success, sh.errSetting().Color()), filepath.Base(path))
	return nil
}

// checkPlugins holds the body of every `use` to its plugin's configuration, without evaluating anything. A plugin that this
// binary does not have is a warning: the file is right, the operation will fail.
func checkPlugins(file *config.File, catalog *plugin.Catalog) (diags hcl.Diagnostics) {
	declared := map[string]bool{}
	for _, p := range file.Plugins() {
		declared[p.Name] = true
	}
	for _, use := range file.Uses() {
		target, err := configOf(catalog, use)
		if err == nil {
			diags = append(diags, use.Check(target)...)
			continue
		}
		severity, detail := hcl.DiagWarning, "The operation will fail. "
		var known *plugin.Error
		if _, there := catalog.Get(use.Plugin); there {
			severity, detail = hcl.DiagError, "" // it is here, and is no plugin of this kind
		}
		if errors.As(err, &known) {
			detail += known.Hint
		}
		if declared[use.Plugin] {
			detail = "Plugins are part of this binary; those that are programs of their own are not run."
		}
		rng := use.Range
		diags = append(diags, &hcl.Diagnostic{Severity: severity, Summary: firstUpper(err.Error()), Detail: detail, Subject: &rng})
	}
	return diags
}

func firstUpper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// configOf is a fresh configuration of the plugin that a stage uses.
func configOf(catalog *plugin.Catalog, use config.Use) (any, error) {
	type configured interface{ Config() any }
	var c configured
	var err error
	switch use.Kind {
	case config.Build:
		c, err = catalog.Builder(use.Plugin)
	case config.Registry:
		c, err = catalog.Registry(use.Plugin)
	case config.Deploy:
		c, err = catalog.Platform(use.Plugin)
	default:
		c, err = catalog.Releaser(use.Plugin)
	}
	if err != nil {
		return nil, err
	}
	return c.Config(), nil
}
