package client

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/api/waypoint/v1/waypointv1connect"
)

// answerer is somebody else at the server's address.
type answerer struct {
	status           int
	mediaType, body  string
	health, initPage string
}

func (a answerer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page, mediaType, status := a.body, a.mediaType, a.status
	switch r.URL.Path {
	case "/_localstack/health":
		if a.health != "" {
			page, mediaType, status = a.health, "application/json", http.StatusOK
		}
	case "/_localstack/init":
		if a.initPage != "" {
			page, mediaType, status = a.initPage, "application/json", http.StatusOK
		}
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write([]byte(page))
}

const running = `{"services":{"apigateway":"available"},"edition":"community","version":"4.14.0"}`

// What is not an answer of ours ends a call within ten seconds, however patient the call is, and says what it is.
func TestAnAnswerThatIsNotOursIsRecognised(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answerer
		path  string
		state EmulatorState
		says  string
	}{
		"a web page":              {answerer{status: 200, mediaType: "text/html", body: "<html>Hello</html>"}, "", NotAnEmulator, "(200 OK, text/html)"},
		"nothing":                 {answerer{status: 200, mediaType: "text/plain; charset=utf-8"}, "", NotAnEmulator, "(200 OK, text/plain)"},
		"no path":                 {answerer{status: 404, mediaType: "application/json", body: `{"message":"not found"}`}, "", NotAnEmulator, "(404 Not Found, application/json)"},
		"a login":                 {answerer{status: 401, mediaType: "text/html", body: "<html>Log in</html>"}, "", NotAnEmulator, "(401 Unauthorized, text/html)"},
		"an emulator that starts": {answerer{status: 200, mediaType: "text/plain"}, EmulatorAPIs + "abc/v1", EmulatorStarting, "is still starting"},
		"an emulator whose scripts run": {answerer{status: 200, mediaType: "text/plain", health: running,
			initPage: `{"completed":{"BOOT":true,"START":true,"READY":false}}`}, EmulatorAPIs + "abc/v1", EmulatorStarting, "is still starting"},
		"an emulator that has not loaded API Gateway": {answerer{status: 200, mediaType: "text/plain", health: running,
			initPage: `{"completed":{"BOOT":true,"START":true,"READY":true}}`}, EmulatorAPIs + "abc/v1", EmulatorForgot, "no longer has this server"},
		"an emulator that has": {answerer{status: 404, mediaType: "application/json", body: `{"message":"The API id 'abc' does not correspond to a deployed API Gateway API"}`,
			health: running}, EmulatorAPIs + "abc/v1", EmulatorForgot, "no longer has this server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(tt.answerer)
			defer srv.Close()
			c, err := New(Options{Address: srv.URL + tt.path, MaxRetry: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_, err = c.Server.GetServerInfo(t.Context(), connect.NewRequest(&waypointv1.GetServerInfoRequest{}))
			var foreign *ForeignAnswer
			if !errors.As(err, &foreign) {
				t.Fatalf("got %v", err)
			}
			if foreign.Emulator != tt.state || !strings.Contains(foreign.Error(), tt.says) || Unreachable(err) {
				t.Errorf("it is %+v: %v", foreign, err)
			}
			t.Logf("after %s", time.Since(began).Round(time.Millisecond))
		})
	}
}

// The refusals that a gateway of AWS makes in our server's place, and the answers of a server of ours that does not know
// a call, are no one else's.
func TestAGatewaysRefusalIsNotForeign(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status    int
		mediaType string
		cost      bool
	}{
		"forbidden":         {403, "application/json", false},
		"a firewall's page": {403, "text/html", false},
		"throttled":         {429, "application/json", false},
		"a broken gateway":  {502, "text/html", false},
		"an older server":   {404, "text/plain", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.mediaType)
				if tt.cost {
					w.Header().Set(HeaderCost, "requests=1")
				}
				w.WriteHeader(tt.status)
			}))
			defer srv.Close()
			c, err := New(Options{Address: srv.URL})
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Server.GetServerInfo(t.Context(), connect.NewRequest(&waypointv1.GetServerInfoRequest{}))
			var foreign *ForeignAnswer
			if err == nil || errors.As(err, &foreign) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A server that appears while something else answers is reached by the same call.
func TestACallGoesOnWhenTheServerAppears(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	mux := http.NewServeMux()
	mux.Handle(waypointv1connect.NewServerServiceHandler(waypointv1connect.UnimplementedServerServiceHandler{}))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) <= 3 {
			answerer{status: http.StatusOK, mediaType: "text/plain"}.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	defer srv.Close()
	c, err := New(Options{Address: srv.URL, MaxRetry: time.Hour, foreignWithin: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Server.GetServerInfo(t.Context(), connect.NewRequest(&waypointv1.GetServerInfoRequest{}))
	if connect.CodeOf(err) != connect.CodeUnimplemented || calls.Load() != 4 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
}
