// Package jobs carries out what the engine (package job) decides: it reads what a decision turns on, commits the decision as
// one transaction, and reads jobs for others.
//
// It imports the kernel, the contract, the engine, and packages projects, runners and audit. The rows in comments are those of the
// protocol, as the engine counts them.
package jobs

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/runners"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Store reads jobs, and carries out what their owners and runners ask for. It is safe for concurrent use.
type Store struct {
	db      *store.DB
	runners *runners.Store
}

// New returns the jobs of a table.
func New(db *store.DB, r *runners.Store) *Store { return &Store{db: db, runners: r} }

// items reads the named items of a job strongly, in one round trip.
func (st *Store) items(ctx context.Context, id string, keys ...store.Key) (job.Meta, map[store.Key]store.Item, error) {
	found, err := st.db.BatchGet(ctx, append(keys, store.JobMeta(id)), true)
	if err != nil {
		return job.Meta{}, nil, err
	}
	m, err := metaIn(found, id)
	return m, found, err
}

func metaIn(found map[store.Key]store.Item, id string) (m job.Meta, err error) {
	item, ok := found[store.JobMeta(id)]
	if !ok {
		return m, NotFound(id)
	}
	if m, err = decodeMeta(item); err != nil {
		return m, fmt.Errorf("reading job %s: %w", id, err)
	}
	return m, nil
}

func leaseIn(found map[store.Key]store.Item, id string) (*job.Lease, error) {
	item, ok := found[store.JobLease(id)]
	if !ok {
		return nil, nil
	}
	l, err := decodeLease(item)
	if err != nil {
		return nil, fmt.Errorf("reading the lease of job %s: %w", id, err)
	}
	return &l, nil
}

// Meta reads a job's state strongly.
func (st *Store) Meta(ctx context.Context, id string) (job.Meta, error) {
	m, _, err := st.items(ctx, id)
	return m, err
}

// State reads a job's state and lease, eventually consistent: one read unit. The lease is nil before the first claim.
func (st *Store) State(ctx context.Context, id string, consistent bool) (job.Meta, *job.Lease, error) {
	found, err := st.db.BatchGet(ctx, []store.Key{store.JobMeta(id), store.JobLease(id)}, consistent)
	if err != nil {
		return job.Meta{}, nil, err
	}
	m, err := metaIn(found, id)
	if err != nil {
		return m, nil, err
	}
	l, err := leaseIn(found, id)
	return m, l, err
}

func (st *Store) steps(ctx context.Context, id string) ([]job.Step, error) {
	items, err := st.db.All(ctx, store.Query{PK: store.JobPK(id), SKPrefix: store.StepPrefix, Order: store.OldestFirst, Consistent: true})
	if err != nil {
		return nil, err
	}
	steps := make([]job.Step, len(items))
	for i, item := range items {
		if steps[i], err = decodeStep(item); err != nil {
			return nil, fmt.Errorf("reading the steps of job %s: %w", id, err)
		}
	}
	return steps, nil
}

// states reads how jobs stand; those that do not exist are missing. One of a project that may refuses is refused without a
// word about its project or its state; a nil may lets all pass.
func (st *Store) states(ctx context.Context, ids []string, may func(project string) bool) (map[string]job.State, error) {
	states := make(map[string]job.State, len(ids))
	if len(ids) == 0 {
		return states, nil
	}
	keys := make([]store.Key, len(ids))
	for i, id := range ids {
		keys[i] = store.JobMeta(id)
	}
	found, err := st.db.BatchGet(ctx, keys, true)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		item, ok := found[keys[i]]
		if !ok {
			continue
		}
		if may != nil && !may(store.StringOf(item, "project")) {
			return nil, fault.New(connect.CodePermissionDenied, fault.PermissionDenied, "the token does not open job %s, so no job can depend on it", id).
				WithHint("Ask an admin for a token with a role on its project.").WithFact("job_id", id)
		}
		states[id] = job.State(store.StringOf(item, "state"))
	}
	return states, nil
}

// Get reads everything that is said of a job but its output.
func (st *Store) Get(ctx context.Context, id string) (*waypointv1.Job, job.Meta, *job.Lease, error) {
	var (
		m     job.Meta
		found map[store.Key]store.Item
		steps []job.Step
		g, in = errgroup.WithContext(ctx)
	)
	g.Go(func() (err error) {
		m, found, err = st.items(in, id, store.JobBody(id), store.JobLease(id), store.JobReport(id), store.JobResult(id))
		return err
	})
	g.Go(func() (err error) {
		steps, err = st.steps(in, id)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, m, nil, err
	}
	out := Proto(m)
	lease, err := leaseIn(found, id)
	if err != nil {
		return nil, m, nil, err
	}
	out.CancelRequested = lease != nil && lease.CancelRequested != 0
	if out.Spec, _, err = decodeBody(ctx, st.db, id, found[store.JobBody(id)]); err != nil {
		return nil, m, nil, err
	}
	for _, s := range steps {
		out.Steps = append(out.Steps, stepProto(s))
	}
	if err := addReport(out, found[store.JobReport(id)]); err != nil {
		return nil, m, nil, err
	}
	if err := addResult(out, found[store.JobResult(id)]); err != nil {
		return nil, m, nil, err
	}
	return out, m, lease, nil
}

// AddEnd adds to a job what its end left: its result and what it resolved.
func (st *Store) AddEnd(ctx context.Context, out *waypointv1.Job) error {
	found, err := st.db.BatchGet(ctx, []store.Key{store.JobReport(out.GetId()), store.JobResult(out.GetId())}, true)
	if err != nil {
		return err
	}
	if err := addReport(out, found[store.JobReport(out.GetId())]); err != nil {
		return err
	}
	return addResult(out, found[store.JobResult(out.GetId())])
}

// blobItem holds a message, packed.
type blobItem struct {
	Data []byte `dynamodbav:"data"`
}

// blob packs a message.
func blob(db *store.DB, m proto.Message) (blobItem, error) {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return blobItem{}, fmt.Errorf("storing a message: %w", err)
	}
	packed, err := db.Pack(raw)
	return blobItem{Data: packed}, err
}

func unblob(item store.Item, into proto.Message) error {
	var b blobItem
	if err := store.Decode(item, &b); err != nil {
		return err
	}
	raw, err := store.Unpack(b.Data)
	if err != nil {
		return err
	}
	return proto.Unmarshal(raw, into)
}

func addReport(out *waypointv1.Job, item store.Item) error {
	if len(item) == 0 {
		return nil
	}
	report := &waypointv1.ReportJobRequest{}
	if err := unblob(item, report); err != nil {
		return fmt.Errorf("reading the report of job %s: %w", out.GetId(), err)
	}
	out.Source, out.VariablesUsed = report.GetSource(), report.GetVariablesUsed()
	return nil
}

func addResult(out *waypointv1.Job, item store.Item) error {
	if len(item) == 0 {
		return nil
	}
	out.Result = &waypointv1.JobResult{}
	if err := unblob(item, out.GetResult()); err != nil {
		return fmt.Errorf("reading the result of job %s: %w", out.GetId(), err)
	}
	return nil
}

// Filter narrows a list of jobs; zero values do not.
type Filter struct {
	App, Workspace string
	States         map[job.State]bool
}

func (f Filter) wants(m job.Meta) bool {
	return (f.App == "" || f.App == m.App) && (f.Workspace == "" || f.Workspace == m.Workspace) &&
		(len(f.States) == 0 || f.States[m.State])
}

// List lists a project's jobs, newest first. A narrow filter can make a page shorter than asked.
func (st *Store) List(ctx context.Context, project string, f Filter, size int, token string) (out []job.Meta, next string, err error) {
	q := store.Query{Index: store.Index1, PK: store.JobsIndex(project), Order: store.NewestFirst, Token: token}
	next, err = st.db.List(ctx, q, size, nil, func(item store.Item) (bool, error) {
		m, err := decodeMeta(item)
		if err != nil {
			return false, fmt.Errorf("listing jobs: %w", err)
		}
		if !f.wants(m) {
			return false, nil
		}
		out = append(out, m)
		return true, nil
	})
	return out, next, err
}
