package server

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/localstack/server"
)

type enginesOptions struct{ dynamodb, sqs, data, region string }

func newEngines(sh Host) *cobra.Command {
	o := &enginesOptions{}
	cmd := &cobra.Command{
		Use: "engines", Short: "Run the embedded DynamoDB and SQS alone, to test code that uses them", Args: shell.ArgCount(0, 0),
		Long: `Runs the embedded DynamoDB and SQS alone, in the foreground, until Ctrl-C or SIGTERM. Any AWS SDK can use them when
it is configured with the endpoints and the key, which are printed as one JSON object once both listen.

The key is AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN) if these are set, else a key made at
random. Each request's signature is checked; any region is accepted. Without --data everything is in memory and is lost
when the command ends. Anything that is not implemented is refused by name.`,
		Example: `  waypoint server engines --dynamodb 127.0.0.1:8000 --sqs 127.0.0.1:9324
  waypoint server engines --data ./aws.db`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runEngines(cmd.Context(), sh, o) },
	}
	cmd.Flags().StringVar(&o.dynamodb, "dynamodb", "127.0.0.1:8000", "loopback address of DynamoDB; port 0: a free one")
	cmd.Flags().StringVar(&o.sqs, "sqs", "127.0.0.1:9324", "loopback address of SQS; port 0: a free one")
	cmd.Flags().StringVar(&o.data, "data", "", "file that keeps tables and queues; without it they are in memory")
	cmd.Flags().StringVar(&o.region, "region", "", "region in ARNs (AWS_REGION, else "+server.Region+")")
	return cmd
}

func runEngines(ctx context.Context, sh Host, o *enginesOptions) error {
	key, secret := sh.Env().Get("AWS_ACCESS_KEY_ID"), sh.Env().Get("AWS_SECRET_ACCESS_KEY")
	if (key == "") != (secret == "") {
		return problem.New("USAGE", "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set").
			WithHint("Set both, or neither: then a random key is made and printed.")
	}
	region := o.region
	if region == "" {
		region = sh.Env().Get("AWS_REGION")
	}
	return server.ServeEngines(ctx, server.EnginesOptions{
		DynamoDB: o.dynamodb, SQS: o.sqs, Data: o.data, Region: region,
		AccessKeyID: key, Secret: secret, SessionToken: sh.Env().Get("AWS_SESSION_TOKEN"),
		Logger: sh.Logger(slog.LevelWarn),
		Ready: func(r server.EnginesRunning) {
			line, err := json.Marshal(r)
			if err != nil {
				return // strings only: it cannot fail
			}
			sh.Printf("%s\n", line)
		},
	})
}
