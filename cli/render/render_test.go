package render

import (
	"encoding/json"
	"strings"
	"testing"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

func TestJSONOfMessages(t *testing.T) {
	got, err := json.Marshal(Object(&waypointv1.Deployment{
		Meta: &waypointv1.RecordMeta{
			Id: "01", Sequence: 3, State: waypointv1.RecordState_RECORD_STATE_SUCCESS, StartedUnixMs: 1_700_000_000_123,
			Labels: map[string]string{"a": "b"}, Source: &waypointv1.SourceRef{Commit: "abc", CommitTimeUnix: 1_700_000_000},
		},
		Result:    &waypointv1.PluginResult{StateJson: []byte(`{"port":8080}`), Portable: true},
		Resources: []*waypointv1.Resource{{Name: "r", Health: waypointv1.Health_HEALTH_READY}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"sequence":3`, `"state":"success"`, `"started_at":"2023-11-14T22:13:20.123Z"`, `"commit_time":"2023-11-14T22:13:20.000Z"`,
		`"labels":{"a":"b"}`, `"state":{"port":8080}`, `"portable":true`, `"health":"ready"`, `"physical_state":""`,
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s is missing in %s", want, got)
		}
	}
	for _, not := range []string{"unix", "completed", "UNSPECIFIED", "template"} {
		if strings.Contains(string(got), not) {
			t.Errorf("%s is in %s", not, got)
		}
	}
}

func TestPagesReadsUntilTheLimit(t *testing.T) {
	for _, c := range []struct{ limit, want, calls int }{{0, 450, 3}, {10, 10, 1}, {200, 200, 1}, {201, 201, 2}, {1000, 450, 3}} {
		calls, left := 0, 450
		got, err := Pages(c.limit, func(p *waypointv1.Page) ([]int, string, error) {
			calls++
			n := min(int(p.GetSize()), left)
			left -= n
			next := ""
			if left > 0 {
				next = "more"
			}
			return make([]int, n), next, nil
		})
		if err != nil || len(got) != c.want || calls != c.calls {
			t.Errorf("limit %d: %d items in %d calls, %v", c.limit, len(got), calls, err)
		}
	}
}

// A server of the previous minor version sends the old name of the reason.
func TestWhyNotKnowsTheOldNameOfAReason(t *testing.T) {
	for _, reason := range []string{"DOORBELL_PENDING", "WAKE_UP_PENDING"} {
		if got := WhyNot(&waypointv1.WhyNot{Reason: reason, Message: "soon"}); got != "Waiting: soon (WAKE_UP_PENDING)" {
			t.Errorf("%s: %q", reason, got)
		}
	}
}
