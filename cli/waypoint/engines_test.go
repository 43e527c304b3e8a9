package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"github.com/waypoint-serverless/waypoint/localstack/server"
)

// engines is a running `waypoint server engines`, a process of its own.
type engines struct {
	server.EnginesRunning
	cmd    *exec.Cmd
	stderr *bytes.Buffer
}

func startEngines(t *testing.T, env []string, args ...string) *engines {
	t.Helper()
	e := &engines{stderr: new(bytes.Buffer)}
	args = append([]string{"server", "engines", "--dynamodb", "127.0.0.1:0", "--sqs", "127.0.0.1:0"}, args...)
	e.cmd = exec.CommandContext(t.Context(), "waypoint", args...)
	e.cmd.Env = append(os.Environ(), append([]string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_REGION="}, env...)...)
	e.cmd.Stderr = e.stderr
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), &e.EnginesRunning)
	}
	if err != nil {
		t.Fatalf("%v\n%s%s", err, line, e.stderr)
	}
	return e
}

// stop sends SIGTERM and wants exit code 0 and nothing on stderr.
func (e *engines) stop(t *testing.T) {
	t.Helper()
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := e.cmd.Wait(); err != nil || e.stderr.Len() > 0 {
		t.Fatalf("%v\n%s", err, e.stderr)
	}
}

func (e *engines) config(region, secret string) aws.Config {
	return aws.Config{Region: region, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(e.AccessKeyID, secret, "")}
}

func (e *engines) tables(region, secret string) *dynamodb.Client {
	return dynamodb.NewFromConfig(e.config(region, secret), func(o *dynamodb.Options) { o.BaseEndpoint = &e.DynamoDB })
}

func (e *engines) queues(region, secret string) *sqs.Client {
	return sqs.NewFromConfig(e.config(region, secret), func(o *sqs.Options) { o.BaseEndpoint = &e.SQS })
}

func makeTable(t *testing.T, c *dynamodb.Client, name string) {
	t.Helper()
	if _, err := c.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: ddbtypes.BillingModePayPerRequest,
		AttributeDefinitions: []ddbtypes.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}},
		KeySchema:            []ddbtypes.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}},
	}); err != nil {
		t.Fatal(err)
	}
}

func wantAPICode(t *testing.T, err error, want string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != want {
		t.Fatalf("got %v, want %s", err, want)
	}
}

func TestEnginesAnswerTheUnmodifiedSDK(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM")
	}
	e := startEngines(t, nil)
	db, mq := e.tables("eu-central-1", e.SecretAccessKey), e.queues("ap-southeast-2", e.SecretAccessKey)
	makeTable(t, db, "table")
	made, err := mq.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("q")})
	if err != nil || *made.QueueUrl != e.SQS+"/000000000000/q" {
		t.Fatal(made, err)
	}

	// Many at once, over kept connections.
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			key := map[string]ddbtypes.AttributeValue{"pk": &ddbtypes.AttributeValueMemberS{Value: fmt.Sprint(i)}}
			if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("table"), Item: key}); err != nil {
				t.Error(err)
			}
			if out, err := db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("table"), Key: key}); err != nil || len(out.Item) != 1 {
				t.Error(out, err)
			}
			if _, err := mq.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: made.QueueUrl, MessageBody: aws.String(fmt.Sprint(i))}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()

	_, err = e.tables("us-east-1", "wrong").ListTables(t.Context(), nil)
	wantAPICode(t, err, "InvalidSignatureException")
	_, err = e.queues("us-east-1", "wrong").ListQueues(t.Context(), nil)
	wantAPICode(t, err, "InvalidSignatureException")

	// A long poll does not hold the end up.
	empty, err := mq.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("empty")})
	if err != nil {
		t.Fatal(err)
	}
	polled := make(chan struct{})
	go func() {
		defer close(polled)
		_, _ = mq.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: empty.QueueUrl, WaitTimeSeconds: 20})
	}()
	began := time.Now()
	e.stop(t)
	<-polled
	if took := time.Since(began); took > 15*time.Second {
		t.Fatalf("the end took %s", took)
	}
}

// post signs and sends a request that no SDK would: with a body of unknown length, or in another protocol.
func (e *engines) post(t *testing.T, endpoint, service, body string, header http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint+"/", io.NopCloser(strings.NewReader(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = -1
	req.Header = header
	sum := sha256.Sum256([]byte(body))
	keys := aws.Credentials{AccessKeyID: e.AccessKeyID, SecretAccessKey: e.SecretAccessKey}
	if err := v4.NewSigner().SignHTTP(context.Background(), keys, req, hex.EncodeToString(sum[:]), service, "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(answer)
}

func TestEnginesOnTheWire(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM")
	}
	e := startEngines(t, []string{"AWS_ACCESS_KEY_ID=AKIAMINE", "AWS_SECRET_ACCESS_KEY=mine", "AWS_REGION=eu-west-1"})
	defer e.stop(t)
	if e.AccessKeyID != "AKIAMINE" || e.SecretAccessKey != "mine" || e.Region != "eu-west-1" {
		t.Fatalf("the key of the environment is not used: %s in %s", e.AccessKeyID, e.Region)
	}
	for _, c := range []struct {
		name, endpoint, service, body string
		header                        http.Header
		status                        int
		want                          string
	}{
		{"DynamoDB, a chunked body", e.DynamoDB, "dynamodb", `{}`, http.Header{"X-Amz-Target": {"DynamoDB_20120810.ListTables"}}, 200, `{"TableNames":[]}`},
		{"DynamoDB, an unknown operation", e.DynamoDB, "dynamodb", `{}`, http.Header{"X-Amz-Target": {"DynamoDB_20120810.Sing"}}, 400, "UnknownOperationException"},
		{"DynamoDB, no JSON", e.DynamoDB, "dynamodb", `{`, http.Header{"X-Amz-Target": {"DynamoDB_20120810.ListTables"}}, 400, "SerializationException"},
		{"DynamoDB, a signature for SQS", e.DynamoDB, "sqs", `{}`, http.Header{"X-Amz-Target": {"DynamoDB_20120810.ListTables"}}, 400, "InvalidSignatureException"},
		{"SQS, a chunked body", e.SQS, "sqs", `{}`, http.Header{"X-Amz-Target": {"AmazonSQS.ListQueues"}}, 200, `{}`},
		{"SQS, the query protocol of old SDKs", e.SQS, "sqs", "Action=ListQueues&Version=2012-11-05",
			http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}, 400, "<Code>AWS.SimpleQueueService.UnsupportedOperation</Code>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body := e.post(t, c.endpoint, c.service, c.body, c.header)
			if resp.StatusCode != c.status || !strings.Contains(body, c.want) {
				t.Fatalf("%d %s", resp.StatusCode, body)
			}
			if resp.Header.Get("X-Amzn-Requestid") == "" {
				t.Errorf("no request id: %v", resp.Header)
			}
			if sum := strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(body))), 10); c.endpoint == e.DynamoDB && resp.Header.Get("X-Amz-Crc32") != sum {
				t.Errorf("checksum %q, want %s", resp.Header.Get("X-Amz-Crc32"), sum)
			}
		})
	}
}

func TestEnginesKeepTheirData(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM")
	}
	data := filepath.Join(t.TempDir(), "aws.db")
	e := startEngines(t, nil, "--data", data)
	makeTable(t, e.tables("us-east-1", e.SecretAccessKey), "kept")
	for what, args := range map[string][]string{
		"the same data":      {"--dynamodb", "127.0.0.1:0", "--sqs", "127.0.0.1:0", "--data", data},
		"a taken port":       {"--dynamodb", "127.0.0.1:0", "--sqs", strings.TrimPrefix(e.SQS, "http://")},
		"another's address":  {"--dynamodb", "0.0.0.0:0"},
		"no address":         {"--sqs", "9324"},
		"no such folder":     {"--dynamodb", "127.0.0.1:0", "--sqs", "127.0.0.1:0", "--data", filepath.Join(data, "no", "file")},
		"no database inside": {"--dynamodb", "127.0.0.1:0", "--sqs", "127.0.0.1:0", "--data", noDatabase(t)},
	} {
		out, err := exec.CommandContext(t.Context(), "waypoint", append([]string{"server", "engines"}, args...)...).CombinedOutput()
		if err == nil || strings.Count(string(out), "\n") != 1 || !strings.HasPrefix(string(out), "Error: ") {
			t.Errorf("%s: %v\n%s", what, err, out)
		}
	}
	e.stop(t)
	again := startEngines(t, nil, "--data", data)
	defer again.stop(t)
	out, err := again.tables("us-east-1", again.SecretAccessKey).ListTables(t.Context(), nil)
	if err != nil || len(out.TableNames) != 1 {
		t.Fatal(out, err)
	}
}

func noDatabase(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "letter.txt")
	if err := os.WriteFile(path, []byte(strings.Repeat("Dear reader, ", 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
