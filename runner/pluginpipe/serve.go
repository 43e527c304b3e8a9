package pluginpipe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"connectrpc.com/connect"

	pluginv1 "github.com/waypoint-serverless/waypoint/api/waypoint/plugin/v1"
	"github.com/waypoint-serverless/waypoint/api/waypoint/plugin/v1/pluginv1connect"
	"github.com/waypoint-serverless/waypoint/internal/version"
	"github.com/waypoint-serverless/waypoint/runner/guard"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// endBound is how long the calls that run may take to end after the runner is gone: a command has 5 s between the polite
// signal and the kill, and what it printed is drained for 2 s more.
const endBound = 10 * time.Second

// defaultReleaser is the kind of the releaser that a platform brings.
const defaultReleaser = "default-releaser"

// Main serves the plugins of the catalog on the process's standard input and output until the input ends. What anybody
// else in the process writes to standard output goes to standard error, so that it cannot corrupt the pipe.
func Main(plugins *catalog.Catalog) int {
	in, out := os.Stdin, os.Stdout
	os.Stdout = os.Stderr
	signal.Ignore(ignored()...) // a Ctrl-C or a stopping service is the runner's to answer, which then closes the pipe
	null, err := os.Open(os.DevNull)
	if err != nil {
		fmt.Fprintln(os.Stderr, "waypoint-plugins:", err)
		return 1
	}
	os.Stdin = null
	if err := Serve(context.Background(), plugins, in, out); err != nil {
		fmt.Fprintln(os.Stderr, "waypoint-plugins:", err)
		return 1
	}
	return 0
}

// Serve serves until in ends or ctx does. It returns when every call has returned, or after 10 s.
func Serve(ctx context.Context, plugins *catalog.Catalog, in io.ReadCloser, out io.WriteCloser) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := newConn(&ending{ReadCloser: in, ended: cancel}, out)
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	s := &server{plugins: plugins, version: version.Version()}
	mux := http.NewServeMux()
	mux.Handle(pluginv1connect.NewPluginServiceHandler(s))
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	h := &http.Server{
		Handler: mux, Protocols: &protocols, ErrorLog: log.New(os.Stderr, "", 0), ReadHeaderTimeout: time.Minute,
	}
	if err := h.Serve(&single{conn: c}); err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("serving plugins: %w", err)
	}
	ended := make(chan struct{})
	go func() { s.calls.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(endBound):
	}
	return nil
}

// ending tells when the input has ended.
type ending struct {
	io.ReadCloser
	ended func()
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if err != nil {
		e.ended()
	}
	return n, err
}

type server struct {
	plugins *catalog.Catalog
	version string
	calls   sync.WaitGroup
}

// Describe lists every component that can run.
func (s *server) Describe(context.Context, *connect.Request[pluginv1.DescribeRequest]) (*connect.Response[pluginv1.DescribeResponse], error) {
	res := &pluginv1.DescribeResponse{Version: s.version}
	for _, d := range s.plugins.Definitions() {
		for _, kind := range schema.Kinds() {
			c, err := s.plugins.Component(kind, d.Name)
			if err != nil {
				continue
			}
			res.Components = append(res.Components, &pluginv1.Component{Plugin: d.Name, Kind: string(kind), Optional: optionalOf(c)})
			if brings, ok := plugin.As[plugin.DefaultReleaser](c); ok {
				brought := brings.DefaultReleaser()
				res.Components = append(res.Components, &pluginv1.Component{Plugin: d.Name, Kind: defaultReleaser, Optional: optionalOf(brought)})
			}
		}
	}
	return connect.NewResponse(res), nil
}

type callStream = connect.BidiStream[pluginv1.CallRequest, pluginv1.CallResponse]

// Call runs one method.
func (s *server) Call(ctx context.Context, stream *callStream) error {
	s.calls.Add(1)
	defer s.calls.Done()
	first, err := stream.Receive()
	if err != nil {
		return err
	}
	start := first.GetStart()
	component, err := s.component(start)
	if err != nil {
		return stream.Send(&pluginv1.CallResponse{Message: &pluginv1.CallResponse_Failure{Failure: toFailure(err)}})
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if ms := start.GetTimeoutMs(); ms > 0 {
		limited, stop := context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
		defer stop()
		ctx = limited
	}
	host := newServed(stream, start)
	go host.receive(cancel) // ends with the stream
	call := host.call()
	if err := json.Unmarshal(start.GetEnvJson(), &call.Env); err != nil {
		return fmt.Errorf("reading the surroundings of a call: %w", err)
	}
	call.Secrets.Add(call.Sensitive...)
	call.Secrets.OnAdd(host.sendSecrets)
	if mark := start.GetMark(); mark != "" {
		outer := guard.New(guard.Options{Outer: mark})
		outer.Close() // it passes the mark on, and guards nothing itself: the runner's guard does
		ctx = guard.NewContext(ctx, outer)
	}
	result, err := invoke(ctx, component, call, start, host)
	if err != nil {
		return host.send(&pluginv1.CallResponse{Message: &pluginv1.CallResponse_Failure{Failure: toFailure(err)}})
	}
	data, err := json.Marshal(result)
	if err != nil {
		err = fmt.Errorf("encoding what the plugin %q returned: %w", start.GetPlugin(), err)
		return host.send(&pluginv1.CallResponse{Message: &pluginv1.CallResponse_Failure{Failure: toFailure(err)}})
	}
	return host.send(&pluginv1.CallResponse{Message: &pluginv1.CallResponse_Result{Result: &pluginv1.Result{Json: data}}})
}

// component makes the component and decodes its configuration.
func (s *server) component(start *pluginv1.Start) (plugin.Component, error) {
	kind := schema.Kind(start.GetKind())
	if kind == defaultReleaser {
		kind = schema.Platform
	}
	c, err := s.plugins.Component(kind, start.GetPlugin())
	if err != nil {
		return nil, err
	}
	if config := c.Config(); config != nil && len(start.GetConfigJson()) > 0 {
		if err := json.Unmarshal(start.GetConfigJson(), config); err != nil {
			return nil, fmt.Errorf("decoding the configuration of the plugin %q: %w", start.GetPlugin(), err)
		}
	}
	if start.GetKind() != defaultReleaser {
		return c, nil
	}
	brings, ok := plugin.As[plugin.DefaultReleaser](c)
	if !ok {
		return nil, fmt.Errorf("the plugin %q brings no releaser", start.GetPlugin())
	}
	return brings.DefaultReleaser(), nil
}

// invoke calls the method; a component that panics fails its call, not the process.
func invoke(ctx context.Context, c plugin.Component, call *plugin.Call, start *pluginv1.Start, host *served) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			call.Logger.ErrorContext(ctx, "a plugin panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = &plugin.Error{Message: fmt.Sprintf("the plugin panicked: %v", p), Hint: "This is a bug in the plugin; the runner's log has the details."}
		}
	}()
	f, ok := methods()[start.GetMethod()]
	if !ok {
		return nil, fmt.Errorf("the plugin process does not know the method %q", start.GetMethod())
	}
	return f(invocation{ctx: ctx, component: c, call: call, plugin: start.GetPlugin(), argument: start.GetArgumentJson(), host: host})
}

// optionalOf lists the optional interfaces that a component has.
func optionalOf(c plugin.Component) []string {
	has := map[string]bool{}
	note := func(name string, ok bool) { has[name] = ok }
	note(has1[plugin.RerunnableDeployer](c, "RerunnableDeployer"))
	note(has1[plugin.RerunnableReleaser](c, "RerunnableReleaser"))
	note(has1[plugin.Generation](c, "Generation"))
	note(has1[plugin.UnchangedDeployer](c, "UnchangedDeployer"))
	note(has1[plugin.DefaultReleaser](c, "DefaultReleaser"))
	note(has1[plugin.DeploymentDestroyer](c, "DeploymentDestroyer"))
	note(has1[plugin.ReleaseDestroyer](c, "ReleaseDestroyer"))
	note(has1[plugin.WorkspaceDestroyer](c, "WorkspaceDestroyer"))
	note(has1[plugin.DeploymentStatusReporter](c, "DeploymentStatusReporter"))
	note(has1[plugin.ReleaseStatusReporter](c, "ReleaseStatusReporter"))
	note(has1[plugin.LogStreamer](c, "LogStreamer"))
	note(has1[plugin.Execer](c, "Execer"))
	note(has1[plugin.Authenticator](c, "Authenticator"))
	var names []string
	for name, ok := range has {
		if ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func has1[T any](c plugin.Component, name string) (string, bool) {
	_, ok := plugin.As[T](c)
	return name, ok
}
