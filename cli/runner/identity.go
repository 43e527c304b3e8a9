package runner

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/runner/awstoken"
)

// credentialsWithin bounds the look for AWS credentials where nobody asked for them: off AWS the chain ends with a
// question to an address that nothing answers at.
const credentialsWithin = 5 * time.Second

// runnerToken is the token of a standing runner: the one that is set, else one for the machine's identity of AWS, with
// what lets it live on until ctx ends.
func runnerToken(ctx context.Context, sh Host, s *shell.Server, o *agentOptions, logger *slog.Logger) (token string, keep func(context.Context) error, err error) {
	if s.Token != "" && !o.aws {
		return s.Token, nil, nil
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return "", nil, problem.New("AWS_CONFIG", "cannot read the AWS configuration: %s", err.Error()).WithHint("Check ~/.aws/config.")
	}
	look, cancel := context.WithTimeout(ctx, credentialsWithin)
	defer cancel()
	if _, err := cfg.Credentials.Retrieve(look); err != nil {
		logger.DebugContext(ctx, "no AWS credentials were found", "error", err)
		return "", nil, problem.New("TOKEN_MISSING", "no runner token and no AWS credentials were found").
			WithHint("Make a token (`waypoint token create NAME -kind runner`) and set WAYPOINT_SERVER_TOKEN, or run the agent where AWS provides credentials.")
	}
	if cfg.Region == "" { // on EC2 the machine knows
		if at, err := awsconfig.LoadDefaultConfig(look, awsconfig.WithEC2IMDSRegion()); err == nil {
			cfg.Region = at.Region
		}
	}
	if cfg.Region == "" { // which partition's STS knows the role, nobody else can say
		return "", nil, problem.New("AWS_CONFIG", "no AWS region is set: it selects the STS endpoint that proves this machine's role").
			WithHint("Set AWS_REGION, for example to the server's region.")
	}
	c, err := runnerClient(sh, s, "", logger)
	if err != nil {
		return "", nil, err
	}
	h := &awstoken.Holder{Server: c.Server, Credentials: cfg.Credentials, Region: cfg.Region, Logger: logger}
	got, err := h.Token(ctx)
	if err != nil {
		c.CloseIdle()
		return "", nil, fmt.Errorf("proving this machine's AWS role: %w", err)
	}
	logger.InfoContext(ctx, "registered with an AWS identity", "arn", got.GetArn())
	return got.GetSecret(), func(ctx context.Context) error {
		defer c.CloseIdle()
		return h.Keep(ctx, got.GetSecret(), time.Unix(got.GetExpiresUnix(), 0))
	}, nil
}
