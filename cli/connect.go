package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/contexts"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/version"
	"github.com/waypoint-serverless/waypoint/localstack"
)

const (
	// retryLook bounds how long a command that only looks waits for a server that is away.
	retryLook = 5 * time.Second
	// retryOperation bounds it in mid-operation, where the work goes on without us.
	retryOperation = 10 * time.Minute
	// sayAfter is how long nothing may happen without a word.
	sayAfter = 2 * time.Second
)

// server is which server a command talks to, and who said so.
type server struct {
	contexts.Context
	// From is "WAYPOINT_SERVER_ADDR" or `context "x"`.
	From string
	// Name of the context; empty without one.
	Name string
}

// contextStore is where the contexts are.
func (sh *shell) contextStore() (contexts.Store, error) {
	dir, err := sh.env.configDir()
	return contexts.Store{Dir: filepath.Join(dir, "context")}, err
}

// errNoServer says that nothing names a server.
var errNoServer = errors.New("no server is configured")

// chosenServer is resolveServer, asked once.
func (sh *shell) chosenServer() (*server, error) {
	if sh.server == nil {
		s, err := sh.resolveServer()
		if err != nil {
			return nil, err
		}
		sh.server = s
	}
	return sh.server, nil
}

// resolveServer finds the server: WAYPOINT_SERVER_ADDR and _TOKEN, then the context (WAYPOINT_CONTEXT, else the
// default one; "-" means none).
func (sh *shell) resolveServer() (*server, error) {
	if addr := sh.env.get("WAYPOINT_SERVER_ADDR"); addr != "" {
		if !strings.Contains(addr, "://") {
			return nil, problem("SERVER_ADDRESS", "WAYPOINT_SERVER_ADDR is %q: this is the form that HashiCorp Waypoint used", addr).
				withHint("Use https://HOST, http://127.0.0.1:PORT or unix:///PATH. A server of HashiCorp Waypoint speaks gRPC and cannot be used with this CLI.")
		}
		return &server{
			Context: contexts.Context{Address: addr, Token: sh.env.get("WAYPOINT_SERVER_TOKEN")},
			From:    "WAYPOINT_SERVER_ADDR",
		}, nil
	}
	store, err := sh.contextStore()
	if err != nil {
		return nil, err
	}
	name, err := sh.currentContext(store)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, sh.noServer(store)
	}
	c, err := store.Load(name)
	if errors.Is(err, contexts.ErrNotFound) {
		if l, legacyErr := store.LoadLegacy(name); legacyErr == nil {
			return nil, legacyProblem(l)
		}
		return nil, problem("CONTEXT_NOT_FOUND", "there is no context %q", name).
			withHint("`waypoint context list` shows the contexts, `waypoint context use NAME` picks one.")
	}
	if err != nil {
		return nil, err
	}
	if store.LoosePermissions(name) {
		sh.warnf("the context %q holds a token and can be read by others: run chmod 600 on its file in %s.", name, store.Dir)
	}
	if token := sh.env.get("WAYPOINT_SERVER_TOKEN"); token != "" {
		c.Token = token
	}
	return &server{Context: c, From: fmt.Sprintf("context %q", name), Name: name}, nil
}

// currentContext names the context in use; empty: none.
func (sh *shell) currentContext(store contexts.Store) (string, error) {
	switch name := sh.env.get("WAYPOINT_CONTEXT"); name {
	case "":
		return store.Default()
	case "-":
		return "", nil
	default:
		return name, nil
	}
}

// noServer words that no server is configured: because only contexts of HashiCorp Waypoint are there, or none is chosen.
func (sh *shell) noServer(store contexts.Store) error {
	own, err := store.List()
	if err != nil {
		return err
	}
	if len(own) > 0 {
		return problem("NO_CONTEXT", "no context is selected").
			withHint("Pick one with `waypoint context use NAME`: %s.", strings.Join(own, ", "))
	}
	old, err := store.Legacy()
	if err != nil {
		return err
	}
	for _, name := range append(old, "_default") {
		if l, err := store.LoadLegacy(name); err == nil {
			return legacyProblem(l)
		}
	}
	return errNoServer
}

func legacyProblem(l contexts.LegacyContext) error {
	at := ""
	if l.Address != "" {
		at = " for the server at " + l.Address
	}
	return problem("LEGACY_CONTEXT", "%s is a context of HashiCorp Waypoint%s: that server speaks gRPC, and this CLI cannot use it", l.Path, at).
		withHint("The file is left as it is. Make a server of this kind with `waypoint install --platform=local`,\n" +
			"or connect to one with `waypoint login ADDRESS`. Then run `waypoint init` in each project.")
}

// connect gives the client of the chosen server. Without any server it offers to install one; a local server that
// is not running is started.
func (sh *shell) connect(ctx context.Context) (*client.Client, error) {
	if sh.client != nil {
		return sh.client, nil
	}
	s, err := sh.chosenServer()
	if errors.Is(err, errNoServer) {
		s, err = sh.offerInstall(ctx)
	}
	if err != nil {
		return nil, err
	}
	if s.Platform == "local" && s.Dir != "" {
		if err := sh.wakeLocal(ctx, s); err != nil {
			return nil, err
		}
	}
	return sh.dial(s)
}

func (sh *shell) dial(s *server) (*client.Client, error) {
	c, err := client.New(client.Options{
		Address: s.Address, Token: s.Token, Component: "cli", Version: version.Version(),
		MaxRetry: retryLook, OnWait: sh.waiting, Logger: sh.logger(slog.LevelError),
	})
	if err != nil {
		return nil, problem("SERVER_ADDRESS", "%s", err.Error()).withHint("The address comes from %s.", s.From)
	}
	sh.server, sh.client = s, c
	return c, nil
}

// waiting is told of each new try of a call; after two seconds it says so.
func (sh *shell) waiting(_ error, since time.Duration) {
	if since < sayAfter {
		return
	}
	if f := sh.onWait.Load(); f != nil {
		text := "The server does not answer; trying again"
		if t := sh.localTrouble(); t != nil {
			text = sentence(t.Message) + ". " + t.Hint
		}
		(*f)(text)
	}
}

// localTrouble finds out what is wrong with the local server, if one is in use and something can be seen.
func (sh *shell) localTrouble() *localstack.Trouble {
	if sh.server == nil || sh.server.Platform != "local" || sh.server.Dir == "" {
		return nil
	}
	return localstack.Look(context.Background(), sh.server.Dir) // bounded by itself: also after an interrupt it may say why
}

// sayOnce shows the first remark as a line.
func (sh *shell) sayOnce() func(string) {
	said := false
	return func(text string) {
		if !said {
			said = true
			sh.sayf("%s...\n", text)
		}
	}
}

// look is connect for commands that only look: they say when they wait.
func (sh *shell) look(ctx context.Context) (*client.Client, error) {
	say := sh.sayOnce()
	sh.onWait.Store(&say)
	return sh.connect(ctx)
}

// offerInstall asks, where somebody can answer, whether to install a local server.
func (sh *shell) offerInstall(ctx context.Context) (*server, error) {
	none := problem("NO_SERVER", "no Waypoint server is configured").
		withHint("Run `waypoint install --platform=local` for one on this machine, or `waypoint login ADDRESS` to use another.")
	if !sh.canAsk() {
		return nil, none
	}
	yes, err := sh.confirm("No Waypoint server is configured. Install one on this machine now?", true)
	if err != nil {
		return nil, err
	}
	if !yes {
		return nil, none
	}
	if err := runInstall(ctx, sh, &installOptions{platform: "local"}); err != nil {
		return nil, err
	}
	return sh.chosenServer()
}

// wakeLocal starts the local server, and its runner, if they do not run.
func (sh *shell) wakeLocal(ctx context.Context, s *server) error {
	started, err := localstack.EnsureRunning(ctx, s.Dir)
	if err != nil {
		return err
	}
	if started {
		sh.sayf("The local server was not running; it has been started.\n")
	}
	return nil
}

// verify asks the server who it is and whom it takes us for.
func verify(ctx context.Context, c *client.Client) (*waypointv1.GetServerInfoResponse, error) {
	res, err := c.Server.GetServerInfo(ctx, connect.NewRequest(&waypointv1.GetServerInfoRequest{}))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

// workspace is the flag, WAYPOINT_WORKSPACE, the context's, or "default".
func (sh *shell) workspace() string {
	switch {
	case sh.flags.workspace != "":
		return sh.flags.workspace
	case sh.env.get("WAYPOINT_WORKSPACE") != "":
		return sh.env.get("WAYPOINT_WORKSPACE")
	}
	if s, err := sh.chosenServer(); err == nil && s.Workspace != "" {
		return s.Workspace
	}
	return "default"
}
