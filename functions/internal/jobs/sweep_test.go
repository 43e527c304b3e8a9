package jobs_test

import (
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/functions/internal/job"
)

func TestASweepThatWasAwaySparesLapsedLeasesForAWhile(t *testing.T) {
	s := newSite(t)
	for i, step := range []struct {
		after  time.Duration
		spared bool
	}{
		{0, false},                                 // a new installation was not away
		{time.Minute, false},                       // on time
		{job.SweepAway, false},                     // just in time
		{job.SweepAway + time.Millisecond, true},   // away
		{job.SpareTime - time.Millisecond, true},   // a run soon after still spares
		{time.Millisecond, false},                  // the time is over
		{time.Hour, true},                          // away again
		{job.SpareTime + 10*time.Second, false},    // the next run, on time
		{2*job.SweepAway + time.Millisecond, true}, // and away
	} {
		s.Clock.Pass(step.after)
		spared, err := s.Dispatch.BeginSweep(s.ctx)
		s.must(err)
		if spared != step.spared {
			t.Errorf("run %d, %v after the one before: spared %v", i, step.after, spared)
		}
	}
}
