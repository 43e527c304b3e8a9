// Package sweep does what time alone must move: leases that lapsed, wake-up messages that nobody answered, jobs that expired, and whatever a function
// that died left undone. It runs every minute; a run is bounded, and what it does not reach the next run does.
package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/functions/internal/jobs"
	"github.com/waypoint-serverless/waypoint/functions/internal/queue"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

const (
	// perPartition is how many due jobs of each partition of the work index one run takes.
	perPartition = 1000
	// atOnce is how many jobs are looked at side by side.
	atOnce = 8
	// runMost bounds a run, below the minute until the next.
	runMost = 50 * time.Second
)

// Sweeper is the function `sweep`.
type Sweeper struct {
	DB       *store.DB
	Jobs     *jobs.Store
	Dispatch *jobs.Dispatcher
	Queues   *queue.Queues
	Logger   *slog.Logger
	// Hold is how long after its beginning a run may wait for the moment at which it is decided what becomes of a job whose
	// runner is silent. The next run would be up to a minute late. 0: not at all.
	Hold time.Duration
}

// Report is what a run did.
type Report struct {
	// Due counts the jobs that something was owed to, and WakeUps the messages that were sent.
	Due, WakeUps int
	// Spared: the server had been away, and lapsed leases were left alone.
	Spared bool
	// DecideAt is the earliest moment at which it will be decided what becomes of a job whose runner is silent; Unix milliseconds,
	// 0: there is none.
	DecideAt int64
}

// Run sweeps once, and once more at each moment within Hold at which the fate of a job is decided. Jobs that fail are tried
// again by the next run; the error names them.
func (s *Sweeper) Run(ctx context.Context) (Report, error) {
	began := s.DB.Now()
	report, err := s.pass(ctx)
	for report.DecideAt != 0 && !time.UnixMilli(report.DecideAt).After(began.Add(s.Hold)) {
		timer := time.NewTimer(max(time.UnixMilli(report.DecideAt).Sub(s.DB.Now()), time.Second))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return report, err
		}
		again, passErr := s.pass(ctx)
		again.Due, again.WakeUps, again.Spared = again.Due+report.Due, again.WakeUps+report.WakeUps, again.Spared || report.Spared
		report, err = again, errors.Join(err, passErr)
	}
	return report, err
}

// pass looks once at what is due.
func (s *Sweeper) pass(ctx context.Context) (Report, error) {
	ctx, cancel := context.WithTimeout(ctx, runMost)
	defer cancel()
	var report Report
	var err error
	if report.Spared, err = s.Dispatch.BeginSweep(ctx); err != nil {
		return report, fmt.Errorf("beginning to sweep: %w", err)
	}
	ids, err := s.Dispatch.Due(ctx, perPartition)
	if err != nil {
		return report, fmt.Errorf("finding what is due: %w", err)
	}
	report.Due = len(ids)
	var (
		mu   sync.Mutex
		errs []error
		g    errgroup.Group
	)
	g.SetLimit(atOnce)
	for _, id := range ids {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			wakeUps, fate, err := s.job(ctx, id, report.Spared)
			mu.Lock()
			defer mu.Unlock()
			report.WakeUps += wakeUps
			if fate != 0 && (report.DecideAt == 0 || fate < report.DecideAt) {
				report.DecideAt = fate
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("job %s: %w", id, err))
			}
			return nil
		})
	}
	_ = g.Wait() // errors are collected above
	return report, errors.Join(errs...)
}

func (s *Sweeper) job(ctx context.Context, id string, spared bool) (wakeUps int, fate int64, err error) {
	d, err := s.Dispatch.Sweep(ctx, id, spared)
	if fault.Is(err, fault.JobNotFound) {
		return 0, 0, nil // the index lags
	}
	if err != nil {
		return 0, 0, err
	}
	more, err := s.Jobs.Follow(ctx, d)
	all := append(d.WakeUps, more...)
	return len(all), d.DecideAt, errors.Join(err, s.Queues.SendWakeUps(ctx, all))
}
