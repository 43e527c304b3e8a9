package entrypoint

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/retry"
)

// entrypointClient is what the entrypoint asks of the server: waypointv1connect.EntrypointServiceClient.
type entrypointClient interface {
	RegisterInstance(context.Context, *connect.Request[waypointv1.RegisterInstanceRequest]) (*connect.Response[waypointv1.RegisterInstanceResponse], error)
	GetAppConfig(context.Context, *connect.Request[waypointv1.GetAppConfigRequest]) (*connect.Response[waypointv1.GetAppConfigResponse], error)
	PutLogs(context.Context, *connect.Request[waypointv1.PutLogsRequest]) (*connect.Response[waypointv1.PutLogsResponse], error)
}

// remote keeps the configuration current: it registers the instance and asks again, for ever.
type remote struct {
	client                   entrypointClient
	intervals                *intervals
	log                      *slog.Logger
	deploymentID, instanceID string
	version                  string
	// configs holds the newest configuration that the supervisor has not taken yet.
	configs chan *waypointv1.AppConfig
	// refusals tells the supervisor that the server said no, so that it need not wait.
	refusals chan error
	reports  *reports
	etag     string
}

func (r *remote) run(ctx context.Context) {
	waits := failing.Start()
	registered := false
	for ctx.Err() == nil {
		err := r.ask(ctx, registered)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			registered = true
			waits.Reset()
			if !r.pause(ctx, retry.Spread(r.intervals.config())) {
				return
			}
		case registered && (fault.Is(err, fault.RecordNotFound) || fault.Is(err, fault.NotFound)):
			// The server forgot the instance (a restored backup, say): say hello again.
			registered = false
			r.reports.forgotten()
			if !waits.Wait(ctx, err) {
				return
			}
		default:
			r.log.Warn("cannot reach the Waypoint server; the app keeps running", "error", err)
			if refused(err) {
				select {
				case r.refusals <- err:
				default:
				}
			}
			if !retry.Sleep(ctx, waitAfter(err, waits)) {
				return
			}
		}
	}
}

// pause waits, or until there is something to report. It reports whether ctx still lives.
func (r *remote) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-r.reports.changed:
	}
	return true
}

func (r *remote) ask(ctx context.Context, registered bool) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	report, change := r.reports.pending()
	if !registered {
		res, err := r.client.RegisterInstance(ctx, connect.NewRequest(&waypointv1.RegisterInstanceRequest{
			InstanceId: r.instanceID, DeploymentId: r.deploymentID, Version: r.version, Report: report,
		}))
		if err != nil {
			return err
		}
		r.reports.accepted(change)
		r.intervals.set(res.Msg.GetIntervals())
		r.offer(res.Msg.GetConfig())
		return nil
	}
	res, err := r.client.GetAppConfig(ctx, connect.NewRequest(&waypointv1.GetAppConfigRequest{
		DeploymentId: r.deploymentID, InstanceId: r.instanceID, Etag: r.etag, Report: report,
	}))
	if err != nil {
		return err
	}
	r.reports.accepted(change)
	r.intervals.set(res.Msg.GetIntervals())
	if !res.Msg.GetUnchanged() {
		r.offer(res.Msg.GetConfig())
	}
	return nil
}

// offer replaces what the supervisor has not taken yet.
func (r *remote) offer(c *waypointv1.AppConfig) {
	if c == nil {
		c = &waypointv1.AppConfig{}
	}
	r.etag = c.GetEtag()
	select {
	case <-r.configs:
	default:
	}
	r.configs <- c
}

// intervals are told by the server with each answer.
type intervals struct {
	mu            sync.Mutex
	configD, logD time.Duration
	// changed gets a token when logs shall be sent more often than before: somebody has begun to tail.
	changed chan struct{}
}

func newIntervals() *intervals {
	return &intervals{configD: defaultConfigInterval, logD: defaultLogsInterval, changed: make(chan struct{}, 1)}
}

func (i *intervals) set(told *waypointv1.Intervals) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if ms := told.GetConfigMs(); ms > 0 {
		i.configD = bounded(ms)
	}
	if ms := told.GetLogsMs(); ms > 0 {
		d := bounded(ms)
		if d < i.logD {
			select {
			case i.changed <- struct{}{}:
			default:
			}
		}
		i.logD = d
	}
}

func bounded(ms uint32) time.Duration {
	return min(max(time.Duration(ms)*time.Millisecond, minInterval), maxInterval)
}

func (i *intervals) config() time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.configD
}

func (i *intervals) logs() time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.logD
}
