package shell

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/contexts"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/version"
	"github.com/waypoint-serverless/waypoint/localstack/server"
)

const (
	// retryRead bounds how long a command that only looks waits for a server that is away.
	retryRead = 5 * time.Second
	// RetryOperation is the limit during an operation, which continues without us.
	RetryOperation = 10 * time.Minute
	// sayAfter is how long nothing may happen without a word.
	sayAfter = 2 * time.Second
)

// Server is the server that a command talks to, and the source of its address.
type Server struct {
	contexts.Context
	// From is "WAYPOINT_SERVER_ADDR" or `context "x"`.
	From string
	// Name of the context; empty without one.
	Name string
}

// Servers finds the server that a command talks to, and connects to it.
type Servers struct {
	*Prompter
	// install makes a local server, where somebody wants one at once.
	install func(ctx context.Context) error

	server *Server
	client *client.Client
	onWait atomic.Pointer[func(string)]
}

// Server is the server that was chosen or connected to; nil: none yet.
func (v *Servers) Server() *Server { return v.server }

// ForgetServer makes the next command choose a server again, because contexts have changed.
func (v *Servers) ForgetServer() { v.server, v.client = nil, nil }

// OnWaiting sets the callback for messages while the server does not answer.
func (v *Servers) OnWaiting(say func(string)) { v.onWait.Store(&say) }

// Cost is what the calls have cost so far; ok is false if no server was called.
func (v *Servers) Cost() (c client.Cost, ok bool) {
	if v.client == nil {
		return c, false
	}
	return v.client.Cost(), true
}

// ContextStore is where the contexts are.
func (v *Servers) ContextStore() (contexts.Store, error) {
	dir, err := v.env.configDir()
	return contexts.Store{Dir: filepath.Join(dir, "context")}, err
}

// ErrNoServer says that nothing names a server.
var ErrNoServer = errors.New("no server is configured")

// ChosenServer is resolveServer, asked once.
func (v *Servers) ChosenServer() (*Server, error) {
	if v.server == nil {
		s, err := v.resolveServer()
		if err != nil {
			return nil, err
		}
		v.server = s
	}
	return v.server, nil
}

// resolveServer finds the server: WAYPOINT_SERVER_ADDR and _TOKEN, then the context (WAYPOINT_CONTEXT, else the
// default one; "-" means none).
func (v *Servers) resolveServer() (*Server, error) {
	if addr := v.env.Get("WAYPOINT_SERVER_ADDR"); addr != "" {
		if !strings.Contains(addr, "://") {
			return nil, problem.New("SERVER_ADDRESS", "WAYPOINT_SERVER_ADDR is %q: this is HashiCorp Waypoint's form of an address", addr).
				WithHint("Use https://HOST, http://127.0.0.1:PORT or unix:///PATH. A server of HashiCorp Waypoint speaks gRPC and cannot be used with this CLI.")
		}
		return &Server{
			Context: contexts.Context{Address: addr, Token: v.env.Get("WAYPOINT_SERVER_TOKEN")},
			From:    "WAYPOINT_SERVER_ADDR",
		}, nil
	}
	store, err := v.ContextStore()
	if err != nil {
		return nil, err
	}
	name, err := v.CurrentContext(store)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, v.NoServer(store)
	}
	c, err := store.Load(name)
	if errors.Is(err, contexts.ErrNotFound) {
		if l, legacyErr := store.LoadLegacy(name); legacyErr == nil {
			return nil, LegacyProblem(l)
		}
		return nil, problem.New("CONTEXT_NOT_FOUND", "there is no context %q", name).
			WithHint("`waypoint context list` shows the contexts, `waypoint context use NAME` selects one.")
	}
	if err != nil {
		return nil, err
	}
	if store.LoosePermissions(name) {
		v.Warnf("the context %q contains a token and is readable by other users: run chmod 600 on its file in %s.", name, store.Dir)
	}
	if token := v.env.Get("WAYPOINT_SERVER_TOKEN"); token != "" {
		c.Token = token
	}
	return &Server{Context: c, From: fmt.Sprintf("context %q", name), Name: name}, nil
}

// CurrentContext names the context in use; empty: none.
func (v *Servers) CurrentContext(store contexts.Store) (string, error) {
	switch name := v.env.Get("WAYPOINT_CONTEXT"); name {
	case "":
		return store.Default()
	case "-":
		return "", nil
	default:
		return name, nil
	}
}

// NoServer returns the error for a CLI without a server: only contexts of HashiCorp Waypoint exist, or none is
// selected.
func (v *Servers) NoServer(store contexts.Store) error {
	own, err := store.List()
	if err != nil {
		return err
	}
	if len(own) > 0 {
		return problem.New("NO_CONTEXT", "no context is selected").
			WithHint("Pick one with `waypoint context use NAME`: %s.", strings.Join(own, ", "))
	}
	old, err := store.Legacy()
	if err != nil {
		return err
	}
	for _, name := range append(old, "_default") {
		if l, err := store.LoadLegacy(name); err == nil {
			return LegacyProblem(l)
		}
	}
	return ErrNoServer
}

// LegacyProblem returns the error for a context of HashiCorp Waypoint.
func LegacyProblem(l contexts.LegacyContext) error {
	at := ""
	if l.Address != "" {
		at = " for the server at " + l.Address
	}
	return problem.New("LEGACY_CONTEXT", "%s is a context of HashiCorp Waypoint%s: that server speaks gRPC, and this CLI cannot use it", l.Path, at).
		WithHint("The file is not changed. Install a server of this kind with `waypoint install --platform=local`,\n" +
			"or connect to one with `waypoint login ADDRESS`. Then run `waypoint init` in each project.")
}

// connect gives the client of the chosen server. Without any server it offers to install one; a local server that
// is not running is started.
func (v *Servers) connect(ctx context.Context) (*client.Client, error) {
	if v.client != nil {
		return v.client, nil
	}
	s, err := v.ChosenServer()
	if errors.Is(err, ErrNoServer) {
		s, err = v.offerInstall(ctx)
	}
	if err != nil {
		return nil, err
	}
	if s.Platform == "local" && s.Dir != "" {
		if err := v.StartLocal(ctx, s); err != nil {
			return nil, err
		}
	}
	return v.dial(s)
}

func (v *Servers) dial(s *Server) (*client.Client, error) {
	c, err := client.New(client.Options{
		Address: s.Address, Token: s.Token, Component: "cli", Version: version.Version(),
		MaxRetry: retryRead, OnWait: v.waiting, Logger: v.Logger(slog.LevelError),
	})
	if err != nil {
		return nil, problem.New("SERVER_ADDRESS", "%s", err.Error()).WithHint("The address comes from %s.", s.From)
	}
	v.server, v.client = s, c
	return c, nil
}

// waiting is told of each new try of a call; after two seconds it says so.
func (v *Servers) waiting(_ error, since time.Duration) {
	if since < sayAfter {
		return
	}
	if f := v.onWait.Load(); f != nil {
		text := "The server does not answer; retrying"
		if t := v.LocalTrouble(); t != nil {
			text = problem.Sentence(t.Message) + ". " + t.Hint
		}
		(*f)(text)
	}
}

// LocalTrouble finds what is wrong with the local server; nil if none is in use, or nothing can be found.
func (v *Servers) LocalTrouble() *server.Trouble {
	if v.server == nil || v.server.Platform != "local" || v.server.Dir == "" {
		return nil
	}
	return server.Diagnose(context.Background(), v.server.Dir) // bounded by itself: also after an interrupt it may say why
}

// sayOnce shows the first remark as a line.
func (v *Servers) sayOnce() func(string) {
	said := false
	return func(text string) {
		if !said {
			said = true
			v.Progressf("%s...\n", text)
		}
	}
}

// ReadClient connects for commands that only read, which print a message while they wait for the server.
func (v *Servers) ReadClient(ctx context.Context) (*client.Client, error) {
	say := v.sayOnce()
	v.onWait.Store(&say)
	return v.connect(ctx)
}

// offerInstall asks, where somebody can answer, whether to install a local server.
func (v *Servers) offerInstall(ctx context.Context) (*Server, error) {
	none := problem.New("NO_SERVER", "no Waypoint server is configured").
		WithHint("Run `waypoint install --platform=local` for one on this machine, or `waypoint login ADDRESS` to use another.")
	if !v.CanAsk() {
		return nil, none
	}
	yes, err := v.confirm("No Waypoint server is configured. Install one on this machine now?", true)
	if err != nil {
		return nil, err
	}
	if !yes {
		return nil, none
	}
	if err := v.install(ctx); err != nil {
		return nil, err
	}
	return v.ChosenServer()
}

// StartLocal starts the local server, and its runner, if they do not run.
func (v *Servers) StartLocal(ctx context.Context, s *Server) error {
	started, err := server.EnsureRunning(ctx, s.Dir)
	if err != nil {
		return err
	}
	if started {
		v.Progressf("The local server was not running; it has been started.\n")
	}
	return nil
}

// Verify asks the server who it is and whom it takes us for.
func Verify(ctx context.Context, c *client.Client) (*waypointv1.GetServerInfoResponse, error) {
	res, err := c.Server.GetServerInfo(ctx, connect.NewRequest(&waypointv1.GetServerInfoRequest{}))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

// Workspace is the flag, WAYPOINT_WORKSPACE, the context's, or "default".
func (v *Servers) Workspace() string {
	switch {
	case v.flags.Workspace != "":
		return v.flags.Workspace
	case v.env.Get("WAYPOINT_WORKSPACE") != "":
		return v.env.Get("WAYPOINT_WORKSPACE")
	}
	if s, err := v.ChosenServer(); err == nil && s.Workspace != "" {
		return s.Workspace
	}
	return "default"
}

// CheckServer asks a server whether it accepts the token.
func (v *Servers) CheckServer(ctx context.Context, c contexts.Context) (*waypointv1.GetServerInfoResponse, error) {
	conn, err := v.Probe(c)
	if err != nil {
		return nil, err
	}
	defer conn.CloseIdle()
	info, err := Verify(ctx, conn)
	if err != nil {
		return nil, err
	}
	if info.GetPrincipal() == nil {
		return nil, problem.New("TOKEN_INVALID", "the server at %s does not accept the token", c.Address).
			WithHint("It may be mistyped, expired or revoked; `waypoint token create` makes a new one.")
	}
	return info, nil
}

// Probe returns a client for a server that may differ from the chosen one.
func (v *Servers) Probe(c contexts.Context) (*client.Client, error) {
	say := v.sayOnce()
	v.onWait.Store(&say)
	v.server = &Server{Context: c, From: "the command line"}
	conn, err := client.New(client.Options{
		Address: c.Address, Token: c.Token, Component: "cli", Version: version.Version(),
		MaxRetry: retryRead, OnWait: v.waiting, Logger: v.Logger(slog.LevelError),
	})
	if err != nil {
		return nil, problem.New("SERVER_ADDRESS", "%s", err.Error())
	}
	return conn, nil
}

// completeTimeout bounds what a press of the Tab key may cost.
const completeTimeout = 2 * time.Second

// CompletionClient returns a client for completions, which starts no server, asks no question and gives up soon; nil
// without a server.
func (v *Servers) CompletionClient(ctx context.Context) (*client.Client, context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(client.WithMaxRetry(ctx, 0), completeTimeout)
	s, err := v.ChosenServer()
	if err != nil {
		return nil, ctx, cancel
	}
	c, err := v.dial(s)
	if err != nil {
		return nil, ctx, cancel
	}
	return c, ctx, cancel
}
