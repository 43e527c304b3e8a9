// Package container gives tests an endpoint of AWS: the one that AWS_ENDPOINT_URL names, or LocalStack in a container that
// it starts through testcontainers and ends again.
//
// It does not depend on what is tested on the endpoint. Only tests import it: testcontainers must not get into the
// product's binaries. What is proved on an image that is not LocalStack's is proved for that image alone; Describe reports
// what it was, by what it answered.
package container

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/localstack"
	"github.com/testcontainers/testcontainers-go/wait"
)

// defaultImage is the last image of LocalStack that needs no token.
const defaultImage = "localstack/localstack:4.14.0"

// Variables of the environment.
const (
	// imageVariable chooses another image; TokenVariable is passed to it, for images that require one.
	imageVariable = "WAYPOINT_LOCALSTACK_IMAGE"
	tokenVariable = "LOCALSTACK_AUTH_TOKEN"
	// endpointVariable names an endpoint that is there already; then no container is started.
	endpointVariable = "AWS_ENDPOINT_URL"
)

const (
	port = "4566/tcp"
	// startWithin bounds the start, with the pull of an image of a gigabyte.
	startWithin = 10 * time.Minute
	// endWithin bounds the end.
	endWithin = time.Minute
)

// Endpoint is an endpoint of AWS, with keys that it takes.
type Endpoint struct {
	// URL as in AWS_ENDPOINT_URL.
	URL, Region, AccessKeyID, SecretAccessKey string
	// Image that runs there; "" for an endpoint that was there already.
	Image string
	// Edition and Version are what its health says: "community" and "4.14.0" of LocalStack. "" if it says nothing.
	Edition, Version string

	container testcontainers.Container
}

// Describe returns a sentence about the endpoint.
func (e *Endpoint) Describe() string {
	where := "image " + e.Image
	if e.Image == "" {
		where = "the endpoint " + e.URL + ", which was there already"
	}
	switch e.Edition {
	case "":
		return where + ", which does not identify itself as LocalStack"
	case standInEdition:
		return where + ", which is not LocalStack: this proves the harness, not LocalStack"
	}
	return fmt.Sprintf("LocalStack %s (%s), %s", e.Version, e.Edition, where)
}

// standInEdition is what this project's own engines say where LocalStack names its edition.
const standInEdition = "waypoint-stand-in"

// ask finds out what runs at the endpoint. An AWS endpoint of another make says nothing, which is no error.
func (e *Endpoint) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(e.URL, "/")+"/_localstack/health", nil)
	if err != nil {
		return
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	defer res.Body.Close()
	var health struct{ Edition, Version string }
	if json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&health) == nil {
		e.Edition, e.Version = health.Edition, health.Version
	}
}

// Environ is what the AWS SDKs read.
func (e *Endpoint) Environ() []string {
	return []string{endpointVariable + "=" + e.URL, "AWS_REGION=" + e.Region, "AWS_ACCESS_KEY_ID=" + e.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + e.SecretAccessKey, "AWS_SESSION_TOKEN=", "AWS_PROFILE=", "AWS_EC2_METADATA_DISABLED=true"}
}

// Start finds or starts the endpoint. The error says what is missing and how to get it. Stop ends what was started.
func Start(ctx context.Context) (*Endpoint, error) {
	if url := os.Getenv(endpointVariable); url != "" {
		e := &Endpoint{URL: url, Region: env("AWS_REGION", "us-east-1"), AccessKeyID: env("AWS_ACCESS_KEY_ID", "test"),
			SecretAccessKey: env("AWS_SECRET_ACCESS_KEY", "test")}
		if err := reachable(ctx, url); err != nil {
			return nil, err
		}
		e.ask(ctx)
		return e, nil
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if err := engine(ctx); err != nil {
		return nil, err
	}
	e := &Endpoint{Region: "us-east-1", AccessKeyID: "test", SecretAccessKey: "test", Image: env(imageVariable, defaultImage)}
	settings := map[string]string{"AWS_ACCESS_KEY_ID": e.AccessKeyID}
	if !strings.Contains(e.Image, "localstack/localstack") {
		e.SecretAccessKey = secret() // LocalStack takes any keys, others need not
		settings["AWS_SECRET_ACCESS_KEY"] = e.SecretAccessKey
	}
	if token := os.Getenv(tokenVariable); token != "" {
		settings[tokenVariable] = token
	}
	c, err := localstack.Run(ctx, e.Image, testcontainers.WithEnv(settings), testcontainers.WithWaitStrategyAndDeadline(
		startWithin, wait.ForHTTP("/_localstack/health").WithPort(port).WithStartupTimeout(startWithin)))
	if c != nil {
		e.container = c.Container
	}
	if err == nil {
		e.URL, err = c.PortEndpoint(ctx, port, "http")
	}
	if err != nil {
		return nil, errors.Join(explain(e.Image, err), e.Stop(context.WithoutCancel(ctx)))
	}
	e.ask(ctx)
	return e, nil
}

// Stop ends and removes the container, if one was started.
func (e *Endpoint) Stop(ctx context.Context) error {
	if e.container == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	return e.container.Terminate(ctx)
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

func secret() string {
	b := make([]byte, 20)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func reachable(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("%s=%q is not a URL: %w", endpointVariable, url, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("nothing answers at %s=%s; start it, or unset the variable to start LocalStack in a container: %w", endpointVariable, url, err)
	}
	return res.Body.Close()
}

// engine sees that there is a Docker engine.
func engine(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil { // testcontainers panics where it finds no engine at all
			err = fmt.Errorf("no Docker engine is reachable (%v); install and start one (Debian: apt-get install docker.io), or set DOCKER_HOST, or name a running endpoint in %s", p, endpointVariable)
		}
	}()
	provider, err := testcontainers.NewDockerProvider()
	if err == nil {
		err = errors.Join(provider.Health(ctx), provider.Close())
	}
	if err != nil {
		return fmt.Errorf("no Docker engine is reachable (%w); install and start one (Debian: apt-get install docker.io), or set DOCKER_HOST, or name a running endpoint in %s", err, endpointVariable)
	}
	return nil
}

func explain(image string, err error) error {
	text := strings.ToLower(err.Error())
	for _, sign := range []string{"no such image", "pull access", "manifest", "pulling", "failed to pull", "registry", "not found"} {
		if strings.Contains(text, sign) {
			return fmt.Errorf("the image %s is not on this machine and cannot be pulled; `docker pull %s` where there is a network, or name another in %s: %w",
				image, image, imageVariable, err)
		}
	}
	return fmt.Errorf("starting %s: %w", image, err)
}
