package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

type initOptions struct {
	update bool
	json   bool
}

func newCmdInit(sh *shell) *cobra.Command {
	o := &initOptions{}
	cmd := &cobra.Command{
		Use: "init", Short: "Register the project of this directory, or begin one", Args: argCount(0, 0),
		Long: `Checks waypoint.hcl and the server, and registers the project and its apps.

In a directory without a waypoint.hcl it looks at what is there (Dockerfile, go.mod, package.json, a Helm chart, …), asks
what is not clear, and writes one. Without a terminal it takes the first answer to each question.`,
		Example: "  waypoint init\n  waypoint -project shop -app web init",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runInit(cmd.Context(), sh, o) },
	}
	cmd.Flags().BoolVar(&o.update, "update", false, "also replace the project's labels")
	cmd.Flags().BoolVar(&o.json, "json", false, "print the project as JSON")
	return cmd
}

func runInit(ctx context.Context, sh *shell, o *initOptions) error {
	if _, err := config.Find(sh.env.Dir); errors.Is(err, config.ErrNoFile) {
		if found, err := sh.begin(); err != nil || !found {
			return err
		}
	}
	s, err := sh.findScope()
	if err != nil {
		return err
	}
	if s.foreign() {
		return problem("NO_PROJECT", "`waypoint init` registers the project of this directory; -project names another")
	}
	if diags := checkPlugins(s.file, sh.deps.Catalog()); len(diags) > 0 {
		if err := asError(s.file, diags); err != nil {
			return err
		}
		config.Render(sh.env.Err, s.file, diags, sh.errSetting().Color())
	}
	say := func(format string, args ...any) {
		sh.sayf(" %s %s\n", terminal.Paint("ok", terminal.Success, sh.errSetting().Color()), fmt.Sprintf(format, args...))
	}
	say("%s is valid", filepath.Base(s.file.Name))
	c, err := sh.look(ctx)
	if err != nil {
		return err
	}
	info, err := verify(ctx, c)
	if err != nil {
		return err
	}
	say("The server %s answers (%s)", info.GetVersion(), sh.server.From)
	made, err := register(ctx, c, s.local, o.update)
	if err != nil {
		return err
	}
	verb := "Updated"
	if made.GetCreated() {
		verb = "Registered"
	}
	say("%s the project %q with the apps %s", verb, s.project, orNone(appNames(made.GetApps())))
	say("Operations run %s; the source is: %s", whereRuns(made.GetProject()), sourceText(made.GetProject().GetDataSource()))
	if o.json {
		m := jsonObject(made.GetProject())
		m["apps"] = jsonList(made.GetApps())
		return sh.printJSON(m)
	}
	sh.sayf("Next: `waypoint up`\n")
	return nil
}
