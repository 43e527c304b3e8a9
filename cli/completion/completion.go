package completion

import (
	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
)

// New makes the command completion.
func New(sh Host) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use: "completion SHELL", Short: "Print a completion script for bash, zsh, fish or powershell",
		Args: shell.ArgCount(1, 1), ValidArgs: shells,
		Example: "  source <(waypoint completion bash)\n  waypoint completion fish > ~/.config/fish/completions/waypoint.fish",
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(sh.Env().Out, true)
			case "zsh":
				return root.GenZshCompletion(sh.Env().Out)
			case "fish":
				return root.GenFishCompletion(sh.Env().Out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(sh.Env().Out)
			}
			return problem.New("USAGE", "there is no completion for the shell %q", args[0]).WithHint("There is one for %s.", render.OrNone(shells))
		},
	}
}

// NoFiles keeps the shell from offering files.
const NoFiles = cobra.ShellCompDirectiveNoFileComp

// Projects completes the names of projects.
func Projects(sh Host) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		c, ctx, cancel := sh.CompletionClient(cmd.Context())
		defer cancel()
		if c == nil {
			return nil, NoFiles
		}
		projects, err := scope.ListProjects(ctx, c, 200)
		if err != nil {
			return nil, NoFiles
		}
		names := make([]string, len(projects))
		for i, p := range projects {
			names[i] = p.GetName()
		}
		return names, NoFiles
	}
}

// apps completes the apps of the nearest waypoint.hcl.
func apps(sh Host) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		s, err := scope.Find(sh)
		if err != nil {
			return nil, NoFiles
		}
		return s.LocalApps(), NoFiles
	}
}

// workspaces completes the workspaces of the project.
func workspaces(sh Host) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		c, ctx, cancel := sh.CompletionClient(cmd.Context())
		defer cancel()
		s, err := scope.Find(sh)
		if c == nil || err != nil {
			return []string{"default"}, NoFiles
		}
		got, err := c.Project.GetProject(ctx, connect.NewRequest(&waypointv1.GetProjectRequest{Name: s.Project}))
		if err != nil {
			return []string{"default"}, NoFiles
		}
		var names []string
		for _, w := range got.Msg.GetWorkspaces() {
			names = append(names, w.GetName())
		}
		return names, NoFiles
	}
}

// Jobs completes the ids of the newest jobs.
func Jobs(sh Host) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		c, ctx, cancel := sh.CompletionClient(cmd.Context())
		defer cancel()
		s, err := scope.Find(sh)
		if c == nil || err != nil || len(args) > 0 {
			return nil, NoFiles
		}
		got, err := c.Job.ListJobs(ctx, connect.NewRequest(&waypointv1.ListJobsRequest{Project: s.Project, Page: &waypointv1.Page{Size: 20}}))
		if err != nil {
			return nil, NoFiles
		}
		var out []string
		for _, j := range got.Msg.GetJobs() {
			out = append(out, j.GetId()+"\t"+render.OperationName(j.GetSpec().GetOperation())+" "+render.Enum(j.GetState().String(), "JOB_STATE_"))
		}
		return out, NoFiles
	}
}

// Contexts completes the names of contexts.
func Contexts(sh Host) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		store, err := sh.ContextStore()
		if err != nil || len(args) > 0 {
			return nil, NoFiles
		}
		names, err := store.List()
		if err != nil {
			return nil, NoFiles
		}
		return names, NoFiles
	}
}

// Globals completes the flags that every command has.
func Globals(sh Host, root *cobra.Command) {
	for flag, f := range map[string]cobra.CompletionFunc{
		"project": Projects(sh), "app": apps(sh), "workspace": workspaces(sh),
	} {
		_ = root.RegisterFlagCompletionFunc(flag, f) // fails only for a flag that does not exist
	}
}
