package cli

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/localstack"
)

type serverEnginesOptions struct{ dynamodb, sqs, data, region string }

func newCmdServerEngines(sh *shell) *cobra.Command {
	o := &serverEnginesOptions{}
	cmd := &cobra.Command{
		Use: "engines", Short: "Run the embedded DynamoDB and SQS alone, to test code that uses them", Args: argCount(0, 0),
		Long: `Runs the embedded DynamoDB and SQS alone, in the foreground, until Ctrl-C or SIGTERM. Any AWS SDK reaches them when
it is given the endpoints and the key, which are printed as one JSON object once both listen.

The key is AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN) if these are set, else one made at
random. Each request's signature is checked; any region is taken. Without --data everything is in memory and ends
with the command. What is not implemented is refused by name.`,
		Example: `  waypoint server engines --dynamodb 127.0.0.1:8000 --sqs 127.0.0.1:9324
  waypoint server engines --dynamodb 127.0.0.1:0 --sqs 127.0.0.1:0 --data ./aws.db`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runServerEngines(cmd.Context(), sh, o) },
	}
	cmd.Flags().StringVar(&o.dynamodb, "dynamodb", "127.0.0.1:8000", "loopback address of DynamoDB; port 0: a free one")
	cmd.Flags().StringVar(&o.sqs, "sqs", "127.0.0.1:9324", "loopback address of SQS; port 0: a free one")
	cmd.Flags().StringVar(&o.data, "data", "", "file that keeps tables and queues; without it they are in memory")
	cmd.Flags().StringVar(&o.region, "region", "", "region in ARNs (AWS_REGION, else "+localstack.Region+")")
	return cmd
}

func runServerEngines(ctx context.Context, sh *shell, o *serverEnginesOptions) error {
	key, secret := sh.env.get("AWS_ACCESS_KEY_ID"), sh.env.get("AWS_SECRET_ACCESS_KEY")
	if (key == "") != (secret == "") {
		return problem("USAGE", "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set").
			withHint("Set both, or none: a key is then made at random and printed.")
	}
	region := o.region
	if region == "" {
		region = sh.env.get("AWS_REGION")
	}
	return localstack.ServeEngines(ctx, localstack.EnginesOptions{
		DynamoDB: o.dynamodb, SQS: o.sqs, Data: o.data, Region: region,
		AccessKeyID: key, Secret: secret, SessionToken: sh.env.get("AWS_SESSION_TOKEN"),
		Logger: sh.logger(slog.LevelWarn),
		Ready: func(r localstack.EnginesRunning) {
			line, err := json.Marshal(r)
			if err != nil {
				return // strings only: it cannot fail
			}
			sh.printf("%s\n", line)
		},
	})
}
