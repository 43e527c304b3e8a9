package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// watcher is told what happens to a job that is followed.
type watcher interface {
	event(ev *waypointv1.OutputEvent)
	// state is told of each state that differs from the one before.
	state(job *waypointv1.Job)
	// note is a passing remark, "" when there is none any more.
	note(text string)
}

const (
	// waitingHold is how long a read is held while the job waits: short enough to say why within two seconds.
	waitingHold = time.Second
	// whyAfter is when a waiting job's reason is shown, and whyAgain how often it is asked for then.
	whyAfter = 1500 * time.Millisecond
	whyAgain = 5 * time.Second
	// pollPause is the pause between reads when the server holds none.
	pollPause = time.Second
)

// follow reads a job's output from its beginning, and tells w, until the job has ended and all is read. It returns the
// job as it ended.
func follow(ctx context.Context, c *client.Client, job *waypointv1.Job, w watcher, now func() time.Time) (*waypointv1.Job, error) {
	f := follower{client: c, id: job.GetId(), watcher: w, now: now, last: job, began: now()}
	return f.follow(ctx)
}

// followHere is follow for the command whose own runner runs the job.
func followHere(ctx context.Context, c *client.Client, job *waypointv1.Job, w watcher, now func() time.Time) (*waypointv1.Job, error) {
	f := follower{client: c, id: job.GetId(), watcher: w, now: now, last: job, began: now(), here: true}
	return f.follow(ctx)
}

func (f *follower) follow(ctx context.Context) (*waypointv1.Job, error) {
	for {
		done, err := f.read(ctx)
		if err != nil {
			return f.last, err
		}
		if done {
			f.watcher.note("")
			return f.ending(ctx)
		}
	}
}

type follower struct {
	client  *client.Client
	id      string
	watcher watcher
	now     func() time.Time
	// here: the job is run by this command.
	here bool

	cursor string
	last   *waypointv1.Job
	began  time.Time
	// asked is when the reason of waiting was last asked for.
	asked time.Time
}

func (f *follower) read(ctx context.Context) (done bool, err error) {
	hold := time.Duration(validate.MaxTailWaitMS) * time.Millisecond
	waiting := isWaiting(f.last)
	if waiting {
		hold = waitingHold
		if !f.asked.IsZero() {
			hold = whyAgain
		}
	}
	began := f.now()
	res, err := f.client.Tail.TailJob(ctx, connect.NewRequest(&waypointv1.TailJobRequest{
		JobId: f.id, Cursor: f.cursor, WaitMs: uint32(hold / time.Millisecond),
	}))
	if err != nil {
		return false, fmt.Errorf("reading the job's output: %w", err)
	}
	m := res.Msg
	f.cursor = m.GetNextCursor()
	f.see(m.GetJob())
	for _, ev := range m.GetEvents() {
		f.watcher.event(ev)
	}
	switch {
	case m.GetDone():
		return true, nil
	case isWaiting(f.last):
		f.why(ctx)
	default:
		f.watcher.note(whyNot(f.last.GetWhyNot()))
	}
	// A server that holds no reads (a small AWS account) is asked each second.
	if held := f.now().Sub(began); len(m.GetEvents()) == 0 && m.GetJob() == nil && held < min(hold, pollPause)/2 {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(pollPause):
		}
	}
	return false, nil
}

func (f *follower) see(job *waypointv1.Job) {
	if job == nil {
		return
	}
	changed := job.GetState() != f.last.GetState() || job.GetAttempt() != f.last.GetAttempt()
	f.last = job
	if changed {
		f.watcher.state(job)
	}
}

// why shows why a job waits: what came with the output, or what is asked for.
func (f *follower) why(ctx context.Context) {
	now := f.now()
	if now.Sub(f.began) < whyAfter {
		return
	}
	if f.asked.IsZero() || now.Sub(f.asked) >= whyAgain {
		f.asked = now
		if got, err := f.client.Job.GetJob(ctx, connect.NewRequest(&waypointv1.GetJobRequest{Id: f.id})); err == nil {
			f.see(got.Msg.GetJob())
		}
	}
	if w := f.last.GetWhyNot(); !f.here || w.GetReason() != string(fault.WaitingForCLI) { // that CLI is this command
		if text := whyNot(w); text != "" {
			f.watcher.note(text)
		}
	}
}

// whyNot words why a job is not running.
func whyNot(w *waypointv1.WhyNot) string {
	if w.GetReason() == "" && w.GetMessage() == "" {
		return ""
	}
	text := "Waiting: " + w.GetMessage()
	if id := w.GetJobId(); id != "" && !strings.Contains(text, id) {
		text += " (job " + id + ")"
	}
	if w.GetReason() != "" {
		text += " (" + w.GetReason() + ")"
	}
	return text
}

// ending reads the whole job once more: what came with the output may lack its result.
func (f *follower) ending(ctx context.Context) (*waypointv1.Job, error) {
	got, err := f.client.Job.GetJob(ctx, connect.NewRequest(&waypointv1.GetJobRequest{Id: f.id}))
	if err != nil {
		return f.last, fmt.Errorf("reading the job's result: %w", err)
	}
	return got.Msg.GetJob(), nil
}

func isWaiting(j *waypointv1.Job) bool {
	return j.GetState() <= waypointv1.JobState_JOB_STATE_READY
}

func hasEnded(j *waypointv1.Job) bool {
	return j.GetState() >= waypointv1.JobState_JOB_STATE_SUCCEEDED
}

// jobError is nil for a job that succeeded.
func jobError(op operation, job *waypointv1.Job) error {
	if job.GetState() == waypointv1.JobState_JOB_STATE_SUCCEEDED {
		return nil
	}
	e := job.GetError()
	what := "the " + op.name
	if app := job.GetSpec().GetApp(); app != "" {
		what += " of " + app
	}
	ending := "failed"
	if job.GetState() == waypointv1.JobState_JOB_STATE_CANCELED {
		ending = "was cancelled"
	}
	if step := e.GetStep(); step != "" && step != op.name {
		ending += " at " + step
	}
	t := problem(fault.Reason(e.GetReason()), "%s %s", what, ending)
	if e.GetMessage() != "" && e.GetReason() != string(fault.Canceled) {
		t.message += ": " + e.GetMessage()
	}
	if e.GetReason() != "" {
		t.message += " (" + e.GetReason() + ")"
	}
	t.hint = e.GetHint()
	if job.GetId() != "" {
		if t.hint != "" {
			t.hint += "\n"
		}
		t.hint += "The job is " + job.GetId() + ": `waypoint job inspect " + job.GetId() + "`."
	}
	return t
}

// watchJob shows the output of a job that runs elsewhere, from its start, and returns its error when it has ended.
func watchJob(ctx context.Context, sh *shell, c *client.Client, j *waypointv1.Job, asJSON bool) error {
	name := operationName(j.GetSpec().GetOperation())
	op := operation{name: name, doing: "Watching the " + name + " of", done: "Finished the " + name + " of"}
	r := &run{sh: sh, client: c, op: op, at: placement{remote: true}}
	if asJSON {
		r.out = newJSONSink(sh)
	} else {
		// Here the output is what was asked for, so it goes to stdout.
		set := sh.outSetting()
		r.out = &humanSink{sh: sh, r: sh.renderer(sh.env.Out, set), color: set.Color()}
	}
	sh.onWaiting(r.out.note)
	out := &outcome{project: j.GetSpec().GetProject(), app: j.GetSpec().GetApp(), workspace: workspaceName(j.GetSpec()), remote: true}
	began := sh.env.Now()
	out.job, out.err = r.watchRemote(client.WithMaxRetry(ctx, retryOperation), j)
	out.took = sh.env.Now().Sub(began)
	if hasEnded(out.job) && out.job.GetStartedUnixMs() > 0 {
		out.took = unixMS(out.job.GetEndedUnixMs()).Sub(unixMS(out.job.GetStartedUnixMs()))
	}
	r.out.ended(op, out)
	r.out.finish(op, []*outcome{out})
	return out.err
}
