//go:build unix

package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// entrypointPath is a real waypoint-entrypoint, built once.
var entrypointPath string

// TestMain lets the test binary be what the plugin starts: the waypoint binary's hidden command, and an app.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == HelperCommand {
		if err := Main(context.Background(), os.Args[2:]); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 2 && os.Args[1] == "app" {
		os.Exit(app(os.Args[2]))
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "entrypoint-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	entrypointPath = filepath.Join(dir, "waypoint-entrypoint")
	build := exec.Command("go", "build", "-o", entrypointPath, "github.com/waypoint-serverless/waypoint/entrypoint/waypoint-entrypoint")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "building the entrypoint: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// app is a web app: it says its version, can be slow, sick or stubborn.
func app(version string) int {
	fmt.Println("app", version, "starts")
	if os.Getenv("DIES") != "" {
		fmt.Println("app cannot work like this")
		return 3
	}
	if os.Getenv("STUBBORN") != "" {
		signal.Ignore(syscall.SIGTERM)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintf(w, "%s %s", version, os.Getenv("GREETING"))
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil { // until the test says so
			if _, err := os.Stat(r.URL.Query().Get("until")); err == nil {
				_, _ = fmt.Fprintf(w, "slow %s", version)
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	mux.HandleFunc("/pid", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, os.Getpid()) })
	mux.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, strings.Join(os.Environ(), "\n"))
	})
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if os.Getenv("SICK") != "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	host := "127.0.0.1"
	if os.Getenv("ONLY_IPV6") != "" {
		host = "::1"
	}
	port := os.Getenv("PORT")
	if os.Getenv("ELSEWHERE") != "" {
		port = "0"
	}
	_, _ = fmt.Fprintln(os.Stderr, http.ListenAndServe(net.JoinHostPort(host, port), mux))
	return 1
}

// screen is a plugin.UI that remembers.
type screen struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

func (s *screen) Line(_ plugin.Style, format string, args ...any) {
	_, _ = fmt.Fprintf(s, format+"\n", args...)
}
func (s *screen) Step(format string, args ...any) plugin.Step {
	s.Line(plugin.Plain, format, args...)
	return step{s}
}
func (s *screen) Table([]string, [][]string) {}
func (s *screen) NamedValues(...[2]string)   {}
func (s *screen) Stdout() io.Writer          { return s }
func (s *screen) Stderr() io.Writer          { return s }

type step struct{ s *screen }

func (s step) Update(format string, args ...any) { s.s.Line(plugin.Plain, format, args...) }
func (s step) Output() io.Writer                 { return s.s }
func (s step) Done(format string, args ...any)   { s.s.Line(plugin.Plain, format, args...) }
func (s step) Fail(format string, args ...any)   { s.s.Line(plugin.Plain, format, args...) }

// bench is an app in a workspace on a machine of its own.
type bench struct {
	t      *testing.T
	env    *plugin.Call
	screen *screen
	self   string
	seq    int64
}

func newBench(t *testing.T) *bench {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{}
	b := &bench{t: t, screen: s, self: self, env: &plugin.Call{
		Host: plugin.Host{UI: s, Logger: slog.New(slog.DiscardHandler)},
		Env: plugin.Env{
			Project: "p", App: "web", Workspace: "default",
			Dir: t.TempDir(), TempDir: t.TempDir(), StateDir: t.TempDir(), Entrypoint: entrypointPath, LaneFence: 1,
			Environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "WAYPOINT_SERVER_TOKEN=the-runner's"},
		},
	}}
	t.Cleanup(func() {
		b.env.LaneFence = 1 << 40
		if err := (&platform{}).DestroyWorkspace(context.Background(), b.env); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
		if t.Failed() {
			t.Logf("screen:\n%s", s)
		}
	})
	return b
}

func (b *bench) artifact() *plugin.Artifact {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.env.Dir, "page.html"), []byte("hello"), 0o644); err != nil {
		b.t.Fatal(err)
	}
	res, err := (&builder{}).Build(b.t.Context(), b.env)
	if err != nil {
		b.t.Fatal(err)
	}
	return &plugin.Artifact{ID: "A", Plugin: "process", State: marshal(b.t, res.State)}
}

func marshal(t *testing.T, v any) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (b *bench) platform(version string, env map[string]string) *platform {
	return &platform{options: Options{Now: time.Now}, config: DeployConfig{
		Command: []string{b.self, "app", version}, Env: env, StopTimeout: "2s",
		HealthCheck: &HealthCheck{Path: "/healthz", Timeout: patience.String(), Interval: "20ms"},
	}}
}

const secretToken = "wp_entry_never-on-a-disk"

// try deploys with the next deployment id.
func (b *bench) try(p *platform) (*plugin.Deployment, error) {
	b.t.Helper()
	b.seq++
	return b.tryID(p, fmt.Sprintf("01DEPLOYMENT%014d", b.seq))
}

func (b *bench) tryID(p *platform, id string) (*plugin.Deployment, error) {
	b.t.Helper()
	res, err := p.Deploy(b.t.Context(), b.env, &plugin.DeployRequest{
		Artifact: b.artifact(), DeploymentID: id, Sequence: b.seq,
		// No server address: the entrypoint runs the app without one.
		EntrypointEnv: map[string]string{"WAYPOINT_ENTRYPOINT_TOKEN": secretToken, "WAYPOINT_DEPLOYMENT_ID": id},
	})
	if err != nil {
		return nil, err
	}
	return &plugin.Deployment{ID: id, Sequence: b.seq, Plugin: "process", State: marshal(b.t, res.State), URL: res.URL}, nil
}

func (b *bench) deploy(version string, env map[string]string) *plugin.Deployment {
	b.t.Helper()
	d, err := b.try(b.platform(version, env))
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

func (b *bench) status(d *plugin.Deployment) *plugin.Status {
	b.t.Helper()
	st, err := b.platform("", nil).DeploymentStatus(b.t.Context(), b.env, d)
	if err != nil {
		b.t.Fatal(err)
	}
	return st
}

func (b *bench) destroy(d *plugin.Deployment) {
	b.t.Helper()
	if err := b.platform("", nil).DestroyDeployment(b.t.Context(), b.env, d); err != nil {
		b.t.Fatal(err)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	code, body := try(url)
	if code != http.StatusOK {
		t.Fatalf("GET %s: %d %s", url, code, body)
	}
	return body
}

func try(url string) (int, string) {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

// patience bounds every wait for what must happen: the machine may be busy.
const patience = 2 * time.Minute

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("never happened: " + what)
}

// sentence checks that an error is one for people: a message and a hint.
func sentence(t *testing.T, err error, message string) {
	t.Helper()
	var e *plugin.Error
	if !errors.As(err, &e) {
		t.Fatalf("no error for people: %v", err)
	}
	if !strings.Contains(e.Message, message) || e.Hint == "" {
		t.Errorf("message %q, hint %q; want %q and a hint", e.Message, e.Hint, message)
	}
}

// nothingRuns checks that no background process of the bench is left. A supervisor gives its lock back a moment before
// it is gone.
func (b *bench) nothingRuns(t *testing.T) {
	t.Helper()
	eventually(t, "no background process is left", func() bool { return len(b.leftovers()) == 0 })
}

// leftovers are processes whose command line names the state directory of the bench.
func (b *bench) leftovers() (found []string) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range all {
		if line, err := os.ReadFile(file); err == nil && bytes.Contains(line, []byte(b.env.StateDir)) {
			found = append(found, file+" "+string(bytes.ReplaceAll(line, []byte{0}, []byte(" "))))
		}
	}
	return found
}

func noFileHas(t *testing.T, dir, secret string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.Type().IsRegular() || filepath.Base(path) == "waypoint-entrypoint" {
			return nil
		}
		if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte(secret)) {
			t.Errorf("%s holds the secret", path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
