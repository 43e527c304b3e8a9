// Package standin is a stand-in for an AWS endpoint, for tests of the installer: it deploys exactly the template of
// this project, and refuses everything else by name.
//
// It is neither a general emulator of AWS nor LocalStack: CloudFormation, S3, Lambda, SSM and IAM know the calls that the
// installer makes and the properties that the template has. DynamoDB, SQS and STS are the project's embedded engines;
// the functions are the real binary from the uploaded zip, behind a Runtime API and the gateway emulator, and each
// may do what its role in the template allows and nothing else. Conditions in policies are not evaluated here.
//
// Everything happens when somebody asks: a stack operation in progress advances by some resources with each DescribeStacks. So
// tests need no timing, and a stack whose installer died stands where it stood.
//
// Only tests and commands for development import it.
package standin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sqs"
	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sts"
)

// What the stand-in stands for.
const (
	Region  = "us-east-1"
	Account = "000000000000"
)

// Options of a stand-in; all may be left out.
type Options struct {
	// Listen is an address; "" is a free port of the loopback address.
	Listen string
	// AccessKeyID and SecretAccessKey are the operator's; made at random if one is "".
	AccessKeyID, SecretAccessKey string
	// Concurrency is the account's limit on functions at once; 0: 1,000.
	Concurrency int
	// OperatorPolicy bounds what the operator may do, as an IAM document; "": everything. Conditions are dropped.
	OperatorPolicy string
	// Fail reports whether work on a resource of a stack fails, by the verb (CREATE, UPDATE, DELETE) and the logical
	// name: "" is no.
	Fail func(verb, logical string) (reason string)
	// LikeLocalStack makes CloudFormation and the paths of APIs behave as LocalStack 4.14 was seen to, where that
	// differs from AWS: see localstack.go.
	LikeLocalStack bool
	// RewriteTemplate changes each template that is sent, to stand for one that another version of the installer
	// would have sent; nil: none is changed.
	RewriteTemplate func(body string) string
	// Clock is asked by the engines and for signatures; nil: time.Now.
	Clock func() time.Time
	// Output gets what the functions print; nil: nobody.
	Output io.Writer
	Logger *slog.Logger
}

// StandIn serves until it is closed.
type StandIn struct {
	// URL is the endpoint.
	URL string

	opt      Options
	dir      string
	operator sigv4.Credential
	verifier *sigv4.Verifier
	store    *store.Store
	dynamodb *dynamodb.Engine
	sqs      *sqs.Engine
	sts      *sts.Engine
	server   *http.Server
	served   chan error

	mu         sync.Mutex // guards all below
	buckets    map[string]*bucket
	parameters map[string]parameter
	roles      map[string]*role
	keys       map[string]sigv4.Credential // of the functions' roles
	functions  map[string]*function
	apis       map[string]*restAPI
	named      map[string]string // other things that have names, to their kind
	stacks     []*stack
	serial     int
	used       map[string]map[string]bool // by role's last part: actions that were allowed
	unloaded   bool                       // API Gateway has not been loaded since a restart, as LocalStack loads it
	starting   bool                       // answers as LocalStack does while it starts
}

// Start listens and serves.
func Start(ctx context.Context, o Options) (*StandIn, error) {
	if o.Concurrency == 0 {
		o.Concurrency = 1000
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	s := &StandIn{opt: o, served: make(chan error, 1),
		buckets: map[string]*bucket{}, parameters: map[string]parameter{}, roles: map[string]*role{}, keys: map[string]sigv4.Credential{},
		functions: map[string]*function{}, apis: map[string]*restAPI{}, named: map[string]string{}, used: map[string]map[string]bool{}}
	if err := s.engines(ctx); err != nil {
		return nil, errors.Join(err, s.closeParts(ctx))
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("stand-in: %w", err), s.closeParts(ctx))
	}
	addr := ln.Addr().(*net.TCPAddr) // of a TCP listener
	if addr.IP.IsUnspecified() {
		addr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: addr.Port}
	}
	s.URL = "http://" + addr.String()
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug)}
	go func() { s.served <- s.server.Serve(ln) }()
	return s, nil
}

func (s *StandIn) engines(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "waypoint-standin-"); err != nil {
		return fmt.Errorf("stand-in: %w", err)
	}
	policy, err := parsePolicy([]byte(s.opt.OperatorPolicy))
	if err != nil {
		return fmt.Errorf("stand-in: the operator's policy: %w", err)
	}
	if s.opt.AccessKeyID == "" || s.opt.SecretAccessKey == "" {
		s.opt.AccessKeyID, s.opt.SecretAccessKey = "AKIASTANDINOPERATOR", random(20)
	}
	s.operator = sigv4.Credential{AccessKeyID: s.opt.AccessKeyID, Secret: s.opt.SecretAccessKey,
		Principal: sigv4.Principal{Account: Account, ARN: "arn:aws:iam::" + Account + ":user/operator", UserID: "AIDAOPERATOR", Policy: policy}}
	if s.store, err = store.Open(ctx, store.Options{Logger: s.opt.Logger}); err != nil {
		return fmt.Errorf("stand-in: %w", err)
	}
	if s.dynamodb, err = dynamodb.New(ctx, dynamodb.Options{Store: s.store, Clock: s.opt.Clock, Region: Region, Account: Account, Authorize: s.authorize}); err != nil {
		return fmt.Errorf("stand-in: %w", err)
	}
	if s.sqs, err = sqs.New(ctx, sqs.Options{Store: s.store, Clock: s.opt.Clock, Region: Region, Account: Account,
		BaseURL: "http://sqs.standin.internal", Rand: rand.Reader, Authorize: s.authorize, Logger: s.opt.Logger}); err != nil {
		return fmt.Errorf("stand-in: %w", err)
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	if s.sts, err = sts.New(sts.Options{Account: Account, Key: key, Clock: s.opt.Clock, Rand: rand.Reader}); err != nil {
		return fmt.Errorf("stand-in: %w", err)
	}
	s.verifier = &sigv4.Verifier{Region: Region, Clock: s.opt.Clock,
		Lookup: sigv4.FirstOf(sigv4.Static(s.operator), s.roleKeys, s.sts.Lookup), MaxBody: 64 << 20}
	return nil
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// fails asks Options.Fail.
func (s *StandIn) fails(verb, logical string) error {
	if s.opt.Fail == nil {
		return nil
	}
	if reason := s.opt.Fail(verb, logical); reason != "" {
		return errors.New(reason)
	}
	return nil
}

// Config is the operator's, for the SDK's clients.
func (s *StandIn) Config() aws.Config {
	return aws.Config{Region: Region, BaseEndpoint: aws.String(s.URL),
		Credentials: credentials.NewStaticCredentialsProvider(s.operator.AccessKeyID, s.operator.Secret, "")}
}

// Close ends the functions and the server, and waits for them until ctx ends.
func (s *StandIn) Close(ctx context.Context) error {
	err := s.server.Close()
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, s.closeParts(ctx))
}

func (s *StandIn) closeParts(ctx context.Context) (err error) {
	s.mu.Lock()
	functions, apis := s.functions, s.apis
	s.functions, s.apis = map[string]*function{}, map[string]*restAPI{}
	s.mu.Unlock()
	for _, a := range apis {
		err = errors.Join(err, a.close(ctx))
	}
	for _, f := range functions {
		err = errors.Join(err, f.close(ctx))
	}
	if s.sqs != nil {
		err = errors.Join(err, s.sqs.Close())
	}
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
	}
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

// nextID makes ids; s.mu is held.
func (s *StandIn) nextID() string {
	s.serial++
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", s.serial, s.serial)
}

func (s *StandIn) path(name string) string { return filepath.Join(s.dir, filepath.Base(name)) }

// scope finds the service that a request is signed for.
var scope = regexp.MustCompile(`Credential=[^/,\s]+/\d{8}/[^/]+/([a-z0-9-]+)/aws4_request`)

// ServeHTTP hands a request to the service that it is signed for, or to an API.
func (s *StandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.opt.Clock().UTC().Format(http.TimeFormat)) // clients see by it whether their clock is right
	if s.answersEmptily(w, r) {
		return
	}
	if rest, ok := strings.CutPrefix(r.URL.Path, "/_aws/execute-api/"); ok {
		s.serveAPI(w, r, rest)
		return
	}
	if r.URL.Path == "/_localstack/health" { // what the harness for containers waits for
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"edition":"waypoint-stand-in","services":{"apigateway":"available"}}`) // the client may be gone
		return
	}
	m := scope.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		refuse(w, "s3", http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token")
		return
	}
	service := m[1]
	handler, ok := map[string]http.HandlerFunc{
		"dynamodb": s.dynamodb.ServeHTTP, "sqs": s.sqs.ServeHTTP, "sts": s.serveSTS,
		"cloudformation": s.serveCloudFormation, "s3": s.serveS3, "lambda": s.serveLambda, "ssm": s.serveSSM,
		"apigateway": s.serveAPIGateway, "events": s.serveEvents, "logs": s.serveLogs, "iam": s.serveIAM,
	}[service]
	if !ok {
		refuse(w, "json", http.StatusNotImplemented, "NotImplemented", "the stand-in has no service "+service)
		return
	}
	s.verified(service, handler).ServeHTTP(w, r)
}
