package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/localstack/server"
)

// open opens a server on a data directory of its own, with a token that may do everything.
func open(t testing.TB) (*server.Server, string) {
	t.Helper()
	ctx := context.Background()
	s, err := server.New(ctx, server.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	token, err := s.AdminToken(ctx, "test")
	if err != nil {
		t.Fatal(err)
	}
	return s, token
}

// call calls the API through the gateway and returns status and body.
func call(s *server.Server, token, procedure, body string) (int, string) {
	req := httptest.NewRequest(http.MethodPost, "/waypoint.v1."+procedure, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Waypoint-Protocol", "1")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	s.Gateway.ServeHTTP(rec, req)
	return rec.Code, rec.Body.String()
}

func TestServer_AnswersThroughTheGateway(t *testing.T) {
	s, token := open(t)
	if code, body := call(s, token, "ProjectService/UpsertProject", `{"project":{"name":"p"},"apps":[{"project":"p","name":"a"}]}`); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	if code, body := call(s, token, "ProjectService/GetProject", `{"name":"p"}`); code != http.StatusOK || !strings.Contains(body, `"name":"a"`) {
		t.Fatalf("%d %s", code, body)
	}
	if code, body := call(s, "", "ProjectService/GetProject", `{"name":"p"}`); code != http.StatusUnauthorized || !strings.Contains(body, "TOKEN_MISSING") {
		t.Fatalf("%d %s", code, body)
	}
	if err := s.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// A token made before a restart opens the server after it: nothing is kept in the process.
func TestServer_KeepsEverythingInItsDirectory(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	first, err := server.New(ctx, server.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	token, err := first.AdminToken(ctx, "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.New(ctx, server.Options{Dir: dir}); err == nil {
		t.Fatal("a second server opened the same data")
	}
	if err := first.Close(ctx); err != nil {
		t.Fatal(err)
	}
	second, err := server.New(ctx, server.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close(ctx)
	if code, body := call(second, token, "ProjectService/ListProjects", `{}`); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
}

// BenchmarkUnaryRead is one request from the gateway's HTTP to its answer, without a socket.
func BenchmarkUnaryRead(b *testing.B) {
	s, token := open(b)
	if code, body := call(s, token, "ProjectService/UpsertProject", `{"project":{"name":"p"}}`); code != http.StatusOK {
		b.Fatalf("%d %s", code, body)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if code, body := call(s, token, "ProjectService/GetProject", `{"name":"p"}`); code != http.StatusOK {
				b.Fatalf("%d %s", code, body)
			}
		}
	})
}
