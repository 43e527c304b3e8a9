package lifecycle

import (
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/shell"
)

type buildOptions struct {
	operation.Flags
	push bool
}

// NewBuild makes the command build, which is also `waypoint artifact build`.
func NewBuild(sh Host) *cobra.Command {
	o := &buildOptions{}
	cmd := &cobra.Command{
		Use: "build", Short: "Build the app, and push the image if a registry is configured", Args: shell.ArgCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runBuild(cmd, sh, o) },
	}
	o.Register(cmd)
	cmd.Flags().BoolVar(&o.push, "push", true, "push what was built to the registry")
	return cmd
}

func runBuild(cmd *cobra.Command, sh Host, o *buildOptions) error {
	return operation.Run(cmd, sh, &o.Flags, operation.Operation{
		Name: "build", Doing: "Building", Done: "Built", Side: operation.AtOnce, Next: []string{"`waypoint deploy`"},
		Spec: operation.Same(&waypointv1.Operation{Operation: &waypointv1.Operation_Build{Build: &waypointv1.BuildOp{DisablePush: !o.push}}}),
	})
}

// NewPush makes the command artifact push.
func NewPush(sh Host) *cobra.Command {
	o := &operation.Flags{}
	cmd := &cobra.Command{
		Use: "push", Short: "Push the latest build to the registry", Args: shell.ArgCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runArtifactPush(cmd, sh, o) },
	}
	o.Register(cmd)
	return cmd
}

func runArtifactPush(cmd *cobra.Command, sh Host, o *operation.Flags) error {
	return operation.Run(cmd, sh, o, operation.Operation{
		Name: "push", Doing: "Pushing", Done: "Pushed", Side: operation.AtOnce, Next: []string{"`waypoint deploy`"},
		Spec: operation.Same(&waypointv1.Operation{Operation: &waypointv1.Operation_Push{Push: &waypointv1.PushOp{}}}),
	})
}
