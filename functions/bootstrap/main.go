// Command bootstrap is the one binary of all Lambda functions: WAYPOINT_FUNCTION says which one it is.
//
// It reads its environment and starts; nothing is called before the first event. Build it with
// -tags lambda.norpc.
package main

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/waypoint-serverless/waypoint/functions"
)

// sweepHold leaves 5 s of the 60 s that Lambda gives a run of sweep (infra/template) for what is decided then.
const sweepHold = 55 * time.Second

func main() {
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	handler, err := handlerFor(os.Getenv("WAYPOINT_FUNCTION"), os.Getenv, logger)
	if err != nil {
		logger.Error("cannot start", "error", err.Error())
		os.Exit(1)
	}
	if os.Getenv("AWS_ENDPOINT_URL") != "" { // an emulator's
		awaitRuntimeAPI(os.Getenv("AWS_LAMBDA_RUNTIME_API"))
	}
	lambda.Start(handler)
}

func handlerFor(function string, env func(string) string, logger *slog.Logger) (functions.Handler, error) {
	s, err := settings(env)
	if err != nil {
		return nil, err
	}
	s.Logger, s.SweepHold = logger, sweepHold
	h, err := functions.New(config(env), s)
	if err != nil {
		return nil, err
	}
	switch function {
	case "api":
		return h.API, nil
	case "tail":
		return h.Tail, nil
	case "sweep":
		return h.Sweep, nil
	}
	return nil, fmt.Errorf("WAYPOINT_FUNCTION is %q: it must be api, tail or sweep", function)
}

// config is what Lambda puts into the environment: the region, and keys of the function's role that hold for
// as long as this process lives. The SDK's own search for them (profiles, SSO, instance roles) would cost
// megabytes and milliseconds.
func config(env func(string) string) aws.Config {
	cfg := aws.Config{
		Region: env("AWS_REGION"),
		Credentials: credentials.NewStaticCredentialsProvider(
			env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY"), env("AWS_SESSION_TOKEN")),
	}
	if endpoint := env("AWS_ENDPOINT_URL"); endpoint != "" {
		cfg.BaseEndpoint = aws.String(endpoint)
	}
	return cfg
}

func settings(env func(string) string) (functions.Settings, error) {
	s := functions.Settings{
		Prefix:        env("WAYPOINT_PREFIX"),
		ServerID:      env("WAYPOINT_SERVER_ID"),
		Platform:      env("WAYPOINT_PLATFORM"),
		Region:        env("AWS_REGION"),
		RunnerRoleARN: env("WAYPOINT_RUNNER_ROLE_ARN"),
		RunnerRoles:   env("WAYPOINT_RUNNER_ROLES"),
		KeyParameter:  env("WAYPOINT_KEY_PARAMETER"),
		KMSKey:        env("WAYPOINT_KMS_KEY"),
	}
	var err error
	if s.AppLogsPerDay, err = functions.ParseAppLogsPerDay(env(functions.EnvAppLogsPerDay)); err != nil {
		return s, err
	}
	if key := env("WAYPOINT_MASTER_KEY"); key != "" {
		raw, err := base64.StdEncoding.DecodeString(key)
		if err != nil {
			return s, fmt.Errorf("WAYPOINT_MASTER_KEY is not base64") // the cause would quote the key
		}
		s.MasterKey = raw
	}
	if hold := env("WAYPOINT_TAIL_HOLD_MS"); hold != "" {
		ms, err := strconv.ParseUint(hold, 10, 31)
		if err != nil {
			return s, fmt.Errorf("WAYPOINT_TAIL_HOLD_MS is %q: it must be a number of milliseconds", hold)
		}
		s.TailHold = time.Duration(ms) * time.Millisecond
		if ms == 0 {
			s.TailHold = -1
		}
	}
	return s, nil
}
