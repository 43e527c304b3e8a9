package functions_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"

	"connectrpc.com/connect"
	"github.com/aws/aws-lambda-go/events"
	"google.golang.org/protobuf/proto"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// BenchmarkRequest is one event through a function: adapter, gate, service, table, answer.
func BenchmarkRequest(b *testing.B) {
	w := newWorldFor(b, install(b))
	for name, call := range map[string]struct {
		path string
		msg  proto.Message
	}{
		"ServerInfo":   {"/waypoint.v1.ServerService/GetServerInfo", &waypointv1.GetServerInfoRequest{}},
		"ListProjects": {"/waypoint.v1.ProjectService/ListProjects", &waypointv1.ListProjectsRequest{}},
		"LatestBuild": {"/waypoint.v1.BuildService/GetBuild", &waypointv1.GetBuildRequest{Ref: &waypointv1.RecordRef{
			Ref: &waypointv1.RecordRef_Latest{Latest: &waypointv1.RecordSelector{Project: "shop", App: "web"}},
		}}},
	} {
		b.Run(name, func(b *testing.B) {
			body, err := proto.Marshal(call.msg)
			if err != nil {
				b.Fatal(err)
			}
			payload, err := json.Marshal(events.APIGatewayProxyRequest{
				HTTPMethod: "POST", Path: call.path, Body: base64.StdEncoding.EncodeToString(body), IsBase64Encoded: true,
				MultiValueHeaders: map[string][]string{
					"Authorization": {"Bearer " + w.admin}, "Content-Type": {"application/proto"}, "Connect-Protocol-Version": {"1"},
				},
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.handlers.API.Invoke(b.Context(), payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPath is a whole path through the functions, with the client that makes the requests: a project that is read, and a job
// that is queued, claimed and completed (three requests, eleven items).
func BenchmarkPath(b *testing.B) {
	w := newWorldFor(b, install(b))
	c := w.as(w.admin)
	ctx, runner := b.Context(), "01BENCH00000000000000000RN"
	do(b)(c.projects.UpsertProject(ctx, ask(&waypointv1.UpsertProjectRequest{
		Project: &waypointv1.Project{Name: "shop"}, Apps: []*waypointv1.App{{Name: "web"}, {Name: "api"}, {Name: "worker"}},
	})))
	do(b)(c.agent.Register(ctx, ask(&waypointv1.RegisterRequest{
		RunnerId: runner, Name: "bench", Kind: waypointv1.RunnerKind_RUNNER_KIND_CLI, Concurrency: 1,
	})))
	b.Run("GetProject", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			do(b)(c.projects.GetProject(ctx, ask(&waypointv1.GetProjectRequest{Name: "shop"})))
		}
	})
	b.Run("Job", func(b *testing.B) {
		b.ReportAllocs()
		spec := &waypointv1.JobSpec{Project: "shop", App: "web", Operation: noop(),
			Target: &waypointv1.Target{Target: &waypointv1.Target_RunnerId{RunnerId: runner}}}
		for n := 0; b.Loop(); n++ {
			queued := do(b)(c.jobs.QueueJob(ctx, ask(&waypointv1.QueueJobRequest{Spec: spec}))).(*waypointv1.QueueJobResponse)
			claim := do(b)(c.agent.ClaimJob(ctx, ask(&waypointv1.ClaimJobRequest{
				RunnerId: runner, JobId: queued.GetJob().GetId(), Nonce: fmt.Sprint("nonce-", n),
			}))).(*waypointv1.ClaimJobResponse)
			do(b)(c.agent.CompleteJob(ctx, ask(&waypointv1.CompleteJobRequest{Fence: claim.GetFence()})))
		}
	})
}

// do returns the message of an answer that the benchmark relies on.
func do(b *testing.B) func(connect.AnyResponse, error) any {
	return func(res connect.AnyResponse, err error) any {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
		return res.Any()
	}
}
