package table

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// RecordKind is a kind of record as it stands in keys.
type RecordKind string

// The kinds of records.
const (
	Builds      RecordKind = "B"
	Artifacts   RecordKind = "X"
	Deployments RecordKind = "D"
	Releases    RecordKind = "R"
)

func (k RecordKind) String() string {
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
	Body     []byte `dynamodbav:"body"`
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
}

// recentMost keeps the counter under 1 KB, which is one write unit.
const recentMost = 24

type latestItem struct {
	N  int64  `dynamodbav:"n"`
	ID string `dynamodbav:"id"`
}

// RecordParts takes a record apart: its kind, its meta data, and its physical state where it has one.
func RecordParts(r *waypointv1.Record) (kind RecordKind, meta *waypointv1.RecordMeta, physical waypointv1.PhysicalState) {
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

// SettledLabel names, in a *ConditionError, what was added to a deployment's transaction for its entrypoints' token: whoever
// meets it reads again.
const SettledLabel = "deployment token"

const (
	counterLabel = "counter"
	latestLabel  = "latest"
	recordLabel  = "record"
)

// PutRecord writes a record of a job under its fence and returns it with its sequence. A new id gets the next
// number of its app and kind; a known one replaces the record. The LATEST item of the workspace moves in the
// same transaction if the record succeeded and its number is greater. Records of another app are refused by
// the caller; a lost lease is a ConditionError for FenceLost.
func (t *Table) PutRecord(ctx context.Context, fence Fence, record *waypointv1.Record) (*waypointv1.Record, error) {
	record = proto.CloneOf(record)
	kind, meta, _ := RecordParts(record)
	given := meta.GetSequence()
	const tries = 20
	waits := contention.Start()
	for try := 1; ; try++ {
		tx := Tx{}
		tx.Add(FenceCheck(fence))
		isNew, err := t.numberRecord(ctx, kind, meta, &tx)
		if err != nil {
			return nil, err
		}
		if err := t.addRecord(ctx, record, isNew, &tx); err != nil {
			return nil, err
		}
		if kind == Deployments {
			if err := t.settleToken(ctx, record, &tx); err != nil {
				return nil, err
			}
		}
		err = t.Transact(ctx, tx)
		if err == nil {
			return record, nil
		}
		if !raced(err) || try == tries {
			return nil, recordRefused(err, kind, meta)
		}
		meta.Sequence = given
		if err := pause(ctx, waits); err != nil {
			return nil, err
		}
	}
}

// raced reports whether a transaction failed because somebody else took the number, moved LATEST or changed the
// deployment's token first.
func raced(err error) bool {
	if FenceLost(err) {
		return false
	}
	_, counter := Failed(err, counterLabel)
	_, latest := Failed(err, latestLabel)
	_, token := Failed(err, SettledLabel)
	return counter || latest || token
}

// recordRefused words the one condition that a caller can break.
func recordRefused(err error, kind RecordKind, meta *waypointv1.RecordMeta) error {
	if _, other := Failed(err, recordLabel); !other || FenceLost(err) {
		return err
	}
	return fault.New(connect.CodeAlreadyExists, fault.Conflict, "%s %s is not number %d of %s/%s in workspace %s",
		kind, meta.GetId(), meta.GetSequence(), meta.GetProject(), meta.GetApp(), meta.GetWorkspace())
}

// numberRecord finds the record's number, or takes the next one in tx.
func (t *Table) numberRecord(ctx context.Context, kind RecordKind, meta *waypointv1.RecordMeta, tx *Tx) (isNew bool, err error) {
	if meta.GetSequence() > 0 {
		return false, nil // addRecord's condition holds the caller to it
	}
	key := Counter(meta.GetProject(), meta.GetApp(), string(kind))
	var counter counterItem
	if _, err := t.Get(ctx, key, true, &counter); err != nil {
		return false, err
	}
	for i, id := range counter.Recent {
		if id == meta.GetId() {
			meta.Sequence = counter.N - int64(i)
			return false, nil
		}
	}
	// The index finds an older repeat, and an id that is taken elsewhere.
	known, found, err := t.indexed(ctx, RecordIDIndex(meta.GetId()))
	if err != nil {
		return false, err
	}
	if found {
		return false, t.takeNumber(ctx, known, kind, meta)
	}
	meta.Sequence = counter.N + 1
	recent := append([]string{meta.GetId()}, counter.Recent...)
	next := counterItem{N: meta.GetSequence(), Recent: recent[:min(len(recent), recentMost)]}
	cond := If("#n = ?", counter.N)
	if counter.N == 0 {
		cond = Absent()
	}
	tx.Add(Put(key, next, cond).Named(counterLabel), TouchWorkspace(meta.GetProject(), meta.GetWorkspace(), t.clock()))
	return true, nil
}

func (t *Table) takeNumber(ctx context.Context, known Key, kind RecordKind, meta *waypointv1.RecordMeta) error {
	if known.PK != AppPK(meta.GetProject(), meta.GetApp()) || !hasKind(known, kind) {
		return fault.New(connect.CodeAlreadyExists, fault.AlreadyExists, "another record has the id %s", meta.GetId())
	}
	var item recordItem
	if _, err := t.Get(ctx, known, true, &item); err != nil {
		return err
	}
	meta.Sequence = item.N
	return nil
}

// addRecord adds the record itself and, if it is now the latest that succeeded, the LATEST item.
func (t *Table) addRecord(ctx context.Context, record *waypointv1.Record, isNew bool, tx *Tx) error {
	kind, meta, physical := RecordParts(record)
	body, err := proto.Marshal(record)
	if err != nil {
		return fmt.Errorf("storing the %s: %w", kind, err)
	}
	if err := validate.Size("the record of the "+kind.String(), len(body), validate.MaxRecord); err != nil {
		return err
	}
	project, app, workspace, n := meta.GetProject(), meta.GetApp(), meta.GetWorkspace(), meta.GetSequence()
	item := recordItem{
		ID: meta.GetId(), N: n, Workspace: workspace, JobID: meta.GetJobId(), State: int32(meta.GetState()), Physical: int32(physical),
		Body: body, Index1PK: RecordsIndex(project, app, workspace, string(kind)), Index1SK: RecordSort(n),
		Index2PK: RecordIDIndex(meta.GetId()), Index2SK: RecordIDSort,
	}
	cond := Absent()
	if !isNew {
		cond = If("#id = ? AND #workspace = ?", item.ID, workspace)
	}
	tx.Add(Put(Record(project, app, string(kind), n), item, cond).Named(recordLabel))
	if meta.GetState() != waypointv1.RecordState_RECORD_STATE_SUCCESS {
		return nil
	}
	key := Latest(project, app, workspace, string(kind))
	var latest latestItem
	if _, err := t.Get(ctx, key, true, &latest); err != nil {
		return err
	}
	if latest.N < n {
		tx.Add(Put(key, latestItem{N: n, ID: item.ID}, If("attribute_not_exists(#n) OR #n < ?", n)).Named(latestLabel))
	}
	return nil
}

// RecordNotFound is the refusal for a record that is not there.
func RecordNotFound(kind RecordKind, what string) *fault.Error {
	return fault.New(connect.CodeNotFound, fault.RecordNotFound, "there is no %s %s", kind, what)
}

// RecordByID reads a record; RECORD_NOT_FOUND if there is none of that kind.
func (t *Table) RecordByID(ctx context.Context, kind RecordKind, id string) (*waypointv1.Record, error) {
	key, found, err := t.byID(ctx, RecordIDIndex(id))
	if err != nil {
		return nil, err
	}
	if !found || !hasKind(key, kind) {
		return nil, RecordNotFound(kind, "with the id "+id)
	}
	return t.recordAt(ctx, kind, key, "with the id "+id)
}

func hasKind(key Key, kind RecordKind) bool {
	prefix := RecordPrefix(string(kind))
	return len(key.SK) > len(prefix) && key.SK[:len(prefix)] == prefix
}

// RecentRecord reads a record that its own job wrote a moment ago: it asks the app's counter, which is never
// behind, before the index.
func (t *Table) RecentRecord(ctx context.Context, kind RecordKind, project, app, id string) (*waypointv1.Record, error) {
	var counter counterItem
	if _, err := t.Get(ctx, Counter(project, app, string(kind)), true, &counter); err != nil {
		return nil, err
	}
	for i, recent := range counter.Recent {
		if recent == id {
			return t.RecordBySequence(ctx, kind, project, app, counter.N-int64(i))
		}
	}
	return t.RecordByID(ctx, kind, id)
}

// RecordBySequence reads a record by its number in its app.
func (t *Table) RecordBySequence(ctx context.Context, kind RecordKind, project, app string, n int64) (*waypointv1.Record, error) {
	return t.recordAt(ctx, kind, Record(project, app, string(kind), n), fmt.Sprintf("#%d of %s/%s", n, project, app))
}

// LatestRecord reads the record of a workspace with the highest number among those that succeeded.
func (t *Table) LatestRecord(ctx context.Context, kind RecordKind, project, app, workspace string) (*waypointv1.Record, error) {
	what := fmt.Sprintf("of %s/%s in workspace %s that succeeded", project, app, workspace)
	var latest latestItem
	found, err := t.Get(ctx, Latest(project, app, workspace, string(kind)), true, &latest)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, RecordNotFound(kind, what)
	}
	return t.recordAt(ctx, kind, Record(project, app, string(kind), latest.N), what)
}

func (t *Table) recordAt(ctx context.Context, kind RecordKind, key Key, what string) (*waypointv1.Record, error) {
	var item recordItem
	found, err := t.Get(ctx, key, true, &item)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, RecordNotFound(kind, what)
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

// RecordList asks for records of an app, newest first.
type RecordList struct {
	Kind         RecordKind
	Project, App string
	// Workspace is empty for all workspaces.
	Workspace string
	// State and Physical are 0 for all.
	State    waypointv1.RecordState
	Physical waypointv1.PhysicalState
	Size     int
	Token    string
}

// listBytesMost bounds the records of one answer: as base64 it must cross Lambda's 6 MB.
const listBytesMost = 2 << 20

// ListRecords reads one page, which ends where it is full: by number or by bytes.
func (t *Table) ListRecords(ctx context.Context, in RecordList) (out []*waypointv1.Record, next string, err error) {
	q := QueryInput{PK: AppPK(in.Project, in.App), SKPrefix: RecordPrefix(string(in.Kind)), Token: in.Token}
	if in.Workspace != "" {
		q = QueryInput{Index: Index1, PK: RecordsIndex(in.Project, in.App, in.Workspace, string(in.Kind)), Token: in.Token}
	}
	for round, bytes := 0, 0; round < listRounds; round++ {
		q.Limit = in.Size - len(out)
		page, more, err := t.Query(ctx, q)
		if err != nil {
			return nil, "", err
		}
		if q.Index != "" {
			if page, err = t.Hydrate(ctx, page); err != nil {
				return nil, "", err
			}
		}
		for i, raw := range page {
			var item recordItem
			if err := Decode(raw, &item); err != nil {
				return nil, "", err
			}
			if bytes += len(item.Body); bytes > listBytesMost && len(out) > 0 {
				if i == 0 {
					return out, q.Token, nil
				}
				next, err := TokenAfter(q, page[i-1])
				return out, next, err
			}
			if (in.State != 0 && item.State != int32(in.State)) || (in.Physical != 0 && item.Physical != int32(in.Physical)) {
				continue
			}
			record, err := item.message()
			if err != nil {
				return nil, "", err
			}
			out = append(out, record)
		}
		next, q.Token = more, more
		if more == "" || len(out) >= in.Size {
			break
		}
	}
	return out, next, nil
}
