package conformance_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/waypoint-serverless/waypoint/localstack/dynamodb"
	"github.com/waypoint-serverless/waypoint/localstack/dynamodb/conformance"
	"github.com/waypoint-serverless/waypoint/localstack/store"
)

// endpoint names another engine to run the suite on, such as DynamoDB Local.
const endpoint = "AWS_ENDPOINT_URL_DYNAMODB"

// localDifferences are what Amazon's DynamoDB Local 3.3.0 answers otherwise
// than AWS documents; they are skipped when the suite runs on it.
var localDifferences = map[string]string{
	"return/update UPDATED_OLD":                             "DynamoDB Local returns the whole top-level attribute; AWS documents the updated attributes, and its tutorial shows the updated members of a map alone",
	"return/update UPDATED_NEW":                             "as UPDATED_OLD",
	"transaction/an update that cannot be made is a reason": "DynamoDB Local answers ValidationException; AWS lists the message under the cancellation reason ValidationError",
	"table/keeps the tags it was made with":                 "DynamoDB Local has no tags",
	"capacity/transactions count twice":                     "DynamoDB Local counts writes of transactions once; AWS documents two writes",
}

func TestConformance(t *testing.T) {
	url := os.Getenv(endpoint)
	if url == "" {
		conformance.Run(t, embedded(t), "conf-", nil)
		return
	}
	t.Logf("running on %s", url)
	prefix := fmt.Sprintf("conf%d-", time.Now().UnixNano())
	conformance.Run(t, client(url, nil), prefix, localDifferences)
}

func client(url string, transport http.RoundTripper) *awsdynamodb.Client {
	o := awsdynamodb.Options{Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}
	if transport != nil {
		o.HTTPClient = &http.Client{Transport: transport}
	}
	o.RetryMaxAttempts = 1
	return awsdynamodb.New(o)
}

func embedded(t *testing.T) *awsdynamodb.Client {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	e, err := dynamodb.New(t.Context(), dynamodb.Options{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	return client("http://dynamodb.embedded", inProcess{e})
}

// inProcess calls a handler without a socket.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, req)
	resp := w.Result()
	resp.Request = req
	return resp, nil
}
