// Package tail answers the long reads: output of jobs and logs of apps, from a cursor on.
//
// A read is held until there is something new, at most 20 s, by looking again and again: functions share no memory, and on one machine
// it is done as on AWS. It only reads, but for the marks that tell entrypoints that somebody reads their logs. It imports
// the server's insides and api, nothing else of ours.
package tail

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/jobs"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Jobs reads the output and state of jobs.
type Jobs struct {
	DB   *store.DB
	Jobs *jobs.Store
	// Hold is how long a read is held at most; 0: answered at once.
	Hold time.Duration
}

// A held read looks again after a sixteenth of the time since something came last, since what comes often comes soon: at
// least 4 ms, and at most 15 ms for 2 s; then each time 1.5 times later, up to 1 s.
const (
	jobSoon  = 4 * time.Millisecond
	jobLook  = 15 * time.Millisecond
	jobEager = 2 * time.Second
	// whyAfter is how long a job waits before it is worth finding out why, and how often that is done.
	whyAfter = time.Second
	whyEvery = 2 * time.Second
)

// jobCursor says what a reader has seen: output before next, how much of that had expired, a state, a reason for waiting, and
// when something came last.
type jobCursor struct {
	next       int64
	state, why string
	news       int64 // Unix milliseconds
	expired    int64
}

func (c jobCursor) String() string {
	parts := []string{"j1", strconv.FormatInt(c.next, 10), c.state, c.why, strconv.FormatInt(c.news, 10)}
	if c.expired > 0 {
		parts = append(parts, strconv.FormatInt(c.expired, 10))
	}
	return strings.Join(parts, ".")
}

func parseJobCursor(s string, now time.Time) (jobCursor, error) {
	if s == "" {
		return jobCursor{news: now.UnixMilli()}, nil
	}
	refused := fault.New(connect.CodeInvalidArgument, fault.InvalidArgument, "the cursor is not one of a job's output").WithFact("field", "cursor")
	parts := strings.Split(s, ".")
	if len(parts) != 5 && len(parts) != 6 || parts[0] != "j1" {
		return jobCursor{}, refused
	}
	expired := int64(0)
	if len(parts) == 6 {
		var err error
		if expired, err = strconv.ParseInt(parts[5], 10, 64); err != nil || expired < 0 {
			return jobCursor{}, refused
		}
	}
	next, nextErr := strconv.ParseInt(parts[1], 10, 64)
	news, newsErr := strconv.ParseInt(parts[4], 10, 64)
	if nextErr != nil || newsErr != nil || next < 0 {
		return jobCursor{}, refused
	}
	return jobCursor{next: next, state: parts[2], why: parts[3], news: news, expired: expired}, nil
}

// TailJob answers output and state from a cursor on, and holds the read until there is something new. Output comes in its
// order; done means that the job has ended and all its output was read. What has expired is passed over, and the last
// answer says how much that was.
func (s *Jobs) TailJob(ctx context.Context, req *connect.Request[waypointv1.TailJobRequest]) (*connect.Response[waypointv1.TailJobResponse], error) {
	in := req.Msg
	if err := validate.ID("job_id", in.GetJobId()); err != nil {
		return nil, err
	}
	cursor, err := parseJobCursor(in.GetCursor(), s.DB.Now())
	if err != nil {
		return nil, err
	}
	hold := min(time.Duration(min(in.GetWaitMs(), validate.MaxTailWaitMS))*time.Millisecond, s.Hold)
	out, err := s.follow(ctx, &jobReader{db: s.DB, jobs: s.Jobs, id: in.GetJobId(), cursor: cursor}, hold)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(out), nil
}

func (s *Jobs) follow(ctx context.Context, r *jobReader, hold time.Duration) (*waypointv1.TailJobResponse, error) {
	began := time.Now()
	wait := jobLook
	for first := true; ; first = false {
		out, err := r.look(ctx, first)
		if err != nil {
			return nil, err
		}
		if since := time.Duration(s.DB.Now().UnixMilli()-r.cursor.news) * time.Millisecond; since > jobEager {
			wait = min(wait*3/2, time.Second)
		} else {
			wait = min(max(since/16, jobSoon), jobLook)
		}
		if out != nil || time.Since(began)+wait > hold {
			if out == nil {
				out = &waypointv1.TailJobResponse{NextCursor: r.cursor.String()}
			}
			return out, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return &waypointv1.TailJobResponse{NextCursor: r.cursor.String()}, nil
		case <-timer.C:
		}
	}
}

// jobReader looks at one job again and again.
type jobReader struct {
	db     *store.DB
	jobs   *jobs.Store
	id     string
	cursor jobCursor
	// asked is when it was last found out why the job waits.
	asked time.Time
}

// look reads once: one read unit while nothing is new. It returns nil then.
func (r *jobReader) look(ctx context.Context, first bool) (*waypointv1.TailJobResponse, error) {
	// The first look is strong: a job that was queued a moment ago is there.
	m, lease, err := r.jobs.State(ctx, r.id, first)
	if err != nil {
		return nil, err
	}
	if first {
		if _, err := auth.RequireOf(ctx, auth.JobRead, m.Project, "job "+r.id); err != nil {
			return nil, err
		}
	}
	if m.State.Ended() && !first {
		// Once more and strongly, so that no output that came before the end is missed.
		if m, lease, err = r.jobs.State(ctx, r.id, true); err != nil {
			return nil, err
		}
	}
	out := &waypointv1.TailJobResponse{}
	if err := r.output(ctx, m, lease, out); err != nil {
		return nil, err
	}
	if err := r.state(ctx, m, lease, out); err != nil {
		return nil, err
	}
	out.Done = m.State.Ended() && r.cursor.next >= written(lease)
	if out.GetDone() && r.cursor.expired > 0 {
		out.Events = append(out.Events, expiredLine(r.cursor.expired, written(lease), m.EndedAt))
	}
	if out.GetJob() == nil && len(out.GetEvents()) == 0 && !out.GetDone() {
		return nil, nil
	}
	r.cursor.news = r.db.Now().UnixMilli()
	out.NextCursor = r.cursor.String()
	return out, nil
}

func written(l *job.Lease) int64 {
	if l == nil {
		return 0
	}
	return l.NextOutput
}

// output adds the batches that come next.
func (r *jobReader) output(ctx context.Context, m job.Meta, lease *job.Lease, out *waypointv1.TailJobResponse) error {
	if written(lease) <= r.cursor.next {
		return nil
	}
	from, to := lease.Readable(r.cursor.next)
	batches, next, err := r.jobs.ReadOutput(ctx, r.id, from, to, bytesMost, m.State.Ended())
	if err != nil {
		return err
	}
	for _, raw := range batches {
		batch := &waypointv1.AppendOutputRequest{}
		if err := proto.Unmarshal(raw, batch); err != nil {
			return fmt.Errorf("reading the output of job %s: %w", r.id, err)
		}
		out.Events = append(out.Events, batch.GetEvents()...)
	}
	// What was passed over without a batch has expired.
	r.cursor.expired += next - from - int64(len(batches))
	r.cursor.next = next
	return nil
}

// expiredLine says, once and as the last line, how much of a job's output is gone and why.
func expiredLine(expired, written, endedAt int64) *waypointv1.OutputEvent {
	days := int(jobs.OutputLife.Hours() / 24)
	text := fmt.Sprintf("%d of the %d parts of this job's output have expired and are not shown: output is kept for %d days.", expired, written, days)
	if expired >= written {
		text = fmt.Sprintf("The output of this job has expired: output is kept for %d days.", days)
	}
	return &waypointv1.OutputEvent{TimeUnixMs: endedAt, Event: &waypointv1.OutputEvent_Line_{
		Line: &waypointv1.OutputEvent_Line{Text: text, Style: waypointv1.OutputEvent_STYLE_WARNING},
	}}
}

// state adds the job's state if the reader has not seen it, and why it waits, once it has waited for a while.
func (r *jobReader) state(ctx context.Context, m job.Meta, lease *job.Lease, out *waypointv1.TailJobResponse) error {
	canceling := lease != nil && lease.Live && lease.CancelRequested != 0
	state := mark(string(m.State), strconv.FormatInt(m.Attempt, 10), strconv.FormatBool(canceling))
	changed := state != r.cursor.state
	why, err := r.why(ctx, m, lease)
	if err != nil {
		return err
	}
	if why != nil {
		if sign := mark(why.GetReason(), why.GetJobId()); sign != r.cursor.why {
			r.cursor.why, changed = sign, true
		}
	}
	if !changed {
		return nil
	}
	r.cursor.state = state
	out.Job = jobs.Proto(m)
	out.Job.Spec, out.Job.CancelRequested, out.Job.WhyNot = nil, canceling, why
	if m.State.Ended() {
		return r.jobs.AddEnd(ctx, out.GetJob())
	}
	return nil
}

func (r *jobReader) why(ctx context.Context, m job.Meta, lease *job.Lease) (*waypointv1.WhyNot, error) {
	silent := m.State == job.Running && lease != nil && lease.Silent(r.db.Now())
	waiting := m.State == job.Blocked || m.State == job.Ready || silent
	since := max(m.QueuedAt, m.ReadyAt)
	if !waiting || r.db.Now().UnixMilli()-since < whyAfter.Milliseconds() || time.Since(r.asked) < whyEvery {
		return nil, nil
	}
	r.asked = time.Now()
	return r.jobs.WhyNot(ctx, m, lease)
}

// mark is a short sign of some values, to notice that they changed.
func mark(values ...string) string {
	h := fnv.New32a()
	for _, v := range values {
		_, _ = h.Write([]byte(v + "\x00")) // a hash's Write does not fail
	}
	return strconv.FormatUint(uint64(h.Sum32()), 36)
}
