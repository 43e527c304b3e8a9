package plugin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"

	"github.com/waypoint-serverless/waypoint/runner/redact"
)

// Call is what a component gets for one call: its surroundings as data, and the services of the runner. A component uses
// it until it returns.
type Call struct {
	Env
	Host
}

// Env is the surroundings of one call. It is plain data: encoding/json carries it to another process and back unchanged.
type Env struct {
	Project, App, Workspace string
	// JobID and Attempt of the job that the call belongs to.
	JobID   string
	Attempt int32
	// LaneFence grows with every claim on the app's lane. A platform that can compare it refuses a smaller one.
	LaneFence int64
	// DeploymentID is the deployment that the call makes, releases, reads or removes; empty if it is about none.
	DeploymentID string
	// Labels of the stage, merged.
	Labels map[string]string

	// Environ is the environment, "NAME=value", for commands that the component starts: the runner's own with the
	// configuration that is set for runners, without the runner's credentials for the server. nil: os.Environ.
	Environ []string
	// AppEnviron is the environment that a process of an app on the runner's machine begins with (see the function
	// AppEnviron): what the runner has, or what is configured for it, is not for apps. It is read with AppBase.
	AppEnviron []string
	// Sensitive are the values that must not be shown, as they are known when the call begins. Host.Secrets has them too.
	Sensitive []string

	// Dir is the app's directory (path.app), ProjectDir the project's (path.project).
	Dir, ProjectDir string
	// TempDir is removed when the operation ends.
	TempDir string
	// StateDir is a directory on this machine that outlives jobs; for plugins whose platform is this machine.
	StateDir string
	// Entrypoint is the path of a waypoint-entrypoint binary for this machine; empty if there is none. The settings that
	// it requires come with each DeployRequest.
	Entrypoint string
}

// LogValue keeps the environment and the sensitive values out of a log that is handed an Env.
func (e Env) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("project", e.Project), slog.String("app", e.App), slog.String("workspace", e.Workspace),
		slog.String("job", e.JobID), slog.Int("attempt", int(e.Attempt)), slog.String("deployment", e.DeploymentID),
	)
}

// Host is the services that the runner offers to a component during a call. Over a pipe each is a call back to the
// runner. All of them are safe for concurrent use.
type Host struct {
	// UI is where the component shows people what it does.
	UI UI
	// Logger is for operators.
	Logger *slog.Logger
	// Secrets are the job's sensitive values. UI and Logger hide them, and so does everything that is made of what the
	// component returns; a component adds what it gets to know itself, such as a password from a credential helper,
	// before it shows anything that could hold it. nil: there are none.
	Secrets *redact.Secrets
	// LocalServer is set if the server is on this machine and its address is good for processes of this machine only.
	LocalServer LocalServer
	// Sealer is set if the server on this machine can seal what must outlive its processes.
	Sealer Sealer
	// ServerID asks the server for its id; nil: unknown. Fences of different servers cannot be compared.
	ServerID func(ctx context.Context) (string, error)
	// Credential asks the runner for a credential that it holds for the job; nil: it holds none.
	Credential func(ctx context.Context, req CredentialRequest) (Credential, error)
}

// LocalServer is a server on the runner's machine, which an app in a container reaches only through a listener for
// containers.
type LocalServer interface {
	// OpenListener makes the server reachable at an IP address of this machine, by HTTPS on the port that it returns,
	// until CloseListener. The entrypoint recognises the server's key by the pin (WAYPOINT_SERVER_TLS_PIN). OpenListener
	// is idempotent.
	OpenListener(ctx context.Context, address string) (port int, pin string, err error)
	// CloseListener closes the listener at the address. Closing one that is not open succeeds.
	CloseListener(ctx context.Context, address string) error
}

// Sealer seals what must outlive its processes on this machine and may not be stored in clear text: with a key that only
// the server has, so that whoever has only the runner's files cannot read it.
type Sealer interface {
	// Seal encrypts; Unseal decrypts what was sealed under the same name by the same server.
	Seal(ctx context.Context, name string, plain []byte) (sealed []byte, err error)
	Unseal(ctx context.Context, name string, sealed []byte) (plain []byte, err error)
}

// CredentialRequest names a credential.
type CredentialRequest struct {
	// Kind of the credential: CredentialGit is the only one.
	Kind string
	// Address that it is to be sent to, as a URL. A credential is handed out for the scheme, host and port that it is
	// configured for, and for no others.
	Address string
}

// CredentialGit asks for the credential of the job's git source.
const CredentialGit = "git"

// Credential is a user name and a password or token. Host.Secrets has the password when the component gets it.
type Credential struct {
	Username, Password string
}

// ErrNoCredential means that the runner has no credential of that kind for that address.
var ErrNoCredential = errors.New("the runner has no credential for this address")

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
	// Done ends the step; an empty format keeps the text. The first Done or Fail counts.
	Done(format string, args ...any)
	Fail(format string, args ...any)
}

// ShowCommand is a command line as it may be shown: its program alone if an argument is sensitive.
func (c *Call) ShowCommand(args []string) string {
	if len(args) > 1 && c.Secrets.In(args...) {
		return args[0] + " …"
	}
	return strings.Join(args, " ")
}
