package api

import (
	"context"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/jobs"
)

// fence checks the shape of a fence; whether it is the current one is decided in the write's own transaction.
func (s *RunnerAgent) fence(ctx context.Context, f *waypointv1.Fence) (jobs.Fence, error) {
	p, err := auth.Caller(ctx)
	if err != nil {
		return jobs.Fence{}, err
	}
	if err := validate.ID("fence.job_id", f.GetJobId()); err != nil {
		return jobs.Fence{}, err
	}
	return fenceOf(p, f), nil
}

func fenceOf(p auth.Principal, f *waypointv1.Fence) jobs.Fence {
	return jobs.Fence{JobID: f.GetJobId(), Attempt: int64(f.GetAttempt()), Owner: p.TokenID, MayRead: p.RunnerProjects().Has}
}

// RenewLease keeps the job for another 30 s, and reports whether it is to be canceled.
func (s *RunnerAgent) RenewLease(ctx context.Context, req *connect.Request[waypointv1.RenewLeaseRequest]) (*connect.Response[waypointv1.RenewLeaseResponse], error) {
	f, err := s.fence(ctx, req.Msg.GetFence())
	if err != nil {
		return nil, err
	}
	canceled, err := s.Jobs.RenewLease(ctx, f)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.RenewLeaseResponse{LeaseMs: leaseMS(), CancelRequested: canceled}), nil
}

// AppendOutput appends a batch of output at its position, once. Cancel requests come with renewals.
func (s *RunnerAgent) AppendOutput(ctx context.Context, req *connect.Request[waypointv1.AppendOutputRequest]) (*connect.Response[waypointv1.AppendOutputResponse], error) {
	f, err := s.fence(ctx, req.Msg.GetFence())
	if err != nil {
		return nil, err
	}
	in := req.Msg
	switch n := len(in.GetEvents()); {
	case n == 0 || n > validate.MaxEvents:
		return nil, invalid("events", "an append has 1 to %d events, not %d", validate.MaxEvents, n)
	case in.GetPosition() < 0:
		return nil, invalid("position", "positions count from 0")
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(&waypointv1.AppendOutputRequest{Events: in.GetEvents()})
	if err != nil {
		return nil, err
	}
	if err := validate.Size("events", len(raw), validate.MaxAppendBytes); err != nil {
		return nil, err
	}
	if err := s.Jobs.AppendOutput(ctx, f, in.GetPosition(), raw); err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.AppendOutputResponse{NextOutput: in.GetPosition() + 1, LeaseMs: leaseMS(),
		IntervalMs: uint32(s.OutputEvery.Milliseconds())}), nil
}

func checkStep(name string) error {
	if name == "" || len(name) > 64 {
		return invalid("name", "a step's name must have 1 to 64 characters")
	}
	return nil
}

// BeginStep records that a step begins; its plugin may act only after this was answered.
func (s *RunnerAgent) BeginStep(ctx context.Context, req *connect.Request[waypointv1.BeginStepRequest]) (*connect.Response[waypointv1.BeginStepResponse], error) {
	f, err := s.fence(ctx, req.Msg.GetFence())
	if err == nil {
		err = checkStep(req.Msg.GetName())
	}
	if err == nil {
		step := job.Step{Name: req.Msg.GetName(), Rerunnable: req.Msg.GetRerunnable(), OutputAt: max(req.Msg.GetOutput(), 0)}
		err = s.Jobs.BeginStep(ctx, f, step, req.Msg.GetAgain())
	}
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.BeginStepResponse{}), nil
}

// EndStep records that a step is finished: no later attempt runs it again.
func (s *RunnerAgent) EndStep(ctx context.Context, req *connect.Request[waypointv1.EndStepRequest]) (*connect.Response[waypointv1.EndStepResponse], error) {
	f, err := s.fence(ctx, req.Msg.GetFence())
	if err == nil {
		err = checkStep(req.Msg.GetName())
	}
	if err == nil && req.Msg.GetRecordId() != "" {
		err = validate.ID("record_id", req.Msg.GetRecordId())
	}
	if err == nil {
		err = s.Jobs.EndStep(ctx, f, req.Msg.GetName(), req.Msg.GetRecordId())
	}
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.EndStepResponse{}), nil
}

// ReportJob keeps which source and variables the job resolved to.
func (s *RunnerAgent) ReportJob(ctx context.Context, req *connect.Request[waypointv1.ReportJobRequest]) (*connect.Response[waypointv1.ReportJobResponse], error) {
	f, err := s.fence(ctx, req.Msg.GetFence())
	if err != nil {
		return nil, err
	}
	if err := s.Jobs.Report(ctx, f, validate.ShortReport(req.Msg)); err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.ReportJobResponse{}), nil
}

// CompleteJob ends the job. A repeat gets the first answer. What a job left is shortened, never refused: the job is done.
func (s *RunnerAgent) CompleteJob(ctx context.Context, req *connect.Request[waypointv1.CompleteJobRequest]) (*connect.Response[waypointv1.CompleteJobResponse], error) {
	f, err := s.fence(ctx, req.Msg.GetFence())
	if err != nil {
		return nil, err
	}
	state, d, err := s.Jobs.Complete(ctx, f, jobs.Completion{
		Failure: endOf(req.Msg.GetError()), Result: validate.ShortResult(req.Msg.GetResult()), NextOutput: req.Msg.GetNextOutput(),
	})
	if err != nil {
		return nil, err
	}
	carryOut(ctx, s.Jobs, s.Queues, s.Logger, d)
	return connect.NewResponse(&waypointv1.CompleteJobResponse{State: jobs.StateProto(state)}), nil
}

// endOf takes over why a job failed, cut to what a job's state may hold.
func endOf(e *waypointv1.JobError) *job.End {
	if e == nil {
		return nil
	}
	return &job.End{Reason: clip(e.GetReason(), 64), Message: clip(e.GetMessage(), 4<<10), Hint: clip(e.GetHint(), 1<<10), Step: clip(e.GetStep(), 64)}
}

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && s[most]&0xC0 == 0x80 { // not in the middle of a character
		most--
	}
	return s[:most]
}

// HandBackJob gives the job back: between two steps, or after its runner was killed, which whoever outlived it reports.
func (s *RunnerAgent) HandBackJob(ctx context.Context, req *connect.Request[waypointv1.HandBackJobRequest]) (*connect.Response[waypointv1.HandBackJobResponse], error) {
	f, err := s.fence(ctx, req.Msg.GetFence())
	if err != nil {
		return nil, err
	}
	handBack := s.Jobs.HandBack
	if req.Msg.GetLost() {
		handBack = s.Jobs.Lose
	}
	state, d, err := handBack(ctx, f)
	if err != nil {
		return nil, err
	}
	carryOut(ctx, s.Jobs, s.Queues, s.Logger, d)
	return connect.NewResponse(&waypointv1.HandBackJobResponse{State: jobs.StateProto(state)}), nil
}
