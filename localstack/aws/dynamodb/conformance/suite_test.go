package conformance_test

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb/conformance"
	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
)

// The environment can name another implementation (AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL), for a look at single cases
// with -run. `make test-engines` compares whole runs, and knows the referees' deviations.
func TestConformance(t *testing.T) {
	if url := suite.Endpoint("DYNAMODB"); url != "" {
		t.Logf("running on %s", url)
		run(t, conformance.Target{
			Client: conformance.NewClient(url, suite.Region(), credentials.NewStaticCredentialsProvider(suite.Keys()), nil),
			Prefix: fmt.Sprintf("conf%d-", time.Now().UnixNano()),
		})
		return
	}
	coverage := new(suite.Coverage)
	target, closing, err := conformance.Embedded(t.Context(), coverage)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := closing(); err != nil {
			t.Error(err)
		}
	}()
	run(t, target)

	operations, codes, err := conformance.Operations("..")
	if err != nil {
		t.Fatal(err)
	}
	if f := flag.Lookup("test.run"); f != nil && strings.Contains(f.Value.String(), "/") {
		return // a few cases only
	}
	for _, missing := range coverage.Uncovered(operations, codes) {
		t.Errorf("the engine can answer it and no case covers it: %s", missing)
	}
}

func run(t *testing.T, target conformance.Target) {
	t.Helper()
	tearDown, err := target.SetUp(t.Context())
	t.Cleanup(func() { tearDown(context.Background()) })
	if err != nil {
		t.Fatal(err)
	}
	suite.Under(t, target.Suite(), target.Own != nil, false)
}
