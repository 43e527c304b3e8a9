package api

import (
	"context"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/functions/internal/audit"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

const headerIdempotency = "Idempotency-Key"

// idempotencyMost bounds an idempotency key; clients send ULIDs.
const idempotencyMost = 128

// mutation is a change that a person or CI asked for: who, and under which idempotency key.
type mutation struct {
	db        *store.DB
	principal auth.Principal
	method    string
	project   string
	intent    store.Intent
}

// newMutation reads the idempotency key of a request and hashes its body.
func newMutation(db *store.DB, p auth.Principal, project string, req connect.AnyRequest) (mutation, error) {
	m := mutation{db: db, principal: p, method: req.Spec().Procedure, project: project}
	key := req.Header().Get(headerIdempotency)
	if key == "" {
		return m, nil
	}
	if len(key) > idempotencyMost {
		return m, fault.New(connect.CodeInvalidArgument, fault.InvalidArgument, "the idempotency key has more than %d characters", idempotencyMost)
	}
	msg, ok := req.Any().(proto.Message)
	if !ok {
		return m, fault.New(connect.CodeInternal, fault.Internal, "the request is not a message")
	}
	hash, err := store.HashRequest(msg)
	if err != nil {
		return m, err
	}
	m.intent = store.Intent{Principal: p.TokenID, Method: m.method, Key: key, Hash: hash}
	return m, nil
}

// actions are what every mutation's transaction holds beside its change: the audit record, and the ids of
// what was made under the idempotency key.
func (m mutation) actions(ids, facts map[string]string) ([]store.Action, error) {
	id, err := m.db.NewID()
	if err != nil {
		return nil, err
	}
	now := m.db.Now()
	audit := audit.Entry{
		ID: id, PrincipalID: m.principal.TokenID, PrincipalName: m.principal.Name, Method: m.method,
		Project: m.project, Facts: facts,
	}
	return append(store.Remember(m.intent, ids, now), audit.Record(now)), nil
}

// repeat reads the error of the transaction: done says that an earlier request under the same key made ids;
// rest is any other error, or the refusal of a key that was used for another request.
func (m mutation) repeat(err error) (ids map[string]string, done bool, rest error) {
	if err == nil {
		return nil, false, nil
	}
	ids, done, reuse := store.Remembered(err, m.intent)
	switch {
	case reuse != nil:
		return nil, false, reuse
	case done:
		return ids, true, nil
	}
	return nil, false, err
}

// person finds the caller of a request to one project, and the mutation that it asks for.
func person(ctx context.Context, db *store.DB, project string, req connect.AnyRequest) (mutation, error) {
	p, err := auth.Caller(ctx)
	if err != nil {
		return mutation{}, err
	}
	return newMutation(db, p, project, req)
}
