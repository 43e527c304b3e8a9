package status

import (
	"strings"
	"testing"
	"time"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

func TestAnAppThatCrashesIsNotCalledReady(t *testing.T) {
	const ready, partial, down = waypointv1.Health_HEALTH_READY, waypointv1.Health_HEALTH_PARTIAL, waypointv1.Health_HEALTH_DOWN
	now := time.Unix(1_000_000, 0)
	seven := 7
	of := func(restarts int, ago time.Duration) plugin.Crashes {
		return plugin.Crashes{Restarts: restarts, ExitCode: &seven, Started: now.Add(-ago)}
	}
	for _, c := range []struct {
		health, want waypointv1.Health
		crashes      plugin.Crashes
		says         string
	}{
		{ready, ready, plugin.Crashes{}, ""},
		{ready, ready, of(1, time.Minute), "it was started again once, 1m0s ago, and its last exit code was 7."},
		{ready, ready, of(9, time.Hour), "it was started again 9 times"},
		{ready, partial, of(5, 3*time.Second), "It answers, but it keeps crashing: it was started again 5 times, the last time 3s ago"},
		{down, down, of(1, 3*time.Second), "It crashed, and is started again: it was started again once, 3s ago"},
	} {
		a := &appStatus{report: &waypointv1.StatusReport{Health: c.health}, crashes: c.crashes}
		a.addCrashes(now)
		if text := a.unwell(now); a.report.GetHealth() != c.want || !strings.HasPrefix(text, c.says) || (c.says == "") != (text == "") {
			t.Errorf("%+v: %s, %q", c.crashes, a.report.GetHealth(), text)
		}
	}
}
