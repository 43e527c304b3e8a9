package functions

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/waypoint-serverless/waypoint/api/waypoint/v1/waypointv1connect"
	"github.com/waypoint-serverless/waypoint/functions/api"
	"github.com/waypoint-serverless/waypoint/functions/internal/awscaller"
	"github.com/waypoint-serverless/waypoint/functions/internal/domains"
	"github.com/waypoint-serverless/waypoint/functions/internal/logs"
	"github.com/waypoint-serverless/waypoint/functions/internal/queue"
	"github.com/waypoint-serverless/waypoint/functions/internal/secret"
	"github.com/waypoint-serverless/waypoint/functions/internal/selector"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
	"github.com/waypoint-serverless/waypoint/functions/sweep"
	"github.com/waypoint-serverless/waypoint/functions/tail"
)

// parts are what the services are made of.
type parts struct {
	Settings
	cfg    aws.Config
	stores domains.Stores
	queues *queue.Queues
	sealer *secret.Sealer
	tokens *api.Tokens
}

func newQueues(cfg aws.Config, s Settings, spec ResourceSpec) *queue.Queues {
	return queue.New(sqs.NewFromConfig(cfg), sts.NewFromConfig(cfg), queue.Options{
		Prefix: spec.QueuePrefix, Attributes: spec.QueueAttributes, RoleARN: s.RunnerRoleARN, Region: s.Region,
	})
}

func (p parts) api() http.Handler {
	s := p.stores
	return api.Handler(api.Services{
		Server: &api.Server{ID: p.ServerID, Platform: p.Platform, TailHoldMS: uint32(p.TailHold / time.Millisecond), Identities: p.identities()},
		Tokens: p.tokens,
		Projects: &api.Projects{DB: s.DB, Projects: s.Projects, Sealer: p.sealer,
			Remains: api.Remains{Dispatch: s.Dispatch, Records: s.Records, Logs: s.Logs, Configs: s.Configs, Tokens: s.Tokens}},
		Records: &api.Records{Records: s.Records, Projects: s.Projects, Logs: s.Logs},
		Jobs:    &api.Jobs{DB: s.DB, Jobs: s.Jobs, Sealer: p.sealer, Queues: p.queues, Logger: p.Logger},
		Runners: &api.Runners{DB: s.DB, Runners: s.Runners},
		RunnerAgent: &api.RunnerAgent{
			RecordWrites: api.RecordWrites{DB: s.DB, Jobs: s.Jobs, Records: s.Records, Writer: s.Writer, Tokens: s.Tokens,
				Configs: s.Configs, Projects: s.Projects, Logs: s.Logs, Sealer: p.sealer, Rand: p.Rand},
			Dispatch: s.Dispatch, Runners: s.Runners,
			Queues: p.queues, Matches: selector.Matches, Shared: p.shared(), OutputEvery: p.OutputEvery, Logger: p.Logger,
		},
		Configs: &api.Configs{DB: s.DB, Configs: s.Configs, Sealer: p.sealer},
		Entrypoints: &api.Entrypoints{DB: s.DB, Records: s.Records, Projects: s.Projects, Configs: s.Configs, Logs: s.Logs,
			Sealer: p.sealer, Quota: logs.NewQuota(s.DB, s.Records, p.AppLogsPerDay), ConfigEvery: p.AppConfigEvery, LogsEvery: p.AppLogsEvery, Logger: p.Logger},
	})
}

func (p parts) identities() *api.Identities {
	allowed, err := awscaller.ParseAllowed(p.RunnerRoles)
	return &api.Identities{DB: p.stores.DB, Tokens: p.stores.Tokens, STS: awscaller.NewSTS(p.cfg), Allowed: allowed, ListError: err, ServerID: p.ServerID, Rand: p.Rand}
}

// tailService is TailService in two parts.
type tailService struct {
	*tail.Jobs
	*tail.Logs
}

func (p parts) tail() http.Handler {
	mux := api.NewMux()
	mux.Add(waypointv1connect.NewTailServiceHandler(tailService{
		Jobs: &tail.Jobs{DB: p.stores.DB, Jobs: p.stores.Jobs, Hold: p.TailHold},
		Logs: &tail.Logs{DB: p.stores.DB, Records: p.stores.Records, Projects: p.stores.Projects, Logs: p.stores.Logs, Hold: p.TailHold},
	}, api.Options()...))
	return mux
}

// sweepHandler runs the sweep whatever the payload is: a schedule's event says nothing that it needs.
type sweepHandler struct {
	sweeper  *sweep.Sweeper
	settings Settings
}

func (p parts) sweep() Handler {
	return sweepHandler{&sweep.Sweeper{DB: p.stores.DB, Jobs: p.stores.Jobs, Dispatch: p.stores.Dispatch, Queues: p.queues, Logger: p.Logger, Hold: p.SweepHold}, p.Settings}
}

// Invoke sweeps once and answers the run's report.
func (h sweepHandler) Invoke(ctx context.Context, _ []byte) ([]byte, error) {
	start := h.settings.Clock()
	ctx, meter := store.WithMeter(ctx)
	report, err := h.sweeper.Run(ctx)
	read, write, queue := meter.Used()
	ms := float64(h.settings.Clock().Sub(start).Microseconds()) / 1000
	// Runs that found nothing to do are nearly all, one a minute: what they log would be a fifth of an idle server's price.
	level := slog.LevelDebug
	if err != nil || report.Due > 0 || report.Spared {
		level = slog.LevelInfo
	}
	h.settings.Logger.Log(ctx, level, "sweep", "function", "sweep", "due", report.Due, "wake_ups", report.WakeUps,
		"spared", report.Spared, "read_units", read, "write_units", write, "table_calls", meter.Calls(), "queue_calls", queue, "ms", ms, "ok", err == nil)
	if err != nil {
		return nil, fmt.Errorf("sweeping: %w", err)
	}
	out, err := json.Marshal(report)
	if err != nil {
		return nil, fmt.Errorf("sweeping: %w", err)
	}
	return out, nil
}
