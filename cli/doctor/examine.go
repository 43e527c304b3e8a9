package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/runner"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/internal/version"
	"github.com/waypoint-serverless/waypoint/localstack/server"
)

// examine checks a server that was not installed in an AWS account from here, and this machine. It starts nothing.
func examine(ctx context.Context, sh Host, s *shell.Server) (checks []infra.Check) {
	add := adder(&checks)
	here, c := projectHere(ctx, sh), (*client.Client)(nil)
	local := s.Platform == "local" && s.Dir != ""
	if !local || examineData(s.Dir, add) && examineProcesses(ctx, s, add) {
		c = examineServer(ctx, sh, s, local, add)
	}
	if c != nil {
		defer c.CloseIdle()
		if local { // its runner is on this machine, and so is what it runs
			here.addRegistered(ctx, c)
		}
	}
	examineMachine(ctx, sh, here, add)
	return checks
}

// adder returns a function that appends checks to a list. No address is shown with its user name and password.
func adder(checks *[]infra.Check) addCheck {
	return func(name, status, fix, format string, args ...any) {
		detail := withoutUserInfo(fmt.Sprintf(format, args...))
		*checks = append(*checks, infra.Check{Name: name, Status: status, Detail: detail, Fix: withoutUserInfo(fix)})
	}
}

// examineMachine checks what jobs require of this machine.
func examineMachine(ctx context.Context, sh Host, used uses, add addCheck) {
	examineSpace("temporary", os.TempDir(), "Free some disk space there, or set TMPDIR to a directory with more.", false, add)
	examineTools(ctx, sh, used, add)
}

// examineProcesses checks whether the local server and its runner run; false: the server does not.
func examineProcesses(ctx context.Context, s *shell.Server, add addCheck) bool {
	const fix = "The next command that needs it starts it; so does `waypoint install --platform=local`."
	state, err := server.StateOf(ctx, s.Dir)
	switch {
	case err != nil:
		r := shell.Explain(err, s)
		add("server", "failed", strings.ReplaceAll(r.Hint, "\n", " "), "%s", r.Message)
	case !state.Installed:
		add("server", "failed", "Run `waypoint install --platform=local`.", "no local server is installed in %s", s.Dir)
	case !state.Server:
		add("server", "warning", fix, "the local server is not running")
	case !state.Runner:
		add("server", "warning", fix, "the local server is running, but its runner is not")
		return true
	default:
		return true
	}
	return false
}

// examineServer checks a server's address, and what it says of itself. It returns a client if the server answers and
// accepts the token.
func examineServer(ctx context.Context, sh Host, s *shell.Server, local bool, add addCheck) *client.Client {
	c, err := sh.Probe(s.Context)
	if err != nil {
		add("address", "failed", "The address comes from "+s.From+".", "%v", err)
		return nil
	}
	began := time.Now()
	res, err := c.Server.GetServerInfo(ctx, connect.NewRequest(&waypointv1.GetServerInfoRequest{}))
	if err != nil {
		r := shell.Explain(err, s)
		add("address", "failed", r.Hint, "%s (the address comes from %s)", r.Message, s.From)
		c.CloseIdle()
		return nil
	}
	info := res.Msg
	add("address", "ok", "", "%s, from %s, answers after %s", s.Address, s.From, terminal.Duration(time.Since(began)))
	examineVersions(info, local, add)
	if at, err := time.Parse(time.RFC1123, res.Header().Get("Date")); err == nil {
		if off := time.Until(at).Abs(); off > time.Minute {
			add("clock", "warning", "Set this machine's clock, for example with NTP.", "this machine's clock differs from the server's by %s", off.Round(time.Second))
		} else {
			add("clock", "ok", "", "within a minute of the server's")
		}
	}
	if info.GetPrincipal() == nil {
		add("token", "failed", "Run `waypoint login`, or ask for a token: `waypoint token create`.", "the server does not accept the token")
		c.CloseIdle()
		return nil
	}
	add("token", "ok", "", "%s", info.GetPrincipal().GetName())
	examineRunners(ctx, sh, c, local, add)
	return c
}

// examineData checks the local server's directory; false: it cannot be read.
func examineData(dir string, add addCheck) bool {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		add("data", "failed", "Run `waypoint install --platform=local`.", "the directory %s cannot be read: %v", dir, err)
		return false
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		add("data", "warning", "chmod 700 "+dir, "others can read %s", dir)
	default:
		add("data", "ok", "", "%s, %s", dir, sizeOf(dir))
	}
	examineSpace("disk", dir, "Free some disk space: with a full disk the server refuses writes, but loses no data.", false, add)
	return true
}

type addCheck func(name, status, fix, format string, args ...any)

func examineVersions(info *waypointv1.GetServerInfoResponse, local bool, add addCheck) {
	here, there := version.Version(), info.GetVersion()
	fix := "Upgrade the older of the two."
	if local {
		fix = "Run `waypoint upgrade --platform=local`."
	}
	switch {
	case version.ProtocolCurrent < int(info.GetProtocolMinimum()) || version.ProtocolMinimum > int(info.GetProtocolCurrent()):
		add("versions", "failed", fix, "the server (%s) and this CLI (%s) are not compatible", there, here)
	case here != there:
		add("versions", "warning", fix, "the server is %s, this CLI %s; they are compatible", there, here)
	default:
		add("versions", "ok", "", "%s", here)
	}
}

func examineRunners(ctx context.Context, sh Host, c *client.Client, local bool, add addCheck) {
	runners, err := runner.ListRunners(ctx, c)
	if err != nil {
		r := shell.Explain(err, sh.Server())
		add("runners", "failed", r.Hint, "%s", r.Message)
		return
	}
	alive := 0 // CLIs run their own job and no other
	for _, r := range runners {
		if r.GetOnline() && r.GetKind() == waypointv1.RunnerKind_RUNNER_KIND_STANDING {
			alive++
		}
	}
	switch {
	case alive == 0 && local:
		add("runners", "failed", "Run `waypoint install --platform=local`.", "the local server's runner is gone")
	case alive == 0:
		add("runners", "warning", "Run `waypoint runner agent` where jobs with a git source should run, with a token of `waypoint token create NAME -kind runner -project PROJECT`.", "no runner is online: only local operations can run")
	default:
		add("runners", "ok", "", "%d online", alive)
	}
	if path, err := operation.Entrypoint(sh); err != nil || path == "" {
		add("entrypoint", "warning", "Put waypoint-entrypoint beside the waypoint binary, or use a release.", "apps that are deployed from this machine run without logs and configuration")
	} else {
		add("entrypoint", "ok", "", "%s", path)
	}
}

// sizeOf is the size of a directory's files, in words.
func sizeOf(dir string) string {
	total := int64(0)
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil // what cannot be read does not count
	})
	return fmt.Sprintf("%.1f MB", float64(total)/1e6)
}
