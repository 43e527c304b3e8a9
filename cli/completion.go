package cli

import (
	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

func newCmdCompletion(sh *shell) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use: "completion SHELL", Short: "Print a completion script for bash, zsh, fish or powershell",
		Args: argCount(1, 1), ValidArgs: shells,
		Example: "  source <(waypoint completion bash)\n  waypoint completion fish > ~/.config/fish/completions/waypoint.fish",
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(sh.env.Out, true)
			case "zsh":
				return root.GenZshCompletion(sh.env.Out)
			case "fish":
				return root.GenFishCompletion(sh.env.Out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(sh.env.Out)
			}
			return problem("USAGE", "there is no completion for the shell %q", args[0]).withHint("There is one for %s.", orNone(shells))
		},
	}
}

const noFiles = cobra.ShellCompDirectiveNoFileComp

func completeProjects(sh *shell) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		c, ctx, cancel := sh.asking(cmd.Context())
		defer cancel()
		if c == nil {
			return nil, noFiles
		}
		projects, err := listProjects(ctx, c, 200)
		if err != nil {
			return nil, noFiles
		}
		names := make([]string, len(projects))
		for i, p := range projects {
			names[i] = p.GetName()
		}
		return names, noFiles
	}
}

func completeApps(sh *shell) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		s, err := sh.findScope()
		if err != nil {
			return nil, noFiles
		}
		return s.localApps(), noFiles
	}
}

func completeWorkspaces(sh *shell) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		c, ctx, cancel := sh.asking(cmd.Context())
		defer cancel()
		s, err := sh.findScope()
		if c == nil || err != nil {
			return []string{"default"}, noFiles
		}
		got, err := c.Project.GetProject(ctx, connect.NewRequest(&waypointv1.GetProjectRequest{Name: s.project}))
		if err != nil {
			return []string{"default"}, noFiles
		}
		var names []string
		for _, w := range got.Msg.GetWorkspaces() {
			names = append(names, w.GetName())
		}
		return names, noFiles
	}
}

func completeJobs(sh *shell) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		c, ctx, cancel := sh.asking(cmd.Context())
		defer cancel()
		s, err := sh.findScope()
		if c == nil || err != nil || len(args) > 0 {
			return nil, noFiles
		}
		got, err := c.Job.ListJobs(ctx, connect.NewRequest(&waypointv1.ListJobsRequest{Project: s.project, Page: &waypointv1.Page{Size: 20}}))
		if err != nil {
			return nil, noFiles
		}
		var out []string
		for _, j := range got.Msg.GetJobs() {
			out = append(out, j.GetId()+"\t"+operationName(j.GetSpec().GetOperation())+" "+enumName(j.GetState().String(), "JOB_STATE_"))
		}
		return out, noFiles
	}
}

func completeContexts(sh *shell) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		store, err := sh.contextStore()
		if err != nil || len(args) > 0 {
			return nil, noFiles
		}
		names, err := store.List()
		if err != nil {
			return nil, noFiles
		}
		return names, noFiles
	}
}

func completeGlobals(sh *shell, root *cobra.Command) {
	for flag, f := range map[string]cobra.CompletionFunc{
		"project": completeProjects(sh), "app": completeApps(sh), "workspace": completeWorkspaces(sh),
	} {
		_ = root.RegisterFlagCompletionFunc(flag, f) // fails only for a flag that does not exist
	}
}
