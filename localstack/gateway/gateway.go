// Package gateway is an emulator of an API Gateway REST API with Lambda proxy
// integration (payload format 1.0): HTTP in, event JSON to the function, response JSON
// back, with the limits, timeouts and error answers that AWS has.
//
// It exists so that functions meet on one machine exactly what they meet on AWS: always
// the event's bytes, never a short cut. It is independent of functions and transports: routes
// name Invokers, which may be in-process handlers or processes behind a Runtime API. It
// imports nothing of this project, so that it can serve other projects.
//
// Not emulated: authorizers, API keys, request validation, mapping templates, caching,
// response streaming.
package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of API Gateway and Lambda.
const (
	// maxRequestBody is API Gateway's limit on a request body, in bytes.
	maxRequestBody = 10 << 20
	// maxHeader is the limit on the request line and all headers together, in bytes.
	maxHeader = 10240
	// maxPayload is Lambda's limit on an event and on a response, in bytes of JSON. A
	// binary body counts as base64.
	maxPayload = 6 << 20
	// integrationTimeout is the default limit on the time that a function takes.
	integrationTimeout = 29 * time.Second
)

// Invoker runs a function: aws-lambda-go's lambda.Handler is one. It must not keep the
// payload after it returns. An error, or a response that is not a proxy response, is a
// failure of the function.
//
// The context ends at the integration timeout, not when the HTTP client goes away: on
// AWS the function runs on, too.
type Invoker interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// Route sends requests to a function.
type Route struct {
	// Method is an HTTP method or ANY.
	Method string
	// Resource is a path pattern: "/a/{id}" or "/a/{proxy+}", which takes one or more
	// segments.
	Resource string
	Invoker  Invoker
	// Throttle is this method's own; nil: Options.Throttle.
	Throttle *Throttle
}

// workerWarm is how long a worker without calls stays.
const workerWarm = 10 * time.Second

// Throttle is a token bucket. Each method has one of its own, so that a flood of one leaves the others alone.
type Throttle struct {
	Rate  float64 // requests a second
	Burst int
}

// Options configures New. Routes, Clock and NewID are required.
type Options struct {
	// Routes are tried in order; the first whose method and resource match is taken.
	Routes []Route
	// APIID, AccountID and Stage appear in the event's request context.
	APIID, AccountID, Stage string
	// DomainName appears in the event; the request's host if empty.
	DomainName string
	// StagePrefix makes "/STAGE" the first segment of every URL, as AWS's own domain
	// names have it. The event's path has no stage, its request context's path has.
	StagePrefix bool
	// StageVariables are handed to functions; null in the event if nil.
	StageVariables map[string]string
	// BinaryMediaTypes are the types ("image/png", "image/*", "*/*") whose bodies cross
	// as base64. All other bodies are text: bytes that are not UTF-8 are lost, as on AWS.
	BinaryMediaTypes []string
	// Timeout is IntegrationTimeout if zero.
	Timeout time.Duration
	// Throttle is that of each method that has none of its own: a stage's setting for "/*". Off if nil.
	Throttle *Throttle
	// Clock returns the current time.
	Clock func() time.Time
	// NewID makes request ids, unique and without characters that JSON escapes.
	NewID func() string
	// Logger gets what clients are not told (why an answer is a 502). Discarded if nil.
	Logger *slog.Logger
}

// Gateway is an http.Handler. Close it to wait for functions that are still running.
type Gateway struct {
	opt    Options
	routes []route
	binary mediaTypes

	base   context.Context
	cancel context.CancelFunc

	// held is how many bytes large bodies hold.
	held atomic.Int64

	mu      sync.Mutex // guards closed against Add after Wait
	closed  bool
	running sync.WaitGroup

	// idle hands a call to a worker that waits for one.
	idle    chan func()
	workers sync.WaitGroup
}

// New compiles the routes.
func New(opt Options) (*Gateway, error) {
	if opt.Clock == nil || opt.NewID == nil {
		return nil, errors.New("gateway: Clock and NewID are required")
	}
	if opt.Timeout == 0 {
		opt.Timeout = integrationTimeout
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{opt: opt, binary: newMediaTypes(opt.BinaryMediaTypes), idle: make(chan func())}
	for _, r := range opt.Routes {
		compiled, err := compile(r, opt)
		if err != nil {
			return nil, fmt.Errorf("gateway: route %s %s: %w", r.Method, r.Resource, err)
		}
		g.routes = append(g.routes, compiled)
	}
	g.base, g.cancel = context.WithCancel(context.Background())
	return g, nil
}

// Close cancels what is running and waits for it until ctx ends. Requests after it are
// answered 503.
func (g *Gateway) Close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.cancel()
	done := make(chan struct{})
	go func() {
		g.running.Wait()
		g.workers.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for functions to return: %w", ctx.Err())
	}
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := g.opt.NewID()
	w.Header()["X-Amzn-Requestid"] = []string{id}
	large := &arriving{held: &g.held}
	defer large.release() // what a function makes of a body is as large
	payload, invoker, f := g.accept(w, r, id, large)
	if f != nil {
		f.write(w)
		return
	}
	out, f := g.invoke(invoker, payload, id)
	if f == nil {
		f = g.respond(w, r, out, id)
	}
	if f != nil {
		f.write(w)
	}
}

// accept turns a request into an event, or into a failure.
func (g *Gateway) accept(w http.ResponseWriter, r *http.Request, id string, large *arriving) (*bytes.Buffer, Invoker, *failure) {
	if headerSize(r) > maxHeader {
		return nil, nil, failHeader
	}
	path, ok := g.stripStage(r.URL.EscapedPath())
	if !ok {
		return nil, nil, failForbidden
	}
	rt, params := g.match(r.Method, path)
	if rt == nil {
		return nil, nil, failNoRoute
	}
	if rt.limiter != nil && !rt.limiter.AllowN(g.opt.Clock(), 1) {
		return nil, nil, failThrottled
	}
	body, f := readBody(w, r, large)
	if f != nil {
		return nil, nil, f
	}
	defer putBuffer(body)
	payload, f := g.encodeEvent(r, rt, params, path, id, body.Bytes())
	if f != nil {
		return nil, nil, f
	}
	return payload, rt.invoker, nil
}

// invoke runs the function for at most the timeout. A function that does not obey its
// context keeps running (and keeps its payload); Close waits for it.
func (g *Gateway) invoke(invoker Invoker, payload *bytes.Buffer, id string) ([]byte, *failure) {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return nil, failClosed
	}
	g.running.Add(1)
	g.mu.Unlock()

	ctx, cancel := context.WithTimeout(g.base, g.opt.Timeout)
	done := make(chan outcome, 1)
	g.work(func() {
		defer g.running.Done()
		defer cancel()
		defer putBuffer(payload)
		done <- call(ctx, invoker, payload.Bytes())
	})
	var o outcome
	select {
	case o = <-done:
	case <-ctx.Done():
		select {
		case o = <-done: // both at once: the answer counts
		default:
			if g.base.Err() != nil {
				return nil, failClosed
			}
			return nil, failTimeout
		}
	}
	if o.err != nil {
		if errors.Is(o.err, context.DeadlineExceeded) && ctx.Err() != nil {
			return nil, failTimeout
		}
		g.opt.Logger.Error("function failed", "request_id", id, "error", o.err)
		return nil, failIntegration
	}
	return o.out, nil
}

// work runs f in a goroutine that has worked before, if one is idle: a fresh one's stack would grow, copy by copy, to what a
// function needs, which is a fifth of the cost of a small request.
func (g *Gateway) work(f func()) {
	select {
	case g.idle <- f:
	default:
		g.workers.Add(1)
		go func() {
			defer g.workers.Done()
			warm := time.NewTimer(workerWarm)
			defer warm.Stop()
			for {
				f()
				warm.Reset(workerWarm)
				select {
				case f = <-g.idle:
				case <-warm.C:
					return
				case <-g.base.Done():
					return
				}
			}
		}()
	}
}

type outcome struct {
	out []byte
	err error
}

// call turns a panic of an in-process function into its failure, as a crash is on AWS.
func call(ctx context.Context, invoker Invoker, payload []byte) (o outcome) {
	defer func() {
		if p := recover(); p != nil {
			o = outcome{err: fmt.Errorf("function panicked: %v", p)}
		}
	}()
	out, err := invoker.Invoke(ctx, payload)
	return outcome{out, err}
}

func (g *Gateway) stripStage(path string) (string, bool) {
	if path == "" {
		path = "/"
	}
	if !g.opt.StagePrefix {
		return path, true
	}
	rest, ok := strings.CutPrefix(path, "/"+g.opt.Stage)
	switch {
	case !ok || rest != "" && rest[0] != '/':
		return "", false
	case rest == "":
		return "/", true
	}
	return rest, true
}

// readBody reads a body as it arrives: what a client announces costs nothing.
func readBody(w http.ResponseWriter, r *http.Request, large *arriving) (*bytes.Buffer, *failure) {
	buf := getBuffer()
	if r.Body == nil || r.Body == http.NoBody {
		return buf, nil
	}
	if r.ContentLength > maxRequestBody {
		putBuffer(buf)
		return nil, failTooLong
	}
	large.Reader = http.MaxBytesReader(w, r.Body, maxRequestBody)
	if _, err := buf.ReadFrom(large); err != nil {
		putBuffer(buf)
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(err, &tooLarge):
			return nil, failTooLong
		case errors.Is(err, errHeld):
			return nil, failBusy
		}
		return nil, failBadRequest
	}
	return buf, nil
}

// All large bodies that are received and answered may hold maxHeld bytes together, six of the largest that the contract
// allows. The first freeHeld of each do not count, so that the small requests of which nearly all traffic consists are
// never refused.
const (
	maxHeld  = 24 << 20
	freeHeld = 64 << 10
)

var errHeld = errors.New("too many large requests at once")

// arriving counts what of a large body is held in memory.
type arriving struct {
	io.Reader
	held *atomic.Int64
	read int64
	took int64
}

func (a *arriving) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	a.read += int64(n)
	if more := a.read - freeHeld - a.took; more > 0 {
		a.took += more
		if a.held.Add(more) > maxHeld {
			return n, errHeld
		}
	}
	return n, err
}

func (a *arriving) release() { a.held.Add(-a.took) }

// headerSize is the request line and the headers as the client sent them.
func headerSize(r *http.Request) int {
	n := len(r.Method) + len(r.URL.Path) + len(r.URL.RawQuery) + len(r.Proto) + 4
	if r.URL.RawPath != "" {
		n += len(r.URL.RawPath) - len(r.URL.Path)
	}
	n += len("Host: \r\n") + len(r.Host)
	for k, values := range r.Header {
		for _, v := range values {
			n += len(k) + len(v) + 4
		}
	}
	return n
}

// maxPooled keeps rare large bodies from staying in memory for ever.
const maxPooled = 256 << 10

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func getBuffer() *bytes.Buffer { return buffers.Get().(*bytes.Buffer) }

func putBuffer(b *bytes.Buffer) {
	if b.Cap() > maxPooled {
		return
	}
	b.Reset()
	buffers.Put(b)
}
