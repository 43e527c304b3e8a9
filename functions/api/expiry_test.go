package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// written makes a job that has ended with so many parts of output, "part 0" and on.
func (s *server) written(me caller, parts int) string {
	s.t.Helper()
	agent := s.as(runnerToken(nil))
	runner, _ := s.register(agent, standing)
	job := s.queue(me)
	c := s.claim(agent, runner, job.GetId(), "n")
	for n := range parts {
		if _, err := agent.agent.AppendOutput(context.Background(), connect.NewRequest(&waypointv1.AppendOutputRequest{
			Fence: c.GetFence(), Position: int64(n), Events: []*waypointv1.OutputEvent{line(fmt.Sprintf("part %d", n))},
		})); err != nil {
			s.t.Fatal(err)
		}
	}
	if _, err := agent.agent.CompleteJob(context.Background(), connect.NewRequest(&waypointv1.CompleteJobRequest{
		Fence: c.GetFence(), NextOutput: int64(parts), Result: &waypointv1.JobResult{DeployUrl: "http://app"},
	})); err != nil {
		s.t.Fatal(err)
	}
	return job.GetId()
}

func TestAJobWhoseOutputHasExpiredIsReadToItsEnd(t *testing.T) {
	const parts = 12
	for name, c := range map[string]struct {
		later time.Duration
		gone  []int64 // deleted by hand, as DynamoDB deletes: in any order
		want  func(shown []string) []string
	}{
		"a day later all is there": {later: 24 * time.Hour, want: func(all []string) []string { return all }},
		"31 days later nothing is": {later: 31 * 24 * time.Hour, want: func([]string) []string {
			return []string{"The output of this job has expired: output is kept for 30 days."}
		}},
		"holes": {gone: []int64{0, 1, 4, 7, 11}, want: func(all []string) []string {
			var out []string
			for n, text := range all {
				if !slices.Contains([]int{0, 1, 4, 7, 11}, n) {
					out = append(out, text)
				}
			}
			return append(out, "5 of the 12 parts of this job's output have expired and are not shown: output is kept for 30 days.")
		}},
		"only the last is left": {gone: []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, want: func(all []string) []string {
			return []string{all[11], "11 of the 12 parts of this job's output have expired and are not shown: output is kept for 30 days."}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			me := s.as(person("01ME", deployer))
			id := s.written(me, parts)
			for _, n := range c.gone {
				if err := s.DB.Delete(t.Context(), store.JobOutput(id, n)); err != nil {
					t.Fatal(err)
				}
			}
			s.Clock.Pass(c.later)
			var all []string
			for n := range parts {
				all = append(all, fmt.Sprintf("part %d", n))
			}
			if got, want := s.follow(me, id), append(c.want(all), "http://app"); !slices.Equal(got, want) {
				t.Errorf("the reader saw %q, want %q", got, want)
			}
		})
	}
}

// A job may wait or run for longer than its output is kept: whoever follows it then passes what is gone.
func TestAJobThatStillRunsIsReadPastWhatHasExpired(t *testing.T) {
	s := newServer(t)
	me, agent := s.as(person("01ME", deployer)), s.as(runnerToken(nil))
	runner, _ := s.register(agent, standing)
	job := s.queue(me)
	c := s.claim(agent, runner, job.GetId(), "n")
	appendLine := func(n int64, text string) {
		t.Helper()
		if _, err := agent.agent.AppendOutput(t.Context(), connect.NewRequest(&waypointv1.AppendOutputRequest{
			Fence: c.GetFence(), Position: n, Events: []*waypointv1.OutputEvent{line(text)},
		})); err != nil {
			t.Fatal(err)
		}
	}
	appendLine(0, "old")
	s.Clock.Pass(31 * 24 * time.Hour)
	appendLine(1, "new")
	res, err := me.tail.TailJob(t.Context(), connect.NewRequest(&waypointv1.TailJobRequest{JobId: job.GetId()}))
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Msg.GetEvents(); len(got) != 1 || got[0].GetLine().GetText() != "new" {
		t.Fatalf("the reader saw %v", got)
	}
	if _, err := agent.agent.CompleteJob(t.Context(), connect.NewRequest(&waypointv1.CompleteJobRequest{Fence: c.GetFence(), NextOutput: 2})); err != nil {
		t.Fatal(err)
	}
	res, err = me.tail.TailJob(t.Context(), connect.NewRequest(&waypointv1.TailJobRequest{JobId: job.GetId(), Cursor: res.Msg.GetNextCursor()}))
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Msg.GetEvents(); !res.Msg.GetDone() || len(got) != 1 || !strings.HasPrefix(got[0].GetLine().GetText(), "1 of the 2 parts") {
		t.Errorf("the end: %v", res.Msg)
	}
}
