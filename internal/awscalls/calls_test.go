package awscalls_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waypoint-serverless/waypoint/internal/awscalls"
)

// wire answers everything with {} and remembers what was sent.
type wire struct{ bodies []string }

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	w.bodies = append(w.bodies, string(body))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, err
}

// handler makes the calls of a function.
type handler func(ctx context.Context) error

func (h handler) Invoke(ctx context.Context, _ []byte) ([]byte, error) { return nil, h(ctx) }

func TestCallsAreRecordedByFunctionOperationAndKindOfResource(t *testing.T) {
	dir, sent := t.TempDir(), &wire{}
	r := awscalls.New(dir)
	cfg := r.Watch(aws.Config{Region: "eu-west-1", HTTPClient: sent, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
	db, queues := dynamodb.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	key := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "secret"}}
	ctx := t.Context()
	function := handler(func(ctx context.Context) error {
		_, _ = db.Query(ctx, &dynamodb.QueryInput{TableName: aws.String("t"), IndexName: aws.String("gsi1")})
		_, _ = db.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("t"), Key: key})
		_, _ = db.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("t"), Key: key})
		_, _ = db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
			{Put: &types.Put{TableName: aws.String("t"), Item: key}}, {Delete: &types.Delete{TableName: aws.String("t"), Key: key}},
		}})
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://kms.test", strings.NewReader("{}"))
		if err != nil {
			return err
		}
		req.Header.Set("X-Amz-Target", "TrentService.Decrypt")
		res, err := cfg.HTTPClient.Do(req)
		if err != nil {
			return err
		}
		return res.Body.Close()
	})
	if _, err := awscalls.Named("api", function).Invoke(ctx, nil); err != nil {
		t.Fatal(err)
	}
	_, _ = queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String("https://q"), MessageBody: aws.String("x")})

	want := []string{"? sqs.SendMessage queue", "api dynamodb.GetItem table", "api dynamodb.Query gsi1",
		"api dynamodb.TransactWriteItems/Delete table", "api dynamodb.TransactWriteItems/Put table", "api kms.Decrypt key"}
	made, err := r.Calls()
	if err != nil {
		t.Fatal(err)
	}
	read, err := awscalls.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string][]awscalls.Call{"memory": made, "folder": read} {
		var got []string
		for _, c := range list {
			got = append(got, c.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("in %s: %q", name, got)
		}
	}
	if len(sent.bodies) != 6 || !strings.Contains(sent.bodies[1], "secret") {
		t.Errorf("the requests did not go out whole: %q", sent.bodies)
	}
}
