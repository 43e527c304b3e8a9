package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sqs"
	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
)

// EnginesOptions configure ServeEngines.
type EnginesOptions struct {
	// DynamoDB and SQS are loopback addresses, HOST:PORT; port 0 takes a free one.
	DynamoDB, SQS string
	// Data is the file that keeps tables and queues; empty: they are in memory and end with the engines.
	Data string
	// Region appears in ARNs; empty: Region. Requests are taken whatever region they are signed for.
	Region string
	// AccessKeyID, Secret and SessionToken are the one key that the engines take. An empty AccessKeyID: one is made.
	AccessKeyID, Secret, SessionToken string
	Logger                            *slog.Logger
	// Ready is called once both engines listen.
	Ready func(EnginesRunning)
}

// EnginesRunning has the addresses and the key of running engines.
type EnginesRunning struct {
	DynamoDB        string `json:"dynamodb"`
	SQS             string `json:"sqs"`
	Region          string `json:"region"`
	Account         string `json:"account"`
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	SessionToken    string `json:"session_token,omitempty"`
}

// ServeEngines runs the embedded DynamoDB and SQS alone, without the server, until ctx ends: for anybody who tests
// code that uses them. Long polls end with it; what it acknowledged is in the data file.
func ServeEngines(ctx context.Context, o EnginesOptions) error {
	if o.Region == "" {
		o.Region = Region
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.AccessKeyID == "" {
		k := newKeys()
		o.AccessKeyID, o.Secret, o.SessionToken = k.AccessKeyID, k.SecretAccessKey, ""
	}
	// The sockets come first: queue URLs name the port, and a taken one must leave the data alone.
	tables, err := listenEngine(ctx, "DynamoDB", o.DynamoDB)
	if err != nil {
		return err
	}
	defer tables.Close()
	queues, err := listenEngine(ctx, "SQS", o.SQS)
	if err != nil {
		return err
	}
	defer queues.Close()
	if o.Data != "" {
		if err := closeToOthers(o.Data); err != nil {
			return err
		}
	}
	st, err := store.Open(ctx, store.Options{Path: o.Data, Logger: o.Logger})
	if errors.Is(err, store.ErrInUse) {
		return fmt.Errorf("%s is in use by other engines or a server: stop them, or choose another file", o.Data)
	}
	if err != nil {
		return fmt.Errorf("opening the data file: %w", err)
	}
	err = serveEngines(ctx, o, st, tables, queues)
	return errors.Join(err, st.Close())
}

func serveEngines(ctx context.Context, o EnginesOptions, st *store.Store, tables, queues net.Listener) error {
	running := EnginesRunning{
		DynamoDB: "http://" + tables.Addr().String(), SQS: "http://" + queues.Addr().String(),
		Region: o.Region, Account: Account, AccessKeyID: o.AccessKeyID, SecretAccessKey: o.Secret, SessionToken: o.SessionToken,
	}
	db, err := dynamodb.New(ctx, dynamodb.Options{Store: st, Region: o.Region, Account: Account})
	if err != nil {
		return fmt.Errorf("opening the tables: %w", err)
	}
	mq, err := sqs.New(ctx, sqs.Options{
		Store: st, Clock: time.Now, Region: o.Region, Account: Account, BaseURL: running.SQS, Rand: rand.Reader, Logger: o.Logger,
	})
	if err != nil {
		return fmt.Errorf("opening the queues: %w", err)
	}
	verifier := &sigv4.Verifier{
		AnyRegion: true,
		Clock:     time.Now,
		Lookup: sigv4.Static(sigv4.Credential{
			AccessKeyID: o.AccessKeyID, Secret: o.Secret, SessionToken: o.SessionToken,
			Principal: sigv4.Principal{Account: Account, ARN: "arn:aws:iam::" + Account + ":root", UserID: Account},
		}),
	}
	tuneCollector()
	group, ctx := errgroup.WithContext(ctx)
	serveHTTP(ctx, group, tables, verifier.Middleware("dynamodb", db))
	serveHTTP(ctx, group, queues, verifier.Middleware("sqs", mq))
	group.Go(func() error { <-ctx.Done(); return mq.Close() })
	group.Go(func() error { expireLoop(ctx, db, o.Logger); return nil })
	if o.Ready != nil {
		o.Ready(running)
	}
	return group.Wait()
}

// expireLoop removes what is past its time to live, each minute. AWS takes up to days.
func expireLoop(ctx context.Context, db *dynamodb.Engine, log *slog.Logger) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := expire(ctx, db, time.Now()); err != nil && ctx.Err() == nil {
			log.ErrorContext(ctx, "expiring items failed", "error", err)
		}
	}
}

// listenEngine opens a loopback port. Other addresses are refused: the protocol is plain HTTP here, so that whoever
// sees the network sees the data.
func listenEngine(ctx context.Context, what, address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return nil, fmt.Errorf("the address %q for %s is not of the form 127.0.0.1:PORT", address, what)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%s is served on loopback only, not on %q: it speaks plain HTTP, so anybody on the network could read the data. Use 127.0.0.1:%s and forward a port to it", what, address, port)
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s for %s is in use by another program: stop it, or choose another port (0 selects a free one)", address, what)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s for %s: %w", address, what, withoutPrefix(err))
	}
	return ln, nil
}

// withoutPrefix drops net's "listen tcp 127.0.0.1:80: ", which the caller has said already.
func withoutPrefix(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
