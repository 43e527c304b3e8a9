// Package records keeps what operations left: builds, artifacts, deployments and releases, with their status reports.
//
// It imports the kernel, the contract and package jobs, whose fence guards every write.
package records

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Store reads records. It is safe for concurrent use.
type Store struct{ db *store.DB }

// New returns the records of a table.
func New(db *store.DB) *Store { return &Store{db: db} }

// Kind is a kind of record as it stands in keys.
type Kind string

// The kinds of records.
const (
	Builds      Kind = "B"
	Artifacts   Kind = "X"
	Deployments Kind = "D"
	Releases    Kind = "R"
)

func (k Kind) String() string {
	switch k {
	case Builds:
		return "build"
	case Artifacts:
		return "artifact"
	case Deployments:
		return "deployment"
	case Releases:
		return "release"
	}
	return "record"
}

type recordItem struct {
	ID        string `dynamodbav:"id"`
	N         int64  `dynamodbav:"n"`
	Workspace string `dynamodbav:"workspace"`
	JobID     string `dynamodbav:"job"`
	State     int32  `dynamodbav:"state"`
	Physical  int32  `dynamodbav:"physical,omitempty"`
	// Body is a waypointv1.Record.
	Body []byte `dynamodbav:"body"`
	// Fingerprint is what the record was made of, sealed: it is a plain hash of settings that can be secret.
	Fingerprint []byte `dynamodbav:"fingerprint,omitempty"`

	Index1PK string `dynamodbav:"gsi1pk"`
	Index1SK string `dynamodbav:"gsi1sk"`
	Index2PK string `dynamodbav:"gsi2pk"`
	Index2SK string `dynamodbav:"gsi2sk"`
}

// counterItem counts the records of a kind in an app. Recent remembers who got the last numbers: the answer to
// a runner that asks again because it lost the first answer, at a time when Index2 may not know the id yet.
type counterItem struct {
	N      int64    `dynamodbav:"n"`
	Recent []string `dynamodbav:"recent,omitempty"` // ids of N, N-1, …
	// Listed is the number from which on, up to N, every record was written together with its entry in the list of what
	// lives. It is 0 after a server of an earlier version has written the counter, which does not know it.
	Listed int64 `dynamodbav:"listed,omitempty"`
}

// recentMost keeps the counter under 1 KB, which is one write unit.
const recentMost = 24

type latestItem struct {
	N  int64  `dynamodbav:"n"`
	ID string `dynamodbav:"id"`
}

// Parts takes a record apart: its kind, its meta data, and its physical state where it has one.
func Parts(r *waypointv1.Record) (kind Kind, meta *waypointv1.RecordMeta, physical waypointv1.PhysicalState) {
	switch x := r.GetRecord().(type) {
	case *waypointv1.Record_Build:
		return Builds, x.Build.GetMeta(), 0
	case *waypointv1.Record_Artifact:
		return Artifacts, x.Artifact.GetMeta(), 0
	case *waypointv1.Record_Deployment:
		return Deployments, x.Deployment.GetMeta(), x.Deployment.GetPhysicalState()
	case *waypointv1.Record_Release:
		return Releases, x.Release.GetMeta(), x.Release.GetPhysicalState()
	}
	return "", nil, 0
}

// NotFound is the refusal for a record that is not there.
func NotFound(kind Kind, what string) *fault.Error {
	return fault.New(connect.CodeNotFound, fault.RecordNotFound, "there is no %s %s", kind, what)
}

// ByID reads a record; RECORD_NOT_FOUND if there is none of that kind.
func (st *Store) ByID(ctx context.Context, kind Kind, id string) (*waypointv1.Record, error) {
	key, found, err := st.db.AwaitIndexed(ctx, store.RecordIDIndex(id))
	if err != nil {
		return nil, err
	}
	if !found || !hasKind(key, kind) {
		return nil, NotFound(kind, "with the id "+id)
	}
	return st.recordAt(ctx, kind, key, "with the id "+id)
}

func hasKind(key store.Key, kind Kind) bool {
	prefix := store.RecordPrefix(string(kind))
	return len(key.SK) > len(prefix) && key.SK[:len(prefix)] == prefix
}

// Recent reads a record that its own job wrote a moment ago: it asks the app's counter, which is never
// behind, before the index.
func (st *Store) Recent(ctx context.Context, kind Kind, project, app, id string) (*waypointv1.Record, error) {
	var counter counterItem
	if _, err := st.db.Get(ctx, store.Counter(project, app, string(kind)), true, &counter); err != nil {
		return nil, err
	}
	for i, recent := range counter.Recent {
		if recent == id {
			return st.BySequence(ctx, kind, project, app, counter.N-int64(i))
		}
	}
	return st.ByID(ctx, kind, id)
}

// BySequence reads a record by its number in its app.
func (st *Store) BySequence(ctx context.Context, kind Kind, project, app string, n int64) (*waypointv1.Record, error) {
	return st.recordAt(ctx, kind, store.Record(project, app, string(kind), n), fmt.Sprintf("#%d of %s/%s", n, project, app))
}

// Latest reads the record of a workspace with the highest number among those that succeeded.
func (st *Store) Latest(ctx context.Context, kind Kind, project, app, workspace string) (*waypointv1.Record, error) {
	what := fmt.Sprintf("of %s/%s in workspace %s that succeeded", project, app, workspace)
	var latest latestItem
	found, err := st.db.Get(ctx, store.Latest(project, app, workspace, string(kind)), true, &latest)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, NotFound(kind, what)
	}
	return st.recordAt(ctx, kind, store.Record(project, app, string(kind), latest.N), what)
}

func (st *Store) recordAt(ctx context.Context, kind Kind, key store.Key, what string) (*waypointv1.Record, error) {
	var item recordItem
	found, err := st.db.Get(ctx, key, true, &item)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, NotFound(kind, what)
	}
	return item.message()
}

func (i recordItem) message() (*waypointv1.Record, error) {
	record := &waypointv1.Record{}
	if err := proto.Unmarshal(i.Body, record); err != nil {
		return nil, fmt.Errorf("reading record %s: %w", i.ID, err)
	}
	return record, nil
}

// ListRequest asks for records of an app, newest first.
type ListRequest struct {
	Kind         Kind
	Project, App string
	// Workspace is empty for all workspaces.
	Workspace string
	// State and Physical are 0 for all.
	State    waypointv1.RecordState
	Physical waypointv1.PhysicalState
	// Living asks for what was not destroyed.
	Living bool
	// Entered says that the list of what lives is known to be complete (LivingComplete): nothing is written to complete it.
	Entered bool
	Size    int
	Token   string
}

// List reads one page, which ends where it is full: by number or by bytes. Filters may make it shorter than asked.
func (st *Store) List(ctx context.Context, in ListRequest) (out []*waypointv1.Record, next string, err error) {
	if in.ofTheLiving() {
		return st.listLiving(ctx, in)
	}
	q := store.Query{PK: store.AppPK(in.Project, in.App), SKPrefix: store.RecordPrefix(string(in.Kind)), Token: in.Token, Order: store.NewestFirst}
	if in.Workspace != "" {
		q = store.Query{Index: store.Index1, PK: store.RecordsIndex(in.Project, in.App, in.Workspace, string(in.Kind)), Token: in.Token, Order: store.NewestFirst}
	}
	next, err = st.db.List(ctx, q, in.Size, nil, in.collect(&out))
	return out, next, err
}

// collect adds to out the records that were asked for.
func (in ListRequest) collect(out *[]*waypointv1.Record) func(store.Item) (bool, error) {
	return func(raw store.Item) (bool, error) {
		var item recordItem
		if err := store.Decode(raw, &item); err != nil {
			return false, err
		}
		if !in.fits(item.State, item.Physical) {
			return false, nil
		}
		record, err := item.message()
		if err != nil {
			return false, err
		}
		*out = append(*out, record)
		return true, nil
	}
}

// fits reports whether a record in these states was asked for.
func (in ListRequest) fits(state, physical int32) bool {
	return (in.State == 0 || state == int32(in.State)) && (in.Physical == 0 || physical == int32(in.Physical)) &&
		(!in.Living || physical != destroyed)
}

// Physical states as items hold them; what is destroyed does not live.
const (
	created   = int32(waypointv1.PhysicalState_PHYSICAL_STATE_CREATED)
	destroyed = int32(waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED)
)
