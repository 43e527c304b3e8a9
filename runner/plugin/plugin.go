// Package plugin says what a plugin is: small interfaces, one for each kind of component, and a catalog
// of those that a runner has.
//
// A plugin is one folder below this one. It is configured by a documented struct with hcl tags, which also
// produces the reference documentation. A plugin talks to its platform and to the UI that it is given,
// never to the server. A plugin keeps nothing between calls but what it returns as State.
package plugin

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/redact"
)

// Component is what every kind has in common.
type Component interface {
	// Config returns a pointer to the component's configuration struct (hcl tags). The runner decodes the
	// body of `use` into it before any other call. nil: the component takes no configuration.
	Config() any
}

// Env is the surroundings of one call.
type Env struct {
	UI     UI
	Logger *slog.Logger

	Project, App, Workspace string
	JobID                   string
	// Merged labels of the stage.
	Labels map[string]string
	// Environ is the environment, "NAME=value", for commands that the component starts: the runner's own with the
	// configuration that is set for runners, without the runner's credentials for the server. nil: os.Environ.
	Environ []string
	// AppEnviron is the environment that a process of an app on the runner's machine begins with (see the function
	// AppEnviron): what the runner has, or what is configured for it, is not for apps. It is read with AppBase.
	AppEnviron []string
	// Secrets are the job's sensitive values. UI and Logger hide them, and so does everything that is made of what the
	// component returns; a component adds what it gets to know itself, such as a password from a credential helper. nil:
	// there are none.
	Secrets *redact.Secrets

	// Dir is the app's directory (path.app), ProjectDir the project's (path.project).
	Dir, ProjectDir string
	// TempDir is removed when the operation ends.
	TempDir string
	// StateDir is a directory on this machine that outlives jobs; for plugins whose platform is this machine.
	StateDir string
	// Entrypoint is the path of a waypoint-entrypoint binary for this machine; empty if there is none.
	Entrypoint string

	// LocalServer is set if the server is on this machine and its address is good for processes of this machine only.
	LocalServer LocalServer
	// ServerID asks the server for its id; nil: unknown. Fences of different servers cannot be compared.
	ServerID func(ctx context.Context) (string, error)

	// LaneFence grows with every claim on the app's lane. A platform that can compare it refuses a smaller one.
	LaneFence int64
}

// LocalServer is a server on the runner's machine, which an app in a container reaches only through a door.
type LocalServer interface {
	// OpenDoor makes the server reachable at an IP address of this machine, by HTTPS on that port, until CloseDoor. Twice
	// is once. The entrypoint recognises the server's key by the pin (WAYPOINT_SERVER_TLS_PIN).
	OpenDoor(ctx context.Context, address string) (port int, pin string, err error)
	CloseDoor(ctx context.Context, address string) error
}

// Sealer is a LocalServer that seals what must outlive its processes on this machine and may not stand on a disk in the
// clear: with a key of its own, so that whoever has only the runner's files cannot read it.
type Sealer interface {
	// Seal encrypts; Unseal decrypts what was sealed under the same name by the same server.
	Seal(ctx context.Context, name string, plain []byte) (sealed []byte, err error)
	Unseal(ctx context.Context, name string, sealed []byte) (plain []byte, err error)
}

// Result is what a build or push made.
type Result struct {
	// State is the component's own JSON, given back to it later. It must hold no secret.
	State any
	// Template is what waypoint.hcl sees as artifact.* (or deploy.* of a deployment).
	Template map[string]any
	// Labels are merged into the record's labels.
	Labels map[string]string
	// Portable says whether another machine can use it: an image in a registry can, a directory cannot.
	Portable bool
}

// Artifact is a Result as later stages get it.
type Artifact struct {
	// ID and Sequence of the record; Plugin that made it.
	ID       string
	Sequence int64
	Plugin   string
	State    json.RawMessage
	Template map[string]any
	Portable bool
}

// Builder makes an artifact from the app's source. A build is always re-runnable.
type Builder interface {
	Component
	Build(ctx context.Context, env *Env) (*Result, error)
}

// Registry stores what a builder made where platforms can get it. A push is always re-runnable.
type Registry interface {
	Component
	Push(ctx context.Context, env *Env, artifact *Artifact) (*Result, error)
}

// DeployRequest is what a platform deploys.
type DeployRequest struct {
	Artifact *Artifact
	// DeploymentID is a ULID made before the call; a retry after a lost runner passes the same one, so that
	// it can serve as the platform's idempotency token.
	DeploymentID string
	Sequence     int64
	// EntrypointEnv is what the entrypoint inside the app needs: WAYPOINT_… variables, a token among them.
	// It must reach the app and nothing else.
	EntrypointEnv map[string]string
}

// DeployResult is what a platform made.
type DeployResult struct {
	Result
	URL       string
	Resources []Resource
}

// Platform runs artifacts.
type Platform interface {
	Component
	Deploy(ctx context.Context, env *Env, req *DeployRequest) (*DeployResult, error)
}

// Deployment is a deployment as later stages get it.
type Deployment struct {
	ID         string
	Sequence   int64
	Generation string
	Plugin     string
	State      json.RawMessage
	Template   map[string]any
	URL        string
}

// ReleaseResult is what a releaser made.
type ReleaseResult struct {
	Result
	URL       string
	Resources []Resource
}

// Releaser sends traffic to a deployment. It must keep the old release serving until the new one is healthy.
type Releaser interface {
	Component
	Release(ctx context.Context, env *Env, target *Deployment) (*ReleaseResult, error)
}

// Release is a release as later calls get it.
type Release struct {
	ID    string
	State json.RawMessage
	URL   string
	// DeploymentID that it points to.
	DeploymentID string
}

// The interfaces below are optional; a component implements those that it can.

// RerunnableDeployer is a Platform whose Deploy may be run again with the same DeploymentID after an attempt
// was cut short: it finds what the first made.
type RerunnableDeployer interface{ DeployRerunnable() bool }

// RerunnableReleaser is a Releaser whose Release may be run again after an attempt was cut short.
type RerunnableReleaser interface{ ReleaseRerunnable() bool }

// Generation is a Platform that replaces a deployment in place: equal generations are one running thing.
type Generation interface {
	Generation(ctx context.Context, env *Env) (string, error)
}

// DefaultReleaser is a Platform that brings its own releaser for apps without a release stanza.
type DefaultReleaser interface{ DefaultReleaser() Releaser }

// DeploymentDestroyer is a Platform that can remove a deployment. Removing what is gone already succeeds. A deploy that was cut
// short has no State, URL or Template: whatever it made is found by the deployment's ID, so a platform names or labels with the
// ID all that it makes, from the first call on.
type DeploymentDestroyer interface {
	DestroyDeployment(ctx context.Context, env *Env, d *Deployment) error
}

// ReleaseDestroyer is a Releaser that can remove a release. Removing what is gone already succeeds.
type ReleaseDestroyer interface {
	DestroyRelease(ctx context.Context, env *Env, r *Release) error
}

// WorkspaceDestroyer removes what is shared by all deployments of the app in the workspace, and what is left of any. A Builder
// that is one removes what it keeps of its builds; it is called without configuration, and so is a Platform of which no
// deployment is recorded.
type WorkspaceDestroyer interface {
	DestroyWorkspace(ctx context.Context, env *Env) error
}

// DeploymentStatus is a Platform that can say how a deployment is.
type DeploymentStatus interface {
	DeploymentStatus(ctx context.Context, env *Env, d *Deployment) (*Status, error)
}

// ReleaseStatus is a Releaser that can say how a release is.
type ReleaseStatus interface {
	ReleaseStatus(ctx context.Context, env *Env, r *Release) (*Status, error)
}

// DeploymentLogs is a Platform that keeps what an app prints which has no entrypoint to send it. It is called without
// configuration, by whoever wants to read.
type DeploymentLogs interface {
	// OwnLogs says whether that is so of a deployment; otherwise the server has its logs.
	OwnLogs(d *Deployment) bool
	// DeploymentLogs gives the last lines (all for lines < 0), and with follow those that come until ctx or the app ends,
	// in their order.
	DeploymentLogs(ctx context.Context, env *Env, d *Deployment, lines int, follow bool, show func(LogLine)) error
}

// LogLine is a line that an app printed.
type LogLine struct {
	Time   time.Time
	Text   string
	Stderr bool
}

// Status is a health report.
type Status struct {
	Health    Health
	Message   string
	Resources []Resource
}

// Health of a thing, as in Waypoint.
type Health string

// Health values, best first.
const (
	Ready   Health = "ready"
	Alive   Health = "alive"
	Partial Health = "partial"
	Down    Health = "down"
	Missing Health = "missing"
	Unknown Health = "unknown"
)

// Resource is one thing that a platform made.
type Resource struct {
	ID, ParentID, Name, Type, Platform, PlatformURL string
	Health                                          Health
	HealthMessage                                   string
	State                                           any
	Created                                         time.Time
}

// Style of a line.
type Style int

// Styles.
const (
	Plain Style = iota
	Header
	Info
	Warning
	Failure
	Success
	Dim
)

// UI is where a component shows what it does. It is safe for concurrent use.
type UI interface {
	Line(style Style, format string, args ...any)
	// Step starts a step; it must be ended with Done or Fail.
	Step(format string, args ...any) Step
	Table(headers []string, rows [][]string)
	NamedValues(pairs ...[2]string)
	// Stdout and Stderr take what commands print, in any pieces; nothing written is lost.
	Stdout() io.Writer
	Stderr() io.Writer
}

// Step is one step that a UI shows.
type Step interface {
	Update(format string, args ...any)
	// Output is shown under the step.
	Output() io.Writer
	// Done ends the step; an empty format keeps the text.
	Done(format string, args ...any)
	Fail(format string, args ...any)
}

// Error is a failure that a person can act on.
type Error struct {
	Message string
	Hint    string
	Cause   error
}

func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }
