package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/waypoint-serverless/waypoint/functions"
	"github.com/waypoint-serverless/waypoint/localstack/bounded"
	"github.com/waypoint-serverless/waypoint/localstack/runtimeapi"
)

// Settings of the functions, as the stack on AWS has them.
const (
	functionMemoryMB = 256
	functionTimeout  = 29 * time.Second
	maxSandboxes     = 16
)

// startFunctions runs the bootstrap binary three times, as Lambda would: each function in processes of its own, which
// reach the engines over a loopback port with signed requests.
func (s *Server) startFunctions(ctx context.Context, o Options) (*functions.Handlers, error) {
	endpoint, err := s.listenEngines(ctx)
	if err != nil {
		return nil, err
	}
	start := func(name string) (*runtimeapi.Function, error) {
		f, err := runtimeapi.New(runtimeapi.Options{
			Command: []string{o.Bootstrap},
			Env:     s.functionEnv(name, endpoint, o.RunnerRoles),
			Name:    prefix + "-" + name, Region: Region, Account: Account,
			MemoryMB: functionMemoryMB, Timeout: functionTimeout, MaxSandboxes: maxSandboxes,
			Output: o.FunctionOutput, Clock: o.Clock, NewID: func() string { return ulid.Make().String() }, Logger: o.Logger,
		})
		if err != nil {
			return nil, fmt.Errorf("starting the function %s: %w", name, err)
		}
		s.onClose(f.Close)
		return f, nil
	}
	api, err := start("api")
	if err != nil {
		return nil, err
	}
	tail, err := start("tail")
	if err != nil {
		return nil, err
	}
	sweep, err := start("sweep")
	if err != nil {
		return nil, err
	}
	return &functions.Handlers{API: api, Tail: tail, Sweep: sweep}, nil
}

func (s *Server) functionEnv(name, endpoint, runnerRoles string) []string {
	return []string{
		"WAYPOINT_FUNCTION=" + name,
		"WAYPOINT_PREFIX=" + prefix,
		"WAYPOINT_SERVER_ID=" + s.keys.ServerID,
		"WAYPOINT_PLATFORM=local",
		"WAYPOINT_RUNNER_ROLE_ARN=" + runnerRole,
		"WAYPOINT_RUNNER_ROLES=" + runnerRoles,
		"WAYPOINT_MASTER_KEY=" + base64.StdEncoding.EncodeToString(s.keys.Master),
		"AWS_ENDPOINT_URL=" + endpoint,
		"AWS_ACCESS_KEY_ID=" + s.keys.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + s.keys.SecretAccessKey,
	}
}

// listenEngines opens a loopback port for the engines, which verify each request's signature.
func (s *Server) listenEngines(ctx context.Context) (endpoint string, err error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("opening a port for the functions: %w", err)
	}
	srv := bounded.NewServer(http.HandlerFunc(s.serveEngines), bounded.Limits{})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	s.onClose(func(context.Context) error {
		err := srv.Close()
		if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
			err = errors.Join(err, serveErr)
		}
		return err
	})
	return "http://" + ln.Addr().String(), nil
}

func (s *Server) serveEngines(w http.ResponseWriter, r *http.Request) {
	switch target := r.Header.Get("X-Amz-Target"); {
	case strings.HasPrefix(target, "DynamoDB_"):
		s.Tables.ServeHTTP(w, r)
	case strings.HasPrefix(target, "AmazonSQS."):
		s.Queues.ServeHTTP(w, r)
	default:
		s.Tokens.ServeHTTP(w, r)
	}
}
