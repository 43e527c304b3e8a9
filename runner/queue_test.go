package runner

import (
	"context"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/api/waypoint/v1/waypointv1connect"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
)

// keyServer vends a queue's keys, each with a lifetime that the test says.
type keyServer struct {
	waypointv1connect.UnimplementedRunnerAgentServiceHandler
	mu     sync.Mutex
	life   time.Duration
	vended int
}

func (s *keyServer) GetQueueCredentials(context.Context, *connect.Request[waypointv1.GetQueueCredentialsRequest]) (*connect.Response[waypointv1.GetQueueCredentialsResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vended++
	return connect.NewResponse(&waypointv1.GetQueueCredentialsResponse{
		AccessKeyId: "AKIA", SecretAccessKey: "secret", SessionToken: string(rune('0' + s.vended)), Region: "us-east-1",
		ExpiresUnix: time.Now().Add(s.life).Unix(), QueueUrl: "http://127.0.0.1:1/queue",
	}), nil
}

func (s *keyServer) lives(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life = d
}

// Keys are used as long as they live for more than five minutes, and are then replaced, before they end.
func TestTheQueuesKeysAreRenewedBeforeTheyEnd(t *testing.T) {
	s := &keyServer{life: time.Hour}
	_, handler := waypointv1connect.NewRunnerAgentServiceHandler(s)
	server := httptest.NewServer(handler)
	defer server.Close()
	c, err := client.New(client.Options{Address: server.URL, Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	r, err := New(Options{Client: c, Catalog: catalog.NewCatalog()})
	if err != nil {
		t.Fatal(err)
	}
	q, err := r.openQueue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	session := func() string {
		t.Helper()
		keys, err := q.keys.Retrieve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return keys.SessionToken
	}
	if first, second := session(), session(); first != "1" || second != "1" || s.vended != 1 {
		t.Errorf("keys for an hour were asked for %d times", s.vended)
	}
	// What is given out next ends within the five minutes: each use asks for others.
	s.lives(renewKeys - time.Minute)
	q, err = r.openQueue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if first, second := session(), session(); first == second {
		t.Errorf("keys that are about to end are used again: %s, %s", first, second)
	}
	s.lives(renewKeys + time.Minute)
	if first, second := session(), session(); first != second {
		t.Errorf("keys that live on are not: %s, %s", first, second)
	}
}
