package operation

import (
	"fmt"
	"strings"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/cost"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// sink is where an operation shows itself: to people or to programs.
type sink interface {
	watcher
	queued(op Operation, o *outcome, job *waypointv1.Job, at placement)
	ended(op Operation, o *outcome)
	detached(job *waypointv1.Job)
	// finish ends the output; nothing comes after it.
	finish(op Operation, results []*outcome)
}

// humanSink shows progress on stderr and, at the end, what a script may want (URLs) on stdout.
type humanSink struct {
	sh    Host
	r     *terminal.Renderer
	color bool
	// folded counts the folded lines that the user was told of.
	folded int
}

func newHumanSink(sh Host) *humanSink {
	return &humanSink{sh: sh, r: sh.Renderer(sh.Env().Err, sh.ErrSetting()), color: sh.ErrSetting().Color()}
}

func (h *humanSink) event(ev *waypointv1.OutputEvent) { h.r.Event(ev) }

// note shows a remark. Where the local server itself is what a job waits for, that is said instead.
func (h *humanSink) note(text string) {
	if strings.Contains(text, "(RUNNER_SILENT)") {
		if t := h.sh.LocalTrouble(); t != nil {
			text = "Waiting: " + t.Message + ". " + t.Hint
		}
	}
	h.r.Note(text)
}

func (h *humanSink) state(job *waypointv1.Job) {
	if job.GetState() != waypointv1.JobState_JOB_STATE_RUNNING {
		return
	}
	h.r.Note("")
	if job.GetAttempt() > 1 {
		h.r.Line(terminal.Warning, fmt.Sprintf("The job continues after its runner was lost (attempt %d).", job.GetAttempt()))
	}
}

func (h *humanSink) queued(op Operation, o *outcome, job *waypointv1.Job, at placement) {
	where := "on this machine"
	if at.remote {
		where = "on a remote runner"
	}
	h.r.Line(terminal.Header, fmt.Sprintf("%s %s in workspace %s, %s (job %s)", op.Doing, o.app, o.workspace, where, job.GetId()))
	if !at.remote && at.why != "" {
		h.r.Line(terminal.Dim, "It runs on this machine because "+at.why+".")
	}
}

func (h *humanSink) detached(job *waypointv1.Job) {
	h.r.Note("")
	h.r.Line(terminal.Info, "Detached; the job continues. Follow it with: waypoint job get-stream "+job.GetId())
}

func (h *humanSink) ended(op Operation, o *outcome) {
	h.r.Note("")
	if o.job == nil || !render.HasEnded(o.job) {
		return
	}
	defer h.showFolded(o.job)
	if o.err != nil {
		h.endOutput(o.job)
		if steps := stepTimes(o.job); steps != "" {
			h.r.Line(terminal.Dim, "Steps: "+steps)
		}
		return
	}
	done := op.Done + " " + o.app
	if same := render.UpToDate(o.app, o.job.GetResult()); same != "" {
		done = same + ", checked"
	}
	h.r.Line(terminal.Success, done+" in "+terminal.Duration(o.took))
	if steps := stepTimes(o.job); steps != "" {
		h.r.Line(terminal.Dim, "   "+steps)
	}
	for _, line := range render.MadeLines(o.job.GetResult()) {
		h.r.Line(terminal.Normal, "   "+line)
	}
	if used := o.job.GetVariablesUsed(); len(used) > 0 {
		h.r.Line(terminal.Normal, "")
		for _, line := range render.VariablesTable(used).Layout(h.sh.Env().Columns, h.color) {
			h.r.Line(terminal.Normal, line)
		}
	}
}

// endOutput ends the output of a job that did not succeed. A step that is left was cut off: by what failed, whose lines
// count, or by somebody who cancelled it.
func (h *humanSink) endOutput(job *waypointv1.Job) {
	if job.GetState() == waypointv1.JobState_JOB_STATE_FAILED {
		h.r.Fail()
		return
	}
	h.r.End()
}

// showFolded says how to see the lines of a job that were folded.
func (h *humanSink) showFolded(job *waypointv1.Job) {
	if n := h.r.Folded() - h.folded; n > 0 {
		h.folded += n
		h.r.Line(terminal.Dim, fmt.Sprintf("   %d lines are folded (-v folds none). See them with `waypoint job get-stream %s`.",
			n, job.GetId()))
	}
}

func (h *humanSink) finish(op Operation, results []*outcome) {
	if err := h.r.Close(); err != nil {
		h.sh.RecordWriteError(err)
	}
	ok := len(results) > 0
	for _, o := range results {
		ok = ok && o.err == nil
		if o.err != nil || o.job == nil {
			continue
		}
		res := o.job.GetResult()
		prefix := ""
		if len(results) > 1 {
			prefix = o.app + " "
		}
		if u := res.GetDeployUrl(); u != "" {
			h.sh.Printf("%sDeployment URL: %s\n", prefix, terminal.Clean(u, false))
		}
		if u := res.GetReleaseUrl(); u != "" {
			h.sh.Printf("%sRelease URL:    %s\n", prefix, terminal.Clean(u, false))
		}
	}
	if ok && len(op.Next) > 0 {
		h.sh.Progressf("Next: %s\n", strings.Join(op.Next, ", "))
	}
}

// stepTimes says how long each step took: "build 1.2s, deploy 3.4s".
func stepTimes(job *waypointv1.Job) string {
	var parts []string
	for _, s := range job.GetSteps() {
		if s.GetEndedUnixMs() == 0 {
			parts = append(parts, s.GetName()+" not finished")
			continue
		}
		parts = append(parts, s.GetName()+" "+terminal.Duration(render.StepTime(s)))
	}
	return strings.Join(parts, ", ")
}

// jsonSink writes one object a line to stdout.
type jsonSink struct {
	sh  Host
	out *terminal.JSONLines
	// said is the last remark, so that each is written once.
	said string
}

func newJSONSink(sh Host) *jsonSink {
	return &jsonSink{sh: sh, out: terminal.NewJSONLines(sh.Env().Out)}
}

func (j *jsonSink) write(kind string, fields map[string]any) {
	fields["type"] = kind
	if _, ok := fields["time"]; !ok {
		fields["time"] = terminal.Time(j.sh.Env().Now())
	}
	j.out.Write(fields)
}

func (j *jsonSink) event(ev *waypointv1.OutputEvent) { j.out.Write(terminal.EventObject(ev)) }

func (j *jsonSink) note(text string) {
	if text != "" && text != j.said {
		j.write("note", map[string]any{"text": text})
	}
	j.said = text
}

func (j *jsonSink) state(job *waypointv1.Job) {
	j.write("state", map[string]any{"job_id": job.GetId(), "state": render.Enum(job.GetState().String(), "JOB_STATE_"), "attempt": job.GetAttempt()})
}

func (j *jsonSink) queued(op Operation, o *outcome, job *waypointv1.Job, at placement) {
	j.write("queued", map[string]any{
		"job_id": job.GetId(), "operation": op.Name, "project": o.project, "app": o.app, "workspace": o.workspace, "remote": at.remote,
	})
}

func (j *jsonSink) detached(job *waypointv1.Job) {
	j.write("detached", map[string]any{"job_id": job.GetId()})
}

func (j *jsonSink) ended(op Operation, o *outcome) { j.write("app", j.appObject(op, o)) }

func (j *jsonSink) appObject(op Operation, o *outcome) map[string]any {
	m := map[string]any{
		"operation": op.Name, "project": o.project, "app": o.app, "workspace": o.workspace, "remote": o.remote,
		"ok": o.err == nil, "duration_ms": o.took.Milliseconds(),
	}
	if o.job != nil {
		steps := map[string]int64{}
		for _, s := range o.job.GetSteps() {
			if s.GetEndedUnixMs() > 0 {
				steps[s.GetName()] = render.StepTime(s).Milliseconds()
			}
		}
		m["job_id"], m["state"], m["steps_ms"] = o.job.GetId(), render.Enum(o.job.GetState().String(), "JOB_STATE_"), steps
		if res := o.job.GetResult(); res != nil && o.err == nil {
			m["result"], m["up_to_date"] = render.Object(res), res.GetUpToDate()
			m["deployment_url"], m["release_url"] = res.GetDeployUrl(), res.GetReleaseUrl()
		}
		if used := o.job.GetVariablesUsed(); len(used) > 0 {
			list := make([]any, len(used))
			for i, v := range used {
				list[i] = render.Object(v)
			}
			m["variables_used"] = list
		}
	}
	if o.err != nil {
		m["error"] = j.errorObject(o)
	}
	return m
}

func (j *jsonSink) errorObject(o *outcome) map[string]any {
	if e := o.job.GetError(); e != nil {
		return render.Object(e)
	}
	r := shell.Explain(o.err, j.sh.Server())
	return map[string]any{"reason": r.Reason, "message": r.Message, "hint": r.Hint}
}

func (j *jsonSink) finish(op Operation, results []*outcome) {
	ok, apps := len(results) > 0, make([]any, 0, len(results))
	for _, o := range results {
		ok = ok && o.err == nil
		apps = append(apps, j.appObject(op, o))
	}
	fields := map[string]any{"operation": op.Name, "ok": ok, "apps": apps}
	if c, ok := j.sh.Cost(); ok && j.sh.Flags().Cost {
		usd, pricesOf := cost.USD(c)
		fields["cost"] = map[string]any{
			"requests": c.Requests, "read_units": c.ReadUnits, "write_units": c.WriteUnits,
			"queue_calls": c.QueueCalls, "server_ms": c.ServerMS, "usd": usd, "prices_of": pricesOf,
		}
	}
	j.write("result", fields)
	if err := j.out.Err(); err != nil {
		j.sh.RecordWriteError(fmt.Errorf("writing the output: %w", err))
	}
}
