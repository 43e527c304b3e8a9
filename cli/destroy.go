package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

type destroyOptions struct {
	operationFlags
	approve approveFlags
}

// approveFlags skip the question of destructive commands.
type approveFlags struct{ auto, yes bool }

func (f *approveFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.auto, "auto-approve", false, "do not ask")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
}

func (f *approveFlags) given() bool { return f.auto || f.yes }

func newCmdDestroy(sh *shell) *cobra.Command {
	o := &destroyOptions{}
	cmd := &cobra.Command{
		Use: "destroy", Short: "Destroy all that runs of an app in the workspace", Args: argCount(0, 0),
		Long: "Destroys the releases, the deployments and what they share, of each app in the workspace. Records stay.",
		RunE: func(cmd *cobra.Command, _ []string) error { return runDestroy(cmd, sh, o) },
	}
	o.register(cmd)
	o.approve.register(cmd)
	return cmd
}

func runDestroy(cmd *cobra.Command, sh *shell, o *destroyOptions) error {
	return runOperation(cmd, sh, &o.operationFlags, operation{
		name: "destroy", doing: "Destroying", done: "Destroyed",
		spec: fixed(&waypointv1.Operation{Operation: &waypointv1.Operation_Destroy{Destroy: &waypointv1.DestroyOp{}}}),
		confirm: func(project string, apps []string) error {
			return sh.mustConfirm(fmt.Sprintf("Destroy all releases and deployments of %s of the project %s in workspace %s?",
				strings.Join(apps, ", "), project, sh.workspace()), o.approve.given(), o.json)
		},
	})
}
