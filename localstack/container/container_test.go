package container

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWhatIsMissingIsSaidWithHowToGetIt(t *testing.T) {
	t.Setenv(endpointVariable, "http://127.0.0.1:9")
	if _, err := Start(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing answers at AWS_ENDPOINT_URL=http://127.0.0.1:9") {
		t.Errorf("with a dead endpoint: %v", err)
	}
	err := explain(defaultImage, errors.New("create container: Error response from daemon: No such image: localstack/localstack:4.14.0"))
	if !strings.Contains(err.Error(), "docker pull "+defaultImage) || !strings.Contains(err.Error(), imageVariable) {
		t.Errorf("without the image: %v", err)
	}
}

// What runs is told by its own word, not by the name of its image, which may be a mirror's.
func TestWhatRanIsSaid(t *testing.T) {
	for health, want := range map[string]string{
		`{"edition":"community","version":"4.14.0","services":{}}`: "LocalStack 4.14.0 (community), image registry.acme/localstack/localstack:4.14.0",
		`{"edition":"waypoint-stand-in","services":{}}`:            "this proves the harness, not LocalStack",
		`<html>moto</html>`: "does not identify itself as LocalStack",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/_localstack/health" {
				_, _ = io.WriteString(w, health)
			}
		}))
		e := &Endpoint{URL: server.URL, Image: "registry.acme/localstack/localstack:4.14.0"}
		e.ask(t.Context())
		if got := e.Describe(); !strings.Contains(got, want) {
			t.Errorf("of the health %s: %s", health, got)
		}
		t.Setenv(endpointVariable, server.URL)
		there, err := Start(t.Context())
		if err != nil || !strings.Contains(there.Describe(), "was there already") {
			t.Errorf("of an endpoint that is there: %v %v", there, err)
		}
		server.Close()
	}
}
