package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// unreachable says that no engine answers, so that whoever can do without one does.
type unreachable struct{ reason *plugin.Error }

func (u *unreachable) Error() string { return u.reason.Error() }
func (u *unreachable) Unwrap() error { return u.reason }

// explain turns what the engine, or the way to it, answered into one sentence and what to do. doing says what was
// tried. An error that nothing is known of keeps its own words.
func (e *engine) explain(doing string, err error) error {
	var known *plugin.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	}
	text := err.Error()
	refuse := func(hint, format string, args ...any) error {
		return &plugin.Error{Message: fmt.Sprintf(format, args...), Hint: hint}
	}
	switch {
	case errors.Is(err, fs.ErrPermission), strings.Contains(text, "permission denied while trying to connect"):
		return refuse("Run as a member of its group (sudo usermod -aG docker $USER, then log in again), or set DOCKER_HOST to an engine of your own.",
			"this user may not use the Docker engine at %s: permission denied", e.host)
	case errors.Is(err, syscall.ENOSPC), strings.Contains(text, "no space left on device"):
		return refuse("`docker system df` shows what uses it, `docker system prune` frees what nothing uses.",
			"%s: the disk of the Docker engine at %s is full", doing, e.host)
	case strings.Contains(text, "lient sent an HTTP request to an HTTPS server"):
		return refuse("Set cert_path in client_config, or DOCKER_CERT_PATH, to the directory with ca.pem, cert.pem and key.pem.",
			"the Docker engine at %s speaks TLS and no certificates are configured", e.host)
	case strings.Contains(text, "x509: ") || strings.Contains(text, "tls: "):
		if client.IsErrConnectionFailed(err) || strings.Contains(text, "error during connect") {
			return &plugin.Error{
				Message: fmt.Sprintf("the Docker engine at %s and this runner do not accept each other's certificates", e.host),
				Hint:    "Check ca.pem, cert.pem and key.pem in cert_path (or DOCKER_CERT_PATH).", Cause: err,
			}
		}
	case client.IsErrConnectionFailed(err), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return &unreachable{&plugin.Error{
			Message: "there is no Docker engine at " + e.host,
			Hint:    "Start Docker (sudo systemctl start docker, or Docker Desktop), or set DOCKER_HOST to an engine that runs.",
		}}
	case strings.Contains(text, "is too new") || strings.Contains(text, "is too old"):
		return &plugin.Error{
			Message: fmt.Sprintf("the Docker engine at %s and this runner speak different versions of its API", e.host),
			Hint:    "Leave api_version (or DOCKER_API_VERSION) unset, or update the engine.", Cause: err,
		}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// stoppedBy returns the cause of a context that has ended in place of what the engine's client made of it, which looks
// like an engine that does not answer.
func stoppedBy(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}
