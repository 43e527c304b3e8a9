package conformance_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/waypoint-serverless/waypoint/localstack/aws/sqs/conformance"
	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
)

// The environment can name another implementation (AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL), for a look at single cases
// with -run. `make test-engines` compares whole runs, and knows the referees' deviations.
func TestConformance(t *testing.T) {
	if url := suite.Endpoint("SQS"); url != "" {
		t.Logf("running on %s", url)
		suite.Under(t, conformance.Target{
			Client: conformance.NewClient(url, suite.Region(), credentials.NewStaticCredentialsProvider(suite.Keys()), nil),
			Prefix: fmt.Sprintf("conf%d-", time.Now().UnixNano()),
		}.Suite(), false, true)
		return
	}
	coverage := new(suite.Coverage)
	target, closing, err := conformance.Embedded(t.Context(), coverage)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := closing(); err != nil {
			t.Error(err)
		}
	})
	t.Run("cases", func(t *testing.T) { suite.Under(t, target.Suite(), true, true) })

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
