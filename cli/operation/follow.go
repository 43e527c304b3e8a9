package operation

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/shell"
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
	// PollPause is the pause between reads when the server does not hold them.
	PollPause = time.Second
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
	waiting := render.IsWaiting(f.last)
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
	case render.IsWaiting(f.last):
		f.why(ctx)
	default:
		f.watcher.note(render.WhyNot(f.last.GetWhyNot()))
	}
	// A server that holds no reads (a small AWS account) is asked each second.
	if held := f.now().Sub(began); len(m.GetEvents()) == 0 && m.GetJob() == nil && held < min(hold, PollPause)/2 {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(PollPause):
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
		if text := render.WhyNot(w); text != "" {
			f.watcher.note(text)
		}
	}
}

// ending reads the whole job once more: what came with the output may lack its result.
func (f *follower) ending(ctx context.Context) (*waypointv1.Job, error) {
	got, err := f.client.Job.GetJob(ctx, connect.NewRequest(&waypointv1.GetJobRequest{Id: f.id}))
	if err != nil {
		return f.last, fmt.Errorf("reading the job's result: %w", err)
	}
	return got.Msg.GetJob(), nil
}

// jobError is nil for a job that succeeded.
func jobError(op Operation, job *waypointv1.Job) error {
	if job.GetState() == waypointv1.JobState_JOB_STATE_SUCCEEDED {
		return nil
	}
	e := job.GetError()
	what := "the " + op.Name
	if app := job.GetSpec().GetApp(); app != "" {
		what += " of " + app
	}
	ending := "failed"
	if job.GetState() == waypointv1.JobState_JOB_STATE_CANCELED {
		ending = "was cancelled"
	}
	if step := e.GetStep(); step != "" && step != op.Name {
		ending += " at " + step
	}
	t := problem.New(fault.Reason(e.GetReason()), "%s %s", what, ending)
	if e.GetMessage() != "" && e.GetReason() != string(fault.Canceled) {
		t.Message += ": " + e.GetMessage()
	}
	if e.GetReason() != "" {
		t.Message += " (" + e.GetReason() + ")"
	}
	t.Hint = e.GetHint()
	if job.GetId() != "" {
		if t.Hint != "" {
			t.Hint += "\n"
		}
		t.Hint += "The job is " + job.GetId() + ": `waypoint job inspect " + job.GetId() + "`."
	}
	return t
}

// Watch shows the output of a job that runs elsewhere, from its start, and returns its error when it has ended.
func Watch(ctx context.Context, sh Host, c *client.Client, j *waypointv1.Job, asJSON bool) error {
	name := render.OperationName(j.GetSpec().GetOperation())
	op := Operation{Name: name, Doing: "Watching the " + name + " of", Done: "Finished the " + name + " of"}
	r := &run{sh: sh, client: c, op: op, at: placement{remote: true}}
	if asJSON {
		r.out = newJSONSink(sh)
	} else {
		// Here the output is what was asked for, so it goes to stdout, and whole.
		set := sh.OutSetting()
		set.Whole = true
		r.out = &humanSink{sh: sh, r: sh.Renderer(sh.Env().Out, set), color: set.Color()}
	}
	sh.OnWaiting(r.out.note)
	out := &outcome{project: j.GetSpec().GetProject(), app: j.GetSpec().GetApp(), workspace: render.WorkspaceName(j.GetSpec()), remote: true}
	show := r.out.app(out.app)
	began := sh.Env().Now()
	out.job, out.err = r.watchRemote(client.WithMaxRetry(ctx, shell.RetryOperation), j, show)
	out.took = sh.Env().Now().Sub(began)
	if render.HasEnded(out.job) && out.job.GetStartedUnixMs() > 0 {
		out.took = render.UnixMS(out.job.GetEndedUnixMs()).Sub(render.UnixMS(out.job.GetStartedUnixMs()))
	}
	show.ended(op, out)
	r.out.finish(op, []*outcome{out})
	return out.err
}
