package tokens

import (
	"context"
	"encoding/hex"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/jobs"
	"github.com/waypoint-serverless/waypoint/functions/internal/records"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// deploymentTokenItem says which token the entrypoints of a deployment have: one at a time, and none once it has ended.
// Hash is the token's key; whoever writes a deployment that has ended finds the token by it.
type deploymentTokenItem struct {
	Hash string `dynamodbav:"hash"`
}

const issuedForLabel = "record"

// EntrypointToken is a token to issue.
type EntrypointToken struct {
	Token *waypointv1.Token
	Hash  auth.Hash
	Fence jobs.Fence
	// Deployment is the record of the job that the token is for, as read strongly.
	Deployment *waypointv1.Record
}

// IssueForEntrypoint stores the token of a deployment in place of the one that an earlier attempt got. It lasts as long
// as the attempt until the deployment is recorded as made (see settleToken). A lost lease is a ConditionError for FenceLost.
func (st *Store) IssueForEntrypoint(ctx context.Context, in EntrypointToken) error {
	_, meta, physical := records.Parts(in.Deployment)
	item := newTokenItem(in.Token)
	item.Index1PK, item.Job, item.Attempt = store.EntrypointTokensIndex, in.Fence.JobID, in.Fence.Attempt
	item.Kept = physical == waypointv1.PhysicalState_PHYSICAL_STATE_CREATED
	pointer := store.DeploymentToken(in.Token.GetDeploymentId())
	record := store.Record(meta.GetProject(), meta.GetApp(), string(records.Deployments), meta.GetSequence())
	destroyed := int32(waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED)
	const tries = 10
	waits := store.Contention.Start()
	for try := 1; ; try++ {
		old, had, err := st.deploymentToken(ctx, in.Token.GetDeploymentId())
		if err != nil {
			return err
		}
		tx := store.Tx{}
		tx.Add(jobs.FenceCheck(in.Fence), store.Put(tokenKey(in.Hash), item, store.Absent()))
		tx.Add(store.Check(record, store.If("#job = ? AND (attribute_not_exists(#physical) OR #physical <> ?)", in.Fence.JobID, destroyed)).Named(issuedForLabel))
		replaced := store.Absent()
		if had {
			replaced = store.If("#hash = ?", old.hash)
			if old.found {
				tx.Add(st.revoke(store.Token(old.hash), old.item))
			}
		}
		tx.Add(store.Put(pointer, deploymentTokenItem{Hash: hex.EncodeToString(in.Hash[:])}, replaced).Named(records.SettledLabel))
		err = st.db.Transact(ctx, tx)
		if _, raced := store.Failed(err, records.SettledLabel); !raced || jobs.FenceLost(err) || try == tries {
			return issueRefused(err, in, meta)
		}
		if err := store.Pause(ctx, waits); err != nil {
			return err
		}
	}
}

// issueRefused words the conditions that a caller can break.
func issueRefused(err error, in EntrypointToken, meta *waypointv1.RecordMeta) error {
	_, refused := store.Failed(err, issuedForLabel)
	switch {
	case !refused || jobs.FenceLost(err):
		return err
	case meta.GetJobId() != in.Fence.JobID:
		return fault.New(connect.CodePermissionDenied, fault.PermissionDenied,
			"deployment %s is another job's: a job gets tokens for its own deployments only", meta.GetId())
	}
	return fault.New(connect.CodeFailedPrecondition, fault.Conflict, "deployment %s has been destroyed: it gets no token", meta.GetId())
}

// issued is the token of a deployment as it was read.
type issued struct {
	hash  string
	item  tokenItem
	found bool
}

func (st *Store) deploymentToken(ctx context.Context, deployment string) (out issued, had bool, err error) {
	var pointer deploymentTokenItem
	had, err = st.db.Get(ctx, store.DeploymentToken(deployment), true, &pointer)
	if err != nil || !had {
		return out, false, err
	}
	out.hash = pointer.Hash
	out.found, err = st.db.Get(ctx, store.Token(pointer.Hash), true, &out.item)
	return out, true, err
}

// SettleToken adds to the transaction that writes a deployment what becomes of its token: it ends with a deployment that
// was destroyed or failed to come to be, and lasts with one that has come to be.
func (st *Store) SettleToken(ctx context.Context, record *waypointv1.Record, tx *store.Tx) error {
	_, meta, physical := records.Parts(record)
	made := physical == waypointv1.PhysicalState_PHYSICAL_STATE_CREATED || meta.GetState() == waypointv1.RecordState_RECORD_STATE_SUCCESS
	ends := deploymentEnded(meta.GetState(), physical)
	if !ends && !made {
		return nil
	}
	tok, had, err := st.deploymentToken(ctx, meta.GetId())
	if err != nil {
		return err
	}
	pointer := store.DeploymentToken(meta.GetId())
	switch {
	case ends && !had:
		tx.Add(store.Check(pointer, store.Absent()).Named(records.SettledLabel))
	case ends:
		if tok.found && tok.item.Revoked == 0 {
			tx.Add(st.revoke(store.Token(tok.hash), tok.item))
		}
		tx.Add(store.Delete(pointer, store.If("#hash = ?", tok.hash)).Named(records.SettledLabel))
	case had && tok.found && !tok.item.Kept && tok.item.Revoked == 0:
		tx.Add(store.Update(store.Token(tok.hash), store.Set("SET #kept = ?", true), store.If("attribute_exists(#pk) AND attribute_not_exists(#revoked)")).
			Named(records.SettledLabel))
	}
	return nil
}

// deploymentEnded reports whether nothing of a deployment runs any more, or ever did.
func deploymentEnded(state waypointv1.RecordState, physical waypointv1.PhysicalState) bool {
	return physical == waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED ||
		state == waypointv1.RecordState_RECORD_STATE_ERROR && physical != waypointv1.PhysicalState_PHYSICAL_STATE_CREATED
}

// entrypointEnded reports whether a token that was not revoked has ended all the same: the attempt that issued it is over
// and its deployment was never recorded as made. The tokens of earlier versions know no attempt, so their deployments are
// looked at. All reads are strong.
func (st *Store) entrypointEnded(ctx context.Context, item tokenItem) (bool, error) {
	switch {
	case item.Kept:
		return false, nil
	case item.Job == "":
		record, err := st.records.ByID(ctx, records.Deployments, item.Deployment)
		if fault.Is(err, fault.RecordNotFound) {
			return true, nil
		}
		_, meta, physical := records.Parts(record)
		return err == nil && deploymentEnded(meta.GetState(), physical), err
	}
	m, lease, err := st.jobs.State(ctx, item.Job, true)
	if fault.Is(err, fault.JobNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return m.State != job.Running || lease == nil || !lease.Live || lease.Attempt != item.Attempt, nil
}

// RevokeOfDeployment ends the token of a deployment's entrypoints, if it has one that has not ended.
func (st *Store) RevokeOfDeployment(ctx context.Context, deployment string) error {
	tok, had, err := st.deploymentToken(ctx, deployment)
	if err != nil || !had {
		return err
	}
	var tx store.Tx
	if tok.found && tok.item.Revoked == 0 {
		tx.Add(st.revoke(store.Token(tok.hash), tok.item))
	}
	return st.db.Commit(ctx, *tx.Add(store.Delete(store.DeploymentToken(deployment))))
}
