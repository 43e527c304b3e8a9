package functions_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"

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
