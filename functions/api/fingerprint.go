package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/jobs"
	"github.com/waypoint-serverless/waypoint/functions/internal/records"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// A fingerprint is a plain hash of what a record was made of. Whoever had it could try out what a secret setting is, so it
// is sealed before it is stored, no answer has it, and only the runner of a running job of the same app may compare.

// matchMost is one record of each kind.
const matchMost = 4

// sealFingerprint checks a fingerprint and encrypts it; nil of nil.
func (s *RecordWrites) sealFingerprint(ctx context.Context, r *waypointv1.Record, fingerprint []byte) ([]byte, error) {
	if len(fingerprint) == 0 {
		return nil, nil
	}
	if len(fingerprint) != sha256.Size {
		return nil, invalid("fingerprint", "a fingerprint has %d bytes", sha256.Size)
	}
	kind, meta, _ := records.Parts(r)
	return s.Sealer.Seal(ctx, records.FingerprintAAD(kind, meta.GetId()), fingerprint)
}

// MatchFingerprints compares fingerprints with those of records.
func (s *RecordWrites) MatchFingerprints(
	ctx context.Context, req *connect.Request[waypointv1.MatchFingerprintsRequest],
) (*connect.Response[waypointv1.MatchFingerprintsResponse], error) {
	_, fence, of, err := s.fenced(ctx, req.Msg.GetFence())
	if err != nil {
		return nil, err
	}
	if n := len(req.Msg.GetRecords()); n == 0 || n > matchMost {
		return nil, invalid("records", "1 to %d records can be compared, not %d", matchMost, n)
	}
	tx := store.Tx{}
	if err := s.DB.Transact(ctx, *tx.Add(jobs.FenceCheck(fence))); err != nil {
		return nil, s.staleLease(ctx, fence, err)
	}
	out := &waypointv1.MatchFingerprintsResponse{Match: true}
	for _, r := range req.Msg.GetRecords() {
		same, err := s.hasFingerprint(ctx, r, of)
		if err != nil {
			return nil, err
		}
		out.Match = out.GetMatch() && same
	}
	return connect.NewResponse(out), nil
}

// hasFingerprint reports whether a record of the job's app and workspace has the fingerprint.
func (s *RecordWrites) hasFingerprint(ctx context.Context, r *waypointv1.RecordFingerprint, of job.Meta) (bool, error) {
	kind := recordKind(r.GetKind())
	if kind == "" {
		return false, invalid("records.kind", "the kind of record is missing")
	}
	if err := validate.ID("records.record_id", r.GetRecordId()); err != nil {
		return false, err
	}
	have, err := s.openFingerprint(ctx, kind, r.GetRecordId(), of)
	if err != nil || have == nil {
		return false, err
	}
	want := r.GetFingerprint()
	if like := r.GetLikeRecordId(); like != "" {
		if err := validate.ID("records.like_record_id", like); err != nil {
			return false, err
		}
		if want, err = s.openFingerprint(ctx, kind, like, of); err != nil {
			return false, err
		}
	}
	return subtle.ConstantTimeCompare(have, want) == 1, nil
}

// openFingerprint returns the fingerprint of a record of the job's app and workspace; nil if there is none.
func (s *RecordWrites) openFingerprint(ctx context.Context, kind records.Kind, id string, of job.Meta) ([]byte, error) {
	record, sealed, err := s.Records.Fingerprinted(ctx, kind, id)
	if fault.Is(err, fault.RecordNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	_, meta, _ := records.Parts(record)
	if len(sealed) == 0 || meta.GetProject() != of.Project || meta.GetApp() != of.App || meta.GetWorkspace() != of.Workspace {
		return nil, nil
	}
	return s.Sealer.Open(ctx, records.FingerprintAAD(kind, id), sealed)
}

func recordKind(k waypointv1.RecordKind) records.Kind {
	switch k {
	case waypointv1.RecordKind_RECORD_KIND_BUILD:
		return records.Builds
	case waypointv1.RecordKind_RECORD_KIND_ARTIFACT:
		return records.Artifacts
	case waypointv1.RecordKind_RECORD_KIND_DEPLOYMENT:
		return records.Deployments
	case waypointv1.RecordKind_RECORD_KIND_RELEASE:
		return records.Releases
	}
	return ""
}
