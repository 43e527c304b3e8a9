package container

import (
	"errors"
	"strings"
	"testing"
)

func TestWhatIsMissingIsSaidWithHowToGetIt(t *testing.T) {
	t.Setenv(EndpointVariable, "http://127.0.0.1:9")
	if _, err := Start(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing answers at AWS_ENDPOINT_URL=http://127.0.0.1:9") {
		t.Errorf("with a dead endpoint: %v", err)
	}
	err := explain(DefaultImage, errors.New("create container: Error response from daemon: No such image: localstack/localstack:4.14.0"))
	if !strings.Contains(err.Error(), "docker pull "+DefaultImage) || !strings.Contains(err.Error(), ImageVariable) {
		t.Errorf("without the image: %v", err)
	}
}

func TestWhatRanIsSaid(t *testing.T) {
	for image, want := range map[string]string{
		"":                                   "was there already",
		DefaultImage:                         "LocalStack, image localstack/localstack:4.14.0",
		"waypoint-serverless/standin:4.14.0": "this proves the harness, not LocalStack",
	} {
		e := &Endpoint{URL: "http://127.0.0.1:4566", Image: image}
		if got := e.Describe(); !strings.Contains(got, want) {
			t.Errorf("of the image %q: %s", image, got)
		}
	}
}
