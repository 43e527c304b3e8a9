package operation

import (
	"fmt"
	"strings"
	"sync"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/cost"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// sink is where an operation shows itself: to people or to programs.
type sink interface {
	// app returns what shows one app. All are made before the first of them shows anything; then they may be used at the
	// same time.
	app(name string) appSink
	// note is a passing remark that concerns no app.
	note(text string)
	// finish ends the output; nothing comes after it.
	finish(op Operation, results []*outcome)
}

// appSink shows one app.
type appSink interface {
	watcher
	// canceling is told that the command's user cancels the job, before it is cancelled. It shows nothing, and returns at
	// once.
	canceling()
	queued(op Operation, o *outcome, job *waypointv1.Job, at placement)
	ended(op Operation, o *outcome)
	detached(job *waypointv1.Job)
}

// humanSink shows progress on stderr and, at the end, what a script may want (URLs) on stdout.
type humanSink struct {
	sh    Host
	r     *terminal.Renderer
	color bool
	// sideBySide: each app has a block of its own, whose lines begin with its name.
	sideBySide bool
	// widest is the length of the longest name of them.
	widest int
}

func newHumanSink(sh Host, sideBySide bool) *humanSink {
	return &humanSink{sh: sh, r: sh.Renderer(sh.Env().Err, sh.ErrSetting()), color: sh.ErrSetting().Color(), sideBySide: sideBySide}
}

func (h *humanSink) note(text string) { h.r.Note(text) }

func (h *humanSink) app(name string) appSink {
	block := ""
	if h.sideBySide {
		block = name
	}
	h.widest = max(h.widest, len(block))
	return &humanApp{sh: h.sh, of: h, b: h.r.Block(block), color: h.color}
}

// humanApp shows one app's job.
type humanApp struct {
	sh    Host
	of    *humanSink
	b     *terminal.Block
	color bool
	// folded counts the folded lines of the block that the user was told of.
	folded int
}

func (h *humanApp) event(ev *waypointv1.OutputEvent) { h.b.Event(ev) }

// note shows a remark. Where the local server itself is what a job waits for, that is said instead.
func (h *humanApp) note(text string) {
	if strings.Contains(text, "(RUNNER_SILENT)") {
		if t := h.sh.LocalTrouble(); t != nil {
			text = "Waiting: " + t.Message + ". " + t.Hint
		}
	}
	h.b.Note(text)
}

func (h *humanApp) canceling() { h.b.Cancel() }

func (h *humanApp) state(job *waypointv1.Job) {
	if job.GetState() != waypointv1.JobState_JOB_STATE_RUNNING {
		return
	}
	h.b.Note("")
	if job.GetAttempt() > 1 {
		h.b.Line(terminal.Warning, fmt.Sprintf("The job continues after its runner was lost (attempt %d).", job.GetAttempt()))
	}
}

func (h *humanApp) queued(op Operation, o *outcome, job *waypointv1.Job, at placement) {
	where := "on this machine"
	if at.remote {
		where = "on a remote runner"
	}
	h.folded = h.b.Folded() // of an app before this one, if they share a block
	h.b.Line(terminal.Header, fmt.Sprintf("%s %s in workspace %s, %s (job %s)", op.Doing, o.app, o.workspace, where, job.GetId()))
	if !at.remote && at.why != "" {
		h.b.Line(terminal.Dim, "It runs on this machine because "+at.why+".")
	}
}

func (h *humanApp) detached(job *waypointv1.Job) {
	h.b.Note("")
	h.b.Line(terminal.Info, "Detached; the job continues. Follow it with: waypoint job get-stream "+job.GetId())
}

func (h *humanApp) ended(op Operation, o *outcome) {
	h.b.Note("")
	if o.job == nil || !render.HasEnded(o.job) {
		return
	}
	defer h.showFolded(o.job)
	if o.err != nil {
		h.endOutput(o.job)
		if steps := stepTimes(o.job); steps != "" {
			h.b.Line(terminal.Dim, "Steps: "+steps)
		}
		return
	}
	done := op.Done + " " + o.app
	if same := render.UpToDate(o.app, o.job.GetResult()); same != "" {
		done = same + ", checked"
	}
	h.b.Line(terminal.Success, done+" in "+terminal.Duration(o.took))
	if steps := stepTimes(o.job); steps != "" {
		h.b.Line(terminal.Dim, "   "+steps)
	}
	for _, line := range render.MadeLines(o.job.GetResult()) {
		h.b.Line(terminal.Normal, "   "+line)
	}
	if used := o.job.GetVariablesUsed(); len(used) > 0 {
		h.b.Line(terminal.Normal, "")
		for _, line := range render.VariablesTable(used).Layout(h.columns(), h.color) {
			h.b.Line(terminal.Normal, line)
		}
	}
}

// endOutput ends the output of a job that did not succeed. A step that is left was cut off: by what failed, whose lines
// count, or by somebody who cancelled it.
func (h *humanApp) endOutput(job *waypointv1.Job) {
	if job.GetState() == waypointv1.JobState_JOB_STATE_FAILED {
		h.b.Fail()
		return
	}
	h.b.End()
}

// showFolded says how to see the lines of a job that were folded.
func (h *humanApp) showFolded(job *waypointv1.Job) {
	if n := h.b.Folded() - h.folded; n > 0 {
		h.folded += n
		h.b.Line(terminal.Dim, fmt.Sprintf("   %d lines are folded (-v folds none). See them with `waypoint job get-stream %s`.",
			n, job.GetId()))
	}
}

// columns is how wide a table may be; 0: as wide as it is.
func (h *humanApp) columns() int {
	if h.of.widest == 0 || h.sh.Env().Columns == 0 {
		return h.sh.Env().Columns
	}
	return max(h.sh.Env().Columns-h.of.widest-prefixGap, 1)
}

// prefixGap is what stands between the name of an app and its line.
const prefixGap = 3

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
	mu  sync.Mutex // guards out
}

// jsonApp writes what happens to one app.
type jsonApp struct {
	*jsonSink
	name string
	// said is the last remark, so that each is written once.
	said string
}

func (j *jsonSink) app(name string) appSink { return &jsonApp{jsonSink: j, name: name} }

func (j *jsonSink) note(text string) {
	if text != "" {
		j.write("note", map[string]any{"text": text})
	}
}

func newJSONSink(sh Host) *jsonSink {
	return &jsonSink{sh: sh, out: terminal.NewJSONLines(sh.Env().Out)}
}

func (j *jsonSink) write(kind string, fields map[string]any) {
	fields["type"] = kind
	if _, ok := fields["time"]; !ok {
		fields["time"] = terminal.Time(j.sh.Env().Now())
	}
	j.put(fields)
}

func (j *jsonSink) put(fields map[string]any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.out.Write(fields)
}

// say writes an object that has the app's name.
func (j *jsonApp) say(kind string, fields map[string]any) {
	fields["app"] = j.name
	j.write(kind, fields)
}

func (j *jsonApp) event(ev *waypointv1.OutputEvent) {
	fields := terminal.EventObject(ev)
	fields["app"] = j.name
	j.put(fields)
}

func (j *jsonApp) note(text string) {
	if text != "" && text != j.said {
		j.say("note", map[string]any{"text": text})
	}
	j.said = text
}

func (j *jsonApp) canceling() {}

func (j *jsonApp) state(job *waypointv1.Job) {
	j.say("state", map[string]any{"job_id": job.GetId(), "state": render.Enum(job.GetState().String(), "JOB_STATE_"), "attempt": job.GetAttempt()})
}

func (j *jsonApp) queued(op Operation, o *outcome, job *waypointv1.Job, at placement) {
	j.write("queued", map[string]any{
		"job_id": job.GetId(), "operation": op.Name, "project": o.project, "app": o.app, "workspace": o.workspace, "remote": at.remote,
	})
}

func (j *jsonApp) detached(job *waypointv1.Job) {
	j.say("detached", map[string]any{"job_id": job.GetId()})
}

func (j *jsonApp) ended(op Operation, o *outcome) { j.write("app", j.appObject(op, o)) }

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
