package lifecycle

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/shell"
)

type destroyOptions struct {
	operation.Flags
	approve operation.ApproveFlags
}

// NewDestroy makes the command destroy.
func NewDestroy(sh Host) *cobra.Command {
	o := &destroyOptions{}
	cmd := &cobra.Command{
		Use: "destroy", Short: "Destroy everything that runs for an app in the workspace", Args: shell.ArgCount(0, 0),
		Long: "Destroys the releases, the deployments and their shared resources, for each app in the workspace. The records are kept.",
		RunE: func(cmd *cobra.Command, _ []string) error { return runDestroy(cmd, sh, o) },
	}
	o.Register(cmd)
	o.approve.Register(cmd)
	return cmd
}

func runDestroy(cmd *cobra.Command, sh Host, o *destroyOptions) error {
	op := operation.Destroy()
	op.Confirm = func(project string, apps []string) error {
		return sh.MustConfirm(fmt.Sprintf("Destroy all releases and deployments of %s of the project %s in workspace %s?",
			strings.Join(apps, ", "), project, sh.Workspace()), o.approve.Given(), o.JSON)
	}
	return operation.Run(cmd, sh, &o.Flags, op)
}
