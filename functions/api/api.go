// Package api answers every unary request of the contract: one service a file, by noun.
//
// What a method needs is declared in the contract and checked before its handler runs (functions/internal/auth); the handler
// checks names and limits (api/validate), then asks the table or the engine. It imports the server's insides and api, nothing
// else of ours.
package api

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	"github.com/waypoint-serverless/waypoint/api/waypoint/v1/waypointv1connect"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
)

// Services are the services of the function `api`. A new one is a field here and a line in Handler: which value answers for which
// service is a choice (Records answers for four, tails have a function of their own), so the contract cannot say it, and the
// compiler checks both lines. TestWhoMayCall sends a request to every method and finds a service without them.
type Services struct {
	Server      waypointv1connect.ServerServiceHandler
	Tokens      waypointv1connect.TokenServiceHandler
	Projects    waypointv1connect.ProjectServiceHandler
	Records     *Records
	Jobs        waypointv1connect.JobServiceHandler
	Runners     waypointv1connect.RunnerServiceHandler
	RunnerAgent waypointv1connect.RunnerAgentServiceHandler
	Configs     waypointv1connect.ConfigServiceHandler
	Entrypoints waypointv1connect.EntrypointServiceHandler
}

// Handler puts the services behind their paths. Requests without a service of ours are answered NOT_FOUND.
func Handler(s Services) http.Handler {
	mux := NewMux()
	opts := Options()
	mux.Add(waypointv1connect.NewServerServiceHandler(s.Server, opts...))
	mux.Add(waypointv1connect.NewTokenServiceHandler(s.Tokens, opts...))
	mux.Add(waypointv1connect.NewProjectServiceHandler(s.Projects, opts...))
	mux.Add(waypointv1connect.NewBuildServiceHandler(s.Records, opts...))
	mux.Add(waypointv1connect.NewArtifactServiceHandler(s.Records, opts...))
	mux.Add(waypointv1connect.NewDeploymentServiceHandler(s.Records, opts...))
	mux.Add(waypointv1connect.NewReleaseServiceHandler(s.Records, opts...))
	mux.Add(waypointv1connect.NewJobServiceHandler(s.Jobs, opts...))
	mux.Add(waypointv1connect.NewRunnerServiceHandler(s.Runners, opts...))
	mux.Add(waypointv1connect.NewRunnerAgentServiceHandler(s.RunnerAgent, opts...))
	mux.Add(waypointv1connect.NewConfigServiceHandler(s.Configs, opts...))
	mux.Add(waypointv1connect.NewEntrypointServiceHandler(s.Entrypoints, opts...))
	return mux
}

// compressLeast is the size below which compressing an answer costs more than it saves.
const compressLeast = 4 << 10

// Options are what all handlers share: limits, the check of the caller, and faults turned into what Connect sends. The tail
// function uses them too.
func Options() []connect.HandlerOption {
	return []connect.HandlerOption{
		connect.WithReadMaxBytes(validate.MaxMessage),
		connect.WithSendMaxBytes(validate.MaxMessage),
		connect.WithCompressMinBytes(compressLeast),
		connect.WithInterceptors(connect.UnaryInterceptorFunc(faults), connect.UnaryInterceptorFunc(auth.Authorize)),
	}
}

func faults(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		res, err := next(ctx, req)
		if err == nil {
			return res, nil
		}
		noteError(ctx, err)
		return nil, fault.Connect(err)
	}
}

// Failure is where a handler's error is kept for the log line: the wire does not carry causes.
type Failure struct{ Err error }

type failureKey struct{}

// WithFailure returns a context whose handlers leave their error in f.
func WithFailure(ctx context.Context, f *Failure) context.Context {
	return context.WithValue(ctx, failureKey{}, f)
}

func noteError(ctx context.Context, err error) {
	if f, ok := ctx.Value(failureKey{}).(*Failure); ok {
		f.Err = err
	}
}

// Mux finds the service of a request: the paths are /service/method, and nothing else is served.
type Mux struct {
	services map[string]http.Handler
	refuse   *connect.ErrorWriter
}

// NewMux makes an empty mux.
func NewMux() *Mux {
	return &Mux{services: map[string]http.Handler{}, refuse: connect.NewErrorWriter()}
}

// Add serves the paths below prefix, "/service/".
func (m *Mux) Add(prefix string, h http.Handler) { m.services[prefix] = h }

func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h, ok := m.services[servicePart(r.URL.Path)]; ok {
		h.ServeHTTP(w, r)
		return
	}
	err := fault.New(connect.CodeNotFound, fault.NotFound, "there is nothing at %.200q", r.URL.Path).
		WithHint("API paths are /waypoint.v1.SERVICE/METHOD.")
	_ = m.refuse.Write(w, r, fault.Connect(err)) // the caller is gone if this fails
}

// servicePart is "/service/" of "/service/method".
func servicePart(path string) string {
	if path == "" || path[0] != '/' {
		return ""
	}
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			return path[:i+1]
		}
	}
	return ""
}
