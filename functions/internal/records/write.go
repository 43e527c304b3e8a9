package records

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/jobs"
	"github.com/waypoint-serverless/waypoint/functions/internal/projects"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Settler adds, to the transaction that writes a deployment, what becomes of its entrypoints' token. Its actions that others
// may get ahead of are named SettledLabel. Package tokens has the one implementation.
type Settler interface {
	SettleToken(ctx context.Context, record *waypointv1.Record, tx *store.Tx) error
}

// Writer writes records and status reports, under the fence of the job that made them. It is safe for concurrent use.
type Writer struct {
	db     *store.DB
	tokens Settler
}

// NewWriter writes to a table; tokens are those of the deployments' entrypoints.
func NewWriter(db *store.DB, tokens Settler) *Writer { return &Writer{db: db, tokens: tokens} }

// SettledLabel names, in a *ConditionError, what was added to a deployment's transaction for its entrypoints' token: whoever
// meets it reads again.
const SettledLabel = "deployment token"

const (
	counterLabel = "counter"
	latestLabel  = "latest"
	recordLabel  = "record"
)

// Put writes a record of a job under its fence and returns it with its sequence; fingerprint is sealed, or nil. A new id gets the next
// number of its app and kind; a known one replaces the record. The LATEST item of the workspace moves in the
// same transaction if the record succeeded and its number is greater. Records of another app are refused by
// the caller; a lost lease is a ConditionError for FenceLost.
func (w *Writer) Put(ctx context.Context, fence jobs.Fence, record *waypointv1.Record, fingerprint []byte) (*waypointv1.Record, error) {
	record = proto.CloneOf(record)
	kind, meta, _ := Parts(record)
	given := meta.GetSequence()
	const tries = 20
	waits := store.Contention.Start()
	for try := 1; ; try++ {
		tx := store.Tx{}
		tx.Add(jobs.FenceCheck(fence))
		isNew, err := w.numberRecord(ctx, kind, meta, &tx)
		if err != nil {
			return nil, err
		}
		if err := w.addRecord(ctx, newRecord{record, fingerprint, isNew}, &tx); err != nil {
			return nil, err
		}
		if kind == Deployments {
			if err := w.tokens.SettleToken(ctx, record, &tx); err != nil {
				return nil, err
			}
		}
		err = w.db.Transact(ctx, tx)
		if err == nil {
			return record, nil
		}
		if !raced(err) || try == tries {
			return nil, recordRefused(err, kind, meta)
		}
		meta.Sequence = given
		if err := store.Pause(ctx, waits); err != nil {
			return nil, err
		}
	}
}

// raced reports whether a transaction failed because somebody else took the number, moved LATEST or changed the
// deployment's token first.
func raced(err error) bool {
	if jobs.FenceLost(err) {
		return false
	}
	_, counter := store.Failed(err, counterLabel)
	_, latest := store.Failed(err, latestLabel)
	_, token := store.Failed(err, SettledLabel)
	return counter || latest || token
}

// recordRefused words the one condition that a caller can break.
func recordRefused(err error, kind Kind, meta *waypointv1.RecordMeta) error {
	if _, other := store.Failed(err, recordLabel); !other || jobs.FenceLost(err) {
		return err
	}
	return fault.New(connect.CodeAlreadyExists, fault.Conflict, "%s %s is not number %d of %s/%s in workspace %s",
		kind, meta.GetId(), meta.GetSequence(), meta.GetProject(), meta.GetApp(), meta.GetWorkspace())
}

// numberRecord finds the record's number, or takes the next one in tx.
func (w *Writer) numberRecord(ctx context.Context, kind Kind, meta *waypointv1.RecordMeta, tx *store.Tx) (isNew bool, err error) {
	if meta.GetSequence() > 0 {
		return false, nil // addRecord's condition holds the caller to it
	}
	key := store.Counter(meta.GetProject(), meta.GetApp(), string(kind))
	var counter counterItem
	if _, err := w.db.Get(ctx, key, true, &counter); err != nil {
		return false, err
	}
	for i, id := range counter.Recent {
		if id == meta.GetId() {
			meta.Sequence = counter.N - int64(i)
			return false, nil
		}
	}
	// The index finds an older repeat, and an id that is taken elsewhere.
	known, found, err := w.db.FindIndexed(ctx, store.RecordIDIndex(meta.GetId()))
	if err != nil {
		return false, err
	}
	if found {
		return false, w.takeNumber(ctx, known, kind, meta)
	}
	meta.Sequence = counter.N + 1
	recent := append([]string{meta.GetId()}, counter.Recent...)
	next := counterItem{N: meta.GetSequence(), Recent: recent[:min(len(recent), recentMost)], Listed: counter.Listed}
	if mayLive(kind) && next.Listed == 0 {
		next.Listed = next.N // a run begins: addRecord writes the entry
	}
	cond := store.If("#n = ?", counter.N)
	if counter.N == 0 {
		cond = store.Absent()
	}
	tx.Add(store.Put(key, next, cond).Named(counterLabel), projects.TouchWorkspace(meta.GetProject(), meta.GetWorkspace(), w.db.Now()))
	return true, nil
}

func (w *Writer) takeNumber(ctx context.Context, known store.Key, kind Kind, meta *waypointv1.RecordMeta) error {
	if known.PK != store.AppPK(meta.GetProject(), meta.GetApp()) || !hasKind(known, kind) {
		return fault.New(connect.CodeAlreadyExists, fault.AlreadyExists, "another record has the id %s", meta.GetId())
	}
	var item recordItem
	if _, err := w.db.Get(ctx, known, true, &item); err != nil {
		return err
	}
	meta.Sequence = item.N
	return nil
}

// newRecord is a record to write, with its sealed fingerprint; isNew: none has its number yet.
type newRecord struct {
	record      *waypointv1.Record
	fingerprint []byte
	isNew       bool
}

// addRecord adds the record itself and, if it is now the latest that succeeded, the LATEST item.
func (w *Writer) addRecord(ctx context.Context, r newRecord, tx *store.Tx) error {
	kind, meta, physical := Parts(r.record)
	body, err := proto.Marshal(r.record)
	if err != nil {
		return fmt.Errorf("storing the %s: %w", kind, err)
	}
	if err := validate.Size("the record of the "+kind.String(), len(body), validate.MaxRecord); err != nil {
		return err
	}
	project, app, workspace, n := meta.GetProject(), meta.GetApp(), meta.GetWorkspace(), meta.GetSequence()
	item := recordItem{
		ID: meta.GetId(), N: n, Workspace: workspace, JobID: meta.GetJobId(), State: int32(meta.GetState()), Physical: int32(physical),
		Body: body, Fingerprint: r.fingerprint, Index1PK: store.RecordsIndex(project, app, workspace, string(kind)), Index1SK: store.RecordSort(n),
		Index2PK: store.RecordIDIndex(meta.GetId()), Index2SK: store.RecordIDSort,
	}
	cond := store.Absent()
	if !r.isNew {
		cond = store.If("#id = ? AND #workspace = ?", item.ID, workspace)
	}
	tx.Add(store.Put(store.Record(project, app, string(kind), n), item, cond).Named(recordLabel))
	if mayLive(kind) {
		tx.Add(settleLiving(kind, meta, item))
	}
	if meta.GetState() != waypointv1.RecordState_RECORD_STATE_SUCCESS {
		return nil
	}
	key := store.Latest(project, app, workspace, string(kind))
	var latest latestItem
	if _, err := w.db.Get(ctx, key, true, &latest); err != nil {
		return err
	}
	if latest.N < n {
		tx.Add(store.Put(key, latestItem{N: n, ID: item.ID}, store.If("attribute_not_exists(#n) OR #n < ?", n)).Named(latestLabel))
	}
	return nil
}
