package table

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
)

// StaleLease is the refusal of a write by an attempt that is not the current one. It says how the job stands, since that can be
// the caller's own success.
func (t *Table) StaleLease(ctx context.Context, f Fence) error {
	m, err := t.JobMeta(ctx, f.JobID)
	if err != nil {
		return err
	}
	return stale(m, f)
}

func stale(m job.Meta, f Fence) error {
	if f.MayRead != nil && !f.MayRead(m.Project) {
		return fault.New(connect.CodeFailedPrecondition, fault.StaleLease, "attempt %d at job %s may not write", f.Attempt, f.JobID).
			WithHint("Only the runner that claimed a job writes for it.").WithFact("job_id", f.JobID)
	}
	e := fault.New(connect.CodeFailedPrecondition, fault.StaleLease,
		"attempt %d at job %s may no longer write: the job is %s, at attempt %d", f.Attempt, f.JobID, m.State, m.Attempt).
		WithHint("Stop working on the job; if it has not ended, another runner has it.").
		WithFact("job_id", f.JobID).WithFact("state", string(m.State)).WithFact("attempt", strconv.FormatInt(m.Attempt, 10))
	if m.State.Ended() {
		e = e.WithFact("ended_by", strconv.FormatInt(m.EndedBy, 10))
	}
	return e
}

// RenewLease is row 6. canceled: somebody asked to cancel the job.
func (t *Table) RenewLease(ctx context.Context, f Fence) (canceled bool, err error) {
	a, err := action(job.Renew(f.JobID, f.Attempt, f.Owner, t.clock()).Changes[0], t.clock())
	if err != nil {
		return false, err
	}
	after, err := t.single(ctx, a)
	if FenceLost(err) {
		return false, t.StaleLease(ctx, f)
	}
	return num(after, "cancel_requested") != 0, err
}

// BeginStep is row 7. again: the step was begun before and is to be run once more.
func (t *Table) BeginStep(ctx context.Context, f Fence, s job.Step, again bool) error {
	d := job.BeginStep(f.JobID, f.Attempt, f.Owner, s, t.clock())
	if again {
		found, err := t.BatchGet(ctx, []Key{JobLease(f.JobID), JobStep(f.JobID, s.Name)}, true)
		if err != nil {
			return err
		}
		var l job.Lease
		var before job.Step
		for key, into := range map[Key]any{JobLease(f.JobID): &l, JobStep(f.JobID, s.Name): &before} {
			if err := Decode(found[key], into); err != nil {
				return fmt.Errorf("reading the step %s of job %s: %w", s.Name, f.JobID, err)
			}
		}
		d = job.BeginStepAgain(f.JobID, l, before, f.Attempt, f.Owner, s, t.clock())
	}
	err := t.commit(ctx, d)
	if _, done := Failed(err, labelStep); done && !FenceLost(err) {
		what := "has ended already"
		if again {
			what = "may not be run again"
		}
		return fault.New(connect.CodeFailedPrecondition, fault.Conflict, "step %q of job %s %s", s.Name, f.JobID, what)
	}
	return t.fencedError(ctx, f, err)
}

// EndStep is row 8. A repeat is accepted.
func (t *Table) EndStep(ctx context.Context, f Fence, name, record string) error {
	err := t.commit(ctx, job.EndStep(f.JobID, f.Attempt, f.Owner, name, record, t.clock()))
	if _, missing := Failed(err, labelStep); missing && !FenceLost(err) {
		return fault.New(connect.CodeFailedPrecondition, fault.Conflict, "step %q was not begun by this attempt at job %s", name, f.JobID)
	}
	return t.fencedError(ctx, f, err)
}

func (t *Table) fencedError(ctx context.Context, f Fence, err error) error {
	if FenceLost(err) {
		return t.StaleLease(ctx, f)
	}
	return err
}

// ReportJob keeps what the job resolved.
func (t *Table) ReportJob(ctx context.Context, f Fence, report *waypointv1.ReportJobRequest) error {
	blob, err := blob(t, &waypointv1.ReportJobRequest{Source: report.GetSource(), VariablesUsed: report.GetVariablesUsed()})
	if err != nil {
		return err
	}
	var tx Tx
	tx.Add(FenceCheck(f), Put(JobReport(f.JobID), blob))
	return t.fencedError(ctx, f, t.Transact(ctx, tx))
}

// batchItem is one batch of output: events, packed, and the attempt that wrote them.
type batchItem struct {
	Attempt int64  `dynamodbav:"attempt"`
	Data    []byte `dynamodbav:"data"`
}

// AppendOutput is row 9. raw is a marshalled AppendOutputRequest with the events only. A repeat of an accepted append is
// answered as accepted; one that leaves a gap is refused with OUTPUT_GAP.
func (t *Table) AppendOutput(ctx context.Context, f Fence, position int64, raw []byte) error {
	data, err := t.pack(raw)
	if err != nil {
		return err
	}
	batch := batchItem{Attempt: f.Attempt, Data: data}
	now := t.clock()
	d := job.AppendOutput(f.JobID, f.Attempt, f.Owner, position, batch, now)
	err = t.commit(ctx, job.LimitOutput(d, f.JobID, int64(len(raw)), now))
	failed, lost := Failed(err, fenceLabel)
	if !lost {
		return err
	}
	var l job.Lease
	if err := Decode(failed.Old, &l); err != nil {
		return fmt.Errorf("reading the lease of job %s: %w", f.JobID, err)
	}
	if !l.Live || l.Attempt != f.Attempt || l.Owner != f.Owner {
		return t.StaleLease(ctx, f)
	}
	if position < l.NextOutput {
		var there batchItem
		found, err := t.Get(ctx, JobOutput(f.JobID, position), true, &there)
		if err != nil {
			return err
		}
		if found && there.Attempt == f.Attempt && bytes.Equal(there.Data, data) {
			return nil
		}
	}
	if l.OutputFull(now) {
		return fault.New(connect.CodeResourceExhausted, fault.Throttled, "job %s sends output faster than it is taken: %d MB at once, %d MB a second in the long run",
			f.JobID, job.OutputBurst>>20, job.OutputPerSecond>>20).
			WithHint("Wait before sending more, or leave output out.").WithFact("job_id", f.JobID)
	}
	return fault.New(connect.CodeFailedPrecondition, fault.OutputGap,
		"output of job %s goes on at position %d, not at %d", f.JobID, l.NextOutput, position).
		WithFact("next_output", strconv.FormatInt(l.NextOutput, 10))
}

// Output reads batches of a job's output from a position on and before another, at most about most bytes, and where to go on.
// Each batch is a marshalled AppendOutputRequest with events only. Positions that were passed over without a batch have
// expired: a batch and the lease that counts it are written together, so that one which a strong read does not find is gone, and
// DynamoDB deletes expired items in any order, so that what comes after a hole may still be there. A weak read may only lag
// behind: it stops at a hole, and is made again strongly if it found nothing before it.
func (t *Table) Output(ctx context.Context, id string, from, to int64, most int, consistent bool) (batches [][]byte, next int64, err error) {
	next = from
	if from >= to {
		return nil, next, nil
	}
	q := QueryInput{PK: JobPK(id), SKFrom: JobOutput(id, from).SK, SKTo: JobOutput(id, to-1).SK, Forward: true, Limit: 200, Consistent: consistent}
	for size := 0; ; {
		items, following, err := t.Query(ctx, q)
		if err != nil {
			return nil, from, err
		}
		for _, item := range items {
			position, raw, err := readOutput(id, item)
			if err != nil {
				return nil, from, err
			}
			if position > next && !consistent {
				return t.outputAgain(ctx, id, from, to, most, batches)
			}
			if size > 0 && size+len(raw) > most {
				return batches, next, nil
			}
			batches = append(batches, raw)
			size += len(raw)
			next = position + 1
		}
		if following == "" {
			break
		}
		q.Token = following
	}
	if next < to && !consistent {
		return t.outputAgain(ctx, id, from, to, most, batches)
	}
	return batches, to, nil
}

// outputAgain answers with what a weak read found before its first hole, or reads strongly if that was nothing.
func (t *Table) outputAgain(ctx context.Context, id string, from, to int64, most int, weak [][]byte) ([][]byte, int64, error) {
	if len(weak) > 0 {
		return weak, from + int64(len(weak)), nil
	}
	return t.Output(ctx, id, from, to, most, true)
}

func readOutput(id string, item Item) (position int64, raw []byte, err error) {
	position, err = strconv.ParseInt(strings.TrimPrefix(str(item, AttrSK), OutputPrefix), 10, 64)
	if err != nil {
		return 0, nil, fmt.Errorf("reading the output of job %s: the key %s is damaged", id, KeyOf(item))
	}
	var b batchItem
	if err := Decode(item, &b); err != nil {
		return 0, nil, fmt.Errorf("reading the output of job %s: %w", id, err)
	}
	if raw, err = unpack(b.Data); err != nil {
		return 0, nil, fmt.Errorf("reading the output of job %s: %w", id, err)
	}
	return position, raw, nil
}
