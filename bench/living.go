package main

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

const livingHCL = `project = "living"

app "web" {
  build {
    use "null" {}
  }
  deploy {
    use "null" {}
  }
}
`

// living times the whole commands up, status and destroy, and counts their units, in an app without destroyed deployments, and in one
// with 10,000: what was destroyed is to cost nothing. Each has a server of its own, and the commands are run on both in turn, so
// that what else the machine does meets both.
func (b *bench) living(ctx context.Context, n counts) error {
	var stacks []*stack
	for _, destroyed := range []int{0, n.destroyed} {
		s, err := b.newStack(ctx, fmt.Sprintf("living%d", destroyed))
		if err != nil {
			return err
		}
		defer s.stop()
		if err := s.prepareLiving(ctx, b, destroyed); err != nil {
			return err
		}
		stacks = append(stacks, s)
	}
	measured := [2][]spent{make([]spent, len(livingCommands)), make([]spent, len(livingCommands))}
	for range n.ups {
		for i, s := range stacks {
			if err := s.runLiving(ctx, measured[i]); err != nil {
				return err
			}
		}
	}
	for i, command := range livingCommands {
		none, many := measured[0][i], measured[1][i]
		b.add(fmt.Sprintf("%s, none / %d destroyed deployments, p50", command[0], n.destroyed), "grows with each", "± 20 %",
			"%.0f / %.0f ms, %.1f / %.1f units", quantile(none.took, .5), quantile(many.took, .5), none.units(), many.units())
	}
	return nil
}

// prepareLiving makes the project, runs each command once, and adds so many destroyed deployments.
func (s *stack) prepareLiving(ctx context.Context, b *bench, destroyed int) error {
	dir, err := b.writeProject(filepath.Join(filepath.Base(s.dir), "living"), livingHCL)
	if err != nil {
		return err
	}
	if _, _, _, err := s.waypoint(ctx, dir, "init"); err != nil {
		return err
	}
	if err := s.runLiving(ctx, make([]spent, len(livingCommands))); err != nil {
		return err
	}
	return s.addDestroyed(ctx, destroyed)
}

// livingCommands are run in this order, so that each finds what it needs.
var livingCommands = [][]string{{"up"}, {"status"}, {"destroy", "-auto-approve"}}

// spent is what one command took, each time it was run.
type spent struct {
	took []time.Duration
	cost []time.Duration // units: as durations, so that quantile takes them
}

// units is the median of read and write units.
func (s spent) units() float64 { return quantile(s.cost, .5) }

// runLiving runs each command once, and adds to what each took.
func (s *stack) runLiving(ctx context.Context, all []spent) error {
	for i, command := range livingCommands {
		out, took, _, err := s.waypoint(ctx, filepath.Join(s.dir, "living"), append([]string{"--cost"}, command...)...)
		if err != nil {
			return err
		}
		units, err := unitsIn(out)
		if err != nil {
			return err
		}
		all[i].took, all[i].cost = append(all[i].took, took), append(all[i].cost, time.Duration(units*float64(time.Millisecond)))
	}
	return nil
}

var costLine = regexp.MustCompile(`([0-9.]+) read units, ([0-9.]+) write units`)

// unitsIn reads the line of --cost.
func unitsIn(out string) (float64, error) {
	found := costLine.FindStringSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("no cost in the output:\n%s", out)
	}
	read, readErr := strconv.ParseFloat(found[1], 64)
	write, writeErr := strconv.ParseFloat(found[2], 64)
	if readErr != nil || writeErr != nil {
		return 0, fmt.Errorf("the cost is not a number: %s", found[0])
	}
	return read + write, nil
}

// addDestroyed records so many destroyed deployments, each like the last one that the app had, as a runner records them.
func (s *stack) addDestroyed(ctx context.Context, count int) error {
	listed, err := s.client.Deployment.ListDeployments(ctx, connect.NewRequest(&waypointv1.ListDeploymentsRequest{
		Selector: &waypointv1.RecordSelector{Project: "living", App: "web", Workspace: "default"}, Page: &waypointv1.Page{Size: 1},
	}))
	if err != nil || len(listed.Msg.GetDeployments()) != 1 {
		return fmt.Errorf("finding a deployment to copy: %d found: %w", len(listed.Msg.GetDeployments()), err)
	}
	model := listed.Msg.GetDeployments()[0]
	if model.GetPhysicalState() != waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED {
		return fmt.Errorf("the last deployment is %s", strings.ToLower(model.GetPhysicalState().String()))
	}
	runner := ulid.Make().String()
	_, err = s.client.Agent.Register(ctx, connect.NewRequest(&waypointv1.RegisterRequest{
		RunnerId: runner, Name: "bench", Kind: waypointv1.RunnerKind_RUNNER_KIND_CLI, Concurrency: 1,
	}))
	if err != nil {
		return err
	}
	const most = 500 // of one job, so that its lease lasts
	for made := 0; made < count; made += most {
		if err := s.destroyedByOneJob(ctx, runner, model, min(most, count-made)); err != nil {
			return err
		}
	}
	return nil
}

func (s *stack) destroyedByOneJob(ctx context.Context, runner string, model *waypointv1.Deployment, count int) error {
	id, err := s.queue(ctx, &waypointv1.JobSpec{
		Project: "living", App: "web", Operation: noop(),
		Target: &waypointv1.Target{Target: &waypointv1.Target_RunnerId{RunnerId: runner}},
	})
	if err != nil {
		return err
	}
	claim, err := s.client.Agent.ClaimJob(ctx, connect.NewRequest(&waypointv1.ClaimJobRequest{
		RunnerId: runner, JobId: id, Nonce: ulid.Make().String(),
	}))
	if err != nil {
		return err
	}
	fence := claim.Msg.GetFence()
	for range count {
		d := proto.CloneOf(model)
		d.Meta.Id, d.Meta.Sequence, d.Meta.JobId = ulid.Make().String(), 0, id
		_, err := s.client.Agent.PutRecord(ctx, connect.NewRequest(&waypointv1.PutRecordRequest{
			Fence: fence, Record: &waypointv1.Record{Record: &waypointv1.Record_Deployment{Deployment: d}},
		}))
		if err != nil {
			return err
		}
	}
	_, err = s.client.Agent.CompleteJob(ctx, connect.NewRequest(&waypointv1.CompleteJobRequest{Fence: fence}))
	return err
}
