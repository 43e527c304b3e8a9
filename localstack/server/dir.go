package server

import (
	"fmt"
	"os"
	"path/filepath"
)

// Environment variables that `install` hands to the processes that it starts.
const (
	// EnvDir overrides DefaultDir.
	EnvDir = "WAYPOINT_LOCAL_DIR"
	// envLog names the file that the output of a process in the background goes to; it keeps that file small.
	envLog = "WAYPOINT_LOCAL_LOG"
	// EnvRunner is set for the runner that `install` starts: it then holds the directory's runner lock.
	EnvRunner = "WAYPOINT_LOCAL_RUNNER"
)

// defaultListen is where browsers, containers and curl find the API.
const defaultListen = "127.0.0.1:9701"

// DefaultDir is the local server's data directory: $WAYPOINT_LOCAL_DIR, or waypoint/local below
// $XDG_STATE_HOME (~/.local/state).
func DefaultDir() (string, error) {
	if dir := os.Getenv(EnvDir); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "waypoint", "local"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding your home directory: %w", err)
	}
	return filepath.Join(home, ".local", "state", "waypoint", "local"), nil
}

// dir is a data directory; its methods name what is inside.
type dir string

func (d dir) file(name string) string { return filepath.Join(string(d), name) }

func (d dir) data() string     { return d.file("data.db") }
func (d dir) keys() string     { return d.file("keys.json") }
func (d dir) settings() string { return d.file("settings.json") }

// formerSettings are those of an installation that was removed; its data is still here.
func (d dir) formerSettings() string { return d.file("settings.removed.json") }

// installLock is held by whoever changes what runs.
func (d dir) installLock() string { return d.file("install.lock") }

// installedBinary is a copy of the program that runs, where the system keeps none.
func (d dir) installedBinary() string { return d.file("waypoint-installed" + executableSuffix) }

// formerBinary is the program that ran before an upgrade.
func (d dir) formerBinary() string  { return d.file("waypoint-before" + executableSuffix) }
func (d dir) adminToken() string    { return d.file("admin-token") }
func (d dir) runnerToken() string   { return d.file("runner-token") }
func (d dir) serverLock() string    { return d.file("server.lock") }
func (d dir) serverPIDFile() string { return d.file("server.pid") }
func (d dir) serverLog() string     { return d.file("server.log") }
func (d dir) runnerLock() string    { return d.file("runner.lock") }
func (d dir) runnerPIDFile() string { return d.file("runner.pid") }

// runnerReady holds the number of a runner that has brought back what ran on this machine.
func (d dir) runnerReady() string { return d.file("runner.ready") }

func (d dir) runnerLog() string    { return d.file("runner.log") }
func (d dir) listeners() string    { return d.file("doors.json") }
func (d dir) containerKey() string { return d.file("door-key.pem") }
func (d dir) run() string          { return d.file("run") }
func (d dir) apiSocket() string    { return filepath.Join(d.run(), "api.sock") }
func (d dir) sqsSocket() string    { return filepath.Join(d.run(), "sqs.sock") }

// make creates the directories, closed to everybody else: a socket is reachable by whoever may enter its directory.
func (d dir) make() error {
	for _, path := range []string{string(d), d.run()} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("making the data directory: %w", err)
		}
		if err := os.Chmod(path, 0o700); err != nil {
			return fmt.Errorf("closing the data directory to others: %w", err)
		}
	}
	// The kernel's limit on a socket's path is 108 bytes, 104 on macOS.
	if n := len(d.apiSocket()); n > 103 {
		return fmt.Errorf("the data directory's path is too long for a socket (%d bytes, at most 103): set %s to a shorter one", n, EnvDir)
	}
	return nil
}

// Address is how the API is reached on this machine.
func Address(dataDir string) string { return "unix://" + dir(dataDir).apiSocket() }
