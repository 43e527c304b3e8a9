package plugin

import (
	"context"
	"io"
	"time"
)

// The interfaces below are optional; a component has those that it can offer. Ask for one with As.

// RerunnableDeployer is a Platform whose Deploy may be run again with the same deployment id after an attempt was cut
// short: it finds what the first attempt made.
type RerunnableDeployer interface {
	// DeployRerunnable reports whether that holds with the configuration at hand. It decides at once and calls nobody.
	DeployRerunnable() bool
}

// RerunnableReleaser is a Releaser whose Release may be run again after an attempt was cut short.
type RerunnableReleaser interface {
	// ReleaseRerunnable reports whether that holds with the configuration at hand. It decides at once and calls nobody.
	ReleaseRerunnable() bool
}

// Generation is a Platform that replaces a deployment in place: deployments with equal generations are one running thing.
type Generation interface {
	// Generation returns the name of the running thing that a deploy with this configuration would replace or make. It
	// changes nothing, so a repeat is harmless.
	Generation(ctx context.Context, call *Call) (string, error)
}

// UnchangedDeployer is a Platform whose deployments are determined by what they are made of, so that an `up` that would
// make the same one again need not deploy. The lifecycle compares the artifact's digest, the settings, hooks and labels of
// all stages, the entrypoint, and the versions of the plugins; the platform adds what else there is.
type UnchangedDeployer interface {
	// DeployInputs returns what a deployment with this configuration is made of besides that. It changes nothing, so a
	// repeat is harmless.
	DeployInputs(ctx context.Context, call *Call) (*DeployInputs, error)
}

// DeployInputs are what a deployment is made of.
type DeployInputs struct {
	// Known is false where the configuration makes that unknowable: the app is then always deployed.
	Known bool
	// Values may be secret: they reach the server as part of one hash.
	Values []string
}

// DefaultReleaser is a Platform that brings its own releaser for apps without a release stanza.
type DefaultReleaser interface {
	// DefaultReleaser returns the releaser, configured. It decides at once and calls nobody.
	DefaultReleaser() Releaser
}

// DeploymentDestroyer is a Platform that can remove a deployment.
type DeploymentDestroyer interface {
	// DestroyDeployment has removed everything of the deployment when it returns, and nothing of another one. Of a deploy
	// that was cut short only the ID is known (State, URL and Template are empty), so what carries the id is what is
	// removed. Removing what is gone already succeeds. A repeat is harmless, also after ctx cut the first call short.
	DestroyDeployment(ctx context.Context, call *Call, d *Deployment) error
}

// ReleaseDestroyer is a Releaser that can remove a release.
type ReleaseDestroyer interface {
	// DestroyRelease has stopped the traffic and removed everything of the release when it returns. Removing what is gone
	// already succeeds. A repeat is harmless.
	DestroyRelease(ctx context.Context, call *Call, r *Release) error
}

// WorkspaceDestroyer removes what all deployments of the app in the workspace share.
type WorkspaceDestroyer interface {
	// DestroyWorkspace has removed what is shared, and what is left of any deployment, when it returns. A Builder removes
	// what it keeps of its builds. It is called without configuration for a builder, and for a platform of which no
	// deployment is recorded. Removing what is gone already succeeds. A repeat is harmless.
	DestroyWorkspace(ctx context.Context, call *Call) error
}

// DeploymentStatusReporter is a Platform that can report the health of a deployment.
type DeploymentStatusReporter interface {
	// DeploymentStatus returns the deployment's health as it is now. A deployment that is gone is Missing, which is
	// not an error. It changes nothing, so a repeat is harmless.
	DeploymentStatus(ctx context.Context, call *Call, d *Deployment) (*Status, error)
}

// ReleaseStatusReporter is a Releaser that can report the health of a release.
type ReleaseStatusReporter interface {
	// ReleaseStatus returns the release's health as it is now. A release that is gone is Missing, which is not an error. It
	// changes nothing, so a repeat is harmless.
	ReleaseStatus(ctx context.Context, call *Call, r *Release) (*Status, error)
}

// LogStreamer is a Platform that keeps what apps print which have no entrypoint to send it. It is called without
// configuration, by whoever reads logs.
type LogStreamer interface {
	// OwnLogs reports whether the platform has the logs of the deployment; otherwise the server has them. It decides from
	// the deployment's state at once and calls nobody.
	OwnLogs(d *Deployment) bool
	// DeploymentLogs passes on the last lines (all for lines < 0), and with follow those that come until ctx or the app
	// ends, in their order. It changes nothing, so a repeat is harmless.
	DeploymentLogs(ctx context.Context, call *Call, d *Deployment, lines int, follow bool, show func(LogLine)) error
}

// LogLine is a line that an app or a task printed.
type LogLine struct {
	Time   time.Time
	Text   string
	Stderr bool
}

// Execer is a Platform that can run a command beside a deployment's app.
type Execer interface {
	// Exec runs the command where the app runs and returns its exit code when it has ended and all its output has been
	// written. When ctx ends, the command is ended too. It is never repeated.
	Exec(ctx context.Context, call *Call, d *Deployment, session *ExecSession) (exitCode int, err error)
}

// ExecSession is one command and its streams.
type ExecSession struct {
	Command []string
	// Stdin ends when the user's input does; nil: the command reads nothing.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// TTY is the size of the terminal that the command gets; nil: it gets none.
	TTY *WindowSize
	// Resize brings new sizes; nil: the size stays.
	Resize <-chan WindowSize
}

// WindowSize is the size of a terminal in characters.
type WindowSize struct{ Rows, Columns uint16 }

// Authenticator is a component that can check its credentials for its platform, and help to get them.
type Authenticator interface {
	// ValidateAuth returns nil if the credentials at hand work, and an *Error that says what to do if they do not. It
	// changes nothing, so a repeat is harmless.
	ValidateAuth(ctx context.Context, call *Call) error
	// Authenticate makes working credentials, asking the user through the UI where it must, and stores them where the
	// platform's own tools look for them. A repeat replaces them.
	Authenticate(ctx context.Context, call *Call) error
}
