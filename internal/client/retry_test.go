package client_test

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/api/waypoint/v1/waypointv1connect"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// projects answers ListProjects as told.
type projects struct {
	waypointv1connect.UnimplementedProjectServiceHandler
	calls atomic.Int32
	keys  chan string
	list  func(call int32) error
}

func (p *projects) ListProjects(context.Context, *connect.Request[waypointv1.ListProjectsRequest]) (*connect.Response[waypointv1.ListProjectsResponse], error) {
	if err := p.list(p.calls.Add(1)); err != nil {
		return nil, err
	}
	res := connect.NewResponse(&waypointv1.ListProjectsResponse{})
	res.Header().Set(client.HeaderCost, "r=1.5,w=2,q=1,ms=4")
	return res, nil
}

func (p *projects) UpsertProject(_ context.Context, req *connect.Request[waypointv1.UpsertProjectRequest]) (*connect.Response[waypointv1.UpsertProjectResponse], error) {
	p.keys <- req.Header().Get(client.HeaderIdempotency)
	if err := p.list(p.calls.Add(1)); err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.UpsertProjectResponse{}), nil
}

// serve puts a handler behind a Unix socket; front may answer instead of it.
func serve(t *testing.T, p *projects, front func(http.Handler) http.Handler) *client.Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(waypointv1connect.NewProjectServiceHandler(p))
	var h http.Handler = mux
	if front != nil {
		h = front(mux)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	c, err := client.New(client.Options{Address: "unix://" + path, Component: "cli", MaxRetry: 2 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func list(c *client.Client) error {
	_, err := c.Project.ListProjects(context.Background(), connect.NewRequest(&waypointv1.ListProjectsRequest{}))
	return err
}

func TestRetry_TypedAnswerIsFinal(t *testing.T) {
	p := &projects{list: func(int32) error {
		return fault.Connect(fault.New(connect.CodePermissionDenied, fault.TokenRevoked, "the token was revoked"))
	}}
	if err := list(serve(t, p, nil)); !fault.Is(err, fault.TokenRevoked) || p.calls.Load() != 1 {
		t.Fatalf("%v after %d calls", err, p.calls.Load())
	}
}

func TestRetry_ThrottlingIsTriedAgain(t *testing.T) {
	p := &projects{list: func(call int32) error {
		if call < 3 {
			return fault.Connect(fault.New(connect.CodeResourceExhausted, fault.Throttled, "slow down"))
		}
		return nil
	}}
	if err := list(serve(t, p, nil)); err != nil || p.calls.Load() != 3 {
		t.Fatalf("%v after %d calls", err, p.calls.Load())
	}
}

// A gateway's bare refusals carry no reason of ours, and pass.
func TestRetry_BareGatewayAnswersAreTriedAgain(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout} {
		var calls atomic.Int32
		p := &projects{list: func(int32) error { return nil }}
		c := serve(t, p, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if calls.Add(1) < 3 {
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(status)
					_, _ = w.Write([]byte(`{"message":"Forbidden"}`))
					return
				}
				next.ServeHTTP(w, r)
			})
		})
		if err := list(c); err != nil {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// A server that dies resets its connections, which Connect reports as canceled.
func TestRetry_ResetConnectionIsTriedAgain(t *testing.T) {
	var calls atomic.Int32
	p := &projects{list: func(int32) error { return nil }}
	c := serve(t, p, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if calls.Add(1) < 3 {
				conn, _, err := w.(http.Hijacker).Hijack()
				if err == nil {
					_ = conn.Close() // with the request's body unread: a reset
				}
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	if err := list(c); err != nil {
		t.Fatal(err)
	}
}

func TestRetry_AMutationKeepsItsIdempotencyKey(t *testing.T) {
	p := &projects{keys: make(chan string, 3), list: func(call int32) error {
		if call == 1 {
			return connect.NewError(connect.CodeUnavailable, http.ErrServerClosed)
		}
		return nil
	}}
	c := serve(t, p, nil)
	if _, err := c.Project.UpsertProject(context.Background(), connect.NewRequest(&waypointv1.UpsertProjectRequest{})); err != nil {
		t.Fatal(err)
	}
	if first, second := <-p.keys, <-p.keys; first == "" || first != second {
		t.Fatalf("keys %q and %q", first, second)
	}
}

func TestCost_AddsUp(t *testing.T) {
	p := &projects{list: func(int32) error { return nil }}
	c := serve(t, p, nil)
	for range 2 {
		if err := list(c); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := c.Cost(), (client.Cost{Requests: 2, ReadUnits: 3, WriteUnits: 4, QueueCalls: 2, ServerMS: 8}); got != want {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func TestNew_RefusesAddressesThatWouldLeakTheToken(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://example.com": true, "http://127.0.0.1:9701": true, "http://localhost:1": true, "http://[::1]:1": true, "unix:///tmp/s": true,
		"http://example.com": false, "example.com": false, "unix://": false, "ftp://x": false, "": false,
	} {
		if _, err := client.New(client.Options{Address: address}); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
}
