package functions_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// What a record was made of is kept sealed: a runner can compare it while its job runs, and nobody can read it.
func TestFingerprintsAreComparedAndNeverRead(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop")
	fence := c.claimed(t, noop())
	hash := sha256.Sum256([]byte("settings with a password"))
	other := sha256.Sum256([]byte("settings with another"))
	put := func(id string, hash []byte) error {
		record := deployment(id, success, waypointv1.PhysicalState_PHYSICAL_STATE_CREATED)
		res, err := c.agent.PutRecord(ctx, ask(&waypointv1.PutRecordRequest{Fence: fence, Record: record, Fingerprint: hash}))
		if err == nil {
			hidden(t, res.Msg, hash)
		}
		return err
	}
	match := func(id string, prints ...[]byte) bool {
		t.Helper()
		req := &waypointv1.MatchFingerprintsRequest{Fence: fence}
		for _, p := range prints {
			req.Records = append(req.Records, &waypointv1.RecordFingerprint{
				Kind: waypointv1.RecordKind_RECORD_KIND_DEPLOYMENT, RecordId: id, Fingerprint: p,
			})
		}
		return must[waypointv1.MatchFingerprintsResponse](t)(c.agent.MatchFingerprints(ctx, ask(req))).GetMatch()
	}
	like := func(id, other string) bool {
		t.Helper()
		return must[waypointv1.MatchFingerprintsResponse](t)(c.agent.MatchFingerprints(ctx, ask(&waypointv1.MatchFingerprintsRequest{
			Fence: fence, Records: []*waypointv1.RecordFingerprint{
				{Kind: waypointv1.RecordKind_RECORD_KIND_DEPLOYMENT, RecordId: id, LikeRecordId: other},
			},
		}))).GetMatch()
	}
	with, same, different, without := w.ID(t), w.ID(t), w.ID(t), w.ID(t)
	for id, p := range map[string][]byte{with: hash[:], same: hash[:], different: other[:], without: nil} {
		if err := put(id, p); err != nil {
			t.Fatal(err)
		}
	}
	wantFault(t, put(w.ID(t), []byte("short")), fault.InvalidArgument)
	for name, c := range map[string]struct{ got, want bool }{
		"the same":                       {match(with, hash[:]), true},
		"another":                        {match(with, other[:]), false},
		"one of two":                     {match(with, hash[:], other[:]), false},
		"none":                           {match(with, nil), false},
		"a record without":               {match(without, hash[:]), false},
		"a record without, and nothing":  {match(without, nil), false},
		"a record that is not there":     {match(w.ID(t), hash[:]), false},
		"like one of the same":           {like(with, same), true},
		"like one of another":            {like(with, different), false},
		"like one without":               {like(with, without), false},
		"two without":                    {like(without, without), false},
		"the same, after the others too": {match(with, hash[:]), true},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v", name, c.got)
		}
	}
	got := must[waypointv1.GetDeploymentResponse](t)(c.deployments.GetDeployment(ctx, ask(&waypointv1.GetDeploymentRequest{
		Ref: &waypointv1.RecordRef{Ref: &waypointv1.RecordRef_Id{Id: with}},
	})))
	hidden(t, got, hash[:])

	if err := put(with, nil); err != nil { // a record that is replaced loses its own
		t.Fatal(err)
	}
	if match(with, hash[:]) {
		t.Error("a replaced record has its old fingerprint")
	}
	if err := put(with, hash[:]); err != nil {
		t.Fatal(err)
	}
	must[waypointv1.CompleteJobResponse](t)(c.agent.CompleteJob(ctx, ask(&waypointv1.CompleteJobRequest{Fence: fence})))
	_, err := c.agent.MatchFingerprints(ctx, ask(&waypointv1.MatchFingerprintsRequest{Fence: fence, Records: []*waypointv1.RecordFingerprint{
		{Kind: waypointv1.RecordKind_RECORD_KIND_DEPLOYMENT, RecordId: with, Fingerprint: hash[:]},
	}}))
	wantFault(t, err, fault.StaleLease)
}

func hidden(t *testing.T, m proto.Message, hash []byte) {
	t.Helper()
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(hash) > 0 && bytes.Contains(raw, hash) {
		t.Errorf("an answer has the fingerprint: %v", m)
	}
}
