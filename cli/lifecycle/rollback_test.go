package lifecycle

import (
	"testing"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/records"
)

const (
	ok     = waypointv1.RecordState_RECORD_STATE_SUCCESS
	failed = waypointv1.RecordState_RECORD_STATE_ERROR

	here = waypointv1.PhysicalState_PHYSICAL_STATE_CREATED
	gone = waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED
)

func deployment(n int64, state waypointv1.RecordState, physical waypointv1.PhysicalState, generation, artifact string) *waypointv1.Deployment {
	id := "d" + string(rune('0'+n))
	if generation == "" {
		generation = id
	}
	return &waypointv1.Deployment{
		Meta: &waypointv1.RecordMeta{Id: id, Sequence: n, State: state}, PhysicalState: physical, Generation: generation, ArtifactId: artifact,
	}
}

func TestRollbackTarget(t *testing.T) {
	for name, c := range map[string]struct {
		released string
		all      []*waypointv1.Deployment // newest first
		serving  int64
		want     int64
		inPlace  bool
	}{
		"the one before": {"d3", []*waypointv1.Deployment{
			deployment(3, ok, here, "", "a3"), deployment(2, ok, here, "", "a2"), deployment(1, ok, here, "", "a1"),
		}, 3, 2, false},
		"twice": {"d2", []*waypointv1.Deployment{
			deployment(3, ok, here, "", "a3"), deployment(2, ok, here, "", "a2"), deployment(1, ok, here, "", "a1"),
		}, 2, 1, false},
		"a failed and a destroyed one between": {"d4", []*waypointv1.Deployment{
			deployment(4, ok, here, "", "a"), deployment(3, failed, here, "", "a"), deployment(2, ok, gone, "", "a"), deployment(1, ok, here, "", "a"),
		}, 4, 1, false},
		"a newer one that is not released": {"d1", []*waypointv1.Deployment{
			deployment(2, ok, here, "", "a"), deployment(1, ok, here, "", "a"),
		}, 1, 0, false},
		"nothing kept": {"d2", []*waypointv1.Deployment{deployment(2, ok, here, "", "a"), deployment(1, ok, gone, "", "a")}, 2, 0, false},
		"no release": {"", []*waypointv1.Deployment{
			deployment(3, failed, gone, "", "a"), deployment(2, ok, here, "", "a"), deployment(1, ok, here, "", "a"),
		}, 2, 1, false},
		"in place": {"d3", []*waypointv1.Deployment{
			deployment(3, ok, here, "web", "a2"), deployment(2, ok, gone, "web", "a2"), deployment(1, ok, gone, "web", "a1"),
		}, 3, 1, true},
		"in place, a later one of the released thing": {"d1", []*waypointv1.Deployment{
			deployment(2, ok, here, "web", "a2"), deployment(1, ok, here, "web", "a1"),
		}, 2, 1, true},
	} {
		var release *waypointv1.Release
		if c.released != "" {
			release = &waypointv1.Release{DeploymentId: c.released}
		}
		serving := records.ServingOf(release, c.all)
		if serving.GetMeta().GetSequence() != c.serving {
			t.Errorf("%s: v%d serves, want v%d", name, serving.GetMeta().GetSequence(), c.serving)
			continue
		}
		got, inPlace := rollbackTarget(serving, c.all)
		if got.GetMeta().GetSequence() != c.want || inPlace != c.inPlace {
			t.Errorf("%s: v%d, in place %t, want v%d, %t", name, got.GetMeta().GetSequence(), inPlace, c.want, c.inPlace)
		}
	}
}
