package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/waypoint-serverless/waypoint/localstack/gateway"
	"github.com/waypoint-serverless/waypoint/localstack/server"
)

// A runner keeps its lease while apps and people without a token ask for ten times what their throttles let through.
// Throttles as low as these make a flood of what the slowest machine sends: what counts is who is refused.
func TestRenewalsSurviveAFlood(t *testing.T) {
	few := &gateway.Throttle{Rate: 1, Burst: 10}
	plenty := &gateway.Throttle{Rate: 1000, Burst: 2000}
	for _, tt := range []struct {
		name      string
		throttles server.Throttles
		starve    bool
	}{
		{"each class has a throttle of its own", server.Throttles{Runners: plenty, Apps: few, Others: few}, false},
		// The proof that the flood is one: with the throttle of everybody else, renewals are refused.
		{"runners have no more than strangers", server.Throttles{Runners: &gateway.Throttle{Rate: 0.01, Burst: 1}, Apps: few, Others: few}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, token := openThrottled(t, tt.throttles)
			fence := claimJob(t, s, token, tt.starve)
			refused, floods := flood(t, s)
			renewed, starved := 0, 0
			for deadline := time.Now().Add(2 * time.Minute); renewed+starved < 50 || refused.Load() == 0; {
				switch code, body := call(s, token, "RunnerAgentService/RenewLease", fmt.Sprintf(`{"fence":%s}`, fence)); code {
				case http.StatusOK:
					renewed++
				case http.StatusTooManyRequests:
					starved++
				case http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusBadRequest:
					if !tt.starve {
						t.Fatalf("renewing: %d %s", code, body)
					}
					renewed++
				default:
					t.Fatalf("renewing: %d %s", code, body)
				}
				if time.Now().After(deadline) {
					t.Fatalf("%d renewals in two minutes, and %d of the flood refused", renewed, refused.Load())
				}
				time.Sleep(5 * time.Millisecond)
			}
			floods()
			t.Logf("%d renewed, %d refused; of the flood %d were refused", renewed, starved, refused.Load())
			if tt.starve != (starved > 0) {
				t.Errorf("%d of %d renewals were throttled", starved, renewed+starved)
			}
		})
	}
}

func openThrottled(t *testing.T, throttles server.Throttles) (*server.Server, string) {
	t.Helper()
	s, err := server.New(t.Context(), server.Options{Throttles: throttles})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	token, err := s.AdminToken(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	return s, token
}

// claimJob queues and claims a job, and returns its fence as JSON. With throttled runners it returns a made-up one: the
// gateway refuses before anybody looks.
func claimJob(t *testing.T, s *server.Server, token string, throttled bool) string {
	t.Helper()
	if throttled {
		return `{"jobId":"` + ulid.Make().String() + `","attempt":1}`
	}
	must := func(procedure, body string) map[string]json.RawMessage {
		t.Helper()
		code, answer := call(s, token, procedure, body)
		if code != http.StatusOK {
			t.Fatalf("%s: %d %s", procedure, code, answer)
		}
		var out map[string]json.RawMessage
		if err := json.Unmarshal([]byte(answer), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	runner := ulid.Make().String()
	must("ProjectService/UpsertProject", `{"project":{"name":"p"}}`)
	must("RunnerAgentService/Register", `{"runnerId":"`+runner+`","name":"r","kind":"RUNNER_KIND_CLI","concurrency":1}`)
	queued := must("JobService/QueueJob", `{"spec":{"project":"p","operation":{"noop":{}},"target":{"runnerId":"`+runner+`"}}}`)
	var job struct{ ID string }
	if err := json.Unmarshal(queued["job"], &job); err != nil {
		t.Fatal(err)
	}
	claim := must("RunnerAgentService/ClaimJob", `{"runnerId":"`+runner+`","jobId":"`+job.ID+`","nonce":"`+ulid.Make().String()+`"}`)
	return string(claim["fence"])
}

// flood lets apps and strangers call many times as fast as their throttle lets through, until the returned function is
// called; at the latest until the test ends.
func flood(t *testing.T, s *server.Server) (refused *atomic.Int64, stop func()) {
	t.Helper()
	refused = &atomic.Int64{}
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for _, procedure := range []string{"EntrypointService/GetAppConfig", "JobService/ListJobs", "ServerService/GetServerInfo"} {
		callers.Go(func() {
			for ctx.Err() == nil {
				if code, _ := call(s, "", procedure, `{}`); code == http.StatusTooManyRequests {
					refused.Add(1)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	return refused, func() { cancel(); callers.Wait() }
}
