package cli

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
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
