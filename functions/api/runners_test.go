package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/sweep"
)

func (s *server) beat(c caller, runner string, free int32) []string {
	s.t.Helper()
	res, err := c.agent.Beat(context.Background(), connect.NewRequest(&waypointv1.BeatRequest{RunnerId: runner, Free: free}))
	if err != nil {
		s.t.Fatal(err)
	}
	return res.Msg.GetJobIds()
}

func (s *server) whyNot(c caller, job string) *waypointv1.WhyNot {
	s.t.Helper()
	res, err := c.jobs.GetJob(context.Background(), connect.NewRequest(&waypointv1.GetJobRequest{Id: job}))
	if err != nil {
		s.t.Fatal(err)
	}
	return res.Msg.GetJob().GetWhyNot()
}

func buildIt(j *waypointv1.JobSpec) {
	j.Operation = &waypointv1.Operation{Operation: &waypointv1.Operation_Build{Build: &waypointv1.BuildOp{}}}
}

// An agent that cannot stay up makes a new id at each start. The dead ones, older or newer, hide nobody.
func TestDeadRunnersDoNotHideALivingOne(t *testing.T) {
	for name, living := range map[string]int{"the first": 0, "in the middle": 60, "the last": 119} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			me, agent := s.as(person("01ME", deployer)), s.as(runnerToken(nil))
			var alive, last string
			for n := range 120 {
				id, _ := s.register(agent, standing)
				if n == living {
					alive = id
				}
				last = id
			}
			s.Clock.Pass(10 * time.Minute)
			s.beat(agent, alive, 0)
			job := s.queue(me)
			s.Clock.Pass(3 * time.Second)
			if why := s.whyNot(me, job.GetId()); why.GetReason() == string(fault.NoRunner) {
				t.Errorf("one runner lives: %v", why)
			}
			if last == alive {
				return
			}
			if _, err := agent.agent.Deregister(t.Context(), connect.NewRequest(&waypointv1.DeregisterRequest{RunnerId: last})); err != nil {
				t.Fatal(err)
			}
			if why := s.whyNot(me, job.GetId()); why.GetReason() == string(fault.NoRunner) {
				t.Errorf("one runner left, another lives: %v", why)
			}
			if _, err := agent.agent.Deregister(t.Context(), connect.NewRequest(&waypointv1.DeregisterRequest{RunnerId: alive})); err != nil {
				t.Fatal(err)
			}
			if why := s.whyNot(me, job.GetId()); why.GetReason() != string(fault.NoRunner) {
				t.Errorf("nobody lives: %v", why)
			}
		})
	}
}

func TestAJobThatNamesARunnerDoesNotWaitBehindABacklog(t *testing.T) {
	s := newServer(t)
	me, agent := s.as(person("01ME", deployer)), s.as(runnerToken(nil))
	runner, url := s.register(agent, standing)
	other, _ := s.register(agent, standing)
	const backlog = 120 // more than one beat looked at before
	var first string
	for n := range backlog {
		job := s.queue(me, buildIt)
		if n == 0 {
			first = job.GetId()
		}
		s.Clock.Pass(10 * time.Millisecond)
	}
	named := s.queue(me, buildIt, func(j *waypointv1.JobSpec) {
		j.Target = &waypointv1.Target{Target: &waypointv1.Target_RunnerId{RunnerId: runner}}
	})
	announced := fmt.Sprintf(`{"job_id":%q,"runner_id":%q}`, named.GetId(), runner)
	if !slices.Contains(s.allWakeUps(url), announced) {
		t.Errorf("it was not announced as %s", announced)
	}
	if got := s.beat(agent, runner, 1); !slices.Equal(got, []string{named.GetId()}) {
		t.Errorf("its runner is offered %v, not %s", got, named.GetId())
	}
	// The others are offered from the oldest on, and what is another's is not offered.
	if got := s.beat(agent, other, 10); len(got) != 10 || slices.Contains(got, named.GetId()) || got[0] != first || !slices.IsSorted(got) {
		t.Errorf("the other runner is offered %v", got)
	}
	// The sweep announces it again, and looks at it once it is due only.
	sweeper := &sweep.Sweeper{DB: s.DB, Jobs: s.Jobs, Dispatch: s.Dispatch, Queues: s.Queues}
	s.Clock.Pass(30 * time.Second)
	if got, err := sweeper.Run(t.Context()); err != nil || got.Due != 0 {
		t.Errorf("nothing is due yet: %+v, %v", got, err)
	}
	s.Clock.Pass(45 * time.Second)
	if got, err := sweeper.Run(t.Context()); err != nil || got.Due != backlog+1 || got.WakeUps != backlog+1 {
		t.Errorf("all are due: %+v, %v", got, err)
	}
	if !slices.Contains(s.allWakeUps(url), announced) {
		t.Error("the sweep did not announce it again")
	}
}

// allWakeUps empties a queue.
func (s *server) allWakeUps(url string) (all []string) {
	s.t.Helper()
	for {
		res, err := s.SQS.ReceiveMessage(context.Background(), &awssqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
		if err != nil {
			s.t.Fatal(err)
		}
		if len(res.Messages) == 0 {
			return all
		}
		for _, m := range res.Messages {
			all = append(all, aws.ToString(m.Body))
			if _, err := s.SQS.DeleteMessage(context.Background(), &awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// Jobs that no runner fits do not hide, from a runner that comes, the one that it fits.
func TestAJobIsFoundBehindManyThatNoRunnerFits(t *testing.T) {
	s := newServer(t)
	me := s.as(person("01ME", deployer))
	labelled := func(value string) func(*waypointv1.JobSpec) {
		return func(j *waypointv1.JobSpec) {
			j.Target = &waypointv1.Target{Target: &waypointv1.Target_Labels{Labels: &waypointv1.LabelTarget{Labels: map[string]string{"on": value}}}}
		}
	}
	for range 60 {
		s.queue(me, buildIt, labelled("mars"))
	}
	job := s.queue(me, buildIt, labelled("earth"))
	earth := s.as(runnerToken(map[string]string{"on": "earth"}))
	runner, url := s.register(earth, standing)
	if got := s.allWakeUps(url); len(got) != 1 || !strings.Contains(got[0], job.GetId()) {
		t.Errorf("the new pool's queue holds %v", got)
	}
	if got := s.beat(earth, runner, 5); !slices.Equal(got, []string{job.GetId()}) {
		t.Errorf("it is offered %v", got)
	}
}
