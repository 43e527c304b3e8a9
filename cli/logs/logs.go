package logs

import (
	"context"
	"fmt"
	"strconv"
	"sync"
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
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

type options struct {
	deployment string
	lines      int32
	follow     bool
	json       bool
}

// New makes the command logs.
func New(sh Host) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use: "logs", Short: "Show the logs of an app", Args: shell.ArgCount(0, 0),
		Long: "Shows the last lines of the app's live deployments, then follows new ones until Ctrl-C.",
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), sh, o) },
	}
	cmd.Flags().StringVar(&o.deployment, "deployment-seq", "", "show only this deployment, by number or id")
	cmd.Flags().Int32VarP(&o.lines, "lines", "n", 100, "how many of the last lines to start with")
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", true, "follow new lines; =false: print the last lines and exit")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object a line")
	return cmd
}

func run(ctx context.Context, sh Host, o *options) error {
	if o.lines < 1 {
		return problem.New("USAGE", "invalid -lines %d: use 1 or more", o.lines)
	}
	s, err := scope.Find(sh)
	if err != nil {
		return err
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	app, err := scope.OneApp(ctx, sh, c, s)
	if err != nil {
		return err
	}
	id, err := records.DeploymentID(ctx, c, s.Project, app, o.deployment)
	if err != nil {
		return err
	}
	req := &waypointv1.TailLogsRequest{
		Project: s.Project, App: app, Workspace: sh.Workspace(), DeploymentId: id, Backlog: o.lines,
	}
	own, server, err := logSources(ctx, sh, c, req)
	if err != nil {
		return err
	}
	write := func(l *waypointv1.LogLine) { logLine(sh, l) }
	if o.json {
		out := terminal.NewJSONLines(sh.Env().Out)
		write = func(l *waypointv1.LogLine) { out.Write(render.Object(l)) }
	}
	var one sync.Mutex
	show := func(l *waypointv1.LogLine) {
		one.Lock()
		defer one.Unlock()
		write(l)
	}
	group, reading := errgroup.WithContext(ctx)
	readOwn(reading, group, own, req, o, show)
	if server {
		group.Go(func() error { return tailLogs(reading, sh, c, req, o, show) })
	}
	err = group.Wait()
	if ctx.Err() != nil {
		return problem.ErrSilent // an interrupt is how people end it: nothing is said, the exit code names it
	}
	return err
}

// tailLogs reads on until the context ends, which is success: that is how people end it.
func tailLogs(ctx context.Context, sh Host, c *client.Client, req *waypointv1.TailLogsRequest, o *options, show func(*waypointv1.LogLine)) error {
	if o.follow {
		req.WaitMs = validate.MaxTailWaitMS
		ctx = client.WithMaxRetry(ctx, shell.RetryOperation)
	}
	shown := false
	for {
		began := sh.Env().Now()
		res, err := c.Tail.TailLogs(ctx, connect.NewRequest(req))
		if err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // an interrupt is how people end it
			}
			return fmt.Errorf("reading the logs: %w", err)
		}
		for _, l := range res.Msg.GetLines() {
			show(l)
			shown = true
		}
		if err := sh.WriteError(); err != nil {
			return err
		}
		req.Cursor = res.Msg.GetNextCursor()
		if !o.follow {
			if len(res.Msg.GetLines()) > 0 && req.GetCursor() != "" {
				continue // a page; the next may hold more
			}
			if !shown {
				sh.Progressf("No logs.\n")
			}
			return nil
		}
		if len(res.Msg.GetLines()) == 0 && sh.Env().Now().Sub(began) < operation.PollPause/2 {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(operation.PollPause):
			}
		}
	}
}

// logLine prints one line with its time and where it comes from.
func logLine(sh Host, l *waypointv1.LogLine) {
	color := sh.OutSetting().Color()
	at := render.UnixMS(l.GetTimeUnixMs()).Local().Format("2006-01-02 15:04:05.000")
	source := "v" + strconv.FormatInt(l.GetDeploymentSequence(), 10) + "/" + ShortInstance(l.GetInstanceId())
	style := terminal.Normal
	switch {
	case l.GetEntrypoint():
		source, style = source+" entrypoint", terminal.Dim
	case l.GetStderr():
		source += " stderr"
	}
	sh.Printf("%s %s\n", terminal.Paint(at+" "+source+":", terminal.Dim, color), terminal.Paint(terminal.Clean(l.GetText(), color), style, color))
}

// ShortInstance is the end of an instance's id.
func ShortInstance(id string) string {
	if len(id) > 4 {
		return id[len(id)-4:]
	}
	return id
}
