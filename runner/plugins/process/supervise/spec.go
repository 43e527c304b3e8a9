// Package supervise keeps one deployed process running: it starts it, starts it again when it ends, keeps what
// it prints in a file of bounded size and reports its state in a file. It is a process of its own that outlives
// the runner; the process plugin starts and ends it and reads its files.
//
// It opens no socket. The environment that it passes on, which may hold secrets, is its own: it never writes it
// anywhere.
package supervise

import (
	"path/filepath"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/machine"
)

// Spec is what the plugin tells the supervisor, in a file of the deployment's directory.
type Spec struct {
	// Nonce is new with each attempt of a deploy: a supervisor that an earlier attempt started late finds another
	// one here and goes.
	Nonce string `json:"nonce"`
	// Command with the entrypoint before it.
	Command []string `json:"command"`
	// Dir is the app's working directory.
	Dir string `json:"dir"`
	// StopGrace is what the process has between SIGTERM and SIGKILL.
	StopGrace time.Duration `json:"stop_grace"`
	// NoRestart leaves a process that ended as it is.
	NoRestart bool `json:"no_restart,omitempty"`
}

// State of the supervised process.
type State string

// States.
const (
	Starting State = "starting"
	Running  State = "running"
	// Waiting: it ended and will be started again.
	Waiting State = "waiting"
	// Ended: it ended and will not be started again.
	Ended State = "ended"
	// Stopped: somebody asked for the end.
	Stopped State = "stopped"
)

// Status is what the supervisor says of itself and its process.
type Status struct {
	Supervisor machine.Process `json:"supervisor"`
	Nonce      string          `json:"nonce"`
	State      State           `json:"state"`
	// Process is the current one, or the last.
	Process  machine.Process `json:"process"`
	Started  time.Time       `json:"started"`
	Restarts int             `json:"restarts"`
	// Exits counts ends of the process; LastExit is the exit code of the last (128 + n: a signal), LastError why the
	// last start failed.
	Exits     int       `json:"exits"`
	LastExit  int       `json:"last_exit"`
	LastEnd   time.Time `json:"last_end"`
	LastError string    `json:"last_error,omitempty"`
}

// Files of a deployment's directory.
func specFile(dir string) string   { return filepath.Join(dir, "spec.json") }
func statusFile(dir string) string { return filepath.Join(dir, "status.json") }
func errorLog(dir string) string   { return filepath.Join(dir, "supervisor.log") }

// LogFile is where the output of the process is kept.
func LogFile(dir string) string { return filepath.Join(dir, "output.log") }

// LockFile is held by the supervisor as long as it lives. It stands beside the directory, which can be removed
// under the lock's protection.
func LockFile(dir string) string { return dir + ".lock" }

// WriteSpec writes the spec before the supervisor is started.
func WriteSpec(dir string, s Spec) error { return machine.WriteJSON(specFile(dir), s) }

// ReadSpec reads the spec; ok is false if there is none.
func ReadSpec(dir string) (s Spec, ok bool, err error) {
	ok, err = machine.ReadJSON(specFile(dir), &s)
	return s, ok, err
}

// ReadStatus reads the status; ok is false if there is none.
func ReadStatus(dir string) (s Status, ok bool, err error) {
	ok, err = machine.ReadJSON(statusFile(dir), &s)
	return s, ok, err
}

const (
	firstDelay = 250 * time.Millisecond
	lastDelay  = 30 * time.Second
	// steady is how long a process must have run for its next end to count as the first again.
	steady = 30 * time.Second
)

// nextDelay is the pause before the next start, from the pause before the last one and how long the process ran.
func nextDelay(last, ran time.Duration) time.Duration {
	if last == 0 || ran >= steady {
		return firstDelay
	}
	return min(2*last, lastDelay)
}
