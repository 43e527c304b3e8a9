package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
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

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/localstack/server"
)

// installWorld is a world whose server is the one that `waypoint install` starts.
func installWorld(t *testing.T) *world {
	t.Helper()
	if functionProcesses() {
		t.Skip("the installed server runs its functions itself")
	}
	w := newWorld(t)
	w.noServer = true
	return w
}

// daemons are the processes of this world whose command line ends so: "server run" or "runner agent --name local".
func (w *world) daemons(command string) (pids []int) {
	for pid, line := range w.processes() {
		if strings.HasSuffix(line, command) {
			pids = append(pids, pid)
		}
	}
	return pids
}

const (
	serverCommand = "server run"
	runnerCommand = "runner agent --name local"
)

// oneOfEach fails the test unless one server and one runner run. Those that found another one may still be ending, and a
// process that is just being started looks like the one that starts it.
func (w *world) oneOfEach() {
	w.t.Helper()
	w.waitFor("one server and one runner", patience, func() error {
		if servers, runners := w.daemons(serverCommand), w.daemons(runnerCommand); len(servers) != 1 || len(runners) != 1 {
			return fmt.Errorf("servers: %v, runners: %v", servers, runners)
		}
		return nil
	})
}

// rounds is how often a test of chance is repeated; WAYPOINT_ROUNDS overrides it.
func rounds(fallback int) int {
	if n, err := strconv.Atoi(os.Getenv("WAYPOINT_ROUNDS")); err == nil && n > 0 {
		return n
	}
	return fallback
}

func (w *world) installAtOnce(n int) {
	w.t.Helper()
	var running sync.WaitGroup
	for range n {
		running.Go(func() {
			if out, err := w.waypoint(w.dir, "install", "--platform=local", "--listen", "none"); err != nil {
				w.t.Errorf("%v\n%s", err, out)
			}
		})
	}
	running.Wait()
}

func TestAnyNumberOfInstallsAtOnceEndWithOneServer(t *testing.T) {
	t.Parallel()
	for range rounds(2) {
		w := installWorld(t)
		w.installAtOnce(10)
		w.oneOfEach()
		if tokens := w.must(w.dir, "token", "list"); strings.Count(tokens, "local runner") != 1 || strings.Count(tokens, "\n") != 3 {
			t.Errorf("tokens are left over:\n%s", tokens)
		}
		// The same for commands that find everything killed.
		for range 2 {
			w.killAll()
			var running sync.WaitGroup
			for range 10 {
				running.Go(func() {
					if out, err := w.waypoint(w.dir, "project", "list"); err != nil {
						t.Errorf("%v\n%s", err, out)
					}
				})
			}
			running.Wait()
			w.oneOfEach()
		}
		w.must(w.dir, "uninstall", "--platform=local", "--purge", "--yes")
		w.nothingRuns()
	}
}

func TestAnInstallThatIsKilledCanBeRepeated(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(14, 1))
	w := installWorld(t)
	for n := range rounds(8) {
		after := time.Duration(rng.IntN(1500)) * time.Millisecond
		cmd, _ := w.start(w.dir, "install", "--platform=local", "--listen", "none")
		time.Sleep(after) // the moment is what is tried; any is right
		if n%2 == 0 {
			w.killAll()
		} else {
			_ = cmd.Process.Kill()
		}
		_ = cmd.Wait()
		if out, err := w.waypoint(w.dir, "install", "--platform=local", "--listen", "none"); err != nil {
			t.Errorf("killed after %s, then: %v\n%s", after, err, out)
		}
		w.oneOfEach()
		if tokens := w.must(w.dir, "token", "list"); strings.Count(tokens, "local runner") != 1 {
			t.Errorf("killed after %s: tokens are left over:\n%s", after, tokens)
		}
		if n%4 == 3 {
			w.must(w.dir, "uninstall", "--platform=local", "--purge", "--yes")
		}
	}
}

func TestFilesOfARunningServerThatWereRemovedComeBack(t *testing.T) {
	t.Parallel()
	for name, patterns := range map[string][]string{
		"sockets":             {"run/*"},
		"locks and pid files": {"*.lock", "*.pid"},
		"all of them":         {"run/*", "*.lock", "*.pid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := installWorld(t)
			w.installAtOnce(1)
			before := fmt.Sprint(w.daemons(serverCommand), w.daemons(runnerCommand))
			for _, p := range patterns {
				files, err := filepath.Glob(filepath.Join(w.data(), p))
				if err != nil || len(files) == 0 {
					t.Fatal(files, err)
				}
				for _, f := range files {
					_ = os.Remove(f)
				}
			}
			w.must(w.dir, "install", "--platform=local") // at once, before they are restored
			w.must(w.dir, "project", "list")
			if after := fmt.Sprint(w.daemons(serverCommand), w.daemons(runnerCommand)); after != before {
				t.Errorf("there were %s, and there are %s", before, after)
			}
			w.waitFor("the files to come back", time.Minute, func() error {
				for _, f := range []string{"run/api.sock", "run/sqs.sock", "server.lock", "server.pid", "runner.lock", "runner.pid"} {
					if _, err := os.Stat(filepath.Join(w.data(), f)); err != nil {
						return err
					}
				}
				return nil
			})
			w.must(w.dir, "uninstall", "--platform=local")
			w.nothingRuns()
		})
	}
}

func TestOnlyOurOwnProcessesAreSignalled(t *testing.T) {
	t.Parallel()
	w := installWorld(t)
	w.installAtOnce(1)
	other := exec.Command("sleep", "1000")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- other.Wait() }()
	defer func() { _ = other.Process.Kill(); <-ended }()
	for _, f := range []string{"server.pid", "runner.pid"} {
		if err := os.WriteFile(filepath.Join(w.data(), f), []byte(strconv.Itoa(other.Process.Pid)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.must(w.dir, "uninstall", "--platform=local")
	w.nothingRuns()
	select {
	case err := <-ended:
		t.Errorf("the other program was ended: %v", err)
		ended <- err
	default:
	}
}

func TestAFrozenServerIsCalledSoAndCanBeStopped(t *testing.T) {
	t.Parallel()
	w := installWorld(t)
	w.installAtOnce(1)
	server := w.daemons(serverCommand)[0]
	if err := syscall.Kill(server, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"status"}, {"project", "list"}, {"install", "--platform=local"}} {
		out, err := w.waypoint(w.dir, args...)
		if err == nil || !strings.Contains(out, "was stopped by a signal") || !strings.Contains(out, "kill -CONT "+strconv.Itoa(server)) {
			t.Errorf("waypoint %v: %v\n%s", args, err, out)
		}
	}
	w.must(w.dir, "uninstall", "--platform=local")
	w.nothingRuns()
}

// freeAddress is a loopback address that was free a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestAnUpgradeKeepsWhatWasChosenAndGoesBackIfItFails(t *testing.T) {
	t.Parallel()
	w := installWorld(t)
	at := freeAddress(t)
	answers := func(what string) {
		t.Helper()
		res, err := http.Get("http://" + at + "/")
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		_ = res.Body.Close()
	}
	w.must(w.dir, "install", "--platform=local", "--listen", at)
	answers("installed")
	w.must(w.dir, "uninstall", "--platform=local")
	w.must(w.dir, "install", "--platform=local")
	answers("installed again")
	w.must(w.dir, "upgrade", "--platform=local")
	answers("upgraded")

	// The new program lies where the old one did, and does not start.
	old, err := os.ReadFile(filepath.Join(binaries, "waypoint"))
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(w.dir, "waypoint")
	replace := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(program+".text", content, 0o700); err != nil {
			t.Fatal(err)
		}
		// A copy by another process: a program that any fork of this one holds open for writing cannot be started.
		if out, err := exec.Command("cp", "-p", program+".text", program+".new").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if err := os.Rename(program+".new", program); err != nil {
			t.Fatal(err)
		}
	}
	replace(old)
	upgrade := exec.Command(program, "upgrade", "--platform=local")
	upgrade.Dir, upgrade.Env = w.dir, w.env("WAYPOINT_PLAIN=1")
	if out, err := upgrade.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	answers("upgraded to another path")
	replace([]byte("#!/bin/sh\necho 'Error: The flux is out of order' >&2\necho '  Set it.' >&2\nexit 1\n"))
	_, err = server.Upgrade(t.Context(), server.InstallOptions{Dir: w.data(), Executable: program})
	var trouble *server.Trouble
	if !errors.As(err, &trouble) || !strings.Contains(trouble.Message, "did not start: the flux is out of order") ||
		!strings.Contains(trouble.Hint, "The previous version has been started again") || !strings.Contains(trouble.Hint, "Set it.") {
		t.Errorf("it is said: %v", err)
	}
	answers("gone back")
	w.must(w.dir, "project", "list")
	w.oneOfEach()
	w.killAll() // what comes after the next start of the machine is the version that serves, too
	w.must(w.dir, "project", "list")
	answers("started again")
}

const servedHCL = `project = "%s"
app "web" {
  build {
    use "process" {}
  }
  deploy {
    use "process" {
      command = ["%s", "e2e-serve"]
    }
  }
}
`

// deployServed deploys this test binary as a web server and returns the project's directory and the app's address. The name
// is the test's own: a stable port that is free for a moment would be taken by another project of that name.
func (w *world) deployServed(name string) (dir, at string) {
	w.t.Helper()
	dir = filepath.Join(w.dir, "p")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "waypoint.hcl"), fmt.Appendf(nil, servedHCL, name, os.Args[0]), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.must(dir, "init")
	out := w.must(dir, "up")
	_, at, _ = strings.Cut(out, "Release URL:")
	at, _, _ = strings.Cut(strings.TrimSpace(at), "\n")
	if !strings.HasPrefix(at, "http://127.0.0.1:") {
		w.t.Fatalf("no address in\n%s", out)
	}
	return dir, at
}

// body is what an address answers; "" if it does not.
func body(at string) string {
	c := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get(at)
	if err != nil {
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

// What runs on this machine comes back with the next command after a reboot: server, runner, apps with their configuration
// and their token, and stable ports.
func TestEverythingComesBackAfterAReboot(t *testing.T) {
	t.Parallel()
	w := installWorld(t)
	w.installAtOnce(1)
	dir, at := w.deployServed("reboot")
	w.must(dir, "config", "set", "COLOUR=green")
	for n := range rounds(2) {
		w.killAll()
		if got := body(at); got != "" {
			t.Fatalf("something still answers: %q", got)
		}
		w.waitFor(fmt.Sprintf("the app after reboot %d", n), patience, func() error {
			if out := w.must(dir, "status"); !strings.Contains(out, "ready") {
				return errors.New(out)
			}
			if got := body(at); got != "colour green" { // the configuration needs the token
				return fmt.Errorf("the app answers %q", got)
			}
			return nil
		})
		w.oneOfEach()
	}
	for pid, line := range w.processes() {
		if strings.Contains(line, "supervise") {
			b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
			if err != nil {
				t.Fatal(err)
			}
			_, token, ok := strings.Cut(string(b), "WAYPOINT_ENTRYPOINT_TOKEN=")
			token, _, _ = strings.Cut(token, "\x00")
			if !ok || len(token) < 20 {
				t.Fatalf("the supervisor has no token")
			}
			w.nowhereOnDisk(token)
		}
	}
}

// nowhereOnDisk fails the test if a file of the world has the text.
func (w *world) nowhereOnDisk(secret string) {
	w.t.Helper()
	_ = filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // what is gone by now holds nothing
		}
		if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte(secret)) {
			w.t.Errorf("%s has the entrypoint's token", path)
		}
		return nil
	})
}

func TestStatusNeverCallsReadyWhatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := installWorld(t)
	w.installAtOnce(1)
	dir, at := w.deployServed("answers")
	end := func(what string) {
		t.Helper()
		found := false
		for pid, line := range w.processes() {
			if strings.Contains(line, what) {
				found = true
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if !found {
			t.Fatalf("there is no %s", what)
		}
		w.waitFor("its end", time.Minute, func() error {
			if got := body(at); got == "colour " {
				return errors.New("it still answers")
			}
			return nil
		})
	}
	end("plugin-proxy proxy")
	if out := w.must(dir, "status"); strings.Contains(out, "ready") || !strings.Contains(out, "down") {
		t.Errorf("without its stable port:\n%s", out)
	}
	w.must(dir, "release") // of what is released already
	if got := body(at); got != "colour " {
		t.Errorf("after the release the port answers %q", got)
	}
	end("plugin-proxy supervise")
	if out := w.must(dir, "status"); strings.Contains(out, "ready") || !strings.Contains(out, "down") {
		t.Errorf("without its process:\n%s", out)
	}
	if out := w.must(dir, "status", "--json"); !strings.Contains(out, `"health": "down"`) || !strings.Contains(out, "Nothing answers at "+at) {
		t.Errorf("without its process:\n%s", out)
	}
}

func TestADamagedDataFileAndAMissingTemporaryDirectory(t *testing.T) {
	t.Parallel()
	w := installWorld(t)
	w.extra = []string{"TMPDIR=" + filepath.Join(w.dir, "missing")}
	w.installAtOnce(1)
	w.must(w.dir, "uninstall", "--platform=local")
	data := filepath.Join(w.data(), "data.db")
	content, err := os.ReadFile(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(data, content[:len(content)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := w.waypoint(w.dir, "install", "--platform=local")
	if err == nil || !strings.Contains(out, "is damaged") || !strings.Contains(out, "backup") || strings.Count(out, "Error:") != 1 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestDoctorCountsAllRunnersButCLIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startServer()
	w.startRunner("standing") // the first of its page would be a CLI's
	for n := range 120 {
		id := fmt.Sprintf("00000000000000000000000%03d", n) // before all others
		if _, err := w.client().Agent.Register(t.Context(), connect.NewRequest(&waypointv1.RegisterRequest{
			RunnerId: id, Name: "cli", Kind: waypointv1.RunnerKind_RUNNER_KIND_CLI, Concurrency: 1, Version: "dev",
		})); err != nil {
			t.Fatal(err)
		}
	}
	if out := w.must(w.dir, "doctor"); !strings.Contains(out, "1 online") {
		t.Errorf("doctor says\n%s", out)
	}
}
