package config

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// NewVariable makes the command variable and those below it.
func NewVariable(sh Host) *cobra.Command {
	return shell.Group("variable", "Set, list and delete values of input variables that the server keeps",
		newVariableSet(sh), newVariableList(sh), newVariableDelete(sh))
}

// inputScope is the project, in all workspaces or in the one that -workspace names.
func inputScope(sh Host) (*scope.Scope, *waypointv1.ConfigScope, error) {
	if w := sh.Flags().Workspace; w != "" {
		if err := validate.Workspace(w); err != nil {
			return nil, nil, err
		}
	}
	s, err := scope.Find(sh)
	if err != nil {
		return nil, nil, err
	}
	return s, &waypointv1.ConfigScope{
		Level: waypointv1.ConfigScope_LEVEL_PROJECT, Project: s.Project, Workspace: sh.Flags().Workspace, Input: true,
	}, nil
}

func newVariableSet(sh Host) *cobra.Command {
	var sensitive bool
	cmd := &cobra.Command{
		Use: "set NAME=VALUE ...", Short: "Keep values of input variables on the server", Args: shell.ArgCount(0, -1),
		Long: `Keeps values of the input variables that waypoint.hcl declares, encrypted, for all jobs of the project; with -workspace,
for those in that workspace. They win over the defaults, and lose to the runner's environment, *.auto.wpvars files, WP_VAR_
variables, -var-file and -var. Lists, maps and objects are written as in waypoint.hcl.

Without arguments, lines of the form NAME=VALUE are read from stdin, which keeps secrets out of the shell's history.`,
		Example: "  waypoint variable set region=eu-central-1\n  waypoint variable set -workspace production replicas=3\n  waypoint variable set -sensitive <secrets.txt",
		RunE:    func(cmd *cobra.Command, args []string) error { return runVariableSet(cmd, sh, sensitive, args) },
	}
	cmd.Flags().BoolVar(&sensitive, "sensitive", false, "never show the values again (implied by sensitive = true in waypoint.hcl)")
	return cmd
}

func runVariableSet(cmd *cobra.Command, sh Host, sensitive bool, args []string) error {
	args, err := settingArgs(sh, cmd, args)
	if err != nil {
		return err
	}
	s, at, err := inputScope(sh)
	if err != nil {
		return err
	}
	vars, err := settings(args, at, validate.InputName)
	if err != nil {
		return err
	}
	for _, v := range vars {
		v.Sensitive = sensitive
	}
	if err := checkInputs(sh, s, vars); err != nil {
		return err
	}
	ctx := cmd.Context()
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	if _, err := c.Config.SetConfig(ctx, connect.NewRequest(&waypointv1.SetConfigRequest{Variables: vars})); err != nil {
		return fmt.Errorf("setting the input variables: %w", err)
	}
	where := "all workspaces"
	if at.GetWorkspace() != "" {
		where = "the workspace " + at.GetWorkspace()
	}
	sh.Progressf("Set %s for %s. Jobs that are queued from now on use the new values.\n", render.Plural(len(vars), "input variable"), where)
	return nil
}

// checkInputs holds values to what the local waypoint.hcl declares, where there is one. A variable that it does not
// declare is a warning: another branch may.
func checkInputs(sh Host, s *scope.Scope, vars []*waypointv1.ConfigVariable) error {
	if s.File == nil {
		return nil
	}
	var diags hcl.Diagnostics
	for _, v := range vars {
		decl, more := s.File.CheckInput(config.VarInput{
			Name: v.GetName(), Value: v.GetValue(), Sensitive: v.GetSensitive(), Source: config.SourceServer, Origin: "the command line",
		})
		diags = append(diags, more...)
		if decl != nil && decl.Sensitive {
			v.Sensitive = true
		}
	}
	if err := problem.InFile(s.File, diags); err != nil {
		return err
	}
	if len(diags) > 0 {
		config.Render(sh.Env().Err, s.File, diags, sh.ErrSetting().Color())
	}
	return nil
}

func newVariableList(sh Host) *cobra.Command {
	var json bool
	cmd := &cobra.Command{
		Use: "list [PREFIX]", Short: "List the values of input variables that the server keeps", Args: shell.ArgCount(0, 1),
		Long:    "Lists the project's values; with -workspace, the values that jobs in that workspace get. Sensitive values are never shown.",
		Example: "  waypoint variable list\n  waypoint variable list -workspace production --json",
		RunE:    func(cmd *cobra.Command, args []string) error { return runVariableList(cmd.Context(), sh, json, args) },
	}
	cmd.Flags().BoolVar(&json, "json", false, "print a JSON array")
	return cmd
}

func runVariableList(ctx context.Context, sh Host, json bool, args []string) error {
	_, at, err := inputScope(sh)
	if err != nil {
		return err
	}
	req := &waypointv1.GetConfigRequest{Project: at.GetProject(), Workspace: at.GetWorkspace(), Input: true}
	if len(args) > 0 {
		req.Prefix = args[0]
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	vars, err := allVariables(ctx, c, req)
	if err != nil {
		return fmt.Errorf("reading the input variables: %w", err)
	}
	if json {
		return sh.PrintJSON(jsonConfig(vars, false))
	}
	cols := []terminal.Column{{Title: "NAME"}, {Title: "VALUE"}, {Title: "WORKSPACE"}, {Title: "SET BY", Rank: 1}, {Title: "SET", Rank: 2}}
	return records.Show(sh, false, vars, "input variables", cols, func(v *waypointv1.ConfigVariable) []string {
		workspace := v.GetScope().GetWorkspace()
		if workspace == "" {
			workspace = "(all)"
		}
		return []string{v.GetName(), shownValue(v, false), workspace, v.GetUpdatedBy(), sh.Ago(time.Unix(v.GetUpdatedUnix(), 0))}
	})
}

func newVariableDelete(sh Host) *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME ...", Short: "Delete values of input variables from the server", Args: shell.ArgCount(1, -1),
		Long: "Deletes the values for all workspaces; with -workspace, those for that workspace alone.",
		RunE: func(cmd *cobra.Command, args []string) error {
			_, at, err := inputScope(sh)
			if err != nil {
				return err
			}
			return deleteConfig(cmd.Context(), sh, at, args, validate.InputName)
		},
	}
}
