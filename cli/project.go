package cli

import (
	"context"
	"fmt"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

func newCmdProject(sh *shell) *cobra.Command {
	return group("project", "List and inspect projects", newCmdProjectList(sh), newCmdProjectInspect(sh))
}

func newCmdProjectList(sh *shell) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List projects", Args: argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runProjectList(cmd.Context(), sh, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

func runProjectList(ctx context.Context, sh *shell, asJSON bool) error {
	c, err := sh.look(ctx)
	if err != nil {
		return err
	}
	projects, err := listProjects(ctx, c, 0)
	if err != nil {
		return err
	}
	return showProjects(sh, projects, asJSON)
}

func listProjects(ctx context.Context, c *client.Client, limit int) ([]*waypointv1.Project, error) {
	return pages(limit, func(p *waypointv1.Page) ([]*waypointv1.Project, string, error) {
		res, err := c.Project.ListProjects(ctx, connect.NewRequest(&waypointv1.ListProjectsRequest{Page: p}))
		if err != nil {
			return nil, "", fmt.Errorf("listing projects: %w", err)
		}
		return res.Msg.GetProjects(), res.Msg.GetNextPageToken(), nil
	})
}

func showProjects(sh *shell, projects []*waypointv1.Project, asJSON bool) error {
	cols := []terminal.Column{{Title: "PROJECT"}, {Title: "RUNS"}, {Title: "SOURCE", Rank: 1}, {Title: "UPDATED", Rank: 2}}
	return showList(sh, asJSON, projects, "projects", cols, func(p *waypointv1.Project) []string {
		return []string{p.GetName(), whereRuns(p), sourceText(p.GetDataSource()), sh.ago(unix(max(p.GetUpdatedUnix(), p.GetCreatedUnix())))}
	})
}

func whereRuns(p *waypointv1.Project) string {
	if p.GetRemoteEnabled() {
		return "remotely"
	}
	return "locally"
}

func sourceText(ds *waypointv1.DataSource) string {
	g := ds.GetGit()
	if g == nil {
		return "local directory"
	}
	text := "git " + g.GetUrl()
	if g.GetRef() != "" {
		text += " at " + g.GetRef()
	}
	if g.GetPath() != "" {
		text += " in " + g.GetPath()
	}
	return text
}

func newCmdProjectInspect(sh *shell) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "inspect [NAME]", Short: "Show one project", Args: argCount(0, 1), ValidArgsFunction: completeProjects(sh),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runProjectInspect(cmd.Context(), sh, asJSON, args)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func runProjectInspect(ctx context.Context, sh *shell, asJSON bool, args []string) error {
	name := ""
	if len(args) > 0 {
		name = args[0]
	} else {
		s, err := sh.findScope()
		if err != nil {
			return err
		}
		name = s.project
	}
	c, err := sh.look(ctx)
	if err != nil {
		return err
	}
	got, err := c.Project.GetProject(ctx, connect.NewRequest(&waypointv1.GetProjectRequest{Name: name}))
	if err != nil {
		return err
	}
	if asJSON {
		o := jsonObject(got.Msg.GetProject())
		o["apps"], o["workspaces"] = jsonList(got.Msg.GetApps()), jsonList(got.Msg.GetWorkspaces())
		return sh.printJSON(o)
	}
	p := got.Msg.GetProject()
	var workspaces []string
	for _, w := range got.Msg.GetWorkspaces() {
		workspaces = append(workspaces, w.GetName())
	}
	facts := [][2]string{
		{"Project", p.GetName()}, {"Apps", orNone(appNames(got.Msg.GetApps()))}, {"Workspaces", orNone(workspaces)},
		{"Runs", whereRuns(p)}, {"Source", sourceText(p.GetDataSource())}, {"Labels", labelText(p.GetLabels())},
		{"Created", sh.ago(unix(p.GetCreatedUnix()))},
	}
	for _, line := range terminal.NamedValues(facts, sh.outSetting().Color()) {
		sh.printf("%s\n", line)
	}
	return nil
}

func labelText(labels map[string]string) string {
	parts := make([]string, 0, len(labels))
	for _, k := range sortedKeys(labels) {
		parts = append(parts, k+"="+labels[k])
	}
	return orNone([]string{strings.Join(parts, ", ")}[:min(1, len(parts))])
}
