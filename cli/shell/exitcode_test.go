package shell

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/cli/problem"
)

func TestExitCodes(t *testing.T) {
	away := connect.NewError(connect.CodeUnavailable, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")})
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"anything":                 {errors.New("x"), 1},
		"a failed job":             {problem.New("PLUGIN_FAILED", "the up of web failed"), 1},
		"a wrong flag":             {problem.New("USAGE", "unknown flag"), 2},
		"several apps":             {fmt.Errorf("deploying: %w", problem.New("APP_NEEDED", "which")), 2},
		"no server":                {problem.New("NO_SERVER", "none"), 4},
		"a server that is away":    {fmt.Errorf("reading: %w", away), 4},
		"a refused token":          {fault.New(connect.CodeUnauthenticated, fault.TokenExpired, "it expired"), 4},
		"no such project":          {fault.New(connect.CodeNotFound, fault.ProjectNotFound, "none"), 1},
		"two apps, one is refused": {errors.Join(errors.New("x"), fault.New(connect.CodeUnauthenticated, fault.TokenRevoked, "revoked")), 4},
	} {
		if got := codeOf(c.err); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
