package server

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/install"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/infra/template"
	"github.com/waypoint-serverless/waypoint/localstack/gateway"
	"github.com/waypoint-serverless/waypoint/localstack/server"
)

type runOptions struct {
	dir, listen, bootstrap string
	throttle               bool
}

// New makes the command server.
func New(sh Host) *cobra.Command {
	return shell.Group("server", "Run a server", install.NewInstall(sh), install.NewUpgrade(sh), install.NewUninstall(sh), newRun(sh), newEngines(sh))
}

func newRun(sh Host) *cobra.Command {
	o := &runOptions{}
	cmd := &cobra.Command{
		Use: "run", Short: "Run the local server in the foreground", Args: shell.ArgCount(0, 0),
		Long: `Runs the local server until Ctrl-C: the gateway, the functions, and the embedded DynamoDB and SQS.
"waypoint install --platform=local" runs it in the background instead.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runRun(cmd.Context(), sh, o) },
	}
	cmd.Flags().StringVar(&o.dir, "dir", "", "data directory")
	cmd.Flags().StringVar(&o.listen, "listen", "", `address for browsers, containers and curl; "none": no port`)
	cmd.Flags().StringVar(&o.bootstrap, "bootstrap", "", "Lambda bootstrap binary that runs the functions, instead of this process")
	cmd.Flags().BoolVar(&o.throttle, "throttle", false, "throttle the API as the AWS template does")
	_ = cmd.Flags().MarkHidden("bootstrap")
	_ = cmd.Flags().MarkHidden("throttle")
	return cmd
}

func runRun(ctx context.Context, sh Host, o *runOptions) error {
	dir := o.dir
	if dir == "" {
		var err error
		if dir, err = server.DefaultDir(); err != nil {
			return err
		}
	}
	var throttles server.Throttles
	if o.throttle {
		throttles = templateThrottles()
	}
	return server.Serve(ctx, server.ServeOptions{
		Dir: dir, Listen: o.listen, Bootstrap: o.bootstrap, Throttles: throttles, Logger: sh.Logger(slog.LevelInfo),
		Ready: func(tcp string) {
			if tcp == "" {
				tcp = server.Address(dir)
			}
			sh.Progressf("The server is ready at %s. Ctrl-C stops it.\n", tcp)
		},
	})
}

// templateThrottles are the throttles that an installation on AWS has by default.
func templateThrottles() server.Throttles {
	defaults := template.Defaults()
	throttle := func(rate, burst string) *gateway.Throttle {
		r, _ := defaults[rate].(int)
		b, _ := defaults[burst].(int)
		return &gateway.Throttle{Rate: float64(r), Burst: b}
	}
	return server.Throttles{
		Runners: throttle(template.ParamRunnersThrottleRate, template.ParamRunnersThrottleBurst),
		Apps:    throttle(template.ParamAppsThrottleRate, template.ParamAppsThrottleBurst),
		Open:    throttle(template.ParamOpenThrottleRate, template.ParamOpenThrottleBurst),
		Others:  throttle(template.ParamThrottleRate, template.ParamThrottleBurst),
	}
}
