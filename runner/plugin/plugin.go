// Package plugin is version 1 of the contract between the runner and its plugins: what a component gets for a call (Env,
// which is data, and Host, which offers services), one small interface for each kind of component, and the optional
// interfaces that a component may have besides. The comment of each method is its contract; the suite in
// plugin/plugintest checks it for every plugin, over both transports.
//
// A plugin is a folder below runner/plugins. It is configured by a documented struct with hcl tags, from which the
// reference documentation is made. The same plugin works in the runner's process and in another one (runner/pluginpipe),
// so it uses nothing but what it is given: it talks to its platform and to the Host, never to the server, and it keeps
// nothing in memory from one call to the next. What it must remember is the state that it returns.
//
// # Rules for every method
//
// Time: a method returns within a few seconds after its ctx ends, and returns the cause of ctx (context.Cause) or an error
// that wraps it. It starts nothing that lasts beyond its return, apart from what it was asked to deploy.
//
// Repeats: the runner can be killed at any moment, and the same call is then made again by another attempt, with the same
// ids. The comment of each method states if a repeat is harmless.
//
// Retries: the lifecycle decides whether a call is repeated. A plugin retries by itself only where its platform asks it to
// slow down (throttling), and only while ctx lasts.
//
// Errors: an *Error says what failed and what to do next. Every error is final for this call, apart from ctx's cause and
// ErrProcessLost, after which a repeatable step is run again.
//
// State: what a component returns as Result.State is its own JSON of at most MaxState bytes, holds no secret, and is all
// that later calls get.
//
// Output: everything for people goes through Host.UI, and everything for operators through Host.Logger. A plugin never
// writes to the standard output of its process. Values that must not be shown are added to Host.Secrets first.
//
// The package imports the redactor and nothing else of ours. It starts nothing and reads nothing but, in AppEnviron, the
// environment of the process.
package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// MaxState is how large the state of a record may be, in bytes of JSON. A record is one item of at most 350 KB that also
// holds resources and template values; states of this size leave room for both, and listing 200 records stays cheap.
const MaxState = 64 << 10

// Component is what every kind has in common.
type Component interface {
	// Config returns a pointer to the component's configuration struct (hcl tags), which must survive encoding/json. The
	// runner decodes the body of `use` into it before any other call. nil: the component takes no configuration.
	Config() any
}

// A Proxy is a component that stands for one in another process. Which optional interfaces it has is known at run time
// alone, so As asks it.
type Proxy interface {
	Component
	// Start makes sure that the other process runs and serves the component. The catalog calls it before it hands the
	// component out; it returns within 10 s.
	Start() error
	// As sets target, a pointer to an interface of this package, and reports whether the component has that interface.
	As(target any) bool
}

// As returns the component as one of the optional interfaces, and reports whether it has it. It replaces the type
// assertion, which cannot tell what a component in another process has.
func As[T any](c Component) (T, bool) {
	if p, ok := c.(Proxy); ok {
		var t T
		ok := p.As(&t)
		return t, ok
	}
	t, ok := c.(T)
	return t, ok
}

// Result is what a build or push made.
type Result struct {
	// State is the component's own JSON, given back to it later: at most MaxState bytes, and no secret.
	State any
	// Template is what waypoint.hcl sees as artifact.* (or deploy.* of a deployment).
	Template map[string]any
	// Labels are merged into the record's labels.
	Labels map[string]string
	// Digest is that of the content, such as a registry's "sha256:…": equal digests are the same content, whatever names it
	// has. Empty: it is not known, and what is made of the result is never taken for unchanged.
	Digest string
	// Portable reports whether another machine can use the result: an image in a registry can be used, a directory cannot.
	Portable bool
}

// MarshalState encodes the state and refuses one that is too large, naming the plugin and the size.
func (r *Result) MarshalState(plugin string) (json.RawMessage, error) {
	state, err := json.Marshal(r.State)
	if err != nil {
		return nil, fmt.Errorf("encoding the state of the plugin %q: %w", plugin, err)
	}
	if len(state) > MaxState {
		return nil, &Error{
			Message: fmt.Sprintf("the state of the plugin %q has %d bytes; at most %d can be stored", plugin, len(state), MaxState),
			Hint:    "This is a bug in the plugin: its state may hold only what it needs to find again what it made.",
		}
	}
	return state, nil
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

// DeployRequest is what a platform deploys.
type DeployRequest struct {
	Artifact *Artifact
	// DeploymentID is a ULID that exists before the call, and is also in Env; a retry after a lost runner passes the same
	// one, so that it can serve as the platform's idempotency token.
	DeploymentID string
	Sequence     int64
	// EntrypointEnv is what the entrypoint inside the app requires: WAYPOINT_… variables, a token among them. It must
	// reach the app and nothing else.
	EntrypointEnv map[string]string
}

// DeployResult is what a platform made.
type DeployResult struct {
	Result
	URL       string
	Resources []Resource
}

// Deployment is a deployment as later calls get it.
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

// Release is a release as later calls get it.
type Release struct {
	ID    string
	State json.RawMessage
	URL   string
	// DeploymentID that it points to.
	DeploymentID string
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

// Resource is one thing that a platform made. It is for display alone.
type Resource struct {
	ID, ParentID, Name, Type, Platform, PlatformURL string
	Health                                          Health
	HealthMessage                                   string
	State                                           any
	Created                                         time.Time
}

// ErrProcessLost means that the process that served the component ended during the call. What the call had made until then
// may be there. The lifecycle runs a repeatable step again, in a new process.
var ErrProcessLost = errors.New("the plugin's process ended during the call")

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

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }
