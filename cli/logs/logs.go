package logs

import (
	"context"

	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// linesDefault is how many lines of each app come first; linesSearched how many are looked through with -since or
// -grep.
const (
	linesDefault  = 100
	linesSearched = 10_000
)

type options struct {
	deployment string
	lines      int32
	follow     bool
	json       bool
	since      string
	grep       string
	noPrefix   bool
}

// New makes the command logs.
func New(sh Host) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use: "logs", Short: "Show the logs of the project's apps", Args: shell.ArgCount(0, 0),
		Long: "Shows the last lines of what is deployed, then follows new ones until Ctrl-C. With several apps each line begins with its app; -app selects one.\n\n" +
			"-since and -grep look through the last 10,000 lines of each app, or through as many as -lines says.",
		Example: "  waypoint logs\n  waypoint logs -app web -follow=false -lines 20\n  waypoint logs -since 10m -grep 'error|panic'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("lines") && (o.since != "" || o.grep != "") {
				o.lines = linesSearched
			}
			return run(cmd.Context(), sh, o)
		},
	}
	cmd.Flags().StringVar(&o.deployment, "deployment-seq", "", "show only this deployment, by number or id; needs -app in a project of several apps")
	cmd.Flags().Int32VarP(&o.lines, "lines", "n", linesDefault, "how many of each app's last lines to start with")
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", true, "follow new lines; =false: print the last lines and exit")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object a line")
	cmd.Flags().StringVar(&o.since, "since", "", "show only lines that are not older than a duration (10m, 2h, 3d) or a time (2026-11-29T10:00:00Z)")
	cmd.Flags().StringVar(&o.grep, "grep", "", "show only lines that match a regular expression")
	cmd.Flags().BoolVar(&o.noPrefix, "no-prefix", false, "print the lines alone, without time, app and instance")
	return cmd
}

func run(ctx context.Context, sh Host, o *options) error {
	if o.lines < 1 {
		return problem.New("USAGE", "invalid -lines %d: use 1 or more", o.lines)
	}
	wanted, err := newFilter(o, sh.Env().Now())
	if err != nil {
		return err
	}
	s, err := scope.Find(sh)
	if err != nil {
		return err
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	sources, err := find(ctx, sh, c, s, o)
	if err != nil {
		return err
	}
	out := newPrinter(sh, o, wanted, sources)
	err = read(ctx, sh, c, o, sources, out)
	if ctx.Err() != nil {
		return problem.ErrSilent // an interrupt is how people end it: nothing is said, the exit code names it
	}
	return err
}

// find returns what to read: one source an app.
func find(ctx context.Context, sh Host, c *client.Client, s *scope.Scope, o *options) ([]*source, error) {
	apps, err := scope.Apps(ctx, sh, c, s)
	if o.deployment != "" {
		var app string
		app, err = scope.OneApp(ctx, sh, c, s)
		apps = []string{app}
	}
	if err != nil {
		return nil, err
	}
	sources := make([]*source, len(apps))
	for i, app := range apps {
		id, err := records.DeploymentID(ctx, c, s.Project, app, o.deployment)
		if err != nil {
			return nil, err
		}
		sources[i] = &source{app: app, req: &waypointv1.TailLogsRequest{
			Project: s.Project, App: app, Workspace: sh.Workspace(), DeploymentId: id, Backlog: o.lines,
		}}
		if err := sources[i].look(ctx, sh, c); err != nil {
			return nil, err
		}
	}
	return sources, nil
}
