// Package runtimeapi runs a Lambda bootstrap binary on this machine: it is the Lambda
// service's side of the Runtime API, and starts, reuses, kills and restarts the processes
// ("sandboxes") that the binary runs in, one invocation at a time in each, as Lambda does.
//
// The binary is the one that runs on AWS, unchanged. Response streaming and extensions
// are refused by name.
//
// The Runtime API has no authentication, and a loopback port is open to every user of the
// machine. So each sandbox gets an address with a random path (AWS_LAMBDA_RUNTIME_API is
// "127.0.0.1:PORT/SECRET"), without which nothing answers. aws-lambda-go takes such an
// address; a runtime that insists on host:port does not.
//
// It imports nothing of this project, so that it can serve other projects.
package runtimeapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/waypoint-serverless/waypoint/localstack/bounded"
)

// MaxPayload is Lambda's limit on an event and on a response, in bytes.
const MaxPayload = 6 << 20

const (
	// defaultTimeout is Lambda's for a function that names none.
	defaultTimeout = 3 * time.Second
	// InitTimeout is Lambda's limit on the time from start to the first /next.
	InitTimeout = 10 * time.Second
	// settle is how long an invocation waits for a sandbox that has just answered and
	// not yet asked for more, before it starts another.
	settle = 50 * time.Millisecond
)

// Options configures New. Command, Name, Clock and NewID are required.
type Options struct {
	// Command is the bootstrap binary and its arguments.
	Command []string
	// Dir is the working directory (LAMBDA_TASK_ROOT); the current one if empty.
	Dir string
	// Env is the function's configured environment, "KEY=value". The child gets it and
	// what Lambda sets, and nothing of this process but PATH.
	Env []string
	// Name of the function.
	Name string
	// Handler is _HANDLER: "bootstrap" if empty.
	Handler string
	// Region and Account appear in the function's ARN.
	Region, Account string
	// MemoryMB is told to the function and not enforced; 128 if zero.
	MemoryMB int
	// Timeout of an invocation: DefaultTimeout if zero. The sandbox is killed at it.
	Timeout time.Duration
	// InitTimeout is the package's if zero.
	InitTimeout time.Duration
	// MaxSandboxes bounds concurrency: 10 if zero, as a new account has. Invocations
	// above it wait.
	MaxSandboxes int
	// Output gets what sandboxes print to stdout and stderr. Discarded if nil.
	Output io.Writer
	// Clock returns the current time, NewID makes request ids (UUIDs on AWS).
	Clock func() time.Time
	NewID func() string
	// Logger gets cold starts and deaths of sandboxes. Discarded if nil.
	Logger *slog.Logger
}

// Error is a failed invocation as Lambda reports it.
type Error struct {
	// Type is "Runtime.ExitError", "Sandbox.Timedout", or what the function reported.
	Type    string
	Message string
	// Payload is the JSON that the caller of the Invoke API would get.
	Payload []byte
}

func (e *Error) Error() string { return e.Type + ": " + e.Message }

// Stats are counts since New.
type Stats struct {
	Invocations int
	// ColdStarts counts sandboxes that reached their first /next.
	ColdStarts int
	// LastInit is the time from process start to first /next of the latest of them.
	LastInit time.Duration
	// Sandboxes are alive now; Waiting of them are at /next, for an event.
	Sandboxes, Waiting int
}

// Function invokes the binary: it is an aws-lambda-go lambda.Handler.
type Function struct {
	opt    Options
	arn    string
	server *bounded.Server
	addr   string
	slots  chan struct{}   // one per sandbox that may be busy
	idle   chan *sandbox   // warm ones; may hold some that have died
	base   context.Context // ends with Close
	cancel context.CancelFunc

	mu        sync.Mutex
	closed    bool
	sandboxes map[string]*sandbox // by secret
	settling  int                 // answered, but not back at /next
	stats     Stats
	work      sync.WaitGroup
}

// New listens on a free loopback port. It starts no process: the first invocation does.
func New(opt Options) (*Function, error) {
	if len(opt.Command) == 0 || opt.Name == "" || opt.Clock == nil || opt.NewID == nil {
		return nil, errors.New("runtimeapi: Command, Name, Clock and NewID are required")
	}
	setDefaults(&opt)
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("runtimeapi: %w", err)
	}
	f := &Function{
		opt:       opt,
		arn:       "arn:aws:lambda:" + opt.Region + ":" + opt.Account + ":function:" + opt.Name,
		addr:      l.Addr().String(),
		slots:     make(chan struct{}, opt.MaxSandboxes),
		idle:      make(chan *sandbox, 4*opt.MaxSandboxes),
		sandboxes: make(map[string]*sandbox),
	}
	f.base, f.cancel = context.WithCancel(context.Background())
	f.server = bounded.NewServer(http.HandlerFunc(f.serve), bounded.Limits{})
	f.server.ErrorLog = slog.NewLogLogger(opt.Logger.Handler(), slog.LevelDebug)
	f.work.Go(func() {
		if err := f.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			opt.Logger.Error("runtime api stopped", "function", opt.Name, "error", err)
		}
	})
	return f, nil
}

func setDefaults(opt *Options) {
	if opt.Handler == "" {
		opt.Handler = "bootstrap"
	}
	if opt.MemoryMB == 0 {
		opt.MemoryMB = 128
	}
	if opt.Timeout == 0 {
		opt.Timeout = defaultTimeout
	}
	if opt.InitTimeout == 0 {
		opt.InitTimeout = InitTimeout
	}
	if opt.MaxSandboxes == 0 {
		opt.MaxSandboxes = 10
	}
	if opt.Output == nil {
		opt.Output = io.Discard
	}
	opt.Output = &lockedWriter{w: opt.Output}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
}

// invocation is one event on its way through a sandbox.
type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	done     chan outcome // buffered: the first outcome counts
}

type outcome struct {
	out []byte
	err error
}

func (i *invocation) finish(o outcome) {
	select {
	case i.done <- o:
	default: // decided already
	}
}

// Invoke runs the function on an event and returns its answer. It waits for a free
// sandbox and for the function until ctx ends; the function then runs on until its own
// timeout, as on AWS. A failure of the function is an *Error.
func (f *Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if len(payload) > MaxPayload {
		return nil, failure("RequestEntityTooLargeException", fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", MaxPayload))
	}
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for a sandbox of %s: %w", f.opt.Name, ctx.Err())
	case <-f.base.Done():
		return nil, errClosed
	}
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		<-f.slots
		return nil, errClosed
	}
	f.stats.Invocations++
	f.work.Add(1)
	f.mu.Unlock()

	// The caller may reuse its payload after ctx ends, while the function still reads.
	inv := &invocation{id: f.opt.NewID(), payload: bytes.Clone(payload), done: make(chan outcome, 1)}
	result := make(chan outcome, 1)
	go func() {
		defer f.work.Done()
		f.run(inv, result)
	}()
	select {
	case o := <-result:
		return o.out, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("invoking %s: %w", f.opt.Name, ctx.Err())
	}
}

var errClosed = errors.New("runtimeapi: the function is closed")

// run takes an invocation through a sandbox and gives the slot back when the sandbox can
// take the next one, or is gone.
func (f *Function) run(inv *invocation, result chan<- outcome) {
	defer func() { <-f.slots }()
	sb, err := f.take()
	if err != nil {
		result <- outcome{err: err}
		return
	}
	inv.deadline = f.opt.Clock().Add(f.opt.Timeout)
	sb.assign(inv)
	timer := time.NewTimer(f.opt.Timeout)
	defer timer.Stop()
	var o outcome
	select {
	case o = <-inv.done:
	case <-sb.exited:
		o = outcome{err: sb.exitError(inv)}
		select {
		case o = <-inv.done: // it answered and exited
		default:
		}
	case <-timer.C:
		o = outcome{err: f.timedOut(inv)}
		sb.kill()
	case <-f.base.Done():
		o = outcome{err: errClosed}
		sb.kill()
	}
	f.settle(sb, func() { result <- o }, timer.C)
}

// settle hands the answer on and waits until the sandbox is back at /next, which is when
// Lambda regards the invocation as complete.
func (f *Function) settle(sb *sandbox, answer func(), timeout <-chan time.Time) {
	f.addSettling(1)
	defer f.addSettling(-1)
	answer()
	select {
	case <-sb.ready:
		f.idle <- sb
	case <-sb.exited:
	case <-timeout:
		sb.kill()
	case <-f.base.Done():
		sb.kill()
	}
}

func (f *Function) addSettling(n int) {
	f.mu.Lock()
	f.settling += n
	f.mu.Unlock()
}

// take returns a sandbox that waits at /next: a warm one, or a new one.
func (f *Function) take() (*sandbox, error) {
	f.mu.Lock()
	soon := f.settling > 0
	f.mu.Unlock()
	wait := time.Duration(0)
	if soon {
		wait = settle
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case sb := <-f.idle:
			if sb.alive() {
				return sb, nil
			}
			continue
		default:
		}
		if !soon {
			return f.start()
		}
		select {
		case sb := <-f.idle:
			if sb.alive() {
				return sb, nil
			}
		case <-timer.C:
			soon = false
		case <-f.base.Done():
			return nil, errClosed
		}
	}
}

func (f *Function) timedOut(inv *invocation) error {
	return failure("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", inv.id, f.opt.Timeout.Seconds()))
}

// Stats returns counts so far.
func (f *Function) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Sandboxes = len(f.sandboxes)
	for _, sb := range f.sandboxes {
		if sb.waits() {
			s.Waiting++
		}
	}
	return s
}

// Close kills the sandboxes and waits for them and for invocations, until ctx ends.
func (f *Function) Close(ctx context.Context) error {
	f.mu.Lock()
	f.closed = true
	alive := make([]*sandbox, 0, len(f.sandboxes))
	for _, sb := range f.sandboxes {
		alive = append(alive, sb)
	}
	f.mu.Unlock()
	f.cancel()
	for _, sb := range alive {
		sb.kill()
	}
	err := f.server.Close()
	done := make(chan struct{})
	go func() {
		f.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("waiting for sandboxes of %s: %w", f.opt.Name, ctx.Err())
	}
}

// newSecret is the path without which a sandbox's Runtime API does not answer.
func newSecret() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("random bytes: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// lockedWriter lets several sandboxes print to one writer.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// cutSecret takes the secret off a request path.
func cutSecret(path string) (secret, rest string) {
	secret, rest, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return secret, "/" + rest
}
