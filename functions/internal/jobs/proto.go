package jobs

import (
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
)

// StateProto is a job's state in the contract.
func StateProto(s job.State) waypointv1.JobState {
	switch s {
	case job.Blocked:
		return waypointv1.JobState_JOB_STATE_BLOCKED
	case job.Ready:
		return waypointv1.JobState_JOB_STATE_READY
	case job.Running:
		return waypointv1.JobState_JOB_STATE_RUNNING
	case job.Succeeded:
		return waypointv1.JobState_JOB_STATE_SUCCEEDED
	case job.Failed:
		return waypointv1.JobState_JOB_STATE_FAILED
	case job.Canceled:
		return waypointv1.JobState_JOB_STATE_CANCELED
	}
	return waypointv1.JobState_JOB_STATE_UNSPECIFIED
}

// StateOf is StateProto's inverse; "" for an unknown one.
func StateOf(s waypointv1.JobState) job.State {
	for _, state := range []job.State{job.Blocked, job.Ready, job.Running, job.Succeeded, job.Failed, job.Canceled} {
		if StateProto(state) == s {
			return state
		}
	}
	return ""
}

// Proto is a job as lists show it: its specification has the names only.
func Proto(m job.Meta) *waypointv1.Job {
	out := &waypointv1.Job{
		Id: m.ID, State: StateProto(m.State), Attempt: int32(m.Attempt), RunnerId: m.RunnerID, RunnerName: m.RunnerName,
		QueuedUnixMs: m.QueuedAt, ReadyUnixMs: m.ReadyAt, StartedUnixMs: m.StartedAt, EndedUnixMs: m.EndedAt, QueuedBy: m.QueuedBy,
		Spec: &waypointv1.JobSpec{
			Project: m.Project, App: m.App, Workspace: m.Workspace, Operation: operationNamed(m.Operation), Target: targetProto(m.Target),
			DependsOn: m.DependsOn, DependsOnAllowFailure: m.AllowFailure,
		},
	}
	if m.End.Reason != "" {
		out.Error = &waypointv1.JobError{Reason: m.End.Reason, Message: m.End.Message, Hint: m.End.Hint, Step: m.End.Step}
	}
	return out
}

func stepProto(s job.Step) *waypointv1.JobStep {
	return &waypointv1.JobStep{Name: s.Name, StartedUnixMs: s.StartedAt, EndedUnixMs: s.EndedAt,
		Rerunnable: s.Rerunnable, RecordId: s.RecordID, Attempt: int32(s.Attempt)}
}

func targetProto(t job.Target) *waypointv1.Target {
	switch {
	case t.RunnerID != "":
		return &waypointv1.Target{Target: &waypointv1.Target_RunnerId{RunnerId: t.RunnerID}}
	case len(t.Labels) > 0:
		return &waypointv1.Target{Target: &waypointv1.Target_Labels{Labels: &waypointv1.LabelTarget{Labels: t.Labels}}}
	}
	return &waypointv1.Target{Target: &waypointv1.Target_Any{Any: &waypointv1.AnyRunner{}}}
}

// OperationName is how keys and lists call an operation; "" for none.
func OperationName(op *waypointv1.Operation) string {
	switch op.GetOperation().(type) {
	case *waypointv1.Operation_Noop:
		return "noop"
	case *waypointv1.Operation_Build:
		return "build"
	case *waypointv1.Operation_Push:
		return "push"
	case *waypointv1.Operation_Deploy:
		return "deploy"
	case *waypointv1.Operation_Release:
		return "release"
	case *waypointv1.Operation_Up:
		return "up"
	case *waypointv1.Operation_Destroy:
		return "destroy"
	case *waypointv1.Operation_Status:
		return "status"
	case *waypointv1.Operation_Init:
		return "init"
	}
	return ""
}

func operationNamed(name string) *waypointv1.Operation {
	op := &waypointv1.Operation{}
	switch name {
	case "noop":
		op.Operation = &waypointv1.Operation_Noop{Noop: &waypointv1.NoopOp{}}
	case "build":
		op.Operation = &waypointv1.Operation_Build{Build: &waypointv1.BuildOp{}}
	case "push":
		op.Operation = &waypointv1.Operation_Push{Push: &waypointv1.PushOp{}}
	case "deploy":
		op.Operation = &waypointv1.Operation_Deploy{Deploy: &waypointv1.DeployOp{}}
	case "release":
		op.Operation = &waypointv1.Operation_Release{Release: &waypointv1.ReleaseOp{}}
	case "up":
		op.Operation = &waypointv1.Operation_Up{Up: &waypointv1.UpOp{}}
	case "destroy":
		op.Operation = &waypointv1.Operation_Destroy{Destroy: &waypointv1.DestroyOp{}}
	case "status":
		op.Operation = &waypointv1.Operation_Status{Status: &waypointv1.StatusOp{}}
	case "init":
		op.Operation = &waypointv1.Operation_Init{Init: &waypointv1.InitOp{}}
	}
	return op
}

// laned reports whether an operation changes what runs, and so takes its turn on the lane.
func laned(operation string) bool {
	switch operation {
	case "up", "deploy", "release", "destroy":
		return true
	}
	return false
}
