package client_test

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/access"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

func TestEveryServiceHasAClient(t *testing.T) {
	c, err := client.New(client.Options{Address: "http://127.0.0.1:9701"})
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	for _, field := range reflect.VisibleFields(reflect.TypeOf(*c)) {
		if v := reflect.ValueOf(*c).FieldByIndex(field.Index); v.Kind() == reflect.Interface {
			made[field.Type.Name()] = !v.IsNil()
		}
	}
	for _, m := range access.Methods() {
		service := strings.Split(strings.TrimPrefix(m.Procedure, "/waypoint.v1."), "/")[0]
		if !made[service+"Client"] {
			t.Errorf("Client has no field for %s, or New does not make it", service)
		}
	}
}

func TestPlainHTTPIsForThisMachineAndEmulators(t *testing.T) {
	for address, good := range map[string]bool{
		"https://waypoint.example.com/v1":                                true,
		"http://127.0.0.1:9701":                                          true,
		"http://[::1]:9701":                                              true,
		"http://localhost:9701":                                          true,
		"unix:///tmp/api.sock":                                           true,
		"http://localstack:4566/_aws/execute-api/abc/v1":                 true,
		"http://localhost.localstack.cloud:4566/_aws/execute-api/abc/v1": true,
		"http://waypoint.example.com":                                    false,
		"http://waypoint.example.com/x/_aws/execute-api/abc/v1":          false,
		"ftp://waypoint.example.com":                                     false,
		"waypoint.example.com":                                           false,
		"unix://":                                                        false,
	} {
		if _, err := client.New(client.Options{Address: address}); (err == nil) != good || err != nil && !errors.Is(err, client.ErrAddress) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// A gateway decides by it whether an answer is binary.
func TestEachCallSaysWhatItAccepts(t *testing.T) {
	accepts := make(chan string, 1)
	c := serve(t, &projects{list: func(int32) error { return nil }}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			accepts <- r.Header.Get("Accept")
			next.ServeHTTP(w, r)
		})
	})
	if _, err := c.Project.ListProjects(t.Context(), connect.NewRequest(&waypointv1.ListProjectsRequest{})); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-accepts:
		if got != "application/proto" {
			t.Errorf("Accept is %q", got)
		}
	case <-time.After(time.Minute):
		t.Error("no call came")
	}
}
