package cli

import (
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

type buildOptions struct {
	operationFlags
	push bool
}

// newCmdBuild is `waypoint build`, and `waypoint artifact build`.
func newCmdBuild(sh *shell) *cobra.Command {
	o := &buildOptions{}
	cmd := &cobra.Command{
		Use: "build", Short: "Build, and push to the registry if there is one", Args: argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runBuild(cmd, sh, o) },
	}
	o.register(cmd)
	cmd.Flags().BoolVar(&o.push, "push", true, "push what was built to the registry")
	return cmd
}

func runBuild(cmd *cobra.Command, sh *shell, o *buildOptions) error {
	return runOperation(cmd, sh, &o.operationFlags, operation{
		name: "build", doing: "Building", done: "Built", next: []string{"`waypoint deploy`"},
		spec: fixed(&waypointv1.Operation{Operation: &waypointv1.Operation_Build{Build: &waypointv1.BuildOp{DisablePush: !o.push}}}),
	})
}

// newCmdArtifactPush is `waypoint artifact push`.
func newCmdArtifactPush(sh *shell) *cobra.Command {
	o := &operationFlags{}
	cmd := &cobra.Command{
		Use: "push", Short: "Push the latest build to the registry", Args: argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runArtifactPush(cmd, sh, o) },
	}
	o.register(cmd)
	return cmd
}

func runArtifactPush(cmd *cobra.Command, sh *shell, o *operationFlags) error {
	return runOperation(cmd, sh, o, operation{
		name: "push", doing: "Pushing", done: "Pushed", next: []string{"`waypoint deploy`"},
		spec: fixed(&waypointv1.Operation{Operation: &waypointv1.Operation_Push{Push: &waypointv1.PushOp{}}}),
	})
}
