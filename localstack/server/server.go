// Package server is AWS on one machine, as far as the project needs it: the embedded DynamoDB, SQS and
// STS engines over one data file, the gateway emulator, and the server's functions behind them.
//
// It hosts the functions without a short cut: they get the events that API Gateway would send, and
// reach their table and queues through the unmodified AWS SDK. The engines below this package import nothing
// of ours. The package also installs, starts, stops and removes the local server.
package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/oklog/ulid/v2"

	"github.com/waypoint-serverless/waypoint/api/access"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions"
	"github.com/waypoint-serverless/waypoint/internal/awscalls"
	"github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sqs"
	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sts"
	"github.com/waypoint-serverless/waypoint/localstack/gateway"
)

// Names of what the server makes on this machine.
const (
	prefix     = "waypoint"
	runnerRole = "arn:aws:iam::" + Account + ":role/waypoint-runner"
	// queueHost stands in queue URLs. Runners reach it over the queue socket, whatever its name.
	queueHost = "http://sqs.waypoint.internal"
)

// Options configure New.
type Options struct {
	// Dir is the data directory; empty: everything is in memory and ends with the Server.
	Dir string
	// Synchronous is SQLite's; empty means FULL.
	Synchronous string
	// Bootstrap is the path of the functions' binary. If set, the functions run as processes under a Runtime
	// API emulator, as on Lambda, instead of in this process.
	Bootstrap string
	// RunnerRoles lists the roles that may register runners by identity, with keys that this server's STS vended.
	RunnerRoles string
	// AppLogsPerDay is as in functions.Settings.
	AppLogsPerDay int64
	// FunctionOutput gets what these processes print; nil: stderr.
	FunctionOutput io.Writer
	// Throttles are those of the API's traffic classes; the zero value throttles nothing.
	Throttles Throttles
	// Clock returns the current time; nil: the system's.
	Clock func() time.Time
	// Faults that the engines inject on demand; nil: none.
	DynamoDBFaults *dynamodb.Faults
	SQSFaults      *sqs.Faults
	Logger         *slog.Logger
}

// Throttles bound what each traffic class may ask of the API, as the stage of the AWS template does: runners, deployed
// apps, what needs no token, and for each of the other classes Others. nil: Others; without Others there is no bound.
type Throttles struct {
	Runners, Apps, Open, Others *gateway.Throttle
}

func (t Throttles) of(class waypointv1.Traffic) *gateway.Throttle {
	switch class {
	case waypointv1.Traffic_TRAFFIC_RUNNERS:
		return t.Runners
	case waypointv1.Traffic_TRAFFIC_APPS:
		return t.Apps
	case waypointv1.Traffic_TRAFFIC_OPEN:
		return t.Open
	}
	return nil
}

// routes lead each service to its function, with the throttle of its traffic class, and everything else to the function
// api.
func routes(api, tail gateway.Invoker, t Throttles) []gateway.Route {
	var out []gateway.Route
	for _, s := range access.Services() {
		r := gateway.Route{Method: "POST", Resource: "/" + s.Name + "/{proxy+}", Invoker: api, Throttle: t.of(s.Traffic)}
		switch s.Traffic {
		case waypointv1.Traffic_TRAFFIC_CONTROL:
			continue
		case waypointv1.Traffic_TRAFFIC_READS:
			r.Method, r.Invoker = "ANY", tail
		}
		out = append(out, r)
	}
	return append(out, gateway.Route{Method: "ANY", Resource: "/{proxy+}", Invoker: api})
}

// Server is the whole server, without sockets.
type Server struct {
	// Gateway answers the API: HTTP in, events to the functions.
	Gateway http.Handler
	// Queues answers SQS requests that are signed with a vended or the root key.
	Queues http.Handler
	// Tables and Tokens answer DynamoDB and STS requests that are signed with the root key.
	Tables, Tokens http.Handler
	// Handlers are the functions.
	Handlers *functions.Handlers

	keys    keys
	clock   func() time.Time
	log     *slog.Logger
	table   *dynamodb.Engine
	store   *store.Store
	closers []func(context.Context) error
}

// New opens the data, makes the table and queue definitions if they are missing, and assembles the server.
func New(ctx context.Context, o Options) (*Server, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FunctionOutput == nil {
		o.FunctionOutput = os.Stderr
	}
	s := &Server{clock: o.Clock, log: o.Logger, keys: newKeys()}
	if err := s.assemble(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close(ctx))
	}
	return s, nil
}

func (s *Server) assemble(ctx context.Context, o Options) error {
	data := store.Options{Synchronous: o.Synchronous, Logger: o.Logger}
	if o.Dir != "" {
		var err error
		if s.keys, err = loadKeys(dir(o.Dir).keys(), dir(o.Dir).data()); err != nil {
			return err
		}
		data.Path = dir(o.Dir).data()
		if err := closeToOthers(data.Path); err != nil {
			return err
		}
	}
	st, err := store.Open(ctx, data)
	if err != nil {
		return fmt.Errorf("opening the data file: %w", err)
	}
	s.store = st
	s.onClose(func(context.Context) error { return st.Close() })
	if err := st.Rewrite(ctx); err != nil {
		o.Logger.WarnContext(ctx, "could not shrink the data file", "error", err)
	}

	transport, err := s.engines(ctx, o, st)
	if err != nil {
		return err
	}
	cfg := aws.Config{
		Region:       Region,
		Credentials:  aws.AnonymousCredentials{}, // in process there is nobody to prove anything to
		HTTPClient:   &http.Client{Transport: transport},
		BaseEndpoint: aws.String("http://aws.waypoint.internal"),
	}
	if err := functions.Provision(ctx, cfg, functions.Resources(prefix)); err != nil {
		return fmt.Errorf("creating the table: %w", err)
	}
	s.Handlers, err = functions.New(cfg, s.settings(o))
	if err != nil {
		return fmt.Errorf("assembling the functions: %w", err)
	}
	if err := s.record(cfg, o); err != nil {
		return err
	}
	return s.gateway(ctx, o)
}

// record makes the functions record their calls, in test runs that ask for it (see package calls). Each is assembled
// for itself, as on Lambda, or one would find in the caches of another what it must ask for.
func (s *Server) record(cfg aws.Config, o Options) error {
	r := awscalls.FromEnvironment()
	if r == nil {
		return nil
	}
	cfg = r.Watch(cfg)
	var all [3]*functions.Handlers
	for i := range all {
		var err error
		if all[i], err = functions.New(cfg, s.settings(o)); err != nil {
			return fmt.Errorf("assembling the functions: %w", err)
		}
	}
	s.Handlers = &functions.Handlers{
		API: awscalls.Named("api", all[0].API), Tail: awscalls.Named("tail", all[1].Tail), Sweep: awscalls.Named("sweep", all[2].Sweep),
	}
	return nil
}

// closeToOthers makes the data file, if it is not there, so that only its owner may read it. SQLite gives its
// companions the same mode.
func closeToOthers(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("opening the data file: %w", err)
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

// engines makes the three engines and the handlers that check signatures before them.
func (s *Server) engines(ctx context.Context, o Options, st *store.Store) (*inProcess, error) {
	tokens, err := sts.New(sts.Options{Account: Account, Key: s.keys.Session, Clock: o.Clock, Rand: rand.Reader})
	if err != nil {
		return nil, err
	}
	s.table, err = dynamodb.New(ctx, dynamodb.Options{
		Store: st, Clock: o.Clock, Region: Region, Account: Account, Authorize: sigv4.Authorize, Faults: o.DynamoDBFaults,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the tables: %w", err)
	}
	queues, err := sqs.New(ctx, sqs.Options{
		Store: st, Clock: o.Clock, Region: Region, Account: Account, BaseURL: queueHost, Authorize: sigv4.Authorize, Faults: o.SQSFaults,
		Rand: rand.Reader, Logger: o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the queues: %w", err)
	}
	s.onClose(func(context.Context) error { return queues.Close() })
	root := sigv4.Principal{Account: Account, ARN: "arn:aws:iam::" + Account + ":root", UserID: Account}
	verifier := &sigv4.Verifier{
		Region: Region,
		Clock:  o.Clock,
		Lookup: sigv4.FirstOf(sigv4.Static(sigv4.Credential{
			AccessKeyID: s.keys.AccessKeyID, Secret: s.keys.SecretAccessKey, Principal: root,
		}), tokens.Lookup),
	}
	s.Queues = verifier.Middleware("sqs", queues)
	s.Tables = verifier.Middleware("dynamodb", s.table)
	s.Tokens = verifier.Middleware("sts", tokens)
	return &inProcess{dynamodb: s.table, sqs: queues, sts: tokens, signed: s.Tokens, root: root}, nil
}

func (s *Server) settings(o Options) functions.Settings {
	return functions.Settings{
		Prefix:        prefix,
		ServerID:      s.keys.ServerID,
		Platform:      "local",
		RunnerRoleARN: runnerRole,
		RunnerRoles:   o.RunnerRoles,
		AppLogsPerDay: o.AppLogsPerDay,
		// Calls cost nothing here: a job's output is seen at once, what an app prints can be read a second later, and
		// configuration arrives in seconds.
		OutputEvery:    20 * time.Millisecond,
		AppConfigEvery: 5 * time.Second,
		AppLogsEvery:   time.Second,
		MasterKey:      s.keys.Master,
		Region:         Region,
		Clock:          o.Clock,
		Logger:         o.Logger,
	}
}

// gateway puts the API in front of the functions, in this process or in processes of their own.
func (s *Server) gateway(ctx context.Context, o Options) error {
	var api, tail gateway.Invoker = s.Handlers.API, s.Handlers.Tail
	if o.Bootstrap != "" {
		f, err := s.startFunctions(ctx, o)
		if err != nil {
			return err
		}
		s.Handlers, api, tail = f, f.API, f.Tail
	}
	gw, err := gateway.New(gateway.Options{
		Routes:   routes(api, tail, o.Throttles),
		Throttle: o.Throttles.Others,
		APIID:    "local", AccountID: Account, Stage: "local",
		BinaryMediaTypes: []string{"*/*"},
		Clock:            o.Clock,
		NewID:            func() string { return ulid.Make().String() },
		Logger:           o.Logger,
	})
	if err != nil {
		return err
	}
	s.onClose(gw.Close)
	s.Gateway = gw
	return nil
}

// RootCredentials give access to everything in the engines. They are for the functions' processes and for tests.
func (s *Server) RootCredentials() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(s.keys.AccessKeyID, s.keys.SecretAccessKey, "")
}

// AdminToken makes an admin token, by the direct invocation that on AWS requires
// lambda:InvokeFunction.
func (s *Server) AdminToken(ctx context.Context, name string) (string, error) {
	payload, err := json.Marshal(map[string]string{"waypoint": "create_admin_token", "name": name})
	if err != nil {
		return "", err
	}
	answer, err := s.Handlers.API.Invoke(ctx, payload)
	if err != nil {
		return "", fmt.Errorf("making the admin token: %w", err)
	}
	var made struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(answer, &made); err != nil || made.Token == "" {
		return "", errors.New("making the admin token: the function's answer has none")
	}
	return made.Token, nil
}

// knowsToken reports whether a token is one of this server's, in force or not: false is said of a token that its data
// has no trace of.
func (s *Server) knowsToken(ctx context.Context, token string) (bool, error) {
	payload, err := json.Marshal(map[string]string{"waypoint": "find_token", "token": token})
	if err != nil {
		return false, err
	}
	answer, err := s.Handlers.API.Invoke(ctx, payload)
	if err != nil {
		return false, fmt.Errorf("checking the admin token: %w", err)
	}
	var found struct {
		Known bool `json:"known"`
	}
	if err := json.Unmarshal(answer, &found); err != nil {
		return false, fmt.Errorf("checking the admin token: %w", err)
	}
	return found.Known, nil
}

// Sweep runs once what on AWS a schedule runs each minute, removes expired items, and gives what they leave free back
// to the disk.
func (s *Server) Sweep(ctx context.Context) error {
	_, err := s.sweep(ctx)
	return err
}

// sweep is Sweep. It returns when it will be decided what becomes of a job whose runner is silent; zero: there is none.
func (s *Server) sweep(ctx context.Context) (decideAt time.Time, err error) {
	answer, err := s.Handlers.Sweep.Invoke(ctx, []byte(`{"source":"aws.events","detail-type":"Scheduled Event"}`))
	var report struct{ DecideAt int64 }
	if err == nil && json.Unmarshal(answer, &report) == nil && report.DecideAt != 0 {
		decideAt = time.UnixMilli(report.DecideAt)
	}
	expireErr := expire(ctx, s.table, s.clock())
	_, reclaimErr := s.store.Reclaim(ctx)
	return decideAt, errors.Join(err, expireErr, reclaimErr)
}

// expireBound is how long one run may remove expired items: short enough for what is
// due in between, so that a backlog of days is gone in minutes and others always get their turn.
const expireBound = sweepInterval / 6

// expire removes what has expired at a moment, all of it if the time suffices.
func expire(ctx context.Context, table *dynamodb.Engine, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, expireBound)
	defer cancel()
	for {
		removed, err := table.ExpireOnce(ctx, now)
		if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil // the next run goes on
		}
		if err != nil || removed == 0 {
			return err
		}
	}
}

func (s *Server) onClose(f func(context.Context) error) { s.closers = append(s.closers, f) }

// Close ends what runs, waits for it until ctx ends, and closes the data.
func (s *Server) Close(ctx context.Context) error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i](ctx))
	}
	s.closers = nil
	return errors.Join(errs...)
}
