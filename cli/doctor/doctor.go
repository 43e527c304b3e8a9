package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/install"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/runner"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/internal/version"
	"github.com/waypoint-serverless/waypoint/localstack/server"
)

type options struct {
	install.AWSFlags
	platform string
	json     bool
}

// New makes the command doctor.
func New(sh Host) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check the server and what it depends on", Args: shell.ArgCount(0, 0),
		Long: `Checks everything that the server of the current context consists of and depends on, and prints what to do about each
problem. It starts the local server if that is installed but not running, and changes nothing
else. The exit code is 1 if something is broken; warnings do not change it.

For a server on AWS: credentials, clock, permissions, quotas, the stack, versions, the encryption key, table, queues, each
function, and the API. For others: the address, the token, versions, clock, runners, and on this machine the data directory,
the disk, git and Docker.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd, sh, o) },
	}
	o.AWSFlags.Register(cmd)
	cmd.Flags().StringVar(&o.platform, "platform", "", "aws: check an installation in an AWS account, whatever the context is")
	cmd.Flags().BoolVar(&o.json, "json", false, "print the checks as JSON")
	_ = cmd.RegisterFlagCompletionFunc("platform", cobra.FixedCompletions([]string{"aws", "local"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func run(cmd *cobra.Command, sh Host, o *options) error {
	ctx := cmd.Context()
	if o.platform != "" {
		if err := install.CheckPlatform(o.platform); err != nil {
			return err
		}
	}
	var checks []infra.Check
	s, err := sh.ChosenServer()
	onAWS := o.platform == "aws" || o.platform == "" && err == nil && s.AWS != nil
	if onAWS && err == nil && s.AWS != nil && !cmd.Flags().Changed("name") && !cmd.Flags().Changed("region") {
		o.Name, o.Region = s.AWS.Name, s.AWS.Region
		if o.Profile == "" && sh.Env().Get("AWS_PROFILE") == "" && sh.Env().Get("AWS_ACCESS_KEY_ID") == "" {
			o.Profile = s.AWS.Profile
		}
	}
	switch {
	case onAWS:
		options, end, err := o.Options(ctx, sh, true)
		if err != nil {
			return err
		}
		options.Expected = func(id infra.Identity) string {
			name, c, err := install.InstallationContext(sh, &o.AWSFlags)
			if err != nil || !install.LeadsTo(c, o.Name, id, aws.ToString(options.Config.BaseEndpoint)) {
				return ""
			}
			return name
		}
		options.Version, options.Progress = version.Version(), nil
		checks, err = infra.Doctor(ctx, options)
		end(err == nil)
		if err != nil {
			return err
		}
	case errors.Is(err, shell.ErrNoServer):
		return problem.New("NO_SERVER", "no Waypoint server is configured").
			WithHint("Run `waypoint install --platform=local` or `waypoint install --platform=aws` to install one, or `waypoint login ADDRESS` to use an existing one.")
	case err != nil:
		return err
	default:
		checks = examine(ctx, sh, s)
	}
	return showChecks(sh, checks, o.json)
}

// showChecks prints them; a check that failed is the command's failure.
func showChecks(sh Host, checks []infra.Check, json bool) error {
	failed := 0
	rows := make([]any, len(checks))
	color := sh.OutSetting().Color()
	styles := map[string]terminal.Style{"ok": terminal.Success, "warning": terminal.Warning, "failed": terminal.Failure}
	for n, c := range checks {
		if c.Status == "failed" {
			failed++
		}
		rows[n] = map[string]any{"name": c.Name, "status": c.Status, "detail": c.Detail, "fix": c.Fix}
		if json {
			continue
		}
		sh.Printf("%s  %-14s %s\n", terminal.Paint(fmt.Sprintf("%-7s", c.Status), styles[c.Status], color), c.Name, c.Detail)
		if c.Fix != "" {
			sh.Printf("         %-14s → %s\n", "", c.Fix)
		}
	}
	if json {
		if err := sh.PrintJSON(map[string]any{"ok": failed == 0, "checks": rows}); err != nil {
			return err
		}
	}
	if failed > 0 {
		return problem.ErrSilent
	}
	return nil
}

// examine looks at a server that was not installed in an AWS account from here.
func examine(ctx context.Context, sh Host, s *shell.Server) (checks []infra.Check) {
	add := func(name, status, fix, format string, args ...any) {
		checks = append(checks, infra.Check{Name: name, Status: status, Detail: fmt.Sprintf(format, args...), Fix: fix})
	}
	local := s.Platform == "local" && s.Dir != ""
	if local {
		if !examineData(s.Dir, add) {
			return checks
		}
		if started, err := server.EnsureRunning(ctx, s.Dir); err != nil {
			fix := "See the log in " + s.Dir + "."
			if r := shell.Explain(err, s); r.Hint != "" {
				fix = strings.ReplaceAll(r.Hint, "\n", " ")
			}
			add("server", "failed", fix, "%v", err)
			return checks
		} else if started {
			add("server", "ok", "", "it was not running, and has been started")
		}
	}
	c, err := sh.Probe(s.Context)
	if err != nil {
		add("address", "failed", "The address comes from "+s.From+".", "%v", err)
		return checks
	}
	defer c.CloseIdle()
	began := time.Now()
	res, err := c.Server.GetServerInfo(ctx, connect.NewRequest(&waypointv1.GetServerInfoRequest{}))
	if err != nil {
		r := shell.Explain(err, s)
		add("address", "failed", r.Hint, "%s (the address comes from %s)", r.Message, s.From)
		return checks
	}
	info := res.Msg
	add("address", "ok", "", "%s, from %s, answers after %s", s.Address, s.From, terminal.Duration(time.Since(began)))
	examineVersions(sh, info, local, add)
	if at, err := time.Parse(time.RFC1123, res.Header().Get("Date")); err == nil {
		if off := time.Until(at).Abs(); off > time.Minute {
			add("clock", "warning", "Set this machine's clock, for example with NTP.", "this machine's clock differs from the server's by %s", off.Round(time.Second))
		} else {
			add("clock", "ok", "", "within a minute of the server's")
		}
	}
	if info.GetPrincipal() == nil {
		add("token", "failed", "Run `waypoint login`, or ask for a token: `waypoint token create`.", "the server does not accept the token")
		return checks
	}
	add("token", "ok", "", "%s", info.GetPrincipal().GetName())
	examineRunners(ctx, sh, c, local, add)
	examineTools(ctx, sh, add)
	return checks
}

// Less free space than this is worth a word, and than that will soon refuse writes.
const (
	littleSpace = 1 << 30
	noSpace     = 64 << 20
)

// examineData looks at the local server's directory and at the disk below it; false: there is none.
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
	free, err := freeBytes(dir)
	fix, text := "Free some disk space: with a full disk the server refuses writes, but loses no data.", fmt.Sprintf("%.1f GB are free", float64(free)/1e9)
	switch {
	case err != nil:
		add("disk", "warning", "Check the disk.", "cannot determine the free space: %v", err)
	case free < noSpace:
		add("disk", "failed", fix, "%s", text)
	case free < littleSpace:
		add("disk", "warning", fix, "%s", text)
	default:
		add("disk", "ok", "", "%s", text)
	}
	return true
}

type addCheck func(name, status, fix, format string, args ...any)

func examineVersions(sh Host, info *waypointv1.GetServerInfoResponse, local bool, add addCheck) {
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
