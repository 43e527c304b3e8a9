package localstack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/localstack/filelock"
)

const (
	startTimeout = 15 * time.Second
	stopTimeout  = 20 * time.Second
	// killAfter is how long a runner may take to give its jobs back.
	killAfter = 10 * time.Second
)

// InstallOptions configure Install.
type InstallOptions struct {
	// Dir is the data directory; empty: DefaultDir.
	Dir string
	// Listen is the loopback address for browsers, containers and curl; empty: as before, else DefaultListen.
	Listen string
	// Executable is the waypoint binary that is started as server and runner.
	Executable string
	// Progress, if set, is told each thing that is done, a sentence without a full stop.
	Progress func(string)
}

// Installed is a running local server.
type Installed struct {
	// Address of the API on this machine (a Unix socket), and the TCP address, if there is one.
	Address, TCP string
	// Token may do everything.
	Token string
	// ServerLog and RunnerLog are the log files.
	ServerLog, RunnerLog string
}

// settings are what `install` chose; a server that is started again uses them.
type settings struct {
	Listen string `json:"listen"`
	// Executable is started again by EnsureRunning.
	Executable string `json:"executable"`
}

func loadSettings(d dir) settings {
	s := settings{Listen: DefaultListen}
	if data, err := os.ReadFile(d.settings()); err == nil {
		_ = json.Unmarshal(data, &s) // a damaged file means the defaults
	}
	return s
}

// Install starts the server and a runner in the background, each a process of its own, unless they run
// already. It can be repeated at any time.
func Install(ctx context.Context, o InstallOptions) (*Installed, error) {
	if o.Dir == "" {
		var err error
		if o.Dir, err = DefaultDir(); err != nil {
			return nil, err
		}
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	d := dir(o.Dir)
	if err := d.make(); err != nil {
		return nil, err
	}
	s := loadSettings(d)
	if o.Listen != "" {
		s.Listen = o.Listen
	}
	if o.Executable != "" {
		s.Executable = o.Executable
	}
	data, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	if err := writeFile(d.settings(), data); err != nil {
		return nil, err
	}
	if err := start(ctx, d, s, o.Progress); err != nil {
		return nil, err
	}
	token, err := readToken(d.adminToken())
	if err != nil {
		return nil, err
	}
	in := &Installed{Address: Address(o.Dir), Token: token, ServerLog: d.serverLog(), RunnerLog: d.runnerLog()}
	if s.Listen != "none" {
		in.TCP = "http://" + s.Listen
	}
	return in, nil
}

// EnsureRunning starts what `install` installed and is not running now (after a reboot, say). started says
// whether the server had to be started.
func EnsureRunning(ctx context.Context, dataDir string) (started bool, err error) {
	d := dir(dataDir)
	if _, err := os.Stat(d.settings()); err != nil {
		return false, fmt.Errorf("there is no local server in %s: run `waypoint install --platform=local`", dataDir)
	}
	server, err := filelock.Held(d.serverLock())
	if err != nil {
		return false, err
	}
	runner, err := filelock.Held(d.runnerLock())
	if err != nil || server && runner {
		return false, err
	}
	return !server, start(ctx, d, loadSettings(d), func(string) {})
}

func start(ctx context.Context, d dir, s settings, progress func(string)) error {
	if s.Executable == "" {
		return errors.New("the path of the waypoint binary is unknown: run `waypoint install --platform=local` again")
	}
	running, err := filelock.Held(d.serverLock())
	if err != nil {
		return err
	}
	if running {
		progress("The server is running")
	} else if err := startServer(ctx, d, s); err != nil {
		return err
	} else {
		progress("Started the server in the background")
	}
	if running, err = filelock.Held(d.runnerLock()); err != nil {
		return err
	}
	if running {
		progress("The runner is running")
		return nil
	}
	if err := startRunner(ctx, d, s); err != nil {
		return err
	}
	progress("Started a runner in the background")
	return nil
}

func startServer(ctx context.Context, d dir, s settings) error {
	exited, err := spawn(ctx, s.Executable, []string{"server", "run"}, []string{EnvDir + "=" + string(d)}, d.serverLog())
	if err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	return waitFor(ctx, startTimeout, exited, d.serverLog(), "the server", func() bool {
		if _, err := os.Stat(d.adminToken()); err != nil {
			return false
		}
		c, err := client.New(client.Options{Address: Address(string(d)), Component: "cli"})
		if err != nil {
			return false
		}
		defer c.CloseIdle()
		_, err = c.Server.GetServerInfo(ctx, connect.NewRequest(&waypointv1.GetServerInfoRequest{}))
		return err == nil
	})
}

func startRunner(ctx context.Context, d dir, s settings) error {
	token, err := ensureRunnerToken(ctx, d)
	if err != nil {
		return err
	}
	env := []string{
		EnvDir + "=" + string(d), EnvRunner + "=1",
		"WAYPOINT_SERVER_ADDR=" + Address(string(d)), "WAYPOINT_SERVER_TOKEN=" + token,
	}
	exited, err := spawn(ctx, s.Executable, []string{"runner", "agent", "--name", "local"}, env, d.runnerLog())
	if err != nil {
		return fmt.Errorf("starting the runner: %w", err)
	}
	return waitFor(ctx, startTimeout, exited, d.runnerLog(), "the runner", func() bool {
		held, err := filelock.Held(d.runnerLock())
		return err == nil && held
	})
}

// HoldRunner takes the runner lock of the data directory, for the runner that `install` started; a second one
// is refused. The caller releases when it ends.
func HoldRunner(dataDir string) (release func(), err error) {
	d := dir(dataDir)
	lock, err := filelock.Acquire(d.runnerLock())
	if errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("the local runner is already running (%s)", dataDir)
	}
	if err != nil {
		return nil, err
	}
	if err := writeFile(d.runnerPID(), []byte(strconv.Itoa(os.Getpid())+"\n")); err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return func() {
		_ = os.Remove(d.runnerPID())
		_ = lock.Release()
	}, nil
}

// QueueClient reaches the queues of a server at address: over the queue socket beside the API's Unix socket;
// nil, the SDK's own client, for any other server.
func QueueClient(address string) *http.Client {
	path, ok := strings.CutPrefix(address, "unix://")
	if !ok {
		return nil
	}
	return socketClient(filepath.Join(filepath.Dir(path), filepath.Base(dir("").sqsSocket())))
}

// socketClient reaches whoever listens on a Unix socket.
func socketClient(socket string) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
	}}
}

func ensureRunnerToken(ctx context.Context, d dir) (string, error) {
	if token, err := readToken(d.runnerToken()); err == nil {
		// A token that the server does not know is left over from data that is gone.
		if stale, err := unknownToken(ctx, d, token); err != nil || !stale {
			return token, err
		}
	}
	admin, err := readToken(d.adminToken())
	if err != nil {
		return "", err
	}
	c, err := client.New(client.Options{Address: Address(string(d)), Token: admin, Component: "cli", MaxRetry: startTimeout})
	if err != nil {
		return "", err
	}
	defer c.CloseIdle()
	made, err := c.Token.CreateToken(ctx, connect.NewRequest(&waypointv1.CreateTokenRequest{
		Kind: waypointv1.TokenKind_TOKEN_KIND_RUNNER, Name: "local runner",
	}))
	if err != nil {
		return "", fmt.Errorf("making the runner's token: %w", err)
	}
	return made.Msg.GetSecret(), writeFile(d.runnerToken(), []byte(made.Msg.GetSecret()+"\n"))
}

// unknownToken reports whether the server has no trace of a token.
func unknownToken(ctx context.Context, d dir, token string) (bool, error) {
	c, err := client.New(client.Options{Address: Address(string(d)), Token: token, Component: "cli", MaxRetry: startTimeout})
	if err != nil {
		return false, err
	}
	defer c.CloseIdle()
	_, err = c.Project.ListProjects(ctx, connect.NewRequest(&waypointv1.ListProjectsRequest{Page: &waypointv1.Page{Size: 1}}))
	return fault.Is(err, fault.TokenInvalid), nil // whatever else it is, the runner will say
}

func readToken(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" {
		return "", fmt.Errorf("the token file %s is empty: remove it and run `waypoint install --platform=local`", path)
	}
	return token, nil
}

// Uninstall stops the runner and the server. The data stays unless purge is set.
func Uninstall(ctx context.Context, dataDir string, purge bool) error {
	d := dir(dataDir)
	for _, p := range []struct{ what, pid, lock string }{
		{"the runner", d.runnerPID(), d.runnerLock()},
		{"the server", d.serverPID(), d.serverLock()},
	} {
		if err := stop(ctx, p.pid, p.lock); err != nil {
			return fmt.Errorf("stopping %s: %w", p.what, err)
		}
	}
	if purge {
		if err := os.RemoveAll(dataDir); err != nil {
			return fmt.Errorf("removing the data: %w", err)
		}
		return nil
	}
	if err := os.Remove(d.settings()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the installation: %w", err)
	}
	return nil
}
