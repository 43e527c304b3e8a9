package open

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

type options struct{ print, json bool }

// New makes the command open.
func New(sh Host) *cobra.Command {
	o := options{}
	cmd := &cobra.Command{
		Use: "open", Short: "Open an app's URL in a browser", Args: shell.ArgCount(0, 0),
		Long: `Opens the URL of an app in the browser: that of its latest release, or of its latest deployment if the app is not released.
Without a terminal or a browser, the URL is printed.`,
		Example: "  waypoint open\n  waypoint open -app web -print",
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), sh, o) },
	}
	cmd.Flags().BoolVar(&o.print, "print", false, "print the URL and open nothing")
	cmd.Flags().BoolVar(&o.json, "json", false, "print a JSON object and open nothing")
	return cmd
}

func run(ctx context.Context, sh Host, o options) error {
	s, err := scope.Find(sh)
	if err != nil {
		return err
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	app, err := scope.OneApp(ctx, sh, c, s)
	if err != nil {
		return err
	}
	url, err := appURL(ctx, c, &waypointv1.RecordSelector{Project: s.Project, App: app, Workspace: sh.Workspace()})
	if err != nil {
		return err
	}
	if o.json {
		return sh.PrintJSON(map[string]string{"app": app, "workspace": sh.Workspace(), "url": url})
	}
	command := browser(sh.Env(), url)
	if o.print || command == nil || !sh.Env().OutTTY {
		sh.Printf("%s\n", url)
		return nil
	}
	if err := launch(ctx, command); err != nil {
		sh.Printf("%s\n", url)
		return problem.New("NO_BROWSER", "could not open a browser: %v", err).WithHint("Open the URL above yourself, or use `waypoint open -print`.")
	}
	sh.Progressf("Opened %s\n", url)
	return nil
}

// appURL returns the URL of the latest release, else of the latest deployment.
func appURL(ctx context.Context, c *client.Client, of *waypointv1.RecordSelector) (string, error) {
	latest := &waypointv1.RecordRef{Ref: &waypointv1.RecordRef_Latest{Latest: of}}
	release, err := c.Release.GetRelease(ctx, connect.NewRequest(&waypointv1.GetReleaseRequest{Ref: latest}))
	switch {
	case err == nil && release.Msg.GetRelease().GetUrl() != "":
		return release.Msg.GetRelease().GetUrl(), nil
	case err != nil && connect.CodeOf(err) != connect.CodeNotFound:
		return "", fmt.Errorf("reading the latest release: %w", err)
	}
	deployment, err := c.Deployment.GetDeployment(ctx, connect.NewRequest(&waypointv1.GetDeploymentRequest{Ref: latest}))
	switch {
	case err == nil && deployment.Msg.GetDeployment().GetUrl() != "":
		return deployment.Msg.GetDeployment().GetUrl(), nil
	case err != nil && connect.CodeOf(err) != connect.CodeNotFound:
		return "", fmt.Errorf("reading the latest deployment: %w", err)
	case err != nil:
		return "", problem.New("NOT_DEPLOYED", "the app %s is not deployed in the workspace %s", of.GetApp(), of.GetWorkspace()).
			WithHint("Deploy it with `waypoint up`.")
	}
	return "", problem.New("NO_URL", "the deployment of %s has no URL: its platform did not report one", of.GetApp()).
		WithHint("See `waypoint status -app %s` for what the platform made.", of.GetApp())
}

// openBound limits how long the program that opens a URL may take to hand it to the browser; xdg-open returns in well
// under a second, and a text browser that it may start instead would hold the terminal.
const openBound = 10 * time.Second

func launch(ctx context.Context, command []string) error {
	ctx, cancel := context.WithTimeout(ctx, openBound)
	defer cancel()
	return exec.CommandContext(ctx, command[0], command[1:]...).Run()
}
