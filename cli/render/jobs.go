package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// WhyNot renders why a job is not running.
func WhyNot(w *waypointv1.WhyNot) string {
	if w.GetReason() == "" && w.GetMessage() == "" {
		return ""
	}
	text := "Waiting: " + w.GetMessage()
	if id := w.GetJobId(); id != "" && !strings.Contains(text, id) {
		text += " (job " + id + ")"
	}
	if w.GetReason() != "" {
		text += " (" + string(fault.Current(fault.Reason(w.GetReason()))) + ")"
	}
	return text
}

// IsWaiting reports whether a job has not been claimed yet.
func IsWaiting(j *waypointv1.Job) bool {
	return j.GetState() <= waypointv1.JobState_JOB_STATE_READY
}

// HasEnded reports whether a job has ended, well or not.
func HasEnded(j *waypointv1.Job) bool {
	return j.GetState() >= waypointv1.JobState_JOB_STATE_SUCCEEDED
}

// WorkspaceName is the workspace of a job.
func WorkspaceName(s *waypointv1.JobSpec) string {
	if s.GetWorkspace() == "" {
		return "default"
	}
	return s.GetWorkspace()
}

// JobDuration renders how long a job ran; "-" if it has not ended.
func JobDuration(j *waypointv1.Job) string {
	if j.GetStartedUnixMs() == 0 || j.GetEndedUnixMs() == 0 {
		return "-"
	}
	return terminal.Duration(UnixMS(j.GetEndedUnixMs()).Sub(UnixMS(j.GetStartedUnixMs())))
}

// OperationName is the word for an operation: "up", "deploy", ….
func OperationName(op *waypointv1.Operation) string {
	m := op.ProtoReflect()
	f := m.WhichOneof(m.Descriptor().Oneofs().ByName("operation"))
	if f == nil {
		return "-"
	}
	return string(f.Name())
}

// StepTime is how long a step took.
func StepTime(s *waypointv1.JobStep) time.Duration {
	return time.Duration(s.GetEndedUnixMs()-s.GetStartedUnixMs()) * time.Millisecond
}

// UpToDate says of a job's result that its app is up to date, and with what; empty if the job deployed.
func UpToDate(app string, res *waypointv1.JobResult) string {
	if !res.GetUpToDate() {
		return ""
	}
	return fmt.Sprintf("%s is up to date (v%d)", app, res.GetDeployment().GetMeta().GetSequence())
}

// MadeLines renders the records that a job made.
func MadeLines(res *waypointv1.JobResult) (out []string) {
	add := func(kind string, m *waypointv1.RecordMeta) {
		if m != nil {
			out = append(out, fmt.Sprintf("%s v%d (%s)", kind, m.GetSequence(), m.GetPlugin()))
		}
	}
	add("build", res.GetBuild().GetMeta())
	add("artifact", res.GetArtifact().GetMeta())
	if !res.GetUpToDate() { // else they were made before
		add("deployment", res.GetDeployment().GetMeta())
		add("release", res.GetRelease().GetMeta())
	}
	var made []string
	if len(out) > 0 {
		made = append(made, strings.Join(out, ", "))
	}
	if n := res.GetDestroyed(); n > 0 {
		made = append(made, fmt.Sprintf("destroyed: %d", n))
	}
	return made
}

// VariablesTable lists the input variables that a job used.
func VariablesTable(used []*waypointv1.VariableUsed) terminal.Table {
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

// sourceName words where a used variable came from.
func sourceName(v *waypointv1.VariableUsed) string {
	name := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(v.GetSource().String(), "VARIABLE_SOURCE_"), "_", " "))
	if v.GetOrigin() != "" && v.GetOrigin() != "-var" {
		return name + " (" + v.GetOrigin() + ")"
	}
	return name
}
