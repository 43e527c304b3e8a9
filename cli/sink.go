package cli

import (
	"fmt"
	"strings"
	"time"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/cost"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// sink is where an operation shows itself: to people or to programs.
type sink interface {
	watcher
	queued(op operation, o *outcome, job *waypointv1.Job, at placement)
	ended(op operation, o *outcome)
	detached(job *waypointv1.Job)
	// finish ends the output; nothing comes after it.
	finish(op operation, results []*outcome)
}

// humanSink shows progress on stderr and, at the end, what a script may want (URLs) on stdout.
type humanSink struct {
	sh    *shell
	r     *terminal.Renderer
	color bool
}

func newHumanSink(sh *shell) *humanSink {
	return &humanSink{sh: sh, r: sh.renderer(sh.env.Err, sh.errSetting()), color: sh.errSetting().Color()}
}

func (h *humanSink) event(ev *waypointv1.OutputEvent) { h.r.Event(ev) }

// note shows a remark. Where the local server itself is what a job waits for, that is said instead.
func (h *humanSink) note(text string) {
	if strings.Contains(text, "(RUNNER_SILENT)") {
		if t := h.sh.localTrouble(); t != nil {
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
		h.r.Line(terminal.Warning, fmt.Sprintf("The job goes on after its runner was lost (attempt %d).", job.GetAttempt()))
	}
}

func (h *humanSink) queued(op operation, o *outcome, job *waypointv1.Job, at placement) {
	where := "here"
	if at.remote {
		where = "on a remote runner"
	}
	h.r.Line(terminal.Header, fmt.Sprintf("%s %s in workspace %s, %s (job %s)", op.doing, o.app, o.workspace, where, job.GetId()))
	if !at.remote && at.why != "" {
		h.r.Line(terminal.Dim, "It runs here because "+at.why+".")
	}
}

func (h *humanSink) detached(job *waypointv1.Job) {
	h.r.Note("")
	h.r.Line(terminal.Info, "Detached; the job goes on. See its output with: waypoint job get-stream "+job.GetId())
}

func (h *humanSink) ended(op operation, o *outcome) {
	h.r.Note("")
	if o.job == nil || !hasEnded(o.job) {
		return
	}
	if o.err != nil {
		if steps := stepTimes(o.job); steps != "" {
			h.r.Line(terminal.Dim, "Until then: "+steps)
		}
		return
	}
	h.r.Line(terminal.Success, fmt.Sprintf("%s %s in %s", op.done, o.app, terminal.Duration(o.took)))
	if steps := stepTimes(o.job); steps != "" {
		h.r.Line(terminal.Dim, "   "+steps)
	}
	for _, line := range madeLines(o.job.GetResult()) {
		h.r.Line(terminal.Normal, "   "+line)
	}
	if used := o.job.GetVariablesUsed(); len(used) > 0 {
		h.r.Line(terminal.Normal, "")
		for _, line := range variablesTable(used).Layout(h.sh.env.Columns, h.color) {
			h.r.Line(terminal.Normal, line)
		}
	}
}

func (h *humanSink) finish(op operation, results []*outcome) {
	if err := h.r.Close(); err != nil {
		h.sh.keepWriteErr(err)
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
			h.sh.printf("%sDeployment URL: %s\n", prefix, terminal.Clean(u, false))
		}
		if u := res.GetReleaseUrl(); u != "" {
			h.sh.printf("%sRelease URL:    %s\n", prefix, terminal.Clean(u, false))
		}
	}
	if ok && len(op.next) > 0 {
		h.sh.sayf("Next: %s\n", strings.Join(op.next, ", "))
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
		parts = append(parts, s.GetName()+" "+terminal.Duration(stepTime(s)))
	}
	return strings.Join(parts, ", ")
}

func stepTime(s *waypointv1.JobStep) time.Duration {
	return time.Duration(s.GetEndedUnixMs()-s.GetStartedUnixMs()) * time.Millisecond
}

// madeLines names the records that a job made.
func madeLines(res *waypointv1.JobResult) (out []string) {
	add := func(kind string, m *waypointv1.RecordMeta) {
		if m != nil {
			out = append(out, fmt.Sprintf("%s v%d (%s)", kind, m.GetSequence(), m.GetPlugin()))
		}
	}
	add("build", res.GetBuild().GetMeta())
	add("artifact", res.GetArtifact().GetMeta())
	add("deployment", res.GetDeployment().GetMeta())
	add("release", res.GetRelease().GetMeta())
	var made []string
	if len(out) > 0 {
		made = append(made, strings.Join(out, ", "))
	}
	if n := res.GetDestroyed(); n > 0 {
		made = append(made, fmt.Sprintf("destroyed: %d", n))
	}
	return made
}

func variablesTable(used []*waypointv1.VariableUsed) terminal.Table {
	t := terminal.Table{Columns: []terminal.Column{{Title: "VARIABLE"}, {Title: "VALUE"}, {Title: "TYPE", Rank: 2}, {Title: "SOURCE", Rank: 1}}}
	for _, v := range used {
		value := v.GetValue()
		if v.GetSensitive() {
			value = "(sensitive)"
		}
		t.Rows = append(t.Rows, []string{v.GetName(), value, v.GetType(), sourceName(v)})
	}
	return t
}

// jsonSink writes one object a line to stdout.
type jsonSink struct {
	sh  *shell
	out *terminal.JSONLines
	// said is the last remark, so that each is written once.
	said string
}

func newJSONSink(sh *shell) *jsonSink {
	return &jsonSink{sh: sh, out: terminal.NewJSONLines(sh.env.Out)}
}

func (j *jsonSink) write(kind string, fields map[string]any) {
	fields["type"] = kind
	if _, ok := fields["time"]; !ok {
		fields["time"] = terminal.Time(j.sh.env.Now())
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
	j.write("state", map[string]any{"job_id": job.GetId(), "state": enumName(job.GetState().String(), "JOB_STATE_"), "attempt": job.GetAttempt()})
}

func (j *jsonSink) queued(op operation, o *outcome, job *waypointv1.Job, at placement) {
	j.write("queued", map[string]any{
		"job_id": job.GetId(), "operation": op.name, "project": o.project, "app": o.app, "workspace": o.workspace, "remote": at.remote,
	})
}

func (j *jsonSink) detached(job *waypointv1.Job) {
	j.write("detached", map[string]any{"job_id": job.GetId()})
}

func (j *jsonSink) ended(op operation, o *outcome) { j.write("app", j.appObject(op, o)) }

func (j *jsonSink) appObject(op operation, o *outcome) map[string]any {
	m := map[string]any{
		"operation": op.name, "project": o.project, "app": o.app, "workspace": o.workspace, "remote": o.remote,
		"ok": o.err == nil, "duration_ms": o.took.Milliseconds(),
	}
	if o.job != nil {
		steps := map[string]int64{}
		for _, s := range o.job.GetSteps() {
			if s.GetEndedUnixMs() > 0 {
				steps[s.GetName()] = stepTime(s).Milliseconds()
			}
		}
		m["job_id"], m["state"], m["steps_ms"] = o.job.GetId(), enumName(o.job.GetState().String(), "JOB_STATE_"), steps
		if res := o.job.GetResult(); res != nil && o.err == nil {
			m["result"] = jsonObject(res)
			m["deployment_url"], m["release_url"] = res.GetDeployUrl(), res.GetReleaseUrl()
		}
		if used := o.job.GetVariablesUsed(); len(used) > 0 {
			list := make([]any, len(used))
			for i, v := range used {
				list[i] = jsonObject(v)
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
		return jsonObject(e)
	}
	r := explain(o.err, j.sh.server)
	return map[string]any{"reason": r.reason, "message": r.message, "hint": r.hint}
}

func (j *jsonSink) finish(op operation, results []*outcome) {
	ok, apps := len(results) > 0, make([]any, 0, len(results))
	for _, o := range results {
		ok = ok && o.err == nil
		apps = append(apps, j.appObject(op, o))
	}
	fields := map[string]any{"operation": op.name, "ok": ok, "apps": apps}
	if c, ok := j.sh.spent(); ok && j.sh.flags.cost {
		usd, pricesOf := cost.USD(c)
		fields["cost"] = map[string]any{
			"requests": c.Requests, "read_units": c.ReadUnits, "write_units": c.WriteUnits,
			"queue_calls": c.QueueCalls, "server_ms": c.ServerMS, "usd": usd, "prices_of": pricesOf,
		}
	}
	j.write("result", fields)
	if err := j.out.Err(); err != nil {
		j.sh.keepWriteErr(fmt.Errorf("writing the output: %w", err))
	}
}
