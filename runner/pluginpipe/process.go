package pluginpipe

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"

	pluginv1 "github.com/waypoint-serverless/waypoint/api/waypoint/plugin/v1"
	"github.com/waypoint-serverless/waypoint/api/waypoint/plugin/v1/pluginv1connect"
	"github.com/waypoint-serverless/waypoint/internal/version"
	"github.com/waypoint-serverless/waypoint/runner/guard"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// EnvBinary names the program that serves plugins; without it the one beside the running program is used.
const EnvBinary = "WAYPOINT_PLUGINS_BINARY"

const (
	// startBound is how long the process may take to start and to describe itself. It takes 20 ms; a machine that swaps
	// takes seconds.
	startBound = 10 * time.Second
	// exitBound is how long the end of a process is waited for after its pipe ended, to say how it ended.
	exitBound = 2 * time.Second
)

// Options of a Process.
type Options struct {
	// Command is the program and its arguments; nil: WAYPOINT_PLUGINS_BINARY, or waypoint-plugins beside this program.
	Command []string
	// Version that the process must have; empty: this program's.
	Version string
	// Environ is its environment; nil: this process's. The runner's credentials for the server are taken out.
	Environ []string
}

// Process is the process that serves plugins: started by the first component that needs it, and again after it ended.
type Process struct {
	o Options

	mu      sync.Mutex
	running *running
}

// NewProcess makes a process that is not started yet.
func NewProcess(o Options) *Process {
	if o.Version == "" {
		o.Version = version.Version()
	}
	return &Process{o: o}
}

// Close ends the process, if it runs, and waits for that: for at most 15 s, then it is killed.
func (p *Process) Close() {
	p.mu.Lock()
	r := p.running
	p.running = nil
	p.mu.Unlock()
	if r != nil {
		r.end()
	}
}

// PID is the process's id; 0 if it does not run.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil || p.running.gone() {
		return 0
	}
	return p.running.pid
}

// running is one start of the process.
type running struct {
	pid     int
	program string
	conn    *conn
	client  pluginv1connect.PluginServiceClient
	// optional are the optional interfaces by "plugin kind".
	optional map[string][]string

	greeting *greeting
	log      *logLines
	kill     func() error
	// exited is closed after the process ended; how says how.
	exited chan struct{}
	how    string
}

func (r *running) gone() bool {
	select {
	case <-r.exited:
		return true
	default:
		return false
	}
}

// end closes the pipe, which ends the process.
func (r *running) end() {
	_ = r.conn.Close()
	select {
	case <-r.exited:
	case <-time.After(endBound + 5*time.Second):
		_ = r.kill()
		<-r.exited
	}
}

// connect returns the running process, which it starts if there is none.
func (p *Process) connect() (*running, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil && !p.running.gone() {
		return p.running, nil
	}
	r, err := p.start()
	if err != nil {
		return nil, err
	}
	p.running = r
	return r, nil
}

func (p *Process) start() (*running, error) {
	args := p.o.Command
	if args == nil {
		program, err := find()
		if err != nil {
			return nil, err
		}
		args = []string{program}
	}
	r, err := launch(args, p.o.Environ)
	if err != nil {
		return nil, &plugin.Error{
			Message: "the program that serves plugins, " + args[0] + ", cannot be started", Cause: err,
			Hint: "Install waypoint-plugins of the same release beside waypoint.",
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startBound)
	defer cancel()
	res, err := r.client.Describe(ctx, connect.NewRequest(&pluginv1.DescribeRequest{}))
	if err != nil {
		_ = r.kill()
		_ = r.conn.Close()
		<-r.exited
		return nil, r.explain(err)
	}
	if got := res.Msg.GetVersion(); got != p.o.Version {
		r.end()
		return nil, &plugin.Error{
			Message: fmt.Sprintf("%s has version %s, and this is waypoint %s", args[0], got, p.o.Version),
			Hint:    "Install waypoint and waypoint-plugins of the same release, side by side.",
		}
	}
	for _, c := range res.Msg.GetComponents() {
		r.optional[c.GetPlugin()+" "+c.GetKind()] = c.GetOptional()
	}
	return r, nil
}

// find returns the program that serves plugins.
func find() (string, error) {
	if path := os.Getenv(EnvBinary); path != "" {
		return path, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding the program that serves plugins: %w", err)
	}
	if real, err := filepath.EvalSymlinks(self); err == nil {
		self = real
	}
	name := "waypoint-plugins"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	path := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(path); err != nil {
		return "", &plugin.Error{
			Message: "the program that serves this plugin, " + path + ", is not there",
			Hint:    "Install waypoint-plugins of the same release beside waypoint, or name it with " + EnvBinary + ".",
		}
	}
	return path, nil
}

// launch starts the program with pipes as its standard input and output.
func launch(args, environ []string) (*running, error) {
	childIn, ourOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ourIn, childOut, err := os.Pipe()
	if err != nil {
		_ = errors.Join(childIn.Close(), ourOut.Close())
		return nil, err
	}
	r := &running{program: args[0], optional: map[string][]string{}, exited: make(chan struct{}), log: &logLines{}}
	r.greeting = &greeting{ReadCloser: ourIn}
	r.conn = newConn(r.greeting, ourOut)
	cmd := exec.Command(args[0], args[1:]...) //nolint:noctx // it ends when its input does
	cmd.Stdin, cmd.Stdout, cmd.Stderr = childIn, childOut, r.log
	cmd.Env = processEnviron(environ)
	cmd.SysProcAttr = apart()
	cmd.WaitDelay = exitBound // for what still holds its standard error
	err = cmd.Start()
	_ = errors.Join(childIn.Close(), childOut.Close())
	if err != nil {
		_ = r.conn.Close()
		return nil, err
	}
	r.pid, r.kill = cmd.Process.Pid, cmd.Process.Kill
	go func() { // ends with the process
		err := cmd.Wait()
		r.how = "it ended by itself"
		if err != nil {
			r.how = err.Error()
		}
		close(r.exited)
		_ = r.conn.Close()
	}()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	var once sync.Once
	transport := &http.Transport{
		Protocols: &protocols, DisableCompression: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			var c net.Conn
			once.Do(func() { c = r.conn })
			if c == nil {
				return nil, io.ErrClosedPipe
			}
			return c, nil
		},
	}
	r.client = pluginv1connect.NewPluginServiceClient(
		&http.Client{Transport: transport}, "http://waypoint-plugins", connect.WithAcceptCompression("gzip", nil, nil),
	)
	return r, nil
}

// processEnviron is the environment without what opens the server in the runner's name, and without marks of the guard:
// each call brings its own.
func processEnviron(environ []string) []string {
	if environ == nil {
		environ = os.Environ()
	}
	return slices.DeleteFunc(slices.Clone(environ), func(kv string) bool {
		switch name, _, _ := strings.Cut(kv, "="); name {
		case "WAYPOINT_SERVER_TOKEN", "WAYPOINT_TOKEN", "WAYPOINT_ENTRYPOINT_TOKEN", "WAYPOINT_SERVER_COOKIE", guard.EnvMark:
			return true
		}
		return false
	})
}

// foreign is the first line that a plugin made with HashiCorp's go-plugin prints: versions, network, address, protocol.
var foreign = regexp.MustCompile(`^\d+\|\d+\|(unix|tcp)\|[^|]+\|(grpc|netrpc)`)

// explain says why a process did not describe itself.
func (r *running) explain(err error) error {
	said, complained := r.greeting.text(), r.log.tail()
	switch {
	case foreign.MatchString(said), strings.Contains(complained, "This binary is a plugin"), strings.Contains(said, "This binary is a plugin"):
		return &plugin.Error{
			Message: r.program + " is a plugin made for HashiCorp Waypoint, which this program cannot use",
			Hint:    "Plugins made for HashiCorp Waypoint cannot be loaded; use one of those that `waypoint docs` lists.",
		}
	case said != "":
		return &plugin.Error{Message: fmt.Sprintf("%s does not serve plugins: it printed %q", r.program, said)}
	case complained != "":
		err = errors.New(complained)
	}
	return &plugin.Error{
		Message: r.program + " does not serve plugins", Cause: err,
		Hint: "Install waypoint-plugins of the same release beside waypoint.",
	}
}

// greeting reads what the process sends and keeps the beginning if it is not HTTP/2, whose first frame has a length below
// 64 KB and so begins with a zero byte.
type greeting struct {
	io.ReadCloser
	mu    sync.Mutex
	begun bool
	other bytes.Buffer
}

const greetingMost = 512

func (g *greeting) Read(p []byte) (int, error) {
	n, err := g.ReadCloser.Read(p)
	g.mu.Lock()
	defer g.mu.Unlock()
	if n > 0 && (!g.begun && p[0] != 0 || g.other.Len() > 0) && g.other.Len() < greetingMost {
		g.other.Write(p[:min(n, greetingMost)])
	}
	g.begun = g.begun || n > 0
	return n, err
}

func (g *greeting) text() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	line, _, _ := strings.Cut(strings.TrimSpace(g.other.String()), "\n")
	return strings.ToValidUTF8(line, "\uFFFD")
}

// logLines takes the standard error of the process: lines go to the logs of the calls that run, and the last are kept to
// say why it ended.
type logLines struct {
	mu    sync.Mutex
	part  []byte
	last  []string
	calls map[*plugin.Call]struct{}
}

const (
	lastLines = 20
	lineMost  = 4 << 10
)

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := bufio.NewScanner(bytes.NewReader(append(l.part, p...)))
	lines.Buffer(nil, 1<<20)
	lines.Split(bufio.ScanLines)
	whole := bytes.HasSuffix(p, []byte("\n"))
	var all []string
	for lines.Scan() {
		all = append(all, lines.Text())
	}
	l.part = nil
	if !whole && len(all) > 0 && len(all[len(all)-1]) < lineMost {
		l.part = []byte(all[len(all)-1])
		all = all[:len(all)-1]
	}
	for _, line := range all {
		l.take(line)
	}
	return len(p), nil
}

func (l *logLines) take(line string) {
	for call := range l.calls {
		line = call.Secrets.Hide(line) // it may be about any of the calls that run
	}
	if l.last = append(l.last, line); len(l.last) > lastLines {
		l.last = l.last[1:]
	}
	for call := range l.calls {
		if call.Logger != nil {
			call.Logger.Info("the process that serves plugins wrote to its standard error", slog.String("line", line))
			return
		}
	}
}

func (l *logLines) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(strings.Join(append(slices.Clone(l.last), string(l.part)), "\n"))
}

// during adds a call, whose secrets are hidden and whose log is written to, until the function that it returns is called.
func (l *logLines) during(call *plugin.Call) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls == nil {
		l.calls = map[*plugin.Call]struct{}{}
	}
	l.calls[call] = struct{}{}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.calls, call)
	}
}
