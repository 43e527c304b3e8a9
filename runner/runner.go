// Package runner claims jobs and runs them. A standing runner takes them from its pool's queue; a CLI's own runner
// claims its jobs by their ids.
//
// It calls outward only: the API, the queue, and what plugins reach. It keeps nothing that a restart would miss. The
// server's rules for what it does stand in package lease (when work may go on) and lifecycle (what a job is made of).
package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/oklog/ulid/v2"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/version"
	"github.com/waypoint-serverless/waypoint/runner/guard"
	"github.com/waypoint-serverless/waypoint/runner/lifecycle"
	"github.com/waypoint-serverless/waypoint/runner/output"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
)

// Options of a runner.
type Options struct {
	Client *client.Client
	// ID is a ULID; empty: a new one.
	ID string
	// Name for people; empty: the machine's.
	Name   string
	Labels map[string]string
	// Kind; unspecified means standing.
	Kind waypointv1.RunnerKind
	// Concurrency is how many jobs run at once; 0: one for each processor.
	Concurrency int
	Catalog     *catalog.Catalog
	// StateDir outlives jobs; for plugins whose platform is this machine.
	StateDir string
	// Entrypoint is the path of a waypoint-entrypoint binary; empty if there is none.
	Entrypoint string
	Logger     *slog.Logger
	// LocalDir is the source directory of a CLI's own runner.
	LocalDir string
	// EntrypointDigest may be shared by several runners of a process; nil: the runner has its own.
	EntrypointDigest *lifecycle.EntrypointDigest
	// BeforeDeploy, if set, is awaited before a job changes what runs.
	BeforeDeploy func(ctx context.Context) error
	// QueueHTTPClient reaches the queue; nil: the default client. On one machine it dials the server's socket.
	QueueHTTPClient *http.Client
	// QueueEndpoint is where the queue's service is reached; empty: at the host of the queue's address.
	QueueEndpoint string
	// EntrypointServerAddr is what deployed apps use to reach the API; empty: the client's address.
	EntrypointServerAddr string
	// LocalServer opens listeners for apps in containers; nil: the server's address is good for them. One that is a
	// plugin.Sealer also seals.
	LocalServer plugin.LocalServer
	// Environ is the environment for commands and WP_VAR_ variables; nil: os.Environ().
	Environ []string
	// Guard ends and reports what this runner leaves behind when it is killed; nil: nobody does. Whoever made it closes it.
	Guard *guard.Guard
	// DrainTimeout bounds how long Run waits for its jobs after its context ended; 0: 5 minutes.
	DrainTimeout time.Duration
}

// Times of the runner itself.
const (
	defaultHeartbeat = time.Minute
	defaultDrain     = 5 * time.Minute
	// endBound is how long a job's end may take to be written after its user interrupted it, and a leave to be said.
	endBound     = 20 * time.Second
	goodbyeBound = 3 * time.Second
	// patience is how long one call waits for a server that is away; loops call again.
	patience = 30 * time.Second
)

// Runner runs jobs. Use Run for a standing runner and RunJob for a CLI's own.
type Runner struct {
	o    Options
	host *lifecycle.Host
	log  *slog.Logger
	// outputRate is how many bytes a second a job may print in the long run.
	outputRate int

	registering sync.Mutex
	registered  *waypointv1.RegisterResponse

	mu      sync.Mutex
	running map[string]struct{}
	freed   chan struct{} // closed and replaced when a slot becomes free
}

// New makes a runner. It calls nothing yet.
func New(o Options) (*Runner, error) {
	if o.Client == nil || o.Catalog == nil {
		return nil, errors.New("a runner needs a client and a catalog of plugins")
	}
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "unknown"
	}
	if o.ID == "" {
		o.ID = ulid.Make().String()
	}
	if _, err := ulid.ParseStrict(o.ID); err != nil {
		return nil, fmt.Errorf("the runner's id %q: %w", o.ID, err)
	}
	if o.Name == "" {
		o.Name = hostname
	}
	if o.Kind == waypointv1.RunnerKind_RUNNER_KIND_UNSPECIFIED {
		o.Kind = waypointv1.RunnerKind_RUNNER_KIND_STANDING
	}
	if o.Concurrency <= 0 {
		o.Concurrency = runtime.NumCPU()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.DrainTimeout <= 0 {
		o.DrainTimeout = defaultDrain
	}
	if o.EntrypointServerAddr == "" {
		o.EntrypointServerAddr = o.Client.Address()
	}
	if o.StateDir != "" {
		if o.StateDir, err = filepath.Abs(o.StateDir); err != nil {
			return nil, fmt.Errorf("finding the state directory: %w", err)
		}
	}
	sealer, _ := o.LocalServer.(plugin.Sealer)
	outputRate, err := rateOf(o.Environ)
	if err != nil {
		return nil, err
	}
	if o.EntrypointDigest == nil {
		o.EntrypointDigest = &lifecycle.EntrypointDigest{}
	}
	return &Runner{
		outputRate: outputRate,
		o:          o, log: o.Logger.With("runner", o.ID), running: map[string]struct{}{}, freed: make(chan struct{}),
		host: &lifecycle.Host{
			Server: lifecycle.Server{
				Agent: o.Client.Agent, Projects: o.Client.Project, Builds: o.Client.Build, Artifacts: o.Client.Artifact,
				Deployments: o.Client.Deployment, Releases: o.Client.Release,
			},
			Catalog: o.Catalog, Logger: o.Logger, StateDir: o.StateDir, Entrypoint: o.Entrypoint,
			EntrypointServerAddr: o.EntrypointServerAddr, LocalServer: o.LocalServer, Sealer: sealer, ServerID: serverID(o.Client), LocalDir: o.LocalDir, Environ: o.Environ, BeforeDeploy: o.BeforeDeploy, EntrypointDigest: o.EntrypointDigest,
			Hostname: hostname, Now: time.Now,
		},
	}, nil
}

// EnvOutputRate sets how many bytes a second a job may print in the long run; 0: any number. What is above is dropped.
const EnvOutputRate = "WAYPOINT_JOB_OUTPUT_RATE"

func rateOf(environ []string) (int, error) {
	perSecond := output.DefaultRate
	for _, entry := range environ {
		value, ok := strings.CutPrefix(entry, EnvOutputRate+"=")
		if !ok {
			continue
		}
		var err error
		if perSecond, err = strconv.Atoi(value); err != nil || perSecond < 0 {
			return 0, fmt.Errorf("invalid %s %q: give a number of bytes a second, or 0 for no limit", EnvOutputRate, value)
		}
	}
	return perSecond, nil
}

// ID is the runner's id, which a job's target names.
func (r *Runner) ID() string { return r.o.ID }

// Register registers the runner, once; again says to do so although it did. RunJob and Run do it by themselves; a CLI
// calls it to have the runner known before it queues a job that names it.
func (r *Runner) Register(ctx context.Context) error {
	_, err := r.register(ctx, false)
	return err
}

func (r *Runner) register(ctx context.Context, again bool) (*waypointv1.RegisterResponse, error) {
	r.registering.Lock()
	defer r.registering.Unlock()
	if r.registered != nil && !again {
		return r.registered, nil
	}
	res, err := r.o.Client.Agent.Register(ctx, connect.NewRequest(&waypointv1.RegisterRequest{
		RunnerId: r.o.ID, Name: r.o.Name, Labels: r.o.Labels, Kind: r.o.Kind,
		Concurrency: int32(r.o.Concurrency), Version: version.Version(),
	}))
	if err != nil {
		return nil, fmt.Errorf("registering the runner: %w", err)
	}
	r.registered = res.Msg
	r.log.InfoContext(ctx, "registered", "name", r.o.Name, "pool", res.Msg.GetPool())
	return res.Msg, nil
}

// Close says that the runner goes. It waits no longer than 3 s: a server that is not told forgets the runner later.
func (r *Runner) Close(ctx context.Context) error {
	r.registering.Lock()
	known := r.registered != nil
	r.registered = nil
	r.registering.Unlock()
	if !known {
		return nil
	}
	ctx, cancel := context.WithTimeout(client.WithMaxRetry(context.WithoutCancel(ctx), 0), goodbyeBound)
	defer cancel()
	_, err := r.o.Client.Agent.Deregister(ctx, connect.NewRequest(&waypointv1.DeregisterRequest{RunnerId: r.o.ID}))
	if err != nil {
		return fmt.Errorf("deregistering the runner: %w", err)
	}
	return nil
}

// Answers of take.
const (
	taken = iota
	alreadyRunning
	noSlot
)

// take occupies a slot for a job.
func (r *Runner) take(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, runs := r.running[id]; runs {
		return alreadyRunning
	}
	if len(r.running) >= r.o.Concurrency {
		return noSlot
	}
	r.running[id] = struct{}{}
	return taken
}

func (r *Runner) give(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, id)
	close(r.freed)
	r.freed = make(chan struct{})
}

// slots tells how many jobs run, how many more may, and a channel that is closed when that changes.
func (r *Runner) slots() (running, free int, freed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.running), r.o.Concurrency - len(r.running), r.freed
}
