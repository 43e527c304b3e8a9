package dynamodb_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb"
	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
)

// inProcess calls a handler without a socket.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, req)
	resp := w.Result()
	resp.Request = req
	return resp, nil
}

func clientOf(e *dynamodb.Engine) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://dynamodb.embedded"), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient:  &http.Client{Transport: inProcess{e}},
	})
}

func engine(t testing.TB, path string, o dynamodb.Options) (*dynamodb.Engine, *sdk.Client) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	o.Store = s
	e, err := dynamodb.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return e, clientOf(e)
}

func s(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
func n(v int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(v, 10)}
}

type attrs = map[string]types.AttributeValue

// makeTable creates table "t" with keys pk and sk and two indexes.
func makeTable(t testing.TB, c *sdk.Client) *string {
	t.Helper()
	name := aws.String("table")
	key := func(hash, sort string) []types.KeySchemaElement {
		return []types.KeySchemaElement{{AttributeName: &hash, KeyType: "HASH"}, {AttributeName: &sort, KeyType: "RANGE"}}
	}
	var defs []types.AttributeDefinition
	for _, a := range []string{"pk", "sk", "g1", "s1", "g2", "s2"} {
		defs = append(defs, types.AttributeDefinition{AttributeName: &a, AttributeType: "S"})
	}
	_, err := c.CreateTable(t.Context(), &sdk.CreateTableInput{
		TableName: name, BillingMode: "PAY_PER_REQUEST", AttributeDefinitions: defs, KeySchema: key("pk", "sk"),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			{IndexName: aws.String("one"), KeySchema: key("g1", "s1"), Projection: &types.Projection{ProjectionType: "KEYS_ONLY"}},
			{IndexName: aws.String("two"), KeySchema: key("g2", "s2"), Projection: &types.Projection{ProjectionType: "INCLUDE", NonKeyAttributes: []string{"x"}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func put(t testing.TB, c *sdk.Client, it attrs) {
	t.Helper()
	if _, err := c.PutItem(t.Context(), &sdk.PutItemInput{TableName: aws.String("table"), Item: it}); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, c *sdk.Client, pk, sk string) attrs {
	t.Helper()
	out, err := c.GetItem(t.Context(), &sdk.GetItemInput{TableName: aws.String("table"), Key: attrs{"pk": s(pk), "sk": s(sk)}, ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	return out.Item
}

func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

// call sends a raw request, for what the SDK would never send.
func call(e *dynamodb.Engine, operation, body string) *http.Response {
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	w := httptest.NewRecorder()
	e.ServeHTTP(w, req)
	return w.Result()
}

func TestWhatIsNotImplementedIsRefusedByName(t *testing.T) {
	e, c := engine(t, "", dynamodb.Options{})
	makeTable(t, c)
	for _, tc := range []struct{ operation, body, typ, names string }{
		{"ExecuteStatement", `{}`, "UnknownOperationException", "ExecuteStatement"},
		{"Nonsense", `{}`, "UnknownOperationException", "Nonsense"},
		{"GetItem", `{"TableName":"table","AttributesToGet":["a"]}`, "ValidationException", "AttributesToGet"},
		{"GetItem", `{"TableName":"table","Segment":1}`, "ValidationException", "Segment"},
		{"PutItem", `{"TableName":"table","Expected":{}}`, "ValidationException", "Expected"},
		{"PutItem", `{"TableName":"table","Item":{},"ReturnItemCollectionMetrics":"SIZE"}`, "ValidationException", "ReturnItemCollectionMetrics"},
		{"UpdateItem", `{"TableName":"table","AttributeUpdates":{}}`, "ValidationException", "AttributeUpdates"},
		{"Query", `{"TableName":"table","KeyConditions":{}}`, "ValidationException", "KeyConditions"},
		{"Scan", `{"TableName":"table","ScanFilter":{}}`, "ValidationException", "ScanFilter"},
		{"BatchGetItem", `{"RequestItems":{"table":{"Keys":[],"AttributesToGet":["a"]}}}`, "ValidationException", "AttributesToGet"},
		{"BatchWriteItem", `{"RequestItems":{"table":[{"UpdateRequest":{}}]}}`, "ValidationException", "UpdateRequest"},
		{"TransactWriteItems", `{"TransactItems":[{"Get":{}}]}`, "ValidationException", "Get"},
		{"TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"table","Item":{},"ReturnValues":"ALL_OLD"}}]}`, "ValidationException", "ReturnValues"},
		{"TransactGetItems", `{"TransactItems":[{"Get":{"TableName":"table","ConsistentRead":true}}]}`, "ValidationException", "ConsistentRead"},
		{"CreateTable", `{"TableName":"other","LocalSecondaryIndexes":[]}`, "ValidationException", "LocalSecondaryIndexes"},
		{"CreateTable", `{"TableName":"other","StreamSpecification":{}}`, "ValidationException", "StreamSpecification"},
		{"CreateTable", `{"TableName":"other","BillingMode":"PROVISIONED"}`, "ValidationException", "PROVISIONED"},
		{"CreateTable", `{"TableName":"other","GlobalSecondaryIndexes":[{"IndexName":"abc","WarmThroughput":{}}]}`, "ValidationException", "WarmThroughput"},
		{"UpdateTable", `{"TableName":"table","GlobalSecondaryIndexUpdates":[]}`, "ValidationException", "GlobalSecondaryIndexUpdates"},
		{"DescribeTable", `{"TableName":"table","X":1}`, "ValidationException", "X"},
	} {
		t.Run(tc.operation+"/"+tc.names, func(t *testing.T) {
			resp := call(e, tc.operation, tc.body)
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != 400 || !strings.Contains(string(body), tc.typ) || !strings.Contains(string(body), tc.names) {
				t.Fatalf("%d %s: want %s naming %s", resp.StatusCode, body, tc.typ, tc.names)
			}
		})
	}
}

func TestTheWireIsAWSJSON(t *testing.T) {
	e, c := engine(t, "", dynamodb.Options{})
	makeTable(t, c)
	for _, tc := range []struct {
		operation, body, want string
		status                int
	}{
		{"ListTables", `{}`, `{"TableNames":["table"]}`, 200},
		{"GetItem", `{"TableName":"nothing","Key":{}}`, `"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"`, 400},
		{"GetItem", `{"TableName":"table","Key":{}}`, `"__type":"com.amazon.coral.validate#ValidationException"`, 400},
		{"GetItem", `{"TableName":`, `"__type":"com.amazon.coral.service#SerializationException"`, 400},
		{"GetItem", `{"TableName":"table","Key":{"pk":{"S":"a"},"sk":{"S":"b"}}} trailing`, `SerializationException`, 400},
		{"GetItem", "{\"TableName\":\"table\",\"Key\":{\"pk\":{\"S\":\"\xff\"},\"sk\":{\"S\":\"b\"}}}", `SerializationException`, 400},
		{"PutItem", `{"TableName":"table","Item":{"pk":{"S":"a","N":"1"}}}`, `ValidationException`, 400},
		{"PutItem", `{"TableName":"table","Item":{"pk":{}}}`, `ValidationException`, 400},
		{"PutItem", `{"TableName":"table","Item":{"pk":{"S":"a"},"pk":{"S":"b"}}}`, `SerializationException`, 400},
		{"PutItem", `{"TableName":"table","Item":{"pk":{"S":"\ud83d\ude00\u00e9\\\/"},"sk":{"S":"\ud800"}}}`, `{}`, 200},
	} {
		resp := call(e, tc.operation, tc.body)
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != tc.status || !strings.Contains(string(body), tc.want) {
			t.Errorf("%s %s: %d %s", tc.operation, tc.body, resp.StatusCode, body)
		}
		if got := resp.Header.Get("X-Amz-Crc32"); got != fmt.Sprint(crc32.ChecksumIEEE(body)) {
			t.Errorf("checksum %s of %s", got, body)
		}
		if resp.Header.Get("X-Amzn-Requestid") == "" || resp.Header.Get("Content-Type") != "application/x-amz-json-1.0" {
			t.Errorf("headers %v", resp.Header)
		}
	}
	if got := get(t, c, "😀é\\/", "\ufffd"); got == nil {
		t.Error("escapes of a string were not understood")
	}
}

func TestAuthorizeIsAskedForEachTable(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	deny := ""
	_, c := engine(t, "", dynamodb.Options{Region: "eu-central-1", Account: "123456789012", Authorize: func(_ context.Context, action, arn string) error {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, action+" "+strings.TrimPrefix(arn, "arn:aws:dynamodb:eu-central-1:123456789012:"))
		if action == deny {
			return errors.New("not yours")
		}
		return nil
	}})
	name := makeTable(t, c)
	key := attrs{"pk": s("a"), "sk": s("b")}
	do := map[string]func() error{
		"dynamodb:GetItem table/table": func() error {
			_, err := c.GetItem(t.Context(), &sdk.GetItemInput{TableName: name, Key: key})
			return err
		},
		"dynamodb:Query table/table/index/one": func() error {
			_, err := c.Query(t.Context(), &sdk.QueryInput{TableName: name, IndexName: aws.String("one"), KeyConditionExpression: aws.String("g1 = :a"), ExpressionAttributeValues: attrs{":a": s("a")}})
			return err
		},
		"dynamodb:PutItem table/table": func() error {
			_, err := c.TransactWriteItems(t.Context(), &sdk.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{{Put: &types.Put{TableName: name, Item: key}}}})
			return err
		},
		"dynamodb:BatchWriteItem table/table": func() error {
			_, err := c.BatchWriteItem(t.Context(), &sdk.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{*name: {{DeleteRequest: &types.DeleteRequest{Key: key}}}}})
			return err
		},
		"dynamodb:ListTables *": func() error {
			_, err := c.ListTables(t.Context(), &sdk.ListTablesInput{})
			return err
		},
	}
	for want, run := range do {
		asked, deny = nil, ""
		if err := run(); err != nil {
			t.Errorf("%s: %v", want, err)
		}
		if len(asked) != 1 || asked[0] != want {
			t.Errorf("asked %q, want %q", asked, want)
		}
		deny, _, _ = strings.Cut(want, " ")
		if got := errorCode(run()); got != "AccessDeniedException" {
			t.Errorf("%s denied: %s", want, got)
		}
	}
}

func TestTablesSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	st, err := store.Open(t.Context(), store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	e, err := dynamodb.New(t.Context(), dynamodb.Options{Store: st})
	if err != nil {
		t.Fatal(err)
	}
	c := clientOf(e)
	makeTable(t, c)
	put(t, c, attrs{"pk": s("a"), "sk": s("b"), "g1": s("g"), "s1": s("s")})
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	_, c = engine(t, path, dynamodb.Options{})
	if get(t, c, "a", "b") == nil {
		t.Fatal("the item is gone")
	}
	out, err := c.Query(t.Context(), &sdk.QueryInput{TableName: aws.String("table"), IndexName: aws.String("one"), KeyConditionExpression: aws.String("g1 = :g"), ExpressionAttributeValues: attrs{":g": s("g")}})
	if err != nil || out.Count != 1 {
		t.Fatalf("the index has %v items: %v", out, err)
	}
}

func TestDeletionProtection(t *testing.T) {
	_, c := engine(t, "", dynamodb.Options{})
	name := makeTable(t, c)
	protect := func(on bool) {
		if _, err := c.UpdateTable(t.Context(), &sdk.UpdateTableInput{TableName: name, DeletionProtectionEnabled: &on}); err != nil {
			t.Fatal(err)
		}
	}
	protect(true)
	if _, err := c.DeleteTable(t.Context(), &sdk.DeleteTableInput{TableName: name}); errorCode(err) != "ValidationException" {
		t.Fatalf("a protected table was deleted: %v", err)
	}
	protect(false)
	if _, err := c.DeleteTable(t.Context(), &sdk.DeleteTableInput{TableName: name}); err != nil {
		t.Fatal(err)
	}
}

func TestContinuousBackupsAreRecorded(t *testing.T) {
	_, c := engine(t, "", dynamodb.Options{})
	name := makeTable(t, c)
	status := func() types.PointInTimeRecoveryStatus {
		out, err := c.DescribeContinuousBackups(t.Context(), &sdk.DescribeContinuousBackupsInput{TableName: name})
		if err != nil {
			t.Fatal(err)
		}
		return out.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus
	}
	if status() != types.PointInTimeRecoveryStatusDisabled {
		t.Fatal("on from the start")
	}
	_, err := c.UpdateContinuousBackups(t.Context(), &sdk.UpdateContinuousBackupsInput{TableName: name,
		PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)}})
	if err != nil || status() != types.PointInTimeRecoveryStatusEnabled {
		t.Fatalf("not recorded: %v", err)
	}
}

func TestExpiredItemsAreSwept(t *testing.T) {
	e, c := engine(t, "", dynamodb.Options{})
	name := makeTable(t, c)
	now := time.Unix(1_800_000_000, 0)
	item := func(sk string, ttl types.AttributeValue) attrs {
		return attrs{"pk": s("a"), "sk": s(sk), "ttl": ttl, "g1": s("g"), "s1": s(sk)}
	}
	put(t, c, item("before", n(now.Unix()-1))) // present when TTL is turned on
	if _, err := c.UpdateTimeToLive(t.Context(), &sdk.UpdateTimeToLiveInput{TableName: name, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("ttl"), Enabled: aws.Bool(true)}}); err != nil {
		t.Fatal(err)
	}
	put(t, c, item("past", n(now.Unix()-1)))
	put(t, c, item("future", n(now.Unix()+1)))
	put(t, c, item("text", s("1")))
	put(t, c, item("ancient", n(now.Unix()-6*365*86400)))
	put(t, c, item("moved", n(now.Unix()-1)))
	put(t, c, item("moved", n(now.Unix()+1)))
	put(t, c, attrs{"pk": s("a"), "sk": s("none")})
	sweep := func(at time.Time, want int) {
		t.Helper()
		if removed, err := e.ExpireOnce(t.Context(), at); err != nil || removed != want {
			t.Fatalf("removed %d, want %d: %v", removed, want, err)
		}
	}
	sweep(now, 2)
	for sk, there := range map[string]bool{"before": false, "past": false, "future": true, "text": true, "ancient": true, "moved": true, "none": true} {
		if (get(t, c, "a", sk) != nil) != there {
			t.Errorf("item %q is there: %v", sk, !there)
		}
	}
	out, err := c.Query(t.Context(), &sdk.QueryInput{TableName: name, IndexName: aws.String("one"), KeyConditionExpression: aws.String("g1 = :g"), ExpressionAttributeValues: attrs{":g": s("g")}})
	if err != nil || out.Count != 4 {
		t.Fatalf("the index has %d items, want 4: %v", out.Count, err)
	}
	sweep(now, 0)
	sweep(now.Add(2*time.Second), 2)
}

func TestTransactionTokensEndAfterTenMinutes(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	_, c := engine(t, "", dynamodb.Options{Clock: func() time.Time { return now }})
	name := makeTable(t, c)
	add := func() {
		t.Helper()
		_, err := c.TransactWriteItems(t.Context(), &sdk.TransactWriteItemsInput{ClientRequestToken: aws.String("token"), TransactItems: []types.TransactWriteItem{{Update: &types.Update{
			TableName: name, Key: attrs{"pk": s("a"), "sk": s("b")}, UpdateExpression: aws.String("ADD c :one"), ExpressionAttributeValues: attrs{":one": n(1)}}}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(count string) {
		t.Helper()
		if got := get(t, c, "a", "b")["c"].(*types.AttributeValueMemberN).Value; got != count {
			t.Fatalf("made %s times, want %s", got, count)
		}
	}
	add()
	now = now.Add(9 * time.Minute)
	add()
	want("1")
	now = now.Add(2 * time.Minute)
	add()
	want("2")
}

func TestConcurrentTransfersKeepTheSum(t *testing.T) {
	for name, path := range map[string]string{"memory": "", "file": filepath.Join(t.TempDir(), "db")} {
		t.Run(name, func(t *testing.T) {
			_, c := engine(t, path, dynamodb.Options{})
			table := makeTable(t, c)
			const accounts = 4
			for i := range accounts {
				put(t, c, attrs{"pk": s(fmt.Sprint(i)), "sk": s("a"), "balance": n(100)})
			}
			var wg sync.WaitGroup
			for w := range 8 {
				wg.Go(func() {
					for i := range 25 {
						from, to := fmt.Sprint((w+i)%accounts), fmt.Sprint((w+i*3+1)%accounts)
						if from == to {
							continue
						}
						move := func(pk, expr, cond string) types.TransactWriteItem {
							u := &types.Update{TableName: table, Key: attrs{"pk": s(pk), "sk": s("a")}, UpdateExpression: &expr, ExpressionAttributeValues: attrs{":n": n(7)}}
							if cond != "" {
								u.ConditionExpression = &cond
							}
							return types.TransactWriteItem{Update: u}
						}
						_, err := c.TransactWriteItems(context.Background(), &sdk.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
							move(from, "SET balance = balance - :n", "balance >= :n"), move(to, "SET balance = balance + :n", "")}})
						if err != nil && errorCode(err) != "TransactionCanceledException" {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			sum := 0
			for i := range accounts {
				b, err := strconv.Atoi(get(t, c, fmt.Sprint(i), "a")["balance"].(*types.AttributeValueMemberN).Value)
				if err != nil || b < 0 {
					t.Fatalf("balance %d: %v", b, err)
				}
				sum += b
			}
			if sum != accounts*100 {
				t.Fatalf("the sum is %d", sum)
			}
		})
	}
}

func TestOneOfManyConditionalPutsWins(t *testing.T) {
	_, c := engine(t, "", dynamodb.Options{})
	table := makeTable(t, c)
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 32 {
		wg.Go(func() {
			_, err := c.PutItem(context.Background(), &sdk.PutItemInput{TableName: table, Item: attrs{"pk": s("a"), "sk": s("b")}, ConditionExpression: aws.String("attribute_not_exists(pk)")})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if errorCode(err) != "ConditionalCheckFailedException" {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Fatalf("%d puts won", won)
	}
}
