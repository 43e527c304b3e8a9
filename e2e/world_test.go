package e2e

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/awscalls"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// binaries is the folder of the binaries under test, built once; goCache is Go's, so that examples build quickly.
var binaries, goCache string

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "e2e-serve" { // the app of a test
		fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprint(w, "colour "+os.Getenv("COLOUR"))
		})))
		os.Exit(1)
	}
	if len(os.Args) > 1 && os.Args[1] == "e2e-signals" {
		fmt.Fprintln(os.Stderr, serveSignals())
		os.Exit(1)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "wpe")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binaries = dir
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		fmt.Fprintln(os.Stderr, "go env:", err)
		return 1
	}
	goCache = strings.TrimSpace(string(cache))
	for name, pkg := range map[string]string{
		"waypoint": "./cli/waypoint", "waypoint-entrypoint": "./entrypoint/waypoint-entrypoint", "bootstrap": "./functions/bootstrap",
	} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
		cmd.Dir, cmd.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building %s: %v\n%s", name, err, out)
			return 1
		}
	}
	// Most of the tests' time is spent waiting for leases, so many run at once, whatever the number of cores.
	flag.Parse()
	if err := flag.Set("test.parallel", "10"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, stop := context.WithCancel(context.Background())
	functions, stopped := watchFunctions(ctx)
	code := m.Run()
	stop()
	stopped()
	if !functions.report() {
		return 1
	}
	return code
}

// world is one machine of one user: a home, a data directory, a server, runners, projects.
type world struct {
	t       *testing.T
	dir     string
	mu      sync.Mutex // guards server and clients
	server  *exec.Cmd
	clients map[string]*client.Client
	token   string
	// noServer: commands find the server by the context that install made, not by the environment.
	noServer bool
	// remote is the address of a server that is not this world's; "": its own local one.
	remote string
	// extra environment of all commands.
	extra []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "w") // short: sockets' paths are limited
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir}
	t.Cleanup(func() {
		w.killAll()
		if t.Failed() {
			for _, log := range []string{"server.log", "runner.log"} {
				if data, err := os.ReadFile(filepath.Join(dir, log)); err == nil {
					t.Logf("%s:\n%s", log, tail(string(data), 1500))
				}
			}
		}
		_ = os.RemoveAll(dir)
	})
	if err := os.MkdirAll(filepath.Join(dir, "home"), 0o700); err != nil {
		t.Fatal(err)
	}
	return w
}

func tail(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return "…" + s[len(s)-n:]
}

func (w *world) data() string { return filepath.Join(w.dir, "d") }

func (w *world) address() string {
	if w.remote != "" {
		return w.remote
	}
	return "unix://" + filepath.Join(w.data(), "run", "api.sock")
}

func (w *world) env(extra ...string) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(w.dir, "home"), "TMPDIR=" + os.TempDir(),
		"XDG_STATE_HOME=" + filepath.Join(w.dir, "s"), "XDG_CONFIG_HOME=" + filepath.Join(w.dir, "c"),
		"WAYPOINT_LOCAL_DIR=" + w.data(), "GOCACHE=" + goCache,
	}
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"} { // which engine the tests are on
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	if dir := os.Getenv(awscalls.Variable); dir != "" {
		env = append(env, awscalls.Variable+"="+dir) // the server says what its functions call
	}
	if !w.noServer {
		env = append(env, "WAYPOINT_SERVER_ADDR="+w.address(), "WAYPOINT_SERVER_TOKEN="+w.token)
	}
	return append(append(env, w.extra...), extra...)
}

// killAll ends every process of this world, whoever started it.
func (w *world) killAll() {
	for range 3 { // a supervisor may start another in between
		for pid := range w.processes() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// processes are the processes of this world with their command lines: they have its directory in their environment, or,
// where that is kept clean, in their command line.
func (w *world) processes() map[int]string {
	all := map[int]string{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if bytes.Contains(env, []byte(w.dir+"\x00")) || bytes.Contains(env, []byte(w.dir+"/")) || bytes.Contains(line, []byte(w.dir+"/")) {
			all[pid] = strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return all
}

// startServer starts `waypoint server run` and waits until it answers.
func (w *world) startServer() {
	w.t.Helper()
	log := w.logFile("server.log")
	defer func() { _ = log.Close() }()
	args := []string{"server", "run", "--listen", "none"}
	if functionProcesses() {
		args = append(args, "--bootstrap", filepath.Join(binaries, "bootstrap"))
	}
	cmd := exec.Command(filepath.Join(binaries, "waypoint"), args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = w.env(), log, log
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.server = cmd
	w.mu.Unlock()
	w.waitFor("the server to answer", 20*time.Second, func() error {
		if _, err := os.Stat(filepath.Join(w.data(), "admin-token")); err != nil {
			return err
		}
		_, err := w.clientAs("").Server.GetServerInfo(context.Background(), connect.NewRequest(&waypointv1.GetServerInfoRequest{}))
		return err
	})
	token, err := os.ReadFile(filepath.Join(w.data(), "admin-token"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.token = strings.TrimSpace(string(token))
}

func (w *world) killServer() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.server.Process.Kill()
	_ = w.server.Wait()
}

func (w *world) logFile(name string) *os.File {
	log, err := os.OpenFile(filepath.Join(w.dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	return log
}

func (w *world) clientAs(token string) *client.Client {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.clients[token]; c != nil {
		return c
	}
	c, err := client.New(client.Options{Address: w.address(), Token: token, Component: "cli", MaxRetry: w.bound(20 * time.Second)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.CloseIdle)
	if w.clients == nil {
		w.clients = map[string]*client.Client{}
	}
	w.clients[token] = c
	return c
}

func (w *world) client() *client.Client { return w.clientAs(w.token) }

// startRunner starts a standing runner; the name tells them apart.
func (w *world) startRunner(name string) *exec.Cmd {
	w.t.Helper()
	made, err := w.client().Token.CreateToken(context.Background(), connect.NewRequest(&waypointv1.CreateTokenRequest{
		Kind: waypointv1.TokenKind_TOKEN_KIND_RUNNER, Name: name, AllProjects: true,
	}))
	if err != nil {
		w.t.Fatal(err)
	}
	log := w.logFile("runner.log")
	defer func() { _ = log.Close() }()
	cmd := exec.Command(filepath.Join(binaries, "waypoint"), "runner", "agent", "--name", name)
	cmd.Env, cmd.Stdout, cmd.Stderr = w.env("WAYPOINT_SERVER_TOKEN="+made.Msg.GetSecret()), log, log
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.waitFor("the runner to register", 20*time.Second, func() error {
		list, err := w.client().Runner.ListRunners(context.Background(), connect.NewRequest(&waypointv1.ListRunnersRequest{}))
		if err != nil {
			return err
		}
		for _, r := range list.Msg.GetRunners() {
			if r.GetName() == name && r.GetOnline() {
				return nil
			}
		}
		return errors.New("not listed")
	})
	return cmd
}

// patience is the least bound of a wait for what must happen: the machine may be busy. It is no promise of ours.
const patience = 2 * time.Minute

// bound is a limit for this world: a server that emulates Lambda starts a container for each function.
func (w *world) bound(limit time.Duration) time.Duration {
	limit = max(limit, patience)
	if w.remote != "" {
		return 6 * limit
	}
	return limit
}

func (w *world) waitFor(what string, limit time.Duration, ready func() error) {
	w.t.Helper()
	deadline := time.Now().Add(w.bound(limit))
	for {
		err := ready()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("waiting for %s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// command prepares the CLI in a directory.
func (w *world) command(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(binaries, "waypoint"), args...)
	cmd.Dir, cmd.Env = dir, w.env("WAYPOINT_PLAIN=1")
	return cmd
}

// waypoint runs the CLI and returns what it printed to both streams.
func (w *world) waypoint(dir string, args ...string) (string, error) {
	out, err := w.command(dir, args...).CombinedOutput()
	return string(out), err
}

func (w *world) must(dir string, args ...string) string {
	w.t.Helper()
	out, err := w.waypoint(dir, args...)
	if err != nil {
		w.t.Fatalf("waypoint %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// countHCL is a project whose build prints numbered lines, and ends when the file hold, if there is one, is removed.
const countHCL = `project = "%[1]s"
%[2]s
variable "lines" {
  type    = number
  default = 40
}
variable "hold" {
  type    = string
  default = "/no/such/file"
}
app "web" {
  build {
    use "process" {
      command = ["sh", "-c", "i=1; while [ $i -le ${var.lines} ]; do echo \"line $i.\"; i=$((i+1)); sleep 0.03; done; while [ -e ${var.hold} ]; do sleep 0.05; done"]
    }
  }
  deploy {
    use "null" {}
  }
  release {
    use "null" {}
  }
}
`

// project writes a project with the numbered build: local, or in a git repository that is its data source.
func (w *world) project(name string, remote bool) string {
	w.t.Helper()
	dir := filepath.Join(w.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	source := ""
	if remote {
		source = fmt.Sprintf("runner {\n  enabled = true\n  data_source \"git\" {\n    url = \"file://%s\"\n  }\n}\n", dir)
	}
	if err := os.WriteFile(filepath.Join(dir, "waypoint.hcl"), fmt.Appendf(nil, countHCL, name, source), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if remote {
		w.commit(dir)
	}
	w.must(dir, "init")
	return dir
}

// hold makes a file that holds the numbered build until the returned function is called, and the flag that names it.
func (w *world) hold() (flag string, letGo func()) {
	w.t.Helper()
	file := filepath.Join(w.dir, "hold")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return "--var=hold=" + file, func() { _ = os.Remove(file) }
}

// nothingRuns waits until no process of this world is left.
func (w *world) nothingRuns() {
	w.t.Helper()
	w.waitFor("the last processes to end", patience, func() error {
		if left := w.processes(); len(left) > 0 {
			return fmt.Errorf("still running: %v", left)
		}
		return nil
	})
}

func (w *world) commit(dir string) {
	w.t.Helper()
	for _, args := range [][]string{
		{"init", "-q"}, {"add", "."}, {"-c", "user.name=e2e", "-c", "user.email=e2e@example.com", "commit", "-qm", "all"},
	} {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			w.t.Fatalf("git %s: %v\n%s", args[0], err, out)
		}
	}
}

// latestJob is the newest job of a project.
func (w *world) latestJob(project string) *waypointv1.Job {
	w.t.Helper()
	list, err := w.client().Job.ListJobs(context.Background(), connect.NewRequest(&waypointv1.ListJobsRequest{Project: project}))
	if err != nil {
		w.t.Fatal(err)
	}
	if len(list.Msg.GetJobs()) == 0 {
		return nil
	}
	job, err := w.client().Job.GetJob(context.Background(), connect.NewRequest(&waypointv1.GetJobRequest{Id: list.Msg.GetJobs()[0].GetId()}))
	if err != nil {
		w.t.Fatal(err)
	}
	return job.Msg.GetJob()
}

var numbered = regexp.MustCompile(`line (\d+)\.`)

// numbers are the numbered lines in a job's output, read from the beginning.
func (w *world) numbers(job string) []int {
	w.t.Helper()
	out, err := w.waypoint(w.dir, "job", "get-stream", job) // its exit code is the job's
	if err != nil && !strings.Contains(out, job) && !numbered.MatchString(out) {
		w.t.Fatalf("job get-stream: %v\n%s", err, out)
	}
	var all []int
	for _, m := range numbered.FindAllStringSubmatch(out, -1) {
		n, _ := strconv.Atoi(m[1])
		all = append(all, n)
	}
	return all
}

// expectLines checks that the lines are 1..n without gap or repeat.
func expectLines(t *testing.T, got []int, n int) {
	t.Helper()
	for i, line := range got {
		if line != i+1 {
			t.Fatalf("lines have a gap or repeat: after %d came %d in %v", i, line, got)
		}
	}
	if len(got) != n {
		t.Fatalf("the lines end at %d, not %d: %v", len(got), n, got)
	}
}
