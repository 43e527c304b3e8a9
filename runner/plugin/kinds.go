package plugin

import (
	"context"
	"encoding/json"
)

// Builder makes an artifact from the app's source.
type Builder interface {
	Component
	// Build has made the artifact when it returns. When ctx ends it may leave behind what a next build of the same app
	// reuses or replaces (caches, half-written files below Env.TempDir, an untagged image), and nothing that grows with
	// every try. A repeat is always harmless: it builds again, and the newest result counts.
	Build(ctx context.Context, call *Call) (*Result, error)
}

// Registry stores what a builder made where platforms can get it.
type Registry interface {
	Component
	// Push has stored the artifact completely when it returns: whoever reads its destination sees the old content or the
	// new one, never a mixture. When ctx ends, the destination is unchanged or complete; what was uploaded in part may
	// remain where the registry collects it. A repeat is always harmless.
	Push(ctx context.Context, call *Call, artifact *Artifact) (*Result, error)
}

// Platform runs artifacts.
type Platform interface {
	Component
	// Deploy has started the artifact, and it is healthy as far as the platform can tell, when it returns without an
	// error. Whatever it makes carries the deployment's id (a tag, a label, a name or a directory made of it) from the
	// first call to the platform on: a Deploy that ctx, an error or a kill cut short may leave all of that behind, and
	// DestroyDeployment finds it by the id alone. It sends no traffic to the deployment; Release does. A repeat with the
	// same id is harmless if the platform is a RerunnableDeployer; otherwise the lifecycle makes none.
	Deploy(ctx context.Context, call *Call, req *DeployRequest) (*DeployResult, error)
}

// Releaser sends traffic to a deployment.
type Releaser interface {
	Component
	// Release has moved the traffic to the deployment when it returns. Until the deployment answers, and whenever Release
	// fails or ctx ends before, the release of before keeps serving. A repeat is harmless if the releaser is a
	// RerunnableReleaser; otherwise the lifecycle makes none.
	Release(ctx context.Context, call *Call, target *Deployment) (*ReleaseResult, error)
}

// TaskLauncher starts tasks that run once and end, such as a runner made for one job.
type TaskLauncher interface {
	Component
	// StartTask has started the task when it returns, and does not wait for its end. Everything that it makes carries
	// TaskRequest.ID, so that StopTask removes what a cut StartTask left. A repeat with the same id starts no second task.
	StartTask(ctx context.Context, call *Call, req *TaskRequest) (*Result, error)
	// WatchTask passes on what the task prints, in order, and returns how the task ended; it waits for that as long as
	// ctx lasts. It changes nothing, so a repeat is harmless; it may show lines again.
	WatchTask(ctx context.Context, call *Call, t *Task, show func(LogLine)) (*TaskResult, error)
	// StopTask has ended the task and removed what was made for it when it returns. Stopping a task that has ended, is
	// gone, or of which only the ID is known, succeeds. A repeat is harmless.
	StopTask(ctx context.Context, call *Call, t *Task) error
}

// TaskRequest is a task to start.
type TaskRequest struct {
	// ID is a ULID that exists before the call.
	ID string
	// Image to run; empty: the one in the launcher's configuration.
	Image string
	// Command and its environment, which can hold a token: it must reach the task and nothing else.
	Command []string
	Environ map[string]string
}

// Task is a task as later calls get it. State is empty if StartTask was cut short.
type Task struct {
	ID    string
	State json.RawMessage
}

// TaskResult says how a task ended.
type TaskResult struct {
	ExitCode int
}

// ConfigSourcer reads configuration values from where they are kept, such as a vault. Its Config is what is set for the
// source (waypoint config source-set).
type ConfigSourcer interface {
	Component
	// ReadValues returns one value for each request, in order; a value that cannot be read has an Err of its own, and an
	// error of ReadValues says that none could be. It changes nothing, so a repeat is harmless. Values are secret: they
	// are returned and neither shown nor logged.
	ReadValues(ctx context.Context, call *Call, requests []ValueRequest) ([]Value, error)
}

// ValueRequest is one value to read.
type ValueRequest struct {
	// Name of the variable that the value is for.
	Name string
	// Config is what dynamic("name", {…}) was given, as a JSON object.
	Config json.RawMessage
}

// Value is what was read for a request.
type Value struct {
	Name, Value string
	// Err says why the value could not be read; nil: it was read.
	Err error
}
