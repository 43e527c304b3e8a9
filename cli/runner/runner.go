package runner

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/cli/token"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/internal/version"
	"github.com/waypoint-serverless/waypoint/localstack/server"
	"github.com/waypoint-serverless/waypoint/runner"
)

// New makes the command runner.
func New(sh Host) *cobra.Command {
	return shell.Group("runner", "Run, list and inspect runners", newAgent(sh), newList(sh), newInspect(sh), token.NewForRunner(sh))
}

type agentOptions struct {
	id, name, stateDir string
	labels             []string
	concurrency        int
	aws                bool
}

func newAgent(sh Host) *cobra.Command {
	o := &agentOptions{}
	cmd := &cobra.Command{
		Use: "agent", Short: "Run a standing runner, which takes jobs from the queue", Args: shell.ArgCount(0, 0),
		Long: `Runs a standing runner until Ctrl-C or SIGTERM, after which it finishes its running jobs. It opens outbound
connections only. The server comes from WAYPOINT_SERVER_ADDR and the runner token ("waypoint token create NAME -kind
runner") from WAYPOINT_SERVER_TOKEN, or both from the context. Its labels and projects are those of the token.

On AWS it needs no token: without one it proves its AWS role (with the AWS SDK's credential
chain: environment, profile, ECS task, EC2 instance), and the server, if that role is on its list of runner roles,
gives it a token that is held in memory and renewed each hour.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runAgent(cmd.Context(), sh, o) },
	}
	cmd.Flags().StringVar(&o.id, "id", "", "id (a ULID); by default a new one at each start")
	cmd.Flags().StringVar(&o.name, "name", "", "display name; by default the host's name")
	cmd.Flags().StringArrayVar(&o.labels, "label", nil, "label that the token must have, k=v (repeatable): jobs can ask for the token's labels")
	cmd.Flags().IntVar(&o.concurrency, "concurrency", 3*runtime.NumCPU(), "how many jobs to run at once")
	cmd.Flags().StringVar(&o.stateDir, "state-dir", "", "directory for files that must outlive jobs")
	cmd.Flags().BoolVar(&o.aws, "aws-identity", false, "prove an AWS role instead of using a token, even where there is a token")
	for _, old := range []string{"cookie", "liveness-tcp-addr"} {
		cmd.Flags().String(old, "", "not supported")
		_ = cmd.Flags().MarkHidden(old)
	}
	return cmd
}

func runAgent(ctx context.Context, sh Host, o *agentOptions) error {
	labels, err := render.KeyValues("label", o.labels)
	if err != nil {
		return err
	}
	if o.concurrency < 1 {
		return problem.New("USAGE", "invalid -concurrency %d: use 1 or more", o.concurrency)
	}
	if o.id == "" {
		o.id = operation.NewID()
	} else if err := validate.ID("id", o.id); err != nil {
		return err
	}
	if o.name == "" {
		if o.name, err = os.Hostname(); err != nil {
			o.name = "runner"
		}
	}
	logger := sh.Logger(slog.LevelInfo)
	s, err := sh.ChosenServer()
	if err != nil {
		return err
	}
	place, err := holdRunner(ctx, sh, logger)
	if err != nil {
		return err
	}
	defer place.Release()
	token, keep, err := runnerToken(ctx, sh, s, o, logger)
	if err != nil {
		return err
	}
	c, err := runnerClient(sh, s, token, logger)
	if err != nil {
		return err
	}
	defer c.CloseIdle()
	opts, err := operation.RunnerOptions(sh)
	if err != nil {
		return err
	}
	opts.Client, opts.ID, opts.Name, opts.Labels = c, o.id, o.name, labels
	opts.Kind, opts.Concurrency, opts.Logger = waypointv1.RunnerKind_RUNNER_KIND_STANDING, o.concurrency, logger
	if o.stateDir != "" {
		opts.StateDir = o.stateDir
	}
	opts.Guard = sh.NewGuard(token, logger)
	r, err := runner.New(opts)
	if err != nil {
		return err
	}
	restored := restoreMachine(ctx, sh, place, opts.StateDir, logger)
	defer restored()
	if err := place.Ready(ctx); err != nil {
		return err
	}
	if keep == nil {
		return r.Run(ctx)
	}
	// Stop the runner when its token can no longer be renewed, and stop renewing when the runner stops.
	group, inner := errgroup.WithContext(ctx)
	inner, end := context.WithCancel(inner)
	group.Go(func() error { return keep(inner) })
	group.Go(func() error {
		defer end()
		return r.Run(inner)
	})
	return group.Wait()
}

// holdRunner takes the place of the runner that `install` started, if this is that one; else it is nil, which holds
// nothing.
func holdRunner(ctx context.Context, sh Host, logger *slog.Logger) (*server.Runner, error) {
	if !sh.Env().IsSet(server.EnvRunner) {
		return nil, nil //nolint:nilnil // no place is needed
	}
	dir, err := server.DefaultDir()
	if err != nil {
		return nil, err
	}
	return server.HoldRunner(ctx, dir, logger)
}

// restoreWait bounds how long the commands that start the local server wait for the apps of this machine: those that
// take longer go on starting.
const restoreWait = 15 * time.Second

// restoreMachine brings back what ran on this machine, if this is the runner of the local server. finish waits for its
// end.
func restoreMachine(ctx context.Context, sh Host, place *server.Runner, stateDir string, logger *slog.Logger) (finish func()) {
	if place == nil || sh.Deps().RestoreMachine == nil {
		return func() {}
	}
	sealer := server.LocalClientOf(sh.Server().Address)
	if sealer == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := sh.Deps().RestoreMachine(ctx, stateDir, sealer, logger); err != nil {
			logger.WarnContext(ctx, "could not restart the apps of this machine", "error", err)
		}
	}()
	timer := time.NewTimer(restoreWait)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
	return func() {
		cancel()
		<-done
	}
}

func runnerClient(sh Host, s *shell.Server, token string, logger *slog.Logger) (*client.Client, error) {
	c, err := client.New(client.Options{
		Address: s.Address, Token: token, Component: "runner", Version: version.Version(), MaxRetry: shell.RetryOperation, Logger: logger,
	})
	if err != nil {
		return nil, problem.New("SERVER_ADDRESS", "%s", err.Error()).WithHint("The address comes from %s.", s.From)
	}
	return c, nil
}

func newList(sh Host) *cobra.Command {
	var asJSON, all bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List runners", Args: shell.ArgCount(0, 0),
		Long:    "Lists the standing runners, and commands that run a job themselves. -all lists commands that have ended, too.",
		Example: "  waypoint runner list\n  waypoint runner list -all --json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), sh, asJSON, all) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	cmd.Flags().BoolVar(&all, "all", false, "list commands that have ended, too")
	return cmd
}

func runList(ctx context.Context, sh Host, asJSON, all bool) error {
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	runners, err := ListRunners(ctx, c)
	if err != nil {
		return err
	}
	if !all {
		runners = slices.DeleteFunc(runners, ended)
	}
	cols := []terminal.Column{
		{Title: "ID"}, {Title: "NAME"}, {Title: "KIND", Rank: 2}, {Title: "STATE"}, {Title: "RUNNING", Rank: 1},
		{Title: "PROJECTS", Rank: 3}, {Title: "LABELS", Rank: 4}, {Title: "SEEN", Rank: 5}, {Title: "VERSION", Rank: 6},
	}
	return records.Show(sh, asJSON, runners, "runners", cols, func(r *waypointv1.Runner) []string {
		return []string{
			r.GetId(), r.GetName(), render.Enum(r.GetKind().String(), "RUNNER_KIND_"), onlineWord(r),
			runningWord(r), render.ProjectText(r.GetProjects(), r.GetAllProjects()), render.LabelText(r.GetLabels()),
			sh.Ago(render.UnixMS(r.GetLastSeenUnixMs())), r.GetVersion(),
		}
	})
}

// ended reports whether a runner is a command that runs no job, which nearly always means that it has ended: its record stays
// for a while, a minute of it as online.
func ended(r *waypointv1.Runner) bool {
	return r.GetKind() == waypointv1.RunnerKind_RUNNER_KIND_CLI && (!r.GetOnline() || r.GetRunning() == 0)
}

// ListRunners lists all runners.
func ListRunners(ctx context.Context, c *client.Client) ([]*waypointv1.Runner, error) {
	return render.Pages(0, func(p *waypointv1.Page) ([]*waypointv1.Runner, string, error) {
		res, err := c.Runner.ListRunners(ctx, connect.NewRequest(&waypointv1.ListRunnersRequest{Page: p}))
		if err != nil {
			return nil, "", err
		}
		return res.Msg.GetRunners(), res.Msg.GetNextPageToken(), nil
	})
}

func onlineWord(r *waypointv1.Runner) string {
	if r.GetOnline() {
		return "online"
	}
	return "offline"
}

// runningWord says how many jobs a runner has. What an offline runner reported last is not true any more: its jobs have
// ended, or another runner takes them over.
func runningWord(r *waypointv1.Runner) string {
	if !r.GetOnline() {
		return "-"
	}
	return strconv.Itoa(int(r.GetRunning())) + " of " + strconv.Itoa(int(r.GetConcurrency()))
}

func newInspect(sh Host) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "inspect ID", Short: "Show one runner", Args: shell.ArgCount(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runInspect(cmd.Context(), sh, asJSON, args[0])
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func runInspect(ctx context.Context, sh Host, asJSON bool, id string) error {
	if err := validate.ID("id", id); err != nil {
		return err
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	got, err := c.Runner.GetRunner(ctx, connect.NewRequest(&waypointv1.GetRunnerRequest{Id: id}))
	if err != nil {
		return err
	}
	r := got.Msg.GetRunner()
	if asJSON {
		return sh.PrintJSON(render.Object(r))
	}
	facts := [][2]string{
		{"Runner", r.GetId()}, {"Name", r.GetName()}, {"Kind", render.Enum(r.GetKind().String(), "RUNNER_KIND_")}, {"State", onlineWord(r)},
		{"Projects", render.ProjectText(r.GetProjects(), r.GetAllProjects())}, {"Labels", render.LabelText(r.GetLabels())}, {"Running", runningWord(r)},
		{"Registered", sh.Ago(render.Unix(r.GetRegisteredUnix()))}, {"Last seen", sh.Ago(render.UnixMS(r.GetLastSeenUnixMs()))}, {"Version", r.GetVersion()},
	}
	sh.NamedValues(facts)
	return nil
}
