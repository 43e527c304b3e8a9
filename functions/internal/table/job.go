package table

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
)

// jobItems reads the named items of a job strongly, in one round trip.
func (t *Table) jobItems(ctx context.Context, id string, keys ...Key) (job.Meta, map[Key]Item, error) {
	found, err := t.BatchGet(ctx, append(keys, JobMeta(id)), true)
	if err != nil {
		return job.Meta{}, nil, err
	}
	m, err := metaIn(found, id)
	return m, found, err
}

func metaIn(found map[Key]Item, id string) (m job.Meta, err error) {
	item, ok := found[JobMeta(id)]
	if !ok {
		return m, JobNotFound(id)
	}
	if err := Decode(item, &m); err != nil {
		return m, fmt.Errorf("reading job %s: %w", id, err)
	}
	return m, nil
}

func leaseIn(found map[Key]Item, id string) (*job.Lease, error) {
	item, ok := found[JobLease(id)]
	if !ok {
		return nil, nil
	}
	l := &job.Lease{}
	if err := Decode(item, l); err != nil {
		return nil, fmt.Errorf("reading the lease of job %s: %w", id, err)
	}
	return l, nil
}

// JobMeta reads a job's state strongly.
func (t *Table) JobMeta(ctx context.Context, id string) (job.Meta, error) {
	m, _, err := t.jobItems(ctx, id)
	return m, err
}

// JobState reads a job's state and lease, eventually consistent: one read unit. The lease is nil before the first claim.
func (t *Table) JobState(ctx context.Context, id string, consistent bool) (job.Meta, *job.Lease, error) {
	found, err := t.BatchGet(ctx, []Key{JobMeta(id), JobLease(id)}, consistent)
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

func (t *Table) jobSteps(ctx context.Context, id string) ([]job.Step, error) {
	items, err := t.QueryAll(ctx, QueryInput{PK: JobPK(id), SKPrefix: StepPrefix, Forward: true, Consistent: true}, 0)
	if err != nil {
		return nil, err
	}
	steps := make([]job.Step, len(items))
	for i, item := range items {
		if err := Decode(item, &steps[i]); err != nil {
			return nil, fmt.Errorf("reading the steps of job %s: %w", id, err)
		}
	}
	return steps, nil
}

// states reads how jobs stand; those that do not exist are missing. One of a project that may refuses is refused without a
// word about its project or its state; a nil may lets all pass.
func (t *Table) states(ctx context.Context, ids []string, may func(project string) bool) (map[string]job.State, error) {
	states := make(map[string]job.State, len(ids))
	if len(ids) == 0 {
		return states, nil
	}
	keys := make([]Key, len(ids))
	for i, id := range ids {
		keys[i] = JobMeta(id)
	}
	found, err := t.BatchGet(ctx, keys, true)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		item, ok := found[keys[i]]
		if !ok {
			continue
		}
		if may != nil && !may(str(item, "project")) {
			return nil, fault.New(connect.CodePermissionDenied, fault.PermissionDenied, "the token does not open job %s, so no job can depend on it", id).
				WithHint("Ask an admin for a token with a role on its project.").WithFact("job_id", id)
		}
		states[id] = job.State(str(item, "state"))
	}
	return states, nil
}

// Job reads everything that is said of a job but its output.
func (t *Table) Job(ctx context.Context, id string) (*waypointv1.Job, job.Meta, *job.Lease, error) {
	var (
		m     job.Meta
		found map[Key]Item
		steps []job.Step
		g, in = errgroup.WithContext(ctx)
	)
	g.Go(func() (err error) {
		m, found, err = t.jobItems(in, id, JobBody(id), JobLease(id), JobReport(id), JobResult(id))
		return err
	})
	g.Go(func() (err error) {
		steps, err = t.jobSteps(in, id)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, m, nil, err
	}
	out := JobProto(m)
	lease, err := leaseIn(found, id)
	if err != nil {
		return nil, m, nil, err
	}
	out.CancelRequested = lease != nil && lease.CancelRequested != 0
	if out.Spec, _, err = decodeBody(ctx, t, id, found[JobBody(id)]); err != nil {
		return nil, m, nil, err
	}
	for _, s := range steps {
		out.Steps = append(out.Steps, stepProto(s))
	}
	if err := addReport(out, found[JobReport(id)]); err != nil {
		return nil, m, nil, err
	}
	if err := addResult(out, found[JobResult(id)]); err != nil {
		return nil, m, nil, err
	}
	return out, m, lease, nil
}

// JobEnd adds to a job what its end left: its result and what it resolved.
func (t *Table) JobEnd(ctx context.Context, out *waypointv1.Job) error {
	found, err := t.BatchGet(ctx, []Key{JobReport(out.GetId()), JobResult(out.GetId())}, true)
	if err != nil {
		return err
	}
	if err := addReport(out, found[JobReport(out.GetId())]); err != nil {
		return err
	}
	return addResult(out, found[JobResult(out.GetId())])
}

// blobItem holds a message, packed.
type blobItem struct {
	Data []byte `dynamodbav:"data"`
}

// blob packs a message.
func blob(db *Table, m proto.Message) (blobItem, error) {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return blobItem{}, fmt.Errorf("storing a message: %w", err)
	}
	packed, err := db.pack(raw)
	return blobItem{Data: packed}, err
}

func unblob(item Item, into proto.Message) error {
	var b blobItem
	if err := Decode(item, &b); err != nil {
		return err
	}
	raw, err := unpack(b.Data)
	if err != nil {
		return err
	}
	return proto.Unmarshal(raw, into)
}

func addReport(out *waypointv1.Job, item Item) error {
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

func addResult(out *waypointv1.Job, item Item) error {
	if len(item) == 0 {
		return nil
	}
	out.Result = &waypointv1.JobResult{}
	if err := unblob(item, out.GetResult()); err != nil {
		return fmt.Errorf("reading the result of job %s: %w", out.GetId(), err)
	}
	return nil
}

// JobFilter narrows a list of jobs; zero values do not.
type JobFilter struct {
	App, Workspace string
	States         map[job.State]bool
}

func (f JobFilter) wants(m job.Meta) bool {
	return (f.App == "" || f.App == m.App) && (f.Workspace == "" || f.Workspace == m.Workspace) &&
		(len(f.States) == 0 || f.States[m.State])
}

// listPages bounds how many pages one list request reads to fill its own; a narrow filter then answers with a shorter page.
const listPages = 5

// Jobs lists a project's jobs, newest first.
func (t *Table) Jobs(ctx context.Context, project string, f JobFilter, size int, token string) ([]job.Meta, string, error) {
	var out []job.Meta
	for range listPages {
		page, next, err := t.Query(ctx, QueryInput{Index: Index1, PK: JobsIndex(project), Limit: size - len(out), Token: token})
		if err != nil {
			return nil, "", err
		}
		items, err := t.Hydrate(ctx, page)
		if err != nil {
			return nil, "", err
		}
		for _, item := range items {
			var m job.Meta
			if err := Decode(item, &m); err != nil {
				return nil, "", fmt.Errorf("listing jobs: %w", err)
			}
			if f.wants(m) {
				out = append(out, m)
			}
		}
		token = next
		if token == "" || len(out) >= size {
			break
		}
	}
	return out, token, nil
}
