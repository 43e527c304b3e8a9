package initialize

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/file"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

type options struct {
	update bool
	json   bool
}

// New makes the command init.
func New(sh Host) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use: "init", Short: "Register the project of this directory, or create one", Args: shell.ArgCount(0, 0),
		Long: `Checks waypoint.hcl and the server, and registers the project and its apps.

In a directory without a waypoint.hcl it inspects the files (a Compose file, Dockerfile, go.mod, package.json, index.html, …),
shows what it found, asks about what is not clear, and writes one, with comments on what was left out. It proposes only what
this version can run. Where the directory has files that should not be deployed, such as .env, it writes a .waypointignore
too. Without a terminal it takes the first answer to each question.`,
		Example: "  waypoint init\n  waypoint -project shop -app web init",
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), sh, o) },
	}
	cmd.Flags().BoolVar(&o.update, "update", false, "also replace the project's labels")
	cmd.Flags().BoolVar(&o.json, "json", false, "print the project as JSON")
	return cmd
}

func run(ctx context.Context, sh Host, o *options) error {
	if _, err := config.Find(sh.Env().Dir); errors.Is(err, config.ErrNoFile) {
		if found, err := begin(sh); err != nil || !found {
			return err
		}
	}
	s, err := scope.Find(sh)
	if err != nil {
		return err
	}
	if s.Foreign() {
		return problem.New("NO_PROJECT", "`waypoint init` registers the project of this directory, but -project names another one")
	}
	if diags := append(s.File.Ignored(), file.CheckPlugins(s.File, sh.Deps().Catalog())...); len(diags) > 0 {
		if err := problem.InFile(s.File, diags); err != nil {
			return err
		}
		config.Render(sh.Env().Err, s.File, diags, sh.ErrSetting().Color())
	}
	say := func(format string, args ...any) {
		sh.Progressf(" %s %s\n", terminal.Paint("ok", terminal.Success, sh.ErrSetting().Color()), fmt.Sprintf(format, args...))
	}
	say("%s is valid", filepath.Base(s.File.Name))
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	info, err := shell.Verify(ctx, c)
	if err != nil {
		return err
	}
	say("The server %s answers (%s)", info.GetVersion(), sh.Server().From)
	made, err := operation.Register(ctx, c, s.Local, o.update)
	if err != nil {
		return err
	}
	verb := "Updated"
	if made.GetCreated() {
		verb = "Registered"
	}
	say("%s the project %q with the apps %s", verb, s.Project, render.OrNone(scope.AppNames(made.GetApps())))
	say("Operations run %s; the source is: %s", render.WhereRuns(made.GetProject()), render.SourceText(made.GetProject().GetDataSource()))
	if o.json {
		m := render.Object(made.GetProject())
		m["apps"] = render.List(made.GetApps())
		return sh.PrintJSON(m)
	}
	sh.Progressf("Next: `waypoint up`\n")
	return nil
}
