package file

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// NewValidate makes the command validate.
func NewValidate(sh Host) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "validate [FILE]", Short: "Check waypoint.hcl without a server", Args: shell.ArgCount(0, 1),
		Long: `Checks a file, by default the nearest waypoint.hcl: its syntax, its stanzas, and the bodies of the plugins that this
binary has. It shows all errors, with their place in the file. It needs no server and runs nothing.`,
		RunE: func(_ *cobra.Command, args []string) error { return runValidate(sh, args, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}

func runValidate(sh Host, args []string, asJSON bool) error {
	path := ""
	if len(args) == 1 {
		path = args[0]
		if !filepath.IsAbs(path) {
			path = filepath.Join(sh.Env().Dir, path)
		}
	} else {
		var err error
		if path, err = config.Find(sh.Env().Dir); err != nil {
			return notFound(err)
		}
	}
	file, diags := config.Load(path)
	if !diags.HasErrors() {
		_, more := file.Project(scope.Input(sh, filepath.Dir(path)))
		diags = append(diags, more...)
		diags = append(diags, file.Ignored()...)
		diags = append(diags, CheckPlugins(file, sh.Deps().Catalog())...)
	}
	if asJSON {
		if err := config.RenderJSON(sh.Env().Out, file, diags); err != nil {
			return fmt.Errorf("printing the findings: %w", err)
		}
		if diags.HasErrors() {
			return problem.ErrSilent
		}
		return nil
	}
	if diags.HasErrors() {
		return problem.InFile(file, diags)
	}
	if len(diags) > 0 {
		config.Render(sh.Env().Err, file, diags, sh.ErrSetting().Color())
	}
	sh.Progressf(" %s %s is valid\n", terminal.Paint("ok", terminal.Success, sh.ErrSetting().Color()), filepath.Base(path))
	return nil
}
