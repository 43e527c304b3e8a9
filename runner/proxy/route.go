// Package proxy gives the deployments of an app a stable loopback port: a small reverse proxy, a
// process of its own, whose target is switched without closing the listening socket or dropping a request.
//
// It is controlled through a Unix socket in its directory (0700) and keeps its route there, so that it can be
// killed and started again at any time. It compares the lane's fence: an operation that has been overtaken
// cannot move the route back. It listens on loopback only, and it is the platform's process, not the runner's.
package proxy

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/machine"
)

// Route is what a proxy is told and what it keeps on disk.
type Route struct {
	Project   string `json:"project"`
	App       string `json:"app"`
	Workspace string `json:"workspace"`
	// Port that the proxy listens on, on 127.0.0.1.
	Port int `json:"port"`
	// Target is the port of the deployment; 0: nothing is released. Host is where: empty for this machine.
	Target       int    `json:"target"`
	Host         string `json:"host,omitempty"`
	DeploymentID string `json:"deployment_id"`
	// Fence of the lane when the route was set. A smaller one is refused.
	Fence int64 `json:"fence"`
	// Server is the id of the server whose fence that is; empty in routes of older versions.
	Server  string    `json:"server,omitempty"`
	Updated time.Time `json:"updated"`
}

// Status is what a running proxy says of itself.
type Status struct {
	Route
	PID int `json:"pid"`
	// InFlight requests to the target.
	InFlight int64 `json:"in_flight"`
	// Draining are former targets that still answer requests.
	Draining []Draining `json:"draining,omitempty"`
}

// Draining is a former target.
type Draining struct {
	Target       int    `json:"target"`
	DeploymentID string `json:"deployment_id"`
	InFlight     int64  `json:"in_flight"`
}

// Reasons of a refusal.
const (
	StaleFence = "STALE_FENCE"
	PortInUse  = "PORT_IN_USE"
	failed     = "FAILED"
)

// Refusal is a proxy's no.
type Refusal struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

func (r *Refusal) Error() string { return r.Message }

// OtherServer reports whether two routes are of different servers, so that their fences say nothing of each other: one that
// begins again counts from 1. A route of an older version names none and gives way to one that does.
func OtherServer(current, next Route) bool { return next.Server != "" && current.Server != next.Server }

// decide reports whether a new route may take the place of the current one.
func decide(current, next Route) *Refusal {
	if next.Fence < current.Fence && !OtherServer(current, next) {
		return &Refusal{Reason: StaleFence, Message: fmt.Sprintf(
			"a newer operation (fence %d) has already set the route of %s; this one has fence %d", current.Fence, current.App, next.Fence)}
	}
	return nil
}

// socketNote names the directory of a control socket whose path would be too long.
func socketNote(dir string) string { return filepath.Join(dir, "socket-dir") }

func routeFile(dir string) string { return filepath.Join(dir, "route.json") }
func lockFile(dir string) string  { return filepath.Join(dir, "lock") }
func errorLog(dir string) string  { return filepath.Join(dir, "proxy.log") }

// ReadRoute reads the route that is kept in a proxy's directory; ok is false if there is none.
func ReadRoute(dir string) (r Route, ok bool, err error) {
	ok, err = machine.ReadJSON(routeFile(dir), &r)
	return r, ok, err
}

// WriteRoute keeps a route for the next start. Only who holds the proxy's place does it: the proxy itself, or the
// plugin before the first start.
func WriteRoute(dir string, r Route) error { return machine.WriteJSON(routeFile(dir), r) }

// maxSocketPath is what the systems allow (104 bytes on macOS, with the final zero).
const maxSocketPath = 103

// socketPath is where the control socket is: in the directory, or, if that path is too long for a socket, in a
// private directory under the system's temporary one that the directory names.
func socketPath(dir string) (string, error) {
	path := filepath.Join(dir, "control.sock")
	if len(path) <= maxSocketPath {
		return path, nil
	}
	note := socketNote(dir)
	if b, err := os.ReadFile(note); err == nil {
		if info, err := os.Lstat(string(b)); err == nil && info.IsDir() {
			return filepath.Join(string(b), "control.sock"), nil
		}
	}
	short, err := os.MkdirTemp("", "waypoint-proxy-") // 0700
	if err != nil {
		return "", err
	}
	if err := machine.WriteFile(note, []byte(short)); err != nil {
		return "", err
	}
	return filepath.Join(short, "control.sock"), nil
}
