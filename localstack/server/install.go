package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
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
	// startTimeout is generous for a machine that is busy with other things; a process that fails ends at once.
	startTimeout = time.Minute
	// answerTimeout bounds one question to a server that may be frozen.
	answerTimeout = 5 * time.Second
	stopTimeout   = 20 * time.Second
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
	// Progress, if set, is called for each step, with a sentence without a full stop.
	Progress func(string)
}

// Installed is a running local server.
type Installed struct {
	// Address of the API on this machine (a Unix socket), and the TCP address, if there is one.
	Address, TCP string
	// Token is an admin token.
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

// loadSettings reads what was chosen, also by an installation that was removed since.
func loadSettings(d dir) settings {
	s := settings{Listen: defaultListen}
	for _, path := range []string{d.settings(), d.formerSettings()} {
		if data, err := os.ReadFile(path); err == nil {
			_ = json.Unmarshal(data, &s) // a damaged file means the defaults
			break
		}
	}
	return s
}

func (s settings) save(d dir) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return writeFile(d.settings(), data)
}

// changeWait bounds how long a command waits for others that start or stop the same server: two starts that fail as
// late as they can.
const changeWait = 4 * startTimeout

// change holds the lock of whoever changes what runs: any number of commands at once end with one server and one
// runner.
func (d dir) change(ctx context.Context) (*filelock.Lock, error) {
	waiting, cancel := context.WithTimeout(ctx, changeWait)
	defer cancel()
	lock, err := filelock.Await(waiting, func() (*filelock.Lock, error) { return filelock.Acquire(d.installLock()) })
	if errors.Is(err, filelock.ErrHeld) && ctx.Err() == nil {
		return nil, fmt.Errorf("another command has been starting or stopping the local server for more than %s; wait until it finishes, or stop it", changeWait)
	}
	return lock, err
}

// Install starts the server and a runner in the background, each a process of its own, unless they run
// already. It can be repeated at any time, and by any number of commands at once.
func Install(ctx context.Context, o InstallOptions) (*Installed, error) {
	d, err := o.prepare()
	if err != nil {
		return nil, err
	}
	lock, err := d.change(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = lock.Release() }()
	s := loadSettings(d)
	if o.Listen != "" {
		s.Listen = o.Listen
	}
	if o.Executable != "" {
		s.Executable = o.Executable
	}
	if err := s.save(d); err != nil {
		return nil, err
	}
	if err := os.Remove(d.formerSettings()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if _, err := start(ctx, d, s, o.Progress); err != nil {
		return nil, err
	}
	s.keepProgram(d)
	return installed(d, s)
}

// prepare fills in what was left out and makes the directory.
func (o *InstallOptions) prepare() (dir, error) {
	if o.Dir == "" {
		var err error
		if o.Dir, err = DefaultDir(); err != nil {
			return "", err
		}
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	d := dir(o.Dir)
	return d, d.make()
}

func installed(d dir, s settings) (*Installed, error) {
	token, err := readToken(d.adminToken())
	if err != nil {
		return nil, err
	}
	in := &Installed{Address: Address(string(d)), Token: token, ServerLog: d.serverLog(), RunnerLog: d.runnerLog()}
	if s.Listen != "none" {
		in.TCP = "http://" + s.Listen
	}
	return in, nil
}

// EnsureRunning starts what `install` installed and is not running now (after a reboot, say). started reports
// whether the server had to be started.
func EnsureRunning(ctx context.Context, dataDir string) (started bool, err error) {
	d := dir(dataDir)
	if _, err := os.Stat(d.settings()); err != nil {
		return false, fmt.Errorf("no local server is installed in %s: run `waypoint install --platform=local`", dataDir)
	}
	if up, err := d.bothRun(ctx); err != nil || up {
		return false, err
	}
	lock, err := d.change(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = lock.Release() }()
	if _, err := os.Stat(d.settings()); err != nil { // removed while we waited
		return false, fmt.Errorf("no local server is installed in %s: run `waypoint install --platform=local`", dataDir)
	}
	return start(ctx, d, loadSettings(d), func(string) {})
}

// bothRun reports whether server and runner run, at the cost of three system calls each: every command asks.
func (d dir) bothRun(ctx context.Context) (bool, error) {
	pid, listens := d.listener(ctx)
	if !listens {
		return false, nil
	}
	if pid > 0 && isStopped(pid) {
		return false, stoppedError(pid)
	}
	return filelock.Held(d.runnerLock())
}

// start starts what does not run. The caller holds the lock for changes.
func start(ctx context.Context, d dir, s settings, progress func(string)) (started bool, err error) {
	if s.Executable == "" {
		return false, errors.New("the path of the waypoint binary is unknown: run `waypoint install --platform=local` again")
	}
	if started, err = startServer(ctx, d, s); err != nil {
		return false, err
	}
	progress(map[bool]string{true: "Started the server in the background", false: "The server is running"}[started])
	runner, err := startRunner(ctx, d, s)
	if err != nil {
		return started, err
	}
	progress(map[bool]string{true: "Started a runner in the background", false: "The runner is running"}[runner])
	return started, nil
}

func startServer(ctx context.Context, d dir, s settings) (started bool, err error) {
	p := d.server()
	running, err := p.runs(ctx)
	if err != nil {
		return false, err
	}
	if running {
		return false, awaitServer(ctx, d, nil)
	}
	from := logSize(d.serverLog())
	exited, err := spawn(ctx, d, s.Executable, []string{"server", "run"}, nil, d.serverLog())
	if err != nil {
		return false, fmt.Errorf("starting the server: %w", err)
	}
	err = awaitServer(ctx, d, exited)
	if !errors.Is(err, errExited) {
		return err == nil, err
	}
	// Somebody may have started one in the foreground at the same moment.
	if running, _ := p.runs(ctx); running {
		return false, awaitServer(ctx, d, nil)
	}
	return false, p.didNotStart(from)
}

// awaitServer waits until the API answers.
func awaitServer(ctx context.Context, d dir, exited <-chan struct{}) error {
	c, err := client.New(client.Options{Address: Address(string(d)), Component: "cli"})
	if err != nil {
		return err
	}
	defer c.CloseIdle()
	var stopped error
	err = waitFor(ctx, startTimeout, exited, func() bool {
		if pid, _ := d.listener(ctx); pid > 0 && isStopped(pid) {
			stopped = stoppedError(pid) // it will not answer by itself
			return true
		}
		if _, err := os.Stat(d.adminToken()); err != nil {
			return false
		}
		once, cancel := context.WithTimeout(ctx, answerTimeout)
		defer cancel()
		_, err := c.Server.GetServerInfo(once, connect.NewRequest(&waypointv1.GetServerInfoRequest{}))
		return err == nil
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return d.silent(ctx)
	}
	return errors.Join(err, stopped)
}

func startRunner(ctx context.Context, d dir, s settings) (started bool, err error) {
	p := d.runner()
	running, err := p.runs(ctx)
	if err != nil || running {
		return false, err
	}
	token, err := ensureRunnerToken(ctx, d)
	if err != nil {
		return false, err
	}
	env := []string{EnvRunner + "=1", "WAYPOINT_SERVER_ADDR=" + Address(string(d)), "WAYPOINT_SERVER_TOKEN=" + token}
	from := logSize(d.runnerLog())
	exited, err := spawn(ctx, d, s.Executable, []string{"runner", "agent", "--name", "local"}, env, d.runnerLog())
	if err != nil {
		return false, fmt.Errorf("starting the runner: %w", err)
	}
	err = waitFor(ctx, startTimeout, exited, func() bool {
		held, err := filelock.Held(d.runnerLock())
		pid := readPIDFile(d.runnerPIDFile())
		return err == nil && held && pid > 0 && readPIDFile(d.runnerReady()) == pid
	})
	switch {
	case errors.Is(err, errExited):
		return false, p.didNotStart(from)
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return false, fmt.Errorf("the runner was not ready within %s; its log is %s", startTimeout, d.runnerLog())
	}
	return err == nil, err
}

// Runner is the lock of the runner that `install` started: a data directory has at most one such runner.
type Runner struct {
	d     dir
	guard *guard
	stop  context.CancelFunc
	done  chan struct{}
}

// HoldRunner acquires the runner's lock in the data directory; a second runner gets an error. The caller releases it.
func HoldRunner(ctx context.Context, dataDir string, log *slog.Logger) (*Runner, error) {
	d := dir(dataDir)
	if running, err := filelock.Held(d.runnerLock()); err != nil || running {
		return nil, errors.Join(err, fmt.Errorf("the local runner is already running (%s)", dataDir))
	}
	waiting, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	lock, err := filelock.Await(waiting, func() (*filelock.Lock, error) { return filelock.Acquire(d.runnerLock()) })
	if errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("the local runner is already running (%s)", dataDir)
	}
	if err != nil {
		return nil, err
	}
	// The lock file can be removed while the runner runs, the keys cannot.
	whole, err := filelock.Await(waiting, func() (*filelock.Lock, error) { return filelock.AcquireExisting(d.keys()) })
	var pid *pidFile
	if err == nil {
		pid, err = takePIDFile(d.runnerPIDFile())
	}
	if errors.Is(err, filelock.ErrHeld) {
		err = fmt.Errorf("the local runner is already running (%s)", dataDir)
	}
	if err != nil {
		return nil, errors.Join(err, whole.Release(), lock.Release())
	}
	return &Runner{d: d, guard: &guard{whole: whole, lock: lock, pid: pid, log: log}}, nil
}

// Ready reports to the process that started this runner that it runs, and guards its lock from now on.
func (r *Runner) Ready(ctx context.Context) error {
	if r == nil {
		return nil
	}
	if err := writeFile(r.d.runnerReady(), []byte(strconv.Itoa(os.Getpid())+"\n")); err != nil {
		return err
	}
	ctx, r.stop = context.WithCancel(ctx)
	r.done = make(chan struct{})
	go func() {
		defer close(r.done)
		r.guard.loop(ctx)
	}()
	return nil
}

// Release releases the lock.
func (r *Runner) Release() {
	if r == nil {
		return
	}
	if r.stop != nil {
		r.stop()
		<-r.done
	}
	_ = os.Remove(r.d.runnerReady())
	r.guard.release()
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

// runnerTokenName is the name of the token of the runner that `install` starts.
const runnerTokenName = "local runner"

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
		Kind: waypointv1.TokenKind_TOKEN_KIND_RUNNER, Name: runnerTokenName,
	}))
	if err != nil {
		return "", fmt.Errorf("making the runner's token: %w", err)
	}
	if err := writeFile(d.runnerToken(), []byte(made.Msg.GetSecret()+"\n")); err != nil {
		return "", err
	}
	return made.Msg.GetSecret(), revokeOthers(ctx, c, made.Msg.GetToken().GetId())
}

// revokeOthers revokes the runner tokens that attempts to install made which were cut short: nobody has them.
func revokeOthers(ctx context.Context, c *client.Client, keep string) error {
	page := &waypointv1.Page{}
	for {
		res, err := c.Token.ListTokens(ctx, connect.NewRequest(&waypointv1.ListTokensRequest{Page: page}))
		if err != nil {
			return fmt.Errorf("listing the runner's tokens: %w", err)
		}
		for _, t := range res.Msg.GetTokens() {
			if t.GetKind() != waypointv1.TokenKind_TOKEN_KIND_RUNNER || t.GetName() != runnerTokenName || t.GetId() == keep {
				continue
			}
			if _, err := c.Token.RevokeToken(ctx, connect.NewRequest(&waypointv1.RevokeTokenRequest{Id: t.GetId()})); err != nil {
				return fmt.Errorf("revoking an unused runner token: %w", err)
			}
		}
		if res.Msg.GetNextPageToken() == "" {
			return nil
		}
		page = &waypointv1.Page{Token: res.Msg.GetNextPageToken()}
	}
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

// Uninstall stops the runner and the server. The data, and what was chosen at the installation, stays unless purge is
// set.
func Uninstall(ctx context.Context, dataDir string, purge bool) error {
	d := dir(dataDir)
	if _, err := os.Stat(dataDir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	lock, err := d.change(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release() }()
	if err := stopBoth(ctx, d); err != nil {
		return err
	}
	if purge {
		if runtime.GOOS == "windows" { // an open file cannot be removed there
			_ = lock.Release()
		}
		if err := os.RemoveAll(dataDir); err != nil {
			return fmt.Errorf("removing the data: %w", err)
		}
		return nil
	}
	if err := os.Rename(d.settings(), d.formerSettings()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the installation: %w", err)
	}
	return nil
}

// stopBoth ends the runner and then the server. The caller holds the lock for changes.
func stopBoth(ctx context.Context, d dir) error {
	for _, p := range []daemon{d.runner(), d.server()} {
		if err := p.stop(ctx); err != nil {
			return fmt.Errorf("stopping the %s: %w", p.what, err)
		}
	}
	return nil
}
