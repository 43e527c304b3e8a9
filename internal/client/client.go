// Package client reaches the API: typed Connect clients over HTTPS, loopback HTTP or a Unix socket, with
// the token, the protocol version, idempotency keys, retries and cost accounting that every component needs.
//
// CLI, runner and entrypoint use it, so it stays small: no AWS SDK, no configuration files, no printing.
// It only ever calls outward.
package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/validate"
	"github.com/waypoint-serverless/waypoint/api/waypoint/v1/waypointv1connect"
)

// Options name the server and how to call it.
type Options struct {
	// Address is "https://host[/stage]", "http://127.0.0.1:9701" or "unix:///path/api.sock". Plain HTTP is
	// accepted for loopback addresses and emulators of AWS only, unless Insecure is set.
	Address string
	// Token is sent as a bearer token; empty: none.
	Token string
	// Component names the caller to the server: "cli", "runner", "entrypoint".
	Component string
	// Version of the caller.
	Version string
	// MaxRetry bounds how long one call is tried again while the server cannot be reached or a gateway refuses
	// it without a typed answer. 0: one try. WithMaxRetry changes it for a context.
	MaxRetry time.Duration
	// foreignWithin is the package's if zero.
	foreignWithin time.Duration
	// OnWait, if set, is called before each new try with the error and the time since the first try.
	OnWait func(err error, since time.Duration)
	// Insecure allows plain HTTP to other machines.
	Insecure bool
	// Pin, "sha256/BASE64", is the hash of the server's public key: over HTTPS exactly that key is accepted, whatever
	// certificate it has. Empty: the certificate counts.
	Pin    string
	Logger *slog.Logger
}

// Client holds a generated client for each service. It is safe for concurrent use. A new service is a field here and a line in
// New: to generate the two would take more code than they are, and a test finds a service without them.
type Client struct {
	Server     waypointv1connect.ServerServiceClient
	Token      waypointv1connect.TokenServiceClient
	Project    waypointv1connect.ProjectServiceClient
	Build      waypointv1connect.BuildServiceClient
	Artifact   waypointv1connect.ArtifactServiceClient
	Deployment waypointv1connect.DeploymentServiceClient
	Release    waypointv1connect.ReleaseServiceClient
	Job        waypointv1connect.JobServiceClient
	Tail       waypointv1connect.TailServiceClient
	Runner     waypointv1connect.RunnerServiceClient
	Agent      waypointv1connect.RunnerAgentServiceClient
	Config     waypointv1connect.ConfigServiceClient
	Entrypoint waypointv1connect.EntrypointServiceClient

	address string
	http    *http.Client
	meter   *meter
}

// attemptTimeout bounds one try: API Gateway gives up after 29 s.
const attemptTimeout = 35 * time.Second

// New makes a client. It opens no connection yet.
func New(o Options) (*Client, error) {
	base, transport, err := dial(o)
	if err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.foreignWithin == 0 {
		o.foreignWithin = foreignWithin
	}
	c := &Client{address: o.Address, http: &http.Client{Transport: noting{transport}}, meter: &meter{}}
	opts := []connect.ClientOption{
		connect.WithInterceptors(connect.UnaryInterceptorFunc(newInterceptor(o, c.meter))),
		connect.WithSendMaxBytes(validate.MaxMessage),
		connect.WithReadMaxBytes(2 * validate.MaxMessage),
	}
	c.Server = waypointv1connect.NewServerServiceClient(c.http, base, opts...)
	c.Token = waypointv1connect.NewTokenServiceClient(c.http, base, opts...)
	c.Project = waypointv1connect.NewProjectServiceClient(c.http, base, opts...)
	c.Build = waypointv1connect.NewBuildServiceClient(c.http, base, opts...)
	c.Artifact = waypointv1connect.NewArtifactServiceClient(c.http, base, opts...)
	c.Deployment = waypointv1connect.NewDeploymentServiceClient(c.http, base, opts...)
	c.Release = waypointv1connect.NewReleaseServiceClient(c.http, base, opts...)
	c.Job = waypointv1connect.NewJobServiceClient(c.http, base, opts...)
	c.Tail = waypointv1connect.NewTailServiceClient(c.http, base, opts...)
	c.Runner = waypointv1connect.NewRunnerServiceClient(c.http, base, opts...)
	c.Agent = waypointv1connect.NewRunnerAgentServiceClient(c.http, base, opts...)
	c.Config = waypointv1connect.NewConfigServiceClient(c.http, base, opts...)
	c.Entrypoint = waypointv1connect.NewEntrypointServiceClient(c.http, base, opts...)
	return c, nil
}

// Address is the address that the client was made with.
func (c *Client) Address() string { return c.address }

// HTTPClient reaches the same address, over the Unix socket too.
func (c *Client) HTTPClient() *http.Client { return c.http }

// Cost is what the calls so far used, as the server reported it.
func (c *Client) Cost() Cost { return c.meter.read() }

// CloseIdle closes connections that no call is using.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

// ErrAddress is wrapped by every error about an address that cannot be used.
var ErrAddress = errors.New("invalid server address")

// dial turns an address into a base URL and a transport that reaches it.
func dial(o Options) (string, *http.Transport, error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   128,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: attemptTimeout,
		// Answers are small and Connect compresses for itself.
		DisableCompression: true,
	}
	if path, ok := strings.CutPrefix(o.Address, "unix://"); ok {
		if path == "" {
			return "", nil, fmt.Errorf("%w %q: the path of the socket is missing", ErrAddress, o.Address)
		}
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		}
		return "http://waypoint", t, nil
	}
	u, err := url.Parse(o.Address)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return "", nil, fmt.Errorf("%w %q: use https://HOST, http://127.0.0.1:PORT or unix:///PATH", ErrAddress, o.Address)
	}
	if u.Scheme == "http" && !o.Insecure && !loopback(u.Hostname()) && !strings.HasPrefix(u.Path, EmulatorAPIs) {
		return "", nil, fmt.Errorf("%w %q: a token would cross the network in clear text; use https", ErrAddress, o.Address)
	}
	if o.Pin != "" {
		if u.Scheme != "https" {
			return "", nil, fmt.Errorf("%w %q: a pinned key needs https", ErrAddress, o.Address)
		}
		verify, err := pinned(o.Pin)
		if err != nil {
			return "", nil, err
		}
		t.TLSClientConfig = verify
		t.Proxy = nil // such a server is near
	}
	return strings.TrimSuffix(o.Address, "/"), t, nil
}

// EmulatorAPIs is the path prefix of all APIs in LocalStack, and in emulators that work like it. They speak plain HTTP under any name
// (`localstack` in a Compose network), and what they hold is for tests.
const EmulatorAPIs = "/_aws/execute-api/"

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
