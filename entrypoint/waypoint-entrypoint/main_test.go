//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/api/waypoint/v1/waypointv1connect"
	"github.com/waypoint-serverless/waypoint/entrypoint"
)

// asEntrypoint makes the test binary be the entrypoint: real processes, and the race detector inside them.
const asEntrypoint = "WAYPOINT_TEST_AS_ENTRYPOINT"

func TestMain(m *testing.M) {
	if os.Getenv(asEntrypoint) != "1" && os.Getenv(asListener) == "1" {
		listenToSignals()
	}
	if os.Getenv(asEntrypoint) == "1" {
		_ = os.Unsetenv(asEntrypoint)
		os.Exit(run())
	}
	os.Exit(m.Run())
}

// listener is an app that writes the number of each signal that it gets, however it is sent. A shell could not: it keeps
// some for itself.
const asListener = "WAYPOINT_TEST_AS_LISTENER"

func listenToSignals() {
	c := make(chan os.Signal, 128)
	entrypoint.Notify(c)
	fmt.Println("up")
	for s := range c {
		fmt.Printf("got %d.\n", s)
		if s == syscall.SIGTERM {
			os.Exit(7)
		}
	}
}

const (
	token      = "wp_entry_secret-of-this-test"
	deployment = "01JH0000000000000000000001"
	// required: the app's first start waits for its configuration for as long as it takes, and not for five seconds.
	required = entrypoint.EnvRequired + "=1"
	patience = 2 * time.Minute
)

// server is the server's side of the contract: it remembers what came and serves what it is told.
type server struct {
	mu         sync.Mutex
	config     *waypointv1.AppConfig
	batches    map[string]*waypointv1.PutLogsRequest
	order      []string
	registered int
	asked      int
	failPuts   int
	refuse     *fault.Error
	badTokens  int
	report     *waypointv1.InstanceReport
}

func (s *server) problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.report.GetProblems()
}

// reported keeps the last report.
func (s *server) reported(r *waypointv1.InstanceReport) {
	if r != nil {
		s.report = r
	}
}

func (s *server) intervals() *waypointv1.Intervals {
	return &waypointv1.Intervals{ConfigMs: 100, LogsMs: 100}
}

func (s *server) check(h http.Header) error {
	if h.Get("Authorization") != "Bearer "+token {
		s.badTokens++
	}
	if s.refuse != nil {
		return fault.Connect(s.refuse)
	}
	return nil
}

func (s *server) RegisterInstance(_ context.Context, r *connect.Request[waypointv1.RegisterInstanceRequest]) (*connect.Response[waypointv1.RegisterInstanceResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(r.Header()); err != nil {
		return nil, err
	}
	s.registered++
	s.reported(r.Msg.GetReport())
	return connect.NewResponse(&waypointv1.RegisterInstanceResponse{Config: s.config, Intervals: s.intervals()}), nil
}

func (s *server) GetAppConfig(_ context.Context, r *connect.Request[waypointv1.GetAppConfigRequest]) (*connect.Response[waypointv1.GetAppConfigResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(r.Header()); err != nil {
		return nil, err
	}
	s.asked++
	s.reported(r.Msg.GetReport())
	if r.Msg.GetEtag() == s.config.GetEtag() {
		return connect.NewResponse(&waypointv1.GetAppConfigResponse{Unchanged: true, Intervals: s.intervals()}), nil
	}
	return connect.NewResponse(&waypointv1.GetAppConfigResponse{Config: s.config, Intervals: s.intervals()}), nil
}

func (s *server) PutLogs(_ context.Context, r *connect.Request[waypointv1.PutLogsRequest]) (*connect.Response[waypointv1.PutLogsResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(r.Header()); err != nil {
		return nil, err
	}
	key := fmt.Sprintf("%s/%d", r.Msg.GetInstanceId(), r.Msg.GetSequence())
	if _, again := s.batches[key]; !again {
		s.batches[key] = r.Msg
		s.order = append(s.order, key)
	}
	if s.failPuts > 0 { // accepted, but the answer is lost
		s.failPuts--
		return nil, connect.NewError(connect.CodeUnavailable, errors.New("lost answer"))
	}
	return connect.NewResponse(&waypointv1.PutLogsResponse{Intervals: s.intervals()}), nil
}

func (s *server) set(c *waypointv1.AppConfig) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config = c
}

func (s *server) lines(stderr bool) (lines []string, dropped int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.order {
		dropped += s.batches[key].GetDropped()
		for _, l := range s.batches[key].GetLines() {
			if l.GetStderr() == stderr {
				lines = append(lines, l.GetText())
			}
		}
	}
	return lines, dropped
}

func (s *server) counts() (registered, asked int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.registered, s.asked
}

func newServer(t *testing.T) (*server, string) {
	t.Helper()
	s := &server{batches: map[string]*waypointv1.PutLogsRequest{}, config: &waypointv1.AppConfig{Etag: "0"}}
	mux := http.NewServeMux()
	mux.Handle(waypointv1connect.NewEntrypointServiceHandler(s))
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	return s, web.URL
}

// process is a running entrypoint.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	out     *output
	err     *output
	waited  chan error
	workDir string
}

// output is a buffer that can be read while it is written.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func start(t *testing.T, addr string, env []string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, out: &output{}, err: &output{}, waited: make(chan error, 1), workDir: t.TempDir()}
	p.cmd = exec.Command(self, args...)
	p.cmd.Dir = p.workDir
	p.cmd.Env = append([]string{
		asEntrypoint + "=1", "PATH=" + os.Getenv("PATH"), "WAYPOINT_LOG_LEVEL=debug",
		"WAYPOINT_ENTRYPOINT_TOKEN=" + token, "WAYPOINT_DEPLOYMENT_ID=" + deployment,
	}, env...)
	if addr != "" {
		p.cmd.Env = append(p.cmd.Env, "WAYPOINT_SERVER_ADDR="+addr)
	}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.err
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.waited <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		if t.Failed() {
			t.Logf("stdout: %.2000s\nstderr: %.4000s", p.out, p.err)
		}
	})
	return p
}

func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.waited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatal("the entrypoint does not end")
		return 0
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("never happened: " + what)
}

func (p *process) says(text string) {
	p.t.Helper()
	eventually(p.t, "stdout says "+text, func() bool { return strings.Contains(p.out.String(), text) })
}

func TestTheAppGetsItsConfigurationAndNeverTheToken(t *testing.T) {
	s, addr := newServer(t)
	s.set(&waypointv1.AppConfig{Etag: "1", Env: map[string]string{"GREETING": "hi there", "WAYPOINT_ENTRYPOINT_TOKEN": "planted"}})
	p := start(t, addr, []string{required, "GREETING=overridden", "OTHER=kept"}, "env")
	if code := p.exit(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	out := p.out.String()
	for _, want := range []string{"GREETING=hi there\n", "OTHER=kept\n", "PORT=5000\n", "WAYPOINT_DEPLOYMENT_ID=" + deployment + "\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("missing in the app's environment: %s", want)
		}
	}
	lines, _ := s.lines(false)
	if strings.Contains(out, token) || strings.Contains(p.err.String(), token) || strings.Contains(strings.Join(lines, "\n"), token) {
		t.Error("the token leaked")
	}
	if strings.Contains(out, "WAYPOINT_ENTRYPOINT_TOKEN") {
		t.Error("the app's environment names the token")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.badTokens > 0 {
		t.Error("a call without the token")
	}
}

func TestExitCodes(t *testing.T) {
	_, addr := newServer(t)
	for name, c := range map[string]struct {
		args []string
		want int
	}{
		"the app's own":                     {[]string{"sh", "-c", "exit 42"}, 42},
		"success":                           {[]string{"true"}, 0},
		"128 + signal":                      {[]string{"sh", "-c", "kill -9 $$"}, 137},
		"127 for a command that is missing": {[]string{"no-such-command-here"}, 127},
		"127 for a path that is missing":    {[]string{"./no-such-file"}, 127},
		"126 for what cannot be executed":   {[]string{"/etc/hostname"}, 126},
		"2 for no command":                  {nil, 2},
	} {
		for mode, server := range map[string]string{"with server": addr, "disabled": ""} {
			t.Run(name+" "+mode, func(t *testing.T) {
				if got := start(t, server, nil, c.args...).exit(); got != c.want {
					t.Errorf("exit code %d, want %d", got, c.want)
				}
			})
		}
	}
}

func TestSignalsReachTheApp(t *testing.T) {
	_, addr := newServer(t)
	script := `trap 'echo got HUP' HUP; trap 'echo got USR1' USR1; trap 'echo got USR2' USR2; trap 'echo got WINCH' WINCH
trap 'echo got INT' INT; trap 'echo got QUIT' QUIT; trap 'echo got TERM; exit 7' TERM; echo up; while :; do sleep 0.02; done`
	p := start(t, addr, nil, "sh", "-c", script)
	p.says("up\n")
	for _, s := range []struct {
		sig  syscall.Signal
		name string
	}{{syscall.SIGHUP, "HUP"}, {syscall.SIGUSR1, "USR1"}, {syscall.SIGUSR2, "USR2"}, {syscall.SIGWINCH, "WINCH"}, {syscall.SIGINT, "INT"}, {syscall.SIGQUIT, "QUIT"}, {syscall.SIGTERM, "TERM"}} {
		p.signal(s.sig)
		p.says("got " + s.name + "\n")
	}
	if code := p.exit(); code != 7 {
		t.Errorf("exit code %d, want the app's 7", code)
	}
}

func TestATermSignalReachesAppsBehindAShell(t *testing.T) {
	p := start(t, "", nil, "sh", "-c", "echo up; sleep 600; echo never")
	p.says("up\n")
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
}

func TestANewEnvironmentRestartsTheApp(t *testing.T) {
	s, addr := newServer(t)
	s.set(&waypointv1.AppConfig{Etag: "1", Env: map[string]string{"V": "one"}})
	p := start(t, addr, []string{required}, "sh", "-c", `trap 'echo bye $V; exit 0' TERM; echo run $V; while :; do sleep 0.02; done`)
	p.says("run one\n")
	s.set(&waypointv1.AppConfig{Etag: "2", Env: map[string]string{"V": "two"}})
	p.says("bye one\nrun two\n")
	// Another etag with the same environment is no reason.
	_, before := s.counts()
	s.set(&waypointv1.AppConfig{Etag: "3", Env: map[string]string{"V": "two"}})
	eventually(t, "asked thrice more", func() bool { _, now := s.counts(); return now > before+3 })
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := p.out.String(); got != "run one\nbye one\nrun two\nbye two\n" {
		t.Errorf("got %q", got)
	}
}

func TestChangedFilesSignalTheAppInsteadOfRestartingIt(t *testing.T) {
	s, addr := newServer(t)
	files := func(v string) map[string]string { return map[string]string{"etc/app.conf": v} }
	s.set(&waypointv1.AppConfig{Etag: "1", Files: files("one"), FileChangeSignal: "SIGHUP"})
	p := start(t, addr, []string{required}, "sh", "-c", `trap 'echo now $(cat etc/app.conf)' HUP; echo first $(cat etc/app.conf); while :; do sleep 0.02; done`)
	p.says("first one\n")
	s.set(&waypointv1.AppConfig{Etag: "2", Files: files("two"), FileChangeSignal: "hup"})
	p.says("now two\n")
	s.set(&waypointv1.AppConfig{Etag: "3"})
	eventually(t, "the file is removed", func() bool {
		_, err := os.Stat(filepath.Join(p.workDir, "etc/app.conf"))
		return errors.Is(err, os.ErrNotExist)
	})
	if strings.Count(p.out.String(), "first") != 1 {
		t.Error("the app was restarted")
	}
}

// away is an address where nobody listens, until appear is called.
func away(t *testing.T) (addr string, appear func(http.Handler)) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	_ = l.Close()
	return "http://" + host, func(h http.Handler) {
		again, err := net.Listen("tcp", host)
		if err != nil {
			t.Skipf("another program took %s meanwhile", host)
		}
		web := &http.Server{Handler: h}
		go func() { _ = web.Serve(again) }()
		t.Cleanup(func() { _ = web.Close() })
	}
}

func TestTheAppStartsWithoutTheServerAndIsConfiguredWhenItComes(t *testing.T) {
	addr, appear := away(t)
	p := start(t, addr, nil, "sh", "-c", `echo "run <$V>"; exec sleep 600`)
	p.says("run <>\n")
	s := &server{batches: map[string]*waypointv1.PutLogsRequest{}, config: &waypointv1.AppConfig{Etag: "1", Env: map[string]string{"V": "late"}}}
	mux := http.NewServeMux()
	mux.Handle(waypointv1connect.NewEntrypointServiceHandler(s))
	appear(mux)
	p.says("run <late>\n")
	eventually(t, "lines from before the server came arrive", func() bool {
		lines, _ := s.lines(false)
		return strings.Join(lines, ",") == "run <>,run <late>"
	})
}

func TestTheLastConfigurationIsUsedWhenTheServerIsAway(t *testing.T) {
	s, addr := newServer(t)
	s.set(&waypointv1.AppConfig{Etag: "1", Env: map[string]string{"V": "kept-value"}})
	file := filepath.Join(t.TempDir(), "cache")
	start(t, addr, []string{required, "WAYPOINT_CONFIG_CACHE=" + file}, "true").exit()
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("cache file: %v %v", info, err)
	}
	if content, _ := os.ReadFile(file); bytes.Contains(content, []byte("kept-value")) {
		t.Error("the cache is readable without the token")
	}
	gone, _ := away(t)
	p := start(t, gone, []string{"WAYPOINT_CONFIG_CACHE=" + file}, "sh", "-c", "echo run $V")
	p.exit()
	if p.out.String() != "run kept-value\n" {
		t.Errorf("got %q", p.out)
	}
}

func TestAServerThatIsRequiredIsWaitedFor(t *testing.T) {
	s, addr := newServer(t)
	s.mu.Lock()
	s.refuse = fault.New(connect.CodeUnauthenticated, fault.TokenRevoked, "revoked")
	s.mu.Unlock()
	p := start(t, addr, []string{required}, "echo", "started")
	eventually(t, "the refusal is logged", func() bool { return strings.Contains(p.err.String(), "revoked") })
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 143 || p.out.String() != "" {
		t.Errorf("exit code %d, output %q", code, p.out)
	}
	// Not required: a refusal is a reason to start at once.
	p = start(t, addr, nil, "echo", "started")
	if code := p.exit(); code != 0 || p.out.String() != "started\n" {
		t.Errorf("exit code %d, output %q", code, p.out)
	}
}

func TestTenThousandFastLinesArriveCompleteAndInOrder(t *testing.T) {
	s, addr := newServer(t)
	s.mu.Lock()
	s.failPuts = 3 // lost answers: the repeats must not double anything
	s.mu.Unlock()
	p := start(t, addr, nil, "sh", "-c", `i=0; while [ $i -lt 10000 ]; do i=$((i+1)); echo "line $i"; done; echo oops >&2; printf 'no end'`)
	if code := p.exit(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	lines, dropped := s.lines(false)
	if len(lines) != 10001 || dropped != 0 {
		t.Fatalf("%d lines arrived, %d dropped", len(lines), dropped)
	}
	for i, l := range lines[:10000] {
		if l != "line "+strconv.Itoa(i+1) {
			t.Fatalf("line %d is %q", i+1, l)
		}
	}
	if lines[10000] != "no end" {
		t.Errorf("the line without an end is %q", lines[10000])
	}
	if errs, _ := s.lines(true); strings.Join(errs, ",") != "oops" {
		t.Errorf("stderr: %q", errs)
	}
	if want := strings.Join(lines[:10000], "\n") + "\nno end"; p.out.String() != want {
		t.Error("what the app printed was not passed through unchanged")
	}
}

func TestTheEntrypointHoldsNoListeningSocket(t *testing.T) {
	if _, err := os.Stat("/proc/self/net/tcp"); err != nil {
		t.Skip("needs /proc to look at a process's sockets")
	}
	s, addr := newServer(t)
	p := start(t, addr, nil, "sleep", "600")
	eventually(t, "it talks to the server", func() bool { _, asked := s.counts(); return asked > 2 })
	if got := listening(t, p.cmd.Process.Pid); len(got) > 0 {
		t.Errorf("listening sockets: %v", got)
	}
	// The check itself must be able to fail: this test's process does listen.
	if len(listening(t, os.Getpid())) == 0 {
		t.Error("the check does not see the test's own server")
	}
}

// listening lists the listening sockets that a process holds, by inode.
func listening(t *testing.T, pid int) (found []string) {
	t.Helper()
	inodes := map[string]bool{}
	for _, table := range []string{"tcp", "tcp6"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			continue
		}
		for _, row := range strings.Split(string(b), "\n") {
			if f := strings.Fields(row); len(f) > 9 && f[3] == "0A" {
				inodes[f[9]] = true
			}
		}
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		link, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name()))
		inode := strings.TrimSuffix(strings.TrimPrefix(link, "socket:["), "]")
		if inodes[inode] {
			found = append(found, link)
		}
	}
	return found
}

func TestAsPidOneItReapsOrphansAndKeepsTheExitCode(t *testing.T) {
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip("needs unshare(1) to be PID 1")
	}
	self, _ := os.Executable()
	// Orphans end at once; the app looks for zombies after they should have been buried.
	script := `for i in 1 2 3 4 5; do (sh -c 'true' & ) ; done; n=x; for t in $(seq 200); do n=$(cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z 1 '); [ "$n" = 0 ] && break; sleep 0.05; done; echo zombies $n; exit 5`
	cmd := exec.Command(unshare, "--pid", "--fork", "--mount-proc", "--kill-child", self, "sh", "-c", script)
	cmd.Env = []string{asEntrypoint + "=1", "PATH=" + os.Getenv("PATH"), "WAYPOINT_LOG_LEVEL=debug"}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == 1 && bytes.Contains(out, []byte("unshare")) {
		t.Skipf("cannot be PID 1 here: %v %s", err, out)
	}
	if code := cmd.ProcessState.ExitCode(); code != 5 || !bytes.Contains(out, []byte("zombies 0\n")) {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestAKilledEntrypointLeavesNoAppBehind(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("only Linux tells a child that its parent died")
	}
	p := start(t, "", nil, "sh", "-c", "echo pid $$.; exec sleep 600")
	p.says(".\n")
	pid, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(p.out.String()), "pid "), "."))
	if err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Process.Kill()
	eventually(t, "the app is gone", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || bytes.Contains(stat, []byte(") Z "))
	})
}
