// Package audit keeps who changed what: an entry is written in the change's own transaction. It imports the kernel alone and
// holds no values, only names and ids.
package audit

import (
	"time"

	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Life is how long an audit record is kept.
const Life = 400 * 24 * time.Hour

// Entry says who changed what. It is written in the change's own transaction, for every mutation by a
// person or CI; facts are names and ids, never values.
type Entry struct {
	// ID is a ULID (store.DB.NewID); its time is the entry's.
	ID string
	// PrincipalID is the token's id, PrincipalName what its maker called it.
	PrincipalID, PrincipalName string
	// Method is the procedure, for example "/waypoint.v1.ConfigService/SetConfig".
	Method string
	// Project is empty for what concerns the server.
	Project string
	Facts   map[string]string
}

type auditItem struct {
	PrincipalID   string            `dynamodbav:"principal"`
	PrincipalName string            `dynamodbav:"name"`
	Method        string            `dynamodbav:"method"`
	Facts         map[string]string `dynamodbav:"facts,omitempty"`
	Index1PK      string            `dynamodbav:"gsi1pk"`
	Index1SK      string            `dynamodbav:"gsi1sk"`
	TTL           int64             `dynamodbav:"ttl"`
}

// Record is the action that writes the entry.
func (e Entry) Record(now time.Time) store.Action {
	return store.Put(store.Audit(e.Project, e.ID), auditItem{
		PrincipalID: e.PrincipalID, PrincipalName: e.PrincipalName, Method: e.Method, Facts: e.Facts,
		Index1PK: store.AuditIndex, Index1SK: e.ID, TTL: now.Add(Life).Unix(),
	})
}
