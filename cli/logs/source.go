package logs

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// source is where the lines of one app come from: the server, to which entrypoints send them, and platforms that have
// the logs of apps without one.
type source struct {
	app string
	req *waypointv1.TailLogsRequest
	own []ownLogs
	// server: it is to be asked. newest is the number of the newest deployment that runs; 0: none does.
	server bool
	newest int64
	// shown: a line came.
	shown atomic.Bool
}

// ownLogs is a deployment whose platform has the logs.
type ownLogs struct {
	platform   plugin.LogStreamer
	deployment *plugin.Deployment
}

// look finds what runs, and which of it has no entrypoint to send its logs.
func (s *source) look(ctx context.Context, sh Host, c *client.Client) error {
	live, err := c.Deployment.ListDeployments(ctx, connect.NewRequest(&waypointv1.ListDeploymentsRequest{
		Selector:      &waypointv1.RecordSelector{Project: s.req.GetProject(), App: s.req.GetApp(), Workspace: s.req.GetWorkspace()},
		PhysicalState: waypointv1.PhysicalState_PHYSICAL_STATE_CREATED, Page: &waypointv1.Page{Size: validate.MaxPage},
	}))
	if err != nil {
		return fmt.Errorf("finding the deployments of %s: %w", s.app, err)
	}
	for _, d := range live.Msg.GetDeployments() {
		m := d.GetMeta()
		if s.req.GetDeploymentId() != "" && s.req.GetDeploymentId() != m.GetId() {
			continue
		}
		s.newest = max(s.newest, m.GetSequence())
		given := &plugin.Deployment{ID: m.GetId(), Sequence: m.GetSequence(), Plugin: m.GetPlugin(), State: d.GetResult().GetStateJson()}
		platform, err := sh.Deps().Catalog().Platform(m.GetPlugin())
		if reader, ok := plugin.As[plugin.LogStreamer](platform); err == nil && ok && reader.OwnLogs(given) {
			s.own = append(s.own, ownLogs{reader, given})
			continue
		}
		s.server = true
	}
	s.server = s.server || len(s.own) == 0
	return nil
}

// ownFirst is how long the first lines of platforms may take before those of the others are shown without them.
const ownFirst = 500 * time.Millisecond

// read reads all sources until their end, or with -follow until ctx ends.
func read(ctx context.Context, sh Host, c *client.Client, o *options, sources []*source, out *printer) error {
	group, reading := errgroup.WithContext(ctx)
	first := make(chan struct{}, len(sources))
	waiting := 0
	own := false
	for _, s := range sources {
		for _, l := range s.own {
			own = true
			group.Go(func() error { return s.platformLogs(reading, l, o, out) })
		}
		if s.server {
			waiting++
			group.Go(func() error { return s.serverLogs(reading, sh, c, o, out, first) })
		}
	}
	if !o.follow {
		err := group.Wait()
		out.release()
		sayNothing(sh, o, sources)
		return err
	}
	group.Go(func() error {
		defer out.release()
		for range waiting {
			select {
			case <-first:
			case <-reading.Done():
				return nil
			}
		}
		if own {
			select {
			case <-time.After(ownFirst):
			case <-reading.Done():
			}
		}
		sayNothing(sh, o, sources)
		return nil
	})
	return group.Wait()
}

// sayNothing says of each app that has no line yet why: nothing runs, or what runs has printed nothing.
func sayNothing(sh Host, o *options, sources []*source) {
	for _, s := range sources {
		switch {
		case s.shown.Load() || !s.server:
		case s.newest == 0 && s.req.GetDeploymentId() == "":
			sh.Progressf("Nothing of %s is deployed in the workspace %s.\n", s.app, sh.Workspace())
		case s.newest == 0:
			sh.Progressf("There are no logs of %s: the deployment does not run.\n", s.app)
		default:
			sh.Progressf("%s v%d has printed nothing yet.\n", s.app, s.newest)
		}
	}
	if o.follow && len(sources) > 0 {
		for _, s := range sources {
			if s.shown.Load() || !s.server {
				return
			}
		}
		sh.Progressf("Waiting for new lines; Ctrl-C ends it.\n")
	}
}

// platformLogs reads the logs that a platform has.
func (s *source) platformLogs(ctx context.Context, own ownLogs, o *options, out *printer) error {
	env := &plugin.Call{Env: plugin.Env{Project: s.req.GetProject(), App: s.app, Workspace: s.req.GetWorkspace()}}
	err := own.platform.DeploymentLogs(ctx, env, own.deployment, int(o.lines), o.follow, func(l plugin.LogLine) {
		out.show(s.app, &waypointv1.LogLine{
			TimeUnixMs: l.Time.UnixMilli(), DeploymentId: own.deployment.ID, DeploymentSequence: own.deployment.Sequence,
			InstanceId: own.deployment.ID, Text: l.Text, Stderr: l.Stderr,
		})
	})
	if err != nil {
		return fmt.Errorf("reading the logs of %s v%d: %w", s.app, own.deployment.Sequence, err)
	}
	return nil
}

// serverLogs reads what the server has, until ctx ends if it follows. That is success: it is how people end it.
// first gets a token after the first answer.
func (s *source) serverLogs(ctx context.Context, sh Host, c *client.Client, o *options, out *printer, first chan<- struct{}) error {
	if o.follow {
		ctx = client.WithMaxRetry(ctx, shell.RetryOperation)
	}
	for answered := false; ; answered = true {
		began := sh.Env().Now()
		res, err := c.Tail.TailLogs(ctx, connect.NewRequest(s.req))
		if err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // an interrupt is how people end it
			}
			return fmt.Errorf("reading the logs of %s: %w", s.app, err)
		}
		for _, l := range res.Msg.GetLines() {
			out.show(s.app, l)
			s.shown.Store(true)
		}
		if !answered {
			first <- struct{}{}
		}
		if err := sh.WriteError(); err != nil {
			return err
		}
		s.req.Cursor = res.Msg.GetNextCursor()
		if !o.follow {
			if len(res.Msg.GetLines()) > 0 && s.req.GetCursor() != "" {
				continue // a page; the next may hold more
			}
			return nil
		}
		s.req.WaitMs = validate.MaxTailWaitMS
		if len(res.Msg.GetLines()) == 0 && sh.Env().Now().Sub(began) < operation.PollPause/2 {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(operation.PollPause):
			}
		}
	}
}
