package plugin

import (
	"strings"
	"testing"
	"time"
)

func TestAnAppThatKeepsCrashingIsNotReady(t *testing.T) {
	seven := 7
	now := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		crashes Crashes
		health  Health
		want    Health
		says    string
	}{
		{Crashes{}, Ready, Ready, ""},
		{Crashes{Restarts: 2, ExitCode: new(int), Started: now.Add(-time.Second)}, Ready, Ready, ""},
		{Crashes{Restarts: 9, ExitCode: new(int), Started: now.Add(-time.Hour)}, Ready, Ready, ""},
		{Crashes{Restarts: 3, ExitCode: &seven, Started: now.Add(-5 * time.Second)}, Ready, Partial, "started again 3 times, the last time 5s ago, and its last exit code was 7"},
		{Crashes{Restarts: 3, ExitCode: &seven, Started: now.Add(-5 * time.Second)}, Down, Down, "keeps crashing"},
	} {
		health, message := c.crashes.Judge(c.health, "As seen.", now)
		if health != c.want || !strings.Contains(message, c.says) || !strings.HasSuffix(message, "As seen.") {
			t.Errorf("%+v: %s, %q", c.crashes, health, message)
		}
	}
}
