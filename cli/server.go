package cli

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/localstack"
)

type serverRunOptions struct{ dir, listen, bootstrap string }

func newCmdServer(sh *shell) *cobra.Command {
	return group("server", "Run a server", newCmdInstall(sh), newCmdUninstall(sh), newCmdServerRun(sh), newCmdServerEngines(sh))
}

func newCmdServerRun(sh *shell) *cobra.Command {
	o := &serverRunOptions{}
	cmd := &cobra.Command{
		Use: "run", Short: "Run the local server in the foreground", Args: argCount(0, 0),
		Long: `Runs the server of this machine until Ctrl-C: the gateway, the functions, and the embedded DynamoDB and SQS.
"waypoint install --platform=local" runs it in the background instead.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runServerRun(cmd.Context(), sh, o) },
	}
	cmd.Flags().StringVar(&o.dir, "dir", "", "data directory")
	cmd.Flags().StringVar(&o.listen, "listen", "", `address for browsers, containers and curl; "none": no port`)
	cmd.Flags().StringVar(&o.bootstrap, "bootstrap", "", "Lambda bootstrap binary to run the functions in, instead of this process")
	_ = cmd.Flags().MarkHidden("bootstrap")
	return cmd
}

func runServerRun(ctx context.Context, sh *shell, o *serverRunOptions) error {
	dir := o.dir
	if dir == "" {
		var err error
		if dir, err = localstack.DefaultDir(); err != nil {
			return err
		}
	}
	return localstack.Serve(ctx, localstack.ServeOptions{
		Dir: dir, Listen: o.listen, Bootstrap: o.bootstrap, Logger: sh.logger(slog.LevelInfo),
		Ready: func(tcp string) {
			if tcp == "" {
				tcp = localstack.Address(dir)
			}
			sh.sayf("The server is ready at %s. Ctrl-C stops it.\n", tcp)
		},
	})
}
